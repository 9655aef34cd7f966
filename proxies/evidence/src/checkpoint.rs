//! Signed checkpoints: what makes a rewritten log visible.
//!
//! The chain alone finds whoever changes a part of the log and leaves the rest. It doesn't find whoever changes a
//! record and computes all links after it anew, for that takes no secret. A checkpoint is a signature over a link:
//! without the key, nothing before it can change. A copy of one on another machine also shows what was cut off
//! after it, and that the whole log was replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::key::{PublicKey, Signature, SigningKey};
use crate::record::CheckpointRecord;
use crate::time::Timestamp;

/// The newest checkpoint of a log, in its evidence directory. Copy it off the host.
pub const CHECKPOINT_FILE: &str = "checkpoint.json";

/// A signature over a log's identity, a sequence number, the chain value there, and the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The log's identity.
    pub log: String,
    /// The record it vouches for, and with it all before.
    pub upto: u64,
    /// That record's chain value.
    pub hash: Hash,
    /// When it was signed.
    pub signed: Timestamp,
    /// Who signed it. Proves nothing by itself: compare it with a copy of `audit-key.pub` kept elsewhere.
    pub key: String,
    /// The signature in hexadecimal.
    pub signature: String,
}

impl Checkpoint {
    pub(crate) fn sign(key: &SigningKey, log: &str, upto: u64, hash: Hash) -> Self {
        let mut checkpoint = Self {
            log: log.to_owned(),
            upto,
            hash,
            signed: Timestamp::now(),
            key: key.public().to_string(),
            signature: String::new(),
        };
        checkpoint.signature = key.sign(&checkpoint.message()).to_hex();
        checkpoint
    }

    /// The checkpoint that a record of a log stands for.
    pub(crate) fn of_record(log: &str, key: PublicKey, record: &CheckpointRecord<'_>) -> Self {
        Self {
            log: log.to_owned(),
            upto: record.upto,
            hash: record.hash,
            signed: record.signed,
            key: key.to_string(),
            signature: record.signature.to_string(),
        }
    }

    pub(crate) fn to_record(&self) -> CheckpointRecord<'_> {
        let Self { upto, hash, signed, signature, .. } = self;
        CheckpointRecord { upto: *upto, hash: *hash, signed: *signed, signature: signature.as_str().into() }
    }

    /// Reads a checkpoint file, without checking its signature.
    ///
    /// # Errors
    /// When the file can't be read or holds no checkpoint.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = fs::read(path).map_err(|source| CheckpointError::Io { path: path.to_owned(), source })?;
        serde_json::from_slice(&bytes)
            .map_err(|source| CheckpointError::Malformed { path: path.to_owned(), source })
    }

    /// The key that the checkpoint names.
    pub fn named_key(&self) -> Option<PublicKey> {
        self.key.parse().ok()
    }

    /// Whether `key` signed exactly this.
    pub fn is_signed_by(&self, key: PublicKey) -> bool {
        self.named_key() == Some(key)
            && Signature::from_hex(&self.signature)
                .is_some_and(|signature| key.verifies(&self.message(), &signature))
    }

    /// Puts the checkpoint into an evidence directory: the old one or the new one is there at any time, and the
    /// new one is on disk before this returns. Call it only after the log is on disk up to the checkpoint.
    pub(crate) fn publish(&self, directory: &Path) -> io::Result<()> {
        let partial = directory.join("checkpoint.json.new");
        let mut content = serde_json::to_vec_pretty(self)?;
        content.push(b'\n');
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&partial)?;
        file.write_all(&content)?;
        file.sync_all()?;
        fs::rename(&partial, directory.join(CHECKPOINT_FILE))?;
        File::open(directory)?.sync_all()
    }

    /// What is signed. The log's identity has a fixed width and no other field can hold a line break.
    fn message(&self) -> Vec<u8> {
        let Self { log, upto, hash, signed, .. } = self;
        format!("portcullis audit checkpoint 1\n{log}\n{upto}\n{hash}\n{signed}\n").into_bytes()
    }
}

/// Why a file is no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file can't be read.
    #[error("checkpoint `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("`{}` is no checkpoint: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: serde_json::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_checkpoint_is_not_signed() {
        let state = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(state.path()).unwrap();
        let good = Checkpoint::sign(&key, "00112233445566778899aabbccddeeff", 7, Hash([1; 32]));
        assert!(good.is_signed_by(key.public()));
        let changes: [fn(&mut Checkpoint); 5] = [
            |c| c.upto += 1,
            |c| c.hash = Hash::ZERO,
            |c| c.log.replace_range(0..1, "1"),
            |c| c.signed = Timestamp::from_micros(0),
            |c| c.signature = c.signature.to_uppercase(),
        ];
        for change in changes {
            let mut bad = good.clone();
            change(&mut bad);
            assert!(!bad.is_signed_by(key.public()), "{bad:?}");
        }
    }

    #[test]
    fn the_key_is_kept_and_must_be_private() {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(state.path()).unwrap().public();
        assert_eq!(SigningKey::load_or_create(state.path()).unwrap().public(), key);
        assert_eq!(PublicKey::read(&state.path().join(crate::PUBLIC_KEY_FILE)).unwrap(), key);
        let path = state.path().join(crate::KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = SigningKey::load_or_create(state.path()).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
}
