//! What a proxy asks: a statement, prepared once, and the circumstances of one use of it.

use std::sync::Arc;

use bytes::Bytes;
use policy_core::{ActionSet, Digest, Protocol};
use portcullis_evidence::record::Statement as Words;
use portcullis_evidence::{AuditLog, Serialized, TextMark};

/// A command's text and what it does, made once by [`Gateway::statement`](super::Gateway::statement) and then shared.
///
/// Sessions remember verdicts by the identity of this value, so a proxy keeps one for as long as the same text has
/// the same effects, and makes a new one when the catalogue or the search path has changed what it does.
#[derive(Debug)]
pub struct Statement {
    pub(super) actions: Arc<ActionSet>,
    /// The same without anything pending: what is judged at execution.
    pub(super) bound: Arc<ActionSet>,
    pub(super) raw: Arc<str>,
    pub(super) shown: Arc<str>,
    pub(super) digest: Digest,
    pub(super) words: Serialized<Words<'static>>,
    pub(super) mark: TextMark,
}

impl Statement {
    /// What it does.
    pub fn actions(&self) -> &Arc<ActionSet> {
        &self.actions
    }

    /// The keyed digest of its text and of the definitions behind it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The text as the client sent it. It may hold secrets: it goes to the target and nowhere else.
    pub fn raw(&self) -> &Arc<str> {
        &self.raw
    }

    /// The text with its literals masked, for evidence and people.
    pub fn shown(&self) -> &Arc<str> {
        &self.shown
    }
}

impl Statement {
    /// Notes that evidence has the text now.
    pub(super) fn mark_given(&self, log: &AuditLog) {
        if log.needs_text(&self.mark) {
            log.gave_text(&self.mark);
        }
    }
}

/// What a [`Statement`] is made of.
#[derive(Clone, Copy, Debug)]
pub struct StatementParts<'a> {
    /// The protocol whose words the actions use.
    pub protocol: &'a Protocol,
    /// The text as the client sent it.
    pub raw: &'a str,
    /// The text with its literals masked.
    pub shown: &'a str,
    /// What it does, and where its data flows.
    pub actions: &'a Arc<ActionSet>,
    /// What the actions were resolved by, as bytes that change with it: the definitions of views and functions behind
    /// it, the search path. An approval binds it.
    pub definitions: &'a [u8],
}

/// One use of a statement.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The statement.
    pub statement: &'a Arc<Statement>,
    /// Whether it is prepared or executed.
    pub stage: Stage,
    /// How it came, in the protocol's words: `query`, `parse`, `execute`.
    pub via: &'static str,
    /// The values bound to it, in order.
    pub parameters: &'a [Parameter<'a>],
    /// What comes beside its text, such as the body of a request, that its definitions have already: reviewers see it where
    /// a hold reveals.
    pub body: Option<&'a Bytes>,
    /// Whether a transaction is open on the target: a hold would pin its locks.
    pub in_transaction: bool,
    /// The session settings that differ from those at its start, by name. An approval binds them.
    pub settings: &'a [(Box<str>, Box<str>)],
    /// Why, in the requester's words, where the client said.
    pub justification: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// The use of a statement that has nothing beside its text, outside of a transaction.
    pub const fn new(statement: &'a Arc<Statement>, stage: Stage, via: &'static str) -> Self {
        Self {
            statement,
            stage,
            via,
            parameters: &[],
            body: None,
            in_transaction: false,
            settings: &[],
            justification: None,
        }
    }
}

/// Whether a statement is prepared or executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Parsed by the target, not run. Conditions on parameters are deferred, and a hold waits for the execution.
    Prepare,
    /// Run. What its actions still leave pending counts as undetermined: where a decision at preparation depended on
    /// parameters, the proxy makes a statement of its own for the bound values.
    Execute,
}

/// A value bound to a statement.
#[derive(Clone, Copy, Debug)]
pub struct Parameter<'a> {
    /// Its bytes as the client sent them; `None` is NULL.
    pub value: Option<&'a [u8]>,
    /// Whether the bytes are binary rather than text.
    pub binary: bool,
    /// Whether evidence and reviewers must not see it: bound for a tagged column.
    pub sensitive: bool,
}
