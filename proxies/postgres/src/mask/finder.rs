//! What masks values by their content: the seam between the wire and the detectors.

use std::fmt;
use std::sync::Arc;

use policy_core::mask::MaskKey;

/// What a [`Finder`] made of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing to hide; nothing was written.
    Nothing,
    /// Something: the whole text was appended to the buffer with the finds replaced.
    Text,
    /// Something that becomes NULL; what was written does not count.
    Null,
}

/// Recognises values by content: detectors, and literals that must never reach a client.
pub trait Finder: Send + Sync {
    /// Looks through a text, and appends it to `out` with every find replaced. `out` grows only if
    /// something was found.
    fn rewrite(&self, text: &[u8], out: &mut Vec<u8>) -> Found;
}

/// What one session's values are masked with.
#[derive(Clone)]
pub struct ValueMasks {
    /// The secret behind hashes.
    pub key: MaskKey,
    /// What is looked for in every text that reaches the client, if anything.
    pub finder: Option<Arc<dyn Finder>>,
}

impl ValueMasks {
    /// Whether every text is looked through.
    pub fn detects(&self) -> bool {
        self.finder.is_some()
    }

    pub(super) fn rewrite(&self, text: &[u8], out: &mut Vec<u8>) -> Found {
        self.finder.as_ref().map_or(Found::Nothing, |finder| finder.rewrite(text, out))
    }
}

impl fmt::Debug for ValueMasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValueMasks {{ detects: {} }}", self.detects())
    }
}
