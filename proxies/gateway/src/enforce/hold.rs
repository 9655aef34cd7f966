//! A command that waits for approval.

use std::time::Duration;

use super::{Permit, Refusal};

/// A command that waits. Dropping it withdraws the approval.
#[derive(Debug)]
#[must_use = "a held command waits for its approval"]
pub struct Held {
    _private: (),
}

impl Held {
    /// Opens the approval, so that reviewers see it. Called once, before [`Held::wait`].
    ///
    /// # Errors
    /// Where the store or evidence can't take it, too many commands are held, the hold is not possible inside a
    /// transaction, or the rule wants a justification and there is none.
    pub async fn open(&mut self) -> Result<HoldNotice, Refusal> {
        std::future::ready(Err(Refusal::unavailable("approvals are not served"))).await
    }

    /// Waits for the end: released, refused, expired, or the session stopped. Safe to drop and call again, as
    /// `select!` does; the relay races it against the client going away and cancelling.
    ///
    /// # Errors
    /// The refusal, to be told to the client.
    pub async fn wait(&mut self) -> Result<Released, Refusal> {
        std::future::ready(Err(Refusal::unavailable("approvals are not served"))).await
    }
}

/// What the client is told while it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldNotice {
    /// The approval's number.
    pub number: u64,
    /// What happens and how it is answered, in words.
    pub text: Box<str>,
    /// How long it waits at most.
    pub within: Duration,
}

/// A command whose approval was granted, judged anew, and consumed.
#[derive(Debug)]
pub struct Released {
    /// Its permit.
    pub permit: Permit,
    /// Those whose votes counted.
    pub approved_by: Vec<String>,
}
