//! What a session's open transaction has changed, which the catalogue's own connection can't see yet.

use std::collections::HashSet;

use policy_core::Resource;
use policy_normalize::sql::{Catalogue, Function, Kind, Lookup, Relation, RelationKind, Statement, TypeKind};

use super::snapshot::Snapshot;

/// The names that an open transaction has made, dropped or redefined. They are unknown until it ends.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    touched: HashSet<(Box<str>, Box<str>)>,
    /// A change could not be told from the statement: no name is known.
    stale: bool,
    /// Tables may have become each other's children: what a column's identity is worth is not known either.
    estranged: bool,
    changed: bool,
}

impl Overlay {
    /// Whether nothing was changed, so that the snapshot can be asked as it is.
    pub fn is_empty(&self) -> bool {
        !self.changed
    }

    /// Notes a statement that was forwarded.
    pub fn note(&mut self, statement: &Statement, text: &str, snapshot: &Snapshot) {
        if !statement.changes_definitions() {
            return;
        }
        self.changed = true;
        // A name that is taken is not among the actions of the statement that takes it.
        let says = |word: &str| contains_word(text, word);
        let opaque = !matches!(statement.kind, Kind::Definition);
        self.estranged |= opaque || says("inherit") || says("attach");
        if opaque || says("rename") || says("schema") {
            self.stale = true;
            return;
        }
        for action in &statement.actions {
            let verb = action.verb.as_str();
            if !matches!(verb, "create" | "alter" | "drop" | "unknown") {
                continue;
            }
            let Resource::Named(name) = &action.resource else {
                self.stale = true;
                return;
            };
            let mut segments = name.segments();
            let (Some(schema), Some(object), None) = (segments.next(), segments.next(), segments.next())
            else {
                self.stale = true;
                return;
            };
            let is_table = |relation: &Relation| matches!(relation.kind, RelationKind::Table);
            // A table that is altered keeps its identity and its columns their numbers.
            if verb == "alter" && snapshot.find(schema, object).is_some_and(is_table) {
                continue;
            }
            self.touched.insert((schema.into(), object.into()));
        }
    }

    /// Forgets everything: the transaction has ended. Says whether definitions may have changed, so that
    /// [`Live::refresh`](super::Live::refresh) comes before the next statement.
    pub fn end(&mut self) -> bool {
        std::mem::take(self).changed
    }

    /// A snapshot as this session's transaction sees it.
    pub fn over<'a>(&'a self, snapshot: &'a Snapshot) -> Overlaid<'a> {
        Overlaid { overlay: self, snapshot }
    }

    fn hides(&self, schema: &str, name: &str) -> bool {
        self.stale
            || (!self.touched.is_empty() && self.touched.contains(&(Box::from(schema), Box::from(name))))
    }

    /// A view may be defined anew, or be made of one that is.
    fn hides_view(&self, relation: &Relation) -> bool {
        let is_view = matches!(relation.kind, RelationKind::View(_) | RelationKind::Materialized(_));
        let shipped =
            matches!(relation.identity.name.segments().next(), Some("pg_catalog" | "information_schema"));
        self.changed && is_view && !shipped
    }
}

/// A snapshot under an [`Overlay`].
#[derive(Clone, Copy, Debug)]
pub struct Overlaid<'a> {
    overlay: &'a Overlay,
    snapshot: &'a Snapshot,
}

impl<'a> Overlaid<'a> {
    /// What is known besides the overlay.
    pub fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// The relation with this OID, as the target itself names it: a table keeps its identity whatever it is called.
    pub fn identified(&self, oid: u32) -> Option<&'a Relation> {
        let relation = self.snapshot.relation_by_oid(oid)?;
        (!self.overlay.estranged && !self.overlay.hides_view(relation)).then_some(relation)
    }
}

impl Catalogue for Overlaid<'_> {
    fn schema(&self, name: &str) -> Lookup<()> {
        if self.overlay.stale { Lookup::Unknown } else { self.snapshot.schema(name) }
    }

    fn relation(&self, schema: &str, name: &str) -> Lookup<&Relation> {
        if self.overlay.hides(schema, name) {
            return Lookup::Unknown;
        }
        match self.snapshot.relation(schema, name) {
            Lookup::Found(relation) if self.overlay.hides_view(relation) => Lookup::Unknown,
            found => found,
        }
    }

    fn is_changing(&self, schema: &str, name: &str) -> bool {
        self.overlay.hides(schema, name)
            || self.snapshot.find(schema, name).is_some_and(|relation| self.overlay.hides_view(relation))
    }

    fn relation_by_oid(&self, oid: u32) -> Option<&Relation> {
        self.identified(oid)
    }

    fn functions(&self, schema: &str, name: &str) -> Lookup<&[Function]> {
        if self.overlay.hides(schema, name) { Lookup::Unknown } else { self.snapshot.functions(schema, name) }
    }

    fn type_kind(&self, schema: &str, name: &str) -> Lookup<TypeKind> {
        if self.overlay.hides(schema, name) { Lookup::Unknown } else { self.snapshot.type_kind(schema, name) }
    }
}

/// Whether a word stands in a text, whatever its case. Quotes and comments don't matter: too much is no harm.
fn contains_word(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}
