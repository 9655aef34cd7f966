//! Everything that is known of a database's definitions at one moment.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use policy_normalize::sql::{Catalogue, Function, Lookup, Relation, TypeKind};

use crate::mask::types::{Kind, Type, Types};

/// What is known of a database's definitions at one moment. Immutable; share it in an [`Arc`].
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Counts loads: a statement that was judged by another generation is judged again.
    pub generation: u64,
    /// The role that a session starts as.
    pub role: Box<str>,
    /// The `search_path` that a session starts with, as the setting's list; `$user` unexpanded.
    pub search_path: Vec<Box<str>>,
    pub(super) schemas: HashSet<Box<str>>,
    pub(super) relations: HashMap<u32, Relation>,
    pub(super) details: HashMap<u32, Details>,
    /// OIDs by schema and name.
    pub(super) names: HashMap<Box<str>, HashMap<Box<str>, u32>>,
    pub(super) functions: HashMap<Box<str>, HashMap<Box<str>, Vec<Function>>>,
    pub(super) type_kinds: HashMap<Box<str>, HashMap<Box<str>, TypeKind>>,
    pub(super) types: HashMap<u32, Type>,
}

/// What masks need of a relation, beyond what a statement's meaning depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Whether writing to it may run anything else: triggers, those of foreign keys and deferred constraints
    /// included.
    pub triggers: bool,
    /// The declared lengths of its `varchar(n)` and `char(n)` columns, by attribute number.
    pub limits: HashMap<i16, u32>,
    /// Columns that are computed from others of the same table.
    pub generated: Vec<Generated>,
}

/// A generated column, and one column that it is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The generated column's attribute number.
    pub column: i16,
    /// The attribute number of a column in its expression.
    pub from: i16,
}

impl Snapshot {
    /// What masks need of a relation; nothing is known of one that is not in the snapshot.
    pub fn details(&self, oid: u32) -> Option<&Details> {
        self.details.get(&oid)
    }

    /// How many relations there are.
    pub fn relations(&self) -> usize {
        self.relations.len()
    }

    /// The relation of this name, whatever else a session may have made of it.
    pub fn find(&self, schema: &str, name: &str) -> Option<&Relation> {
        self.relations.get(self.names.get(schema)?.get(name)?)
    }
}

impl Catalogue for Snapshot {
    fn schema(&self, name: &str) -> Lookup<()> {
        if self.schemas.contains(name) { Lookup::Found(()) } else { Lookup::Absent }
    }

    fn relation(&self, schema: &str, name: &str) -> Lookup<&Relation> {
        // Temporary relations are their session's own: nothing is known of them here.
        self.find(schema, name).map_or(Lookup::Absent, Lookup::Found)
    }

    fn relation_by_oid(&self, oid: u32) -> Option<&Relation> {
        self.relations.get(&oid)
    }

    fn functions(&self, schema: &str, name: &str) -> Lookup<&[Function]> {
        let found = self.functions.get(schema).and_then(|functions| functions.get(name));
        found.map_or(Lookup::Absent, |functions| Lookup::Found(functions))
    }

    fn type_kind(&self, schema: &str, name: &str) -> Lookup<TypeKind> {
        let found = self.type_kinds.get(schema).and_then(|types| types.get(name));
        found.map_or(Lookup::Absent, |kind| Lookup::Found(*kind))
    }
}

impl Types for Snapshot {
    fn of(&self, oid: u32) -> Type {
        Type::builtin(oid).or_else(|| self.types.get(&oid).copied()).unwrap_or(Type::OPAQUE)
    }
}

/// One row of `pg_type`, as far as masks and casts need it.
#[derive(Clone, Debug)]
pub(super) struct TypeRow {
    pub(super) oid: u32,
    pub(super) schema: Arc<str>,
    pub(super) name: Box<str>,
    /// `pg_type.typtype`.
    pub(super) class: char,
    /// `pg_type.typcategory`.
    pub(super) category: char,
    /// The element type, of an array.
    pub(super) element: u32,
}

impl TypeRow {
    pub(super) fn kind(&self) -> TypeKind {
        match self.class {
            'e' => TypeKind::Enum,
            'c' => TypeKind::Composite,
            'd' => TypeKind::Domain,
            _ => TypeKind::Base,
        }
    }
}

/// What each type can hold and contain. Types of the string category (`citext`) hold any text, unless they are
/// enumerations or domains whose constraints a masked value may break.
pub(super) fn types(rows: &[TypeRow]) -> HashMap<u32, Type> {
    let by_oid: HashMap<u32, &TypeRow> = rows.iter().map(|row| (row.oid, row)).collect();
    let scalar = |row: &TypeRow| match (row.class, row.category) {
        ('b', 'S') => Kind::Text,
        ('c', _) => Kind::Record,
        _ => Kind::Opaque,
    };
    let known = |row: &&TypeRow| Type::builtin(row.oid).is_none();
    rows.iter()
        .filter(known)
        .map(|row| {
            let element = by_oid.get(&row.element).filter(|_| row.category == 'A');
            let ty = match element {
                Some(element) => match Type::builtin(element.oid) {
                    Some(builtin) => Type { kind: builtin.kind, array: true },
                    None => Type { kind: scalar(element), array: true },
                },
                None => Type { kind: scalar(row), array: false },
            };
            (row.oid, ty)
        })
        .collect()
}
