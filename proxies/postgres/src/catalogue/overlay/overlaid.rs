//! Definitions as a session's open transaction sees them: a snapshot under an [`Overlay`].

use policy_normalize::sql::{Catalogue, Function, Lookup, Relation, RelationKind, TypeKind};

use super::Overlay;
use crate::catalogue::snapshot::Snapshot;

/// A snapshot under an [`Overlay`].
#[derive(Clone, Copy, Debug)]
pub struct Overlaid<'a> {
    pub(super) overlay: &'a Overlay,
    pub(super) snapshot: &'a Snapshot,
}

impl<'a> Overlaid<'a> {
    /// What is known besides the overlay.
    pub fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// Whether the open transaction has changed any definition.
    pub fn is_changed(&self) -> bool {
        self.overlay.changed
    }

    /// The relation with this OID, as the target itself names it: a table keeps its identity whatever it is called.
    pub fn identified(&self, oid: u32) -> Option<&'a Relation> {
        let relation = self.snapshot.relation_by_oid(oid)?;
        (!self.overlay.estranged && !self.overlay.hides_view(relation)).then_some(relation)
    }
}

impl Catalogue for Overlaid<'_> {
    fn schema(&self, name: &str) -> Lookup<()> {
        if self.overlay.stale {
            Lookup::Unknown
        } else if self.overlay.schemas.contains_key(name) {
            Lookup::Found(())
        } else {
            self.snapshot.schema(name)
        }
    }

    fn relation(&self, schema: &str, name: &str) -> Lookup<&Relation> {
        if self.overlay.hides(schema, name) {
            return Lookup::Changed;
        }
        if !self.overlay.made.is_empty()
            && let Some(made) = self.overlay.made.get(&(Box::from(schema), Box::from(name)))
        {
            let is_so = match made.over {
                Some(generation) => generation == self.snapshot.generation,
                // By now somebody else has one of this name: whatever this one was, it is not there.
                None => self.snapshot.find(schema, name).is_none(),
            };
            return if is_so { Lookup::Found(&made.relation) } else { Lookup::Changed };
        }
        match self.snapshot.relation(schema, name) {
            Lookup::Found(relation) if self.overlay.hides_view(relation) => Lookup::Changed,
            found => found,
        }
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

impl Overlay {
    /// Whether this name may stand for anything by now.
    fn hides(&self, schema: &str, name: &str) -> bool {
        (self.stale && !is_shipped(schema))
            || (!self.touched.is_empty() && self.touched.contains(&(Box::from(schema), Box::from(name))))
    }

    /// A view may be defined anew, or be made of one that is.
    fn hides_view(&self, relation: &Relation) -> bool {
        let is_view = matches!(relation.kind, RelationKind::View(_) | RelationKind::Materialized(_));
        let shipped = relation.identity.name.segments().next().is_some_and(is_shipped);
        self.redefined && is_view && !shipped
    }
}

fn is_shipped(schema: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema")
}
