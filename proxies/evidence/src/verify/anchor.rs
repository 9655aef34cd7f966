//! What the log is compared with: checkpoints outside it, and the key.

use std::io;
use std::path::Path;

use super::finding::{Finding, Kind};
use super::{Report, VerifyOptions};
use crate::checkpoint::{CHECKPOINT_FILE, Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::key::PublicKey;
use crate::log::Seq;

/// The checkpoints outside the log, and the key that must have signed it.
pub(super) struct Anchors {
    /// The key kept elsewhere, if any.
    pub(super) given_key: Option<PublicKey>,
    anchors: Vec<Anchor>,
    /// The directory's own checkpoint file can't be used.
    own_problem: Option<String>,
    own_missing: bool,
    disagree: bool,
}

struct Anchor {
    checkpoint: Checkpoint,
    /// The name to call it by.
    name: &'static str,
    /// Whether the log has the record, and the link there.
    seen: Option<Hash>,
}

impl Anchors {
    pub(super) fn read(directory: &Path, options: &VerifyOptions) -> io::Result<Self> {
        let mut anchors = Vec::new();
        let from_checkpoint = options.checkpoint.as_ref().and_then(Checkpoint::named_key);
        let disagree = options.public_key.zip(from_checkpoint).is_some_and(|(given, named)| given != named);
        if let Some(checkpoint) = options.checkpoint.clone() {
            anchors.push(Anchor { checkpoint, name: "the checkpoint kept elsewhere", seen: None });
        }
        let (mut own_problem, mut own_missing) = (None, false);
        match Checkpoint::read(&directory.join(CHECKPOINT_FILE)) {
            Ok(checkpoint) => anchors.push(Anchor { checkpoint, name: CHECKPOINT_FILE, seen: None }),
            Err(CheckpointError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                own_missing = true
            }
            Err(CheckpointError::Io { source, .. }) => return Err(source),
            Err(error) => own_problem = Some(error.to_string()),
        }
        let given_key = options.public_key.or(from_checkpoint);
        Ok(Self { given_key, anchors, own_problem, own_missing, disagree })
    }

    pub(super) fn has_given_checkpoint(&self) -> bool {
        self.anchors.iter().any(|anchor| anchor.name != CHECKPOINT_FILE)
    }

    /// Notes the link of a record that a checkpoint vouches for.
    pub(super) fn pass(&mut self, seq: Seq, chain: Hash) {
        for anchor in &mut self.anchors {
            if anchor.checkpoint.upto == seq {
                anchor.seen = Some(chain);
            }
        }
    }

    /// Compares the checkpoints with what was read of the log.
    pub(super) fn compare(self, report: &mut Report) {
        let find = |report: &mut Report, kind, name: &str, message| {
            let file = name.to_owned();
            report.find(Finding { kind, file, line: None, seq: None, message });
        };
        if self.disagree {
            let message = "it was signed with another key than the public key given".to_owned();
            find(report, Kind::Replaced, "the checkpoint kept elsewhere", message);
        }
        if let Some(problem) = self.own_problem {
            find(report, Kind::CheckpointFile, CHECKPOINT_FILE, problem);
        }
        if self.own_missing && report.last > 0 {
            let message = "it is missing, though every log publishes one when it is opened".to_owned();
            find(report, Kind::CheckpointFile, CHECKPOINT_FILE, message);
        }
        for Anchor { checkpoint, name, seen } in self.anchors {
            let (upto, signed) = (checkpoint.upto, checkpoint.signed);
            let (first, last) = (report.first, report.last);
            if !report.key.is_some_and(|key| checkpoint.is_signed_by(key)) {
                let message = "its signature is not one by the log's key".to_owned();
                find(report, Kind::CheckpointForged, name, message);
            }
            let (kind, message) = if report.log.as_ref() != Some(&checkpoint.log) {
                let message = format!(
                    "it belongs to log {}: the log was replaced, or this is another one",
                    checkpoint.log
                );
                (Kind::Replaced, message)
            } else if let Some(chain) = seen {
                if chain == checkpoint.hash {
                    continue;
                }
                let message =
                    format!("what the log says up to record {upto} is not what it said at {signed}");
                (Kind::Rewritten, message)
            } else if upto > last {
                let message =
                    format!("it vouches for record {upto} at {signed}, but the log ends at record {last}");
                (Kind::Truncated, message)
            } else if upto < first {
                (Kind::Pruned, format!("it vouches for record {upto}, but the oldest record here is {first}"))
            } else {
                (Kind::Removed, format!("it vouches for record {upto}, which is not in the log"))
            };
            find(report, kind, name, message);
        }
    }
}
