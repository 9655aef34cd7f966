//! What a recording says.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::json::Text;
use crate::record::{DecisionKind, Parameter, Result};
use crate::time::Timestamp;

/// One event of a session. Every text is masked before it comes here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The session was opened. The first event.
    Opened {
        /// Its id.
        session: Text<'a>,
        /// Whose it is.
        principal: Text<'a>,
        /// What it reaches.
        target: Text<'a>,
        /// The protocol's name.
        protocol: Text<'a>,
        /// The address and port the client connects from.
        source: Text<'a>,
        /// When; all other events count from here.
        started: Timestamp,
    },
    /// A command was judged.
    Command {
        /// Its number within the session, as in the audit log.
        command: u64,
        /// How it came, in the protocol's words.
        via: Text<'a>,
        /// Its text.
        text: Text<'a>,
        /// The values bound to it.
        #[serde(skip_serializing_if = "<[_]>::is_empty", default)]
        parameters: Cow<'a, [Parameter<'a>]>,
        /// The answer.
        decision: RecordedDecision<'a>,
    },
    /// The names of a result's columns.
    Columns {
        /// The command it is of.
        command: u64,
        /// The names, in order.
        names: Vec<Text<'a>>,
    },
    /// A row of a result.
    Row {
        /// The command it is of.
        command: u64,
        /// The values, in order; `None` is NULL.
        values: Cow<'a, [Option<Text<'a>>]>,
    },
    /// Rows past the cap, which are counted only.
    RowsOmitted {
        /// The command they are of.
        command: u64,
        /// How many.
        rows: u64,
    },
    /// Content that the client streamed in: COPY, standard input, a body.
    Input {
        /// The command it belongs to.
        command: u64,
        /// The content.
        text: Text<'a>,
    },
    /// Content that the target streamed out.
    Output {
        /// The command it belongs to.
        command: u64,
        /// The content.
        text: Text<'a>,
    },
    /// A message to the client that is no result: a notice, a notification, the text of an error.
    Message {
        /// What kind, in the protocol's words.
        severity: Text<'a>,
        /// The text.
        text: Text<'a>,
    },
    /// A held command's state changed.
    Approval {
        /// The approval's number or name.
        approval: Text<'a>,
        /// The command.
        command: u64,
        /// What happened: `held`, `approved`, `refused`, `expired`, `withdrawn`.
        state: Text<'a>,
    },
    /// What became of a command.
    Outcome {
        /// Its number.
        command: u64,
        /// How it ended.
        result: Result,
        /// Rows returned or affected, where the target said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        rows: Option<u64>,
        /// The target's error code.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        error: Option<Text<'a>>,
        /// From forwarding to the end, in microseconds.
        micros: u64,
    },
    /// The session ended. The last event.
    Closed {
        /// Why.
        reason: Text<'a>,
    },
}

/// The answer of the policy, as short as a replay needs it; the audit log has the whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedDecision<'a> {
    /// Allow, deny or hold.
    pub decision: DecisionKind,
    /// The rules that decided.
    #[serde(skip_serializing_if = "<[_]>::is_empty", default)]
    pub rules: Cow<'a, [Text<'a>]>,
}
