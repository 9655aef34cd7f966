//! An SSH bastion that judges, holds, masks and records every channel.
//!
//! `ssh USER:TARGET@gateway` and every other client connect to it unchanged; behind it are real `sshd`s, whose
//! credentials only it has. In the order that a connection passes through them:
//!
//! - `server`: a connection is accepted; `client`: the client's leg, and where its requests go;
//! - `login`: who it is: public keys, certificates, passwords; `keys` and `authority`: keys, and the gateway's own;
//! - `bastion`: what all channels of a connection share: the gateway's session, and the target that it reaches;
//! - `connect`: the target's leg: its pinned host key, the hidden credential;
//! - `channel`: one session channel: what it starts, judged, held, carried, masked and recorded;
//! - `command`: what is asked for, in the policy's words; `judge`: the asking;
//! - [`sftp`]: file transfer, operation by operation, without any I/O;
//! - `forward`: tunnels in either direction; `splice`: two channels joined; `tasks`: what ends with its connection;
//! - `flow`: how much a peer may send ahead of whoever reads it; `ahead`: where that waits;
//! - [`probe()`]: what a target is like, before anything is served;
//! - [`serve()`], [`start()`]: from a configuration to a listening proxy; `settings`: what that goes by.

mod ahead;
mod authority;
mod bastion;
mod channel;
mod client;
mod command;
mod connect;
mod flow;
mod forward;
mod home;
mod judge;
pub mod keys;
mod login;
mod probe;
mod serve;
mod server;
mod settings;
pub mod sftp;
mod splice;
mod tasks;

pub use probe::{ProbeError, probe};
pub use serve::{serve, start};
pub use settings::ServeError;
