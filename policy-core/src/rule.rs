//! What an author wrote, as data: the input of [`crate::policy`].
//!
//! Rules are plain values, so an embedder may build them without the policy language. Nothing here is
//! checked; compiling a [`RuleSet`] checks all of it against the protocols' vocabularies.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::action::Verb;
use crate::command::Digest;
use crate::mask::{Detector, Transform};
use crate::subject::{PrincipalKind, Protocol};

/// The name of a rule, unique in a policy; what denials and records quote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(pub Arc<str>);

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a rule stands in its source, for reasons and diagnostics. Takes no part in equality.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The file, as the operator named it.
    pub file: Arc<str>,
    /// One-based.
    pub line: u32,
    /// One-based, in characters.
    pub column: u32,
}

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// All rules of a policy. Their order never matters.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    /// The policy's name.
    pub name: Box<str>,
    /// What becomes of an action that no rule matches.
    pub fallback: Fallback,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// The verdict on actions that no rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Denied.
    #[default]
    Deny,
    /// Allowed, except `unknown`.
    Allow,
}

/// One clause of a policy: who, where, what, under which condition, and what follows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub id: RuleId,
    /// Whether it takes part in the enforced decision.
    pub mode: Mode,
    /// What it matches.
    pub scope: Scope,
    /// What follows from a match.
    pub effect: Effect,
    /// The author's words to the person who is refused or held.
    pub say: Option<Box<str>>,
    /// Where it stands.
    pub place: Option<Place>,
}

/// Whether a rule is enforced or only watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Part of the enforced decision.
    #[default]
    Enforce,
    /// Computed and recorded beside the enforced decision, never part of it.
    Observe,
    /// Like [`Mode::Observe`], and the person concerned is told. For denials of what is only noticed (`typed`).
    Warn,
}

/// What a rule matches. Every part must hold for the same action and request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Who asks; `None` is anyone.
    pub by: Option<Expr>,
    /// Where; one selector must match. Empty is every protocol and target.
    pub on: Vec<Selector>,
    /// What is done; one clause must match. `None` is every action (but see [`crate::evaluate`] on `unknown`).
    pub does: Option<Vec<Do>>,
    /// Under which condition.
    pub when: Option<Expr>,
    /// Except when this holds.
    pub unless: Option<Expr>,
}

/// Targets: a protocol, optionally by name, optionally by label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// The protocol.
    pub protocol: Protocol,
    /// Names of targets; empty is all.
    pub names: Vec<Pattern>,
    /// A condition on the target's labels.
    pub labels: Option<Expr>,
}

/// Verbs, and the resources they are done to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Do {
    /// One of these; never empty.
    pub verbs: Vec<Verb>,
    /// One of these; empty is any resource, or none.
    pub resources: Vec<Pattern>,
}

/// A glob over segments: `*` stays inside a segment, `**` crosses.
///
/// In segments, `*` matches any run of characters; a segment that is exactly `**` matches any
/// number of segments, none included.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern {
    /// One pattern a segment.
    pub segments: Box<[Box<str>]>,
}

/// A condition. Three-valued: true, false or undetermined.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    /// All of these; the empty list is true.
    All(Vec<Expr>),
    /// Any of these; the empty list is false.
    Any(Vec<Expr>),
    /// The opposite; undetermined stays undetermined.
    Not(Box<Expr>),
    /// The principal's id matches.
    User(Pattern),
    /// The principal is in this group.
    Group(Box<str>),
    /// The principal is of this kind.
    Kind(PrincipalKind),
    /// The principal is an agent, and this holds for whom it acts for. Of an owner the id and the groups are known: only
    /// [`Expr::User`], [`Expr::Group`] and what joins them may stand inside.
    OnBehalfOf(Box<Expr>),
    /// A fact compared with a literal.
    Compare(Fact, Comparison, Literal),
    /// A text or list fact is one of these, or a list fact contains one of them.
    In(Fact, Vec<Literal>),
    /// A text fact matches the pattern, or a list fact has an element that matches.
    Like(Fact, Pattern),
    /// A list fact has exactly this shape: `argv is ["systemctl", "status", *]`.
    Shape(Fact, Vec<Element>),
    /// A text fact matches this regular expression (linear-time, size-capped).
    Matches(Fact, Box<str>),
    /// A boolean fact is true.
    Holds(Fact),
}

impl Expr {
    /// Calls `see` with everything that the condition looks at.
    pub(crate) fn each_fact<'e>(&'e self, see: &mut impl FnMut(&'e Fact)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.each_fact(see)),
            Self::Not(part) | Self::OnBehalfOf(part) => part.each_fact(see),
            Self::Compare(fact, ..)
            | Self::In(fact, _)
            | Self::Like(fact, _)
            | Self::Shape(fact, _)
            | Self::Matches(fact, _)
            | Self::Holds(fact) => see(fact),
            Self::User(_) | Self::Group(_) | Self::Kind(_) => {}
        }
    }
}

/// Something a condition may look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// An attribute of the action.
    Attribute(Box<str>),
    /// A label of the target.
    Label(Box<str>),
    /// A claim about the principal.
    Claim(Box<str>),
    /// The hour of asking, 0 to 23, UTC.
    Hour,
    /// The day of asking: `mon` to `sun`, UTC.
    Weekday,
    /// The address the client connects from, as text.
    Source,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(name) => f.write_str(name),
            Self::Label(name) => write!(f, "label `{name}`"),
            Self::Claim(name) => write!(f, "claim `{name}`"),
            Self::Hour => f.write_str("hour"),
            Self::Weekday => f.write_str("weekday"),
            Self::Source => f.write_str("source"),
        }
    }
}

/// How a fact is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`, whole numbers only
    Less,
    /// `<=`, whole numbers only
    LessOrEqual,
    /// `>`, whole numbers only
    Greater,
    /// `>=`, whole numbers only
    GreaterOrEqual,
}

/// A value written in a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Literal {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(Box<str>),
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

/// One element of a list's shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// Exactly one element, matching this pattern (one segment).
    One(Box<str>),
    /// Exactly one element, whatever it is: `*`.
    AnyOne,
    /// Any number of elements, none included: `**`.
    AnyNumber,
}

/// What follows when a rule matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The matched actions are covered.
    Allow,
    /// The command is refused.
    Deny,
    /// The matched actions are covered once the requirement is met.
    Hold(Requirement),
    /// Values are masked on their way back.
    Mask(Mask),
    /// No more than this much.
    Limit(Limit),
    /// Evidence is kept with these guarantees.
    Record(Record),
}

impl Effect {
    /// Whether it refuses, delays or counts what it matches.
    pub(crate) const fn restricts(&self) -> bool {
        matches!(self, Self::Deny | Self::Hold(_) | Self::Limit(_))
    }
}

/// So many of these.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// How many distinct persons; at least one.
    pub count: std::num::NonZeroU16,
    /// Of whom.
    pub of: Expr,
}

/// What must be the case before a held command continues.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Whose approval it takes; `None` where watchers are enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve: Option<Quorum>,
    /// Who must watch the session, before the command is released and for as long as it runs. One of `approve` and `watch` is
    /// there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Quorum>,
    /// How long the command waits before it expires.
    #[serde(with = "seconds")]
    pub within: Duration,
    /// How long the client is kept waiting for its answer, where it may come back for another one while the approval waits on;
    /// `None` is [`Requirement::ANSWER_AFTER`]. In whole seconds, at least one.
    #[serde(default, with = "optional_seconds", skip_serializing_if = "Option::is_none")]
    pub answer_after: Option<Duration>,
    /// Whether a command inside an open transaction may be held (it pins locks on the target).
    pub in_transaction: bool,
    /// Whether the requester must say why.
    pub justify: bool,
    /// Whether reviewers see literals and bound values in the clear.
    pub reveal: bool,
}

impl Requirement {
    /// How long a client that may come back is kept waiting where the rule says nothing: less than most clients, and what is
    /// between, wait for an answer of their own accord.
    pub const ANSWER_AFTER: Duration = Duration::from_secs(60);

    /// How long a client that may come back is kept waiting: never longer than the approval waits.
    pub fn answer_after(&self) -> Duration {
        self.answer_after.unwrap_or(Self::ANSWER_AFTER).min(self.within)
    }
}

/// A hold in one policy: the rule, and the digest of its requirement, so that a grant for an older
/// requirement of the same name does not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HoldKey {
    /// The hold's name.
    pub rule: RuleId,
    /// The digest of its requirement.
    pub requirement: Digest,
}

/// Which values a mask covers, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mask {
    /// What is masked.
    pub what: Masked,
    /// What becomes of a command whose output can't be traced to its source columns, or of an answer that has no fields to be
    /// looked at.
    pub unresolved: Unresolved,
    /// What becomes of a command that uses a masked column in a predicate. For columns alone.
    pub predicates: Predicates,
}

/// What a mask covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Masked {
    /// Columns by identity, through aliases, expressions and views.
    Columns {
        /// The columns (`schema.relation.column`).
        columns: Vec<Pattern>,
        /// The transform by column; overlapping patterns combine to the stronger.
        with: Vec<(Pattern, Transform)>,
        /// The transform of columns that no pattern of `with` matches.
        otherwise: Transform,
    },
    /// Values by content, wherever they appear.
    Values {
        /// What to look for.
        detectors: Vec<Detector>,
        /// What becomes of a value found.
        with: Transform,
    },
    /// Fields of the documents (JSON) that answers are, by their names.
    Fields(FieldMask),
}

/// Which fields of a document are masked, and how.
///
/// A pattern's segments are keys, from the document's outermost object on; lists are stepped through and have no segment. A
/// pattern covers the value that it names and all that is in it. See [`crate::vocabulary::parse_field`] for how authors write
/// them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMask {
    /// The fields.
    pub fields: Vec<Pattern>,
    /// The transform by field; overlapping patterns combine to the stronger.
    pub with: Vec<(Pattern, Transform)>,
    /// The transform of fields that no pattern of `with` covers.
    pub otherwise: Transform,
}

/// What becomes of output that can't be traced, or has no fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unresolved {
    /// The command is denied; an answer without fields is not shown.
    #[default]
    Deny,
    /// Every column that can't be traced is masked with the rule's strongest transform. An answer without fields is withheld:
    /// nothing is shown in its place.
    Mask,
}

/// What becomes of masked columns in predicates, which answer questions about values without showing them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Predicates {
    /// Recorded.
    #[default]
    Record,
    /// Denied.
    Deny,
}

/// An upper bound on what one principal may do or get.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// What is counted.
    pub unit: LimitUnit,
    /// How many.
    pub count: u64,
    /// In how long; `None` is per command.
    #[serde(with = "optional_seconds")]
    pub window: Option<Duration>,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitUnit {
    /// Rows returned or copied out.
    Rows,
    /// Commands admitted.
    Commands,
    /// Bytes returned.
    Bytes,
}

/// How evidence of matching commands is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Whether results are recorded (masked) besides the decision.
    pub results: bool,
    /// Whether the record is on disk, not only in the kernel, before the command is forwarded.
    pub strict: bool,
}

/// Durations as whole seconds, the language's smallest unit.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

mod optional_seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        duration.map(|duration| duration.as_secs()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Option::<u64>::deserialize(deserializer).map(|seconds| seconds.map(Duration::from_secs))
    }
}
