//! The key that checkpoints are signed with.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::hash::{self, NotHex};

/// The file of the private key, PKCS #8 in DER, in the state directory.
pub const KEY_FILE: &str = "audit-key.der";
/// The file of the public key, text, beside it.
pub const PUBLIC_KEY_FILE: &str = "audit-key.pub";

/// An Ed25519 key pair. It never leaves the state directory, and `Debug` shows the public half only.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// Reads the key of a state directory, or makes one at first start (mode 0600), along with a file of its
    /// public half to copy elsewhere.
    ///
    /// # Errors
    /// When the directory can't be read or written, the file is no key, or others than its owner may read it.
    pub fn load_or_create(state: &Path) -> Result<Self, KeyError> {
        let path = state.join(KEY_FILE);
        let at = |source| KeyError::Io { path: path.clone(), source };
        fs::create_dir_all(state).map_err(at)?;
        let key = match File::open(&path) {
            Ok(file) => {
                let mode = file.metadata().map_err(at)?.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(KeyError::Exposed { path, mode });
                }
                Self::from_pkcs8(&fs::read(&path).map_err(at)?, &path)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                    .map_err(|_| KeyError::NoRandomness)?;
                create(&path, document.as_ref(), 0o600).map_err(at)?;
                Self::from_pkcs8(document.as_ref(), &path)?
            }
            Err(error) => return Err(at(error)),
        };
        let public = state.join(PUBLIC_KEY_FILE);
        let text = format!("{}\n", key.public());
        if fs::read_to_string(&public).ok().as_deref() != Some(text.as_str()) {
            let _ = fs::remove_file(&public);
            create(&public, text.as_bytes(), 0o644)
                .map_err(|source| KeyError::Io { path: public, source })?;
        }
        Ok(key)
    }

    /// The half that checks signatures.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.pair.public_key().as_ref().try_into().unwrap_or_default())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        let signature = self.pair.sign(message);
        let mut bytes = [0; 64];
        bytes.copy_from_slice(signature.as_ref());
        Signature(bytes)
    }

    fn from_pkcs8(document: &[u8], path: &Path) -> Result<Self, KeyError> {
        let pair =
            Ed25519KeyPair::from_pkcs8(document).map_err(|_| KeyError::NotAKey { path: path.to_owned() })?;
        Ok(Self { pair })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

/// Checks the signatures of checkpoints. Written as `ed25519:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads a file such as `audit-key.pub`.
    ///
    /// # Errors
    /// When the file can't be read, or holds no key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text =
            fs::read_to_string(path).map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
        text.trim().parse().map_err(|_| KeyError::NotAKey { path: path.to_owned() })
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, &signature.0).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", crate::line::hex(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        let mut bytes = [0; 32];
        let digits = text.strip_prefix("ed25519:").unwrap_or(text);
        hash::decode(digits.as_bytes(), &mut bytes).ok_or(NotHex { digits: 64 })?;
        Ok(Self(bytes))
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signature(pub(crate) [u8; 64]);

impl Signature {
    pub(crate) fn to_hex(self) -> String {
        crate::line::hex(&self.0)
    }

    pub(crate) fn from_hex(digits: &str) -> Option<Self> {
        let mut bytes = [0; 64];
        hash::decode(digits.as_bytes(), &mut bytes)?;
        Some(Self(bytes))
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file or its directory can't be read or written.
    #[error("audit key `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner may read the private key.
    #[error(
        "audit key `{}` can be read by others than its owner (mode {mode:o}): run `chmod 600` on it; \
         if others had access, move the evidence directory and the key aside, so that a new log with a new key begins",
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds something else.
    #[error("`{}` holds no Ed25519 key: restore it from a copy", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a key")]
    NoRandomness,
}

/// Writes a new file whole or not at all, on disk before it has its name.
fn create(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let partial = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&partial)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()?;
    // A link, unlike a rename, never replaces a key that another start has made meanwhile.
    let linked = fs::hard_link(&partial, path);
    fs::remove_file(&partial)?;
    linked?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}
