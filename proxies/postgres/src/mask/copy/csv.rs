//! COPY's CSV format: fields between delimiters, quoted where they must be, rows that may span lines.

use policy_normalize::sql::CopyFormat;

use super::{CopyRefused, FieldBuffers, MaskError, one_byte, split_newline};
use crate::mask::finder::ValueMasks;
use crate::mask::value::{Cell, Outcome, Scratch, Treatment};

#[derive(Debug)]
pub(super) struct Csv {
    delimiter: u8,
    quote: u8,
    escape: u8,
    null: Box<[u8]>,
    /// Whether the next row names the columns.
    header: bool,
    search: Search,
}

/// How far a row was searched for its end, and what was seen there.
#[derive(Debug, Default)]
struct Search {
    at: usize,
    quoted: bool,
    escaped: bool,
}

impl Csv {
    pub(super) fn new(format: &CopyFormat) -> Result<Self, CopyRefused> {
        let quote = one_byte(format.quote.as_deref(), b'"')?;
        Ok(Self {
            delimiter: one_byte(format.delimiter.as_deref(), b',')?,
            quote,
            escape: one_byte(format.escape.as_deref(), quote)?,
            null: format.null.as_deref().unwrap_or_default().as_bytes().into(),
            header: format.header,
            search: Search::default(),
        })
    }

    /// A newline outside quotes ends the row. The same steps as the server's own reader
    /// (`CopyReadLineText`), whose words these are: a doubled quote toggles twice.
    pub(super) fn row_end(&mut self, text: &[u8]) -> Option<usize> {
        let distinct = self.escape != self.quote;
        let Search { at, quoted, escaped } = &mut self.search;
        for byte in text.get(*at..)? {
            *at += 1;
            if distinct && *quoted && *byte == self.escape {
                *escaped = !*escaped;
            }
            if *byte == self.quote && !*escaped {
                *quoted = !*quoted;
            }
            if !distinct || *byte != self.escape {
                *escaped = false;
            }
            if *byte == b'\n' && !*quoted {
                let end = *at;
                self.search = Search::default();
                return Some(end);
            }
        }
        None
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
            let raw = self.take_field(text, &mut rest, &mut field.plain)?;
            if index > 0 {
                out.push(self.delimiter);
            }
            // Only a field that is not quoted may stand for NULL.
            if raw == &*self.null || cell.treatment == Treatment::Pass {
                out.extend_from_slice(raw);
                continue;
            }
            field.masked.clear();
            let outcome = cell.rewrite(&field.plain, masks, scratch, &mut field.masked);
            match outcome {
                Outcome::Keep => out.extend_from_slice(raw),
                Outcome::Null => out.extend_from_slice(&self.null),
                Outcome::Replaced => self.write_field(&field.masked, out),
            }
            changed |= outcome != Outcome::Keep;
        }
        if rest.is_some() && !(cells.is_empty() && line.is_empty()) {
            return Err(MaskError::Copy("a row has too many fields"));
        }
        out.extend_from_slice(newline);
        Ok(changed)
    }

    /// The next field as it stands and, in `plain`, without quotes and escapes.
    fn take_field<'a>(
        &self,
        text: &'a [u8],
        rest: &mut Option<&'a [u8]>,
        plain: &mut Vec<u8>,
    ) -> Result<&'a [u8], MaskError> {
        plain.clear();
        let mut quoted = false;
        let mut remaining = text;
        loop {
            remaining = match remaining {
                [escape, byte, after @ ..]
                    if quoted && *escape == self.escape && (*byte == self.quote || *byte == self.escape) =>
                {
                    plain.push(*byte);
                    after
                }
                [quote, after @ ..] if *quote == self.quote => {
                    quoted = !quoted;
                    after
                }
                [delimiter, after @ ..] if !quoted && *delimiter == self.delimiter => {
                    *rest = Some(after);
                    break;
                }
                [byte, after @ ..] => {
                    plain.push(*byte);
                    after
                }
                [] if quoted => return Err(MaskError::Copy("a quote is not closed")),
                [] => {
                    *rest = None;
                    return Ok(text);
                }
            };
        }
        let after = rest.map_or(0, <[u8]>::len);
        Ok(text.get(..text.len() - after - 1).unwrap_or_default())
    }

    fn write_field(&self, value: &[u8], out: &mut Vec<u8>) {
        let special = |byte: &u8| [self.delimiter, self.quote, b'\n', b'\r'].contains(byte);
        if value != &*self.null && value != b"\\." && !value.iter().any(special) {
            out.extend_from_slice(value);
            return;
        }
        out.push(self.quote);
        for byte in value {
            if *byte == self.quote || *byte == self.escape {
                out.push(self.escape);
            }
            out.push(*byte);
        }
        out.push(self.quote);
    }
}
