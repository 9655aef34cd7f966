//! The paths of the fields that an operation selects.

use policy_core::{Resource, Value};

use super::argument::Variables;
use super::document::{Document, Field, Operation};
use super::walk::{Budget, Node, Nodes};

/// A field that is selected.
#[derive(Debug)]
pub(super) struct Selected {
    /// The names of the fields from the root down.
    pub(super) path: Resource,
    /// The arguments that policies look at, in their order.
    pub(super) arguments: Vec<Value>,
}

/// All fields that an operation selects, however often and under whatever aliases, each once with the same arguments; `None` where
/// that is too much.
pub(super) fn selected(
    document: &Document,
    operation: &Operation,
    variables: &Variables<'_>,
    looked_at: &[String],
    budget: &mut Budget,
) -> Option<Vec<Selected>> {
    let arguments = |field: &Field, over: Option<&Node<'_, Vec<Value>>>| {
        // It tells the type of what is read anyhow, and clients add it everywhere.
        if field.name == "__typename" && over.is_some() {
            return None;
        }
        let inherited = |at: usize| over.and_then(|over| over.told_by.get(at).cloned());
        let values = looked_at.iter().enumerate().map(|(at, path)| {
            let own = variables.argument(&field.arguments, path);
            own.or_else(|| inherited(at)).unwrap_or(Value::Absent)
        });
        Some(values.collect())
    };
    let nodes = Nodes::of(document, operation, budget, arguments)?;
    let selected = nodes.iter().map(|node| {
        let names = nodes.down_to(node).into_iter().map(|node| node.name);
        Selected { path: Resource::named(names), arguments: node.told_by.clone() }
    });
    Some(selected.collect())
}
