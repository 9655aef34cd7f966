//! Rules and requests in few words, for tests.
#![allow(dead_code, unreachable_pub, reason = "each test file is a crate that uses the part it needs")]

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use policy_core::mask::Transform;
use policy_core::rule::{
    Comparison, Do, Expr, Fact, Fallback, HoldKey, Limit, LimitUnit, Literal, Mask, Masked, Mode, Pattern,
    Predicates, Quorum, Record, Requirement, RuleSet, Scope, Selector, Unresolved,
};
use policy_core::{
    Action, ActionSet, CompileError, Decision, Denial, Effect, Name, Policy, Principal, Protocol, Request,
    Resource, Rule, RuleId, Target, Tree, Verb, Verdict, vocabulary,
};

pub fn pattern(text: &str) -> Pattern {
    vocabulary::postgres::vocabulary().parse_pattern(text).expect("a pattern")
}

pub fn word(text: &str) -> Pattern {
    Pattern { segments: [text.into()].into() }
}

pub fn group(name: &str) -> Expr {
    Expr::Group(name.into())
}

pub fn attribute(name: &str) -> Fact {
    Fact::Attribute(name.into())
}

pub fn label_is(name: &str, value: &str) -> Expr {
    Expr::Compare(Fact::Label(name.into()), Comparison::Equal, Literal::Text(value.into()))
}

pub fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

/// A rule for PostgreSQL, refined step by step.
pub fn rule(id: &str, effect: Effect) -> Rule {
    let scope = Scope { on: vec![on(Protocol::POSTGRES)], ..Scope::default() };
    Rule { id: RuleId(id.into()), mode: Mode::Enforce, scope, effect, say: None, place: None }
}

pub fn on(protocol: Protocol) -> Selector {
    Selector { protocol, names: vec![], labels: None }
}

pub fn allow(id: &str) -> Rule {
    rule(id, Effect::Allow)
}

pub fn deny(id: &str) -> Rule {
    rule(id, Effect::Deny)
}

pub fn hold(id: &str) -> Rule {
    rule(id, Effect::Hold(requirement(1, group("sre"))))
}

pub fn requirement(quorum: u16, reviewers: Expr) -> Requirement {
    Requirement {
        approve: Some(Quorum { count: NonZeroU16::new(quorum).expect("a quorum"), of: reviewers }),
        watch: None,
        within: Duration::from_secs(900),
        answer_after: None,
        in_transaction: false,
        justify: false,
        reveal: false,
    }
}

pub fn mask(id: &str, columns: &[&str], with: &[(&str, Transform)], otherwise: Transform) -> Rule {
    let what = Masked::Columns {
        columns: columns.iter().map(|column| pattern(column)).collect(),
        with: with.iter().map(|(column, transform)| (pattern(column), *transform)).collect(),
        otherwise,
    };
    rule(id, Effect::Mask(Mask { what, unresolved: Unresolved::Deny, predicates: Predicates::Record }))
}

pub fn limit(id: &str, count: u64) -> Rule {
    rule(id, Effect::Limit(Limit { unit: LimitUnit::Rows, count, window: None }))
}

pub fn record(id: &str, results: bool, strict: bool) -> Rule {
    rule(id, Effect::Record(Record { results, strict }))
}

pub trait Refine {
    fn by(self, who: Expr) -> Self;
    fn everywhere(self) -> Self;
    fn at(self, selector: Selector) -> Self;
    fn does(self, verbs: &[&str], resources: &[&str]) -> Self;
    fn when(self, condition: Expr) -> Self;
    fn unless(self, condition: Expr) -> Self;
    fn watched(self) -> Self;
    fn say(self, words: &str) -> Self;
}

impl Refine for Rule {
    fn by(mut self, who: Expr) -> Self {
        self.scope.by = Some(who);
        self
    }

    fn everywhere(mut self) -> Self {
        self.scope.on.clear();
        self
    }

    fn at(mut self, selector: Selector) -> Self {
        self.scope.on = vec![selector];
        self
    }

    fn does(mut self, verbs: &[&str], resources: &[&str]) -> Self {
        self.scope.does.get_or_insert_default().push(Do {
            verbs: verbs.iter().map(|verb| Verb::from((*verb).to_owned())).collect(),
            resources: resources.iter().map(|resource| pattern(resource)).collect(),
        });
        self
    }

    fn when(mut self, condition: Expr) -> Self {
        self.scope.when = Some(condition);
        self
    }

    fn unless(mut self, condition: Expr) -> Self {
        self.scope.unless = Some(condition);
        self
    }

    fn watched(mut self) -> Self {
        self.mode = Mode::Observe;
        self
    }

    fn say(mut self, words: &str) -> Self {
        self.say = Some(words.into());
        self
    }
}

pub fn set(fallback: Fallback, rules: impl IntoIterator<Item = Rule>) -> RuleSet {
    RuleSet { name: "test".into(), fallback, rules: rules.into_iter().collect() }
}

pub fn policy(rules: impl IntoIterator<Item = Rule>) -> Policy {
    try_policy(rules).expect("a policy that compiles")
}

pub fn try_policy(rules: impl IntoIterator<Item = Rule>) -> Result<Policy, Vec<CompileError>> {
    Policy::compile([&set(Fallback::Deny, rules)], &vocabulary::shipped())
}

pub fn permissive(rules: impl IntoIterator<Item = Rule>) -> Policy {
    Policy::compile([&set(Fallback::Allow, rules)], &vocabulary::shipped()).expect("a policy that compiles")
}

/// A request that owns its parts: ana of group `eng`, at PostgreSQL `shop` with `env = "prod"`.
#[derive(Debug)]
pub struct Asked {
    pub principal: Principal,
    pub target: Target,
    pub actions: ActionSet,
    pub source: Option<std::net::IpAddr>,
    pub now: Option<i64>,
    pub grants: Vec<HoldKey>,
}

pub fn ask(actions: impl IntoIterator<Item = Action>) -> Asked {
    Asked {
        principal: Principal::human("ana", ["eng"]),
        target: Target {
            name: "shop".into(),
            protocol: Protocol::POSTGRES,
            labels: BTreeMap::from([("env".into(), "prod".into())]),
        },
        actions: ActionSet::new(actions),
        source: None,
        now: None,
        grants: vec![],
    }
}

impl Asked {
    pub fn at_protocol(mut self, protocol: Protocol) -> Self {
        self.target.protocol = protocol;
        self
    }

    pub fn request(&self) -> Request<'_> {
        Request {
            principal: &self.principal,
            target: &self.target,
            actions: &self.actions,
            source: self.source,
            now: self.now,
            grants: &self.grants,
        }
    }

    pub fn of(&self, policy: &Policy) -> Decision {
        policy.evaluate(&self.request())
    }

    /// The verdict in one line: `allow`, `deny by x`, `deny: nothing permits 0`, `hold by x, y`.
    pub fn verdict(&self, policy: &Policy) -> String {
        verdict(policy, &self.of(policy).verdict)
    }

    pub fn granting(mut self, policy: &Policy, holds: &[&str]) -> Self {
        self.grants = policy
            .rules()
            .filter(|(_, rule)| holds.contains(&&*rule.id.0))
            .filter_map(|(index, _)| policy.hold_key(index).cloned())
            .collect();
        assert_eq!(self.grants.len(), holds.len(), "each of {holds:?} is a hold");
        self
    }

    pub fn no_groups(mut self) -> Self {
        self.principal.groups = None;
        self
    }
}

pub fn verdict(policy: &Policy, verdict: &Verdict) -> String {
    let name = |index| policy.rule_id(index).expect("a rule of this policy").to_string();
    match verdict {
        Verdict::Allow => "allow".into(),
        Verdict::Deny(Denial::Forbidden { by, .. }) => format!("deny by {}", name(*by)),
        Verdict::Deny(Denial::NotPermitted { action }) => format!("deny: nothing permits {}", action.0),
        Verdict::Deny(Denial::Masked { by, breach }) => format!("deny by {}: {breach}", name(*by)),
        Verdict::Hold(holds) => {
            format!("hold by {}", holds.iter().map(|hold| name(*hold)).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Whatever lies below a dotted name, it included.
pub fn tree(root: &str) -> Tree {
    Tree::of(Name::new(root.split('.')).expect("a name"))
}

/// `verb` on a dotted resource; none where it is empty.
pub fn action(verb: &str, resource: &str) -> Action {
    let resource = match resource {
        "" => Resource::None,
        "?" => Resource::Undetermined,
        "$" => Resource::Pending,
        name => Resource::named(name.split('.')),
    };
    Action::new(Verb::from(verb.to_owned()), resource)
}
