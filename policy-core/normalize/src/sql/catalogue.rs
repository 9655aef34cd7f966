//! What the normaliser may ask about the database: a pure look-up in a snapshot.

use std::sync::{Arc, OnceLock};

use policy_core::Name;

use super::columns::{ColumnSet, RelationRef};

/// The answer to a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// It exists.
    Found(T),
    /// It is known not to exist.
    Absent,
    /// The catalogue can't tell.
    Unknown,
}

/// A snapshot of the database's definitions. Look-ups do no I/O.
///
/// Names are as the server stores them: folded, unquoted.
///
/// For each unqualified relation `pg_temp` is asked first, then `pg_catalog`, then the search path. Answer `Found` in
/// `pg_temp` only while the session surely has such a temporary relation, `Absent` or `Unknown` otherwise.
pub trait Catalogue: Sync {
    /// Whether this schema exists: decides where an unqualified CREATE puts its object.
    fn schema(&self, name: &str) -> Lookup<()>;

    /// The relation of this name in this schema.
    fn relation(&self, schema: &str, name: &str) -> Lookup<&Relation>;

    /// Whether a relation of which [`Catalogue::relation`] can't tell may have been made, redefined or renamed since: its
    /// name is what it is, and nothing is known about what flows from it. Otherwise columns are taken as spelled.
    fn is_changing(&self, schema: &str, name: &str) -> bool {
        let _ = (schema, name);
        false
    }

    /// The relation with this `pg_class.oid`.
    fn relation_by_oid(&self, oid: u32) -> Option<&Relation>;

    /// All functions, procedures and aggregates of this name in this schema, whatever their arguments.
    /// `Absent` where there is none.
    fn functions(&self, schema: &str, name: &str) -> Lookup<&[Function]>;

    /// What kind of type this is; decides whether casting to it may run somebody's code.
    fn type_kind(&self, schema: &str, name: &str) -> Lookup<TypeKind>;
}

/// Knows nothing. Unqualified names are then undetermined, unless the environment's search path names one
/// schema only, and columns are taken as the statement spells them.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCatalogue;

impl Catalogue for NoCatalogue {
    fn schema(&self, _: &str) -> Lookup<()> {
        Lookup::Unknown
    }

    fn relation(&self, _: &str, _: &str) -> Lookup<&Relation> {
        Lookup::Unknown
    }

    fn relation_by_oid(&self, _: u32) -> Option<&Relation> {
        None
    }

    fn functions(&self, _: &str, _: &str) -> Lookup<&[Function]> {
        Lookup::Unknown
    }

    fn type_kind(&self, _: &str, _: &str) -> Lookup<TypeKind> {
        Lookup::Unknown
    }
}

/// A table, view or anything else that stands in a FROM clause.
#[derive(Debug)]
pub struct Relation {
    /// Name and oid, shared by every reference to a column.
    pub identity: Arc<RelationRef>,
    /// What it is.
    pub kind: RelationKind,
    /// Its columns in order, dropped ones left out.
    pub columns: Vec<Column>,
    /// The relations whose masks also apply to its columns of the same name: everything it inherits from or is a
    /// partition of, and everything that inherits from it or is its partition, transitively. A snapshot may
    /// leave out those on which no mask can ever apply.
    pub family: Vec<u32>,
    /// Functions that its triggers run when rows are written.
    pub triggers: Vec<Trigger>,
    /// Whether rules rewrite what is written to it. Such writes are unknown.
    pub rewritten: bool,
    /// What a view's columns are made of, found at first use. Start it empty.
    pub lineage: OnceLock<Vec<ColumnSet>>,
}

impl Relation {
    /// A relation without family, triggers or rules.
    ///
    /// `None` if a name is empty or holds U+001F, which no resource can.
    pub fn new(oid: u32, schema: &str, name: &str, kind: RelationKind, columns: Vec<Column>) -> Option<Self> {
        if schema.is_empty() || name.is_empty() {
            return None;
        }
        let identity = Arc::new(RelationRef { name: Name::new([schema, name])?, oid: Some(oid) });
        Some(Self {
            identity,
            kind,
            columns,
            family: Vec::new(),
            triggers: Vec::new(),
            rewritten: false,
            lineage: OnceLock::new(),
        })
    }
}

/// What a relation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// A table, partitioned or not.
    Table,
    /// A view, with `pg_get_viewdef` **read under an empty `search_path`**, so that every name in it is qualified.
    View(Arc<str>),
    /// A materialised view, with its definition, read the same way.
    Materialized(Arc<str>),
    /// A foreign table.
    Foreign,
    /// A sequence.
    Sequence,
    /// An index, composite type or TOAST table.
    Other,
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: Arc<str>,
    /// `pg_attribute.attnum`.
    pub attnum: i16,
    /// `pg_attribute.atttypid`.
    pub type_oid: u32,
}

/// A function that runs when rows are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The function's schema and name.
    pub function: Name,
    /// Whether it runs on INSERT.
    pub insert: bool,
    /// Whether it runs on UPDATE.
    pub update: bool,
    /// Whether it runs on DELETE.
    pub delete: bool,
    /// Whether it runs on TRUNCATE.
    pub truncate: bool,
}

/// A function, procedure, aggregate or window function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// `pg_proc.oid`.
    pub oid: u32,
    /// Whether it may do anything or give another answer each time.
    pub volatility: Volatility,
    /// Whether it ships with the server: its language is `internal` or `c` and its schema `pg_catalog`.
    pub builtin: bool,
}

/// `pg_proc.provolatile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Volatility {
    /// Depends on its arguments only.
    Immutable,
    /// Depends on the database too, but changes nothing.
    Stable,
    /// May do anything.
    Volatile,
}

/// What kind of type a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypeKind {
    /// An enumeration: casting to it runs no user code.
    Enum,
    /// A row type.
    Composite,
    /// A domain: its constraints may call functions.
    Domain,
    /// A base type, range or multirange: casting may run its creator's code.
    Base,
}
