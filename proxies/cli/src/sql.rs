//! SQL to what policies judge, without a database: as the PostgreSQL proxy does it, but knowing no definitions.

use policy_core::ActionSet;
use policy_core::lineage::{Lineage, Sources};
use policy_normalize::sql::{ColumnSet, Environment, Grammar, NoCatalogue, Postgres, Rejected, Statement};

/// Reads a text as a session with this search path and no catalogue would.
pub(crate) fn statements(text: &str, search_path: &[&str]) -> Result<Vec<Statement>, Rejected> {
    let environment = Environment::new(search_path.iter().copied(), &NoCatalogue);
    Postgres::new().parse(text, &environment)
}

/// What statements do together, with where their data flows.
pub(crate) fn actions(statements: &[Statement]) -> ActionSet {
    let (mut shown, mut written, mut predicates) = (ColumnSet::new(), ColumnSet::new(), ColumnSet::new());
    for statement in statements {
        shown.merge(&statement.outputs.sources());
        for flow in &statement.flows {
            written.merge(&flow.sources);
        }
        predicates.merge(&statement.predicates);
    }
    let lineage = Lineage {
        shown: Sources::from(&shown),
        written: Sources::from(&written),
        predicates: Sources::from(&predicates),
    };
    ActionSet::new(statements.iter().flat_map(|statement| statement.actions.iter().cloned()))
        .with_lineage(lineage)
}
