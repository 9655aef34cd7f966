//! Masking event streams: `text/event-stream`, WHATWG HTML, section 9.2.

use std::sync::Arc;

use super::json::weave::{Form, Woven};
use super::{Detectors, FieldMasks, JsonError, JsonMasker, MaskKey, Scratch};

/// Masks one event stream.
///
/// The `data` lines of an event are one text, joined by line feeds. Where it begins as JSON does (`{`, `[` or `"`) it is masked as
/// [`JsonMasker`] does it; otherwise by the detectors alone, and where fields are masked it is an error, except for `[DONE]`, with
/// which many streams end. Every other line (`event`, `id`, `retry`, comments) goes through the detectors as a text.
///
/// Lines end as they ended: by a line feed, a carriage return or both. The output does not depend on how the stream is split. An
/// event has left once its empty line has come; parts of it may leave before.
///
/// Other lines that stand between data lines which are dropped come behind the data.
///
/// # Errors
/// As for [`JsonMasker`]; nothing leaves any more.
///
/// # Bounds
/// Those of [`JsonMasker`] for the data of each event; other lines have at most [`SseMasker::MAX_LINE`] bytes, and so have
/// those together that stand behind a data line.
pub struct SseMasker {
    has_fields: bool,
    json: JsonMasker,
    text: Woven,
    scratch: Scratch,
    line: Line,
    /// What has come of the line, as far as it is not known what it is, or if it is no data.
    held: Vec<u8>,
    data: Data,
    /// The end of the last data line, and the other lines behind it.
    between: Vec<u8>,
    /// How long that end is.
    line_end: usize,
    /// Other lines that lost their place.
    moved: Vec<u8>,
    /// The last byte was a carriage return that ended a line.
    after_return: bool,
    /// Nothing has come yet, but for a part of a byte order mark.
    first: bool,
    masked: usize,
    failed: Option<JsonError>,
}

/// What the line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Not known yet.
    Begun,
    /// Data; a space before it may follow.
    Space,
    Data,
    Other,
}

/// What the data of the event are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Data {
    /// There are none.
    None,
    /// Nothing but white space so far.
    Blank,
    /// As far as can be told, [`DONE`].
    Done(Vec<u8>),
    Json,
    Text,
}

const DATA: &[u8] = b"data:";
const DONE: &[u8] = b"[DONE]";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl SseMasker {
    /// The longest line that is no data, in bytes.
    pub const MAX_LINE: usize = 64 * 1024;

    /// A masker of these fields; of none, it only detects.
    pub fn new(fields: Option<Arc<FieldMasks>>) -> Self {
        Self {
            has_fields: fields.is_some(),
            json: JsonMasker::new(fields),
            text: Woven::new(Form::Lines),
            scratch: Scratch::default(),
            line: Line::Begun,
            held: Vec::new(),
            data: Data::None,
            between: Vec::new(),
            line_end: 0,
            moved: Vec::new(),
            after_return: false,
            first: true,
            masked: 0,
            failed: None,
        }
    }

    /// Takes some bytes of the stream and appends what may leave to `out`; says how many finds and values were masked.
    ///
    /// # Errors
    /// An event can't be masked. Nothing of this stream leaves any more.
    pub fn push(
        &mut self,
        detectors: &Detectors,
        key: &MaskKey,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<usize, JsonError> {
        self.guarded(|masker| masker.take(&mut Way { detectors, key, out }, bytes))
    }

    /// Ends the stream: appends what was held back to `out`.
    ///
    /// # Errors
    /// The stream ends in the middle of an event whose data can't be masked, or has failed before.
    pub fn finish(
        &mut self,
        detectors: &Detectors,
        key: &MaskKey,
        out: &mut Vec<u8>,
    ) -> Result<usize, JsonError> {
        self.guarded(|masker| masker.end(&mut Way { detectors, key, out }))
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.json.held() + self.text.held() + self.held.len() + self.between.len() + self.moved.len()
    }

    fn guarded(&mut self, act: impl FnOnce(&mut Self) -> Result<(), JsonError>) -> Result<usize, JsonError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let masked = self.masked;
        act(self).inspect_err(|error| self.failed = Some(*error))?;
        Ok(self.masked - masked)
    }

    fn take(&mut self, way: &mut Way<'_>, mut bytes: &[u8]) -> Result<(), JsonError> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if std::mem::take(&mut self.after_return) && byte == b'\n' {
                self.more_of_line_end(way);
                bytes = rest;
                continue;
            }
            if matches!(byte, b'\r' | b'\n') {
                self.line_ends(byte, way)?;
                self.after_return = byte == b'\r';
                bytes = rest;
                continue;
            }
            match self.line {
                Line::Begun => {
                    self.held.push(byte);
                    self.name(way);
                    bytes = rest;
                }
                Line::Space => {
                    if byte == b' ' {
                        self.held.push(byte);
                        bytes = rest;
                    }
                    self.data_begins(way)?;
                }
                Line::Data | Line::Other => {
                    let end = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
                    let (content, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
                    if self.line == Line::Data {
                        self.content(content, way)?;
                    } else {
                        self.held.extend_from_slice(content);
                        self.check_length()?;
                    }
                    bytes = rest;
                }
            }
        }
        if self.data == Data::Text {
            self.text.advance(way.detectors, way.key, way.out);
        }
        Ok(())
    }

    fn end(&mut self, way: &mut Way<'_>) -> Result<(), JsonError> {
        match self.line {
            Line::Begun if self.held == b"data" => self.data_begins(way)?,
            Line::Begun | Line::Other => {
                let line = self.other(way)?;
                self.place(way).extend_from_slice(&line);
            }
            Line::Space => self.data_begins(way)?,
            Line::Data => {}
        }
        self.event_ends(way)?;
        (self.line, self.first, self.after_return) = (Line::Begun, true, false);
        Ok(())
    }

    /// Tells what the line is, if what is there of it does.
    fn name(&mut self, way: &mut Way<'_>) {
        if self.first && BYTE_ORDER_MARK.starts_with(&self.held) {
            if self.held == BYTE_ORDER_MARK {
                self.first = false;
                way.out.append(&mut self.held);
            }
            return;
        }
        self.first = false;
        if self.held == DATA {
            self.line = Line::Space;
        } else if !DATA.starts_with(&self.held) {
            self.line = Line::Other;
        }
    }

    fn line_ends(&mut self, end: u8, way: &mut Way<'_>) -> Result<(), JsonError> {
        self.first = false;
        match self.line {
            Line::Begun if self.held.is_empty() => {
                self.event_ends(way)?;
                way.out.push(end);
                return Ok(());
            }
            Line::Begun if self.held == b"data" => self.data_begins(way)?,
            Line::Space => self.data_begins(way)?,
            Line::Begun => self.line = Line::Other,
            Line::Data | Line::Other => {}
        }
        if self.line == Line::Other {
            let line = self.other(way)?;
            let place = self.place(way);
            place.extend_from_slice(&line);
            place.push(end);
        } else {
            self.between.clear();
            self.between.push(end);
            self.line_end = 1;
        }
        self.line = Line::Begun;
        self.check_length()
    }

    /// A line feed behind the carriage return that ended the line.
    fn more_of_line_end(&mut self, way: &mut Way<'_>) {
        let of_data = self.between.len() == self.line_end;
        let place = self.place(way);
        place.push(b'\n');
        if self.data != Data::None && of_data {
            self.line_end += 1;
        }
    }

    /// Where what is no data goes to: behind the data line before it, if that may go on.
    fn place<'p>(&'p mut self, way: &'p mut Way<'_>) -> &'p mut Vec<u8> {
        if self.data == Data::None { way.out } else { &mut self.between }
    }

    /// The line that is held, masked.
    fn other(&mut self, way: &mut Way<'_>) -> Result<Vec<u8>, JsonError> {
        self.check_length()?;
        let line = std::mem::take(&mut self.held);
        let mut masked = Vec::new();
        let finds = way.detectors.mask_into(&line, way.key, &mut self.scratch, &mut masked);
        self.masked += finds;
        Ok(if finds > 0 { masked } else { line })
    }

    fn check_length(&self) -> Result<(), JsonError> {
        let longest = self.held.len().max(self.between.len()).max(self.moved.len());
        if longest > Self::MAX_LINE { Err(JsonError::LineTooLong) } else { Ok(()) }
    }

    /// The data of a line begin; what is held stands before them.
    fn data_begins(&mut self, way: &mut Way<'_>) -> Result<(), JsonError> {
        self.line = Line::Data;
        if let Data::Done(begun) = &mut self.data {
            let begun = std::mem::take(begun);
            self.is_json(&begun, way)?;
        }
        let others = self.line_end.min(self.between.len());
        self.between.extend_from_slice(&self.held);
        let prefix = self.held.len();
        self.held.clear();
        match self.data {
            Data::None => self.data = Data::Blank,
            Data::Text => {
                self.text.written(way.detectors, way.key, (&self.between, '\n'), way.out);
                self.between.clear();
                return Ok(());
            }
            Data::Json => {
                let before = way.out.len();
                self.masked += self.json.push(way.detectors, way.key, b"\n", way.out)?;
                if way.out.len() > before && way.out.last() == Some(&b'\n') {
                    way.out.pop();
                } else {
                    // The line feed is in what is dropped, and so are this line's end and beginning.
                    let end = self.between.len() - prefix;
                    self.moved.extend(self.between.drain(..).take(end).skip(others));
                    return self.check_length();
                }
            }
            Data::Blank | Data::Done(_) => {}
        }
        way.out.append(&mut self.between);
        Ok(())
    }

    fn content(&mut self, content: &[u8], way: &mut Way<'_>) -> Result<(), JsonError> {
        match &mut self.data {
            Data::None | Data::Blank => {
                let blank = content.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                let (blank, rest) = content.split_at_checked(blank).unwrap_or((content, &[]));
                way.out.extend_from_slice(blank);
                match rest.first() {
                    None => Ok(()),
                    Some(b'[') => {
                        self.data = Data::Done(Vec::new());
                        self.content(rest, way)
                    }
                    Some(b'{' | b'"') => self.is_json(rest, way),
                    Some(_) if self.has_fields => Err(JsonError::NoFields),
                    Some(_) => {
                        self.data = Data::Text;
                        self.text.begin([&[], &[]]);
                        self.content(rest, way)
                    }
                }
            }
            Data::Done(begun) => {
                begun.extend_from_slice(content);
                if DONE.starts_with(begun) {
                    return Ok(());
                }
                let begun = std::mem::take(begun);
                self.is_json(&begun, way)
            }
            Data::Json => {
                self.masked += self.json.push(way.detectors, way.key, content, way.out)?;
                Ok(())
            }
            Data::Text => {
                self.text.plain(way.detectors, way.key, content, way.out);
                Ok(())
            }
        }
    }

    fn is_json(&mut self, begun: &[u8], way: &mut Way<'_>) -> Result<(), JsonError> {
        self.data = Data::Json;
        self.content(begun, way)
    }

    fn event_ends(&mut self, way: &mut Way<'_>) -> Result<(), JsonError> {
        match std::mem::replace(&mut self.data, Data::None) {
            Data::Done(begun) if begun == DONE => way.out.extend_from_slice(DONE),
            Data::Done(begun) => {
                self.is_json(&begun, way)?;
                return self.event_ends(way);
            }
            Data::Json => self.masked += self.json.finish(way.detectors, way.key, way.out)?,
            Data::Text => self.masked += self.text.end(way.detectors, way.key, way.out),
            Data::None | Data::Blank => {}
        }
        let others = self.line_end.min(self.between.len());
        way.out.extend(self.between.drain(..others));
        if others == 0 && !self.moved.is_empty() {
            // The stream ends with the data line.
            way.out.push(b'\n');
        }
        way.out.append(&mut self.moved);
        way.out.append(&mut self.between);
        self.line_end = 0;
        Ok(())
    }
}

impl std::fmt::Debug for SseMasker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SseMasker").field("held", &self.held()).finish_non_exhaustive()
    }
}

/// What masking takes, and where to.
struct Way<'w> {
    detectors: &'w Detectors,
    key: &'w MaskKey,
    out: &'w mut Vec<u8>,
}

#[cfg(test)]
mod tests;
