//! What COPY's text and CSV formats have in common: a row is fields between delimiters, and may be one of names.

use super::{CopyRefused, MaskError};
use crate::mask::row::Masker;
use crate::mask::value::{Cell, Outcome, Treatment};

/// How a format writes its fields.
pub(super) trait Fields {
    /// What stands between two fields.
    fn delimiter(&self) -> u8;

    /// How NULL stands in a row. Only a field that is written exactly so stands for it.
    fn null(&self) -> &[u8];

    /// Where the first row of this text ends, or `None` if its end has not come yet. Remembers how far it looked: the
    /// next call must be given the same bytes, and perhaps more.
    fn row_end(&mut self, text: &[u8]) -> Option<usize>;

    /// The field that `text` begins with, as it stands, and what follows its delimiter; `None` after the last one.
    /// `plain` is for [`Fields::value`], where a format can't find a field's end without resolving it.
    fn take<'a>(
        &self,
        text: &'a [u8],
        plain: &mut Vec<u8>,
    ) -> Result<(&'a [u8], Option<&'a [u8]>), MaskError>;

    /// The value of the field just taken, without quotes and escapes.
    fn value<'a>(&self, raw: &'a [u8], plain: &'a mut Vec<u8>) -> &'a [u8];

    /// Appends a value with the quotes and escapes that it needs.
    fn write(&self, value: &[u8], out: &mut Vec<u8>);
}

/// The rows of one COPY in such a format.
#[derive(Debug)]
pub(super) struct Rows<F> {
    fields: F,
    /// Whether the next row names the columns.
    header: bool,
}

impl<F: Fields> Rows<F> {
    pub(super) fn new(fields: F, header: bool) -> Self {
        Self { fields, header }
    }

    pub(super) fn row_end(&mut self, text: &[u8]) -> Option<usize> {
        self.fields.row_end(text)
    }

    /// Appends one row rewritten; says whether anything in it changed.
    pub(super) fn rewrite(
        &mut self,
        row: &[u8],
        cells: &[Cell],
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) -> Result<bool, MaskError> {
        if std::mem::take(&mut self.header) {
            out.extend_from_slice(row);
            return Ok(false);
        }
        let Masker { masks, scratch, field, .. } = masker;
        let Self { fields, .. } = self;
        let (line, newline) = split_newline(row);
        let mut rest = Some(line);
        let mut changed = false;
        for (index, cell) in cells.iter().enumerate() {
            let text = rest.ok_or(MaskError::Copy("a row has too few fields"))?;
            let (raw, after) = fields.take(text, &mut field.plain)?;
            rest = after;
            if index > 0 {
                out.push(fields.delimiter());
            }
            if raw == fields.null() || cell.treatment == Treatment::Pass {
                out.extend_from_slice(raw);
                continue;
            }
            field.masked.clear();
            let value = fields.value(raw, &mut field.plain);
            let outcome = cell.rewrite(value, masks, scratch, &mut field.masked);
            match outcome {
                Outcome::Keep => out.extend_from_slice(raw),
                Outcome::Null => out.extend_from_slice(fields.null()),
                Outcome::Replaced => fields.write(&field.masked, out),
            }
            changed |= outcome != Outcome::Keep;
        }
        if rest.is_some() && !(cells.is_empty() && line.is_empty()) {
            return Err(MaskError::Copy("a row has too many fields"));
        }
        out.extend_from_slice(newline);
        Ok(changed)
    }
}

/// The one byte of an option, as the server demands of delimiter, quote and escape.
pub(super) fn one_byte(option: Option<&str>, default: u8) -> Result<u8, CopyRefused> {
    match option.map(str::as_bytes) {
        None => Ok(default),
        Some([byte]) if byte.is_ascii() => Ok(*byte),
        Some(_) => Err(CopyRefused::Format),
    }
}

/// A row ends with a newline, before which a server on Windows writes a carriage return.
fn split_newline(row: &[u8]) -> (&[u8], &[u8]) {
    let line = row.strip_suffix(b"\n").unwrap_or(row);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    row.split_at_checked(line.len()).unwrap_or((row, &[]))
}
