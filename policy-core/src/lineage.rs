//! Where the data of a command comes from and where it goes: what column masks are judged by.
//!
//! A mask on a column is kept by three rules. What reaches the client is masked on the way; that needs
//! output which can be traced to its columns, so output that can't be is refused where the rule says
//! `unresolved deny`. What is written or defined elsewhere would lose its mask, so a masked column
//! flowing there is denied, always. What decides about rows answers questions about values without
//! showing them; a rule may deny that too.

use crate::name::Name;

/// Where the data of one command flows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lineage {
    /// What reaches the client.
    pub shown: Sources,
    /// What is written or defined somewhere: into a table, a view, a function, a file.
    pub written: Sources,
    /// What decides about rows, their order or their groups.
    pub predicates: Sources,
}

/// The columns that data comes from: at least these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sources {
    /// Columns by every name they are known under (`schema.relation.column`): today's, and those that a policy's
    /// tags were first resolved by.
    pub columns: Vec<Name>,
    /// Relations (`schema.relation`) of which any column may be among the sources.
    pub relations: Vec<Name>,
    /// Whether some source could not be determined at all.
    pub unknown: bool,
}

impl Sources {
    /// Whether there is no source: constants, or what the target itself makes.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && self.relations.is_empty() && !self.unknown
    }
}
