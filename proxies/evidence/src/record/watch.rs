//! Records about people who watch a live session.

use serde::{Deserialize, Serialize};

use crate::json::Text;

/// Somebody began to watch the session. Written before they are shown anything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WatchBegan<'a> {
    /// Names this watch among those of its session, from 1.
    pub watch: u64,
    /// Who: a user's name, or `operator (uid 0)`.
    pub watcher: Text<'a>,
    /// By what means: `api`.
    pub via: Text<'a>,
}

/// They watch no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WatchEnded<'a> {
    /// That of the [`WatchBegan`] record.
    pub watch: u64,
    /// Who.
    pub watcher: Text<'a>,
    /// Why: they left, were too slow, may not any more, or the session is over.
    pub reason: Text<'a>,
    /// How many events they were shown.
    pub events: u64,
    /// How long they watched, in microseconds.
    pub micros: u64,
}
