//! What requests to a GraphQL server select: tables of documents and requests, rules over them, and documents that are too much.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect by failing"
)]

mod documents;
mod monsters;
mod requests;
mod rules;

use policy_core::vocabulary::{Spelling, http};
use policy_core::{Action, ActionSet, Policy, Value};
use policy_lang::{Environment, Source, load};
use policy_normalize::http::{Body, Fields, Parts, Target, graphql};

/// A policy of these rules.
fn policy(rules: &str) -> Policy {
    let text = format!("policy \"test\"\ndefault deny\n{rules}\n");
    let environment = Environment::default();
    let loaded = load(&[Source::new("test.policy", text.as_str())], &environment);
    let loaded = loaded.unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    Policy::compile([&loaded.rules], &environment.vocabularies).unwrap()
}

/// What a request does.
fn request(method: &str, target: &str, media_type: &str, bytes: &[u8], policy: &Policy) -> ActionSet {
    let target = Target::parse(target).unwrap();
    let body = Body::read(media_type, bytes).ok();
    let parts = Parts {
        method,
        upgrade: false,
        host: "api.example",
        target: &target,
        headers: &[("x-team", "ops")],
        media_type,
        size: None,
        body: body.as_ref(),
    };
    graphql::actions(&parts, bytes, &Fields::of(policy))
}

/// What this document does in the body of a POST, beside the POST.
fn post(document: &str, operation: Option<&str>, variables: &str, policy: &Policy) -> Vec<Action> {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let operation = operation.map_or("null".into(), text);
    let body =
        format!(r#"{{"query":{},"operationName":{operation},"variables":{variables}}}"#, text(document));
    let found = request("POST", "/graphql", "application/json", body.as_bytes(), policy);
    assert_eq!(found.as_slice()[0].verb.as_str(), "post");
    found.as_slice()[1..].to_vec()
}

/// An action in a line, without what all of a request's have: `query user/ssn id=5`.
fn shown(action: &Action) -> String {
    let mut line = action.verb.to_string();
    if let Some(resource) = Spelling::of(&http::vocabulary()).resource(action) {
        line += &format!(" {resource}");
    }
    for attribute in action.attributes() {
        let Some(name) = attribute.name.strip_prefix("arguments.") else { continue };
        let value = match &attribute.value {
            Value::Bool(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Text(value) => format!("{value:?}"),
            Value::Absent => continue,
            Value::Undetermined => "?".into(),
            other => format!("{other:?}"),
        };
        line += &format!(" {name}={value}");
    }
    line
}
