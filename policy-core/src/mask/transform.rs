//! What becomes of a masked value: [`Transform`], and how several demands on one value combine.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::detect::{card, email};

/// What becomes of a masked value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// NULL, or nothing where the protocol has no NULL.
    Null,
    /// [`REDACTED`], which says nothing about the value.
    Redact,
    /// A keyed, stable digest: 32 hexadecimal digits. Equal values stay equal.
    Hash,
    /// The first characters are kept, each other one becomes `*`. At least half of the value is always hidden.
    First(u16),
    /// The last characters are kept, each other one becomes `*`. At least half of the value is always hidden.
    Last(u16),
    /// `a***@example.com` for an e-mail address, the last four digits of a payment card number; anything
    /// else is redacted.
    Partial,
}

/// What [`Transform::Redact`] leaves.
pub const REDACTED: &str = "[redacted]";

/// What a caller has to send in place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a NULL is not written into the buffer: the protocol has its own way to say it"]
pub enum Applied {
    /// NULL; nothing was written.
    Null,
    /// The text that was appended to the buffer.
    Text,
}

/// What a masked value must remain, so that the client can still decode it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// Text of any content: `text`, `varchar`, `char`, a body, a line.
    Text,
    /// A whole number.
    Integer,
    /// Anything else with a format of its own: dates, floats, bytes, JSON, arrays, …
    Other,
}

impl Transform {
    /// The transform that hides whatever either of the two hides.
    ///
    /// `Null` > `Redact` > `Hash` > the partial forms. The same form keeps the fewer characters; different
    /// forms combine to `Redact`, since together they would show more than either.
    ///
    /// Three or more go through [`Joined`]: a pair can't remember that two forms disagreed, so folding
    /// pairs would make the order of rules matter.
    pub fn join(self, other: Self) -> Self {
        let mut joined = Joined::default();
        joined.add(self);
        joined.add(other);
        joined.transform().unwrap_or(Self::Null)
    }

    /// [`Joined`] over a sequence, in any order; `None` if it is empty.
    pub fn join_all(transforms: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut joined = Joined::default();
        transforms.into_iter().for_each(|transform| joined.add(transform));
        joined.transform()
    }

    /// The transform to use on a value of that kind: a type that can't hold the result gets NULL.
    pub fn for_kind(self, kind: ValueKind) -> Self {
        match kind {
            ValueKind::Text => self,
            ValueKind::Integer | ValueKind::Other => Self::Null,
        }
    }

    /// Appends what becomes of `value`, a text, to `out`.
    ///
    /// Partial forms count characters (Unicode scalar values). A value that is not UTF-8 has none that can
    /// be counted, and is redacted by them.
    pub fn apply(self, value: &[u8], key: &MaskKey, out: &mut Vec<u8>) -> Applied {
        match self {
            Self::Null => return Applied::Null,
            Self::Redact => redact(out),
            Self::Hash => key.write_digest(value, out),
            Self::First(count) => match std::str::from_utf8(value) {
                Ok(text) => keep_first(text, count, out),
                Err(_) => redact(out),
            },
            Self::Last(count) => match std::str::from_utf8(value) {
                Ok(text) => keep_last(text, count, out),
                Err(_) => redact(out),
            },
            Self::Partial => {
                if !email::write_partial(value, out) && !card::write_partial(value, out) {
                    redact(out);
                }
            }
        }
        Applied::Text
    }
}

/// Several transforms demanded of one value, combined so that their order never matters.
///
/// The result hides whatever any of them hides, and adding one never shows more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Joined {
    /// The strictest of `Hash`, `Redact` and `Null` so far.
    whole: Option<Transform>,
    /// The partial form so far.
    form: Option<Transform>,
}

impl Joined {
    /// Adds a demand.
    pub fn add(&mut self, transform: Transform) {
        use Transform::{First, Hash, Last, Null, Partial, Redact};
        match (transform, self.form) {
            (Null | Redact | Hash, _) => self.raise(transform),
            (_, None) => self.form = Some(transform),
            (First(a), Some(First(b))) => self.form = Some(First(a.min(b))),
            (Last(a), Some(Last(b))) => self.form = Some(Last(a.min(b))),
            (Partial, Some(Partial)) => {}
            // Forms that disagree: kept in `whole`, so that a hash that comes later can't weaken it.
            (_, Some(_)) => self.raise(Redact),
        }
    }

    /// The combination; `None` if nothing was added.
    pub fn transform(&self) -> Option<Transform> {
        self.whole.or(self.form)
    }

    fn raise(&mut self, transform: Transform) {
        let rank = |t: Transform| match t {
            Transform::Null => 3,
            Transform::Redact => 2,
            Transform::Hash => 1,
            Transform::First(_) | Transform::Last(_) | Transform::Partial => 0,
        };
        if self.whole.is_none_or(|whole| rank(whole) < rank(transform)) {
            self.whole = Some(transform);
        }
    }
}

/// The secret behind [`Transform::Hash`]: whoever has it can test guesses against hashes.
#[derive(Clone)]
pub struct MaskKey(Hmac<Sha256>);

/// The bytes given as a [`MaskKey`] are too few to be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a mask key needs at least {} bytes, got {got}", MaskKey::MIN_BYTES)]
pub struct WeakMaskKey {
    /// How many bytes there were.
    pub got: usize,
}

impl MaskKey {
    /// The fewest bytes that [`MaskKey::new`] takes.
    pub const MIN_BYTES: usize = 16;

    /// Takes a random secret of at least [`MaskKey::MIN_BYTES`] bytes.
    pub fn new(secret: &[u8]) -> Result<Self, WeakMaskKey> {
        let weak = WeakMaskKey { got: secret.len() };
        if secret.len() < Self::MIN_BYTES {
            return Err(weak);
        }
        Hmac::new_from_slice(secret).map(Self).map_err(|_| weak)
    }

    /// Appends HMAC-SHA256 (RFC 2104) of the value, cut to 128 bits, in hexadecimal.
    fn write_digest(&self, value: &[u8], out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut mac = self.0.clone();
        mac.update(value);
        for byte in mac.finalize().into_bytes().iter().take(16) {
            let nibble = |n: u8| HEX.get(usize::from(n)).copied().unwrap_or(b'0');
            out.extend([nibble(byte >> 4), nibble(byte & 15)]);
        }
    }
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKey(..)")
    }
}

fn redact(out: &mut Vec<u8>) {
    out.extend_from_slice(REDACTED.as_bytes());
}

fn keep_first(text: &str, count: u16, out: &mut Vec<u8>) {
    let (length, kept) = kept(text, count);
    let end = text.char_indices().nth(kept).map_or(text.len(), |(at, _)| at);
    out.extend_from_slice(text.as_bytes().get(..end).unwrap_or_default());
    stars(length - kept, out);
}

fn keep_last(text: &str, count: u16, out: &mut Vec<u8>) {
    let (length, kept) = kept(text, count);
    let start = text.char_indices().nth(length - kept).map_or(text.len(), |(at, _)| at);
    stars(length - kept, out);
    out.extend_from_slice(text.as_bytes().get(start..).unwrap_or_default());
}

/// The length in characters, and how many of them may be shown: never more than half, so that
/// `last(4)` does not show a whole PIN.
fn kept(text: &str, count: u16) -> (usize, usize) {
    let length = text.chars().count();
    (length, usize::from(count).min(length / 2))
}

fn stars(count: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + count, b'*');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Transform::{First, Hash, Last, Null, Partial, Redact};
    use super::*;

    fn key() -> MaskKey {
        MaskKey::new(b"a test key of 32 bytes, not more").unwrap()
    }

    fn apply(transform: Transform, value: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        match transform.apply(value, &key(), &mut out) {
            Applied::Null => {
                assert!(out.is_empty());
                None
            }
            Applied::Text => Some(String::from_utf8(out).unwrap()),
        }
    }

    #[test]
    fn values_are_transformed() {
        #[rustfmt::skip]
        let cases: &[(&str, Transform, &str, Option<&str>)] = &[
            ("null", Null, "ana", None),
            ("redact", Redact, "ana", Some("[redacted]")),
            ("redact hides emptiness", Redact, "", Some("[redacted]")),
            ("first", First(2), "abcdef", Some("ab****")),
            ("first of nothing", First(2), "", Some("")),
            ("first keeps half at most", First(9), "abcde", Some("ab***")),
            ("first zero", First(0), "abc", Some("***")),
            ("last", Last(4), "4111111111111111", Some("************1111")),
            ("last of a pin", Last(4), "1234", Some("**34")),
            ("one character is hidden", Last(4), "x", Some("*")),
            ("characters, not bytes", First(2), "żółw ma", Some("żó*****")),
            ("characters, not bytes, from the end", Last(2), "ma żółw", Some("*****łw")),
            ("partial e-mail", Partial, "ana.maria@example.com", Some("a***@example.com")),
            ("partial e-mail of one letter", Partial, "a@example.com", Some("***@example.com")),
            ("partial card", Partial, "4111111111111111", Some("************1111")),
            ("partial card with spaces", Partial, "4111 1111 1111 1111", Some("**** **** **** 1111")),
            ("partial of neither", Partial, "4111111111111112", Some("[redacted]")),
            ("partial of a longer text", Partial, "mail ana@example.com", Some("[redacted]")),
        ];
        for (name, transform, value, expected) in cases {
            assert_eq!(apply(*transform, value.as_bytes()).as_deref(), *expected, "{name}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_never_cut() {
        for form in [First(3), Last(3), Partial] {
            assert_eq!(apply(form, b"ab\xff\xfe\xfdcd").as_deref(), Some("[redacted]"), "{form:?}");
        }
    }

    #[test]
    fn hashes_are_keyed_stable_and_short() {
        let hash = |key: &MaskKey, value: &[u8]| {
            let mut out = Vec::new();
            assert_eq!(Hash.apply(value, key, &mut out), Applied::Text);
            String::from_utf8(out).unwrap()
        };
        // RFC 4231, test case 1, cut to 128 bits.
        let rfc = MaskKey::new(&[0x0b; 20]).unwrap();
        assert_eq!(hash(&rfc, b"Hi There"), "b0344c61d8db38535ca8afceaf0bf12b");
        assert_eq!(hash(&key(), b"ana"), hash(&key(), b"ana"));
        assert_ne!(hash(&key(), b"ana"), hash(&key(), b"anb"));
        assert_ne!(hash(&key(), b"ana"), hash(&rfc, b"ana"));
    }

    #[test]
    fn keys_are_long_and_never_shown() {
        assert_eq!(
            MaskKey::new(b"short").unwrap_err().to_string(),
            "a mask key needs at least 16 bytes, got 5"
        );
        assert_eq!(format!("{:?}", key()), "MaskKey(..)");
    }

    #[test]
    fn joins_follow_the_lattice() {
        #[rustfmt::skip]
        let cases: &[(&[Transform], Transform)] = &[
            (&[Null, Redact], Null),
            (&[Redact, Hash], Redact),
            (&[Hash, First(3)], Hash),
            (&[Hash, Last(3)], Hash),
            (&[Hash, Partial], Hash),
            (&[First(3), First(5)], First(3)),
            (&[Last(3), Last(5)], Last(3)),
            (&[Partial, Partial], Partial),
            (&[First(3), Last(3)], Redact),
            (&[First(3), Partial], Redact),
            (&[Last(3), Partial], Redact),
            (&[First(3), Last(3), Hash], Redact),
            (&[First(3), Last(3), Null], Null),
        ];
        for (given, expected) in cases {
            assert_eq!(Transform::join_all(given.iter().copied()), Some(*expected), "{given:?}");
            assert_eq!(
                Transform::join_all(given.iter().rev().copied()),
                Some(*expected),
                "{given:?} reversed"
            );
            if let [a, b] = given {
                assert_eq!(a.join(*b), *expected, "{given:?}");
            }
        }
        assert_eq!(Transform::join_all([]), None);
    }

    #[test]
    fn a_type_that_cannot_hold_the_result_gets_null() {
        for transform in [Null, Redact, Hash, First(2), Last(2), Partial] {
            assert_eq!(transform.for_kind(ValueKind::Text), transform);
            assert_eq!(transform.for_kind(ValueKind::Integer), Null);
            assert_eq!(transform.for_kind(ValueKind::Other), Null);
        }
    }

    fn transforms() -> impl Strategy<Value = Transform> {
        prop_oneof![
            Just(Null),
            Just(Redact),
            Just(Hash),
            (0u16..9).prop_map(First),
            (0u16..9).prop_map(Last),
            Just(Partial)
        ]
    }

    proptest! {
        #[test]
        fn order_never_matters(
            (given, shuffled) in proptest::collection::vec(transforms(), 1..6)
                .prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle()))
        ) {
            prop_assert_eq!(Transform::join_all(given), Transform::join_all(shuffled));
        }

        #[test]
        fn one_more_never_shows_more(given in proptest::collection::vec(transforms(), 1..6), more in transforms()) {
            let before = Transform::join_all(given.iter().copied()).unwrap();
            let after = Transform::join_all(given.into_iter().chain([more])).unwrap();
            prop_assert_eq!(before.join(after), after);
        }

        #[test]
        fn at_least_half_stays_hidden(text in "\\PC{0,24}", count in 0u16..40) {
            for form in [First(count), Last(count)] {
                let masked = apply(form, text.as_bytes()).unwrap();
                prop_assert_eq!(masked.chars().count(), text.chars().count());
                let hidden = masked.chars().zip(text.chars()).filter(|(m, _)| *m == '*').count();
                prop_assert!(hidden * 2 >= text.chars().count());
            }
        }
    }
}
