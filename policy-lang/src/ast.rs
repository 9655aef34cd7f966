//! What was written, before anything is known about its meaning.
//!
//! Names are not resolved and nothing is checked here: the tree says only that the text has the
//! language's shape. Equality ignores where things stand, so that a formatted file equals its original.

use std::time::Duration;

pub use crate::span::{Span, Spanned};

/// A bare word, such as a verb or the name of a set.
pub type Word = Spanned<Box<str>>;
/// A quoted text, its escapes resolved.
pub type Text = Spanned<Box<str>>;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct File {
    /// Its items, in order.
    pub items: Vec<Spanned<Item>>,
}

/// One top-level item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// `policy "production"`
    Policy(Text),
    /// `default deny`
    Default(Word),
    /// `use "postgres/basics"`
    Use(Text),
    /// `set oncall = group "sre" or group "dba"`
    Set(Set),
    /// `tag pii = postgres columns "public.users.email"`
    Tag(Tag),
    /// `deny "destructive ddl" { … }`
    Rule(Rule),
    /// `test "a drop is denied" { … }`
    Test(Test),
}

/// A named set of principals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: Word,
    /// Who belongs to it.
    pub members: Condition,
}

/// Named columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its name.
    pub name: Word,
    /// The protocol whose columns they are.
    pub protocol: Word,
    /// The columns' patterns.
    pub columns: Vec<Text>,
}

/// The kind of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the language's own words")]
pub enum Kind {
    Allow,
    Deny,
    Hold,
    Mask,
    Limit,
    Record,
}

impl Kind {
    /// The word that opens such a rule.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hold => "hold",
            Self::Mask => "mask",
            Self::Limit => "limit",
            Self::Record => "record",
        }
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its kind, where the word stands.
    pub kind: Spanned<Kind>,
    /// Its name.
    pub name: Option<Text>,
    /// Words between name and brace: `record all strict`.
    pub modifiers: Vec<Word>,
    /// Its clauses, in the order written.
    pub clauses: Vec<Spanned<Clause>>,
}

impl Rule {
    /// The rule's first line: its kind, name and modifiers.
    pub fn head(&self) -> Span {
        let last = self.modifiers.last().map(|word| word.span);
        let last = last.or_else(|| self.name.as_ref().map(|name| name.span));
        last.map_or(self.kind.span, |last| self.kind.span.to(last))
    }
}

/// One clause of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    /// `by group "eng"`
    By(Condition),
    /// `on postgres where env == "prod"`
    On(Vec<Selector>),
    /// `do select, insert on "public.*"`
    Do(Do),
    /// `when not filtered`
    When(Condition),
    /// `unless oncall`
    Unless(Condition),
    /// `until 1 of oncall approve within 15m`
    Until(Until),
    /// `while 1 of group "sec" watches`
    While(While),
    /// `answer after 30s`
    AnswerAfter(Spanned<Duration>),
    /// `in transaction`
    InTransaction,
    /// `justify`
    Justify,
    /// `reveal`
    Reveal,
    /// `columns tagged pii, "public.users.phone"`
    Columns(Vec<Column>),
    /// `values credit_card, jwt`
    Values(Vec<Word>),
    /// `fields "customers.email", "**.ssn"`
    Fields(Vec<Text>),
    /// `with last(4) for "*.pan", redact otherwise`
    With(Vec<Arm>),
    /// `unresolved deny`
    Unresolved(Word),
    /// `predicates record`
    Predicates(Word),
    /// `rows 10_000 per principal per hour`
    Quota(Quota),
    /// `say "…"`
    Say(Text),
    /// `mode observe`
    Mode(Word),
}

impl Clause {
    /// The word that opens the clause.
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::By(_) => "by",
            Self::On(_) => "on",
            Self::Do(_) => "do",
            Self::When(_) => "when",
            Self::Unless(_) => "unless",
            Self::Until(_) => "until",
            Self::While(_) => "while",
            Self::AnswerAfter(_) => "answer after",
            Self::InTransaction => "in transaction",
            Self::Justify => "justify",
            Self::Reveal => "reveal",
            Self::Columns(_) => "columns",
            Self::Values(_) => "values",
            Self::Fields(_) => "fields",
            Self::With(_) => "with",
            Self::Unresolved(_) => "unresolved",
            Self::Predicates(_) => "predicates",
            Self::Quota(_) => "rows, commands or bytes",
            Self::Say(_) => "say",
            Self::Mode(_) => "mode",
        }
    }
}

/// Which targets: a protocol, names, labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// The protocol.
    pub protocol: Word,
    /// Patterns of target names; empty is all.
    pub names: Vec<Text>,
    /// A condition on labels.
    pub labels: Option<Condition>,
}

/// Which verbs on which resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Do {
    /// The verbs; at least one.
    pub verbs: Vec<Word>,
    /// Patterns of resources; empty is any.
    pub resources: Vec<Text>,
}

/// What reviewers must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Until {
    /// How many must approve.
    pub quorum: Spanned<i64>,
    /// Who may.
    pub reviewers: Condition,
    /// How long the command waits.
    pub within: Spanned<Duration>,
}

/// Who must watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct While {
    /// How many.
    pub count: Spanned<i64>,
    /// Of whom.
    pub watchers: Condition,
}

/// What a mask covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// The columns of a tag.
    Tagged(Word),
    /// A pattern.
    Pattern(Text),
}

/// One transform of a mask, and the columns it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    /// The transform's name.
    pub transform: Word,
    /// The number in parentheses.
    pub argument: Option<Spanned<i64>>,
    /// What it is for.
    pub target: ArmTarget,
}

/// What one transform of a mask is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArmTarget {
    /// Nothing was said: everything.
    Everything,
    /// `for "*.pan", "*.iban"`
    For(Vec<Text>),
    /// `otherwise`
    Otherwise,
}

/// A bound: `rows 10_000 per principal per hour`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// `rows`, `commands` or `bytes`.
    pub unit: Word,
    /// How many.
    pub count: Spanned<i64>,
    /// `principal` or `command`.
    pub scope: Word,
    /// In how long.
    pub period: Option<Period>,
}

/// A length of time, in words or figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Period {
    /// `hour`
    Word(Word),
    /// `15m`
    Duration(Spanned<Duration>),
}

/// A condition, and where it stands.
pub type Condition = Spanned<Expr>;

/// A condition's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// `a and b`; at least two.
    All(Vec<Condition>),
    /// `a or b`; at least two.
    Any(Vec<Condition>),
    /// `not a`
    Not(Box<Condition>),
    /// `group "eng"`
    Group(Text),
    /// `user "ana"`
    User(Text),
    /// `agent on behalf of group "eng"`
    OnBehalfOf(Box<Condition>),
    /// A bare word: a set, a kind of principal, or a boolean attribute.
    Bare(Fact),
    /// `env == "prod"`
    Compare(Fact, Spanned<Relation>, Spanned<Value>),
    /// `env in ["prod", "stage"]`
    In(Fact, Vec<Spanned<Value>>),
    /// `object like "tab*"`
    Like(Fact, Text),
    /// `value matches "^[a-z]+$"`
    Matches(Fact, Text),
    /// `reads has "public.users.ssn"`
    Has(Fact, Text),
    /// `argv is ["systemctl", "status", *]`
    Is(Fact, Vec<Spanned<Element>>),
}

/// Something a condition looks at: `filtered`, `claim.region`, `target.env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The first word.
    pub name: Word,
    /// What follows the dot.
    pub field: Option<Word>,
}

impl Fact {
    /// Where the whole fact stands.
    pub fn span(&self) -> Span {
        self.field.as_ref().map_or(self.name.span, |field| self.name.span.to(field.span))
    }
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `true`
    Bool(bool),
    /// `10_000`
    Integer(i64),
    /// `"prod"`
    Text(Box<str>),
    /// `["a", "b"]`, in tests only.
    List(Vec<Text>),
}

/// One element of a list's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// `"status"`
    Text(Box<str>),
    /// `*`
    AnyOne,
    /// `**`
    AnyNumber,
}

/// An inline test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// What it shows.
    pub name: Text,
    /// Its steps, in the order written.
    pub steps: Vec<Spanned<Step>>,
}

/// One line of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `as user "ana" in group "eng"`
    As(Actor),
    /// `at postgres "shop" with env = "prod"`
    At {
        /// The protocol.
        protocol: Word,
        /// The target's name.
        name: Text,
        /// The target's labels.
        labels: Vec<Pair>,
    },
    /// `from "10.0.0.7"`
    From(Text),
    /// `time sat 3`: a weekday and an hour, UTC.
    Time(Word, Spanned<i64>),
    /// `run "drop table orders"`
    Run(Text),
    /// `do select on "public.orders" with limit = 10`
    Do {
        /// The verb.
        verb: Word,
        /// The resource.
        resource: Option<Text>,
        /// The attributes.
        attributes: Vec<Pair>,
    },
    /// `granted "schema change"`
    Granted(Vec<Text>),
    /// `expect deny by "destructive ddl"`
    Expect(Expect),
}

impl Step {
    /// The word that opens the step.
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::As(_) => "as",
            Self::At { .. } => "at",
            Self::From(_) => "from",
            Self::Time(..) => "time",
            Self::Run(_) => "run",
            Self::Do { .. } => "do",
            Self::Granted(_) => "granted",
            Self::Expect(_) => "expect",
        }
    }
}

/// Who asks, in a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `user`, `service` or `agent`.
    pub kind: Word,
    /// The account's name.
    pub id: Text,
    /// An agent's owner.
    pub owner: Option<Text>,
    /// Its groups.
    pub groups: Vec<Text>,
    /// The groups of an agent's owner.
    pub owner_groups: Vec<Text>,
    /// Its claims.
    pub claims: Vec<Pair>,
}

/// `name = value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The name.
    pub name: Word,
    /// The value.
    pub value: Spanned<Value>,
}

/// What a test expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expect {
    /// `allow`, `deny`, `hold`, `mask`, `limit` or `record`.
    pub outcome: Word,
    /// The rule it comes from.
    pub by: Option<Cause>,
}

/// What a test expects the outcome to come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A rule.
    Rule(Text),
    /// Nothing: the action is not covered.
    Default(Spanned<()>),
}

impl File {
    /// Reads a file's tree. Nothing is known about its meaning then; see [`crate::load`].
    ///
    /// # Errors
    ///
    /// The file's syntax errors.
    pub fn read(source: &crate::Source) -> Result<Self, crate::Diagnostics> {
        let parsed = crate::parse::parse(0, source);
        if parsed.found.is_empty() {
            Ok(parsed.file)
        } else {
            Err(crate::Diagnostics::new([source.clone()].into(), parsed.found))
        }
    }
}
