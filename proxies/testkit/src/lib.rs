//! Ephemeral real servers and scripted hostile peers for Portcullis's tests.
//!
//! - [`Postgres`]: one real PostgreSQL for the whole test run, whichever runner starts the tests;
//! - [`Database`]: a database of a test's own on it, dropped with the value;
//! - [`ssh::Sshd`]: a real OpenSSH server of a test's own, and [`ssh::Client`], the real clients;
//! - [`kubernetes::Cluster`]: a real Kubernetes API server with etcd, and [`kubernetes::Kubelet`], a scripted one with a pod
//!   to stream with; [`kubernetes::Kubectl`] is the real client of both, [`kubernetes::compare`] two ways to one server;
//! - [`Authority`]: a throw-away certificate authority for TLS on either leg;
//! - [`Serving`]: a server of ours, on a thread of its own;
//! - [`peer`]: bytes as a test wants them, from a client or from a target that keeps no rule.
//!
//! A development dependency only: nothing here is fit for anything but tests, and it panics rather
//! than returning errors, because a fixture that does not come up is a failed test.

#![allow(clippy::expect_used, clippy::panic, reason = "a fixture that does not come up is a failed test")]

mod authority;
pub mod kubernetes;
pub mod peer;
mod postgres;
mod running;
mod serving;
pub mod ssh;

pub use authority::{Authority, Issued};
pub use postgres::{Database, Postgres};
pub use running::{Output, Running};
pub use serving::Serving;
