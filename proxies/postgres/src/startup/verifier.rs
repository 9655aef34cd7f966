//! What is kept of a password: enough to check it, not enough to use it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// A SCRAM-SHA-256 verifier in PostgreSQL's textual form, as in `pg_authid`:
/// `SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY`, the last three in base64.
#[derive(Clone)]
pub struct Verifier {
    pub(super) iterations: u32,
    pub(super) salt: Vec<u8>,
    pub(super) stored_key: [u8; 32],
    pub(super) server_key: [u8; 32],
}

/// Text that is not a verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a verifier of the form `SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY`")]
pub struct InvalidVerifier;

impl Verifier {
    /// Makes the verifier of a new password, with 4,096 iterations and a random salt.
    ///
    /// # Errors
    /// Never in practice: only if the library wrote a form that this one does not read.
    pub fn of_password(password: &str) -> Result<Self, InvalidVerifier> {
        postgres_protocol::password::scram_sha_256(password.as_bytes()).parse()
    }
}

impl std::str::FromStr for Verifier {
    type Err = InvalidVerifier;

    fn from_str(text: &str) -> Result<Self, InvalidVerifier> {
        let parts = || {
            let (head, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
            let (iterations, salt) = head.split_once(':')?;
            let (stored_key, server_key) = keys.split_once(':')?;
            let key = |text: &str| BASE64.decode(text).ok()?.try_into().ok();
            Some(Self {
                iterations: iterations.parse().ok().filter(|&count| count > 0)?,
                salt: BASE64.decode(salt).ok().filter(|salt| !salt.is_empty())?,
                stored_key: key(stored_key)?,
                server_key: key(server_key)?,
            })
        };
        parts().ok_or(InvalidVerifier)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}
