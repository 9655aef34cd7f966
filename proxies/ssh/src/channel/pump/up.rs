//! From the client to the target.

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelReadHalf, ChannelWriteHalf, Sig};

use super::recording::Recording;
use super::{ToClient, Watched};
use crate::ahead::{Ahead, Kept, Sent, Size};
use crate::bastion::Open;
use crate::flow::Reader;

/// How the client's direction ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// The client has gone, or closed the channel.
    Gone,
    /// The target takes nothing more.
    Deaf,
}

/// From the client to the target. What the target does not take at once waits, and the client is read on meanwhile.
pub(super) async fn up(to: &Upward<'_>, from: &mut ChannelReadHalf, kept: Kept) -> Left {
    let mut from = Ahead::new(from, kept);
    let mut ended = false;
    loop {
        let sent = match from.next().await {
            Sent::Closed => return Left::Gone,
            // After its end a client sends nothing more that counts.
            Sent::Data(data) if ended => {
                to.reader.took(data.len());
                Some(true)
            }
            Sent::Eof if ended => Some(true),
            Sent::Data(data) => from.during(to.send(data)).await,
            Sent::Eof => {
                ended = true;
                from.during(to.end()).await
            }
            Sent::Resize(size) => from.during(to.resize(size)).await,
            Sent::Signal(signal) => from.during(to.signal(signal)).await,
        };
        match sent {
            Some(true) => {}
            Some(false) => return Left::Deaf,
            None => return Left::Gone,
        }
    }
}

/// Where a client's input goes.
pub(super) struct Upward<'a> {
    pub(super) open: &'a Open,
    pub(super) target: &'a ChannelWriteHalf<Msg>,
    pub(super) client: &'a ToClient,
    pub(super) reader: &'a Reader,
    pub(super) recording: &'a Recording,
    pub(super) watched: &'a Watched,
}

impl Upward<'_> {
    /// Whether the target takes more.
    async fn send(&self, data: Bytes) -> bool {
        self.open.traffic.count_input(data.len());
        if let Some(credit) = &self.recording.echoes {
            credit.typed(data.len());
        }
        if self.recording.is_on().await {
            self.recording.input.sent(&self.recording.tape, &data);
        }
        // Before it is sent: where the lines are known by now, the shell does not get the one that ends its session.
        self.watched.notice(self.open, self.watched.typed.sent(&data), self.client).await;
        if self.open.stop.reached().is_some() {
            return false;
        }
        let bytes = data.len();
        let sent = self.target.data_bytes(data).await.is_ok();
        self.reader.took(bytes);
        sent
    }

    async fn end(&self) -> bool {
        self.watched.notice(self.open, self.watched.typed.finish(), self.client).await;
        self.open.stop.reached().is_none() && self.target.eof().await.is_ok()
    }

    async fn signal(&self, signal: Sig) -> bool {
        self.target.signal(signal).await.is_ok()
    }

    async fn resize(&self, size: Size) -> bool {
        self.recording.resize(size);
        self.target.window_change(size.columns, size.rows, size.width, size.height).await.is_ok()
    }
}
