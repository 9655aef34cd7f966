//! What is on its way to one peer.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::transport::Transport;

/// Room that a buffer keeps from one use to the next, in bytes.
pub(super) const KEPT: usize = 64 << 10;

/// Bytes to be sent, in order: first a span of the inbox as it lies there, then bytes of its own.
///
/// Runs of untouched messages stay where they were read and leave in one call. Only when something made or
/// changed comes between are they copied.
#[derive(Default)]
pub(super) struct Outbox {
    span: Range<usize>,
    own: Vec<u8>,
    sent: usize,
    /// Bytes that the peer has been sent since the beginning.
    pub(super) total: u64,
    is_flushed: bool,
}

impl Outbox {
    /// Adds the span `range` of `inbox`, which must stay in place until the outbox is empty.
    pub(super) fn pass(&mut self, inbox: &[u8], range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        if self.own.is_empty() && self.span.is_empty() {
            self.span = range;
        } else if self.own.is_empty() && self.span.end == range.start {
            self.span.end = range.end;
        } else {
            self.own(inbox).extend_from_slice(inbox.get(range).unwrap_or_default());
        }
    }

    /// Bytes of its own, to be added to, behind all that is there.
    pub(super) fn own(&mut self, inbox: &[u8]) -> &mut Vec<u8> {
        if !self.span.is_empty() {
            self.own.extend_from_slice(inbox.get(self.span.clone()).unwrap_or_default());
            self.span = 0..0;
        }
        &mut self.own
    }

    /// Sends all that is there; ready when it is gone.
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        inbox: &[u8],
        to: &mut Transport,
    ) -> Poll<io::Result<()>> {
        while !self.span.is_empty() {
            let bytes = inbox.get(self.span.clone()).unwrap_or_default();
            let count = ready!(Pin::new(&mut *to).poll_write(cx, bytes))?;
            self.span.start += progress(count)?;
            self.total += count as u64;
            self.is_flushed = false;
        }
        while let Some(bytes) = self.own.get(self.sent..).filter(|bytes| !bytes.is_empty()) {
            let count = ready!(Pin::new(&mut *to).poll_write(cx, bytes))?;
            self.sent += progress(count)?;
            self.total += count as u64;
            self.is_flushed = false;
        }
        self.own.clear();
        self.own.shrink_to(KEPT);
        self.sent = 0;
        if !self.is_flushed && to.is_buffered() {
            ready!(Pin::new(to).poll_flush(cx))?;
        }
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }
}

fn progress(count: usize) -> io::Result<usize> {
    if count == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(count) }
}
