//! The proxy between raw peers, `curl` and a real origin server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test states what it expects by failing"
)]
#![allow(unreachable_pub, reason = "the modules are parts of one program")]

mod answers;
mod bodies;
mod browser;
mod codings;
mod connections;
mod fields;
mod framing;
mod graphql;
mod grpc;
mod holds;
mod house;
mod json;
mod known;
mod legs;
mod mcp;
mod outcomes;
mod requests;
mod tokens;
mod ways;
mod websockets;
