//! One principal's connection to one target, and the judging of its commands.

use std::sync::Arc;

use super::{Asked, Held, Permit, Refusal};
use crate::session::{Entry, SessionId, Stop};

/// A session. The proxy owns it and asks it about every command; dropping it closes the session.
#[derive(Debug)]
pub struct Session {
    entry: Arc<Entry>,
}

/// The answer to a command.
#[derive(Debug)]
#[must_use = "a judgement decides what is forwarded"]
pub enum Judgement {
    /// It may be forwarded.
    Admit(Permit),
    /// It may not.
    Refuse(Refusal),
    /// It waits for approval.
    Hold(Box<Held>),
}

impl Session {
    /// Its name.
    pub fn id(&self) -> SessionId {
        self.entry.id
    }

    /// The switch that ends it: checked before anything is forwarded, selected on while waiting.
    pub fn stop(&self) -> &Arc<Stop> {
        &self.entry.stop
    }

    /// Judges one command. On the way that most commands take this neither waits nor allocates.
    pub async fn judge(&mut self, _asked: &Asked<'_>) -> Judgement {
        std::future::ready(Judgement::Refuse(Refusal::unavailable("no policy is loaded"))).await
    }

    /// Records that the session ended, and why. Dropping the session instead records `dropped`.
    pub fn close(self, _closing: Closing<'_>) {}
}

/// How a session ended.
#[derive(Clone, Copy, Debug)]
pub struct Closing<'a> {
    /// `client`, `target`, `revoked`, `drain`, or an error in words.
    pub reason: &'a str,
    /// Bytes received from the client.
    pub bytes_in: u64,
    /// Bytes sent to the client.
    pub bytes_out: u64,
}
