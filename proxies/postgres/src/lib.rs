//! A PostgreSQL proxy that judges, holds, masks and records every command.
//!
//! `psql` and every other client connect to it unchanged; behind it is a real PostgreSQL, which only it has the
//! password of. In the order that a session passes through them:
//!
//! - `startup`: the client's leg: TLS, who it is, what it asks for;
//! - [`connect`]: the target's leg: TLS, the hidden credential, ready for commands;
//! - [`relay`]: commands to the target, replies to the client, each through the [`relay::Judge`] and the [`relay::Veil`];
//! - [`wire`]: the messages themselves, without any I/O; [`refuse`]: saying no in PostgreSQL's words;
//! - [`mask`]: what of the replies nobody may see; [`catalogue`]: which columns they come from;
//! - [`guard`]: where the gateway's judgement meets all of these; [`command`]: what a text means, and what names stand for;
//! - `cancel`: cancel requests, which come on connections of their own;
//! - [`probe`]: what a target and the gateway's role there are like, before anything is served;
//! - [`Server`]: listening, and what a connection goes through; [`serve()`], [`start()`]: from a configuration to that;
//!   `renew`: a changed one taken up.

mod cancel;
pub mod catalogue;
pub mod command;
pub mod connect;
mod endpoint;
mod exchange;
pub mod guard;
pub mod mask;
pub mod probe;
mod reach;
pub mod refuse;
pub mod relay;
mod renew;
mod serve;
mod server;
mod settings;
mod startup;
mod transport;
pub mod wire;

pub use serve::{Proxy, ServeError, serve, start};
pub use server::{Opening, Policing, Server, Switch, Unpoliced};
pub use settings::{Limits, ServerTls, Settings};
