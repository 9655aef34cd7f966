//! The proxy between the real `kubectl` and a scripted kubelet, over both of the protocols that streams are carried by.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test states what it expects by failing"
)]
#![allow(unreachable_pub, reason = "the modules are parts of one program")]

mod bounds;
mod ends;
mod forward;
mod hostile;
mod house;
mod masks;
mod requests;
mod streams;
