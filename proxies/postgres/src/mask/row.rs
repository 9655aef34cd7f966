//! DataRow frames rewritten by a plan.

use thiserror::Error;

use super::copy::FieldBuffers;
use super::finder::ValueMasks;
use super::plan::ResultPlan;
use super::value::{Outcome, Scratch, Treatment, take_u16, take_u32};

/// The largest row, in bytes, that is rewritten. A larger one under a mask ends the session: it would have
/// to be held whole. Rows without a mask are forwarded as they come, whatever their size.
pub const MAX_MASKED_ROW: usize = 16 << 20;

/// Why a result can't be masked. The session ends: nothing of the message may reach the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MaskError {
    /// A message ends before all that it announces.
    #[error("the target sent a {0} that is shorter than it says")]
    Short(&'static str),
    /// A message goes on after all that it announces.
    #[error("the target sent a {0} that is longer than it says")]
    Long(&'static str),
    /// The number of columns is not the one described.
    #[error("the target sent a row of {got} columns where {expected} were described")]
    Columns {
        /// As described.
        expected: usize,
        /// As sent.
        got: usize,
    },
    /// A row under a mask is larger than [`MAX_MASKED_ROW`].
    #[error("a row under a mask is larger than {} MiB; select fewer or smaller columns", MAX_MASKED_ROW >> 20)]
    TooLarge,
    /// A COPY stream is not in the format that its statement asked for.
    #[error("the target sent a COPY stream that is not in the format asked for: {0}")]
    Copy(&'static str),
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an unchanged message was not written: forward the original"]
pub enum Rewritten {
    /// Nothing in it had to change; nothing was written. Forward the original bytes.
    Unchanged,
    /// A whole frame, its header included, was appended to the buffer.
    Written,
}

/// Rewrites what a target sends to one session. Keeps its buffers between rows: once they have grown to a result's widest
/// row, rewriting allocates nothing.
#[derive(Debug)]
pub struct Masker {
    pub(super) masks: ValueMasks,
    pub(super) scratch: Scratch,
    /// Used by COPY.
    pub(super) field: FieldBuffers,
}

impl Masker {
    /// A masker with this session's key and detectors.
    pub fn new(masks: ValueMasks) -> Self {
        Self { masks, scratch: Scratch::default(), field: FieldBuffers::default() }
    }

    /// What values are masked with.
    pub fn masks(&self) -> &ValueMasks {
        &self.masks
    }

    /// Rewrites one DataRow, given what follows its header, and appends the new frame to `out`.
    ///
    /// # Errors
    /// A row that is malformed, has another number of columns than the plan, or is larger than
    /// [`MAX_MASKED_ROW`]. `out` then holds nothing of it.
    pub fn data_row(
        &mut self,
        plan: &ResultPlan,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Rewritten, MaskError> {
        if plan.passes_all() {
            return Ok(Rewritten::Unchanged);
        }
        let start = out.len();
        let result = self.rewrite(plan, body, out);
        if !matches!(result, Ok(Rewritten::Written)) {
            out.truncate(start);
        }
        result
    }

    fn rewrite(&mut self, plan: &ResultPlan, body: &[u8], out: &mut Vec<u8>) -> Result<Rewritten, MaskError> {
        const SHORT: MaskError = MaskError::Short("DataRow");
        if body.len() > MAX_MASKED_ROW {
            return Err(MaskError::TooLarge);
        }
        let mut rest = body;
        let columns = usize::from(take_u16(&mut rest).ok_or(SHORT)?);
        let frame = out.len();
        out.extend_from_slice(b"D\0\0\0\0");
        // What of `body` is written already.
        let mut written = 0;
        let misfit = MaskError::Columns { expected: plan.cells().len(), got: columns };
        if columns == 0 && !plan.cells().is_empty() {
            return Err(misfit);
        }
        for index in 0..columns {
            let cell = plan.cell(index, columns).ok_or(misfit)?;
            let at = body.len() - rest.len();
            let length = take_u32(&mut rest).ok_or(SHORT)?;
            if length == u32::MAX {
                continue;
            }
            let (value, after) = rest.split_at_checked(length as usize).ok_or(SHORT)?;
            rest = after;
            if cell.treatment == Treatment::Pass {
                continue;
            }
            let resume = out.len();
            out.extend_from_slice(body.get(written..at).unwrap_or_default());
            let length_at = out.len();
            out.extend_from_slice(&[0xff; 4]);
            match cell.rewrite(value, &self.masks, &mut self.scratch, out) {
                Outcome::Keep => {
                    out.truncate(resume);
                    continue;
                }
                Outcome::Null => out.truncate(length_at + 4),
                Outcome::Replaced => close_value(out, length_at)?,
            }
            written = body.len() - rest.len();
        }
        if !rest.is_empty() {
            return Err(MaskError::Long("DataRow"));
        }
        if written == 0 {
            return Ok(Rewritten::Unchanged);
        }
        out.extend_from_slice(body.get(written..).unwrap_or_default());
        close_frame(out, frame)?;
        Ok(Rewritten::Written)
    }
}

/// Writes the length of the frame that began at `start`: everything but its type byte.
pub(super) fn close_frame(out: &mut [u8], start: usize) -> Result<(), MaskError> {
    write_length(out, start + 1, 0)
}

/// Writes the length of the value whose length stands at `at`, which does not count itself.
pub(super) fn close_value(out: &mut [u8], at: usize) -> Result<(), MaskError> {
    write_length(out, at, 4)
}

fn write_length(out: &mut [u8], at: usize, header: usize) -> Result<(), MaskError> {
    let (_, tail) = out.split_at_mut_checked(at).ok_or(MaskError::TooLarge)?;
    let length = tail.len().checked_sub(header).and_then(|length| i32::try_from(length).ok());
    let (length, place) = length.zip(tail.first_chunk_mut::<4>()).ok_or(MaskError::TooLarge)?;
    *place = length.to_be_bytes();
    Ok(())
}
