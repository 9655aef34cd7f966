//! Where a value comes from.

use crate::sql::columns::{ColumnRef, ColumnSet};

/// The columns that flow into a value.
#[derive(Clone, Debug, Default)]
pub(super) struct Lineage {
    pub(super) sources: ColumnSet,
    /// Some of the sources are candidates only.
    pub(super) uncertain: bool,
}

impl Lineage {
    /// A value that comes from no column.
    pub(super) fn none() -> Self {
        Self::default()
    }

    pub(super) fn of(sources: ColumnSet) -> Self {
        Self { sources, uncertain: false }
    }

    pub(super) fn unknown() -> Self {
        Self { sources: ColumnSet::of(ColumnRef::Unknown), uncertain: true }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.sources.merge(&other.sources);
        self.uncertain |= other.uncertain;
    }
}
