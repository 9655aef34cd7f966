//! The bastion between OpenSSH's own clients and OpenSSH's own server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test states what it expects by failing"
)]
#![allow(clippy::indexing_slicing, reason = "a test states what it expects by failing")]
#![allow(unreachable_pub, reason = "the modules are parts of one program")]

mod attack;
mod before_start;
mod bold;
mod certificates;
mod commands;
mod directories;
mod files;
mod held;
mod house;
mod inert;
mod ledger_exec;
mod ledger_output;
mod ledger_protocol;
mod ledger_requests;
mod left;
mod login;
mod meanwhile;
mod raw;
mod revoked;
mod round_trips;
mod scripted;
mod shells;
mod stops;
mod tunnels;
mod typed;
mod unasked;
mod watch;

/// Whether there is time for what is large: `make test-ssh-large`.
fn is_large() -> bool {
    std::env::var_os("PORTCULLIS_SSH_LARGE").is_some()
}
