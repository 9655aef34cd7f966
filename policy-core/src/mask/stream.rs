//! Masking a stream: bytes in, masked bytes out, the same however the stream is split.

use super::detect::{Hit, MAX_CONTEXT, View};
use super::detectors::{Detectors, MAX_FIND, Union};
use super::scan::Scanner;
use super::{MaskKey, Transform, begun};

/// Masks one stream.
///
/// What leaves is what [`Detectors::mask_into`] makes of the whole, but for what is held back: bytes that
/// may still turn out to be part of a find.
///
/// # Bounds
/// At most [`StreamMasker::MAX_HELD`] bytes are held back, or the longest of the [`super::Literals`] if
/// that is more; usually it is the last word. A find that is longer than [`MAX_FIND`] is redacted as soon
/// as that is known, and swallowed until it ends. The work is linear in the length of the stream.
#[derive(Default)]
pub struct StreamMasker {
    scanner: Scanner,
    /// What has arrived, from a little before what has left.
    text: Vec<u8>,
    /// How much of `text` has left.
    left: usize,
    /// Where an overlong find that was answered already goes to, as far as known.
    swallowed: Option<usize>,
    /// Finds that are known, sorted; a buffer.
    sorted: Vec<(Hit, bool)>,
}

impl StreamMasker {
    /// The most bytes that are held back (literals aside).
    pub const MAX_HELD: usize = MAX_FIND + 9 * 1024;

    /// Takes some bytes of the stream and appends what may leave to `out`; says how many finds were masked.
    pub fn push(&mut self, detectors: &Detectors, key: &MaskKey, bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let mut masked = 0;
        // Pieces keep the buffer small, whatever size the bytes come in.
        for piece in bytes.chunks(PIECE) {
            self.append(piece);
            masked += self.advance(detectors, key, out);
        }
        if detectors.triggers().is_none() && detectors.literals().is_some() {
            // Where secrets alone are looked for, a word is no beginning of anything because it is one.
            masked += self.let_go(detectors, key, self.scanner.literals(), out);
        }
        masked
    }

    /// Ends the stream: appends what was held back to `out`. The next byte begins a new stream.
    pub fn flush(&mut self, detectors: &Detectors, key: &MaskKey, out: &mut Vec<u8>) -> usize {
        self.end(detectors, key, out)
    }

    /// To be called when nothing has come for a moment: appends what is held back to `out`, but for the beginnings of finds.
    /// The stream goes on.
    pub fn settle(&mut self, detectors: &Detectors, key: &MaskKey, out: &mut Vec<u8>) -> usize {
        self.quieten(detectors, key, out)
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.text.len() - self.left
    }

    /// Takes some bytes, at most [`PIECE`] between two calls of [`Self::advance`].
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }

    /// Lets go of what may leave.
    pub(super) fn advance(&mut self, detectors: &Detectors, key: &MaskKey, out: &mut impl Outlet) -> usize {
        let view = View { text: &self.text, ended: false };
        self.scanner.advance(detectors, view);
        let frontier = self.scanner.frontier(detectors, view);
        let masked = self.let_go(detectors, key, frontier, out);
        self.forget(detectors);
        masked
    }

    /// Lets go of what is no beginning of a find that is worth waiting for: see [`super::begun`].
    pub(super) fn quieten(&mut self, detectors: &Detectors, key: &MaskKey, out: &mut impl Outlet) -> usize {
        let view = View { text: &self.text, ended: false };
        let hold = begun::hold_from(&self.scanner, detectors, view, self.left);
        self.let_go(detectors, key, hold, out)
    }

    /// Lets go of everything, masked as if the stream ended here. It does not: a find that is let go of here and
    /// continues is swallowed.
    pub(super) fn release(&mut self, detectors: &Detectors, key: &MaskKey, out: &mut impl Outlet) -> usize {
        let view = View { text: &self.text, ended: true };
        let mut ended = self.scanner.clone();
        ended.advance(detectors, view);
        let (end, continues) = (view.text.len(), self.swallowed.is_some());
        let continues = continues || ended.sink.hits.iter().any(|hit| hit.end == end && end > self.left);
        let scanner = std::mem::replace(&mut self.scanner, ended);
        let masked = self.let_go(detectors, key, end, out);
        self.scanner = scanner;
        self.swallowed = continues.then_some(end);
        masked
    }

    /// Ends the stream. The next byte begins a new one.
    pub(super) fn end(&mut self, detectors: &Detectors, key: &MaskKey, out: &mut impl Outlet) -> usize {
        let view = View { text: &self.text, ended: true };
        self.scanner.advance(detectors, view);
        let masked = self.let_go(detectors, key, view.text.len(), out);
        self.scanner.reset(0);
        self.text.clear();
        self.left = 0;
        self.swallowed = None;
        masked
    }

    /// Lets go of everything before `frontier` that no find may still change.
    fn let_go(
        &mut self,
        detectors: &Detectors,
        key: &MaskKey,
        frontier: usize,
        out: &mut impl Outlet,
    ) -> usize {
        self.sort_finds();
        let mut masked = 0;
        let mut known = self.sorted.as_slice();
        let mut stop = frontier;
        if let Some(end) = self.swallowed {
            let (union, rest, open) = take_union(known, Some(end));
            known = rest;
            out.swallow(union.end - self.left);
            self.left = union.end;
            let ended = union.end <= frontier && !open;
            self.swallowed = (!ended).then_some(union.end);
            if !ended {
                stop = union.end;
                known = &[];
            }
        }
        while !known.is_empty() {
            let (union, rest, open) = take_union(known, None);
            if union.start >= frontier {
                break;
            }
            let complete = union.end <= frontier && !open;
            if !complete && union.end - union.start <= MAX_FIND {
                stop = stop.min(union.start);
                break;
            }
            out.text(slice(&self.text, self.left..union.start));
            // Not all of a find is there to be hidden: `settle` may have let go of its beginning.
            let covers = union.end - self.left.max(union.start);
            let transform = if complete { detectors.transform(&union) } else { Transform::Redact };
            out.find(covers, slice(&self.text, union.start..union.end), transform, key);
            masked += 1;
            self.left = union.end;
            known = rest;
            if !complete {
                self.swallowed = Some(union.end);
                stop = union.end;
                break;
            }
        }
        let stop = stop.max(self.left);
        out.text(slice(&self.text, self.left..stop));
        self.left = stop;
        masked
    }

    /// Closed finds and open ones, by their start.
    fn sort_finds(&mut self) {
        self.sorted.clear();
        let left = self.left;
        // What has left entirely needs no second answer.
        self.scanner.sink.hits.retain(|hit| hit.end > left);
        self.sorted.extend(self.scanner.sink.hits.iter().map(|hit| (*hit, false)));
        self.sorted.extend(self.scanner.open.iter().flatten().map(|open| (open.hit, true)));
        self.sorted.sort_unstable_by_key(|(hit, _)| hit.start);
    }

    /// Drops what has left, but for what detectors look back at; seldom, so that the cost stays linear.
    fn forget(&mut self, detectors: &Detectors) {
        let gone = self.left.min(self.scanner.needed(detectors)).saturating_sub(MAX_CONTEXT);
        if gone >= PIECE.min(self.text.len() / 2).max(1) {
            self.scanner.shift(gone);
            self.text.drain(..gone);
            self.left -= gone;
            self.swallowed = self.swallowed.map(|end| end.saturating_sub(gone));
        }
    }
}

impl std::fmt::Debug for StreamMasker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamMasker").field("held", &self.held()).finish_non_exhaustive()
    }
}

/// Where a masked stream goes to, in its order: all that the calls cover is all of the stream.
pub(super) trait Outlet {
    /// Text that stays as it is.
    fn text(&mut self, text: &[u8]);
    /// A find that covers so many bytes from here on; `value` is all of it.
    fn find(&mut self, covers: usize, value: &[u8], transform: Transform, key: &MaskKey);
    /// More of the find before.
    fn swallow(&mut self, covers: usize);
}

impl Outlet for Vec<u8> {
    fn text(&mut self, text: &[u8]) {
        self.extend_from_slice(text);
    }

    fn find(&mut self, _: usize, value: &[u8], transform: Transform, key: &MaskKey) {
        let _nothing_for_null = transform.apply(value, key, self);
    }

    fn swallow(&mut self, _: usize) {}
}

/// How many bytes are looked at in one go.
pub(super) const PIECE: usize = 16 * 1024;

/// The first finds that overlap, as one; those behind them; and whether one is still open.
///
/// `swallowed` is the end of a find before them that they may continue.
fn take_union(known: &[(Hit, bool)], swallowed: Option<usize>) -> (Union, &[(Hit, bool)], bool) {
    let start = swallowed.or_else(|| known.first().map(|(hit, _)| hit.start)).unwrap_or_default();
    let mut union = Union { start, end: start, detectors: Default::default(), secret: false };
    let (mut rest, mut any_open) = (known, false);
    while let Some(((hit, open), others)) = rest.split_first()
        && (hit.start < union.end || swallowed.is_none() && union.end == start && hit.start == start)
    {
        union.add(*hit);
        any_open |= open;
        rest = others;
    }
    (union, rest, any_open)
}

fn slice(text: &[u8], range: std::ops::Range<usize>) -> &[u8] {
    text.get(range).unwrap_or_default()
}
