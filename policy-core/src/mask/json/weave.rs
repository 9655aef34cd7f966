//! Decoded text on its way through the detectors, and back into the form that it came in.
//!
//! The detectors see characters; what leaves has the escapes (or line ends) that it came with, but for finds. A find may
//! begin or end in the middle of a character: what is left of the character is hidden with it.

use std::collections::VecDeque;

use super::super::stream::{Outlet, PIECE, StreamMasker};
use super::super::{Detectors, MaskKey, REDACTED, Transform};
use super::lexer;

/// How masked text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::mask) enum Form {
    /// As the content of a JSON string.
    #[default]
    Json,
    /// As part of a line; what stood for line feeds inside a find comes behind what it became.
    Lines,
}

/// Masks one text after the other, each of which may come in pieces.
#[derive(Default)]
pub(in crate::mask) struct Woven {
    masker: StreamMasker,
    weave: Weave,
    /// How much was appended since the masker looked last.
    waiting: usize,
}

impl Woven {
    pub(in crate::mask) fn new(form: Form) -> Self {
        Self { weave: Weave { form, ..Weave::default() }, ..Self::default() }
    }

    /// Begins a text behind `context`, which the detectors see and nobody else.
    pub(in crate::mask) fn begin(&mut self, context: [&[u8]; 2]) {
        for part in context {
            self.masker.append(part);
            self.weave.came += part.len() as u64;
            self.weave.hidden += part.len();
            self.waiting += part.len();
        }
    }

    /// Adds text that stands for itself.
    pub(in crate::mask) fn plain(
        &mut self,
        detectors: &Detectors,
        key: &MaskKey,
        text: &[u8],
        out: &mut Vec<u8>,
    ) {
        for piece in text.chunks(PIECE / 2) {
            self.append(piece);
            self.look(detectors, key, PIECE / 2, out);
        }
    }

    /// Adds a character that came as `raw`.
    pub(in crate::mask) fn written(
        &mut self,
        detectors: &Detectors,
        key: &MaskKey,
        (raw, decoded): (&[u8], char),
        out: &mut Vec<u8>,
    ) {
        let mut buffer = [0; 4];
        let decoded = decoded.encode_utf8(&mut buffer).as_bytes();
        self.weave.insert(raw, decoded.len());
        self.append(decoded);
        self.look(detectors, key, PIECE / 2, out);
    }

    /// Lets go of what may leave.
    pub(in crate::mask) fn advance(&mut self, detectors: &Detectors, key: &MaskKey, out: &mut Vec<u8>) {
        self.look(detectors, key, 1, out);
    }

    /// Ends the text; says how many finds were masked in it.
    pub(in crate::mask) fn end(&mut self, detectors: &Detectors, key: &MaskKey, out: &mut Vec<u8>) -> usize {
        self.masker.end(detectors, key, &mut Onto { weave: &mut self.weave, out });
        self.waiting = 0;
        self.weave.end(out)
    }

    pub(in crate::mask) fn held(&self) -> usize {
        self.masker.held() + self.weave.raw.len()
    }

    fn append(&mut self, text: &[u8]) {
        self.masker.append(text);
        self.weave.came += text.len() as u64;
        self.waiting += text.len();
    }

    fn look(&mut self, detectors: &Detectors, key: &MaskKey, from: usize, out: &mut Vec<u8>) {
        if self.waiting >= from {
            self.waiting = 0;
            self.masker.advance(detectors, key, &mut Onto { weave: &mut self.weave, out });
        }
    }
}

/// What stands in the text for something else. Places count the bytes of text from its beginning.
#[derive(Default)]
struct Weave {
    form: Form,
    inserts: VecDeque<Insert>,
    raw: VecDeque<u8>,
    /// How much text has come, context included.
    came: u64,
    /// How much has left, in one form or another.
    left: u64,
    /// How much of the context is still to leave.
    hidden: usize,
    /// The beginning of a character the rest of which has not left.
    begun: Vec<u8>,
    /// The last thing that left was (part of) a find.
    behind_find: bool,
    finds: usize,
    scratch: Vec<u8>,
}

struct Insert {
    /// Which byte of the text is the first that it stands for.
    at: u64,
    /// How many bytes it stands for.
    stands_for: usize,
    /// How many bytes it has itself.
    length: usize,
}

impl Weave {
    fn insert(&mut self, raw: &[u8], stands_for: usize) {
        self.raw.extend(raw);
        self.inserts.push_back(Insert { at: self.came, stands_for, length: raw.len() });
    }

    /// Takes the first one out, if it stands before `end`; what it was goes to `out` or away.
    fn first(&mut self, end: u64, out: Option<&mut Vec<u8>>) -> Option<Insert> {
        self.inserts.front().filter(|first| first.at < end)?;
        let insert = self.inserts.pop_front()?;
        let raw = self.raw.drain(..insert.length.min(self.raw.len()));
        if let Some(out) = out {
            out.extend(raw);
        }
        Some(insert)
    }

    /// Whole characters that stay.
    fn show(&mut self, mut text: &[u8], out: &mut Vec<u8>) {
        let end = self.left + text.len() as u64;
        while let Some(at) = self.inserts.front().map(|first| first.at).filter(|at| *at < end) {
            // Less than the text's length.
            let before = at.saturating_sub(self.left) as usize;
            out.extend_from_slice(text.get(..before).unwrap_or_default());
            let covers = self.first(end, Some(out)).map_or(0, |insert| insert.stands_for);
            text = text.get(before + covers..).unwrap_or_default();
            self.left = at + covers as u64;
        }
        out.extend_from_slice(text);
        self.left = end;
    }

    /// So many bytes are covered by a find, unless they belong to the context; says how many are left of them.
    fn cover(&mut self, count: usize) -> usize {
        let hidden = count.min(self.hidden);
        self.hidden -= hidden;
        self.left += hidden as u64;
        count - hidden
    }

    fn covered(&mut self, count: usize, out: &mut Vec<u8>) {
        self.left += (self.begun.len() + count) as u64;
        self.begun.clear();
        self.behind_find = true;
        let shown = self.form == Form::Lines;
        while self.first(self.left, shown.then_some(&mut *out)).is_some() {}
    }

    fn end(&mut self, out: &mut Vec<u8>) -> usize {
        let begun = std::mem::take(&mut self.begun);
        self.show(&begun, out);
        let finds = self.finds;
        self.inserts.clear();
        self.raw.clear();
        (self.came, self.left, self.hidden, self.behind_find, self.finds) = (0, 0, 0, false, 0);
        finds
    }
}

/// Text on its way out.
struct Onto<'w> {
    weave: &'w mut Weave,
    out: &'w mut Vec<u8>,
}

impl Outlet for Onto<'_> {
    fn text(&mut self, text: &[u8]) {
        let (weave, out) = (&mut *self.weave, &mut *self.out);
        let shown = weave.cover(text.len());
        let mut text = text.get(text.len() - shown..).unwrap_or_default();
        if weave.behind_find {
            let rest = text.iter().take_while(|byte| continues(**byte)).count();
            text = text.get(rest..).unwrap_or_default();
            weave.left += rest as u64;
            weave.behind_find = text.is_empty();
        }
        while let Some(wanted) = weave.begun.first().map(|first| length(*first)) {
            let Some((byte, rest)) = text.split_first() else { return };
            if continues(*byte) {
                weave.begun.push(*byte);
                text = rest;
            }
            if weave.begun.len() >= wanted || !continues(*byte) {
                let character = std::mem::take(&mut weave.begun);
                weave.show(&character, out);
            }
        }
        let begun = begun(text);
        let (whole, part) = text.split_at(text.len() - begun);
        weave.show(whole, out);
        weave.begun.extend_from_slice(part);
    }

    fn find(&mut self, covers: usize, value: &[u8], transform: Transform, key: &MaskKey) {
        let (weave, out) = (&mut *self.weave, &mut *self.out);
        let count = weave.cover(covers);
        if count == 0 {
            return;
        }
        // What is found in the context and goes on behind it is no value of its own.
        let transform = if count < covers { Transform::Redact } else { transform };
        let mut scratch = std::mem::take(&mut weave.scratch);
        scratch.clear();
        let _nothing_for_null = transform.apply(value, key, &mut scratch);
        let masked = std::str::from_utf8(&scratch).unwrap_or(REDACTED);
        match weave.form {
            Form::Json => lexer::encode(masked, out),
            Form::Lines if masked.contains(['\r', '\n']) => out.extend_from_slice(REDACTED.as_bytes()),
            Form::Lines => out.extend_from_slice(masked.as_bytes()),
        }
        weave.scratch = scratch;
        weave.finds += 1;
        weave.covered(count, out);
    }

    fn swallow(&mut self, covers: usize) {
        let count = self.weave.cover(covers);
        self.weave.covered(count, self.out);
    }
}

/// Whether the byte goes on with a character of UTF-8.
fn continues(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// How many bytes a character has that begins with this one.
fn length(first: u8) -> usize {
    match first {
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
        _ => 1,
    }
}

/// How many bytes at the end of the text begin a character that does not end there.
fn begun(text: &[u8]) -> usize {
    let last = text.iter().rev().take(3).position(|byte| !continues(*byte));
    let Some((back, first)) = last.and_then(|back| Some((back + 1, *text.get(text.len() - back - 1)?)))
    else {
        return 0;
    };
    if length(first) > back { back } else { 0 }
}
