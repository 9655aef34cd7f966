//! What was read from one peer and not yet dealt with.

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::transport::Transport;

/// Bytes of a buffer. One a direction while it is busy, none while it is idle.
pub(super) const BUFFER: usize = 32 << 10;

/// Idle buffers that a worker keeps for the next session that wakes up.
const SPARE: usize = 64;

thread_local! {
    static POOL: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that is there only while it holds something.
#[derive(Default)]
pub(super) struct Inbox {
    bytes: Box<[u8]>,
    /// What is in the buffer and not consumed.
    held: Range<usize>,
}

impl Inbox {
    /// What was read and not consumed.
    pub(super) fn window(&self) -> &[u8] {
        self.bytes.get(self.held.clone()).unwrap_or_default()
    }

    /// The whole buffer, in which spans that were taken keep their place until the next [`Inbox::poll_fill`].
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Consumes the next `count` bytes (at most what is there); says where in the buffer they are.
    pub(super) fn take(&mut self, count: usize) -> Range<usize> {
        let start = self.held.start;
        let end = self.held.end.min(start.saturating_add(count));
        self.held.start = end;
        start..end
    }

    /// Reads more, until the window could hold `need` bytes. Spans taken before lose their place.
    /// Zero means that the peer has closed.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Transport,
        need: usize,
    ) -> Poll<io::Result<usize>> {
        self.make_room(need);
        let outcome = self.poll_append(cx, from);
        if outcome.is_pending() {
            self.release();
        }
        outcome
    }

    /// Reads more behind what is there, moving nothing. Without room it waits for ever.
    pub(super) fn poll_append(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Transport,
    ) -> Poll<io::Result<usize>> {
        let Some(room) = self.bytes.get_mut(self.held.end..).filter(|room| !room.is_empty()) else {
            return Poll::Pending;
        };
        let mut room = ReadBuf::new(room);
        ready!(Pin::new(from).poll_read(cx, &mut room))?;
        let count = room.filled().len();
        self.held.end += count;
        Poll::Ready(Ok(count))
    }

    fn make_room(&mut self, need: usize) {
        if self.bytes.is_empty() {
            self.bytes = POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice());
            self.held = 0..0;
        }
        if self.held.is_empty() {
            self.held = 0..0;
        } else if self.held.start > 0 {
            self.bytes.copy_within(self.held.clone(), 0);
            self.held = 0..self.held.len();
        }
        // A long message announced is not yet a long message sent: grow only by what has come.
        if self.held.end == self.bytes.len() && need > self.bytes.len() {
            let mut larger = vec![0; need.min(self.bytes.len() * 2)];
            if let Some(front) = larger.get_mut(..self.bytes.len()) {
                front.copy_from_slice(&self.bytes);
            }
            self.bytes = larger.into_boxed_slice();
        }
    }

    fn release(&mut self) {
        if !self.held.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        self.held = 0..0;
        if bytes.len() == BUFFER {
            POOL.with_borrow_mut(|pool| {
                if pool.len() < SPARE {
                    pool.push(bytes);
                }
            });
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.held = 0..0;
        self.release();
    }
}
