//! Reading the log: record by record, or command by command.
//!
//! Reading checks nothing; that is [`crate::verify()`]'s work.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use serde::Deserialize;

use crate::directory;
use crate::hash::Hash;
use crate::line::MAX_LINE;
use crate::log::Seq;
use crate::record::{DecisionKind, Intent, Outcome, Record};
use crate::time::Timestamp;

/// A record with its envelope.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    /// Its number.
    pub seq: Seq,
    /// When it was written.
    pub time: Timestamp,
    /// The session it belongs to.
    pub session: Option<String>,
    /// That session's principal.
    pub principal: Option<String>,
    /// That session's target.
    pub target: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub record: Record<'static>,
}

/// The records of an evidence directory, oldest first. An instance may be writing it at the same time.
///
/// # Errors
/// When the directory can't be read.
pub fn entries(directory: &Path) -> io::Result<Entries> {
    let segments = directory::segments(directory)?.into_iter();
    Ok(Entries { segments, open: None, bytes: Vec::new() })
}

/// An iterator over the records of a log. A last line that is not whole yet is left out.
pub struct Entries {
    segments: IntoIter<(u64, PathBuf)>,
    open: Option<Open>,
    bytes: Vec<u8>,
}

struct Open {
    path: PathBuf,
    reader: BufReader<std::fs::File>,
    line: u64,
}

/// A line that can't be read. The iterator goes on with the next.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file can't be read.
    #[error("audit log `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The line is no record that this build knows.
    #[error("audit log `{}`, line {line}: {source}; run `portcullis verify` if nobody should have touched it", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Entries {
    /// Opens the next segment; `None` after the last.
    fn advance(&mut self) -> Option<Result<(), ReadError>> {
        let (_, path) = self.segments.next()?;
        Some(match directory::open_regular(&path, OpenOptions::new().read(true)) {
            Ok(file) => {
                self.open = Some(Open { path, reader: BufReader::with_capacity(256 << 10, file), line: 0 });
                Ok(())
            }
            Err(source) => Err(ReadError::Io { path, source }),
        })
    }
}

impl Iterator for Entries {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(open) = &mut self.open else {
                match self.advance()? {
                    Ok(()) => continue,
                    Err(error) => return Some(Err(error)),
                }
            };
            self.bytes.clear();
            match (&mut open.reader).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut self.bytes) {
                Err(source) => {
                    let path = open.path.clone();
                    self.open = None;
                    return Some(Err(ReadError::Io { path, source }));
                }
                // The end, or a line that is being written.
                Ok(_) if self.bytes.last() != Some(&b'\n') => self.open = None,
                Ok(_) => {
                    open.line += 1;
                    let (path, line) = (&open.path, open.line);
                    let malformed = |source| ReadError::Malformed { path: path.clone(), line, source };
                    return Some(serde_json::from_slice(&self.bytes).map_err(malformed));
                }
            }
        }
    }
}

/// A command from its verdict to its end.
#[derive(Clone, Debug)]
pub struct Command {
    /// The number of its intent.
    pub seq: Seq,
    /// When it was judged.
    pub time: Timestamp,
    /// Its session.
    pub session: String,
    /// Who asked.
    pub principal: String,
    /// What was to be reached.
    pub target: String,
    /// What was judged, and how.
    pub intent: Intent<'static>,
    /// Its text, masked, from this or an earlier record. `None` where that record was archived.
    pub text: Option<String>,
    /// The outcome's record, if there is one.
    pub outcome: Option<Outcome<'static>>,
}

impl Command {
    /// How it ended.
    pub fn ending(&self) -> Ending {
        let decision = self.intent.verdict.value().map(|verdict| verdict.decision);
        match &self.outcome {
            Some(outcome) => Ending::Known(outcome.result),
            None if decision == Some(DecisionKind::Allow) => Ending::Unknown,
            None => Ending::NotForwarded,
        }
    }
}

/// How a command ended, as far as the log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was denied or held: this verdict forwarded nothing.
    NotForwarded,
    /// Its outcome was recorded.
    Known(crate::record::Result),
    /// It was allowed, and the log says nothing more: it still runs, or the gateway ended first.
    Unknown,
}

/// The commands of the sessions that `wanted` names, in the order they were judged. Memory grows with their number.
///
/// # Errors
/// When the log can't be read, or a line is no record.
pub fn commands(directory: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<Command>, ReadError> {
    let read = |source| ReadError::Io { path: directory.to_owned(), source };
    let mut commands: Vec<Command> = Vec::new();
    // Texts are given once for all sessions, so those of other sessions are kept as well.
    let mut texts: HashMap<Hash, String> = HashMap::new();
    // The newest verdict on each command of each session: a released command has two.
    let mut newest: HashMap<(String, u64), usize> = HashMap::new();
    for entry in entries(directory).map_err(read)? {
        let Entry { seq, time, session, principal, target, record } = entry?;
        let session = session.unwrap_or_default();
        match record {
            Record::Intent(intent) => {
                let digest = intent.statement.value().map(|statement| statement.digest);
                if let (Some(digest), Some(text)) = (digest, &intent.text) {
                    texts.insert(digest, text.to_string());
                }
                if wanted(&session) {
                    let text = digest.and_then(|digest| texts.get(&digest).cloned());
                    newest.insert((session.clone(), intent.command), commands.len());
                    let (principal, target) = (principal.unwrap_or_default(), target.unwrap_or_default());
                    commands.push(Command {
                        seq,
                        time,
                        session,
                        principal,
                        target,
                        intent,
                        text,
                        outcome: None,
                    });
                }
            }
            Record::Outcome(outcome) => {
                let command =
                    newest.get(&(session, outcome.command)).and_then(|index| commands.get_mut(*index));
                if let Some(command) = command {
                    command.outcome = Some(outcome);
                }
            }
            _ => {}
        }
    }
    Ok(commands)
}
