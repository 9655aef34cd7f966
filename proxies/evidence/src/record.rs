//! What the audit log says: one [`Record`] a line.
//!
//! A line is a JSON object. Its fixed members come first: `seq`, `time`, then, where the record belongs to a
//! session, the members of its [`Scope`] (`session`, `principal`, `target`), then `kind` and the record's own
//! members, and last `chain`. Names are the words of the project's architecture; every text in a record is
//! already masked by whoever made it.

use serde::{Deserialize, Serialize};

use crate::json;

mod approval;
mod command;
mod gateway;
mod session;
mod watch;

pub use approval::{Deferred, Expired, Held, Released, Vote, Voted, Withdrawn};
pub use command::{
    DecisionKind, GatewayBytes, Intent, LimitHit, Made, Outcome, Parameter, Refusal, Result, Statement,
    Verdict,
};
pub use gateway::{
    CheckpointRecord, ConfigChanged, GatewayStarted, GatewayStopped, PolicyLoaded, RecordingSealed,
    Recovered, Segment,
};
pub use session::{Refused, Revocation, SessionClosed, SessionOpened};
pub use watch::{WatchBegan, WatchEnded};

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record<'a> {
    /// A gateway began to use this log.
    GatewayStarted(GatewayStarted<'a>),
    /// It stopped in order.
    GatewayStopped(GatewayStopped<'a>),
    /// A policy came into force.
    PolicyLoaded(PolicyLoaded<'a>),
    /// The configuration, or a setting that is changed while running, changed.
    ConfigChanged(ConfigChanged<'a>),

    /// A principal was admitted to a target.
    SessionOpened(SessionOpened<'a>),
    /// A client was turned away before it had a session.
    Refused(Refused<'a>),
    /// The session ended.
    SessionClosed(SessionClosed<'a>),
    /// Access was withdrawn while sessions may have been running.
    Revocation(Revocation<'a>),
    /// Somebody began to watch the session.
    WatchBegan(WatchBegan<'a>),
    /// They watch no more.
    WatchEnded(WatchEnded<'a>),

    /// A command was judged. Where the verdict is allow, its bytes are forwarded after this record, never before.
    Intent(Intent<'a>),
    /// A command was refused without a verdict: it could not be read, or the protocol's part is not offered.
    Refusal(Refusal<'a>),
    /// What became of a command that was forwarded.
    Outcome(Outcome<'a>),
    /// The gateway sent bytes of its own making to the target.
    GatewayBytes(GatewayBytes<'a>),
    /// A limit was reached.
    Limit(LimitHit<'a>),

    /// A command waits for approval.
    Held(Held<'a>),
    /// The command's client was answered, or left, and the approval waits on for it to come back.
    Deferred(Deferred<'a>),
    /// A reviewer voted.
    Vote(Voted<'a>),
    /// The approval was granted and consumed by its command.
    Released(Released<'a>),
    /// Nobody approved in time.
    Expired(Expired<'a>),
    /// The command stopped waiting: its client left, was revoked, or the policy changed.
    Withdrawn(Withdrawn<'a>),

    /// A recording was closed; this binds its content to the log.
    Recording(RecordingSealed<'a>),
    /// A segment file begins. Written by the log itself, as its first line.
    Segment(Segment<'a>),
    /// A signature over everything up to the record before. Written by the log itself.
    Checkpoint(CheckpointRecord<'a>),
    /// The log was found torn when it was opened. Written by the log itself.
    Recovered(Recovered<'a>),
}

/// The members that all records of a session share, serialised once.
#[derive(Clone, Debug)]
pub struct Scope {
    members: Box<[u8]>,
}

impl Scope {
    /// For records that belong to no session.
    pub fn gateway() -> Self {
        Self { members: Box::default() }
    }

    /// For the records of one session: its id, unique for all time, who it belongs to and what it reaches.
    pub fn session(session: &str, principal: &str, target: &str) -> Self {
        #[derive(Serialize)]
        struct Members<'a> {
            session: &'a str,
            principal: &'a str,
            target: &'a str,
        }
        let mut members = vec![];
        // Writing strings to memory can't fail; if it did, the scope would be left out, and the record kept.
        if json::write(&mut members, &Members { session, principal, target }).is_ok() {
            members.pop();
            if let Some(first) = members.first_mut() {
                *first = b',';
            }
        }
        Self { members: members.into() }
    }

    /// `,"session":…`, or nothing.
    pub(crate) fn members(&self) -> &[u8] {
        &self.members
    }
}
