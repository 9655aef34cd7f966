//! What messages of the Model Context Protocol do: tables of messages, rules over them, and messages that are too much.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect by failing"
)]

mod lists;
mod messages;
mod monsters;
mod rules;

use policy_core::vocabulary::{Spelling, mcp};
use policy_core::{Action, Policy, Value};
use policy_lang::{Environment, Source, load};
use policy_normalize::http::Fields;
use policy_normalize::mcp::{Asked, Context, Messages, Side};

/// A policy of these rules.
fn policy(rules: &str) -> Policy {
    let text = format!("policy \"test\"\ndefault deny\n{rules}\n");
    let environment = Environment::default();
    let loaded = load(&[Source::new("test.policy", text.as_str())], &environment);
    let loaded = loaded.unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    Policy::compile([&loaded.rules], &environment.vocabularies).unwrap()
}

/// Reads a message. `read_file` is as it was approved, `changed` is not; under the id 7 and the key `s` the server had asked for a
/// completion, under 8 and `e` for the user's words.
fn read(side: Side, bytes: &[u8], policy: &Policy) -> Messages {
    let fields = Fields::of(policy);
    let pinned = |tool: &str| match tool {
        "read_file" => Some(true),
        "changed" => Some(false),
        _ => None,
    };
    let asked = |asked: Asked<'_>| match asked {
        Asked::Id("7") | Asked::Input("s") => Some("sampling/createMessage".into()),
        Asked::Id("8") | Asked::Input("e") => Some("elicitation/create".into()),
        _ => None,
    };
    Messages::parse(bytes, &Context { side, fields: &fields, pinned: &pinned, asked: &asked })
}

/// An action in a line: `call read_file pinned=true`.
fn shown(action: &Action) -> String {
    let mut line = action.verb.to_string();
    if let Some(resource) = Spelling::of(&mcp::vocabulary()).resource(action) {
        line += &format!(" {resource}");
    }
    for attribute in action.attributes() {
        let value = match &attribute.value {
            Value::Bool(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Text(value) => format!("{value:?}"),
            Value::Absent => "-".into(),
            Value::Undetermined => "?".into(),
            other => format!("{other:?}"),
        };
        line += &format!(" {}={value}", attribute.name);
    }
    line
}
