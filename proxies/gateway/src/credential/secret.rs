//! A value that never shows itself.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// A secret. Its memory is overwritten when it is dropped; no formatting shows it.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes a value over.
    pub fn new(value: Vec<u8>) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value, for the one who sends it to its target.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The spellings that a stream from the target is searched for: as it is, in base64, URL-encoded. None for values
    /// shorter than 16 bytes, which would be found where they are not.
    pub fn spellings(&self) -> Vec<Secret> {
        if self.0.len() < 16 {
            return Vec::new();
        }
        let mut spellings = vec![self.clone()];
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            spellings.push(Self::new(engine.encode(self.expose()).into_bytes()));
        }
        spellings.push(Self::new(url_encoded(self.expose())));
        spellings.sort_by(|a, b| a.expose().cmp(b.expose()));
        spellings.dedup_by(|a, b| a.expose() == b.expose());
        spellings
    }
}

fn url_encoded(value: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(value.len() * 3);
    for &byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte);
        } else {
            encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    encoded
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_formatting_shows_it() {
        let secret = Secret::new(b"hunter2-hunter2-hunter2".to_vec());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret(…) Some(Secret(…))");
    }

    #[test]
    fn spellings_are_what_a_leak_would_look_like() {
        let secret = Secret::new(b"p@ss word/16+bytes".to_vec());
        let spellings: Vec<_> =
            secret.spellings().iter().map(|it| String::from_utf8_lossy(it.expose()).into_owned()).collect();
        for spelling in ["p@ss word/16+bytes", "cEBzcyB3b3JkLzE2K2J5dGVz", "p%40ss%20word%2F16%2Bbytes"] {
            assert!(spellings.iter().any(|it| it == spelling), "{spelling}");
        }
        assert!(Secret::new(b"short".to_vec()).spellings().is_empty());
    }
}
