//! A reverse proxy for HTTP that judges, holds and records every request.
//!
//! In the order that a request passes through them:
//!
//! - `server`: a connection is accepted, in the clear or over TLS, HTTP/1.1 or HTTP/2;
//! - `request`: what is asked for, as far as it can mean one thing only; `route`: which target that leads to;
//! - `login`: who asks; `visit`: what the requests of one connection share: the gateway's sessions;
//! - `exchange`: one request: judged by its `meaning`, held, sent on with its permit, answered; `body`: what it carries;
//! - `fields`: which header fields go on; `connect`: the target's leg, with the hidden credential;
//! - `answer`: what comes back, `decode`d and `mask`ed; `refuse`: an answer of the gateway's own;
//! - `upgrade` and `websocket`: a connection that turns into something else;
//! - [`serve()`], [`start()`]: from a configuration to a listening proxy; `settings`: what that goes by.

mod answer;
mod body;
mod connect;
mod decode;
mod exchange;
mod fields;
mod login;
mod mask;
mod meaning;
mod refuse;
mod request;
mod route;
mod serve;
mod server;
mod settings;
mod upgrade;
mod visit;
mod websocket;

pub use route::Twice;
pub use serve::{serve, start};
pub use settings::ServeError;
