//! The rules as Portcullis has them.

use policy_core::rule::{
    Comparison, Do, Expr, Fact, Fallback, Literal, Mode, Pattern, RuleSet, Scope, Selector,
};
use policy_core::{
    Action, ActionSet, Effect, Policy, Principal, Protocol, Request, Resource, Rule, RuleId, Target, Verb,
    vocabulary,
};

use crate::Ask;

/// A policy and a request.
pub struct Case {
    policy: Policy,
    principal: Principal,
    target: Target,
    actions: ActionSet,
}

impl Case {
    fn new(rules: Vec<Rule>, verb: &'static str) -> Self {
        let set = RuleSet { name: "bench".into(), fallback: Fallback::Deny, rules };
        let policy = Policy::compile([&set], &vocabulary::shipped()).expect("rules that compile");
        let orders = Resource::named(["public", "orders"]);
        Self {
            policy,
            principal: Principal::human("ana", ["eng"]),
            target: Target {
                name: "shop".into(),
                protocol: Protocol::POSTGRES,
                labels: [("env".into(), "prod".into())].into(),
            },
            actions: ActionSet::new([Action::new(Verb::new(verb), orders)]),
        }
    }

    pub fn allows(&self) -> bool {
        let request = Request {
            principal: &self.principal,
            target: &self.target,
            actions: &self.actions,
            source: None,
            now: None,
            grants: &[],
        };
        self.policy.evaluate(&request).is_allow()
    }
}

/// The rules that the peers have too.
pub fn anchor(rules: usize, ask: Ask) -> Case {
    let mut all = vec![
        rule(
            "work",
            Effect::Allow,
            Scope { on: everywhere(), ..does(&["select", "insert", "update", "delete", "drop"], &[]) },
        ),
        rule("ddl", Effect::Deny, Scope { unless: Some(group("dba")), ..does(&["drop", "truncate"], &[]) }),
        rule(
            "unfiltered",
            Effect::Deny,
            Scope {
                when: Some(Expr::Not(Box::new(Expr::Holds(Fact::Attribute("filtered".into()))))),
                ..does(&["delete"], &[])
            },
        ),
    ];
    for number in 0..rules - 2 {
        all.push(rule(
            &format!("alter {number}"),
            Effect::Deny,
            Scope {
                unless: Some(group(&format!("g{number}"))),
                ..does(&["alter"], &[&["public", &format!("t{number}")]])
            },
        ));
    }
    Case::new(all, ask.verb())
}

/// What the rules of one verb differ in.
#[derive(Clone, Copy)]
pub enum Vary {
    /// `public.t7_*`, and a rule for `public.ord*`.
    Globs,
    /// `by group "g7"`, all on `public.*`.
    Groups,
    /// `on postgres "t7"`, all on `public.*`.
    Targets,
}

/// As many allow rules for one verb, of which one fits if the answer is to be yes.
pub fn varied(rules: usize, vary: Vary, ask: Ask) -> Case {
    let all = (0..rules).map(|number| {
        let fits = number == rules / 2 && ask == Ask::Allow;
        let name = |fitting: &str, other: String| if fits { fitting.to_owned() } else { other };
        let verb = ask.verb();
        let scope = match vary {
            Vary::Globs => does(&[verb], &[&["public", &name("ord*s", format!("t{number}_*"))]]),
            Vary::Groups => Scope {
                by: Some(group(&name("eng", format!("g{number}")))),
                ..does(&[verb], &[&["public", "*"]])
            },
            Vary::Targets => {
                let target = Pattern { segments: [name("shop", format!("t{number}")).into()].into() };
                Scope {
                    on: vec![Selector { protocol: Protocol::POSTGRES, names: vec![target], labels: None }],
                    ..does(&[verb], &[&["public", "*"]])
                }
            }
        };
        rule(&format!("r{number}"), Effect::Allow, scope)
    });
    Case::new(all.collect(), ask.verb())
}

fn rule(id: &str, effect: Effect, scope: Scope) -> Rule {
    Rule { id: RuleId(id.into()), mode: Mode::Enforce, scope, effect, say: None, place: None }
}

/// In production, with these verbs on these resources.
fn does(verbs: &[&'static str], resources: &[&[&str]]) -> Scope {
    let prod = Expr::Compare(Fact::Label("env".into()), Comparison::Equal, Literal::Text("prod".into()));
    let resources = resources
        .iter()
        .map(|segments| Pattern { segments: segments.iter().map(|segment| Box::from(*segment)).collect() })
        .collect();
    Scope {
        on: vec![Selector { protocol: Protocol::POSTGRES, names: vec![], labels: Some(prod) }],
        does: Some(vec![Do { verbs: verbs.iter().map(|verb| Verb::new(verb)).collect(), resources }]),
        ..Scope::default()
    }
}

fn everywhere() -> Vec<Selector> {
    vec![Selector { protocol: Protocol::POSTGRES, names: vec![], labels: None }]
}

fn group(name: &str) -> Expr {
    Expr::Group(name.into())
}
