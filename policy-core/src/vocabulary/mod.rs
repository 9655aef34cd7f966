//! What attributes and verbs a protocol offers, typed. An embedder adds its own protocol here.

pub mod http;
pub mod kubernetes;
pub mod mcp;
mod pattern;
pub mod postgres;
mod spelling;
pub mod ssh;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

pub use pattern::{PatternError, parse_field};
pub use spelling::Spelling;

use crate::action::Verb;
use crate::subject::Protocol;

/// The type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A truth value.
    Bool,
    /// A whole number.
    Integer,
    /// A text.
    Text,
    /// An ordered list of texts.
    List,
    /// Whatever there is: a text, a whole number or a truth value. Comparing it with something of another type is undetermined.
    Scalar,
    /// A list of names of the resource's members, such as a relation's columns: the resource's segments
    /// and one more, in the form of [`crate::Name::as_joined`]. Patterns and texts that a policy
    /// compares them with are read by [`Vocabulary::parse_pattern`].
    Names,
}

impl Type {
    /// What a [`Type::Scalar`] may turn out to be.
    pub const SCALARS: [Self; 3] = [Self::Bool, Self::Integer, Self::Text];
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "a truth value",
            Self::Integer => "a whole number",
            Self::Text => "a text",
            Self::List => "a list of texts",
            Self::Scalar => "a text, a number or a truth value",
            Self::Names => "a list of names",
        })
    }
}

/// What an obligation asks of the protocol's proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Columns can be masked by identity.
    MaskColumns,
    /// Values can be masked by content.
    MaskValues,
    /// Fields of the documents that answers are can be masked by their names.
    MaskFields,
    /// Rows can be counted.
    LimitRows,
    /// Commands can be counted.
    LimitCommands,
    /// Bytes can be counted.
    LimitBytes,
    /// Holds can name the locks of an open transaction.
    Transactions,
    /// Results can be recorded.
    RecordResults,
    /// What runs can be kept to the time that people watch it.
    Watch,
    /// A client can be answered before its command is approved, and come back with it: approvals are bound to who asks, and
    /// outlive the session.
    ComeBack,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MaskColumns => "mask columns",
            Self::MaskValues => "mask values by content",
            Self::MaskFields => "mask fields",
            Self::LimitRows => "count rows",
            Self::LimitCommands => "count commands",
            Self::LimitBytes => "count bytes",
            Self::Transactions => "hold inside a transaction",
            Self::RecordResults => "record results",
            Self::Watch => "demand that somebody watches",
            Self::ComeBack => "answer a client before its command is approved",
        })
    }
}

/// One verb of a protocol.
#[derive(Clone, Debug)]
pub struct VerbSpec {
    /// The name.
    pub name: Cow<'static, str>,
    /// What it means, in a few words.
    pub meaning: Cow<'static, str>,
    /// Whether it has a resource that `on` may name.
    pub resource: bool,
    /// Whether its resources are paths, which begin with the separator where they are written.
    pub path: bool,
    /// How many segments its resources have, where that is always the same: a pattern that can't
    /// match so many would never match, and is a load-time error.
    pub segments: Option<usize>,
    /// The attributes its actions carry, by name. A condition on any other is a load-time error.
    pub attributes: BTreeMap<Cow<'static, str>, Type>,
    /// The attributes that policies name with a dot, by what stands before it: of the family `body` is `body.amount`. There is
    /// one for whatever name follows.
    pub families: BTreeMap<Cow<'static, str>, Type>,
}

impl VerbSpec {
    /// The type of an attribute, which may be of a family.
    pub fn attribute(&self, name: &str) -> Option<Type> {
        let of_family = || self.families.get(name.split_once('.')?.0);
        self.attributes.get(name).or_else(of_family).copied()
    }
}

/// All that a protocol offers to policies.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    /// The protocol.
    pub protocol: Protocol,
    /// Stands between segments of a resource as authors write it (`.` or `/`).
    pub separator: char,
    /// Whether names fold to lower case unless quoted, as PostgreSQL's do.
    pub folds: bool,
    /// The verbs. `unknown`, `noop` and `connect` are in every vocabulary.
    pub verbs: BTreeMap<Cow<'static, str>, VerbSpec>,
    /// What obligations the protocol's proxy can enforce.
    pub capabilities: Vec<Capability>,
}

impl Vocabulary {
    /// A vocabulary with the three verbs that every protocol has; names don't fold.
    pub fn new(protocol: Protocol, separator: char) -> Self {
        Self::declare(protocol, separator, &[], &[])
    }

    /// The same vocabulary with one verb more; a verb declared twice keeps the last declaration.
    #[must_use]
    pub fn with_verb(mut self, verb: VerbSpec) -> Self {
        self.verbs.insert(verb.name.clone(), verb);
        self
    }

    /// The verb of this name.
    pub fn verb(&self, name: &str) -> Option<&VerbSpec> {
        self.verbs.get(name)
    }

    /// Whether the protocol's proxy can enforce this.
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    fn declare(protocol: Protocol, separator: char, rows: &[VerbRow], capabilities: &[Capability]) -> Self {
        let verbs = COMMON.iter().chain(rows).map(|row| (row.0.into(), VerbSpec::from(row))).collect();
        Self { protocol, separator, folds: false, verbs, capabilities: capabilities.to_vec() }
    }
}

/// The vocabularies of every protocol that ships.
pub fn shipped() -> Vec<Vocabulary> {
    vec![
        postgres::vocabulary(),
        ssh::vocabulary(),
        http::vocabulary(),
        kubernetes::vocabulary(),
        mcp::vocabulary(),
    ]
}

/// Verbs of every protocol.
const COMMON: &[VerbRow] = &[
    (Verb::UNKNOWN_NAME, "an effect that could not be determined", Object::None, &[]),
    (Verb::NOOP_NAME, "nothing at all", Object::None, &[]),
    (Verb::CONNECT_NAME, "open a session", Object::None, &[]),
];

/// Name, meaning, object, attributes.
type VerbRow = (&'static str, &'static str, Object, Attributes);

/// Names and types; one that ends with a dot is a family.
type Attributes = &'static [(&'static str, Type)];

/// What a verb is done to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Object {
    /// Nothing that has a name.
    None,
    /// A name of any length.
    Any,
    /// A path of any length.
    Path,
    /// A name of exactly so many segments.
    Segments(usize),
}

impl From<&VerbRow> for VerbSpec {
    fn from(&(name, meaning, object, attributes): &VerbRow) -> Self {
        Self {
            name: name.into(),
            meaning: meaning.into(),
            resource: object != Object::None,
            path: object == Object::Path,
            segments: match object {
                Object::Segments(count) => Some(count),
                Object::None | Object::Any | Object::Path => None,
            },
            attributes: attributes
                .iter()
                .filter(|(name, _)| !name.ends_with('.'))
                .map(|&(name, kind)| (name.into(), kind))
                .collect(),
            families: attributes
                .iter()
                .filter_map(|&(name, kind)| Some((name.strip_suffix('.')?.into(), kind)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_the_three_common_verbs() {
        for vocabulary in shipped() {
            for verb in [Verb::UNKNOWN, Verb::NOOP, Verb::CONNECT] {
                assert!(vocabulary.verb(verb.as_str()).is_some(), "{} lacks {verb}", vocabulary.protocol);
            }
        }
    }

    #[test]
    fn an_embedder_declares_a_protocol_of_its_own() {
        let queue = Vocabulary::new(Protocol::new("queue"), '/').with_verb(VerbSpec {
            name: "publish".into(),
            meaning: "send a message".into(),
            resource: true,
            path: false,
            segments: None,
            attributes: BTreeMap::from([("size".into(), Type::Integer)]),
            families: BTreeMap::new(),
        });
        assert_eq!(queue.verbs.len(), 4);
        assert!(!queue.can(Capability::MaskColumns));
    }
}
