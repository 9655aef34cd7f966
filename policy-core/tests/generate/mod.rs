//! Random policies and requests over a few names, so that rules and requests meet often.
#![allow(unreachable_pub, reason = "part of several test crates")]

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use policy_core::mask::{Detector, Transform};
use policy_core::rule::{
    Comparison, Do, Element, Expr, Fact, Fallback, FieldMask, HoldKey, Limit, LimitUnit, Literal, Mask,
    Masked, Mode, Pattern, Predicates, Record, RuleSet, Scope, Selector, Unresolved,
};
use policy_core::vocabulary::{Capability, Vocabulary};
use policy_core::{
    Action, ActionSet, Effect, Lineage, Name, Policy, Principal, PrincipalKind, Protocol, Resource, Rule,
    RuleId, Slot, Sources, Target, Tree, Value, Verb, vocabulary,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::common::{Asked, requirement};

/// The protocols that rules and requests are about. Both can mask fields here, so that masks of every kind are tried.
pub static VOCABULARIES: LazyLock<[Vocabulary; 2]> = LazyLock::new(|| {
    let mut both = [vocabulary::postgres::vocabulary(), vocabulary::ssh::vocabulary()];
    both.iter_mut().for_each(|vocabulary| vocabulary.capabilities.push(Capability::MaskFields));
    both
});

const GROUPS: &[&str] = &["eng", "dba", "sre"];
const USERS: &[&str] = &["ana", "bo"];
const SCHEMAS: &[&str] = &["public", "audit"];
const TABLES: &[&str] = &["orders", "order_items", "users"];
const TARGETS: &[&str] = &["shop", "ledger"];
/// Verbs that share their attributes, so that a condition can suit all of a rule's verbs.
const FAMILIES: &[&[&str]] =
    &[&["delete", "update"], &["select"], &["drop", "truncate"], &["unknown", "noop", "connect"], &["exec"]];

/// One or two rule sets in which every rule compiles.
pub fn rule_sets() -> impl Strategy<Value = Vec<RuleSet>> {
    (vec(rule(), 8..18), any::<bool>(), prop::bool::weighted(0.35), 0usize..18).prop_map(
        |(mut rules, split, open, at)| {
            for (number, rule) in rules.iter_mut().enumerate() {
                rule.id = RuleId(format!("r{number}").into());
            }
            let faulty = faulty(&rules);
            rules.retain(|rule| !faulty.contains(&rule.id));
            let fallback = if open { Fallback::Allow } else { Fallback::Deny };
            let second = if split { rules.split_off(at.min(rules.len())) } else { vec![] };
            let set = |rules| RuleSet { name: "random".into(), fallback, rules };
            if split { vec![set(rules), set(second)] } else { vec![set(rules)] }
        },
    )
}

/// A rule that compiles, under the name `new`, that is neither watched nor permits anything.
pub fn restriction() -> impl Strategy<Value = Rule> {
    let allow_to_deny = |mut rule: Rule| {
        rule.mode = Mode::Enforce;
        if matches!(rule.effect, Effect::Allow | Effect::Hold(_)) {
            rule.effect = Effect::Deny;
        }
        rule
    };
    rule().prop_map(allow_to_deny).prop_filter("a rule that compiles", compiles)
}

/// A request; `grants` picks which holds of the policy are satisfied, bit by bit.
pub fn asked() -> impl Strategy<Value = (Asked, u16)> {
    let principal = (
        select(USERS),
        prop_oneof![3 => Just(PrincipalKind::Human), 3 => Just(PrincipalKind::Service), 2 => Just(PrincipalKind::Agent)],
        prop::option::weighted(0.9, subsequence(GROUPS, 0..=3)),
        prop::option::of(Just("core")),
        prop::option::weighted(0.85, select(USERS)),
        prop::option::weighted(0.85, subsequence(GROUPS, 1..=3)),
    )
        .prop_map(|(id, kind, groups, team, owner, owner_groups)| Principal {
            id: id.into(),
            kind,
            groups: groups.map(|groups| groups.into_iter().map(Box::from).collect()),
            claims: team.into_iter().map(|team| ("team".into(), team.into())).collect(),
            person: None,
            owner: owner.map(Box::from),
            owner_groups: owner_groups.map(|groups| groups.into_iter().map(Box::from).collect()),
        });
    let target = (
        select(TARGETS),
        prop::bool::weighted(0.8),
        prop::option::weighted(0.85, select(&["prod", "dev"][..])),
    )
        .prop_map(|(name, postgres, env)| Target {
            name: name.into(),
            protocol: if postgres { Protocol::POSTGRES } else { Protocol::SSH },
            labels: env.into_iter().map(|env| (Box::from("env"), Box::from(env))).collect::<BTreeMap<_, _>>(),
        });
    let source = prop::option::weighted(0.8, select(&["10.1.2.3", "192.0.2.7"][..]));
    let now = prop::option::weighted(0.9, 0i64..7 * 86_400);
    let lineage = prop::option::weighted(0.3, lineage());
    (principal, target, vec(action(), 1..3), lineage, source, now, any::<[u16; 2]>()).prop_map(
        |(principal, target, actions, lineage, source, now, grants)| {
            let actions = ActionSet::new(actions);
            let actions = match lineage {
                Some(lineage) => actions.with_lineage(lineage),
                None => actions,
            };
            let source = source.and_then(|source| source.parse().ok());
            (Asked { principal, target, actions, source, now, grants: vec![] }, grants[0] & grants[1])
        },
    )
}

pub fn compile(sets: &[RuleSet]) -> Policy {
    Policy::compile(sets, &*VOCABULARIES).expect("only rules that compile are generated")
}

/// The holds of a policy that `bits` picks.
pub fn grants(policy: &Policy, bits: u16) -> Vec<HoldKey> {
    policy
        .rules()
        .filter_map(|(index, _)| policy.hold_key(index).cloned())
        .enumerate()
        .filter(|(number, _)| bits >> (number % 16) & 1 == 1)
        .map(|(_, key)| key)
        .collect()
}

fn compiles(rule: &Rule) -> bool {
    faulty(std::slice::from_ref(rule)).is_empty()
}

/// Rules that do not compile, such as those whose verbs and protocols don't go together.
fn faulty(rules: &[Rule]) -> Vec<RuleId> {
    let set = RuleSet { name: "all".into(), fallback: Fallback::Deny, rules: rules.to_vec() };
    let errors = Policy::compile([&set], &*VOCABULARIES).err().unwrap_or_default();
    errors.into_iter().map(|error| error.rule).collect()
}

fn rule() -> impl Strategy<Value = Rule> {
    (effect(), scope(), prop::bool::weighted(0.12)).prop_map(|(effect, scope, watched)| Rule {
        id: RuleId("new".into()),
        mode: if watched { Mode::Observe } else { Mode::Enforce },
        scope,
        effect,
        say: None,
        place: None,
    })
}

fn effect() -> impl Strategy<Value = Effect> {
    let columns = prop_oneof![
        Just(pattern(["**", "pan"])),
        Just(pattern(["public", "users", "pan"])),
        Just(pattern(["audit", "*", "*"])),
    ]
    .prop_map(|columns| Masked::Columns {
        columns: vec![columns],
        with: vec![(pattern(["public", "**"]), Transform::Hash)],
        otherwise: Transform::Redact,
    });
    let values = Masked::Values { detectors: vec![Detector::Email], with: Transform::Partial };
    let fields = Masked::Fields(FieldMask {
        fields: vec![Pattern { segments: ["**".into(), "email".into()].into() }],
        with: vec![],
        otherwise: Transform::Redact,
    });
    let mask = |what: BoxedStrategy<Masked>, predicates: &'static [Predicates]| {
        let unresolved = select(&[Unresolved::Deny, Unresolved::Mask][..]);
        (what, unresolved, select(predicates))
            .prop_map(|(what, unresolved, predicates)| Effect::Mask(Mask { what, unresolved, predicates }))
    };
    prop_oneof![
        20 => Just(Effect::Allow),
        1 => Just(Effect::Deny),
        14 => (1u16..3, group()).prop_map(|(quorum, reviewers)| Effect::Hold(requirement(quorum, reviewers))),
        2 => mask(columns.boxed(), &[Predicates::Record, Predicates::Deny]),
        1 => mask(select(vec![values, fields]).boxed(), &[Predicates::Record]),
        1 => (1u64..3).prop_map(|count| Effect::Limit(Limit {
            unit: LimitUnit::Commands,
            count,
            window: Some(Duration::from_secs(60)),
        })),
        1 => Just(Effect::Record(Record { results: true, strict: false })),
    ]
}

fn scope() -> impl Strategy<Value = Scope> {
    let by = prop::option::weighted(0.3, principal_condition());
    let unless = prop::option::weighted(0.15, principal_condition());
    (by, vec(selector(), 0..2), prop::option::weighted(0.8, select(FAMILIES)), unless).prop_flat_map(
        |(by, on, family, unless)| {
            let does = match family {
                None => Just(None).boxed(),
                Some(family) => vec(does(family), 1..3).prop_map(Some).boxed(),
            };
            let when = prop::option::weighted(0.35, condition(family.unwrap_or_default()));
            (does, when).prop_map(move |(does, when)| Scope {
                by: by.clone(),
                on: on.clone(),
                does,
                when,
                unless: unless.clone(),
            })
        },
    )
}

fn selector() -> impl Strategy<Value = Selector> {
    let name = prop_oneof![select(TARGETS).prop_map(|name| pattern([name])), Just(pattern(["s*"]))];
    let label = |value: &'static str| {
        Expr::Compare(Fact::Label("env".into()), Comparison::Equal, Literal::Text(value.into()))
    };
    (prop::bool::weighted(0.85), vec(name, 0..2), prop::option::weighted(0.3, select(&["prod", "dev"][..])))
        .prop_map(move |(postgres, names, env)| Selector {
            protocol: if postgres { Protocol::POSTGRES } else { Protocol::SSH },
            names,
            labels: env.map(label),
        })
}

fn does(family: &'static [&'static str]) -> impl Strategy<Value = Do> {
    let resources =
        vec((segment(SCHEMAS), segment(TABLES)).prop_map(|(schema, table)| pattern([schema, table])), 0..3);
    (subsequence(family, 1..=family.len()), resources)
        .prop_map(|(verbs, resources)| Do { verbs: verbs.into_iter().map(Verb::new).collect(), resources })
}

fn segment(names: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => select(names), 2 => Just("*"), 1 => Just("**"), 1 => Just("o*s"), 1 => Just("*u*")]
}

fn group() -> impl Strategy<Value = Expr> {
    select(GROUPS).prop_map(|group| Expr::Group(group.into()))
}

/// Whom an agent acts for.
fn owner() -> impl Strategy<Value = Expr> {
    combined(prop_oneof![group(), select(USERS).prop_map(|user| Expr::User(pattern([user])))])
}

fn principal_condition() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        4 => group(),
        2 => select(USERS).prop_map(|user| Expr::User(pattern([user]))),
        1 => Just(Expr::User(pattern(["*a"]))),
        1 => Just(Expr::Kind(PrincipalKind::Human)),
        1 => owner().prop_map(|owner| Expr::OnBehalfOf(Box::new(owner))),
        1 => Just(Expr::Compare(Fact::Claim("team".into()), Comparison::Equal, Literal::Text("core".into()))),
        1 => Just(Expr::In(Fact::Source, vec![Literal::Text("10.0.0.0/8".into())])),
    ];
    combined(leaf)
}

/// Conditions that the verbs of the family can all answer.
fn condition(family: &'static [&'static str]) -> impl Strategy<Value = Expr> {
    let clock = prop_oneof![
        (0i64..24).prop_map(|hour| Expr::Compare(Fact::Hour, Comparison::Less, Literal::Integer(hour))),
        Just(Expr::In(Fact::Weekday, vec![Literal::Text("sat".into()), Literal::Text("sun".into())])),
        Just(Expr::Like(Fact::Source, pattern(["10.*"]))),
    ];
    let attribute = |name: &str| Fact::Attribute(name.into());
    let own = match family.first().copied() {
        Some("delete") => vec![
            Expr::Holds(attribute("filtered")),
            Expr::Compare(attribute("filtered"), Comparison::NotEqual, Literal::Bool(true)),
            Expr::In(attribute("reads"), vec![Literal::Text("public.users.pan".into())]),
            Expr::Like(attribute("reads"), pattern(["**", "pan"])),
        ],
        Some("select") => vec![
            Expr::Compare(attribute("limit"), Comparison::LessOrEqual, Literal::Integer(10)),
            Expr::Compare(attribute("limit"), Comparison::NotEqual, Literal::Integer(10)),
        ],
        Some("exec") => vec![
            Expr::Shape(attribute("argv"), vec![Element::One("l*".into()), Element::AnyNumber]),
            Expr::Shape(attribute("argv"), vec![Element::AnyOne]),
            Expr::Shape(attribute("argv"), vec![Element::AnyNumber, Element::One("-l".into())]),
            Expr::Shape(
                attribute("argv"),
                vec![Element::One("ls".into()), Element::AnyOne, Element::AnyNumber],
            ),
            Expr::Shape(attribute("argv"), vec![Element::AnyNumber, Element::AnyOne, Element::AnyOne]),
            Expr::Like(attribute("argv"), pattern(["-*"])),
            Expr::Like(attribute("argv"), pattern(["*"])),
            Expr::In(attribute("argv"), vec![Literal::Text("-l".into())]),
            Expr::Matches(attribute("text"), "^ls( |$)".into()),
        ],
        _ => vec![],
    };
    if own.is_empty() {
        combined(prop_oneof![clock, group()]).boxed()
    } else {
        combined(prop_oneof![1 => clock, 1 => group(), 4 => select(own)]).boxed()
    }
}

fn combined(leaf: impl Strategy<Value = Expr> + 'static) -> impl Strategy<Value = Expr> {
    leaf.prop_recursive(2, 5, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|part| Expr::Not(Box::new(part))),
            vec(inner.clone(), 0..3).prop_map(Expr::All),
            vec(inner, 0..3).prop_map(Expr::Any),
        ]
    })
}

fn action() -> impl Strategy<Value = Action> {
    let verb = prop_oneof![
        12 => select(&["select", "delete", "update"][..]),
        4 => select(&["drop", "exec", "exec"][..]),
        1 => select(&["noop", "connect", "unknown", "frobnicate"][..]),
    ];
    let resource = prop_oneof![
        16 => (select(SCHEMAS), select(TABLES)).prop_map(|(schema, table)| Resource::named([schema, table])),
        2 => select(SCHEMAS).prop_map(|schema| Resource::Tree(Tree::of(Name::new([schema]).unwrap()))),
        1 => (select(SCHEMAS), select(TABLES)).prop_map(|(schema, table)| Resource::Tree(Tree::of(Name::new([schema, table]).unwrap()))),
        1 => Just(Resource::Tree(Tree::EVERYTHING)),
        1 => Just(Resource::None),
        1 => Just(Resource::Pending),
        1 => Just(Resource::Undetermined),
    ];
    let open = prop::option::weighted(
        0.2,
        select(vec![Value::Pending, Value::Undetermined, Value::Absent, Value::Text("bad".into())]),
    );
    let slot = prop_oneof![
        3 => select(&["ls", "-l", "id"][..]).prop_map(|text| Slot::Text(text.into())),
        1 => Just(Slot::One),
        1 => Just(Slot::Many),
    ];
    let holes = |slots: &Vec<Slot>| slots.iter().filter(|slot| !matches!(slot, Slot::Text(_))).count() <= 2;
    let slots = prop::option::of(vec(slot, 0..5).prop_filter("few holes", holes));
    (verb, resource, any::<bool>(), 0i64..20, open, any::<bool>(), slots).prop_map(
        |(verb, resource, filtered, limit, open, long, slots)| {
            let action = Action::new(Verb::new(verb), resource);
            let list = |texts: &[&str]| Value::List(texts.iter().map(|text| Box::from(*text)).collect());
            let value = |known: Value| open.clone().unwrap_or(known);
            match verb {
                "delete" | "update" => action
                    .with("filtered", value(Value::Bool(filtered)))
                    .with("reads", value(list(if long { &["public\u{1f}users\u{1f}pan"] } else { &[] }))),
                "select" => action.with("limit", value(Value::Integer(limit))),
                "exec" => action
                    .with(
                        "argv",
                        value(match slots {
                            Some(slots) => Value::Open(slots.into()),
                            None => list(if long { &["ls", "-l"] } else { &["id"] }),
                        }),
                    )
                    .with("text", value(Value::Text(if long { "ls -l" } else { "id" }.into()))),
                _ => action,
            }
        },
    )
}

fn lineage() -> impl Strategy<Value = Lineage> {
    let column = (select(SCHEMAS), select(TABLES), select(&["id", "pan"][..]))
        .prop_filter_map("a name", |(schema, table, column)| Name::new([schema, table, column]));
    let relation = (select(SCHEMAS), select(TABLES))
        .prop_filter_map("a name", |(schema, table)| Name::new([schema, table]));
    let sources = (vec(column, 0..2), vec(relation, 0..2), prop::bool::weighted(0.1))
        .prop_map(|(columns, relations, unknown)| Sources { columns, relations, unknown });
    [sources.clone(), sources.clone(), sources].prop_map(|[shown, written, predicates]| Lineage {
        shown,
        written,
        predicates,
    })
}

fn pattern<'a>(segments: impl IntoIterator<Item = &'a str>) -> Pattern {
    Pattern { segments: segments.into_iter().map(Box::from).collect() }
}
