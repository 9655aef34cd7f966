//! The form of a line, and the link from each line to the one before.
//!
//! ```text
//! {"seq":7,"time":"2026-11-23T01:19:00.123456Z","session":"…",…,"kind":"intent",…,"chain":"<64 digits>"}⏎
//! └──────────────────────────── body ────────────────────────────────────────────┘└──── seal, 76 bytes ────┘
//!
//! chain = SHA-256(chain of the line before, 32 bytes ‖ body)
//! ```
//!
//! The hash is over the bytes as they stand in the file, so checking a log needs no JSON library, and no two
//! texts of one record exist. The seal has one spelling: its every byte is fixed or a lower-case digit.

use ring::digest::{Context, SHA256};

use crate::hash::{self, Hash};
use crate::time::Timestamp;

/// A line without its end of line may be this long, in bytes; so may what a reader has to keep in memory.
pub(crate) const MAX_LINE: usize = 16 << 20;

const OPEN: &[u8] = b",\"chain\":\"";
const CLOSE: &[u8] = b"\"}";
const SEAL: usize = OPEN.len() + 64 + CLOSE.len();

/// Appends the line of a record to `out`, and returns its chain value.
///
/// `members` is everything between `time` and `chain`, beginning with a comma.
pub(crate) fn write(out: &mut Vec<u8>, previous: &Hash, seq: u64, time: &[u8], members: &[u8]) -> Hash {
    let start = out.len();
    out.extend_from_slice(b"{\"seq\":");
    let mut digits = [0; 20];
    out.extend_from_slice(decimal(seq, &mut digits));
    out.extend_from_slice(b",\"time\":\"");
    out.extend_from_slice(time);
    out.push(b'"');
    out.extend_from_slice(members);
    let chain = link(previous, out.get(start..).unwrap_or_default());
    out.extend_from_slice(OPEN);
    out.extend_from_slice(&chain.to_hex());
    out.extend_from_slice(CLOSE);
    out.push(b'\n');
    chain
}

/// The chain value of a body that follows `previous`.
pub(crate) fn link(previous: &Hash, body: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&previous.0);
    context.update(body);
    Hash(context.finish().as_ref().try_into().unwrap_or_default())
}

/// A line, taken apart but not checked against the one before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// Its sequence number.
    pub(crate) seq: u64,
    /// When it was written.
    pub(crate) time: Timestamp,
    /// What the chain covers.
    pub(crate) body: &'a [u8],
    /// The chain value that it claims.
    pub(crate) chain: Hash,
    rest: &'a [u8],
}

impl<'a> Line<'a> {
    /// Takes a line without its end of line apart; `None` if it has not the form of one.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let (body, seal) = line.split_at_checked(line.len().checked_sub(SEAL)?)?;
        let chain = Hash::from_hex(seal.strip_prefix(OPEN)?.strip_suffix(CLOSE)?)?;
        let digits = body.strip_prefix(b"{\"seq\":")?;
        let (digits, after) =
            digits.split_at_checked(digits.iter().position(|byte| !byte.is_ascii_digit())?)?;
        let seq = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let (time, rest) = after.strip_prefix(b",\"time\":\"")?.split_at_checked(Timestamp::WIDTH)?;
        let time = std::str::from_utf8(time).ok()?.parse().ok()?;
        Some(Self { seq, time, body, chain, rest: rest.strip_prefix(b"\"")? })
    }

    /// Whether it follows a line whose chain value is `previous`.
    pub(crate) fn follows(&self, previous: &Hash) -> bool {
        link(previous, self.body) == self.chain
    }

    /// The kind, for records that belong to no session; those are all that checking a log has to read.
    pub(crate) fn gateway_kind(&self) -> Option<&'a [u8]> {
        let rest = self.rest.strip_prefix(b",\"kind\":\"")?;
        rest.get(..rest.iter().position(|byte| *byte == b'"')?)
    }
}

/// Whether a line that was cut short could have become this: whether it has no complete seal, or ends in one.
///
/// A kill leaves a true prefix of a line. A complete line followed by anything but `\n` was changed.
pub(crate) fn is_torn(tail: &[u8]) -> bool {
    let Some((_, before)) = tail.split_last() else { return true };
    !before.windows(SEAL).any(Line::is_seal)
}

impl Line<'_> {
    fn is_seal(bytes: &[u8]) -> bool {
        let digits = bytes.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(CLOSE));
        digits.is_some_and(|digits| Hash::from_hex(digits).is_some())
    }
}

fn decimal(mut value: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        start -= 1;
        if value == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}

/// Writes the digits of bytes of any length, for keys and signatures.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut digits = vec![0; bytes.len() * 2];
    hash::encode(bytes, &mut digits);
    String::from_utf8(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> (Vec<u8>, Hash) {
        let mut out = Vec::new();
        let time = Timestamp::from_micros(1_795_396_740_123_456).encode();
        let chain = write(&mut out, &Hash([7; 32]), u64::MAX, &time, br#","kind":"limit","rule":"a"#);
        (out, chain)
    }

    #[test]
    fn a_line_is_taken_apart_as_it_was_written() {
        let (bytes, chain) = line();
        let line = Line::parse(bytes.strip_suffix(b"\n").unwrap()).unwrap();
        assert_eq!((line.seq, line.chain, line.gateway_kind()), (u64::MAX, chain, Some(&b"limit"[..])));
        assert!(line.follows(&Hash([7; 32])) && !line.follows(&Hash::ZERO));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let (bytes, _) = line();
        let bytes = bytes.strip_suffix(b"\n").unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Line::parse(&changed).is_none_or(|line| !line.follows(&Hash([7; 32]))), "bit {bit}");
        }
    }

    #[test]
    fn only_a_true_prefix_is_torn() {
        let (bytes, _) = line();
        for length in 0..bytes.len() {
            assert!(is_torn(&bytes[..length]), "{length}");
        }
        assert!(!is_torn(&[&bytes[..bytes.len() - 1], b"\x0b"].concat()));
    }
}
