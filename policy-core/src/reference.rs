//! The naive evaluator: every rule against every action, straight from the rules as written, without
//! index or compilation. It says what the semantics are; [`Policy`] is held equal to it.

use std::collections::BTreeSet;

use regex_automata::meta::Regex;

use crate::action::{Action, Resource, Slot, Value, Verb};
use crate::decision::{Breach, Decision, Denial, Obligations, Verdict};
use crate::lineage::Sources;
use crate::name::Name;
use crate::policy::Policy;
use crate::policy::condition::{Network, weekday};
use crate::request::Request;
use crate::rule::{
    Comparison, Do, Effect, Element, Expr, Fact, Fallback, Literal, Mask, Masked, Mode, Pattern, Predicates,
    Rule, RuleId, RuleSet, Unresolved,
};
use crate::subject::{Principal, PrincipalKind};
use crate::truth::{Prospect, Truth};
use crate::vocabulary::{Type, Vocabulary};

/// A decision by the names of its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    /// With the rules in `mode enforce`.
    pub enforced: Outcome,
    /// With the others too, where that makes a difference.
    pub observed: Option<Outcome>,
    /// The holds that grants satisfied.
    pub granted: BTreeSet<RuleId>,
}

/// A verdict and its obligations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: PlainVerdict,
    /// Every mask, limit and record that applies.
    pub obligations: BTreeSet<RuleId>,
}

/// [`Verdict`] by the names of its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlainVerdict {
    /// It may go through.
    Allow,
    /// A rule forbids an action, by its place in the set.
    Forbidden(RuleId, usize),
    /// Nothing covers an action, by its place in the set.
    NotPermitted(usize),
    /// A mask can't be kept.
    Masked(RuleId, Breach),
    /// These holds are open.
    Hold(BTreeSet<RuleId>),
}

impl Plain {
    /// A policy's decision in the same form, or `None` if it is of another policy.
    pub fn of(policy: &Policy, decision: &Decision) -> Option<Self> {
        let ids =
            |rules: &[_]| rules.iter().map(|rule| policy.rule_id(*rule).cloned()).collect::<Option<_>>();
        let outcome = |verdict: &Verdict, obligations: &Obligations| {
            Some(Outcome {
                verdict: match verdict {
                    Verdict::Allow => PlainVerdict::Allow,
                    Verdict::Deny(Denial::Forbidden { by, action }) => {
                        PlainVerdict::Forbidden(policy.rule_id(*by)?.clone(), action.0)
                    }
                    Verdict::Deny(Denial::NotPermitted { action }) => PlainVerdict::NotPermitted(action.0),
                    Verdict::Deny(Denial::Masked { by, breach }) => {
                        PlainVerdict::Masked(policy.rule_id(*by)?.clone(), *breach)
                    }
                    Verdict::Hold(holds) => PlainVerdict::Hold(ids(holds)?),
                },
                obligations: ids(&[
                    &obligations.masks[..],
                    &obligations.limits[..],
                    &obligations.records[..],
                ]
                .concat())?,
            })
        };
        Some(Self {
            enforced: outcome(&decision.verdict, &decision.obligations)?,
            observed: match &decision.observed {
                Some(observed) => Some(outcome(&observed.verdict, &observed.obligations)?),
                None => None,
            },
            granted: ids(&decision.granted)?,
        })
    }
}

/// Judges a request by rules that compile without errors.
pub fn judge(sets: &[RuleSet], vocabularies: &[Vocabulary], request: &Request<'_>) -> Plain {
    let (enforced, granted) = outcome(sets, vocabularies, request, Mode::Enforce);
    let (observed, _) = outcome(sets, vocabularies, request, Mode::Observe);
    Plain { observed: (observed != enforced).then_some(observed), enforced, granted }
}

/// Whether any rule's match with any action can't be determined.
pub fn is_undetermined(sets: &[RuleSet], vocabularies: &[Vocabulary], request: &Request<'_>) -> bool {
    request.actions.iter().any(|action| {
        let asked = Asked::new(vocabularies, request, action);
        sets.iter().flat_map(|set| &set.rules).any(|rule| asked.matches(rule) == Prospect::UNDETERMINED)
    })
}

fn outcome(
    sets: &[RuleSet],
    vocabularies: &[Vocabulary],
    request: &Request<'_>,
    mode: Mode,
) -> (Outcome, BTreeSet<RuleId>) {
    let mut rules: Vec<&Rule> = sets.iter().flat_map(|set| &set.rules).collect();
    rules.retain(|rule| rule.mode == Mode::Enforce || mode == Mode::Observe);
    rules.sort_by_key(|rule| &rule.id);
    let default_allow = !sets.is_empty() && sets.iter().all(|set| set.fallback == Fallback::Allow);

    let mut forbidden = None;
    let mut open = BTreeSet::new();
    let mut granted = BTreeSet::new();
    let mut obligations = BTreeSet::new();
    let mut broken = None;
    let mut covered = vec![false; request.actions.as_slice().len()];
    for rule in rules {
        for ((number, action), covered) in request.actions.iter().enumerate().zip(&mut covered) {
            let asked = Asked::new(vocabularies, request, action);
            let restricts = matches!(rule.effect, Effect::Deny | Effect::Hold(_) | Effect::Limit(_));
            if restricts && asked.verb == "typed" && !names(rule, "typed") {
                continue;
            }
            let matched = asked.matches(rule);
            match &rule.effect {
                Effect::Allow => *covered |= asked.covers(rule),
                Effect::Deny => {
                    if matched.restricts() && forbidden.is_none() {
                        forbidden = Some(PlainVerdict::Forbidden(rule.id.clone(), number));
                    }
                }
                Effect::Hold(_) => {
                    *covered |= asked.covers(rule);
                    if matched.restricts() && (asked.verb != "connect" || names(rule, "connect")) {
                        let is_granted = request.grants.iter().any(|grant| {
                            grant.rule == rule.id && Some(grant) == crate::policy::hold_key(rule).as_ref()
                        });
                        if is_granted { &mut granted } else { &mut open }.insert(rule.id.clone());
                    }
                }
                Effect::Mask(_) | Effect::Limit(_) | Effect::Record(_) => {
                    if matched.obliges() {
                        obligations.insert(rule.id.clone());
                        broken = broken.or(breach(rule, request));
                    }
                }
            }
        }
    }
    let uncovered = request.actions.iter().zip(&covered).position(|(action, covered)| {
        let asked = Asked::new(vocabularies, request, action);
        let by_default = default_allow && asked.verb != "unknown";
        let is_along = |verb: &str| request.actions.iter().any(|action| action.verb.as_str() == verb);
        let is_noticed = asked.verb == "typed";
        let goes_along = asked.verb == "pty" && (is_along("exec") || is_along("shell"));
        !covered && !by_default && !goes_along && !is_noticed
    });
    let not_permitted = uncovered.map(PlainVerdict::NotPermitted);
    let held = (!open.is_empty()).then_some(PlainVerdict::Hold(open));
    let verdict = forbidden.or(not_permitted).or(broken).or(held).unwrap_or(PlainVerdict::Allow);
    (Outcome { verdict, obligations }, granted)
}

/// How the request's data flows would break a mask that applies.
fn breach(rule: &Rule, request: &Request<'_>) -> Option<PlainVerdict> {
    let Effect::Mask(Mask { what: Masked::Columns { columns, .. }, unresolved, predicates }) = &rule.effect
    else {
        return None;
    };
    let lineage = request.actions.lineage()?;
    let reaches = |sources: &Sources| {
        let covered = |name: &Name| columns.iter().any(|pattern| matches(pattern, name.as_joined()));
        sources.unknown
            || sources.columns.iter().any(covered)
            || sources
                .relations
                .iter()
                .any(|relation| columns.iter().any(|pattern| may_match_in(pattern, relation)))
    };
    let breach = if reaches(&lineage.written) {
        Breach::Written
    } else if lineage.shown.unknown && *unresolved == Unresolved::Deny {
        Breach::Untraced
    } else if reaches(&lineage.predicates) && *predicates == Predicates::Deny {
        Breach::Predicate
    } else {
        return None;
    };
    Some(PlainVerdict::Masked(rule.id.clone(), breach))
}

/// Whether a column of the relation may match; yes on doubt, which is wherever the pattern has `**`.
fn may_match_in(pattern: &Pattern, relation: &Name) -> bool {
    if pattern.segments.iter().any(|segment| &**segment == "**") {
        return true;
    }
    let Some((_, before)) = pattern.segments.split_last() else { return false };
    !before.is_empty() && matches(&Pattern { segments: before.into() }, relation.as_joined())
}

/// Whether a condition holds for whom an agent acts for.
fn owner_is(expr: &Expr, agent: &Principal) -> Prospect {
    match expr {
        Expr::All(parts) => parts.iter().fold(Prospect::TRUE, |all, part| all.and(owner_is(part, agent))),
        Expr::Any(parts) => parts.iter().fold(Prospect::FALSE, |any, part| any.or(owner_is(part, agent))),
        Expr::Not(part) => owner_is(part, agent).opposite(),
        Expr::User(pattern) => match &agent.owner {
            Some(owner) => matches(pattern, owner).into(),
            None => Prospect::UNDETERMINED,
        },
        Expr::Group(group) => match &agent.owner_groups {
            Some(groups) => groups.iter().any(|known| known == group).into(),
            None => Prospect::UNDETERMINED,
        },
        _ => Prospect::UNDETERMINED,
    }
}

fn names(rule: &Rule, verb: &str) -> bool {
    let does = rule.scope.does.as_deref().unwrap_or_default();
    does.iter().flat_map(|does| &does.verbs).any(|named| named.as_str() == verb)
}

/// One action of a request, as the protocol's vocabulary reads it.
struct Asked<'a> {
    request: &'a Request<'a>,
    action: &'a Action,
    vocabulary: Option<&'a Vocabulary>,
    verb: &'a str,
}

impl<'a> Asked<'a> {
    fn new(vocabularies: &'a [Vocabulary], request: &'a Request<'a>, action: &'a Action) -> Self {
        let vocabulary =
            vocabularies.iter().find(|vocabulary| vocabulary.protocol == request.target.protocol);
        let known = vocabulary.is_some_and(|vocabulary| vocabulary.verb(action.verb.as_str()).is_some());
        let verb = if known { action.verb.as_str() } else { Verb::UNKNOWN_NAME };
        Self { request, action, vocabulary, verb }
    }

    fn matches(&self, rule: &Rule) -> Prospect {
        if self.vocabulary.is_none() {
            return Prospect::FALSE;
        }
        let scope = &rule.scope;
        let does = match &scope.does {
            None => Prospect::TRUE,
            Some(does) => does.iter().fold(Prospect::FALSE, |any, does| any.or(self.does(does))),
        };
        let when = scope.when.as_ref().map_or(Prospect::TRUE, |when| self.condition(when));
        let unless = scope.unless.as_ref().map_or(Prospect::FALSE, |unless| self.condition(unless));
        self.admits(rule).and(does).and(when).and(unless.opposite())
    }

    fn covers(&self, rule: &Rule) -> bool {
        match self.verb {
            "connect" if !names(rule, "connect") => self.vocabulary.is_some() && self.admits(rule).covers(),
            "unknown" => names(rule, "unknown") && self.matches(rule).covers(),
            _ => self.matches(rule).covers(),
        }
    }

    fn admits(&self, rule: &Rule) -> Prospect {
        let target = self.request.target;
        let scope = &rule.scope;
        let on = scope.on.iter().fold(Prospect::from(scope.on.is_empty()), |any, on| {
            let here = on.protocol == target.protocol;
            let named = on.names.is_empty() || on.names.iter().any(|name| matches(name, &target.name));
            let labels = on.labels.as_ref().map_or(Prospect::TRUE, |labels| self.condition(labels));
            any.or(Prospect::from(here && named).and(labels))
        });
        on.and(scope.by.as_ref().map_or(Prospect::TRUE, |by| self.condition(by)))
    }

    fn does(&self, does: &Do) -> Prospect {
        if !does.verbs.iter().any(|verb| verb.as_str() == self.verb) {
            return Prospect::FALSE;
        }
        match &self.action.resource {
            _ if does.resources.is_empty() => Prospect::TRUE,
            Resource::None => Prospect::FALSE,
            Resource::Named(name) => {
                does.resources.iter().any(|pattern| matches(pattern, name.as_joined())).into()
            }
            Resource::Tree(tree) => {
                let root: Vec<&str> = tree.root().into_iter().flat_map(Name::segments).collect();
                let each = does.resources.iter().map(|pattern| {
                    let segments: Vec<&str> = pattern.segments.iter().map(|segment| &**segment).collect();
                    Prospect::from(tree_matches(&segments, &root))
                });
                each.fold(Prospect::FALSE, Prospect::or)
            }
            Resource::Pending => Prospect::PENDING,
            Resource::Undetermined => Prospect::UNDETERMINED,
        }
    }

    fn condition(&self, expr: &Expr) -> Prospect {
        let principal = self.request.principal;
        match expr {
            Expr::All(parts) => parts.iter().fold(Prospect::TRUE, |all, part| all.and(self.condition(part))),
            Expr::Any(parts) => parts.iter().fold(Prospect::FALSE, |any, part| any.or(self.condition(part))),
            Expr::Not(part) => self.condition(part).opposite(),
            Expr::User(pattern) => matches(pattern, &principal.id).into(),
            Expr::Group(group) => match &principal.groups {
                Some(groups) => groups.iter().any(|known| known == group).into(),
                None => Prospect::UNDETERMINED,
            },
            Expr::Kind(kind) => (principal.kind == *kind).into(),
            Expr::OnBehalfOf(_) if principal.kind != PrincipalKind::Agent => Prospect::FALSE,
            Expr::OnBehalfOf(owner) => owner_is(owner, principal),
            Expr::Compare(fact, Comparison::NotEqual, literal) => self.is_any(fact, [literal]).opposite(),
            Expr::Compare(fact, Comparison::Equal, literal) => self.is_any(fact, [literal]),
            Expr::Compare(fact, comparison, Literal::Integer(bound)) => match self.look(fact) {
                Value::Integer(value) => match comparison {
                    Comparison::Less => value < *bound,
                    Comparison::LessOrEqual => value <= *bound,
                    Comparison::Greater => value > *bound,
                    _ => value >= *bound,
                }
                .into(),
                Value::Pending => Prospect::PENDING,
                Value::Absent => Prospect::FALSE,
                _ => Prospect::UNDETERMINED,
            },
            Expr::Compare(..) => Prospect::UNDETERMINED,
            Expr::In(fact, literals) => self.is_any(fact, literals),
            Expr::Like(fact, pattern) => match self.look(fact) {
                Value::Open(slots) => {
                    let holds =
                        |texts: &[Box<str>]| Prospect::from(texts.iter().any(|text| matches(pattern, text)));
                    however_filled(&slots, &pattern.segments, holds)
                }
                _ => self.texts(fact, |texts| texts.iter().any(|text| matches(pattern, text))),
            },
            Expr::Shape(fact, elements) => match self.look(fact) {
                Value::List(values) => has_shape(&values, elements).into(),
                Value::Open(slots) => {
                    let patterns: Vec<Box<str>> = elements
                        .iter()
                        .map(|element| match element {
                            Element::One(pattern) => pattern.clone(),
                            Element::AnyOne | Element::AnyNumber => "*".into(),
                        })
                        .collect();
                    however_filled(&slots, &patterns, |texts| has_shape(texts, elements).into())
                }
                Value::Absent => Prospect::FALSE,
                Value::Pending => Prospect::PENDING,
                _ => Prospect::UNDETERMINED,
            },
            Expr::Matches(fact, regex) => self.texts(fact, |texts| {
                Regex::new(regex).is_ok_and(|regex| texts.iter().any(|text| regex.is_match(&**text)))
            }),
            Expr::Holds(fact) => match self.look(fact) {
                Value::Bool(value) => value.into(),
                Value::Absent => Prospect::FALSE,
                Value::Pending => Prospect::PENDING,
                _ => Prospect::UNDETERMINED,
            },
        }
    }

    fn is_any<'l>(&self, fact: &Fact, literals: impl IntoIterator<Item = &'l Literal>) -> Prospect {
        let value = self.look(fact);
        match &value {
            Value::Open(slots) => {
                let literals: Vec<&Literal> = literals.into_iter().collect();
                let texts: Vec<Box<str>> = literals
                    .iter()
                    .filter_map(|literal| match literal {
                        Literal::Text(text) => Some(text.clone()),
                        _ => None,
                    })
                    .collect();
                return however_filled(slots, &texts, |filled| {
                    literals.iter().fold(Prospect::FALSE, |any, literal| {
                        any.or(match literal {
                            Literal::Text(literal) => filled.contains(literal).into(),
                            _ => Prospect::UNDETERMINED,
                        })
                    })
                });
            }
            Value::Pending => return Prospect::PENDING,
            Value::Undetermined => return Prospect::UNDETERMINED,
            Value::Absent => return Prospect::FALSE,
            _ => {}
        }
        literals.into_iter().fold(Prospect::FALSE, |any, literal| {
            any.or(match (&value, literal) {
                (Value::Bool(value), Literal::Bool(literal)) => (value == literal).into(),
                (Value::Integer(value), Literal::Integer(literal)) => (value == literal).into(),
                (Value::Text(value), Literal::Text(literal)) if *fact == Fact::Source => {
                    let network = Network::parse(literal);
                    let address = value.parse().ok();
                    network.zip(address).is_some_and(|(network, address)| network.contains(address)).into()
                }
                (Value::Text(value), Literal::Text(literal)) => (value == literal).into(),
                (Value::List(values), Literal::Text(literal)) => {
                    values.iter().any(|value| self.is_element(fact, value, literal)).into()
                }
                _ => Prospect::UNDETERMINED,
            })
        })
    }

    /// In a list of names, a text of the policy is a name as the author wrote it.
    fn is_element(&self, fact: &Fact, value: &str, literal: &str) -> bool {
        let (Some(vocabulary), Fact::Attribute(attribute)) = (self.vocabulary, fact) else { return false };
        let spec = vocabulary.verb(self.verb);
        match spec.and_then(|spec| spec.attribute(attribute)) {
            Some(Type::Names) => {
                vocabulary.parse_pattern(literal).is_ok_and(|pattern| matches(&pattern, value))
            }
            _ => value == literal,
        }
    }

    fn texts(&self, fact: &Fact, test: impl Fn(&[Box<str>]) -> bool) -> Prospect {
        match self.look(fact) {
            Value::Text(text) => test(&[text]).into(),
            Value::List(texts) => test(&texts).into(),
            Value::Absent => Prospect::FALSE,
            Value::Pending => Prospect::PENDING,
            _ => Prospect::UNDETERMINED,
        }
    }

    fn look(&self, fact: &Fact) -> Value {
        let text = |text: Option<&Box<str>>| text.cloned().map_or(Value::Undetermined, Value::Text);
        match fact {
            Fact::Attribute(name) => self.action.attribute(name).cloned().unwrap_or(Value::Undetermined),
            Fact::Label(name) => text(self.request.target.labels.get(name)),
            Fact::Claim(name) => text(self.request.principal.claims.get(name)),
            Fact::Hour => match self.request.now {
                Some(now) => Value::Integer(now.rem_euclid(86_400) / 3_600),
                None => Value::Undetermined,
            },
            Fact::Weekday => text(self.request.now.map(|now| weekday(now).into()).as_ref()),
            Fact::Source => {
                text(self.request.source.map(|source| source.to_canonical().to_string().into()).as_ref())
            }
        }
    }
}

fn matches(pattern: &Pattern, joined: &str) -> bool {
    let names: Vec<&str> = joined.split(Name::SEPARATOR).collect();
    let segments: Vec<&str> = pattern.segments.iter().map(|segment| &**segment).collect();
    segments_match(&segments, &names)
}

fn segments_match(segments: &[&str], names: &[&str]) -> bool {
    match (segments, names) {
        ([], []) => true,
        (["**", rest @ ..], _) => {
            (0..=names.len()).any(|skip| names.get(skip..).is_some_and(|names| segments_match(rest, names)))
        }
        ([segment, rest @ ..], [name, names @ ..]) => {
            text_matches(&segment.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
                && segments_match(rest, names)
        }
        _ => false,
    }
}

/// What a pattern is for a name and all names below it, by every way in which its `**` may be shared out.
fn tree_matches(segments: &[&str], root: &[&str]) -> Truth {
    match (segments, root) {
        ([], []) => Truth::Undetermined,
        (rest, []) if rest.iter().all(|segment| *segment == "**") => Truth::True,
        (_, []) => Truth::Undetermined,
        (["**", rest @ ..], [_, below @ ..]) => tree_matches(rest, root).max(tree_matches(segments, below)),
        ([segment, rest @ ..], [name, below @ ..]) => {
            let here = text_matches(&segment.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>());
            if here { tree_matches(rest, below) } else { Truth::False }
        }
        ([], [_, ..]) => Truth::False,
    }
}

fn text_matches(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            (0..=text.len()).any(|skip| text.get(skip..).is_some_and(|text| text_matches(rest, text)))
        }
        ([character, pattern @ ..], [first, text @ ..]) => character == first && text_matches(pattern, text),
        _ => false,
    }
}

/// Fills the holes in every way that could make a difference to these patterns: what holds for all fillings, fails for
/// all of them, or neither. Takes time exponential in the number of holes: it is there to be compared with.
fn however_filled(slots: &[Slot], patterns: &[Box<str>], test: impl Fn(&[Box<str>]) -> Prospect) -> Prospect {
    // Texts that match a pattern each, and one in which no character of any pattern occurs.
    let strange = ('\u{e000}'..='\u{f8ff}')
        .find(|character| !patterns.iter().any(|pattern| pattern.contains(*character)))
        .map(|character| Box::from(character.to_string()));
    let texts: Vec<Box<str>> =
        patterns.iter().map(|pattern| pattern.replace('*', "").into()).chain(strange).collect();
    let mut filled: Vec<Vec<Box<str>>> = vec![vec![]];
    for slot in slots {
        let choices: Vec<Vec<Box<str>>> = match slot {
            Slot::Text(text) => vec![vec![text.clone()]],
            Slot::One => texts.iter().map(|text| vec![text.clone()]).collect(),
            Slot::Many => {
                let mut choices = vec![vec![]];
                let mut longest = vec![vec![]];
                for _ in 0..=patterns.len() {
                    longest =
                        extended(&longest, &texts.iter().map(|text| vec![text.clone()]).collect::<Vec<_>>());
                    choices.extend(longest.iter().cloned());
                }
                choices
            }
        };
        filled = extended(&filled, &choices);
    }
    let mut answers = filled.iter().map(|texts| test(texts));
    let first = answers.next().unwrap_or(Prospect::UNDETERMINED);
    if answers.all(|answer| answer == first) { first } else { Prospect::UNDETERMINED }
}

fn extended(lists: &[Vec<Box<str>>], by: &[Vec<Box<str>>]) -> Vec<Vec<Box<str>>> {
    lists.iter().flat_map(|list| by.iter().map(move |more| [&list[..], &more[..]].concat())).collect()
}

fn has_shape(values: &[Box<str>], elements: &[Element]) -> bool {
    match (elements, values) {
        ([], []) => true,
        ([Element::AnyNumber, rest @ ..], _) => {
            (0..=values.len()).any(|skip| values.get(skip..).is_some_and(|values| has_shape(values, rest)))
        }
        ([Element::AnyOne, rest @ ..], [_, values @ ..]) => has_shape(values, rest),
        ([Element::One(pattern), rest @ ..], [value, values @ ..]) => {
            let pattern: Vec<char> = pattern.chars().collect();
            text_matches(&pattern, &value.chars().collect::<Vec<_>>()) && has_shape(values, rest)
        }
        _ => false,
    }
}
