//! The log's lines, one after the other.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;

use super::Report;
use super::anchor::Anchors;
use super::finding::{Finding, Kind};
use super::recordings::Recordings;
use crate::checkpoint::Checkpoint;
use crate::directory;
use crate::hash::Hash;
use crate::key::PublicKey;
use crate::line::{self, Line, MAX_LINE};
use crate::record::{CheckpointRecord, RecordingSealed, Recovered, Segment};

/// A reading of a log, from its first line to its last.
pub(super) struct Check<'a> {
    directory: &'a Path,
    pruned: bool,
    anchors: Anchors,
    recordings: Recordings,
    report: Report,
    key: Option<PublicKey>,
    /// The number that the next record must have.
    expected: u64,
    previous: Previous,
    /// What `previous` was one record ago: what a checkpoint that is the newest record vouches for.
    before: Previous,
    /// Where we are, for findings.
    file: String,
    line: u64,
}

/// The link that the next record must follow.
#[derive(Clone, Copy)]
enum Previous {
    /// It is known.
    Known(Hash),
    /// The record before was changed: the next one follows what it claims, or what it should have claimed.
    Either(Hash, Hash),
    /// The line before was no record at all. It was reported; the next one can't be checked.
    Lost,
}

impl Previous {
    fn admits(self, line: &Line<'_>) -> bool {
        match self {
            Self::Known(chain) => line.follows(&chain),
            Self::Either(claimed, true_chain) => line.follows(&claimed) || line.follows(&true_chain),
            Self::Lost => true,
        }
    }

    fn is(self, hash: Hash) -> bool {
        match self {
            Self::Known(chain) => chain == hash,
            Self::Either(claimed, true_chain) => claimed == hash || true_chain == hash,
            Self::Lost => true,
        }
    }
}

impl<'a> Check<'a> {
    pub(super) fn new(directory: &'a Path, pruned: bool, anchors: Anchors, recordings: Recordings) -> Self {
        let report =
            Report { key: anchors.given_key, key_is_given: anchors.given_key.is_some(), ..Report::default() };
        Self {
            directory,
            pruned,
            key: anchors.given_key,
            anchors,
            recordings,
            report,
            expected: 1,
            previous: Previous::Known(Hash::ZERO),
            before: Previous::Known(Hash::ZERO),
            file: String::new(),
            line: 0,
        }
    }

    /// Reads all segments.
    pub(super) fn log(&mut self) -> io::Result<()> {
        let segments = directory::segments(self.directory)?;
        let last = segments.len();
        let mut next = 1;
        for (index, (number, path)) in segments.into_iter().enumerate() {
            self.file = directory::segment_name(number);
            self.line = 0;
            if number != next {
                self.missing_segments(next, number, index == 0);
            }
            next = number + 1;
            self.report.segments += 1;
            self.segment(number, &path, index + 1 == last)?;
        }
        if last == 0 {
            self.file = directory::segment_name(1);
            self.find(Kind::SegmentMissing, None, "there is no audit log in this directory".to_owned());
        }
        Ok(())
    }

    /// What was found, with what only the end of the log can tell.
    pub(super) fn finish(self) -> Report {
        let Self { mut report, anchors, recordings, key, .. } = self;
        report.key = key;
        report.checkpoint_is_given = anchors.has_given_checkpoint();
        anchors.compare(&mut report);
        for (kind, file, message) in recordings.untold() {
            report.find(Finding { kind, file, line: None, seq: None, message });
        }
        report
    }

    fn segment(&mut self, number: u64, path: &Path, is_last: bool) -> io::Result<()> {
        let file = directory::open_regular(path, OpenOptions::new().read(true))?;
        let mut reader = BufReader::with_capacity(256 << 10, file);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let read = (&mut reader).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut bytes)?;
            if read == 0 {
                break;
            }
            self.line += 1;
            self.report.bytes += read as u64;
            let Some(line) = bytes.strip_suffix(b"\n") else {
                self.without_end(&bytes, is_last);
                break;
            };
            match Line::parse(line) {
                Some(parsed) => self.record(number, line, parsed)?,
                None => {
                    self.find(
                        Kind::Malformed,
                        None,
                        "this is no record: the line was changed or inserted".to_owned(),
                    );
                    self.previous = Previous::Lost;
                }
            }
        }
        if self.line == 0 && !is_last {
            self.find(Kind::Removed, None, "the segment is empty".to_owned());
        }
        Ok(())
    }

    fn record(&mut self, number: u64, text: &[u8], line: Line<'_>) -> io::Result<()> {
        self.report.records += 1;
        let kind = line.gateway_kind();
        if self.line == 1 {
            self.header(number, text, &line);
        } else if kind == Some(b"segment") {
            let message = "this is the first line of a segment, in the middle of one".to_owned();
            self.find(Kind::OutOfPlace, Some(line.seq), message);
        }
        if !self.advance(&line) {
            return Ok(());
        }
        match kind {
            Some(b"checkpoint") => self.checkpoint(text, &line),
            Some(b"recording") => self.recording(text, line.seq)?,
            Some(b"recovered") => self.recovered(text, line.seq),
            _ => {}
        }
        Ok(())
    }

    /// Compares a record's number and link with what they must be; whether it is a part of the log at all.
    fn advance(&mut self, line: &Line<'_>) -> bool {
        let seq = line.seq;
        // A line that was no record may have been one: its number is forgiven.
        let forgiven = matches!(self.previous, Previous::Lost) && seq == self.expected.saturating_add(1);
        let expected = if forgiven { seq } else { self.expected };
        let linked = self.previous.admits(line);
        if seq < expected {
            let message = format!(
                "record {seq} stands where record {expected} belongs: it was duplicated, moved, or comes from elsewhere"
            );
            self.find(Kind::OutOfPlace, Some(seq), message);
            return false;
        }
        if seq > expected {
            let missing = if seq - expected == 1 {
                format!("record {expected} is missing before this one")
            } else {
                format!("records {expected} to {} are missing before this one", seq - 1)
            };
            self.find(Kind::Removed, Some(seq), missing);
        } else if !linked {
            let message =
                "the record was changed after it was written, or another one was put in its place".to_owned();
            self.find(Kind::Changed, Some(seq), message);
        }
        let whole = linked && seq == expected;
        self.before = self.previous;
        self.previous = match (whole, self.previous) {
            (true, _) | (false, Previous::Lost) => Previous::Known(line.chain),
            (false, Previous::Known(before) | Previous::Either(before, _)) => {
                Previous::Either(line.chain, line::link(&before, line.body))
            }
        };
        if self.report.first == 0 {
            self.report.first = seq;
        }
        self.report.last = seq;
        self.expected = seq.saturating_add(1);
        self.anchors.pass(seq, line.chain);
        true
    }

    /// The first line of a segment: whose it is, and what it goes on from.
    fn header(&mut self, number: u64, text: &[u8], line: &Line<'_>) {
        let is_header = line.gateway_kind() == Some(b"segment");
        let Some(header) = parse::<Segment<'_>>(text).filter(|_| is_header) else {
            let message = "a segment must begin with a line that says which one it is".to_owned();
            return self.find(Kind::SegmentForged, Some(line.seq), message);
        };
        if header.segment != number {
            let message = format!("the file holds segment {}: it was renamed or exchanged", header.segment);
            self.find(Kind::SegmentForged, Some(line.seq), message);
        }
        match &self.report.log {
            None => self.report.log = Some(header.log.clone().into_owned()),
            Some(log) if *log != header.log => {
                let message = format!("it belongs to log {}, the segments before to log {log}", header.log);
                self.find(Kind::SegmentForged, Some(line.seq), message);
            }
            Some(_) => {}
        }
        let named = header.key.parse().ok();
        if self.key.is_none() {
            self.key = named;
        } else if self.key != named {
            let message = format!("it names the key {}, which is not the log's: it was replaced", header.key);
            self.find(Kind::Replaced, Some(line.seq), message);
        }
        let begins = self.report.first == 0 && number != 1;
        if begins {
            // The oldest segment that is left: where it says that it goes on from can't be checked.
            (self.expected, self.previous) = (line.seq, Previous::Known(header.previous));
        } else if !self.previous.is(header.previous) {
            let message = "it does not go on from the end of the segment before".to_owned();
            self.find(Kind::SegmentForged, Some(line.seq), message);
        } else if number != 1 && self.report.signed != self.report.last {
            let message =
                "the segment before does not end with a good checkpoint, as every one does".to_owned();
            self.find(Kind::Rewritten, Some(line.seq), message);
        }
    }

    fn checkpoint(&mut self, text: &[u8], line: &Line<'_>) {
        let Some(record) = parse::<CheckpointRecord<'_>>(text) else {
            let message = "the checkpoint can't be read".to_owned();
            return self.find(Kind::CheckpointForged, Some(line.seq), message);
        };
        let log = self.report.log.clone().unwrap_or_default();
        let signed = self.key.map(|key| (key, Checkpoint::of_record(&log, key, &record)));
        if !signed.is_some_and(|(key, checkpoint)| checkpoint.is_signed_by(key)) {
            let message = "the checkpoint's signature is not one by the log's key".to_owned();
            return self.find(Kind::CheckpointForged, Some(line.seq), message);
        }
        if record.upto.checked_add(1) != Some(line.seq) || !self.before.is(record.hash) {
            let message = format!(
                "the checkpoint vouches for something else than the log says: after record {}, which the last good \
                 checkpoint covers, it was written anew",
                self.report.signed
            );
            return self.find(Kind::Rewritten, Some(line.seq), message);
        }
        self.report.checkpoints += 1;
        self.report.signed = line.seq;
    }

    fn recording(&mut self, text: &[u8], seq: u64) -> io::Result<()> {
        let Some(sealed) = parse::<RecordingSealed<'_>>(text) else {
            self.find(Kind::Recording, Some(seq), "the record of a recording can't be read".to_owned());
            return Ok(());
        };
        match self.recordings.check(&sealed)? {
            Some(Ok(bytes)) => {
                self.report.recordings += 1;
                self.report.recording_bytes += bytes;
            }
            Some(Err(message)) => self.find(Kind::Recording, Some(seq), message),
            None => {}
        }
        Ok(())
    }

    fn recovered(&mut self, text: &[u8], seq: u64) {
        let message = parse::<Recovered<'_>>(text).map_or_else(
            || "a torn end was moved aside".to_owned(),
            |it| {
                let what =
                    if it.lines == 0 { String::new() } else { format!(", with {} whole lines", it.lines) };
                let Recovered { bytes, file, moved_to, .. } = it;
                format!(
                    "after a crash, {bytes} bytes at the end of `{file}`{what} were moved to `{moved_to}`"
                )
            },
        );
        self.find(Kind::Recovered, Some(seq), message);
    }

    /// The last bytes of a segment have no end of line.
    fn without_end(&mut self, bytes: &[u8], is_last: bool) {
        let length = bytes.len();
        let (kind, message) = if length > MAX_LINE {
            (
                Kind::Malformed,
                "the line is longer than a record can be; the rest of the segment was not read".to_owned(),
            )
        } else if is_last && line::is_torn(bytes) {
            let why = if directory::is_held(self.directory) {
                "an instance is writing it"
            } else {
                "a kill leaves this, and nothing was done on its strength"
            };
            (Kind::Torn, format!("the last line is not whole ({length} bytes): {why}"))
        } else {
            (Kind::Changed, "the last line does not end as it was written".to_owned())
        };
        self.find(kind, None, message);
        self.previous = Previous::Lost;
    }

    fn missing_segments(&mut self, next: u64, number: u64, is_oldest: bool) {
        let which = if number - next == 1 {
            format!("segment {next} is not here")
        } else {
            format!("segments {next} to {} are not here", number - 1)
        };
        let kind = if is_oldest && self.pruned { Kind::Pruned } else { Kind::SegmentMissing };
        self.find(kind, None, format!("{which}: removed or archived"));
    }

    fn find(&mut self, kind: Kind, seq: Option<u64>, message: String) {
        let line = Some(self.line).filter(|line| *line > 0);
        self.report.find(Finding { kind, file: self.file.clone(), line, seq, message });
    }
}

fn parse<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Option<T> {
    serde_json::from_slice(text).ok()
}
