//! A SHA-256 value, written as 64 lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A SHA-256 value: a link of the chain, a file's digest, or the keyed digest of a statement.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the first record of a log follows.
    pub const ZERO: Self = Self([0; 32]);

    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().try_into().unwrap_or_default())
    }

    /// The 64 digits, in ASCII.
    pub fn to_hex(self) -> [u8; 64] {
        let mut digits = [0; 64];
        encode(&self.0, &mut digits);
        digits
    }

    /// Reads exactly 64 lower-case digits. Upper case is not accepted: a value has one spelling, so that a
    /// changed byte of it never passes unnoticed.
    pub fn from_hex(digits: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        decode(digits, &mut bytes)?;
        Some(Self(bytes))
    }
}

impl From<policy_core::Digest> for Hash {
    fn from(digest: policy_core::Digest) -> Self {
        Self(digest.0)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_hex()).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        Self::from_hex(text.as_bytes()).ok_or(NotHex { digits: 64 })
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.to_hex()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The text is not made of exactly this many lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {digits} lower-case hexadecimal digits")]
pub struct NotHex {
    /// How many were expected.
    pub digits: usize,
}

/// Writes two digits a byte; `digits` is twice as long as `bytes`.
pub(crate) fn encode(bytes: &[u8], digits: &mut [u8]) {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
    for (byte, pair) in bytes.iter().zip(digits.chunks_exact_mut(2)) {
        if let [high, low] = pair {
            *high = digit(byte >> 4);
            *low = digit(byte & 15);
        }
    }
}

/// Reads two lower-case digits a byte; `None` unless `digits` is exactly that.
pub(crate) fn decode(digits: &[u8], bytes: &mut [u8]) -> Option<()> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if digits.len() != bytes.len() * 2 {
        return None;
    }
    for (pair, byte) in digits.chunks_exact(2).zip(bytes) {
        let [high, low] = pair else { return None };
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let hash = Hash(std::array::from_fn(|i| i as u8 * 7));
        let text = hash.to_string();
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(text.to_uppercase().parse::<Hash>(), Err(NotHex { digits: 64 }));
        assert_eq!(text[1..].parse::<Hash>(), Err(NotHex { digits: 64 }));
    }
}
