//! One thing a client asked for, normalised.

use std::fmt;
use std::sync::Arc;

use crate::action::ActionSet;
use crate::subject::Protocol;

/// A keyed SHA-256 (HMAC): what an approval, a record and a cache bind a command's raw bytes by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A command: the protocol it came by, what it does, and the exact text that says so.
#[derive(Clone, Debug)]
pub struct Command {
    /// The protocol whose vocabulary the actions use.
    pub protocol: Protocol,
    /// What the command does.
    pub actions: Arc<ActionSet>,
    /// The command as the client sent it.
    pub text: Arc<str>,
    /// The keyed digest of the raw bytes (parameters included, once bound).
    pub digest: Digest,
}
