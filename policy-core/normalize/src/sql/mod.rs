//! PostgreSQL statements → actions and lineage.
//!
//! A [`Grammar`] turns a text into [`Statement`]s: what each is ([`Kind`]), what it does (actions in the vocabulary
//! of `policy_core::vocabulary::postgres`), which source columns flow into each column it returns, which decide
//! about rows, and which are written elsewhere. Names are resolved through an [`Environment`] and its [`Catalogue`].
//!
//! # What it promises
//!
//! - **No effect is dropped.** A node that is not understood gives an `unknown` action. There is no arm that answers
//!   "nothing" for what it does not know.
//! - **Sources are never too few.** [`Output::sources`] holds at least every column whose value can flow there, or
//!   [`ColumnRef::Unknown`]. Candidates are added where a name is ambiguous.
//! - **Bounded.** Bytes, tokens and nesting are capped ([`Limits`]) by a scan that does not recurse, before anything
//!   that does. No text overflows a stack or panics.
//!
//! # What counts as flow
//!
//! A value flows into an output when the output is computed from it: operands, function arguments, aggregates, **also
//! the conditions of CASE** (each row would otherwise tell), `NULLIF`, comparisons and `EXISTS … IN` operands in the
//! select list. It is a predicate when it decides about rows, their order or their groups. CASE conditions are both.
//!
//! # What it can't see
//!
//! The bodies of functions, procedures and triggers (each is an action `call`, so each needs a rule that names it), of
//! column defaults and constraints, user-defined operators that are not schema-qualified, and whatever changed since
//! the catalogue's snapshot. A view is judged as the view; only its lineage is followed.

mod catalogue;
mod columns;
mod environment;
mod lex;
mod limits;
#[cfg_attr(not(feature = "sql"), allow(dead_code, reason = "the coarse grammar needs less of it"))]
mod names;
#[cfg(feature = "sql")]
mod postgres;
mod redact;
#[cfg_attr(not(feature = "sql"), allow(dead_code, reason = "the coarse grammar needs less of it"))]
mod session;
#[cfg_attr(not(feature = "sql"), allow(dead_code, reason = "the coarse grammar needs less of it"))]
mod shipped;
#[cfg(feature = "sqlparser")]
mod sqlparser;
mod stack;
mod statement;

pub use catalogue::{
    Catalogue, Column, Function, Lookup, NoCatalogue, Relation, RelationKind, Trigger, TypeKind, Volatility,
};
pub use columns::{ColumnRef, ColumnSet, RelationRef};
pub use environment::{Bound, Environment, Parameters};
pub use limits::Limits;
#[cfg(feature = "sql")]
pub use postgres::Postgres;
pub use redact::{redact_literals, repeated_parameters};
#[cfg(feature = "sqlparser")]
pub use sqlparser::Sqlparser;
pub use statement::{
    Argument, Copy, CopyFormat, Definition, Direction, Discard, Flow, FlowTarget, Format, Kind, NewColumn,
    NewTable, Output, Outputs, Setting, SettingValue, Statement, Transaction, Via,
};

/// A grammar that understands PostgreSQL's language, or a part of it.
pub trait Grammar: Send + Sync {
    /// Normalises every statement of a text, in order; an empty text is one [`Kind::Noop`].
    ///
    /// Statements after one that changes `search_path`, the role or definitions are resolved under its effect, or
    /// are undetermined.
    ///
    /// # Errors
    /// Where the text is over the limits or not in the grammar. Of the latter a caller may make a [`Statement::unparsed`],
    /// which only a rule that names `unknown` covers; otherwise nothing of it may be forwarded.
    fn parse(&self, text: &str, environment: &Environment<'_>) -> Result<Vec<Statement>, Rejected>;
}

/// Why a text was not understood at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// Over [`Limits::bytes`].
    #[error("the text has {length} bytes and the limit is {limit}: send less at once")]
    TooLong {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// Over [`Limits::tokens`].
    #[error("the text has more than {limit} tokens: send less at once")]
    TooManyTokens {
        /// The limit.
        limit: usize,
    },
    /// Over [`Limits::depth`].
    #[error(
        "expressions nest or chain more than {limit} deep near byte {offset}: use parameters, arrays or steps"
    )]
    TooDeep {
        /// The limit.
        limit: usize,
        /// Where, in bytes.
        offset: usize,
    },
    /// Not in the grammar.
    #[error("{message}")]
    Syntax {
        /// What the grammar says. May quote the text.
        message: Box<str>,
    },
}
