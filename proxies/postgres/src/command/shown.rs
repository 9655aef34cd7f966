//! A text as evidence and reviewers may see it.

use policy_core::mask::{Detector, Detectors, DetectorsError, MaskKey, Scratch, StreamMasker, Transform};
use policy_normalize::sql;

/// Hides what must not be seen in a text.
pub struct Shown {
    detectors: Detectors,
    key: MaskKey,
}

impl Shown {
    /// Every kind of value that can be recognised is hidden, whatever the policy masks.
    ///
    /// # Errors
    /// Where the detectors can't be compiled, which no input can cause.
    pub fn new(key: MaskKey) -> Result<Self, DetectorsError> {
        let all: Vec<_> = Detector::ALL.into_iter().map(|detector| (detector, Transform::Redact)).collect();
        Ok(Self { detectors: Detectors::new(&all)?, key })
    }

    /// The text without recognised values, and without any literal if it touches what a policy tags.
    pub fn of(&self, text: &str, is_sensitive: bool) -> String {
        let text = if is_sensitive { sql::redact_literals(text, |_| false) } else { text.to_owned() };
        let mut out = Vec::new();
        if self.detectors.mask_into(text.as_bytes(), &self.key, &mut Scratch::default(), &mut out) == 0 {
            return text;
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Takes some bytes of a stream, and appends what of it may be seen to `out`. Bytes that may still turn out to be a
    /// part of a recognised value are held back.
    pub fn push(&self, masker: &mut StreamMasker, bytes: &[u8], out: &mut Vec<u8>) {
        masker.push(&self.detectors, &self.key, bytes, out);
    }

    /// Ends a stream: appends what was held back.
    pub fn flush(&self, masker: &mut StreamMasker, out: &mut Vec<u8>) {
        masker.flush(&self.detectors, &self.key, out);
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown")
    }
}
