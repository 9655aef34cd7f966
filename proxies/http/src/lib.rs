//! A reverse proxy for HTTP that judges, holds and records every request.
//!
//! In the order that a request passes through them:
//!
//! - `server`: a connection is accepted, in the clear or over TLS, HTTP/1.1 or HTTP/2;
//! - `request`: what is asked for, as far as it can mean one thing only; `route`: which target that leads to;
//! - `login`: who asks; `visit`: what the requests of one connection share: the gateway's sessions, and their `traffic`;
//!   `activity`: whether there are any;
//! - `exchange`: one request: judged by its meaning in the `dialect` of its target, held, sent on with its permit, answered;
//!   `inbound`, `body`: what it carries;
//! - `fields`: which header fields go on; `identical`: what of them an approval is for; `known`: what was
//!   understood before; `connect`: the target's leg, with the hidden credential;
//! - `answer`: what comes back, `decode`d and `mask`ed; `refuse`: an answer of the gateway's own;
//! - `upgrade`: a connection that turns into something else; `tunnel`: how that is carried; `websocket`, `spdy`: what is spoken in it;
//!   `streams`: the program behind it;
//! - [`serve()`], [`start()`]: from a configuration to a listening proxy; `settings`: what that goes by; [`probe()`]: whether
//!   a target can be reached.

mod activity;
mod answer;
mod body;
mod connect;
mod decode;
mod dialect;
mod exchange;
mod fields;
mod identical;
mod inbound;
mod known;
mod login;
mod mask;
mod probe;
mod refuse;
mod request;
mod route;
mod serve;
mod server;
mod settings;
mod spdy;
mod streams;
mod traffic;
mod tunnel;
mod upgrade;
mod visit;
mod websocket;

/// The readers of what is spoken in tunnels, for whoever feeds them with anything: fuzz targets.
pub mod wire {
    pub use crate::spdy::{
        Bad as BadSpdy, Block, Blocks, Control, Head, Kind, Part as SpdyPart, Reader as Spdy,
    };
    pub use crate::websocket::{Bad as BadWebSocket, Header, Opcode, Part, Reader as WebSocket, Sender};
}

pub use probe::{ProbeError, probe};
pub use route::Twice;
pub use serve::{serve, start};
pub use settings::ServeError;
