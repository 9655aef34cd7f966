//! Strings: answered where a mask covers them, taken through the detectors otherwise, and not waited for where they are long.

use super::super::detectors::MAX_FIND;
use super::super::{Applied, REDACTED, Transform};
use super::run::{Run, context};
use super::{JsonError, JsonMasker, lexer};

/// A string that leaves, or is swallowed, before its end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    /// As it is.
    Plain,
    /// Through the detectors.
    Detected,
    /// Under a mask; its beginning is held.
    Masked(Transform),
    /// Answered, or dropped.
    Swallowed,
}

/// Strings of so many bytes wait for their end; of longer ones parts leave before it. What leaves does not depend on it, which
/// tests hold against each other.
pub(super) struct Patience(pub(super) usize);

pub(super) const WAIT: usize = 4 * 1024;

impl Default for Patience {
    fn default() -> Self {
        Self(WAIT)
    }
}

impl JsonMasker {
    pub(super) fn string(
        &mut self,
        transform: Option<Transform>,
        run: &mut Run<'_>,
    ) -> Result<bool, JsonError> {
        let start = run.at + 1;
        let Some(text) = lexer::text(run.bytes, start)? else {
            if run.bytes.len() - start > self.patience.0 {
                self.open(transform, run)?;
            }
            return Ok(false);
        };
        run.at = text.end + 1;
        self.ended();
        if self.dropped.is_some() {
            return Ok(true);
        }
        if let Some(transform) = transform {
            run.keep(start - 1);
            self.value.clear();
            lexer::decode(run.bytes, start, &mut self.value)?;
            self.answer(transform, run);
            run.kept = run.at;
        } else if self.has_to_look(start, &text, run)? {
            run.keep(start);
            self.strings.begin(context(run.called(&self.name)));
            self.detect(start, run)?;
            run.kept = text.end;
        }
        Ok(true)
    }

    /// Whether something may be found in a string that is all there.
    pub(super) fn has_to_look(
        &mut self,
        start: usize,
        text: &lexer::Text,
        run: &mut Run<'_>,
    ) -> Result<bool, JsonError> {
        if run.detectors.is_empty() {
            return Ok(false);
        }
        if self.telling || run.always || !text.escaped {
            return Ok(self.telling || run.may_hold(start, text.end));
        }
        self.value.clear();
        lexer::decode(run.bytes, start, &mut self.value)?;
        let found = run.detectors.first(&self.value).is_some();
        self.value.clear();
        Ok(found)
    }

    /// Takes the rest of a string through the detectors, onto the output.
    pub(super) fn detect(&mut self, start: usize, run: &mut Run<'_>) -> Result<(), JsonError> {
        self.feed(start, run)?;
        self.masked += self.strings.end(run.detectors, run.key, run.out);
        Ok(())
    }

    pub(super) fn feed(&mut self, from: usize, run: &mut Run<'_>) -> Result<(usize, bool), JsonError> {
        let Run { detectors, key, out, bytes, .. } = run;
        lexer::content(bytes, from, |piece| match piece {
            lexer::Piece::Plain(text) => self.strings.plain(detectors, key, text, out),
            lexer::Piece::Escape { raw, decoded } => {
                self.strings.written(detectors, key, (raw, decoded), out);
            }
        })
    }

    /// Begins a string whose end is not waited for.
    pub(super) fn open(&mut self, transform: Option<Transform>, run: &mut Run<'_>) -> Result<(), JsonError> {
        let quote = run.at;
        run.at += 1;
        let open = match transform {
            _ if self.dropped.is_some() => Open::Swallowed,
            Some(transform) => {
                run.keep(quote);
                self.value.clear();
                Open::Masked(transform)
            }
            None if run.detectors.is_empty() => Open::Plain,
            None => {
                run.keep(run.at);
                self.strings.begin(context(run.called(&self.name)));
                Open::Detected
            }
        };
        self.open = Some(open);
        self.go_on(open, run).map(drop)
    }

    /// Goes on with such a string; says whether it has ended.
    pub(super) fn go_on(&mut self, open: Open, run: &mut Run<'_>) -> Result<bool, JsonError> {
        let (at, ended) = match open {
            Open::Plain | Open::Swallowed => lexer::content(run.bytes, run.at, |_| {})?,
            Open::Detected => self.feed(run.at, run)?,
            Open::Masked(_) => lexer::decode(run.bytes, run.at, &mut self.value)?,
        };
        run.at = at;
        match open {
            Open::Masked(transform) if ended || self.value.len() > MAX_FIND => {
                self.answer(transform, run);
                self.open = Some(Open::Swallowed);
            }
            Open::Detected if ended => self.masked += self.strings.end(run.detectors, run.key, run.out),
            _ => {}
        }
        if ended {
            // The quote is a part of what was answered, or leaves with what follows.
            run.kept = match open {
                Open::Plain => run.kept,
                Open::Detected => at,
                Open::Masked(_) | Open::Swallowed => at + 1,
            };
            run.at += 1;
            self.open = None;
            self.ended();
        }
        Ok(ended)
    }

    /// Writes what becomes of the string that `value` holds.
    pub(super) fn answer(&mut self, transform: Transform, run: &mut Run<'_>) {
        let mut text = std::mem::take(&mut self.value);
        let mut masked = Vec::new();
        let applied = match transform {
            Transform::Null => Applied::Null,
            _ if text.len() > MAX_FIND => Transform::Redact.apply(&text, run.key, &mut masked),
            _ => transform.apply(&text, run.key, &mut masked),
        };
        match applied {
            Applied::Null => run.out.extend_from_slice(b"null"),
            Applied::Text => {
                run.out.push(b'"');
                lexer::encode(std::str::from_utf8(&masked).unwrap_or(REDACTED), run.out);
                run.out.push(b'"');
            }
        }
        self.masked += 1;
        text.clear();
        self.value = text;
    }
}
