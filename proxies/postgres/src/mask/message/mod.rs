//! The messages besides rows that can carry data: errors, notices, notifications, settings, column names.
//!
//! When masked columns may be involved ([`Exposure::Guarded`]), texts that the server or its functions
//! compose are hidden: the DETAIL of a violated constraint holds the row, and the message of a failed cast
//! holds the value. What stays is what comes from definitions: SQLSTATE, severity, and messages of the
//! server's own routines that name nothing but objects. In all cases every text is looked through.

mod condition;
#[cfg(test)]
mod tests;

use super::finder::Found;
use super::row::{MaskError, Masker, Rewritten, close_frame};
use super::value::take_u16;

/// Whether values of masked columns may be in what the target says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Exposure {
    /// Nothing that is masked for this session is involved.
    Open,
    /// Something that is masked for this session is involved, or may be.
    #[default]
    Guarded,
}

/// Stands where a text was hidden.
pub const HIDDEN: &str = "hidden, because masked columns may be involved";

impl Masker {
    /// Rewrites an ErrorResponse (`E`) or NoticeResponse (`N`), given its type byte and what follows its
    /// header. One without SQLSTATE, severity or message gets them.
    ///
    /// # Errors
    /// A message whose fields don't end where they must.
    pub fn report(
        &mut self,
        exposure: Exposure,
        tag: u8,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Rewritten, MaskError> {
        let report = Report::parse(body)?;
        let trusted = exposure == Exposure::Open || report.comes_from_definitions();
        self.framed(tag, out, |masker, out| {
            let mut changed = false;
            for (kind, text) in report.fields() {
                let code = report.get(b'C').unwrap_or_default();
                let kept = match kind {
                    b'S' | b'V' | b'C' | b'P' | b'p' | b'F' | b'L' | b'R' => Kept::Same,
                    b'M' if trusted => Kept::Looked,
                    b'M' => Kept::Instead(condition::meaning(code)),
                    b'H' | b's' | b't' | b'c' | b'd' | b'n' if trusted => Kept::Looked,
                    b'D' | b'W' | b'q' if exposure == Exposure::Open || report.is_about_the_text() => {
                        Kept::Looked
                    }
                    b'D' | b'H' | b'W' | b'q' => Kept::Instead(""),
                    _ if exposure == Exposure::Open => Kept::Looked,
                    _ => Kept::Dropped,
                };
                if kept == Kept::Dropped {
                    changed = true;
                    continue;
                }
                out.push(kind);
                match kept {
                    Kept::Looked => changed |= masker.look_through(text, out),
                    Kept::Instead(meaning) => {
                        changed = true;
                        if !meaning.is_empty() {
                            out.extend_from_slice(meaning.as_bytes());
                            out.extend_from_slice(b"; the rest is ");
                        }
                        out.extend_from_slice(HIDDEN.as_bytes());
                    }
                    Kept::Same | Kept::Dropped => out.extend_from_slice(text),
                }
                out.push(0);
            }
            changed |= report.complete(tag, out);
            out.push(0);
            Ok(changed)
        })
    }

    /// Rewrites a NotificationResponse (`A`). Where anything is masked for this session, its payload is
    /// hidden as a whole: it may be composed of any row, by a trigger in anybody's session.
    ///
    /// # Errors
    /// A message that is shorter or longer than its parts.
    pub fn notification(
        &mut self,
        exposure: Exposure,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Rewritten, MaskError> {
        const SHORT: MaskError = MaskError::Short("NotificationResponse");
        let (sender, rest) = body.split_at_checked(4).ok_or(SHORT)?;
        let (channel, rest) = take_text(rest).ok_or(SHORT)?;
        let (payload, rest) = take_text(rest).ok_or(SHORT)?;
        if !rest.is_empty() {
            return Err(MaskError::Long("NotificationResponse"));
        }
        self.framed(b'A', out, |masker, out| {
            out.extend_from_slice(sender);
            let mut changed = masker.look_through(channel, out);
            out.push(0);
            if exposure == Exposure::Guarded && !payload.is_empty() {
                changed = true;
                out.extend_from_slice(HIDDEN.as_bytes());
            } else {
                changed |= masker.look_through(payload, out);
            }
            out.push(0);
            Ok(changed)
        })
    }

    /// Rewrites a ParameterStatus (`S`). While a guarded statement runs, a setting that takes any text may be set
    /// from a masked column; its value is hidden.
    ///
    /// # Errors
    /// A message that is shorter or longer than its parts.
    pub fn parameter_status(
        &mut self,
        exposure: Exposure,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Rewritten, MaskError> {
        const SHORT: MaskError = MaskError::Short("ParameterStatus");
        let (name, rest) = take_text(body).ok_or(SHORT)?;
        let (value, rest) = take_text(rest).ok_or(SHORT)?;
        if !rest.is_empty() {
            return Err(MaskError::Long("ParameterStatus"));
        }
        self.framed(b'S', out, |masker, out| {
            let mut changed = masker.look_through(name, out);
            out.push(0);
            if exposure == Exposure::Guarded && !is_closed(name, value) {
                changed = true;
                out.extend_from_slice(HIDDEN.as_bytes());
            } else {
                changed |= masker.look_through(value, out);
            }
            out.push(0);
            Ok(changed)
        })
    }

    /// Rewrites the column names of a RowDescription (`T`).
    ///
    /// # Errors
    /// A description that does not hold exactly the columns it announces.
    pub fn row_description(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<Rewritten, MaskError> {
        const SHORT: MaskError = MaskError::Short("RowDescription");
        if !self.masks.detects() {
            return Ok(Rewritten::Unchanged);
        }
        self.framed(b'T', out, |masker, out| {
            let mut rest = body;
            let count = take_u16(&mut rest).ok_or(SHORT)?;
            out.extend_from_slice(&count.to_be_bytes());
            let mut changed = false;
            for _ in 0..count {
                let (name, after) = take_text(rest).ok_or(SHORT)?;
                let (fixed, after) = after.split_at_checked(18).ok_or(SHORT)?;
                rest = after;
                changed |= masker.look_through(name, out);
                out.push(0);
                out.extend_from_slice(fixed);
            }
            if rest.is_empty() { Ok(changed) } else { Err(MaskError::Long("RowDescription")) }
        })
    }

    /// Appends a text with all finds replaced; says whether there was any.
    fn look_through(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        match self.masks.rewrite(text, out) {
            Found::Nothing => {
                out.extend_from_slice(text);
                return false;
            }
            // A NUL would end the field: nothing that a finder writes may change a message's structure.
            Found::Text => {
                let mut at = start;
                while let Some(byte) = out.get_mut(at) {
                    if *byte == 0 {
                        *byte = b'?';
                    }
                    at += 1;
                }
            }
            Found::Null => {
                out.truncate(start);
                out.extend_from_slice(policy_core::mask::REDACTED.as_bytes());
            }
        }
        true
    }

    /// Writes a frame, and takes it back if nothing in it changed or it could not be written.
    fn framed(
        &mut self,
        tag: u8,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Self, &mut Vec<u8>) -> Result<bool, MaskError>,
    ) -> Result<Rewritten, MaskError> {
        let start = out.len();
        out.push(tag);
        out.extend_from_slice(&[0; 4]);
        match write(self, out) {
            Ok(true) => close_frame(out, start).map(|()| Rewritten::Written),
            Ok(false) => {
                out.truncate(start);
                Ok(Rewritten::Unchanged)
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }
}

/// Whether this value of a setting is one of a closed set, so that nothing can be told by it.
///
/// A time zone is, where it is one of the server's own: anything else that it takes for one has digits.
fn is_closed(name: &[u8], value: &[u8]) -> bool {
    let is_zone = || {
        let (sign, hours) = value.strip_prefix(b"Etc/GMT").and_then(<[u8]>::split_first).unzip();
        let is_offset = sign.is_some_and(|sign| b"+-".contains(sign))
            && hours.is_some_and(|hours| hours.len() <= 2 && hours.iter().all(u8::is_ascii_digit));
        is_offset || value.iter().all(|byte| byte.is_ascii_alphabetic() || b"/_-+".contains(byte))
    };
    CLOSED_SETTINGS.contains(&name) || (name == b"TimeZone" && is_zone())
}

/// Settings that the server reports and whose values come from a closed set, or from the server itself.
const CLOSED_SETTINGS: &[&[u8]] = &[
    b"client_encoding",
    b"DateStyle",
    b"default_transaction_read_only",
    b"in_hot_standby",
    b"integer_datetimes",
    b"IntervalStyle",
    b"is_superuser",
    b"scram_iterations",
    b"server_encoding",
    b"server_version",
    b"session_authorization",
    b"standard_conforming_strings",
];

/// Routines of the server whose reports name only definitions outside of DETAIL and CONTEXT.
const ROUTINES: &[&[u8]] = &[
    b"DeadLockReport",
    b"ExecConstraints",
    b"ExecEvalConstraintCheck",
    b"ExecEvalConstraintNotNull",
    b"ExecPartitionCheckEmitError",
    b"ExecWithCheckOptions",
    b"ProcessInterrupts",
    b"ReportNotNullViolationError",
    b"_bt_check_unique",
    b"aclcheck_error",
    b"check_exclusion_or_unique_constraint",
    b"ri_ReportViolation",
];

/// Messages without any variable part, whatever routine they come from.
const CONSTANTS: &[&[u8]] = &[
    b"bigint out of range",
    b"canceling statement due to user request",
    b"could not serialize access due to concurrent delete",
    b"could not serialize access due to concurrent update",
    b"current transaction is aborted, commands ignored until end of transaction block",
    b"deadlock detected",
    b"division by zero",
    b"integer out of range",
    b"more than one row returned by a subquery used as an expression",
    b"numeric field overflow",
    b"smallint out of range",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// As it is: a code, a number, a place in the server's source.
    Same,
    /// With all finds replaced.
    Looked,
    /// Replaced: by this and a word on what is missing.
    Instead(&'static str),
    /// Left out.
    Dropped,
}

/// The fields of an ErrorResponse or NoticeResponse.
struct Report<'a> {
    /// Each field's type and text, without the terminator of the message.
    fields: &'a [u8],
}

impl<'a> Report<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, MaskError> {
        const SHORT: MaskError = MaskError::Short("ErrorResponse");
        let mut rest = body;
        loop {
            match rest {
                [0] => break,
                [0, ..] => return Err(MaskError::Long("ErrorResponse")),
                [_, text @ ..] => rest = take_text(text).ok_or(SHORT)?.1,
                [] => return Err(SHORT),
            }
        }
        Ok(Self { fields: body.get(..body.len() - 1).ok_or(SHORT)? })
    }

    fn fields(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut rest = self.fields;
        std::iter::from_fn(move || {
            let (kind, text) = rest.split_first()?;
            let (text, after) = take_text(text)?;
            rest = after;
            Some((*kind, text))
        })
    }

    fn get(&self, wanted: u8) -> Option<&'a [u8]> {
        self.fields().find(|(kind, _)| *kind == wanted).map(|(_, text)| text)
    }

    /// Whether the report is about the statement's text, found while it was analysed: it has a position in it
    /// and comes from no function. Nothing was read from any table by then.
    fn is_about_the_text(&self) -> bool {
        self.get(b'P').is_some() && [b'p', b'q', b'W'].iter().all(|kind| self.get(*kind).is_none())
    }

    fn comes_from_definitions(&self) -> bool {
        self.is_about_the_text()
            || self.get(b'R').is_some_and(|routine| ROUTINES.contains(&routine))
            || self.get(b'M').is_some_and(|message| CONSTANTS.contains(&message))
    }

    /// Appends the fields that every client relies on and this report lacks; says whether there were any.
    fn complete(&self, tag: u8, out: &mut Vec<u8>) -> bool {
        let required: [(u8, &[u8]); 3] = if tag == b'E' {
            [(b'S', b"ERROR"), (b'C', b"XX000"), (b'M', b"the target gave no message")]
        } else {
            [(b'S', b"NOTICE"), (b'C', b"00000"), (b'M', b"the target gave no message")]
        };
        let mut changed = false;
        for (kind, text) in required {
            let given = self.get(kind);
            if given.is_none() {
                changed = true;
                out.push(kind);
                out.extend_from_slice(text);
                out.push(0);
            }
        }
        changed
    }
}

fn take_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(0, bytes)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}
