//! A reverse proxy for HTTP that judges, holds and records every request.
//!
//! In the order that a request passes through them:
//!
//! - `server`: a connection is accepted, in the clear or over TLS, HTTP/1.1 or HTTP/2;
//! - `request`: what is asked for, as far as it can mean one thing only;
//! - `login`: who asks; `visit`: what the requests of one connection share: the gateway's sessions;
//! - `exchange`: one request, judged, held, sent on with its permit, and its answer;
//! - `fields`: which header fields go on; `identical`: what of them an approval is for; `refuse`: an answer of the gateway's own;
//! - `connect`: the target's leg, with the hidden credential;
//! - [`serve()`], [`start()`]: from a configuration to a listening proxy; `settings`: what that goes by.

mod connect;
mod exchange;
mod fields;
mod identical;
mod login;
mod refuse;
mod request;
mod serve;
mod server;
mod settings;
mod visit;

pub use serve::{ServeError, serve, start};
