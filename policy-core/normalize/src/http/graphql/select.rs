//! The paths of the fields that an operation selects.

use std::collections::{HashMap, HashSet};

use policy_core::{Resource, Value};

use super::argument::Variables;
use super::document::{Document, Operation, Selection};
use super::{MAX_DEPTH, MAX_FIELDS, MAX_SELECTIONS};

/// A field that is selected.
#[derive(Debug)]
pub(super) struct Selected {
    /// The names of the fields from the root down.
    pub(super) path: Resource,
    /// The arguments that policies look at, in their order.
    pub(super) arguments: Vec<Value>,
}

/// What is left of the work that one request may make.
#[derive(Debug)]
pub(super) struct Budget {
    fields: usize,
    selections: usize,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { fields: MAX_FIELDS, selections: MAX_SELECTIONS }
    }

    /// Takes a field off it.
    pub(super) fn field(&mut self) -> Option<()> {
        self.fields = self.fields.checked_sub(1)?;
        Some(())
    }

    /// Takes a selection off it.
    pub(super) fn selection(&mut self) -> Option<()> {
        self.selections = self.selections.checked_sub(1)?;
        Some(())
    }
}

/// One field, however often and under whatever aliases it is selected with these arguments.
struct Node<'a> {
    above: Option<usize>,
    name: &'a str,
    depth: usize,
    arguments: Vec<Value>,
}

/// All fields that an operation selects, each once; `None` where that is too much.
///
/// A fragment is followed once below each field: it selects the same again there, so that fragments that hold each other
/// twice and again cost no more than the fields they select.
pub(super) fn selected(
    document: &Document,
    operation: &Operation,
    variables: &Variables<'_>,
    looked_at: &[String],
    budget: &mut Budget,
) -> Option<Vec<Selected>> {
    let mut nodes: Vec<Node<'_>> = Vec::new();
    let mut known: HashMap<(Option<usize>, &str, Vec<Value>), usize> = HashMap::new();
    let mut followed: HashSet<(Option<usize>, &str)> = HashSet::new();
    let mut rest: Vec<(Option<usize>, &[Selection])> = vec![(None, &operation.selections)];
    while let Some((above, selections)) = rest.pop() {
        for selection in selections {
            budget.selection()?;
            match selection {
                Selection::Inline(selections) => rest.push((above, selections)),
                Selection::Spread(name) => {
                    if followed.insert((above, name)) {
                        rest.push((above, document.fragment(name)?));
                    }
                }
                // It tells the type of what is read anyhow, and clients add it everywhere.
                Selection::Field { name, .. } if name == "__typename" && above.is_some() => {}
                Selection::Field { name, arguments, selections, .. } => {
                    let over = above.and_then(|above| nodes.get(above));
                    let depth = over.map_or(1, |over| over.depth + 1);
                    if depth > MAX_DEPTH {
                        return None;
                    }
                    let inherited = |at: usize| over.and_then(|over| over.arguments.get(at).cloned());
                    let values: Vec<Value> = looked_at
                        .iter()
                        .enumerate()
                        .map(|(at, path)| {
                            let own = variables.argument(arguments, path);
                            own.or_else(|| inherited(at)).unwrap_or(Value::Absent)
                        })
                        .collect();
                    let key = (above, name.as_str(), values);
                    let node = match known.get(&key) {
                        Some(node) => *node,
                        None => {
                            budget.field()?;
                            nodes.push(Node { above, name, depth, arguments: key.2.clone() });
                            known.insert(key, nodes.len() - 1);
                            nodes.len() - 1
                        }
                    };
                    rest.push((Some(node), selections));
                }
            }
        }
    }
    Some(
        nodes
            .iter()
            .map(|node| Selected { path: path(&nodes, node), arguments: node.arguments.clone() })
            .collect(),
    )
}

fn path(nodes: &[Node<'_>], node: &Node<'_>) -> Resource {
    let mut names = vec![node.name];
    let mut above = node.above;
    while let Some(over) = above.and_then(|above| nodes.get(above)) {
        names.push(over.name);
        above = over.above;
    }
    Resource::named(names.iter().rev())
}
