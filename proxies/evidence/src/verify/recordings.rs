//! Recordings against the digests in the log.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::VerifyOptions;
use super::finding::Kind;
use crate::directory::RECORDINGS;
use crate::record::RecordingSealed;
use crate::recording::{CLOSED, is_session_id, sum};

/// The closed recordings of a directory, less those that the log has told of so far.
pub(super) struct Recordings {
    directory: PathBuf,
    untold: BTreeSet<String>,
    pruned: bool,
    skip: bool,
}

impl Recordings {
    pub(super) fn list(directory: &Path, options: &VerifyOptions) -> io::Result<Self> {
        let directory = directory.join(RECORDINGS);
        let mut untold = BTreeSet::new();
        if !options.skip_recordings && directory.exists() {
            for entry in fs::read_dir(&directory)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if name.ends_with(CLOSED) {
                    untold.insert(name);
                }
            }
        }
        Ok(Self { directory, untold, pruned: options.pruned, skip: options.skip_recordings })
    }

    /// Compares a recording with what its record says: its size, or what is wrong.
    pub(super) fn check(&mut self, sealed: &RecordingSealed<'_>) -> io::Result<Option<Result<u64, String>>> {
        let name = sealed.file.as_ref();
        if self.skip {
            return Ok(None);
        }
        if !name.strip_suffix(CLOSED).is_some_and(is_session_id) {
            return Ok(Some(Err("the record names a file that no recorder makes".to_owned())));
        }
        self.untold.remove(name);
        let path = self.directory.join(name);
        // Killed between the record and the renaming, the file still has the name of an open recording.
        let open = self.directory.join(format!("{name}.part"));
        let found = [path, open].into_iter().find(|path| path.symlink_metadata().is_ok());
        let Some(path) = found else {
            let missing = format!("the recording `{name}` is missing");
            return Ok(if self.pruned { None } else { Some(Err(missing)) });
        };
        let (sha256, bytes) = sum(&path)?;
        Ok(Some(if (sha256, bytes) == (sealed.sha256, sealed.bytes) {
            Ok(bytes)
        } else {
            Err(format!(
                "the recording `{name}` has {bytes} bytes with SHA-256 {sha256}; it was closed with {} bytes and {}",
                sealed.bytes, sealed.sha256
            ))
        }))
    }

    /// Those that no record tells of. Where segments were archived, their records may be there.
    pub(super) fn untold(self) -> impl Iterator<Item = (Kind, String, String)> {
        let pruned = self.pruned;
        self.untold.into_iter().filter(move |_| !pruned).map(|name| {
            let message = "the log tells of no such recording: it was put there, or its record was removed";
            (Kind::RecordingUnknown, format!("{RECORDINGS}/{name}"), message.to_owned())
        })
    }
}
