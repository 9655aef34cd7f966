//! What the proxy does with bytes: the rules of HTTP/1.1 and HTTP/2 as tables, load, and requests that real servers
//! would read in another way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test states what it expects by failing"
)]
#![allow(unreachable_pub, reason = "the modules are parts of one program")]

mod frames;
mod house;
mod http1;
mod http2;
mod load;
mod messages;
mod origin;
mod servers;
mod smuggling;
