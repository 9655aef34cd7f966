//! From parse tree to statements.

use pg_query::protobuf;
use policy_core::Action;

use crate::sql::{ColumnSet, Environment, Kind, Outputs, Statement};

pub(super) fn statements(text: &str, tree: &protobuf::ParseResult, _: &Environment<'_>) -> Vec<Statement> {
    tree.stmts
        .iter()
        .map(|raw| {
            let start = usize::try_from(raw.stmt_location).unwrap_or(0);
            let end = match usize::try_from(raw.stmt_len) {
                Ok(0) | Err(_) => text.len(),
                Ok(length) => start + length,
            };
            Statement {
                span: start..end,
                kind: Kind::Unknown,
                actions: vec![Action::unknown()],
                outputs: Outputs::unknown(),
                predicates: ColumnSet::unknown(),
                flows: Vec::new(),
                parameters: 0,
                settings: Vec::new(),
                notes: Vec::new(),
            }
        })
        .collect()
}
