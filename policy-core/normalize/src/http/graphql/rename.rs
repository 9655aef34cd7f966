//! Which fields an answer calls otherwise than they are called: masks know an answer's fields by what it calls them.

use super::document::{Document, Field, Operation};
use super::walk::{Budget, Node, Nodes};

/// A field that comes back under an alias, its own or one of a field above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The names of the fields from the root down.
    pub names: Vec<String>,
    /// What the answer calls them.
    pub keys: Vec<String>,
}

/// What an answer calls a field.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Called<'a> {
    key: &'a str,
    /// Whether that, or what it calls a field above, is another name than its own.
    is_renamed: bool,
}

/// All of them that an operation selects, each once; `None` where that is too much to tell.
pub(super) fn renamed(
    document: &Document,
    operation: &Operation,
    budget: &mut Budget,
) -> Option<Vec<Renamed>> {
    let nodes = Nodes::of(document, operation, budget, called)?;
    let renamed = nodes.iter().filter(|node| node.told_by.is_renamed).map(|node| {
        let down = nodes.down_to(node);
        Renamed {
            names: down.iter().map(|node| node.name.to_owned()).collect(),
            keys: down.iter().map(|node| node.told_by.key.to_owned()).collect(),
        }
    });
    Some(renamed.collect())
}

fn called<'a>(field: &'a Field, over: Option<&Node<'a, Called<'a>>>) -> Option<Called<'a>> {
    let key = field.alias.as_deref().unwrap_or(&field.name);
    Some(Called { key, is_renamed: key != field.name || over.is_some_and(|over| over.told_by.is_renamed) })
}
