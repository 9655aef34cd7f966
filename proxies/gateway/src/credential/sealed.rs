//! The secrets file: names in the clear, values sealed with ChaCha20-Poly1305 (RFC 8439), each bound to its name.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::load::{CredentialError, read_private};
use super::secret::Secret;
use crate::config::{Secrets, SecretsKey};

/// An opened secrets file. Values are unsealed one at a time, when they are asked for.
pub struct SecretsFile {
    path: PathBuf,
    key: LessSafeKey,
    content: Content,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u32,
    /// Nonce and sealed value, in base64, by name.
    secrets: BTreeMap<String, String>,
}

const VERSION: u32 = 1;

impl SecretsFile {
    /// Opens the file; one that doesn't exist has no secrets.
    ///
    /// # Errors
    /// Where the key isn't there or not private, or the file can't be read.
    pub fn open(secrets: &Secrets) -> Result<Self, SealedError> {
        let key = match &secrets.key {
            SecretsKey::File(path) => {
                Zeroizing::new(read_private(path).map_err(|error| SealedError::Key(error.into()))?)
            }
            SecretsKey::Env(name) => {
                let value = std::env::var(name).map_err(|_| SealedError::NoKeyVariable(name.clone()))?;
                Zeroizing::new(value.into_bytes())
            }
        };
        let key = Zeroizing::new(BASE64.decode(key.trim_ascii()).map_err(|_| SealedError::BadKey)?);
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).map_err(|_| SealedError::BadKey)?;
        let content = read(&secrets.file)?;
        Ok(Self { path: secrets.file.clone(), key: LessSafeKey::new(key), content })
    }

    /// Makes the key if the configuration names a key file that doesn't exist yet.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn ensure_key(secrets: &Secrets) -> Result<(), SealedError> {
        let SecretsKey::File(path) = &secrets.key else { return Ok(()) };
        let mut key = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(&mut *key).map_err(|_| SealedError::NoRandomness)?;
        let failed = |error| SealedError::Io(path.clone(), error);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => {
                writeln!(file, "{}", *Zeroizing::new(BASE64.encode(*key))).map_err(failed)?;
                file.sync_all().map_err(failed)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.content.secrets.keys().map(String::as_str)
    }

    /// Unseals one value.
    ///
    /// # Errors
    /// Where there is none of this name, or it was sealed with another key, for another name, or was changed since.
    pub fn get(&self, name: &str) -> Result<Secret, SealedError> {
        let sealed = self.content.secrets.get(name).ok_or_else(|| SealedError::NoSecret(name.to_owned()))?;
        let damaged = || SealedError::Damaged(name.to_owned());
        let sealed = BASE64.decode(sealed).map_err(|_| damaged())?;
        let (nonce, value) = sealed.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut value = Zeroizing::new(value.to_vec());
        let open = self.key.open_in_place(nonce, Aad::from(name), &mut value).map_err(|_| damaged())?;
        Ok(Secret::new(open.to_vec()))
    }

    /// Seals a value, and replaces the file as a whole: a crash leaves the old or the new one.
    ///
    /// # Errors
    /// Where the file can't be written. Then it is as before.
    pub fn set(&mut self, name: &str, value: &Secret) -> Result<(), SealedError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealedError::NoRandomness)?;
        let mut sealed = Zeroizing::new(value.expose().to_vec());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name), &mut *sealed)
            .map_err(|_| SealedError::NoRandomness)?;
        let sealed = BASE64.encode([nonce.as_slice(), &sealed].concat());
        self.replace(|secrets| {
            secrets.insert(name.to_owned(), sealed);
        })
    }

    /// Removes a value. `false` if there was none.
    ///
    /// # Errors
    /// As [`SecretsFile::set`].
    pub fn remove(&mut self, name: &str) -> Result<bool, SealedError> {
        let mut was_there = false;
        self.replace(|secrets| was_there = secrets.remove(name).is_some())?;
        Ok(was_there)
    }

    /// Changes the file as it is now, under a lock, so that of two changes at a time none is lost.
    fn replace(&mut self, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<(), SealedError> {
        let failed = |error: io::Error| SealedError::Io(self.path.clone(), error);
        let lock = private(&self.path.with_extension("lock")).map_err(failed)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        let mut content = read(&self.path)?;
        change(&mut content.secrets);
        content.version = VERSION;
        let text = serde_json::to_string_pretty(&content).map_err(|error| failed(error.into()))?;
        let temporary = self.path.with_extension("new");
        let mut file = private(&temporary).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&temporary, &self.path).map_err(failed)?;
        let directory =
            self.path.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        self.content = content;
        Ok(())
    }
}

fn private(path: &Path) -> Result<File, io::Error> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn read(path: &Path) -> Result<Content, SealedError> {
    match std::fs::read(path) {
        Ok(bytes) => {
            let content: Content = serde_json::from_slice(&bytes)
                .map_err(|error| SealedError::Unreadable(path.to_owned(), error))?;
            if content.version > VERSION { Err(SealedError::TooNew(path.to_owned())) } else { Ok(content) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Content::default()),
        Err(error) => Err(SealedError::Io(path.to_owned(), error)),
    }
}

impl std::fmt::Debug for SecretsFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretsFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Why a secret can't be had or kept. Never quotes one.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// The key file can't be used.
    #[error("the key of the secrets file: {0}")]
    Key(#[source] Box<CredentialError>),
    /// The variable with the key is absent.
    #[error("the environment variable `{0}` with the key of the secrets file is not set")]
    NoKeyVariable(String),
    /// The key is not 32 bytes in base64.
    #[error("the key of the secrets file is not 32 bytes in base64")]
    BadKey,
    /// There is none of this name.
    #[error("there is no secret `{0}`: `portcullis secret set {0}` stores one")]
    NoSecret(String),
    /// It doesn't open with this key and name.
    #[error(
        "the secret `{0}` can't be opened: the key is another one, or the file was changed; store it again"
    )]
    Damaged(String),
    /// The file is not a secrets file.
    #[error("`{}` is not a secrets file: {_1}", _0.display())]
    Unreadable(PathBuf, #[source] serde_json::Error),
    /// The file was written by a newer version.
    #[error("`{}` was written by a newer version of portcullis", _0.display())]
    TooNew(PathBuf),
    /// The file can't be read or written.
    #[error("`{}`: {_1}", _0.display())]
    Io(PathBuf, #[source] io::Error),
    /// The system's random generator failed.
    #[error("the system has no randomness for a nonce")]
    NoRandomness,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn secrets(directory: &tempfile::TempDir) -> Secrets {
        let secrets = Secrets {
            file: directory.path().join("secrets.sealed"),
            key: SecretsKey::File(directory.path().join("secrets.key")),
        };
        SecretsFile::ensure_key(&secrets).expect("a key");
        secrets
    }

    #[test]
    fn values_read_back_and_are_not_in_the_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let secrets = secrets(&directory);
        let mut file = SecretsFile::open(&secrets).expect("opened");
        file.set("shop", &Secret::new(b"hunter2".to_vec())).expect("stored");
        let mut again = SecretsFile::open(&secrets).expect("opened");
        again.set("other", &Secret::new(b"other".to_vec())).expect("stored");
        file.set("third", &Secret::new(b"third".to_vec())).expect("stored");
        let file = SecretsFile::open(&secrets).expect("opened");
        assert_eq!(file.names().collect::<Vec<_>>(), ["other", "shop", "third"], "a change of two was lost");
        assert_eq!(file.get("shop").expect("there").expose(), b"hunter2");
        let text = std::fs::read_to_string(&secrets.file).expect("read");
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg"), "{text}");
        let mode = std::fs::metadata(&secrets.file).expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0);
        assert!(matches!(file.get("none"), Err(SealedError::NoSecret(_))));
    }

    #[test]
    fn a_value_moved_to_another_name_does_not_open() {
        let directory = tempfile::tempdir().expect("a directory");
        let secrets = secrets(&directory);
        let mut file = SecretsFile::open(&secrets).expect("opened");
        file.set("staging", &Secret::new(b"hunter2".to_vec())).expect("stored");
        let text = std::fs::read_to_string(&secrets.file).expect("read").replace("staging", "production");
        std::fs::write(&secrets.file, text).expect("written");
        let file = SecretsFile::open(&secrets).expect("opened");
        assert!(matches!(file.get("production"), Err(SealedError::Damaged(_))));
    }

    #[test]
    fn another_key_opens_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let secrets = secrets(&directory);
        let mut file = SecretsFile::open(&secrets).expect("opened");
        file.set("shop", &Secret::new(b"hunter2".to_vec())).expect("stored");
        std::fs::remove_file(directory.path().join("secrets.key")).expect("removed");
        SecretsFile::ensure_key(&secrets).expect("another key");
        let file = SecretsFile::open(&secrets).expect("opened");
        assert!(matches!(file.get("shop"), Err(SealedError::Damaged(_))));
    }
}
