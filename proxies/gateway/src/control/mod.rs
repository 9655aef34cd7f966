//! The control API: what the command line, and any console, know and do about a running gateway.
//!
//! HTTP/1.1 and JSON on a Unix socket (mode 0600, in a directory of mode 0700). Two things say who asks: the peer's
//! user id, which the kernel vouches for, and a local user's name and password (HTTP basic authentication).
//!
//! | request | operator | local user | nobody |
//! |---|---|---|---|
//! | `GET /v1/status` | yes | no | no |
//! | `GET /v1/sessions` | yes | no | no |
//! | `POST /v1/revoke` | yes | no | no |
//! | `POST /v1/reload` | yes | no | no |
//! | `GET /v1/approvals` | all, masked | those they asked for or may vote on | no |
//! | `GET /v1/approvals/{number}` | masked | if they asked for it or may vote on it | no |
//! | `POST /v1/approvals/{number}/vote` | no | if they may vote on it | no |
//! | `GET /v1/sessions/{id}/watch` | yes | if they review commands of such sessions | no |
//! | `POST /v1/sessions/{id}/end` | yes | likewise | no |
//!
//! An operator is whoever runs as the gateway's own user or as root. Being one gives no vote: a vote is a person's, and
//! takes that person's password. A local user who is an operator too may do both.
//!
//! A watch is one line of JSON an event ([`Told`]), for as long as the connection lives; only sessions of the instance that is
//! asked can be watched. Nobody watches a session of their own, by another account or agent neither.

mod access;
mod approvals;
mod client;
mod guesses;
mod handle;
mod server;
#[cfg(test)]
mod tests;
mod views;
mod votes;
mod watch;

pub use client::{Client, ClientError, Credentials, Watching};
pub use server::{ControlServer, ServeError};
pub use views::{
    ApprovalView, End, HoldState, HoldView, PolicyView, Problem, Reloaded, Revoke, Revoked, SessionView,
    Status, Told, VoteRequest, VoteView, Voted,
};
