//! What names mean inside a query: FROM items, common table expressions, and the columns they show.

use std::rc::Rc;
use std::sync::Arc;

use super::lineage::Lineage;
use crate::sql::columns::{ColumnRef, ColumnSet, RelationRef};
use crate::sql::names::Target;
use crate::sql::statement::Output;

/// The columns that a sub-query, function or common table expression shows.
pub(super) type Shown = Rc<Vec<Output>>;

/// One item of FROM that names can refer to.
pub(super) struct Entry<'a> {
    /// Its alias, or the relation's name. An item without a name shows its columns only.
    pub(super) name: Option<Box<str>>,
    /// The schema, where `schema.relation.column` may refer to it.
    pub(super) schema: Option<Box<str>>,
    pub(super) columns: Columns<'a>,
    /// New names of the first columns: `t(a, b)`.
    pub(super) renames: Vec<Box<str>>,
    /// Whether its columns need its name (`excluded`, `old`, `new`).
    pub(super) qualified_only: bool,
}

/// The columns of an entry.
pub(super) enum Columns<'a> {
    /// A relation. ONLY makes no difference: masks on its family apply either way.
    Relation(Target<'a>),
    /// Anything else.
    Shown(Shown),
}

/// A scope: the items of one FROM clause.
#[derive(Default)]
pub(super) struct Scope<'a> {
    pub(super) entries: Vec<Entry<'a>>,
    /// How `*` puts the entries together.
    pub(super) shapes: Vec<Shape>,
}

/// How a FROM item puts its columns together for `*`.
#[derive(Clone)]
pub(super) enum Shape {
    /// All columns of the entry with this index.
    Entry(usize),
    /// Two items; merged columns come first.
    Join { left: Box<Shape>, right: Box<Shape>, merged: Merged },
}

/// The columns that a join shows once.
#[derive(Clone)]
pub(super) enum Merged {
    /// None (ON).
    None,
    /// These (USING).
    Using(Vec<Box<str>>),
    /// Those that both sides have (NATURAL).
    Natural,
}

/// What looking for a column in an entry gives.
pub(super) enum Found {
    /// It is there.
    Yes(Lineage),
    /// It may be there: the entry's columns are not known.
    Maybe(Lineage),
    /// It is not there.
    No,
}

impl<'a> Entry<'a> {
    pub(super) fn shown(name: Option<&str>, columns: Shown) -> Self {
        Self {
            name: name.map(Into::into),
            schema: None,
            columns: Columns::Shown(columns),
            renames: Vec::new(),
            qualified_only: false,
        }
    }

    pub(super) fn relation(name: &str, schema: Option<&str>, target: Target<'a>) -> Self {
        Self {
            name: Some(name.into()),
            schema: schema.map(Into::into),
            columns: Columns::Relation(target),
            renames: Vec::new(),
            qualified_only: false,
        }
    }
}

/// A column of a relation whose columns are not known.
pub(super) fn named_column(relation: &Arc<RelationRef>, name: &str) -> ColumnSet {
    ColumnSet::of(ColumnRef::Column { relation: Arc::clone(relation), name: name.into(), attnum: None })
}

/// The one output of a run of columns that can't be told apart.
pub(super) fn spread(sources: ColumnSet, certain: bool) -> Output {
    Output { name: None, sources, certain, spread: true }
}

/// One run that stands for all of these.
pub(super) fn collapse(outputs: &[Output]) -> Output {
    let mut sources = ColumnSet::new();
    for output in outputs {
        sources.merge(&output.sources);
    }
    spread(sources, false)
}

/// The attribute number of a system column.
pub(super) fn system_attnum(name: &str) -> Option<i16> {
    Some(match name {
        "ctid" => -1,
        "xmin" => -2,
        "cmin" => -3,
        "xmax" => -4,
        "cmax" => -5,
        "tableoid" => -6,
        _ => return None,
    })
}
