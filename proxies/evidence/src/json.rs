//! JSON that is safe to print: one line, and no control character in the clear.
//!
//! `serde_json` escapes the controls below U+0020. A terminal also obeys DEL and the C1 controls (U+009B begins
//! an escape sequence), and a reader is misled by characters that reverse the writing direction or break lines;
//! all of these are written as `\uXXXX` too, so that neither `cat` nor a pager can be made to lie.

use std::borrow::Cow;
use std::io;
use std::marker::PhantomData;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::ser::Formatter;
use serde_json::value::RawValue;

/// Appends `value` to `out` as one line of JSON.
pub(crate) fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), serde_json::Error> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, Inert))
}

/// Whether a character must not reach a terminal or a reader as it is.
pub(crate) const fn is_active(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}'   // C0, DEL, C1
        | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' // invisible
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' // directions, invisible
        | '\u{2028}' | '\u{2029}'                  // line breaks
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}') // annotations, tags
}

/// A part of a record that many records share, serialised once.
///
/// The verdict on a statement, or the statement itself, is the same in thousands of records: keep one of these
/// beside it and hand it to each record as a [`Part`].
#[derive(Clone, Debug)]
pub struct Serialized<T> {
    json: Box<RawValue>,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize> Serialized<T> {
    /// Serialises `value`.
    ///
    /// # Errors
    /// When a `Serialize` implementation of `T` fails; those of this crate never do.
    pub fn new(value: &T) -> Result<Self, serde_json::Error> {
        let mut out = Vec::new();
        write(&mut out, value)?;
        let text = String::from_utf8(out).map_err(serde::ser::Error::custom)?;
        Ok(Self { json: RawValue::from_string(text)?, of: PhantomData })
    }
}

/// A value, or its serialised form. Reads back as a value.
#[derive(Clone, Debug)]
pub enum Part<'a, T> {
    /// The value itself.
    Value(T),
    /// Serialised before, and written as it is.
    Serialized(&'a Serialized<T>),
}

impl<T> Part<'_, T> {
    /// The value; `None` where only its serialised form was given, which never happens to what was read.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Serialized(_) => None,
        }
    }
}

impl<T> From<T> for Part<'_, T> {
    fn from(value: T) -> Self {
        Self::Value(value)
    }
}

impl<T: Serialize> Serialize for Part<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Serialized(part) => part.json.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Part<'_, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::Value)
    }
}

/// A text, borrowed where it is written and owned where it was read.
pub type Text<'a> = Cow<'a, str>;

struct Inert;

impl Formatter for Inert {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.is_ascii() && memchr::memchr(0x7f, fragment.as_bytes()).is_none() {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_active(*c)) {
            let (before, from) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = from.get(c.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_active_character_is_written_in_the_clear() {
        for code in 0..=0x10ffff {
            let Some(c) = char::from_u32(code).filter(|c| is_active(*c)) else { continue };
            let mut out = Vec::new();
            write(&mut out, &format!("a{c}ü{c}")).unwrap();
            assert!(!std::str::from_utf8(&out).unwrap().contains(c), "{code:x}");
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), format!("a{c}ü{c}"));
        }
    }

    #[test]
    fn a_serialised_part_reads_back_as_its_value() {
        let part = Serialized::new(&"x\u{9b}31m".to_owned()).unwrap();
        let mut out = Vec::new();
        write(&mut out, &Part::Serialized(&part)).unwrap();
        assert_eq!(out, br#""x\u009b31m""#);
        let read: Part<'_, String> = serde_json::from_slice(&out).unwrap();
        assert_eq!(read.value().map(String::as_str), Some("x\u{9b}31m"));
    }
}
