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
        /// Which of a program's two streams it came on.
        #[serde(skip_serializing_if = "Stream::is_default", default)]
        stream: Stream,
        /// The content.
        text: Text<'a>,
    },
    /// A command was given a terminal.
    Terminal {
        /// The command.
        command: u64,
        /// The terminal's type, such as `xterm-256color`.
        term: Text<'a>,
        /// How wide it is, in characters, as the client said: 0 and absurd widths come through.
        columns: u32,
        /// How high it is, in lines, as the client said.
        rows: u32,
    },
    /// A command's terminal changed its size.
    Resize {
        /// The command.
        command: u64,
        /// How wide it is now, in characters, as the client said.
        columns: u32,
        /// How high it is now, in lines, as the client said.
        rows: u32,
    },
    /// A program ended.
    Exit {
        /// The command that ran it.
        command: u64,
        /// Its exit status, if it ended by itself.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        status: Option<u32>,
        /// The signal that ended it, without `SIG`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        signal: Option<Text<'a>>,
    },
    /// An operation on a file of the target came to its end.
    File {
        /// The command it was judged as; 0 where it was refused.
        command: u64,
        /// What was asked for, in the protocol's words: `open`, `rename`, `remove`, …
        operation: Text<'a>,
        /// The file.
        path: Text<'a>,
        /// Where it goes: the new name, the link's end.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        to: Option<Text<'a>>,
        /// How it ended.
        result: FileResult,
        /// The target's error, in the protocol's words.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        error: Option<Text<'a>>,
        /// How many bytes of content went either way, where some did.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        bytes: Option<u64>,
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
        /// What happened: `held`, `deferred`, `approved`, `refused`, `expired`, `withdrawn`.
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

/// The two streams that a program writes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output, which is also all that a terminal shows. Left out of the JSON.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_default(&self) -> bool {
        *self == Self::Stdout
    }
}

/// How an operation on a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileResult {
    /// The target did it.
    Done,
    /// The policy, or whoever was asked, did not let it through.
    Denied,
    /// The target answered with an error.
    Failed,
    /// The target's answer is not known: the connection or the gateway ended first.
    Unknown,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: &Event<'static>, json: &str) {
        assert_eq!(serde_json::to_string(event).unwrap(), json);
        assert_eq!(&serde_json::from_str::<Event<'static>>(json).unwrap(), event);
    }

    #[test]
    fn what_terminals_and_files_did_is_short_and_reads_back() {
        let output = |stream| Event::Output { command: 3, stream, text: "ab".into() };
        // What recordings said before there were two streams.
        check(&output(Stream::Stdout), r#"{"event":"output","command":3,"text":"ab"}"#);
        check(&output(Stream::Stderr), r#"{"event":"output","command":3,"stream":"stderr","text":"ab"}"#);
        check(
            &Event::Terminal { command: 3, term: "xterm".into(), columns: 80, rows: 24 },
            r#"{"event":"terminal","command":3,"term":"xterm","columns":80,"rows":24}"#,
        );
        check(
            &Event::Resize { command: 3, columns: 0, rows: u32::MAX },
            r#"{"event":"resize","command":3,"columns":0,"rows":4294967295}"#,
        );
        check(
            &Event::Exit { command: 3, status: Some(0), signal: None },
            r#"{"event":"exit","command":3,"status":0}"#,
        );
        check(
            &Event::Exit { command: 3, status: None, signal: Some("KILL".into()) },
            r#"{"event":"exit","command":3,"signal":"KILL"}"#,
        );
        check(
            &Event::File {
                command: 4,
                operation: "rename".into(),
                path: "/a".into(),
                to: Some("/b".into()),
                result: FileResult::Failed,
                error: Some("no such file".into()),
                bytes: None,
            },
            r#"{"event":"file","command":4,"operation":"rename","path":"/a","to":"/b","result":"failed","error":"no such file"}"#,
        );
    }
}
