//! Why a policy can't be enforced as written.

use std::fmt;

use crate::rule::{Place, RuleId};
use crate::subject::Protocol;
use crate::vocabulary::{Capability, PatternError, Type};

/// Conditions nest no deeper than this.
pub const MAX_DEPTH: usize = 64;

/// One thing that is wrong with one rule. A policy with any of these is not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// The rule.
    pub rule: RuleId,
    /// Where the rule stands, where known.
    pub place: Option<Place>,
    /// The part of the rule that is at fault.
    pub clause: Clause,
    /// What is wrong.
    pub problem: Problem,
}

/// A part of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Clause {
    /// The rule's name.
    Id,
    /// Protocols and targets.
    On,
    /// Verbs and resources.
    Do,
    /// Who asks.
    By,
    /// Under which condition.
    When,
    /// Except when.
    Unless,
    /// Who approves.
    Until,
    /// Who watches.
    While,
    /// What a mask, limit or record does.
    Effect,
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "name",
            Self::On => "on",
            Self::Do => "do",
            Self::By => "by",
            Self::When => "when",
            Self::Unless => "unless",
            Self::Until => "until",
            Self::While => "while",
            Self::Effect => "effect",
        })
    }
}

/// What is wrong with a clause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Two rules have one name, so a denial could not say which it was.
    #[error("another rule is named so already{}", at(.first.as_ref()))]
    DuplicateRule {
        /// Where the other one stands.
        first: Option<Place>,
    },
    /// No vocabulary was given for the protocol.
    #[error("there is no protocol `{protocol}`{}", did_you_mean(.protocol.as_str(), .candidates))]
    UnknownProtocol {
        /// As written.
        protocol: Protocol,
        /// All protocols there are.
        candidates: Vec<String>,
    },
    /// None of the rule's protocols has the verb.
    #[error("{} no verb `{verb}`{}", have(.protocols), did_you_mean(.verb, .candidates))]
    UnknownVerb {
        /// As written.
        verb: String,
        /// The protocols that the rule is about.
        protocols: Vec<Protocol>,
        /// All verbs of these protocols.
        candidates: Vec<String>,
    },
    /// A verb that the rule can match does not carry the attribute.
    #[error("`{verb}` on {protocol} has no attribute `{attribute}`{}", instead(.attribute, .candidates))]
    UnknownAttribute {
        /// As written.
        attribute: String,
        /// The protocol.
        protocol: Protocol,
        /// The verb that lacks it.
        verb: String,
        /// The attributes that this verb has.
        candidates: Vec<String>,
    },
    /// A rule would permit, hold or count what is typed.
    #[error("what is typed is noticed after the fact: only `deny`, `mask` and `record` can name `typed`")]
    OnlyNoticed,
    /// `mode warn` on something else than a denial of what is typed.
    #[error("`mode warn` is for deny rules whose `do` names `typed` alone: everything else can be prevented")]
    NotWarnedOf,
    /// `on` names a resource, but the verb acts on nothing that has a name.
    #[error("`{verb}` acts on nothing that has a name, so `on` can't narrow it")]
    NoResource {
        /// The verb.
        verb: String,
    },
    /// A pattern whose number of segments no resource of the verb has: it would never match.
    #[error("`{verb}` acts on names of {wanted} segments, which `{pattern}` never matches")]
    NeverMatches {
        /// The verb.
        verb: String,
        /// The pattern, segments joined by the protocol's separator.
        pattern: String,
        /// How many segments the verb's resources have.
        wanted: usize,
    },
    /// A pattern or text whose number of segments none of the attribute's names has.
    #[error(
        "{fact} holds names of {wanted} segments, which `{pattern}` never matches; `**.name` is one in any table"
    )]
    NeverNames {
        /// The fact, in words.
        fact: String,
        /// As written.
        pattern: String,
        /// How many segments the names have.
        wanted: usize,
    },
    /// A comparison that the fact's type does not support.
    #[error("{fact} is {found}, and {operation} needs {wanted}")]
    TypeMismatch {
        /// The fact, in words.
        fact: String,
        /// Its type.
        found: Type,
        /// What is done with it.
        operation: &'static str,
        /// What that needs.
        wanted: &'static str,
    },
    /// A literal that the fact never equals.
    #[error("{fact} is never {literal}; it is {wanted}")]
    BadLiteral {
        /// The fact, in words.
        fact: String,
        /// As written.
        literal: String,
        /// What it can be.
        wanted: &'static str,
    },
    /// A fact that the clause can't look at.
    #[error("{fact} can't be looked at here: {reason}")]
    Misplaced {
        /// The fact, in words.
        fact: String,
        /// What the clause is about.
        reason: &'static str,
    },
    /// The protocol's proxy can't do what the rule asks for.
    #[error(
        "{protocol} can't {capability}, so this rule would not be enforced there; name protocols that can"
    )]
    Incapable {
        /// The protocol.
        protocol: Protocol,
        /// What it can't do.
        capability: Capability,
    },
    /// A text that is compared with names, but is no name.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A pattern without segments, or with several where a plain text has one.
    #[error("a pattern on {subject} has exactly one segment, this one has {segments}")]
    Segments {
        /// What the pattern is matched against.
        subject: &'static str,
        /// How many segments it has.
        segments: usize,
    },
    /// A regular expression that can't be compiled within bounds.
    #[error("`{regex}` can't be used as a regular expression: {reason}")]
    Regex {
        /// As written.
        regex: String,
        /// Why.
        reason: String,
    },
    /// Something that must not be empty or zero.
    #[error("{what} is missing: {reason}")]
    Missing {
        /// What.
        what: &'static str,
        /// Why it is needed.
        reason: &'static str,
    },
    /// Predicates are about columns.
    #[error("`predicates` has no meaning in a mask of fields: nothing is compared by them")]
    NoPredicates,
    /// Conditions nested too deep.
    #[error("conditions nest deeper than {MAX_DEPTH}; split the rule")]
    TooDeep,
}

impl Problem {
    /// The name that was probably meant, where one is close enough.
    pub fn suggestion(&self) -> Option<&str> {
        match self {
            Self::UnknownProtocol { protocol, candidates } => closest(protocol.as_str(), candidates),
            Self::UnknownVerb { verb, candidates, .. } => closest(verb, candidates),
            Self::UnknownAttribute { attribute, candidates, .. } => closest(attribute, candidates),
            _ => None,
        }
    }
}

impl std::error::Error for CompileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.problem)
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "rule `{}`, {}: {}", self.rule, self.clause, self.problem)
    }
}

/// The candidate most like `name`, if it is like it at all.
fn closest<'a>(name: &str, candidates: &'a [String]) -> Option<&'a str> {
    let score = |candidate: &String| strsim::jaro_winkler(name, candidate);
    let best = candidates.iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(best) > 0.8).then_some(best)
}

fn did_you_mean(name: &str, candidates: &[String]) -> String {
    closest(name, candidates).map(|best| format!("; did you mean `{best}`?")).unwrap_or_default()
}

fn instead(name: &str, candidates: &[String]) -> String {
    match (closest(name, candidates), candidates) {
        (Some(best), _) => format!("; did you mean `{best}`?"),
        (None, []) => ", nor any other".into(),
        (None, _) => format!("; it has {}", candidates.join(", ")),
    }
}

fn have(protocols: &[Protocol]) -> String {
    match protocols {
        [one] => format!("{one} has"),
        several => {
            let names: Vec<&str> = several.iter().map(Protocol::as_str).collect();
            format!("none of {} has", names.join(", "))
        }
    }
}

fn at(place: Option<&Place>) -> String {
    place.map(|place| format!(", at {place}")).unwrap_or_default()
}
