//! Masking a stream: bytes in, masked bytes out, the same however the stream is split.

use super::detect::{Hit, MAX_CONTEXT, View};
use super::detectors::{Detectors, MAX_FIND, Union};
use super::scan::Scanner;
use super::{MaskKey, Transform};

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
            self.text.extend_from_slice(piece);
            masked += self.advance(detectors, key, false, out);
        }
        masked
    }

    /// Ends the stream: appends what was held back to `out`. The next byte begins a new stream.
    pub fn flush(&mut self, detectors: &Detectors, key: &MaskKey, out: &mut Vec<u8>) -> usize {
        let masked = self.advance(detectors, key, true, out);
        self.scanner.reset(0);
        self.text.clear();
        self.left = 0;
        self.swallowed = None;
        masked
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.text.len() - self.left
    }

    fn advance(&mut self, detectors: &Detectors, key: &MaskKey, ended: bool, out: &mut Vec<u8>) -> usize {
        let view = View { text: &self.text, ended };
        self.scanner.advance(detectors, view);
        let frontier = self.scanner.frontier(detectors, view);
        let masked = self.release(detectors, key, frontier, out);
        self.forget(detectors);
        masked
    }

    /// Lets go of everything before `frontier` that no find may still change.
    fn release(&mut self, detectors: &Detectors, key: &MaskKey, frontier: usize, out: &mut Vec<u8>) -> usize {
        self.sort_finds();
        let mut masked = 0;
        let mut known = self.sorted.as_slice();
        let mut stop = frontier;
        if let Some(end) = self.swallowed {
            let (union, rest, open) = take_union(known, Some(end));
            known = rest;
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
            copy(&self.text, self.left..union.start, out);
            let transform = if complete { detectors.transform(&union) } else { Transform::Redact };
            let value = self.text.get(union.start..union.end).unwrap_or_default();
            let _nothing_for_null = transform.apply(value, key, out);
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
        copy(&self.text, self.left..stop, out);
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

/// How many bytes are looked at in one go.
const PIECE: usize = 16 * 1024;

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

fn copy(text: &[u8], range: std::ops::Range<usize>, out: &mut Vec<u8>) {
    out.extend_from_slice(text.get(range).unwrap_or_default());
}
