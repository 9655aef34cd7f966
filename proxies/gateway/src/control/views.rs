//! What the control API says and is told, as JSON.

use serde::{Deserialize, Serialize};

pub use crate::audience::Told;

/// A gateway at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// The process id.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime: u64,
    /// The policy in force.
    pub policy: PolicyView,
    /// Live sessions of this instance.
    pub sessions: usize,
    /// Commands that wait for approval in this instance.
    pub held: usize,
    /// The number of the newest record in the audit log.
    pub evidence_seq: u64,
    /// Why evidence can't be written, if it can't: nothing is forwarded then.
    pub evidence_fault: Option<String>,
    /// Whether revocations can be looked for: sessions are stopped while they can't.
    pub store_ok: bool,
    /// Why the configuration and policy on disk are not in force, if the latest reload failed.
    #[serde(default)]
    pub reload_fault: Option<String>,
}

/// The policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    /// Its name.
    pub name: String,
    /// Its digest.
    pub digest: String,
    /// How many policies have been in force since the start, this one included.
    pub generation: u64,
    /// How many rules it has.
    pub rules: usize,
}

/// A live session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// Its name, 16 hexadecimal digits.
    pub id: String,
    /// Who opened it.
    pub principal: String,
    /// What it reaches.
    pub target: String,
    /// Where the client connects from.
    pub source: String,
    /// What the client calls itself; anyone can claim anything here.
    pub client: String,
    /// When it opened, in milliseconds since the Unix epoch.
    pub opened: i64,
    /// Whether the instance that answers carries it.
    pub here: bool,
}

/// An approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalView {
    /// Its number.
    pub number: u64,
    /// `pending`, `consumed`, `refused`, `expired` or `withdrawn`.
    pub state: String,
    /// Who asks.
    pub principal: String,
    /// Whom an agent asks for.
    #[serde(default)]
    pub owner: Option<String>,
    /// Their session.
    pub session: String,
    /// What it would reach.
    pub target: String,
    /// The command, its literals masked. Made by the requester: show it inert.
    pub command: String,
    /// The command and its parameters in the clear, for the reviewers of a hold that says `reveal`.
    pub revealed: Option<String>,
    /// What it does, one line an action.
    pub actions: Vec<String>,
    /// The holds on it.
    pub holds: Vec<HoldView>,
    /// Why, in the requester's words.
    pub justification: Option<String>,
    /// Whether it waits inside a transaction, pinning locks.
    pub in_transaction: bool,
    /// Whether its client waits for it at the moment. Otherwise it was told to come back with the identical command, and votes
    /// are counted when it does.
    #[serde(default = "yes")]
    pub waiting: bool,
    /// When it was asked, in milliseconds since the Unix epoch.
    pub created: i64,
    /// When it expires, likewise.
    pub deadline: i64,
    /// The votes so far.
    pub votes: Vec<VoteView>,
    /// Who ended it; empty while it waits.
    pub decided_by: String,
    /// Their words.
    pub reason: String,
    /// Stands for all of the above that a vote is about. A vote names it, so that nobody votes on what they did not see.
    pub fingerprint: String,
}

/// Clients of gateways older than the field always wait.
const fn yes() -> bool {
    true
}

/// One hold of an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldView {
    /// The rule.
    pub rule: String,
    /// How many must approve; 0 where watchers are enough.
    pub quorum: u16,
    /// Where it is, by the policy and the groups of this moment. `None` from gateways older than this field.
    #[serde(default)]
    pub state: Option<HoldState>,
    /// How many must watch the session, before it is released and for as long as it runs.
    #[serde(default)]
    pub watchers: u16,
    /// Who may approve and who watch, in the policy's words: `1 of group "sre" to approve`. Empty from gateways older
    /// than this field.
    #[serde(default)]
    pub needs: String,
    /// Whether its reviewers are shown the command in the clear.
    #[serde(default)]
    pub reveal: bool,
}

impl HoldView {
    /// How many persons' approvals count so far; `None` where that is of no matter any more, or not known.
    pub fn approvals(&self) -> Option<u16> {
        match self.state? {
            HoldState::Pending { approvals } => Some(approvals),
            HoldState::Approved => Some(self.quorum),
            HoldState::Refused | HoldState::Expired | HoldState::Gone | HoldState::Over => None,
        }
    }
}

/// Where a hold is, before anybody watches: watchers count at the moment of release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// More must approve, say why it was asked, or watch.
    Pending {
        /// How many persons' approvals count so far.
        approvals: u16,
    },
    /// Nothing is missing.
    Approved,
    /// One of its reviewers has refused.
    Refused,
    /// Nobody has answered in time.
    Expired,
    /// The policy has no such hold any more.
    Gone,
    /// The approval is over: its own state says how it ended.
    Over,
}

/// One vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteView {
    /// Who.
    pub voter: String,
    /// Whether in favour.
    pub approve: bool,
    /// Their words.
    pub reason: String,
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
}

/// A vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteRequest {
    /// Whether in favour.
    pub approve: bool,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// The fingerprint of what the voter saw.
    pub fingerprint: String,
}

/// A vote was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voted {
    /// The approval.
    pub number: u64,
    /// Its holds, and how far each is with this vote. Empty from gateways older than this field, and where its voters can't be looked up.
    #[serde(default)]
    pub holds: Vec<HoldView>,
}

/// An order to end sessions: exactly one of `session` and `user`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// One session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// All sessions of a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Why; the user is told.
    #[serde(default)]
    pub reason: String,
}

/// An order to end a watched session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Why; the user is told, with the name of whoever ends it.
    #[serde(default)]
    pub reason: String,
}

/// Sessions were revoked: within a second no gateway forwards another byte of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Those that were open.
    pub sessions: Vec<String>,
}

/// The configuration and its policy were taken up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The policy in force now.
    pub policy: PolicyView,
    /// The keys that were changed and stay as they were until the gateway starts anew.
    #[serde(default)]
    pub needs_restart: Vec<String>,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What, and the way out.
    pub error: String,
}
