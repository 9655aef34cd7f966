//! COPY out, masked field by field.
//!
//! PostgreSQL sends one row a CopyData message, and nothing here depends on it: rows are cut out of the
//! stream wherever they end.

mod binary;
mod csv;
mod delimited;
mod text;

#[cfg(test)]
mod tests;

use policy_normalize::sql::{CopyFormat, Format as CopyKind};
use thiserror::Error;

use self::binary::Binary;
use self::csv::Csv;
use self::delimited::Rows;
use self::text::Text;
use super::plan::ResultPlan;
use super::row::{MAX_MASKED_ROW, MaskError, Masker, Rewritten, close_frame};
use super::value::Cell;

/// Why a COPY can't be masked. Known before it is sent to the target: the command is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CopyRefused {
    /// An option whose effect on the format is not known.
    #[error("COPY with the option `{0}` can't be masked; leave the option out")]
    Option(Box<str>),
    /// A format that is not known.
    #[error("this format of COPY can't be masked; use `text`, `csv` or `binary`")]
    Format,
}

/// Masks one COPY out. Holds the row that is not complete yet, [`MAX_MASKED_ROW`] at most.
#[derive(Debug)]
pub struct CopyMasker {
    plan: ResultPlan,
    codec: Codec,
    /// A row whose end has not come yet.
    pending: Vec<u8>,
}

/// Checks, before a COPY is sent to the target, that it can be masked.
///
/// # Errors
/// An option or format that this crate can't follow.
pub fn check(format: &CopyFormat) -> Result<(), CopyRefused> {
    match format.unfamiliar.first() {
        Some(option) => Err(CopyRefused::Option(option.clone())),
        None => Codec::new(format).map(|_| ()),
    }
}

/// Whether a COPY names a table, whose columns it shows as they are, and not a query: no parenthesis follows the
/// keyword. A text that is not understood is taken for a query, of which less is shown.
pub fn copies_table(statement: &str) -> bool {
    let after_blanks = |mut text: &str| {
        loop {
            let trimmed = text.trim_start();
            let comment = if let Some(line) = trimmed.strip_prefix("--") {
                line.split_once(['\n', '\r']).map(|(_, after)| after)
            } else if trimmed.starts_with("/*") {
                // Comments nest; one that is not closed ends the text.
                let mut depth = 0_usize;
                let mut rest = trimmed;
                loop {
                    if let Some(after) = rest.strip_prefix("/*") {
                        (depth, rest) = (depth + 1, after);
                    } else if let Some(after) = rest.strip_prefix("*/") {
                        (depth, rest) = (depth - 1, after);
                    } else {
                        let mut characters = rest.chars();
                        if characters.next().is_none() {
                            break None;
                        }
                        rest = characters.as_str();
                    }
                    if depth == 0 {
                        break Some(rest);
                    }
                }
            } else {
                return Some(trimmed.to_owned());
            };
            text = comment?;
        }
    };
    let Some(text) = after_blanks(statement) else { return false };
    let Some((keyword, rest)) = text.split_at_checked(4) else { return false };
    let names = |c: char| c.is_alphabetic() || matches!(c, '"' | '_') || !c.is_ascii();
    keyword.eq_ignore_ascii_case("copy") && after_blanks(rest).is_some_and(|rest| rest.starts_with(names))
}

/// The number of columns in a CopyOutResponse, given what follows its header.
///
/// # Errors
/// A message that is shorter or longer than its parts.
pub fn columns(body: &[u8]) -> Result<usize, MaskError> {
    let [_, high, low, formats @ ..] = body else {
        return Err(MaskError::Short("CopyOutResponse"));
    };
    let columns = usize::from(u16::from_be_bytes([*high, *low]));
    if columns * 2 == formats.len() { Ok(columns) } else { Err(MaskError::Short("CopyOutResponse")) }
}

#[derive(Debug)]
enum Codec {
    Text(Rows<Text>),
    Csv(Rows<Csv>),
    Binary(Binary),
}

impl CopyMasker {
    /// A masker for a COPY with these options.
    ///
    /// # Errors
    /// An option or format that this crate can't follow, unless nothing is masked.
    pub fn new(plan: ResultPlan, format: &CopyFormat) -> Result<Self, CopyRefused> {
        if !plan.passes_all() {
            check(format)?;
        }
        Ok(Self { plan, codec: Codec::new(format)?, pending: Vec::new() })
    }

    /// Whether the stream passes as it is.
    pub fn passes_all(&self) -> bool {
        self.plan.passes_all()
    }

    /// Checks the target's CopyOutResponse, given what follows its header, against the statement.
    ///
    /// # Errors
    /// Another format or number of columns than the statement's.
    pub fn opened(&self, body: &[u8]) -> Result<(), MaskError> {
        let columns = columns(body)?;
        if self.passes_all() {
            return Ok(());
        }
        if columns != self.plan.cells().len() {
            return Err(MaskError::Columns { expected: self.plan.cells().len(), got: columns });
        }
        if body.first() != Some(&u8::from(matches!(self.codec, Codec::Binary(_)))) {
            return Err(MaskError::Copy("text and binary are confused"));
        }
        Ok(())
    }

    /// Rewrites one CopyData message, given what follows its header, and appends a CopyData frame with the rows
    /// that are complete; none, if no row is.
    ///
    /// # Errors
    /// A stream that is not in its format, or a row larger than [`MAX_MASKED_ROW`].
    pub fn data(
        &mut self,
        masker: &mut Masker,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Rewritten, MaskError> {
        if self.passes_all() {
            return Ok(Rewritten::Unchanged);
        }
        let start = out.len();
        let result = self.rewrite(masker, body, out);
        if !matches!(result, Ok(Rewritten::Written)) {
            out.truncate(start);
        }
        result
    }

    /// Checks that the stream may end here: at CopyDone. (At an ErrorResponse the row that is pending is
    /// dropped with the masker.)
    ///
    /// # Errors
    /// A row that is not complete.
    pub fn done(&self) -> Result<(), MaskError> {
        if self.pending.is_empty() { Ok(()) } else { Err(MaskError::Copy("it ends within a row")) }
    }

    fn rewrite(
        &mut self,
        masker: &mut Masker,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Rewritten, MaskError> {
        if self.pending.len() + body.len() > MAX_MASKED_ROW {
            return Err(MaskError::TooLarge);
        }
        let start = out.len();
        out.extend_from_slice(b"d\0\0\0\0");
        if self.pending.is_empty() {
            let (consumed, changed) = self.rows(masker, body, out)?;
            if !changed && consumed == body.len() {
                return Ok(Rewritten::Unchanged);
            }
            self.pending.extend_from_slice(body.get(consumed..).unwrap_or_default());
        } else {
            let mut pending = std::mem::take(&mut self.pending);
            pending.extend_from_slice(body);
            let (consumed, _) = self.rows(masker, &pending, out)?;
            pending.drain(..consumed);
            self.pending = pending;
        }
        if out.len() == start + 5 {
            out.truncate(start);
        } else {
            close_frame(out, start)?;
        }
        Ok(Rewritten::Written)
    }

    /// Appends the rows that are complete; says how many bytes they took, and whether anything changed.
    fn rows(
        &mut self,
        masker: &mut Masker,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(usize, bool), MaskError> {
        let cells = self.plan.cells();
        let (mut rest, mut changed) = (bytes, false);
        while let Some(length) = self.codec.row_end(rest, cells.len())? {
            let (row, after) = rest.split_at_checked(length).ok_or(MaskError::Short("CopyData"))?;
            rest = after;
            changed |= self.codec.rewrite(row, cells, masker, out)?;
        }
        Ok((bytes.len() - rest.len(), changed))
    }
}

impl Codec {
    fn new(format: &CopyFormat) -> Result<Self, CopyRefused> {
        Ok(match format.format {
            CopyKind::Text => Self::Text(Rows::new(Text::new(format)?, format.header)),
            CopyKind::Csv => Self::Csv(Rows::new(Csv::new(format)?, format.header)),
            CopyKind::Binary => Self::Binary(Binary::default()),
            CopyKind::Other => return Err(CopyRefused::Format),
        })
    }

    /// Where the first row ends, or `None` if its end has not come yet. Remembers how far it looked: the next
    /// call must be given the same bytes, and perhaps more.
    fn row_end(&mut self, text: &[u8], columns: usize) -> Result<Option<usize>, MaskError> {
        match self {
            Self::Text(text_format) => Ok(text_format.row_end(text)),
            Self::Csv(csv) => Ok(csv.row_end(text)),
            Self::Binary(binary) => binary.row_end(text, columns),
        }
    }

    /// Appends one row rewritten; says whether anything in it changed.
    fn rewrite(
        &mut self,
        row: &[u8],
        cells: &[Cell],
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) -> Result<bool, MaskError> {
        match self {
            Self::Text(text) => text.rewrite(row, cells, masker, out),
            Self::Csv(csv) => csv.rewrite(row, cells, masker, out),
            Self::Binary(binary) => binary.rewrite(row, cells, masker, out),
        }
    }
}

/// A field without its escapes, and the same rewritten.
#[derive(Debug, Default)]
pub(super) struct FieldBuffers {
    plain: Vec<u8>,
    masked: Vec<u8>,
}
