//! The reading of requests to a Kubernetes API server: tables of requests, bodies, and inputs that are too much.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect by failing"
)]

mod bodies;
mod monsters;
mod policies;
mod requests;

use std::fmt::Write;

use policy_core::rule::{
    Comparison, Do, Expr, Fact, Fallback, Literal, Mode, Pattern, RuleSet, Scope, Selector,
};
use policy_core::vocabulary;
use policy_core::{Action, ActionSet, Effect, Policy, Protocol, Resource, Rule, RuleId, Slot, Value, Verb};
use policy_normalize::http::Target;
use policy_normalize::kubernetes::{self, Fields, Object, Parts};

/// A request with a body of this type.
fn actions(method: &str, target: &str, media_type: &str, body: &str, fields: &Fields) -> ActionSet {
    let target = Target::parse(target).unwrap();
    let Ok(object) = Object::read(media_type, body.as_bytes()) else { return ActionSet::unknown() };
    kubernetes::action(&Parts { method, target: &target, media_type, body: Some(&object) }, fields)
}

/// A rule for Kubernetes.
fn rule(id: &str, effect: Effect, does: &[(&'static str, &str)], when: Option<Expr>) -> Rule {
    let does = does.iter().map(|(verb, resource)| {
        let resources = match *resource {
            "" => vec![],
            resource => vec![Pattern { segments: resource.split('/').map(Box::from).collect() }],
        };
        Do { verbs: vec![Verb::new(verb)], resources }
    });
    let does = Some(does.collect());
    let on = vec![Selector { protocol: Protocol::KUBERNETES, names: vec![], labels: None }];
    let scope = Scope { on, does, when, ..Scope::default() };
    Rule { id: RuleId(id.into()), mode: Mode::Enforce, scope, effect, say: None, place: None }
}

fn policy(rules: Vec<Rule>) -> Policy {
    let rules = RuleSet { name: "test".into(), fallback: Fallback::Deny, rules };
    Policy::compile([&rules], &vocabulary::shipped()).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn attribute(name: &str) -> Fact {
    Fact::Attribute(name.into())
}

/// Fields that are looked at.
fn fields(names: &[&str]) -> Fields {
    let looks = names.iter().map(|name| {
        Expr::Compare(attribute(&format!("object.{name}")), Comparison::Equal, Literal::Text("x".into()))
    });
    Fields::of(&policy(vec![rule(
        "looks",
        Effect::Deny,
        &[("create", "")],
        Some(Expr::Any(looks.collect())),
    )]))
}

/// An action in a line: what is as for most requests is left out, `?` is undetermined.
fn shown(action: &Action) -> String {
    let mut line = action.verb.to_string();
    match &action.resource {
        Resource::Named(name) => write!(line, " {}", name.display('/')).unwrap(),
        Resource::Tree(tree) => write!(line, " {}/**", tree.display('/')).unwrap(),
        Resource::None => {}
        Resource::Pending | Resource::Undetermined if action.verb == Verb::UNKNOWN => {}
        Resource::Pending | Resource::Undetermined => line.push_str(" ?"),
    }
    for attribute in action.attributes() {
        let usual = match &*attribute.name {
            "group" => Value::Text("".into()),
            "version" => Value::Text("v1".into()),
            "method" => Value::Text("get".into()),
            "builtin" => Value::Bool(true),
            "dry_run" | "stdin" | "tty" | "shell" => Value::Bool(false),
            _ => Value::Absent,
        };
        if attribute.value != usual {
            write!(line, " {}={}", attribute.name, value(&attribute.value)).unwrap();
        }
    }
    line
}

fn value(value: &Value) -> String {
    let slot = |slot: &Slot| match slot {
        Slot::Text(text) => format!("{text:?}"),
        Slot::One => "?".to_owned(),
        Slot::Many => "…".to_owned(),
    };
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
        Value::List(texts) => format!("{texts:?}"),
        Value::Open(slots) => format!("[{}]", slots.iter().map(slot).collect::<Vec<_>>().join(", ")),
        Value::Absent => "-".to_owned(),
        Value::Pending | Value::Undetermined => "?".to_owned(),
    }
}

fn all(actions: &ActionSet) -> String {
    actions.iter().map(shown).collect::<Vec<_>>().join("; ")
}
