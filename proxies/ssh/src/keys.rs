//! Keys: the gateway's own, made at first start, and those that people and targets show.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use portcullis_gateway::config::Config;
use portcullis_gateway::credential::{CredentialError, read_private};
use ring::rand::{SecureRandom, SystemRandom};
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::ssh_key::{Algorithm, HashAlg, LineEnding};
use russh::keys::{PrivateKey, PublicKey};

/// Why a key can't be used. Never quotes a private one.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file can't be read, or others could.
    #[error(transparent)]
    File(#[from] CredentialError),
    /// It is no private key, or it has a passphrase.
    #[error("`{}` is no private key in OpenSSH's format without a passphrase", .0.display())]
    NotPrivate(PathBuf),
    /// It can't be made.
    #[error("the key `{}` can't be made: {_1}", _0.display())]
    Unmade(PathBuf, #[source] io::Error),
    /// A text is no public key.
    #[error("`{0}` is no public key as OpenSSH writes them, such as `ssh-ed25519 AAAA…`")]
    NotPublic(String),
    /// A file of public keys can't be read.
    #[error("can't read the public keys in `{}`: {_1}", _0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// The file of known hosts does not name the target.
    #[error("`{}` does not name `{_1}`: add the target's host key to it", _0.display())]
    NotKnown(PathBuf, String),
    /// The gateway's host key is of a kind that clients should not accept.
    #[error("the host key `{}` is {_1}: use Ed25519, ECDSA, or RSA of 3,072 bits or more", _0.display())]
    Weak(PathBuf, String),
}

/// The gateway's host key: the operator's, or one made at first start and kept in the state directory.
pub(crate) fn host_key(config: &Config) -> Result<PrivateKey, KeyError> {
    match &config.ssh.host_key {
        Some(path) => {
            let key = read(path)?;
            if matches!(key.algorithm(), Algorithm::Dsa)
                || rsa_bits(key.public_key()).is_some_and(|bits| bits < 3072)
            {
                return Err(KeyError::Weak(path.clone(), key.algorithm().to_string()));
            }
            Ok(key)
        }
        None => own(&config.state.join("ssh_host_key")),
    }
}

/// A key of the gateway's own, made where there is none yet: its private part beside its public one (`.pub`).
pub(crate) fn own(path: &Path) -> Result<PrivateKey, KeyError> {
    if !path.exists() {
        make(path).map_err(|error| KeyError::Unmade(path.to_owned(), error))?;
    }
    read(path)
}

fn read(path: &Path) -> Result<PrivateKey, KeyError> {
    private(&read_private(path)?).ok_or_else(|| KeyError::NotPrivate(path.to_owned()))
}

/// A private key from its text; `None` where it is none, or has a passphrase.
pub(crate) fn private(text: &[u8]) -> Option<PrivateKey> {
    let text = std::str::from_utf8(text).ok()?;
    russh::keys::decode_secret_key(text, None).ok().filter(|key| !key.is_encrypted())
}

fn make(path: &Path) -> io::Result<()> {
    let key = generate()?;
    let private = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
    let public = key.public_key().to_openssh().map_err(io::Error::other)?;
    // The public part first: where there is a private key, its other half is there too.
    fs::write(path.with_extension("pub"), format!("{public}\n"))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(private.as_bytes())?;
    file.sync_all()
}

/// A new Ed25519 key.
pub(crate) fn generate() -> io::Result<PrivateKey> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).map_err(|_| io::Error::other("the system has no randomness"))?;
    Ok(PrivateKey::from(Ed25519Keypair::from_seed(&seed)))
}

/// A public key from OpenSSH's text form; a comment may follow, and is left out.
///
/// # Errors
/// Where it is none.
pub fn public(text: &str) -> Result<PublicKey, KeyError> {
    let words: Vec<_> = text.split_ascii_whitespace().take(2).collect();
    PublicKey::from_openssh(&words.join(" ")).map_err(|_| KeyError::NotPublic(text.trim().to_owned()))
}

/// The public keys of a file, one a line; blank lines and those that begin with `#` are passed over.
pub(crate) fn public_file(path: &Path) -> Result<Vec<PublicKey>, KeyError> {
    let text = fs::read_to_string(path).map_err(|error| KeyError::Unreadable(path.to_owned(), error))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(public).collect()
}

/// What people compare: `SHA256:…`.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// The same key, whatever is said beside it.
pub(crate) fn is_same(one: &PublicKey, other: &PublicKey) -> bool {
    one.key_data() == other.key_data()
}

fn rsa_bits(key: &PublicKey) -> Option<usize> {
    key.key_data().rsa().map(|rsa| rsa.n().as_positive_bytes().map_or(0, |bytes| bytes.len() * 8))
}

/// Whether a signature by this algorithm proves nothing any more: SHA-1 and DSA.
pub(crate) fn is_broken(algorithm: &Algorithm) -> bool {
    matches!(algorithm, Algorithm::Dsa | Algorithm::Rsa { hash: None })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_from_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ssh_host_key");
        let first = own(&path).unwrap();
        let again = own(&path).unwrap();
        assert_eq!(fingerprint(first.public_key()), fingerprint(again.public_key()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let public_part = public_file(&path.with_extension("pub")).unwrap();
        assert!(is_same(&public_part[0], first.public_key()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(own(&path).is_err(), "others could have read it");
    }

    #[test]
    fn what_is_no_key_is_told() {
        for text in ["", "ssh-ed25519", "ssh-ed25519 AAAA", "not a key at all"] {
            assert!(matches!(public(text), Err(KeyError::NotPublic(_))), "{text}");
        }
        assert!(private(b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n").is_none());
    }
}
