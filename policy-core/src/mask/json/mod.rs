//! Masking JSON while it streams: by field, and by content.
//!
//! `lexer` reads the tokens, `run` is one look at what has come, `path` follows the keys through the patterns of `fields`, and `weave` takes strings through the
//! detectors and back into the form that they came in.

mod error;
mod fields;
mod lexer;
mod path;
mod run;
mod strings;
#[cfg(test)]
pub(super) mod tests;
pub(super) mod weave;

use std::sync::Arc;

pub use error::JsonError;
pub use fields::FieldMasks;

use super::sieve::Ahead;
use super::{Detectors, MaskKey, Scratch, Transform};
use path::Path;
use run::{BETWEEN, Run, context};
use strings::{Open, Patience, WAIT};
use weave::Woven;

/// Masks one stream of JSON values (RFC 8259), one after the other: an answer, lines of JSON, a watch.
///
/// Whatever is not masked leaves byte for byte as it came: numbers, order, white space, escapes, keys that are there twice. The
/// output is valid JSON. It does not depend on how the stream is split.
///
/// - A **field** that a mask covers: a string becomes a string, with the transform applied to what it stands for; numbers and
///   truth values become `null`; `null` stays. In an object or a list each value becomes so, or all of it `null` where
///   that is the transform. Keys are compared as what they stand for, and every one of a name is meant.
/// - Other **strings, keys and numbers** go through the detectors as what they stand for. A string's key is what is before it in
///   a line, `phone: 202 555 0143`, since names tell what numbers are. A number in which something is found becomes `null`.
///
/// # Errors
/// What is not JSON ends the stream with a [`JsonError`]; nothing leaves after it, and the caller cuts the answer off. How much
/// has left before depends on how the stream was split.
///
/// # Bounds
/// A key has at most [`JsonMasker::MAX_KEY`] bytes, a number [`JsonMasker::MAX_NUMBER`], and objects and lists nest
/// [`JsonMasker::MAX_DEPTH`] deep. A string under a mask of more than [`super::MAX_FIND`] bytes is redacted, whatever the transform.
/// Held back are at most [`JsonMasker::MAX_HELD`] bytes; at the end of each value of the sequence that is an object, a list or
/// a string, nothing is. The work is linear.
///
/// ```
/// use std::sync::Arc;
/// use policy_core::mask::{Detector, Detectors, FieldMasks, JsonMasker, MaskKey, Transform};
/// use policy_core::rule::FieldMask;
/// use policy_core::vocabulary::parse_field;
///
/// let emails = FieldMask { fields: vec![parse_field("**.email")?], with: vec![], otherwise: Transform::Partial };
/// let cards = Detectors::new(&[(Detector::CreditCard, Transform::Last(4))])?;
/// let key = MaskKey::new(b"32 random bytes of a deployment.")?;
/// let mut masker = JsonMasker::new(Some(Arc::new(FieldMasks::new([&emails]))));
///
/// let mut out = Vec::new();
/// masker.push(&cards, &key, br#"[{"email": "ana@example.com", "note": "paid with 4111 1"#, &mut out)?;
/// masker.push(&cards, &key, br#"111 1111 1111", "age": 4e1}]"#, &mut out)?;
/// masker.finish(&cards, &key, &mut out)?;
/// assert_eq!(out, br#"[{"email": "a***@example.com", "note": "paid with ***************1111", "age": 4e1}]"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct JsonMasker {
    fields: Option<Arc<FieldMasks>>,
    path: Path,
    expect: Expect,
    around: Vec<Around>,
    /// So many objects and lists are around the one that became `null`, whose content is dropped.
    dropped: Option<usize>,
    /// What values are called by: the last key, as what it stands for, unless it is still in [`Run::name`].
    name: Vec<u8>,
    /// A detector may have to look at what follows this key.
    telling: bool,
    /// A string the end of which has not come, and that is too long to wait for it.
    open: Option<Open>,
    /// What came and can't be read before more comes.
    carry: Vec<u8>,
    patience: Patience,
    strings: Woven,
    value: Vec<u8>,
    scratch: Scratch,
    masked: usize,
    failed: Option<JsonError>,
}

/// What may come next, white space aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expect {
    /// A value of the sequence.
    #[default]
    Outermost,
    /// The same, but not right behind a number or a word.
    Apart,
    /// A key, or the end of the object.
    FirstKey,
    Key,
    Colon,
    Value,
    /// An element, or the end of the list.
    FirstElement,
    /// A comma, or the end of the object or list.
    Comma,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    Object,
    List,
}

/// How much is looked at in one go.
const PIECE: usize = 64 * 1024;

impl JsonMasker {
    /// The longest key, in bytes as it came.
    pub const MAX_KEY: usize = 4 * 1024;
    /// The longest number, in bytes.
    pub const MAX_NUMBER: usize = 1024;
    /// How deep objects and lists nest.
    pub const MAX_DEPTH: usize = 256;
    /// The most bytes that are held back (literals aside).
    pub const MAX_HELD: usize = 2 * WAIT + 13 * super::StreamMasker::MAX_HELD;

    /// A masker of these fields; of none, it only detects.
    pub fn new(fields: Option<Arc<FieldMasks>>) -> Self {
        let path = fields.as_deref().map(Path::new).unwrap_or_default();
        Self { fields, path, ..Self::default() }
    }

    /// Takes some bytes of the stream and appends what may leave to `out`; says how many finds and values were masked.
    ///
    /// # Errors
    /// What came is not JSON, or past a bound. Nothing of this stream leaves any more.
    pub fn push(
        &mut self,
        detectors: &Detectors,
        key: &MaskKey,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<usize, JsonError> {
        let masked = self.masked;
        for piece in bytes.chunks(PIECE) {
            self.take(detectors, key, piece, false, out)?;
        }
        Ok(self.masked - masked)
    }

    /// Ends the stream: appends what was held back to `out`. The next byte begins a new one.
    ///
    /// # Errors
    /// The stream ends in the middle of a value, or has failed before.
    pub fn finish(
        &mut self,
        detectors: &Detectors,
        key: &MaskKey,
        out: &mut Vec<u8>,
    ) -> Result<usize, JsonError> {
        let masked = self.masked;
        self.take(detectors, key, &[], true, out)?;
        if !self.is_between() {
            return Err(self.fail(JsonError::CutOff));
        }
        self.expect = Expect::Outermost;
        Ok(self.masked - masked)
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.carry.len() + self.strings.held() + self.value.len()
    }

    /// Whether no value has begun that has not ended.
    fn is_between(&self) -> bool {
        matches!(self.expect, Expect::Outermost | Expect::Apart)
            && self.open.is_none()
            && self.carry.is_empty()
    }

    fn fail(&mut self, error: JsonError) -> JsonError {
        self.failed = Some(error);
        self.carry = Vec::new();
        error
    }

    fn take(
        &mut self,
        detectors: &Detectors,
        key: &MaskKey,
        bytes: &[u8],
        ended: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), JsonError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut carried = std::mem::take(&mut self.carry);
        if carried.is_empty() {
            let used = self.look(detectors, key, bytes, ended, out)?;
            carried.extend_from_slice(bytes.get(used..).unwrap_or_default());
        } else {
            carried.extend_from_slice(bytes);
            let used = self.look(detectors, key, &carried, ended, out)?;
            carried.drain(..used);
        }
        self.carry = carried;
        if self.open == Some(Open::Detected) {
            self.strings.advance(detectors, key, out);
        }
        Ok(())
    }

    /// Reads these bytes as far as they can be read; says how far that is.
    fn look(
        &mut self,
        detectors: &Detectors,
        key: &MaskKey,
        bytes: &[u8],
        ended: bool,
        out: &mut Vec<u8>,
    ) -> Result<usize, JsonError> {
        let mut run = Run {
            detectors,
            key,
            bytes,
            ended,
            name: None,
            at: 0,
            kept: 0,
            ahead: Ahead::default(),
            literal: 0,
            always: detectors.literals().is_some_and(|literals| literals.contain(BETWEEN)),
            out,
        };
        if let Err(error) = self.read(&mut run) {
            return Err(self.fail(error));
        }
        if self.dropped.is_none() && self.open.is_none_or(|open| open == Open::Plain) {
            run.keep(run.at);
        }
        if let Some((start, end)) = run.name {
            self.name.extend_from_slice(bytes.get(start..end).unwrap_or_default());
        }
        Ok(run.at)
    }

    /// Reads as far as what came can be read.
    fn read(&mut self, run: &mut Run<'_>) -> Result<(), JsonError> {
        if let Some(open) = self.open
            && !self.go_on(open, run)?
        {
            return Ok(());
        }
        loop {
            let blank = lexer::blank(run.bytes, run.at);
            run.at += blank;
            if blank > 0 && self.expect == Expect::Apart {
                self.expect = Expect::Outermost;
            }
            let Some(&byte) = run.bytes.get(run.at) else { return Ok(()) };
            let is_there = match (self.expect, byte) {
                (Expect::FirstKey | Expect::Key, b'"') => self.key(run)?,
                (Expect::Colon, b':') => {
                    self.expect = Expect::Value;
                    run.at += 1;
                    true
                }
                (Expect::FirstKey, b'}') | (Expect::FirstElement, b']') | (Expect::Comma, b'}' | b']') => {
                    self.close(byte, run)?;
                    true
                }
                (Expect::Comma, b',') => {
                    self.comma();
                    run.at += 1;
                    true
                }
                (Expect::Outermost, _) | (Expect::Apart, b'{' | b'[' | b'"') => {
                    self.forget_name(run);
                    if let Some(fields) = &self.fields {
                        self.path.root(fields);
                    }
                    self.value(byte, run)?
                }
                (Expect::Value | Expect::FirstElement, _) => self.value(byte, run)?,
                _ => return Err(JsonError::NotJson),
            };
            if !is_there {
                return Ok(());
            }
        }
    }

    fn comma(&mut self) {
        match self.around.last() {
            Some(Around::List) => self.next_element(),
            _ => self.expect = Expect::Key,
        }
    }

    fn next_element(&mut self) {
        self.expect = Expect::Value;
        if self.fields.is_some() && self.dropped.is_none() {
            self.path.element();
        }
    }

    fn forget_name(&mut self, run: &mut Run<'_>) {
        self.name.clear();
        run.name = None;
        self.telling = false;
    }

    /// A value has ended.
    fn ended(&mut self) {
        self.expect = if self.around.is_empty() { Expect::Outermost } else { Expect::Comma };
    }

    fn key(&mut self, run: &mut Run<'_>) -> Result<bool, JsonError> {
        let start = run.at + 1;
        let text = lexer::text(run.bytes, start)?;
        let length = text.as_ref().map_or(run.bytes.len(), |text| text.end) - start;
        if length > Self::MAX_KEY {
            return Err(JsonError::TooLong);
        }
        let Some(text) = text else { return Ok(false) };
        self.expect = Expect::Colon;
        run.at = text.end + 1;
        if self.dropped.is_some() {
            return Ok(true);
        }
        self.name.clear();
        run.name = None;
        if text.escaped {
            lexer::decode(run.bytes, start, &mut self.name)?;
        } else {
            run.name = Some((start, text.end));
        }
        if let Some(fields) = &self.fields {
            self.path.member(fields, run.called(&self.name));
        }
        self.telling = if text.escaped {
            run.detectors.first(&self.name).is_some()
        } else {
            run.may_hold(start, text.end)
        };
        if self.telling {
            run.keep(start);
            self.strings.begin([&[], &[]]);
            self.detect(start, run)?;
            run.kept = text.end;
        }
        Ok(true)
    }

    fn value(&mut self, byte: u8, run: &mut Run<'_>) -> Result<bool, JsonError> {
        let demand = match &self.fields {
            Some(fields) if self.dropped.is_none() => self.path.demand(fields),
            _ => None,
        };
        let transform = demand.map(|demand| demand.transform);
        match byte {
            b'{' | b'[' => {
                if self.around.len() >= Self::MAX_DEPTH {
                    return Err(JsonError::TooDeep);
                }
                if demand.is_some_and(|demand| demand.whole) {
                    run.replace(run.at, run.at, b"null");
                    self.masked += 1;
                    self.dropped = Some(self.around.len());
                }
                if self.fields.is_some() {
                    self.path.enter();
                }
                run.at += 1;
                if byte == b'{' {
                    self.around.push(Around::Object);
                    self.expect = Expect::FirstKey;
                } else {
                    self.around.push(Around::List);
                    self.next_element();
                    self.expect = Expect::FirstElement;
                }
                Ok(true)
            }
            b'"' => self.string(transform, run),
            b'-' | b'0'..=b'9' => self.number(transform, run),
            _ => self.word(transform, run),
        }
    }

    fn close(&mut self, byte: u8, run: &mut Run<'_>) -> Result<(), JsonError> {
        let closes = if byte == b'}' { Around::Object } else { Around::List };
        if self.around.pop() != Some(closes) {
            return Err(JsonError::NotJson);
        }
        run.at += 1;
        if self.fields.is_some() {
            self.path.leave();
        }
        // What follows is not called by a key in here.
        self.forget_name(run);
        if self.dropped == Some(self.around.len()) {
            self.dropped = None;
            run.kept = run.at;
        }
        self.ended();
        Ok(())
    }

    fn word(&mut self, transform: Option<Transform>, run: &mut Run<'_>) -> Result<bool, JsonError> {
        let rest = run.rest();
        let words: [&[u8]; 3] = [b"null", b"true", b"false"];
        if let Some(word) = words.iter().find(|word| rest.starts_with(word)) {
            let end = run.at + word.len();
            if transform.is_some() && *word != b"null" {
                run.replace(run.at, end, b"null");
                self.masked += 1;
            }
            run.at = end;
            self.scalar_ended();
            return Ok(true);
        }
        let begun = !run.ended && words.iter().any(|word| word.starts_with(rest));
        if begun { Ok(false) } else { Err(JsonError::NotJson) }
    }

    fn number(&mut self, transform: Option<Transform>, run: &mut Run<'_>) -> Result<bool, JsonError> {
        let length = lexer::number_length(run.bytes, run.at);
        let (start, end) = (run.at, run.at + length);
        if length > Self::MAX_NUMBER {
            return Err(JsonError::TooLong);
        }
        if end == run.bytes.len() && !run.ended {
            return Ok(false);
        }
        if !lexer::is_number(run.bytes.get(start..end).unwrap_or_default()) {
            return Err(JsonError::NotJson);
        }
        run.at = end;
        let masked = self.dropped.is_none()
            && (transform.is_some()
                || (self.telling || run.may_hold(start, end)) && self.is_find(start, end, run));
        if masked {
            run.replace(start, end, b"null");
            self.masked += 1;
        }
        self.scalar_ended();
        Ok(true)
    }

    /// Whether there is something in the number that is to be hidden.
    fn is_find(&mut self, start: usize, end: usize, run: &Run<'_>) -> bool {
        let mut text = std::mem::take(&mut self.value);
        text.clear();
        context(run.called(&self.name)).into_iter().for_each(|part| text.extend_from_slice(part));
        let begins = text.len();
        text.extend_from_slice(run.bytes.get(start..end).unwrap_or_default());
        let found = run.detectors.find(&text, &mut self.scratch).iter().any(|find| find.range.end > begins);
        text.clear();
        self.value = text;
        found
    }

    /// A number or a word has ended.
    fn scalar_ended(&mut self) {
        self.ended();
        if self.expect == Expect::Outermost {
            self.expect = Expect::Apart;
        }
    }
}

impl std::fmt::Debug for JsonMasker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonMasker").field("held", &self.held()).finish_non_exhaustive()
    }
}
