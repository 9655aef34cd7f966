//! What happens to values on their way back.
//!
//! [`Transform`]s say what becomes of a value; [`Detectors`] find values by their content, in a text or,
//! with [`StreamMasker`], in a stream, with [`TerminalMasker`], in what a terminal shows, or with [`JsonMasker`] and
//! [`SseMasker`], in documents, of which they mask [fields](FieldMasks) too. A proxy that knows which column a value is from
//! applies a transform to all of it; detectors are for where nothing says so.
//!
//! `sieve` takes a first look at a text, `trigger` finds where a detector has to look, `detect` has one file a detector, and
//! `scan` makes finds of it that do not depend on how the text was split. [`Literals`] are secrets known beforehand.
//!
//! ```
//! use policy_core::mask::{Detector, Detectors, MaskKey, Scratch, Transform};
//!
//! let detectors = Detectors::new(&[(Detector::CreditCard, Transform::Last(4)), (Detector::Email, Transform::Partial)])?;
//! let key = MaskKey::new(b"32 random bytes of a deployment.")?;
//! let mut out = Vec::new();
//! let count = detectors.mask_into(b"ana@example.com paid with 4111 1111 1111 1111", &key, &mut Scratch::default(), &mut out);
//!
//! assert_eq!(count, 2);
//! assert_eq!(out, b"a***@example.com paid with ***************1111");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod begun;
mod detect;
mod detectors;
mod echo;
mod json;
mod literals;
mod scan;
mod sieve;
mod sse;
mod stream;
mod terminal;
mod transform;
mod trigger;

pub use detectors::{Detectors, DetectorsError, Find, MAX_FIND, Scratch};
pub use echo::Echo;
pub use json::{FieldMasks, JsonError, JsonMasker};
pub use literals::Literals;
pub use sse::SseMasker;
pub use stream::StreamMasker;
pub use terminal::TerminalMasker;
pub use transform::{Applied, Joined, MaskKey, REDACTED, Transform, ValueKind, WeakMaskKey};

/// A kind of value that can be recognised by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// Payment card numbers (Luhn, with separators).
    CreditCard,
    /// E-mail addresses.
    Email,
    /// US social security numbers.
    Ssn,
    /// International bank account numbers (mod 97).
    Iban,
    /// Telephone numbers.
    Phone,
    /// JSON Web Tokens.
    Jwt,
    /// AWS access key ids and secret keys.
    AwsKey,
    /// PEM private keys.
    PrivateKey,
    /// Values of `Authorization` headers.
    Authorization,
}

impl Detector {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::CreditCard,
        Self::Email,
        Self::Ssn,
        Self::Iban,
        Self::Phone,
        Self::Jwt,
        Self::AwsKey,
        Self::PrivateKey,
        Self::Authorization,
    ];
}

/// Some of the detectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetectorSet(u16);

impl DetectorSet {
    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the detector is one of them.
    pub fn contains(self, detector: Detector) -> bool {
        self.0 & (1 << detector as u16) != 0
    }

    /// Adds one.
    pub fn insert(&mut self, detector: Detector) {
        self.0 |= 1 << detector as u16;
    }

    /// Each of them, in the order of [`Detector::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Detector> {
        Detector::ALL.into_iter().filter(move |detector| self.contains(*detector))
    }
}

impl FromIterator<Detector> for DetectorSet {
    fn from_iter<I: IntoIterator<Item = Detector>>(detectors: I) -> Self {
        let mut set = Self::default();
        detectors.into_iter().for_each(|detector| set.insert(detector));
        set
    }
}

#[cfg(test)]
mod tests;
