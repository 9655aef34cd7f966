//! What a session's recording is told of replies: rows as the client gets them, and what the target says beside them.

use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context, Poll};

use portcullis_evidence::Text;
use portcullis_evidence::recording::{Event, Stream};
use portcullis_gateway::enforce::{Receipt, Tape};
use smallvec::SmallVec;

use super::plan::{Described, Execution, Plan};
use super::session::Shared;
use crate::mask::{Format, parse_row_description};

/// The most rows of one answer that are recorded, and the most of their text, in bytes. What comes after is counted.
pub(super) const ROWS: u64 = 1000;
pub(super) const BYTES: usize = 1 << 20;
/// The most of one value, or of one message, that is recorded, in bytes.
const VALUE: usize = 4096;

/// Records the replies of one session, one after the other as they come.
pub(super) struct Replies {
    tape: Tape,
    /// The answer that is coming, once there was something of it to record.
    answer: Option<Answer>,
}

/// How much of a command's answer is recorded so far.
struct Answer {
    command: u64,
    formats: SmallVec<[Format; 8]>,
    rows: u64,
    bytes: usize,
    omitted: u64,
}

impl Replies {
    /// Records on this tape.
    pub(super) fn new(tape: Tape) -> Self {
        Self { tape, answer: None }
    }

    /// Ready once there is room for what the next message brings.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.tape.poll_room(cx)
    }

    /// Whether the data that answers this command is recorded.
    pub(super) fn takes(&self, plan: Option<&Plan>) -> bool {
        self.tape.is_on() && plan.and_then(Plan::run).is_some_and(|run| run.judged.records_results())
    }

    /// Records the names of a result's columns, given the body of its RowDescription as the client gets it; those of
    /// a prepared statement with the rows of each of its executions.
    pub(super) fn columns(&mut self, plan: Option<&Plan>, shared: &Shared, body: &[u8]) {
        if !self.tape.is_on() {
            return;
        }
        let Ok(fields) = parse_row_description(body) else { return };
        if let Some(Plan::Describe(described)) = plan {
            let prepared = match described {
                Described::Statement(prepared) => Some(Arc::clone(prepared)),
                Described::Portal(name) => {
                    shared.names.standing(name, |portal| portal.prepared.clone()).flatten()
                }
            };
            if let Some(prepared) = prepared {
                let names = fields.iter().map(|field| shown(&field.name, false).into());
                // The first description stands: the target itself refuses to change a cached result type.
                let _ = prepared.names.set(names.collect());
            }
            return;
        }
        if !self.takes(plan) {
            return;
        }
        let Some(answer) = of(&mut self.answer, plan, shared) else { return };
        answer.formats = fields.iter().map(|field| field.format).collect();
        let names = fields.iter().map(|field| shown(&field.name, false)).collect();
        self.tape.push(&Event::Columns { command: answer.command, names });
    }

    /// Records a row, given the body of its DataRow as the client gets it.
    pub(super) fn row(&mut self, plan: Option<&Plan>, shared: &Shared, body: &[u8]) {
        if self.answer.is_none() {
            self.names(plan, shared);
        }
        let Some(answer) = of(&mut self.answer, plan, shared) else { return };
        if !answer.has_room() {
            return;
        }
        let values: Vec<Option<Text<'_>>> = cells(body)
            .enumerate()
            .map(|(index, value)| Some(shown(value?, answer.is_binary(index))))
            .collect();
        answer.bytes += values.iter().flatten().map(|value| value.len()).sum::<usize>();
        self.tape.push(&Event::Row { command: answer.command, values: values.into() });
    }

    /// Records the names of a portal's columns, as its statement was described.
    fn names(&mut self, plan: Option<&Plan>, shared: &Shared) {
        let Some(Plan::Execute(Execution { portal, .. })) = plan else { return };
        let prepared = shared.names.standing(portal, |portal| portal.prepared.clone()).flatten();
        let Some(names) = prepared.as_ref().and_then(|prepared| prepared.names.get()) else { return };
        let Some(answer) = of(&mut self.answer, plan, shared) else { return };
        let names = names.iter().map(|name| (&**name).into()).collect();
        self.tape.push(&Event::Columns { command: answer.command, names });
    }

    /// Records a part of a COPY that comes out, as the client gets it.
    pub(super) fn output(&mut self, plan: Option<&Plan>, shared: &Shared, body: &[u8]) {
        let Some(answer) = of(&mut self.answer, plan, shared) else { return };
        if !answer.has_room() {
            return;
        }
        let text = shown(body, false);
        answer.bytes += text.len();
        self.tape.push(&Event::Output { command: answer.command, stream: Stream::Stdout, text });
    }

    /// Counts a row that is too long to be recorded.
    pub(super) fn omitted(&mut self, plan: Option<&Plan>, shared: &Shared) {
        if let Some(answer) = of(&mut self.answer, plan, shared) {
            answer.omitted += 1;
        }
    }

    /// Records an error or a notice, given its body as the client gets it.
    pub(super) fn message(&mut self, body: &[u8]) {
        if !self.tape.is_on() {
            return;
        }
        let field = |code: u8| {
            let text = body.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(&[code]));
            text.map(String::from_utf8_lossy).unwrap_or_default()
        };
        let text = format!("{} (SQLSTATE {})", field(b'M'), field(b'C'));
        self.tape.push(&Event::Message { severity: cut(field(b'S')), text: cut(text.into()) });
    }

    /// Says how much was left out of an answer that has ended.
    pub(super) fn ended(&mut self) {
        if let Some(Answer { command, omitted: rows @ 1.., .. }) = self.answer.take() {
            self.tape.push(&Event::RowsOmitted { command, rows });
        }
    }
}

impl Answer {
    /// Whether another row is recorded, rather than counted.
    fn has_room(&mut self) -> bool {
        if self.rows >= ROWS || self.bytes >= BYTES {
            self.omitted += 1;
            return false;
        }
        self.rows += 1;
        true
    }

    fn is_binary(&self, column: usize) -> bool {
        let format = match &*self.formats {
            [all] => Some(all),
            each => each.get(column),
        };
        format == Some(&Format::Binary)
    }
}

/// The answer to a command; `None` for what answers none, of which there is nothing to record.
fn of<'a>(answer: &'a mut Option<Answer>, plan: Option<&Plan>, shared: &Shared) -> Option<&'a mut Answer> {
    if answer.is_none() {
        let (command, formats) = match plan? {
            Plan::Query(run) => (run.receipt.as_ref().map(Receipt::command), SmallVec::new()),
            Plan::Execute(Execution { portal, run, .. }) => {
                let own = run.receipt.as_ref().map(Receipt::command);
                let standing = shared.names.standing(portal, |portal| {
                    (portal.receipt.as_ref().map(Receipt::command), portal.formats.iter().copied().collect())
                });
                let (of_portal, formats) = standing.unwrap_or_default();
                (own.or(of_portal), formats)
            }
            _ => return None,
        };
        *answer = Some(Answer { command: command?, formats, rows: 0, bytes: 0, omitted: 0 });
    }
    answer.as_mut()
}

/// The values of a DataRow, up to what does not fit.
fn cells(body: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = body.get(2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length);
        if length == u32::MAX {
            rest = after;
            return Some(None);
        }
        let (value, after) = after.split_at_checked(length as usize)?;
        rest = after;
        Some(Some(value))
    })
}

/// A value as the recording has it.
pub(super) fn shown(value: &[u8], is_binary: bool) -> Text<'_> {
    match std::str::from_utf8(value) {
        Ok(text) if !is_binary => cut(text.into()),
        _ => format!("({} bytes)", value.len()).into(),
    }
}

/// A text without what is too much.
fn cut(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= VALUE {
        return text;
    }
    let at = (0..=VALUE).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{}… ({} bytes)", text.get(..at).unwrap_or_default(), text.len()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_lie_about_their_lengths_end_where_they_do() {
        let cases: [(&[u8], usize); 5] = [
            (b"", 0),
            (b"\0", 0),
            (b"\0\x02\0\0\0\x01a", 1),
            (b"\0\x01\0\0\0\x09a", 0),
            (b"\0\x01\xff\xff\xff\xff", 1),
        ];
        for (body, count) in cases {
            assert_eq!(cells(body).count(), count, "{}", body.escape_ascii());
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "ä".repeat(VALUE);
        let kept = shown(long.as_bytes(), false);
        assert!(kept.ends_with("… (8192 bytes)") && kept.len() < VALUE + 20, "{}", kept.len());
        assert_eq!(shown(&[0, 0, 0, 7], true), "(4 bytes)");
        assert_eq!(shown(&[0xff], false), "(1 bytes)");
    }
}
