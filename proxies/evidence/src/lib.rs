//! `portcullis-evidence` keeps what was decided and what was said, so that nobody can quietly change it later.
//!
//! It decides nothing, opens no socket and has no async runtime: callers that have one wait through callbacks and
//! wakers. It never masks either: whoever hands it a text has masked it.
//!
//! # Reading order
//!
//! 1. [`record`]: what a line of the audit log says.
//! 2. [`AuditLog`]: appending lines, bringing them to disk, rotating segments.
//! 3. [`checkpoint`] and [`key`]: the signatures that make a rewritten log visible.
//! 4. [`recording`]: what was said, session by session, written off the path and played back.
//! 5. [`mod@verify`]: whether all of it is as it was written, and what can't be known.
//! 6. [`read`]: going through the log record by record, or command by command.
//! 7. [`inert`]: showing any of it on a terminal.

pub mod checkpoint;
mod directory;
mod hash;
pub mod inert;
mod json;
pub mod key;
mod line;
pub mod log;
pub mod read;
pub mod record;
pub mod recording;
mod time;
pub mod verify;

pub use checkpoint::Checkpoint;
pub use hash::{Hash, NotHex};
pub use json::{Part, Serialized, Text};
pub use key::{KEY_FILE, KeyError, PUBLIC_KEY_FILE, PublicKey, SigningKey};
pub use log::{
    AppendError, AuditLog, Batch, LogOptions, OpenError, Seq, TextMark, TooLong, newest_checkpoint,
};
pub use read::{Entry, ReadError, entries};
pub use record::{Record, Scope};
pub use time::{NotATime, Timestamp};
pub use verify::{Report, VerifyOptions, verify};
