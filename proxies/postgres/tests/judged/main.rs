//! The judged proxy as its users meet it: a real gateway, a real PostgreSQL, every message said by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a fixture that does not come up is a failed test"
)]
#![allow(unreachable_pub, reason = "the modules of one test binary")]
#![allow(clippy::print_stdout, reason = "a failing case says which it was")]

#[path = "../common/mod.rs"]
mod common;
mod holds;
mod house;
mod idle;
mod input;
mod limits;
mod names;
mod paths;
mod prepared;
mod reply;
mod stops;
mod told;
mod transactions;
mod unasked;
mod undescribed;
mod unread;
mod verdicts;
