//! Records about commands.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::json::{Part, Text};

/// A command was judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Intent<'a> {
    /// The command's number within its session, from 1; its outcome carries the same.
    pub command: u64,
    /// How it came, in the protocol's words: `query`, `parse`, `execute`, `exec`.
    pub via: Text<'a>,
    /// What it is.
    pub statement: Part<'a, Statement<'a>>,
    /// The statement's text, masked. Given the first time, and once more in each segment file; later records
    /// carry the digest alone (see [`crate::TextMark`]).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<Text<'a>>,
    /// The values bound to it, masked, in order.
    #[serde(skip_serializing_if = "<[_]>::is_empty", default)]
    pub parameters: Cow<'a, [Parameter<'a>]>,
    /// The enforced decision.
    pub verdict: Part<'a, Verdict<'a>>,
    /// What the decision would be with the rules in `mode observe`, where that differs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub observed: Option<Part<'a, Verdict<'a>>>,
    /// The approval that released it, where one did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub approval: Option<Text<'a>>,
}

/// What a command is: constant for a statement, so usually handed over as [`Part::Serialized`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Statement<'a> {
    /// The keyed digest of its text.
    pub digest: Hash,
    /// Its actions in words, one each, such as `delete public.orders`; a cap on their number is the caller's.
    pub actions: Vec<Text<'a>>,
}

/// A value bound to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parameter<'a> {
    /// NULL.
    Null,
    /// In the clear: nothing tagged it and no detector knew it.
    Text(Text<'a>),
    /// Masked, or not readable as text: what is left of it.
    Masked(Text<'a>),
}

/// The answer of the policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict<'a> {
    /// Allow, deny or hold.
    pub decision: DecisionKind,
    /// The rules that decided.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rules: Vec<Text<'a>>,
    /// The clause that decided, in words; for a denial that no rule makes, the nearest allow and where it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub because: Option<Text<'a>>,
    /// What must happen along with it, such as `mask personal data`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub obligations: Vec<Text<'a>>,
    /// The digest of the policy that gave it.
    pub policy: Text<'a>,
}

/// What a policy can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// Forwarded.
    Allow,
    /// Refused.
    Deny,
    /// Waits for approval; a second intent follows if it is released.
    Hold,
}

/// A command was refused without a verdict.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal<'a> {
    /// The command's number within its session.
    pub command: u64,
    /// What was refused, such as `FunctionCall`.
    pub what: Text<'a>,
    /// Always a denial.
    #[serde(default = "denied")]
    pub decision: DecisionKind,
    /// Why. Quotes nothing of what was refused.
    pub reason: Text<'a>,
    /// The keyed digest of the message, where all of it was there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digest: Option<Hash>,
}

const fn denied() -> DecisionKind {
    DecisionKind::Deny
}

/// What became of a command that was forwarded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome<'a> {
    /// The command's number within its session.
    pub command: u64,
    /// How it ended.
    pub result: Result,
    /// Rows returned or affected, where the target said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows: Option<u64>,
    /// Bytes that went to the client.
    pub bytes: u64,
    /// Values that were masked.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub masked: u64,
    /// The target's error code (SQLSTATE for PostgreSQL).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<Text<'a>>,
    /// From forwarding to the end, in microseconds.
    pub micros: u64,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Result {
    /// The target completed it.
    Done,
    /// The target answered with an error.
    Failed,
    /// The target's answer is not known: the connection or the gateway ended first.
    Unknown,
}

/// The gateway sent bytes of its own making to the target.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GatewayBytes<'a> {
    /// Which of the constants.
    pub made: Made,
    /// The command it was for, where there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command: Option<u64>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Text<'a>>,
}

/// Bytes that the gateway makes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// The end of a pipeline.
    Sync,
    /// A request to cancel what runs.
    Cancel,
    /// What makes the target's transaction fail after a denial.
    Abort,
    /// A look-up of definitions.
    Catalogue,
    /// A setting pinned when the session was opened.
    Pin,
    /// The description of a portal, which its client runs without having asked for one.
    Describe,
    /// A question for the home directory, where relative paths begin.
    Home,
    /// The beginning of a file transfer, whose operations are judged one by one.
    Sftp,
}

/// A limit was reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LimitHit<'a> {
    /// The command that reached it.
    pub command: u64,
    /// The rule.
    pub rule: Text<'a>,
    /// What is counted: `rows`, `commands`, `bytes`.
    pub unit: Text<'a>,
    /// How many there may be.
    pub allowed: u64,
    /// How many there were.
    pub counted: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands over a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}
