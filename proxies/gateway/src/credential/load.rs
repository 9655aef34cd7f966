//! Loads a credential from where the configuration says it is.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::sealed::{SealedError, SecretsFile};
use super::secret::Secret;
use crate::config::{CredentialSource, Secrets};

/// The longest credential, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Loads a credential. Called for every connection to a target, so a rotated one is used from then on.
///
/// # Errors
/// Where it isn't there, is empty, or could have been read or changed by others.
pub fn load(source: &CredentialSource, secrets: &Secrets) -> Result<Secret, CredentialError> {
    match source {
        CredentialSource::Env(name) => match std::env::var_os(name) {
            Some(value) if !value.is_empty() => {
                Ok(Secret::new(std::os::unix::ffi::OsStringExt::into_vec(value)))
            }
            _ => Err(CredentialError::NoVariable(name.clone())),
        },
        CredentialSource::File(path) => {
            let mut value = read_private(path)?;
            if value.ends_with(b"\n") {
                value.pop();
            }
            if value.is_empty() { Err(CredentialError::Empty(path.clone())) } else { Ok(Secret::new(value)) }
        }
        CredentialSource::Secret(name) => Ok(SecretsFile::open(secrets)?.get(name)?),
    }
}

/// Reads a file that nobody but its owner can read, and that this user or root owns; at most 64 KiB.
///
/// # Errors
/// Where it isn't there, is too long, or could have been read or changed by others.
pub fn read_private(path: &Path) -> Result<Vec<u8>, CredentialError> {
    let unreadable = |error| CredentialError::Unreadable(path.to_owned(), error);
    let file = File::open(path).map_err(unreadable)?;
    // Of the open file, so that what is checked is what is read.
    let metadata = file.metadata().map_err(unreadable)?;
    check_private(path, &metadata)?;
    let mut value = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut value).map_err(unreadable)?;
    if value.len() as u64 > LONGEST { Err(CredentialError::TooLong(path.to_owned())) } else { Ok(value) }
}

fn check_private(path: &Path, metadata: &Metadata) -> Result<(), CredentialError> {
    let uid = rustix::process::geteuid().as_raw();
    if !metadata.is_file() {
        return Err(CredentialError::NotAFile(path.to_owned()));
    }
    if metadata.uid() != uid && metadata.uid() != 0 {
        return Err(CredentialError::Owner(path.to_owned(), metadata.uid()));
    }
    // A group of root's file may be the way it is handed to a service; nobody else's.
    let exposed = if metadata.uid() == 0 && uid != 0 { 0o037 } else { 0o077 };
    if metadata.mode() & exposed != 0 {
        return Err(CredentialError::Exposed(path.to_owned(), metadata.mode() & 0o777));
    }
    Ok(())
}

/// Why there is no credential. Never quotes one.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The variable is absent or empty.
    #[error(
        "the environment variable `{0}` with the target's credential is not set: set it where the gateway starts"
    )]
    NoVariable(String),
    /// The file can't be read.
    #[error("can't read the credential `{}`: {_1}", _0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// The path is a directory, a device, a pipe.
    #[error("the credential `{}` is not a regular file", _0.display())]
    NotAFile(PathBuf),
    /// Somebody else owns the file.
    #[error("the credential `{}` belongs to user id {_1}: make it the gateway's own or root's", _0.display())]
    Owner(PathBuf, u32),
    /// Others may read the file.
    #[error("the credential `{}` has mode {_1:o}, so others can read it: run `chmod 600` on it", _0.display())]
    Exposed(PathBuf, u32),
    /// The file is empty.
    #[error("the credential `{}` is empty", _0.display())]
    Empty(PathBuf),
    /// The file is longer than a credential can be.
    #[error("the credential `{}` is longer than 65,536 bytes: is it the right file?", _0.display())]
    TooLong(PathBuf),
    /// The secrets file failed.
    #[error(transparent)]
    Sealed(#[from] SealedError),
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::SecretsKey;

    fn nowhere() -> Secrets {
        Secrets { file: "/nonexistent".into(), key: SecretsKey::Env("NONE".into()) }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("password");
        fs::write(&path, "hunter2\n").expect("written");
        let source = CredentialSource::File(path.clone());
        for (mode, taken) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("changed");
            let loaded = load(&source, &nowhere());
            assert_eq!(loaded.is_ok(), taken, "{mode:o}");
            match loaded {
                Ok(secret) => assert_eq!(secret.expose(), b"hunter2"),
                Err(error) => assert!(error.to_string().contains("chmod 600"), "{error}"),
            }
        }
    }

    #[test]
    fn what_is_not_there_says_so() {
        let absent = CredentialSource::Env("PORTCULLIS_TEST_NO_SUCH_VARIABLE".into());
        assert!(matches!(load(&absent, &nowhere()), Err(CredentialError::NoVariable(_))));
        let absent = CredentialSource::File("/nonexistent/password".into());
        assert!(matches!(load(&absent, &nowhere()), Err(CredentialError::Unreadable(..))));
        let device = CredentialSource::File("/dev/null".into());
        assert!(matches!(load(&device, &nowhere()), Err(CredentialError::NotAFile(_))));
    }
}
