//! Columns by identity, and sets of them: the currency of lineage.

use std::fmt;
use std::sync::Arc;

use policy_core::{Name, Sources};

/// A relation that a statement touches, identified as well as the catalogue allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationRef {
    /// Schema and relation. Always two segments.
    pub name: Name,
    /// `pg_class.oid`, where the catalogue knew the relation. It survives renames.
    pub oid: Option<u32>,
}

/// A column whose value flows somewhere, or is compared with something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ColumnRef {
    /// It could not be determined: any column of any relation. Masks must treat it as unresolved.
    Unknown,
    /// Any or every column of a relation whose columns are not known (`t.*` without a catalogue).
    Whole(Arc<RelationRef>),
    /// One column.
    Column {
        /// The relation.
        relation: Arc<RelationRef>,
        /// The column's name, after folding.
        name: Arc<str>,
        /// `pg_attribute.attnum`, where the catalogue knew the column. It survives renames.
        attnum: Option<i16>,
    },
}

impl ColumnRef {
    /// The relation, unless the reference is [`ColumnRef::Unknown`].
    pub fn relation(&self) -> Option<&Arc<RelationRef>> {
        match self {
            Self::Unknown => None,
            Self::Whole(relation) | Self::Column { relation, .. } => Some(relation),
        }
    }

    /// The name that policies know it by, `schema.relation.column`; `None` where it is not one column.
    pub fn column_name(&self) -> Option<Name> {
        match self {
            Self::Column { relation, name, .. } => Name::new(relation.name.segments().chain([&**name])),
            Self::Whole(_) | Self::Unknown => None,
        }
    }
}

/// `schema.relation.column`, `schema.relation.*`, or `?`.
impl fmt::Display for ColumnRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("?"),
            Self::Whole(relation) => write!(f, "{}.*", relation.name.display('.')),
            Self::Column { relation, name, .. } => write!(f, "{}.{name}", relation.name.display('.')),
        }
    }
}

/// How many columns a set tells apart. More become [`ColumnRef::Unknown`], which stands for all of them; a table
/// has 1,600 at most.
const CAPACITY: usize = 2_048;

/// A set of columns, in order. One of more than 2,048 columns says [`ColumnRef::Unknown`] instead.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct ColumnSet(Vec<ColumnRef>);

impl ColumnSet {
    /// No column: a constant, or a value that comes from the server itself.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A set of one.
    pub fn of(column: ColumnRef) -> Self {
        Self(vec![column])
    }

    /// The set that says nothing is known.
    pub fn unknown() -> Self {
        Self::of(ColumnRef::Unknown)
    }

    /// Adds a column; says whether it is new.
    pub fn insert(&mut self, column: ColumnRef) -> bool {
        match self.0.binary_search(&column) {
            Ok(_) => false,
            Err(_) if self.0.len() >= CAPACITY => {
                *self = Self::unknown();
                true
            }
            Err(at) => {
                self.0.insert(at, column);
                true
            }
        }
    }

    /// Adds all columns of another set; says whether any is new.
    pub fn merge(&mut self, other: &Self) -> bool {
        if self.0.is_empty() {
            self.0.clone_from(&other.0);
            return !self.0.is_empty();
        }
        other.0.iter().fold(false, |changed, column| self.insert(column.clone()) | changed)
    }

    /// Whether the column is in the set.
    pub fn contains(&self, column: &ColumnRef) -> bool {
        self.0.binary_search(column).is_ok()
    }

    /// Whether some source could not be determined.
    pub fn is_unknown(&self) -> bool {
        self.contains(&ColumnRef::Unknown)
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The columns, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, ColumnRef> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a ColumnSet {
    type Item = &'a ColumnRef;
    type IntoIter = std::slice::Iter<'a, ColumnRef>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<ColumnRef> for ColumnSet {
    fn from_iter<T: IntoIterator<Item = ColumnRef>>(columns: T) -> Self {
        let mut columns: Vec<ColumnRef> = columns.into_iter().collect();
        columns.sort_unstable();
        columns.dedup();
        Self(columns)
    }
}

/// What the set is to a policy. A column without a name that policies could know counts as undetermined.
impl From<&ColumnSet> for Sources {
    fn from(columns: &ColumnSet) -> Self {
        let mut sources = Self::default();
        for column in columns {
            match (column, column.column_name()) {
                (_, Some(name)) => sources.columns.push(name),
                (ColumnRef::Whole(relation), None) => sources.relations.push(relation.name.clone()),
                (ColumnRef::Unknown | ColumnRef::Column { .. }, None) => sources.unknown = true,
            }
        }
        sources
    }
}

/// The columns separated by commas, or `-` for none.
impl fmt::Display for ColumnSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        for (index, column) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{column}")?;
        }
        Ok(())
    }
}
