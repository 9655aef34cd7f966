//! SQL to what policies judge, without a database: as the PostgreSQL proxy does it, but knowing no definitions.

use policy_core::lineage::{Lineage, Sources};
use policy_core::{Action, ActionSet, Name, Protocol, Resource, Slot, Value};
use policy_lang::suite::Normaliser;
use policy_normalize::sql::{ColumnSet, Environment, Grammar, NoCatalogue, Postgres, Rejected, Statement};

/// Reads a text as a session with this search path and no catalogue would.
pub(crate) fn statements(text: &str, search_path: &[&str]) -> Result<Vec<Statement>, Rejected> {
    let environment = Environment::new(search_path.iter().copied(), &NoCatalogue);
    Postgres::new().parse(text, &environment)
}

/// What statements do together, with where their data flows.
pub(crate) fn actions(statements: &[Statement]) -> ActionSet {
    let (mut shown, mut written, mut predicates) = (ColumnSet::new(), ColumnSet::new(), ColumnSet::new());
    for statement in statements {
        shown.merge(&statement.outputs.sources());
        for flow in &statement.flows {
            written.merge(&flow.sources);
        }
        predicates.merge(&statement.predicates);
    }
    let lineage = Lineage {
        shown: Sources::from(&shown),
        written: Sources::from(&written),
        predicates: Sources::from(&predicates),
    };
    ActionSet::new(statements.iter().flat_map(|statement| statement.actions.iter().cloned()))
        .with_lineage(lineage)
}

/// An action in words, such as `delete public.orders (filtered = false)`.
pub(crate) fn words(action: &Action) -> String {
    let mut words = action.verb.to_string();
    match &action.resource {
        Resource::None => {}
        Resource::Named(name) => words.push_str(&format!(" {}", name.display('.'))),
        Resource::Pending => words.push_str(" a parameter's value"),
        Resource::Undetermined => words.push_str(" something undetermined"),
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
        Value::Undetermined => "undetermined".to_owned(),
    }
}

/// Reads the texts of policies' inline tests, unqualified names taken to be in `public`.
#[derive(Debug)]
pub(crate) struct WithoutCatalogue;

impl Normaliser for WithoutCatalogue {
    fn normalise(&self, protocol: &Protocol, text: &str) -> Result<ActionSet, String> {
        if *protocol != Protocol::POSTGRES {
            return Err(format!("texts of {protocol} can't be read yet: write the actions instead"));
        }
        let statements = statements(text, &["public"]).map_err(|rejected| rejected.to_string())?;
        Ok(actions(&statements))
    }
}
