//! The records that a [`Store`](super::Store) keeps.

use policy_core::PrincipalKind;
use policy_core::rule::{HoldKey, Quorum, Requirement};
use policy_core::{Digest, RuleId};
use serde::{Deserialize, Serialize};

use crate::session::SessionId;

/// The number of an approval: what people say to each other.
pub type Number = u64;

/// A session as all instances see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Its name.
    pub id: SessionId,
    /// The instance that carries it.
    pub instance: u64,
    /// Who opened it.
    pub principal: String,
    /// What it reaches.
    pub target: String,
    /// Where the client connects from; empty if unknown.
    pub source: String,
    /// What the client calls itself, untrusted.
    pub client: String,
    /// When it opened, in milliseconds since the Unix epoch.
    pub opened: i64,
}

/// One hold that an approval asks about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldRule {
    /// The hold's name.
    pub rule: String,
    /// The digest of its requirement, in hexadecimal.
    pub requirement: String,
    /// How many must approve; 0 where watchers are enough.
    pub quorum: u16,
    /// How many must watch.
    #[serde(default)]
    pub watchers: u16,
    /// Who may approve and who watch, in the policy's words: `1 of group "sre" to approve`.
    #[serde(default)]
    pub needs: String,
    /// Since when reviewers are asked about this one, in milliseconds since the Unix epoch.
    pub since: i64,
}

impl HeldRule {
    /// Where the requirement is not known, nobody can meet it.
    pub(crate) fn new(key: &HoldKey, required: Option<&Requirement>, since: i64) -> Self {
        let count = |quorum: &Option<Quorum>| quorum.as_ref().map_or(0, |quorum| quorum.count.get());
        let (quorum, watchers) = required
            .map_or((u16::MAX, u16::MAX), |required| (count(&required.approve), count(&required.watch)));
        let to = |verb, quorum: &Option<Quorum>| quorum.as_ref().map(|quorum| format!("{quorum} to {verb}"));
        let needs = required.map(|required| {
            let parts = [to("approve", &required.approve), to("watch", &required.watch)];
            parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
        });
        Self {
            rule: key.rule.to_string(),
            requirement: key.requirement.to_string(),
            quorum,
            watchers,
            needs: needs.unwrap_or_default(),
            since,
        }
    }

    /// The key that policies know the hold by; `None` if the digest isn't one.
    pub(crate) fn key(&self) -> Option<HoldKey> {
        Some(HoldKey {
            rule: RuleId(self.rule.as_str().into()),
            requirement: parse_digest(&self.requirement)?,
        })
    }
}

pub(crate) fn parse_digest(hex: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(Digest(bytes))
}

/// What an approval is bound to, besides the command itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundTo {
    /// The session, in which the command waits: it ends with the wait.
    Session,
    /// The principal, who may come back with the identical command: it ends at its deadline.
    Principal,
}

impl BoundTo {
    /// As stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Principal => "principal",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Session, Self::Principal].into_iter().find(|bound| bound.as_str() == text)
    }
}

/// How many approvals may wait that are bound to principals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of all principals.
    pub all: usize,
    /// Of one principal; and how many of its clients may wait for them at a time.
    pub of_principal: usize,
}

/// What asking for an approval that is bound to the principal came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// It is new.
    Opened(Number),
    /// It waited already. One more client waits for it now.
    Waiting(Approval),
    /// A reviewer has refused the same, and would still be asked.
    Refused(Approval),
    /// As many wait as may, of all principals.
    Full,
    /// As many wait as may, of this principal.
    FullOfPrincipal,
}

/// What a held command asks reviewers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApproval {
    /// The instance that holds the command.
    pub instance: u64,
    /// The session it came from.
    pub session: SessionId,
    /// What it is bound to.
    pub bound_to: BoundTo,
    /// Who asks.
    pub principal: String,
    /// What kind of actor asks.
    pub kind: PrincipalKind,
    /// The person behind the account.
    pub person: Option<String>,
    /// The principal that an agent acts for.
    pub owner: Option<String>,
    /// What it would reach.
    pub target: String,
    /// All that a vote is about, as one digest.
    pub binding: Digest,
    /// The command with its literals masked.
    pub shown: String,
    /// The command and its parameters in the clear, where a hold on it says `reveal`: for that hold's reviewers alone.
    pub revealed: Option<String>,
    /// What it does, one line an action.
    pub actions: Vec<String>,
    /// The holds on it.
    pub holds: Vec<HeldRule>,
    /// Why, in the requester's words.
    pub justification: Option<String>,
    /// Whether it waits inside a transaction, pinning locks.
    pub in_transaction: bool,
    /// When it was asked.
    pub created: i64,
    /// When it expires.
    pub deadline: i64,
}

/// What became of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    /// It waits for votes.
    Pending,
    /// It was granted, and the command went on.
    Consumed,
    /// A reviewer refused it, or policy did at release.
    Refused,
    /// Nobody answered in time.
    Expired,
    /// The requester went away, or the gateway that held it.
    Withdrawn,
}

impl ApprovalState {
    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Consumed => "consumed",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What has become of it, for people.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Pending => "still waits",
            Self::Consumed => "was approved, and the command has been released",
            Self::Refused => "was refused",
            Self::Expired => "waited for too long",
            Self::Withdrawn => "was withdrawn, because whoever asked has left",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Pending, Self::Consumed, Self::Refused, Self::Expired, Self::Withdrawn]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// An approval and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Its number.
    pub number: Number,
    /// What was asked.
    pub asked: NewApproval,
    /// What became of it.
    pub state: ApprovalState,
    /// Who ended it; empty while it waits.
    pub decided_by: String,
    /// Their words.
    pub reason: String,
    /// The votes, in order.
    pub votes: Vec<Vote>,
    /// How many clients wait for it at the moment. One that is bound to its principal may wait for reviewers alone.
    pub waiting: u64,
}

impl Approval {
    /// Whether it was a reviewer who refused it, asked by exactly these holds.
    pub(super) fn was_refused_for(&self, holds: &[HeldRule]) -> bool {
        let same = |a: &HeldRule, b: &HeldRule| a.rule == b.rule && a.requirement == b.requirement;
        let asked = &self.asked.holds;
        self.state == ApprovalState::Refused
            && self.votes.iter().any(|vote| !vote.approve && vote.voter == self.decided_by)
            && asked.len() == holds.len()
            && holds.iter().all(|hold| asked.iter().any(|other| same(hold, other)))
    }
}

/// One reviewer's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Who.
    pub voter: String,
    /// Whether they let it through.
    pub approve: bool,
    /// When.
    pub at: i64,
    /// Their words.
    pub reason: String,
    /// The binding of the command that they saw.
    pub binding: Digest,
    /// The holds that they saw. The vote counts toward no other.
    pub holds: Vec<HeldRule>,
}

/// Whose sessions end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevocationSubject {
    /// One session.
    Session(SessionId),
    /// Every session that a principal has open, and every one of an agent that acts for it.
    User(String),
    /// Every session that a token opened.
    Token(Number),
}

/// An order to end sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Whose sessions.
    pub subject: RevocationSubject,
    /// Who ordered it.
    pub by: String,
    /// Their words.
    pub reason: String,
    /// When.
    pub at: i64,
}

/// A local account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name, as clients give it.
    pub name: String,
    /// The SCRAM verifier in PostgreSQL's textual form. Never a password.
    pub verifier: String,
    /// What kind of actor it is.
    pub kind: PrincipalKind,
    /// Its groups.
    pub groups: Vec<String>,
    /// The person behind it.
    pub person: Option<String>,
    /// The principal that an agent acts for.
    pub owner: Option<String>,
    /// Whether it may neither log in nor vote.
    pub disabled: bool,
    /// Public keys that it may prove to hold, in OpenSSH's text form.
    pub keys: Vec<String>,
}

/// A token that is made. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// The SHA-256 of its text, which is kept nowhere.
    pub hash: [u8; 32],
    /// The user that it proves.
    pub user: String,
    /// What people call it; may be empty.
    pub name: String,
    /// For an agent: the user that it acts for with this token.
    pub owner: Option<String>,
    /// When it was made.
    pub created: i64,
    /// From when on it proves nobody.
    pub expires: i64,
}

/// A token as it is kept. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its number: what people revoke it by.
    pub number: Number,
    /// The user that it proves.
    pub user: String,
    /// What people call it; may be empty.
    pub name: String,
    /// For an agent: the user that it acts for with this token.
    pub owner: Option<String>,
    /// When it was made.
    pub created: i64,
    /// From when on it proves nobody.
    pub expires: i64,
    /// When it was last seen to prove somebody, to the hour.
    pub used: Option<i64>,
    /// When it was revoked.
    pub revoked: Option<i64>,
}

impl Token {
    /// Whether it may prove somebody at this moment.
    pub fn is_good(&self, now: i64) -> bool {
        self.revoked.is_none() && now < self.expires
    }
}

/// What a column that a policy tags resolved to on a target: renaming it doesn't untag it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagPin {
    /// The pattern or tag in the policy.
    pub pattern: String,
    /// The table's OID.
    pub table: u32,
    /// The column's attribute number.
    pub attribute: i16,
}

/// What a server says of a tool, as far as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolDescription {
    /// Which description it is.
    pub pin: ToolPin,
    /// What of its arguments a call repeats in its head.
    pub repeats: Vec<ToolRepeat>,
}

/// An argument of a tool that a call repeats in a field of its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolRepeat {
    /// The field's name in lower case.
    pub field: String,
    /// Where the argument is: a JSON pointer into the arguments.
    pub pointer: String,
}

/// A description of a tool of an MCP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolPin {
    /// The tool's name.
    pub tool: String,
    /// The SHA-256 of its description in canonical form.
    pub digest: [u8; 32],
}

/// What is known of how a tool is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Described {
    /// Each of its descriptions so far was approved; the first one is by itself.
    Pinned,
    /// It was described in a way that nobody has approved.
    Changed,
    /// It is described in yet another way, and too many wait for approval, or the target has too many tools: this one is not noted,
    /// and must not be shown.
    NoRoom,
}
