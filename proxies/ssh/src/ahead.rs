//! What a peer sends before anybody can take it: kept in its order, up to a bound.
//!
//! Whoever carries bytes to a side that does not read goes on reading here, so that the channel's queue, and with it the loop
//! of the whole connection, is not held up by a window that trickles (see [`crate::flow`]).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf, Sig};

/// The most that is kept, in bytes: more than a client sends that minds its windows.
const MOST: usize = (4 << 20) + (512 << 10);
/// The most that is kept, in things to be done: pieces of input, ends, sizes, signals.
const MOST_THINGS: usize = 16 << 10;

/// The most signals that are kept: they say the same however many there are.
const MOST_SIGNALS: usize = 64;
/// How long what a peer sent before it closed may wait to be taken.
const LEFT: Duration = Duration::from_secs(5);

/// Something that a peer sent.
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    Data(Bytes),
    Eof,
    Resize(Size),
    Signal(Sig),
    /// The channel is closed, or its peer has gone.
    Closed,
}

/// A terminal's size, as the client said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: u32,
    pub(crate) rows: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Sent {
    /// `None` for what a channel that has started does not mind: a second exec, a late terminal, data without a byte.
    pub(crate) fn of(message: Option<ChannelMsg>) -> Option<Self> {
        Some(match message {
            None | Some(ChannelMsg::Close) => Self::Closed,
            Some(ChannelMsg::Data { data }) if data.is_empty() => return None,
            Some(ChannelMsg::Data { data }) => Self::Data(data),
            Some(ChannelMsg::Eof) => Self::Eof,
            Some(ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height }) => {
                Self::Resize(Size {
                    columns: col_width,
                    rows: row_height,
                    width: pix_width,
                    height: pix_height,
                })
            }
            // A name that is no signal's is as long as its sender likes, and reaches nothing.
            Some(ChannelMsg::Signal { signal: Sig::Custom(_) }) => return None,
            Some(ChannelMsg::Signal { signal }) => Self::Signal(signal),
            Some(_) => return None,
        })
    }
}

/// What waits, in its order.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    queue: VecDeque<Sent>,
    bytes: usize,
    signals: usize,
}

impl Kept {
    /// Keeps something behind all the rest. Whether there is room for more.
    pub(crate) fn push(&mut self, sent: Sent) -> bool {
        match (self.queue.back_mut(), sent) {
            // A window that trickles brings a pair of bytes at a time.
            (Some(Sent::Data(last)), Sent::Data(data)) if data.len() < 64 && last.len() < 1024 => {
                self.bytes += data.len();
                *last = [&last[..], &data].concat().into();
            }
            // Only the latest of several sizes in a row matters.
            (Some(Sent::Resize(last)), Sent::Resize(size)) => *last = size,
            (_, Sent::Signal(_)) if self.signals >= MOST_SIGNALS => {}
            (_, sent) => {
                self.count(&sent, usize::saturating_add);
                self.queue.push_back(sent);
            }
        }
        self.has_room()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.bytes <= MOST && self.queue.len() <= MOST_THINGS
    }

    pub(crate) fn pop(&mut self) -> Option<Sent> {
        let sent = self.queue.pop_front()?;
        self.count(&sent, usize::saturating_sub);
        Some(sent)
    }

    fn count(&mut self, sent: &Sent, change: fn(usize, usize) -> usize) {
        match sent {
            Sent::Data(data) => self.bytes = change(self.bytes, data.len()),
            Sent::Signal(_) => self.signals = change(self.signals, 1),
            Sent::Eof | Sent::Resize(_) | Sent::Closed => {}
        }
    }
}

/// A peer that is read ahead of whoever takes what it sends.
pub(crate) struct Ahead<'a> {
    from: &'a mut ChannelReadHalf,
    kept: Kept,
    is_closed: bool,
}

impl<'a> Ahead<'a> {
    /// Begins with what was kept already.
    pub(crate) fn new(from: &'a mut ChannelReadHalf, kept: Kept) -> Self {
        Self { from, kept, is_closed: false }
    }

    /// What comes next. Safe to drop and call again, as `select!` does.
    pub(crate) async fn next(&mut self) -> Sent {
        loop {
            if let Some(sent) = self.kept.pop() {
                return sent;
            }
            if let Some(sent) = Sent::of(self.from.wait().await) {
                return sent;
            }
        }
    }

    /// Does what may take long, and reads on meanwhile. `None` where the peer has closed and the work takes too long for it.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = tokio::time::sleep(LEFT), if self.is_closed => return None,
                message = self.from.wait(), if !self.is_closed && self.kept.has_room() => {
                    if let Some(sent) = Sent::of(message) {
                        self.is_closed = matches!(sent, Sent::Closed);
                        self.kept.push(sent);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_in_its_order_with_small_pieces_joined() {
        let mut kept = Kept::default();
        let size = |columns| Sent::Resize(Size { columns, ..Size::default() });
        for sent in [
            Sent::Data("a".into()),
            Sent::Data("b".into()),
            size(80),
            size(81),
            Sent::Data("c".into()),
            Sent::Eof,
            Sent::Closed,
        ] {
            assert!(kept.push(sent));
        }
        let all: Vec<Sent> = std::iter::from_fn(|| kept.pop()).collect();
        let in_order = [Sent::Data("ab".into()), size(81), Sent::Data("c".into()), Sent::Eof, Sent::Closed];
        assert_eq!(format!("{all:?}"), format!("{in_order:?}"));
        assert_eq!(kept.bytes, 0);
    }

    #[test]
    fn bytes_and_things_are_bounded() {
        let mut kept = Kept::default();
        assert!((0..MOST / 32_768).all(|_| kept.push(Sent::Data(vec![0; 32_768].into()))));
        assert!(!kept.push(Sent::Data("x".into())));
        let mut kept = Kept::default();
        assert!((0..MOST_THINGS).all(|_| kept.push(Sent::Eof)));
        assert!(!kept.push(Sent::Eof));
    }
}
