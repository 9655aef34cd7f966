//! What masks values by their content: the seam between the wire and the detectors.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use policy_core::mask::{Applied, Detectors, MaskKey, Scratch, Transform};

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
pub trait Finder: Send {
    /// Looks through a text, and appends it to `out` with every find replaced. `out` grows only if
    /// something was found.
    fn rewrite(&self, text: &[u8], out: &mut Vec<u8>) -> Found;
}

/// What one session's values are masked with.
pub struct ValueMasks {
    /// The secret behind hashes.
    pub key: MaskKey,
    /// What is looked for in every text that reaches the client, if anything.
    pub finder: Option<Box<dyn Finder>>,
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

/// Detectors and known secrets, with the buffers of one session.
pub(super) struct Content {
    pub(super) detectors: Arc<Detectors>,
    pub(super) key: MaskKey,
    pub(super) scratch: RefCell<Scratch>,
}

impl Finder for Content {
    fn rewrite(&self, text: &[u8], out: &mut Vec<u8>) -> Found {
        // Nothing below comes back here; were it to, the value would not be shown.
        let Ok(mut scratch) = self.scratch.try_borrow_mut() else { return Found::Null };
        let mut written = 0;
        let finds = self.detectors.find(text, &mut scratch);
        for find in finds {
            if find.transform == Transform::Null && find.range == (0..text.len()) {
                return Found::Null;
            }
            out.extend_from_slice(text.get(written..find.range.start).unwrap_or_default());
            let value = text.get(find.range.clone()).unwrap_or_default();
            match find.transform.apply(value, &self.key, out) {
                // Within a text, NULL is nothing.
                Applied::Null | Applied::Text => written = find.range.end,
            }
        }
        if finds.is_empty() {
            return Found::Nothing;
        }
        out.extend_from_slice(text.get(written..).unwrap_or_default());
        Found::Text
    }
}
