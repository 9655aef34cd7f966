//! Names as PostgreSQL's parse trees write them.

use pg_query::protobuf::RangeVar;
use pg_query::{Node, NodeEnum};

use crate::sql::names::Target;
use crate::sql::session::Session;

impl<'a> Session<'a> {
    /// The relation that a FROM clause, an INSERT or a DROP names.
    pub(in crate::sql) fn relation(&self, range: &RangeVar) -> Target<'a> {
        self.relation_named(&range.schemaname, &range.relname)
    }
}

/// The strings of a list of names; anything else in it is left out, `*` included.
pub(super) fn strings(nodes: &[Node]) -> Vec<&str> {
    nodes
        .iter()
        .filter_map(|node| match &node.node {
            Some(NodeEnum::String(string)) => Some(string.sval.as_str()),
            _ => None,
        })
        .collect()
}
