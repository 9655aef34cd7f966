//! What a session's recording is told of data that a client streams in with COPY … FROM STDIN.

use std::fmt;
use std::sync::Arc;

use policy_core::mask::StreamMasker;
use policy_normalize::sql::{Direction, Format, Kind, Statement, Via};
use portcullis_evidence::recording::Event;
use portcullis_gateway::enforce::Tape;

use super::recording::{BYTES, ROWS, shown};
use crate::command::shown::Shown;
use crate::relay::Sink;

/// A line that does not end for so long is recorded in pieces, in bytes.
const LINE: usize = 64 << 10;

/// Records the data of one command's COPY, line by line, masked as evidence demands: what can be recognised is hidden,
/// wherever the messages happen to be cut. What comes past the cap is counted.
pub struct Input {
    tape: Tape,
    shown: Arc<Shown>,
    command: u64,
    kind: Content,
    masker: StreamMasker,
    /// Masked, and not recorded yet.
    line: Vec<u8>,
    /// Bytes of data have come since the last end.
    has_come: bool,
    /// The data so far ends in the middle of a line.
    is_open: bool,
    rows: u64,
    bytes: usize,
    omitted: u64,
    length: u64,
}

/// How much of the data may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Lines of text.
    Text,
    /// Lines for columns that the policy masks: they are counted.
    Sensitive,
    /// No text: its bytes are counted.
    Binary,
}

impl Input {
    /// A recorder for the data that this statement asks its client for; `None` where it asks for none.
    pub(super) fn new(
        statement: &Statement,
        is_sensitive: bool,
        command: u64,
        tape: Tape,
        shown: Arc<Shown>,
    ) -> Option<Box<Self>> {
        let Kind::Copy(copy) = &statement.kind else { return None };
        if (copy.direction, copy.via) != (Direction::In, Via::Client) {
            return None;
        }
        let kind = match copy.format.format {
            Format::Text | Format::Csv if !is_sensitive => Content::Text,
            Format::Text | Format::Csv => Content::Sensitive,
            Format::Binary | Format::Other => Content::Binary,
        };
        Some(Box::new(Self {
            tape,
            shown,
            command,
            kind,
            masker: StreamMasker::default(),
            line: Vec::new(),
            has_come: false,
            is_open: false,
            rows: 0,
            bytes: 0,
            omitted: 0,
            length: 0,
        }))
    }

    const fn has_room(&self) -> bool {
        self.rows < ROWS && self.bytes < BYTES
    }

    /// Records the lines that are complete.
    fn tell(&mut self) {
        let lines = std::mem::take(&mut self.line);
        let mut rest = &*lines;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(at);
            self.record(line);
            rest = after.get(1..).unwrap_or_default();
        }
        if rest.len() > LINE {
            self.record(rest);
            rest = &[];
        }
        self.line = rest.to_vec();
    }

    fn record(&mut self, line: &[u8]) {
        if !self.has_room() {
            self.omitted += 1;
            return;
        }
        let text = shown(line.strip_suffix(b"\r").unwrap_or(line), false);
        self.rows += 1;
        self.bytes += text.len();
        self.tape.push(&Event::Input { command: self.command, text });
    }
}

impl Sink for Input {
    fn push(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.has_come = true;
        self.length += bytes.len() as u64;
        if self.kind == Content::Binary {
            return;
        }
        let was_open = std::mem::replace(&mut self.is_open, *last != b'\n');
        if self.kind == Content::Text && self.has_room() {
            let Self { shown, masker, line, .. } = self;
            shown.push(masker, bytes, line);
            return self.tell();
        }
        let ended = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        // A line counts where it begins.
        let begun = ended + u64::from(self.is_open);
        self.omitted += begun.saturating_sub(u64::from(was_open));
    }

    fn end(&mut self) {
        if !std::mem::take(&mut self.has_come) {
            return;
        }
        match self.kind {
            Content::Binary => {
                let text = format!("({} bytes)", self.length).into();
                self.tape.push(&Event::Input { command: self.command, text });
            }
            Content::Text => {
                let Self { shown, masker, line, .. } = self;
                shown.flush(masker, line);
                self.tell();
                let rest = std::mem::take(&mut self.line);
                if !rest.is_empty() {
                    self.record(&rest);
                }
            }
            Content::Sensitive => {}
        }
        if let rows @ 1.. = std::mem::take(&mut self.omitted) {
            self.tape.push(&Event::RowsOmitted { command: self.command, rows });
        }
        (self.rows, self.bytes, self.length, self.is_open) = (0, 0, 0, false);
    }
}

impl Drop for Input {
    /// A COPY that failed, or whose session ended, has brought what it has.
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input {{ command: {}, kind: {:?} }}", self.command, self.kind)
    }
}
