//! Which fields an answer calls otherwise than they are called: masks know an answer's fields by what it calls them.

use std::collections::{HashMap, HashSet};

use super::MAX_DEPTH;
use super::document::{Document, Operation, Selection};
use super::select::Budget;

/// A field that comes back under an alias, its own or one of a field above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The names of the fields from the root down.
    pub names: Vec<String>,
    /// What the answer calls them.
    pub keys: Vec<String>,
}

struct Node<'a> {
    above: Option<usize>,
    name: &'a str,
    key: &'a str,
    depth: usize,
    is_renamed: bool,
}

/// All of them that an operation selects, each once; `None` where that is too much to tell.
pub(super) fn renamed(
    document: &Document,
    operation: &Operation,
    budget: &mut Budget,
) -> Option<Vec<Renamed>> {
    let mut nodes: Vec<Node<'_>> = Vec::new();
    let mut known: HashMap<(Option<usize>, &str, &str), usize> = HashMap::new();
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
                Selection::Field { alias, name, selections, .. } => {
                    let over = above.and_then(|above| nodes.get(above));
                    let depth = over.map_or(1, |over| over.depth + 1);
                    if depth > MAX_DEPTH {
                        return None;
                    }
                    let key = alias.as_deref().unwrap_or(name);
                    let is_renamed = key != name || over.is_some_and(|over| over.is_renamed);
                    let node = match known.get(&(above, name.as_str(), key)) {
                        Some(node) => *node,
                        None => {
                            budget.field()?;
                            nodes.push(Node { above, name, key, depth, is_renamed });
                            known.insert((above, name, key), nodes.len() - 1);
                            nodes.len() - 1
                        }
                    };
                    rest.push((Some(node), selections));
                }
            }
        }
    }
    Some(nodes.iter().filter(|node| node.is_renamed).map(|node| paths(&nodes, node)).collect())
}

fn paths(nodes: &[Node<'_>], node: &Node<'_>) -> Renamed {
    let over = |node: &&Node<'_>| nodes.get(node.above?);
    let up: Vec<&Node<'_>> = std::iter::successors(Some(node), over).collect();
    let down = |part: fn(&Node<'_>) -> String| up.iter().rev().map(|node| part(node)).collect();
    Renamed { names: down(|node| node.name.to_owned()), keys: down(|node| node.key.to_owned()) }
}
