//! PostgreSQL's wire protocol, version 3: bytes to messages, and nothing else. No I/O happens here.
//!
//! [`frame`] finds where a message ends, from its five-byte header and caps by type. A message is then
//! decoded from exactly its own bytes, and the decoder must use all of them: what is judged is what the
//! target will read. Nothing is ever decoded from a connection's buffer.
//!
//! Source: PostgreSQL documentation, chapter "Frontend/Backend Protocol", sections "Message Formats"
//! and "Error and Notice Message Fields".

pub mod backend;
pub mod bind;
mod cursor;
pub mod describe;
pub mod execute;
pub mod frame;
pub mod frontend;
pub mod make;
pub mod parameter_status;
pub mod parse;
pub mod query;
pub mod startup;
#[cfg(test)]
mod tests;

pub use cursor::Malformed;
