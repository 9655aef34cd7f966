//! COPY's text format: fields between delimiters, backslash escapes, one line a row.

use policy_normalize::sql::CopyFormat;

use super::{CopyRefused, FieldBuffers, MaskError, one_byte, split_newline};
use crate::mask::finder::ValueMasks;
use crate::mask::value::{Cell, Outcome, Scratch, Treatment};

#[derive(Debug)]
pub(super) struct Text {
    delimiter: u8,
    null: Box<[u8]>,
    /// Whether the next line names the columns.
    header: bool,
    /// How far the line was searched for its end.
    searched: usize,
}

impl Text {
    pub(super) fn new(format: &CopyFormat) -> Result<Self, CopyRefused> {
        Ok(Self {
            delimiter: one_byte(format.delimiter.as_deref(), b'\t')?,
            null: format.null.as_deref().unwrap_or("\\N").as_bytes().into(),
            header: format.header,
            searched: 0,
        })
    }

    /// A newline within a value is written as `\n`: a raw one ends the row.
    pub(super) fn row_end(&mut self, text: &[u8]) -> Option<usize> {
        let new = text.get(self.searched..)?;
        let Some(at) = memchr::memchr(b'\n', new) else {
            self.searched = text.len();
            return None;
        };
        let end = self.searched + at + 1;
        self.searched = 0;
        Some(end)
    }

    pub(super) fn rewrite(
        &mut self,
        row: &[u8],
        cells: &[Cell],
        masks: &ValueMasks,
        scratch: &mut Scratch,
        field: &mut FieldBuffers,
        out: &mut Vec<u8>,
    ) -> Result<bool, MaskError> {
        if std::mem::take(&mut self.header) {
            out.extend_from_slice(row);
            return Ok(false);
        }
        let (line, newline) = split_newline(row);
        let mut rest = Some(line);
        let mut changed = false;
        for (index, cell) in cells.iter().enumerate() {
            let text = rest.ok_or(MaskError::Copy("a row has too few fields"))?;
            let raw = self.take_field(text, &mut rest);
            if index > 0 {
                out.push(self.delimiter);
            }
            if raw == &*self.null || cell.treatment == Treatment::Pass {
                out.extend_from_slice(raw);
                continue;
            }
            field.masked.clear();
            let value = unescaped(raw, &mut field.plain);
            let outcome = cell.rewrite(value, masks, scratch, &mut field.masked);
            match outcome {
                Outcome::Keep => out.extend_from_slice(raw),
                Outcome::Null => out.extend_from_slice(&self.null),
                Outcome::Replaced => self.write_escaped(&field.masked, out),
            }
            changed |= outcome != Outcome::Keep;
        }
        if rest.is_some() && !(cells.is_empty() && line.is_empty()) {
            return Err(MaskError::Copy("a row has too many fields"));
        }
        out.extend_from_slice(newline);
        Ok(changed)
    }

    /// The field up to the next delimiter that is not escaped.
    fn take_field<'a>(&self, text: &'a [u8], rest: &mut Option<&'a [u8]>) -> &'a [u8] {
        let mut at = 0;
        while let Some(offset) = text.get(at..).and_then(|t| memchr::memchr2(self.delimiter, b'\\', t)) {
            at += offset;
            if text.get(at) != Some(&b'\\') {
                *rest = text.get(at + 1..);
                return text.get(..at).unwrap_or_default();
            }
            at += 2;
        }
        *rest = None;
        text
    }

    fn write_escaped(&self, value: &[u8], out: &mut Vec<u8>) {
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

fn unescaped<'a>(raw: &'a [u8], plain: &'a mut Vec<u8>) -> &'a [u8] {
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
