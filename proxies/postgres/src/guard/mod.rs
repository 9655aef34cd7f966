//! Where the gateway's judgement meets the relay: what goes up is judged, what comes down is masked and recorded.
//!
//! ```text
//!  relay ── command ──→ judge ── meaning ──→ gateway::enforce ──→ Permit ──→ relay ──→ target
//!                         └── Plan, in the queue of expected replies ──┐
//!  client ←── masked ── veil ←──────────────────────────────────────── relay ←── reply ── target
//! ```
//!
//! # Reading order
//!
//! 1. `doors`: the targets in force; `target`: what all sessions on one share, with `dial`, `pins` and `finders`; `policing`
//!    opens sessions on them.
//! 2. `judge`: one message after the other; `understand`: what its text means now; `fixed`: settings that nobody may change;
//!    `words`: what its refusals say.
//! 3. `plan`: what the judge tells the veil about a command; `session`: what else the two share.
//! 4. `veil`: what becomes of replies; `results`: of the columns in them; `count` and `stopped`: the policy's limits on them.
//! 5. `recording` and `input`: what a session's recording is told of replies, and of data that is copied in.

mod count;
mod dial;
mod doors;
mod finders;
mod fixed;
mod input;
mod judge;
mod pins;
mod plan;
mod policing;
mod recording;
mod results;
mod session;
mod stopped;
mod target;
mod understand;
mod veil;
mod words;

pub use dial::Dialer;
pub use doors::{Door, Doors};
pub use finders::Finders;
pub use input::Input;
pub use pins::StoredPins;
pub use plan::{Portal, Prepared};
pub use policing::Judging;
pub use target::Guarded;

use std::sync::Arc;

use crate::command::names;

/// The names of a session on PostgreSQL.
pub type Names = names::Names<Arc<Prepared>, Portal>;
/// A change of them.
pub type Change = names::Change<Arc<Prepared>, Portal>;
/// A change on its way.
pub type Definition = names::Definition<Arc<Prepared>, Portal>;
