//! COPY's CSV format: fields between delimiters, quoted where they must be, rows that may span lines.

use policy_normalize::sql::CopyFormat;

use super::delimited::{Fields, one_byte};
use super::{CopyRefused, MaskError};

#[derive(Debug)]
pub(super) struct Csv {
    delimiter: u8,
    quote: u8,
    escape: u8,
    null: Box<[u8]>,
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
            search: Search::default(),
        })
    }
}

impl Fields for Csv {
    fn delimiter(&self) -> u8 {
        self.delimiter
    }

    fn null(&self) -> &[u8] {
        &self.null
    }

    /// A newline outside quotes ends the row. The same steps as the server's own reader
    /// (`CopyReadLineText`), whose words these are: a doubled quote toggles twice.
    fn row_end(&mut self, text: &[u8]) -> Option<usize> {
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

    /// Leaves the field in `plain` without quotes and escapes.
    fn take<'a>(
        &self,
        text: &'a [u8],
        plain: &mut Vec<u8>,
    ) -> Result<(&'a [u8], Option<&'a [u8]>), MaskError> {
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
                    let raw = text.get(..text.len() - after.len() - 1).unwrap_or_default();
                    return Ok((raw, Some(after)));
                }
                [byte, after @ ..] => {
                    plain.push(*byte);
                    after
                }
                [] if quoted => return Err(MaskError::Copy("a quote is not closed")),
                [] => return Ok((text, None)),
            };
        }
    }

    fn value<'a>(&self, _: &'a [u8], plain: &'a mut Vec<u8>) -> &'a [u8] {
        plain
    }

    fn write(&self, value: &[u8], out: &mut Vec<u8>) {
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
