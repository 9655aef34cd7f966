//! Puts sequences back to where they stood in the text.

use std::collections::VecDeque;

use super::super::stream::Outlet;
use super::super::{MaskKey, Transform};

/// Sequences that wait for the text before them to leave. Places count the bytes of text from the stream's beginning.
#[derive(Default)]
pub(super) struct Weave {
    inserts: VecDeque<Insert>,
    bytes: VecDeque<u8>,
    /// How much text has come.
    came: u64,
    /// How much text has left, in one form or another.
    left: u64,
}

struct Insert {
    /// Before which byte of the text.
    at: u64,
    length: usize,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A sequence of its own.
    Kept,
    /// Stands for the byte of the text at its place.
    Standing,
    /// Text that was struck out: a find around it hides it, too.
    Struck,
}

impl Weave {
    pub(super) fn appended(&mut self, length: usize) {
        self.came += length as u64;
    }

    pub(super) fn kept(&mut self, bytes: &[u8]) {
        self.insert(bytes, Kind::Kept);
    }

    pub(super) fn standing(&mut self, bytes: &[u8]) {
        self.insert(bytes, Kind::Standing);
    }

    pub(super) fn struck(&mut self, bytes: &[u8]) {
        self.insert(bytes, Kind::Struck);
    }

    /// How many bytes of sequences wait.
    pub(super) fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Where text leaves to.
    pub(super) fn onto<'w>(&'w mut self, out: &'w mut Vec<u8>) -> Woven<'w> {
        Woven { weave: self, out }
    }

    /// Lets go of the sequences that no text before them holds back.
    pub(super) fn trailing(&mut self, out: &mut Vec<u8>) {
        while self.inserts.front().is_some_and(|first| first.at <= self.left && first.kind == Kind::Kept) {
            self.first(Some(out));
        }
    }

    /// Lets go of everything. All text has left.
    pub(super) fn rest(&mut self, out: &mut Vec<u8>) {
        while self.first(Some(out)).is_some() {}
    }

    fn insert(&mut self, bytes: &[u8], kind: Kind) {
        self.bytes.extend(bytes);
        match self.inserts.back_mut() {
            Some(last) if kind == Kind::Kept && last.kind == kind && last.at == self.came => {
                last.length += bytes.len();
            }
            _ => self.inserts.push_back(Insert { at: self.came, length: bytes.len(), kind }),
        }
    }

    /// Takes the first one out, to `out` or away.
    fn first(&mut self, out: Option<&mut Vec<u8>>) -> Option<Kind> {
        let insert = self.inserts.pop_front()?;
        let bytes = self.bytes.drain(..insert.length.min(self.bytes.len()));
        if let Some(out) = out {
            out.extend(bytes);
        }
        Some(insert.kind)
    }

    /// Those before `end`, which a find covers.
    fn covered(&mut self, end: u64, out: &mut Vec<u8>) {
        while let Some(first) = self.inserts.front()
            && first.at < end
        {
            let shown = first.kind != Kind::Struck;
            self.first(shown.then_some(&mut *out));
        }
    }
}

/// Text on its way out.
pub(super) struct Woven<'w> {
    weave: &'w mut Weave,
    out: &'w mut Vec<u8>,
}

impl Outlet for Woven<'_> {
    fn text(&mut self, text: &[u8]) {
        let end = self.weave.left + text.len() as u64;
        let mut rest = text;
        while let Some(insert) = self.weave.inserts.front()
            && insert.at < end
        {
            // Less than the text's length.
            let before = insert.at.saturating_sub(self.weave.left) as usize;
            let (text, behind) = rest.split_at_checked(before).unwrap_or((rest, &[]));
            self.out.extend_from_slice(text);
            self.weave.left += text.len() as u64;
            rest = behind;
            if self.weave.first(Some(self.out)) == Some(Kind::Standing)
                && let Some((_, behind)) = rest.split_first()
            {
                self.weave.left += 1;
                rest = behind;
            }
        }
        self.out.extend_from_slice(rest);
        self.weave.left = end;
    }

    fn find(&mut self, covers: usize, value: &[u8], transform: Transform, key: &MaskKey) {
        // Those right before it stay there.
        self.weave.covered(self.weave.left + 1, self.out);
        let _nothing_for_null = transform.apply(value, key, self.out);
        self.swallow(covers);
    }

    fn swallow(&mut self, covers: usize) {
        self.weave.left += covers as u64;
        self.weave.covered(self.weave.left, self.out);
    }
}
