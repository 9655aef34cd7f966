//! What attributes and verbs a protocol offers, typed. An embedder adds its own protocol here.

pub mod postgres;

use std::borrow::Cow;
use std::collections::BTreeMap;

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
}

/// What an obligation asks of the protocol's proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Columns can be masked by identity.
    MaskColumns,
    /// Values can be masked by content.
    MaskValues,
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
    /// The attributes its actions carry, by name. A condition on any other is a load-time error.
    pub attributes: BTreeMap<Cow<'static, str>, Type>,
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
