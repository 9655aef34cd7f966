//! COPY's text format: fields between delimiters, backslash escapes, one line a row.

use policy_normalize::sql::CopyFormat;

use super::delimited::{Fields, one_byte};
use super::{CopyRefused, MaskError};

#[derive(Debug)]
pub(super) struct Text {
    delimiter: u8,
    null: Box<[u8]>,
    /// How far the line was searched for its end.
    searched: usize,
}

impl Text {
    pub(super) fn new(format: &CopyFormat) -> Result<Self, CopyRefused> {
        Ok(Self {
            delimiter: one_byte(format.delimiter.as_deref(), b'\t')?,
            null: format.null.as_deref().unwrap_or("\\N").as_bytes().into(),
            searched: 0,
        })
    }
}

impl Fields for Text {
    fn delimiter(&self) -> u8 {
        self.delimiter
    }

    fn null(&self) -> &[u8] {
        &self.null
    }

    /// A newline within a value is written as `\n`: a raw one ends the row.
    fn row_end(&mut self, text: &[u8]) -> Option<usize> {
        let new = text.get(self.searched..)?;
        let Some(at) = memchr::memchr(b'\n', new) else {
            self.searched = text.len();
            return None;
        };
        let end = self.searched + at + 1;
        self.searched = 0;
        Some(end)
    }

    /// The field up to the next delimiter that is not escaped.
    fn take<'a>(&self, text: &'a [u8], _: &mut Vec<u8>) -> Result<(&'a [u8], Option<&'a [u8]>), MaskError> {
        let mut at = 0;
        while let Some(offset) = text.get(at..).and_then(|t| memchr::memchr2(self.delimiter, b'\\', t)) {
            at += offset;
            if text.get(at) != Some(&b'\\') {
                return Ok((text.get(..at).unwrap_or_default(), text.get(at + 1..)));
            }
            at += 2;
        }
        Ok((text, None))
    }

    fn value<'a>(&self, raw: &'a [u8], plain: &'a mut Vec<u8>) -> &'a [u8] {
        if memchr::memchr(b'\\', raw).is_none() {
            return raw;
        }
        plain.clear();
        let mut bytes = raw.iter();
        while let Some(byte) = bytes.next() {
            plain.push(match byte {
                b'\\' => match bytes.next() {
                    Some(b'n') => b'\n',
                    Some(b'r') => b'\r',
                    Some(b't') => b'\t',
                    Some(b'b') => 0x08,
                    Some(b'f') => 0x0c,
                    Some(b'v') => 0x0b,
                    Some(other) => *other,
                    None => b'\\',
                },
                byte => *byte,
            });
        }
        plain
    }

    fn write(&self, value: &[u8], out: &mut Vec<u8>) {
        for byte in value {
            let escaped = match byte {
                b'\\' => b'\\',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x08 => b'b',
                0x0c => b'f',
                0x0b => b'v',
                other if *other == self.delimiter => *other,
                other => {
                    out.push(*other);
                    continue;
                }
            };
            out.extend([b'\\', escaped]);
        }
    }
}
