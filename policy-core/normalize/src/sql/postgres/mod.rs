//! PostgreSQL's own grammar, as `libpg_query` packages it.
//!
//! # Why this form of it
//!
//! `pg_query` hands the tree over as protobuf messages: owned Rust values, safe to hold, with an enum of every node kind
//! that the compiler checks our matches against. The raw form (`pg_raw_parse` 0.1) shows the server's C structs in
//! place and is faster (1–9 µs against 8–16 µs a statement), but it is one project's young binding, it links a second
//! copy of the same C symbols, and its coverage of node kinds is what that project needs. A statement's parse is cached
//! by whoever calls this crate, so the safer form costs a first use only.

#[macro_use]
mod kinds;

mod call;
mod change;
mod define;
mod defines;
mod dispatch;
mod expr;
mod filtered;
mod from;
mod grants;
mod lineage;
mod names;
mod objects;
mod overlay;
mod query;
mod resolve;
mod scope;
mod table;
mod walk;

use pg_query::protobuf;

use super::limits::Logic;
use super::session::Session;
use super::stack::on_a_stack_for;
use super::{Environment, Grammar, Kind, Limits, Outputs, Rejected, Statement};

/// PostgreSQL 18's grammar.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postgres {
    limits: Limits,
}

impl Postgres {
    /// The grammar with its default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The grammar with limits of the caller's choice. A [`Limits::depth`] of 1,000 needs a stack of up to
    /// 128 MiB, which is taken from the heap for as long as it is needed.
    pub const fn with_limits(limits: Limits) -> Self {
        Self { limits }
    }
}

impl Grammar for Postgres {
    fn parse(&self, text: &str, environment: &Environment<'_>) -> Result<Vec<Statement>, Rejected> {
        let measure = self.limits.check(text, Logic::Flat)?;
        on_a_stack_for(measure.depth, || {
            let tree = tree(text)?;
            Ok(walk::statements(text, &tree, environment))
        })
    }
}

/// Parses a text that is within the limits.
fn tree(text: &str) -> Result<protobuf::ParseResult, Rejected> {
    let syntax = |message: String| Rejected::Syntax { message: message.into() };
    // The binding panics on trees that it does not expect. A grammar that fails has understood nothing.
    match std::panic::catch_unwind(|| pg_query::parse(text, 0)) {
        Ok(Ok(result)) => Ok(result.protobuf),
        // The grammar's own words, as the server would say them.
        Ok(Err(pg_query::Error::Parse(message))) => Err(syntax(message)),
        Ok(Err(error)) => Err(syntax(error.to_string())),
        Err(_) => Err(syntax("the grammar failed on this text".to_owned())),
    }
}

/// What a view's definition shows, read as the session of `outer` would.
fn outputs_of_view(outer: &Session<'_>, definition: &str) -> Result<Outputs, Rejected> {
    let measure = Limits::default().check(definition, Logic::Flat)?;
    on_a_stack_for(measure.depth, || {
        let tree = tree(definition)?;
        let session = Session::of_view(outer);
        match tree.stmts.as_slice() {
            [raw] => {
                let statement = walk::statement(&session, raw.stmt.as_deref(), 0..0);
                match statement.kind {
                    Kind::Select => Ok(statement.outputs),
                    _ => Err(Rejected::Syntax { message: "a view that is not a query".into() }),
                }
            }
            _ => Err(Rejected::Syntax { message: "a view of several statements".into() }),
        }
    })
}
