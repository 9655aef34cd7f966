//! Records about approvals.

use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::json::Text;
use crate::time::Timestamp;

/// A command waits for approval. Where the approval is bound to the principal, each command that waits for it says so: the
/// one that opened it, and the identical one of whoever came back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Held<'a> {
    /// The approval's number or name.
    pub approval: Text<'a>,
    /// The command's number within its session.
    pub command: u64,
    /// What a vote is bound to: command, actions, definitions, parameters, principal, session (over HTTP the principal alone),
    /// target, settings.
    pub binding: Hash,
    /// The holds that must be satisfied.
    pub rules: Vec<Text<'a>>,
    /// Who may vote, in the policy's words.
    pub reviewers: Text<'a>,
    /// When it lapses.
    pub expires: Timestamp,
}

/// The command's client was answered, or left, before anything was decided: the approval waits on, bound to the principal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deferred<'a> {
    /// The approval's number or name.
    pub approval: Text<'a>,
    /// The command's number within its session. It is not forwarded: an identical one may be.
    pub command: u64,
    /// Why: `told to come back`, `client gone`, `session stopped`.
    pub reason: Text<'a>,
}

/// A reviewer voted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Voted<'a> {
    /// The approval's number or name.
    pub approval: Text<'a>,
    /// Who voted.
    pub voter: Text<'a>,
    /// How.
    pub vote: Vote,
    /// By what means: `cli`, `api`, `console`.
    pub via: Text<'a>,
    /// What the vote is bound to; equal to that of the [`Held`] record.
    pub binding: Hash,
    /// The voter's reason.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Text<'a>>,
    /// Why the vote did not count, where it did not: the requester's own, not a reviewer, too late. Where that turned out only when
    /// it was cast, the record stands twice: first without this, then with it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ignored: Option<Text<'a>>,
}

/// How a reviewer votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// In favour.
    Approve,
    /// Against; one is enough.
    Refuse,
}

/// The approval was granted and consumed by its command, whose second intent follows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Released<'a> {
    /// The approval's number or name.
    pub approval: Text<'a>,
    /// The command's number within its session.
    pub command: u64,
    /// Those whose votes counted.
    pub approved_by: Vec<Text<'a>>,
    /// Those who watched, where the policy demands it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub watched_by: Vec<Text<'a>>,
    /// How long the command waited, in microseconds.
    pub micros: u64,
}

/// Nobody approved in time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Expired<'a> {
    /// The approval's number or name.
    pub approval: Text<'a>,
    /// The command's number within its session; 0 where none waited any more.
    pub command: u64,
}

/// The command stopped waiting.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Withdrawn<'a> {
    /// The approval's number or name.
    pub approval: Text<'a>,
    /// The command's number within its session; 0 where none waited any more.
    pub command: u64,
    /// Why: `refused`, `cancelled`, `client gone`, `revoked`, `policy changed`, `gateway stopped`; `released another` where the
    /// identical command of another client took the grant.
    pub reason: Text<'a>,
}
