//! COPY's binary format: a header, rows of length-prefixed fields, a trailer.

use super::MaskError;
use crate::mask::row::Masker;
use crate::mask::row::close_value;
use crate::mask::value::{Cell, Outcome, take_u16, take_u32};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const SHORT: MaskError = MaskError::Copy("a binary row is shorter than it says");

/// Where the stream is, and how far the item at hand was measured.
#[derive(Debug, Default)]
pub(super) struct Binary {
    state: State,
    /// The offset up to which the row at hand is complete, and the fields that are to come.
    measured: Option<(usize, usize)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Header,
    Rows,
    Ended,
}

impl Binary {
    /// Header and trailer count as rows.
    pub(super) fn row_end(&mut self, bytes: &[u8], columns: usize) -> Result<Option<usize>, MaskError> {
        match self.state {
            State::Header => header_end(bytes),
            State::Rows => self.tuple_end(bytes, columns),
            State::Ended if bytes.is_empty() => Ok(None),
            State::Ended => Err(MaskError::Copy("there is data after the trailer")),
        }
    }

    fn tuple_end(&mut self, bytes: &[u8], columns: usize) -> Result<Option<usize>, MaskError> {
        let (mut end, mut fields) = match self.measured {
            Some(measured) => measured,
            None => {
                let Some(&count) = bytes.first_chunk() else { return Ok(None) };
                match u16::from_be_bytes(count) {
                    u16::MAX => return Ok(Some(2)),
                    count if usize::from(count) == columns => (2, columns),
                    count => {
                        return Err(MaskError::Columns { expected: columns, got: usize::from(count) });
                    }
                }
            }
        };
        while fields > 0 {
            let Some(&length) = bytes.get(end..).and_then(<[u8]>::first_chunk) else { break };
            let value = match u32::from_be_bytes(length) {
                u32::MAX => 0,
                length => length as usize,
            };
            if bytes.len() - end - 4 < value {
                break;
            }
            end += 4 + value;
            fields -= 1;
        }
        self.measured = (fields > 0).then_some((end, fields));
        Ok((fields == 0).then_some(end))
    }

    pub(super) fn rewrite(
        &mut self,
        row: &[u8],
        cells: &[Cell],
        masker: &mut Masker,
        out: &mut Vec<u8>,
    ) -> Result<bool, MaskError> {
        if self.state == State::Header {
            self.state = State::Rows;
            out.extend_from_slice(row);
            return Ok(false);
        }
        if row == [0xff, 0xff] {
            self.state = State::Ended;
            out.extend_from_slice(row);
            return Ok(false);
        }
        let Masker { masks, scratch, .. } = masker;
        let mut rest = row;
        let columns = take_u16(&mut rest).ok_or(SHORT)?;
        out.extend(columns.to_be_bytes());
        let mut changed = false;
        for cell in cells {
            let length = take_u32(&mut rest).ok_or(SHORT)?;
            let at = out.len();
            out.extend(length.to_be_bytes());
            if length == u32::MAX {
                continue;
            }
            let (value, after) = rest.split_at_checked(length as usize).ok_or(SHORT)?;
            rest = after;
            match cell.rewrite(value, masks, scratch, out) {
                Outcome::Keep => {
                    out.truncate(at + 4);
                    out.extend_from_slice(value);
                    continue;
                }
                Outcome::Null => {
                    out.truncate(at);
                    out.extend([0xff; 4]);
                }
                Outcome::Replaced => close_value(out, at)?,
            }
            changed = true;
        }
        Ok(changed)
    }
}

/// Signature, flags, and an extension that is skipped.
fn header_end(bytes: &[u8]) -> Result<Option<usize>, MaskError> {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes.get(..known) != SIGNATURE.get(..known) {
        return Err(MaskError::Copy("the binary signature is missing"));
    }
    let mut rest = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    let (Some(flags), Some(extension)) = (take_u32(&mut rest), take_u32(&mut rest)) else {
        return Ok(None);
    };
    // Critical flags; the only one ever defined adds an OID to each row, which no server still sends.
    if flags & 0xffff_0000 != 0 {
        return Err(MaskError::Copy("the binary header has unknown critical flags"));
    }
    let end = SIGNATURE.len() + 8 + extension as usize;
    Ok((bytes.len() >= end).then_some(end))
}
