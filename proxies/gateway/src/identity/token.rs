//! The text of a token: `pcl_`, 43 digits of base 62 for 32 random bytes, and 6 more that make slips noticed.

use std::fmt;

use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// What every token begins with, so that people and scanners of repositories know one when they see it.
const PREFIX: &str = "pcl_";
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_BYTES: usize = 32;
/// 62^43 is more than 2^256.
const SECRET_DIGITS: usize = 43;
/// 62^6 is more than 2^32.
const CHECK_DIGITS: usize = 6;

/// A token as its bearer shows it. Forgotten when it is dropped.
pub struct TokenText(Zeroizing<String>);

impl TokenText {
    /// A new one, of 256 random bits.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        SystemRandom::new().fill(&mut *secret).map_err(|_| NoRandomness)?;
        let mut text = Zeroizing::new(format!("{PREFIX}{}", *base62(&*secret, SECRET_DIGITS)));
        let check = check(&text);
        text.push_str(&check);
        Ok(Self(text))
    }

    /// Reads what somebody shows. `None` for what was never a token: a slip in one is noticed here, without a look-up.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        if digits.len() != SECRET_DIGITS + CHECK_DIGITS || !digits.bytes().all(|byte| DIGITS.contains(&byte))
        {
            return None;
        }
        let (secret, shown) = text.split_at_checked(PREFIX.len() + SECRET_DIGITS)?;
        (shown == check(secret)).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// Whether a text means to be a token. No password begins so.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The text, to be shown once to whoever it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it. One round of SHA-256 is enough: the slow hashes that passwords need make guesses costly, and
    /// nobody guesses 256 random bits. For the same reason it may be looked up by this: what a look-up's time tells
    /// about a hash tells nothing about a text that has it.
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

/// The system has no randomness to make a token of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no randomness for a token")]
pub struct NoRandomness;

/// No secret, and no proof against anyone: it only tells a slip from a token.
fn check(text: &str) -> String {
    let digest = sha256(text.as_bytes());
    base62(digest.get(..4).unwrap_or_default(), CHECK_DIGITS).to_string()
}

/// A number of big-endian bytes in so many digits of base 62, which must be enough.
fn base62(bytes: &[u8], digits: usize) -> Zeroizing<String> {
    let mut number = Zeroizing::new(bytes.to_vec());
    let mut reversed = Zeroizing::new(Vec::with_capacity(digits));
    for _ in 0..digits {
        let mut remainder = 0_u32;
        for byte in number.iter_mut() {
            let value = remainder * 256 + u32::from(*byte);
            // A remainder is below 62, so the quotient fits in a byte.
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        reversed.push(DIGITS.get(remainder as usize).copied().unwrap_or(b'0'));
    }
    Zeroizing::new(reversed.iter().rev().map(|digit| char::from(*digit)).collect())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest::digest(&digest::SHA256, bytes).as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_shows_itself_to_nobody() {
        let token = TokenText::generate().expect("made");
        assert_eq!(token.expose().len(), 53);
        let again = TokenText::parse(token.expose()).expect("read");
        assert_eq!(again.hash(), token.hash());
        assert_ne!(TokenText::generate().expect("made").expose(), token.expose());
        assert!(!format!("{token:?}").contains("pcl_"));
    }

    #[test]
    fn a_slip_is_noticed() {
        let token = TokenText::generate().expect("made");
        let text = token.expose();
        for at in 0..text.len() {
            let mut slipped = text.as_bytes().to_vec();
            slipped[at] = if slipped[at] == b'x' { b'y' } else { b'x' };
            assert!(TokenText::parse(std::str::from_utf8(&slipped).expect("text")).is_none(), "{at}");
        }
        let mut swapped = text.as_bytes().to_vec();
        let at = (5..46).find(|&at| swapped[at] != swapped[at + 1]).expect("two digits that differ");
        swapped.swap(at, at + 1);
        assert!(TokenText::parse(std::str::from_utf8(&swapped).expect("text")).is_none());
        for wrong in ["", "pcl_", &text[..52], &format!("{text}0"), &text[4..], &format!(" {text}"), "pcl_é"]
        {
            assert!(TokenText::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn numbers_in_base_62() {
        for (bytes, digits, text) in [
            (&[0_u8, 0][..], 3, "000"),
            (&[61], 2, "0z"),
            (&[62], 2, "10"),
            (&[1, 0], 3, "048"),
            (&[0xff; 4], 6, "4gfFC3"),
        ] {
            assert_eq!(*base62(bytes, digits), text, "{bytes:?}");
        }
        assert_eq!(base62(&[0xff; 32], 43).len(), 43);
    }
}
