//! The walk over all that an operation selects, once for whoever wants to know something of its fields.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::document::{Document, Field, Operation, Selection};
use super::{MAX_DEPTH, MAX_FIELDS, MAX_SELECTIONS};

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
    fn field(&mut self) -> Option<()> {
        self.fields = self.fields.checked_sub(1)?;
        Some(())
    }

    /// Takes a selection off it.
    fn selection(&mut self) -> Option<()> {
        self.selections = self.selections.checked_sub(1)?;
        Some(())
    }
}

/// One field, however often it is selected where it comes to the same.
pub(super) struct Node<'a, T> {
    above: Option<usize>,
    pub(super) name: &'a str,
    depth: usize,
    /// What it is told apart by from others of its name.
    pub(super) told_by: T,
}

/// All fields that an operation selects, each once.
pub(super) struct Nodes<'a, T>(Vec<Node<'a, T>>);

impl<'a, T: Clone + Eq + Hash> Nodes<'a, T> {
    /// Those of an operation; `None` where that is too much. `visit` says of a field, and the one above it, what it is told apart by,
    /// or that it is left out.
    ///
    /// A fragment is followed once below each field: it selects the same again there, so that fragments that hold each other
    /// twice and again cost no more than the fields they select.
    pub(super) fn of(
        document: &'a Document,
        operation: &'a Operation,
        budget: &mut Budget,
        visit: impl Fn(&'a Field, Option<&Node<'a, T>>) -> Option<T>,
    ) -> Option<Self> {
        let mut nodes: Vec<Node<'a, T>> = Vec::new();
        let mut known: HashMap<(Option<usize>, &str, T), usize> = HashMap::new();
        let mut followed: HashSet<(Option<usize>, &str)> = HashSet::new();
        let mut rest: Vec<(Option<usize>, &'a [Selection])> = vec![(None, &operation.selections)];
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
                    Selection::Field(field) => {
                        let over = above.and_then(|above| nodes.get(above));
                        let Some(told_by) = visit(field, over) else { continue };
                        let depth = over.map_or(1, |over| over.depth + 1);
                        if depth > MAX_DEPTH {
                            return None;
                        }
                        let key = (above, field.name.as_str(), told_by);
                        let node = match known.get(&key) {
                            Some(node) => *node,
                            None => {
                                budget.field()?;
                                nodes.push(Node { above, name: key.1, depth, told_by: key.2.clone() });
                                known.insert(key, nodes.len() - 1);
                                nodes.len() - 1
                            }
                        };
                        rest.push((Some(node), &field.selections));
                    }
                }
            }
        }
        Some(Self(nodes))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Node<'a, T>> {
        self.0.iter()
    }

    /// A field and those above it, from the root down.
    pub(super) fn down_to<'n>(&'n self, node: &'n Node<'a, T>) -> Vec<&'n Node<'a, T>> {
        let over = |node: &&'n Node<'a, T>| self.0.get(node.above?);
        let mut nodes: Vec<_> = std::iter::successors(Some(node), over).collect();
        nodes.reverse();
        nodes
    }
}
