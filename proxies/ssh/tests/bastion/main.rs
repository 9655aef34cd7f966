//! The bastion between OpenSSH's own clients and OpenSSH's own server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test states what it expects by failing"
)]
#![allow(clippy::indexing_slicing, reason = "a test states what it expects by failing")]
#![allow(unreachable_pub, reason = "the modules are parts of one program")]

mod commands;
mod files;
mod house;
mod login;
mod scripted;
mod shells;
mod tunnels;
mod typed;
mod watch;
