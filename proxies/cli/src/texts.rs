//! Texts of commands to what policies judge, by the protocol they are of, without a target: as the proxies do it, but knowing
//! no definitions and no home directory.

use policy_core::vocabulary::Spelling;
use policy_core::{Action, ActionSet, Name, Policy, Protocol, Resource, Slot, Value, Verb};
use policy_lang::suite::Normaliser;
use policy_normalize::shell::{self, Environment};

use crate::requests::Asked;
use crate::sql;

/// Reads the texts of policies' inline tests; in SQL, unqualified names are taken to be in `public`.
#[derive(Debug)]
pub(crate) struct Texts;

impl Normaliser for Texts {
    fn normalise(&self, protocol: &Protocol, text: &str, policy: &Policy) -> Result<ActionSet, String> {
        if *protocol == Protocol::POSTGRES {
            let statements = sql::statements(text, &["public"]).map_err(|rejected| rejected.to_string())?;
            Ok(sql::actions(&statements))
        } else if *protocol == Protocol::SSH {
            Ok(command_line(text))
        } else if [Protocol::HTTP, Protocol::KUBERNETES, Protocol::MCP].contains(protocol) {
            let asked = Asked { text, protocol, leg: None, headers: vec![], pinned: None };
            asked.actions(policy, &mut vec![]).map_err(|failure| match failure.help {
                Some(help) => format!("{}: {help}", failure.message),
                None => failure.message,
            })
        } else {
            Err(format!("there is nobody to read texts of {protocol}: write the actions instead (`do …`)"))
        }
    }
}

/// A command line as an SSH client sends it.
pub(crate) fn command_line(text: &str) -> ActionSet {
    shell::read(text, &Environment::default()).actions
}

/// An action in words, such as `delete public.orders (filtered = false)`.
pub(crate) fn words(action: &Action, spelling: &Spelling) -> String {
    let mut words = action.verb.to_string();
    match (&action.resource, spelling.resource(action)) {
        (_, Some(resource)) => words.push_str(&format!(" {resource}")),
        (Resource::Undetermined, _) if action.verb == Verb::UNKNOWN => {
            words.push_str(": what it does can't be told")
        }
        (Resource::Pending, _) => words.push_str(" a parameter's value"),
        (Resource::Undetermined, _) => words.push_str(" something undetermined"),
        _ => {}
    }
    let attributes: Vec<String> = action
        .attributes()
        .iter()
        .map(|attribute| format!("{} = {}", attribute.name, value(&attribute.value)))
        .collect();
    if !attributes.is_empty() {
        words.push_str(&format!(" ({})", attributes.join(", ")));
    }
    words
}

fn value(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Text(text) => format!("{text:?}"),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| item.replace(Name::SEPARATOR, ".")).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Open(slots) => {
            let slots: Vec<&str> = slots
                .iter()
                .map(|slot| match slot {
                    Slot::Text(text) => &**text,
                    Slot::One => "?",
                    Slot::Many => "…",
                })
                .collect();
            format!("[{}]", slots.join(", "))
        }
        Value::Pending => "pending".to_owned(),
        Value::Absent => "absent".to_owned(),
        Value::Undetermined => "undetermined".to_owned(),
    }
}
