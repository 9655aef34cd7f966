//! Turns what clients say into the actions that `policy-core` judges.
//!
//! Pure: no I/O, no clock, no network. What it can't understand it calls `unknown`, which no policy
//! covers by accident. Each language is a module behind a feature:
//!
//! - [`sql`]: PostgreSQL statements, by PostgreSQL's own grammar (feature `sql`, the default) or by the pure-Rust
//!   crate `sqlparser` (feature `sqlparser`), with the lineage of every output column.
//! - [`shell`]: command lines, as a POSIX shell or bash reads them (feature `shell`).
//! - [`http`]: requests: the path as it is sent on, the query, fields of headers and bodies, operations of
//!   GraphQL field by field (feature `http`).
//! - [`kubernetes`]: requests to a Kubernetes API server, as that server sees them (feature `kubernetes`).
//! - [`mcp`]: messages of the Model Context Protocol (feature `mcp`).

#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
#[cfg(feature = "mcp")]
pub mod mcp;
#[cfg(feature = "shell")]
pub mod shell;
#[cfg(any(feature = "sql", feature = "sqlparser"))]
pub mod sql;
