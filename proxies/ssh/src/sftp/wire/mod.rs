//! Packets of SFTP version 3: bytes to messages and back.
//!
//! [`frame`] finds where a packet ends. A packet is then decoded from exactly its own bytes, and the decoder must use all of
//! them; what is decoded, encoded again, is the same bytes.

pub mod attributes;
mod cursor;
pub mod extension;
pub mod frame;
pub mod reply;
pub mod request;

pub use cursor::Malformed;
