//! What can be wrong, and where.

use std::fmt;

use crate::log::Seq;

/// Something about the evidence that a reader must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub kind: Kind,
    /// The file, relative to the evidence directory.
    pub file: String,
    /// The line, from 1, where there is one.
    pub line: Option<u64>,
    /// The record's number, where it is known.
    pub seq: Option<Seq>,
    /// What is wrong, in a sentence.
    pub message: String,
}

/// Kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A line has not the form of a record.
    Malformed,
    /// A record, or its link, is not as it was written.
    Changed,
    /// Records are missing.
    Removed,
    /// A record is where it doesn't belong: duplicated, moved, or from elsewhere.
    OutOfPlace,
    /// A segment file is missing.
    SegmentMissing,
    /// A segment's first line is not what it should be.
    SegmentForged,
    /// A checkpoint's signature is not good.
    CheckpointForged,
    /// A good checkpoint vouches for something else than what the log says.
    Rewritten,
    /// The log ends before a record that a checkpoint vouches for.
    Truncated,
    /// A checkpoint or key belongs to another log.
    Replaced,
    /// `checkpoint.json` is missing or can't be read.
    CheckpointFile,
    /// A recording is missing, or is not what was recorded.
    Recording,
    /// A recording has no record in the log.
    RecordingUnknown,

    /// A notice: the last line is not whole. A kill leaves that, and what it began to say was never acted on.
    Torn,
    /// A notice: a torn end was moved aside when the log was opened again.
    Recovered,
    /// A notice: the oldest segments are not here.
    Pruned,
}

impl Kind {
    /// Whether evidence was lost or changed. The other kinds are notices.
    pub const fn is_problem(self) -> bool {
        !matches!(self, Self::Torn | Self::Recovered | Self::Pruned)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", crate::inert::line(&self.file))?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(seq) = self.seq {
            write!(f, " (record {seq})")?;
        }
        write!(f, ": {}", crate::inert::line(&self.message))
    }
}
