//! Who asks, and what is reached.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The name of a protocol, such as `postgres`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Protocol(Cow<'static, str>);

impl Protocol {
    /// PostgreSQL's frontend/backend protocol, version 3.
    pub const POSTGRES: Self = Self::new("postgres");
    /// SSH, version 2.
    pub const SSH: Self = Self::new("ssh");
    /// HTTP/1.1 and HTTP/2.
    pub const HTTP: Self = Self::new("http");
    /// The Kubernetes API.
    pub const KUBERNETES: Self = Self::new("kubernetes");
    /// The Model Context Protocol.
    pub const MCP: Self = Self::new("mcp");

    /// A protocol known at compile time.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name as policies spell it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Protocol {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of actor a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person.
    Human,
    /// A program that acts for itself, such as a CI job.
    Service,
    /// An AI agent, acting for its owner.
    Agent,
}

impl PrincipalKind {
    /// The kind as policies spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Service => "service",
            Self::Agent => "agent",
        }
    }
}

/// Who asks. Proven by an identity source before anything is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The account's name, unique within the gateway.
    pub id: Box<str>,
    /// What kind of actor this is.
    pub kind: PrincipalKind,
    /// The groups the source vouches for. `None` where it said nothing, which is undetermined; an
    /// empty list is known to be empty.
    pub groups: Option<Box<[Box<str>]>>,
    /// Further claims of the source.
    pub claims: BTreeMap<Box<str>, Box<str>>,
    /// The person behind the account, where several accounts belong to one: neither votes on the other's requests.
    pub person: Option<Box<str>>,
    /// For an agent: the id of the principal it acts for, who never votes on its requests.
    pub owner: Option<Box<str>>,
    /// For an agent: the groups of its owner, as `groups` has its own. `None` where the source said nothing.
    pub owner_groups: Option<Box<[Box<str>]>>,
}

impl Principal {
    /// A human with the given groups and no further claims.
    pub fn human<S: Into<Box<str>>>(id: impl Into<Box<str>>, groups: impl IntoIterator<Item = S>) -> Self {
        Self {
            id: id.into(),
            kind: PrincipalKind::Human,
            groups: Some(groups.into_iter().map(Into::into).collect()),
            claims: BTreeMap::new(),
            person: None,
            owner: None,
            owner_groups: None,
        }
    }
}

/// What is reached. Its credential is not here: judging never needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name clients ask for.
    pub name: Box<str>,
    /// The protocol it speaks.
    pub protocol: Protocol,
    /// Labels that rules select by, such as `env = "prod"`.
    pub labels: BTreeMap<Box<str>, Box<str>>,
}
