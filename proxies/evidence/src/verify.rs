//! Checking that nobody changed the evidence.
//!
//! # What is found
//!
//! By the log alone: a changed, removed, duplicated, moved or inserted line, a missing or exchanged segment, a forged checkpoint,
//! a recording that is not what the log says. Whoever computes all links anew after such a change is found by the
//! first checkpoint after it, for want of the signing key.
//!
//! # What is not found without something kept elsewhere
//!
//! - *The newest lines.* What no checkpoint covers yet can be cut off or rewritten. [`Report::unsigned`] says how many records that
//!   is: usually those of the last seconds.
//! - *Cutting back.* A log cut off right after an older checkpoint, with `checkpoint.json` put back to that one, reads as a log that
//!   ended then. A newer checkpoint kept elsewhere ([`VerifyOptions::checkpoint`]) finds it.
//! - *Replacement.* A whole log, written anew with another key, reads as that other log. A checkpoint or the public
//!   key kept elsewhere ([`VerifyOptions::public_key`]) finds it.
//! - *The key's holder.* Whoever reads the signing key can write any log. Only a checkpoint kept elsewhere finds that, for what
//!   came before it.
//! - *What was never written.* The log proves nothing about traffic that didn't pass the gateway.
//!
//! Memory is constant: a line at a time, at most 16 MiB, and the names of the recordings.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::checkpoint::Checkpoint;
use crate::key::PublicKey;
use crate::log::Seq;

mod anchor;
mod finding;
mod recordings;
mod segment;

pub use finding::{Finding, Kind};

/// What to compare the evidence with.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// A checkpoint kept elsewhere. Also gives the public key, if none is given.
    pub checkpoint: Option<Checkpoint>,
    /// The public key kept elsewhere.
    pub public_key: Option<PublicKey>,
    /// Whether the oldest segments and recordings may be missing, because they were archived.
    pub pruned: bool,
    /// Whether to leave the recordings unread.
    pub skip_recordings: bool,
}

/// Reads all evidence of a directory, which an instance may be writing at the same time.
///
/// # Errors
/// When a file can't be read. What is wrong with what was read is in the report.
pub fn verify(directory: &Path, options: &VerifyOptions) -> io::Result<Report> {
    let started = Instant::now();
    // Read before the log, which only grows: so the log must contain what this vouches for.
    let anchors = anchor::Anchors::read(directory, options)?;
    let recordings = recordings::Recordings::list(directory, options)?;
    let mut check = segment::Check::new(directory, options.pruned, anchors, recordings);
    check.log()?;
    let mut report = check.finish();
    report.elapsed = started.elapsed();
    Ok(report)
}

/// What was read, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The log's identity.
    pub log: Option<String>,
    /// The key that its checkpoints were checked with.
    pub key: Option<PublicKey>,
    /// Whether that key came from elsewhere. If not, it is the one that the log names itself.
    pub key_is_given: bool,
    /// Whether a checkpoint kept elsewhere was compared.
    pub checkpoint_is_given: bool,
    /// How many segments there are.
    pub segments: u64,
    /// How many lines have the form of a record.
    pub records: u64,
    /// The number of the first record.
    pub first: Seq,
    /// The number of the last record.
    pub last: Seq,
    /// How many good checkpoints there are.
    pub checkpoints: u64,
    /// The number of the last record that a good checkpoint covers, or is.
    pub signed: Seq,
    /// How many recordings were read and found as the log says.
    pub recordings: u64,
    /// Bytes read of the log.
    pub bytes: u64,
    /// Bytes read of recordings.
    pub recording_bytes: u64,
    /// What was found, in the order of the files; at most [`Report::MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// How many findings are not listed.
    pub more: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Report {
    /// How many findings a report lists.
    pub const MAX_FINDINGS: usize = 1000;

    /// Whether nothing is wrong. Notices, such as a torn end after a kill, are not wrong.
    pub fn is_intact(&self) -> bool {
        self.more == 0 && self.findings.iter().all(|finding| !finding.kind.is_problem())
    }

    /// How many of the last records no checkpoint covers.
    pub const fn unsigned(&self) -> u64 {
        self.last.saturating_sub(self.signed)
    }

    /// Megabytes (10⁶ bytes) a second, of log and recordings together.
    pub fn megabytes_per_second(&self) -> f64 {
        (self.bytes + self.recording_bytes) as f64 / 1e6 / self.elapsed.as_secs_f64().max(1e-9)
    }

    pub(crate) fn find(&mut self, finding: Finding) {
        if self.findings.len() < Self::MAX_FINDINGS { self.findings.push(finding) } else { self.more += 1 }
    }
}
