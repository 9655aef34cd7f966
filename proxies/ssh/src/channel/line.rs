//! The client's end of a channel: what it sends while nobody can take it, and what it is told.

use std::collections::VecDeque;

use bytes::Bytes;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};

use super::End;
use crate::flow::Reader;

/// The most input that is kept while a channel waits, in bytes.
const KEPT: usize = 4 << 20;
/// Standard error's number (RFC 4254, section 5.2).
pub(super) const STDERR: u32 = 1;
/// What Ctrl-C sends on a terminal.
const INTERRUPT: u8 = 0x03;

/// The client's end.
pub(crate) struct Line {
    id: ChannelId,
    pub(super) read: ChannelReadHalf,
    pub(super) write: ChannelWriteHalf<Msg>,
    /// Counts what of the client's input still waits.
    pub(super) reader: Reader,
    client: Handle,
    pub(super) has_pty: bool,
    /// What came before it could be taken.
    kept: VecDeque<Kept>,
    bytes: usize,
}

/// Something that came while the channel waited, in its order.
pub(super) enum Kept {
    Data(Bytes),
    Eof,
    Resize(Size),
}

/// A terminal's size, as the client said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: u32,
    pub(super) rows: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// What becomes of more input than is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// It is not read, and keeps the whole connection waiting: for waits of seconds.
    Waits,
    /// It ends the wait, which may last for as long as people think.
    Ends,
}

/// Why a wait is over before it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Withdrawn {
    /// The client closed the channel, or has gone.
    Gone,
    /// Ctrl-C.
    Cancelled,
    /// It sent more than is kept.
    TooMuch,
}

impl Withdrawn {
    /// For evidence.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Gone => "client gone",
            Self::Cancelled => "cancelled",
            Self::TooMuch => "too much input",
        }
    }
}

impl Line {
    pub(super) fn new(channel: Channel<Msg>, reader: Reader, client: Handle) -> Self {
        let id = channel.id();
        let (read, write) = channel.split();
        Self { id, read, write, reader, client, has_pty: false, kept: VecDeque::new(), bytes: 0 }
    }

    /// Keeps what the client sends until it takes the wait back. Safe to drop and call again, as `select!` does.
    pub(super) async fn withdrawn(&mut self, full: Full) -> Withdrawn {
        loop {
            if full == Full::Waits && self.bytes >= KEPT / 2 {
                return std::future::pending().await;
            }
            match self.read.wait().await {
                None | Some(ChannelMsg::Close) => return Withdrawn::Gone,
                Some(ChannelMsg::Data { data }) => {
                    if self.has_pty && data.contains(&INTERRUPT) {
                        return Withdrawn::Cancelled;
                    }
                    if !self.keep(&data) {
                        return Withdrawn::TooMuch;
                    }
                }
                Some(ChannelMsg::Eof) => {
                    if !self.keep_eof() {
                        return Withdrawn::TooMuch;
                    }
                }
                Some(ChannelMsg::WindowChange { col_width, row_height, pix_width, pix_height }) => {
                    let size =
                        Size { columns: col_width, rows: row_height, width: pix_width, height: pix_height };
                    self.resized(size);
                }
                Some(ChannelMsg::Signal { signal: Sig::INT }) => return Withdrawn::Cancelled,
                // Nothing runs that another signal could reach, and the channel has started what it starts.
                Some(_) => {}
            }
        }
    }

    /// Whether there was room for it. It counts as waiting until it is sent on.
    pub(super) fn keep(&mut self, data: &Bytes) -> bool {
        self.bytes += data.len();
        match self.kept.back_mut() {
            // A window that trickles brings a pair of bytes at a time.
            Some(Kept::Data(last)) if data.len() < 64 && last.len() < 1024 => {
                *last = [&last[..], data].concat().into();
            }
            _ => self.kept.push_back(Kept::Data(data.clone())),
        }
        self.has_room()
    }

    /// Only the latest of several sizes in a row matters.
    fn resized(&mut self, size: Size) {
        if let Some(Kept::Resize(last)) = self.kept.back_mut() {
            *last = size;
        } else {
            self.kept.push_back(Kept::Resize(size));
        }
    }

    /// The same of an end: nothing keeps a client from telling more than one.
    pub(super) fn keep_eof(&mut self) -> bool {
        self.kept.push_back(Kept::Eof);
        self.has_room()
    }

    fn has_room(&self) -> bool {
        self.bytes <= KEPT && self.kept.len() <= KEPT / 256
    }

    /// What was kept, in order.
    pub(super) fn take_kept(&mut self) -> VecDeque<Kept> {
        self.bytes = 0;
        std::mem::take(&mut self.kept)
    }

    /// Tells the client something, on standard error.
    pub(super) async fn say(&self, words: &str) -> Result<(), End> {
        say(&self.write, self.has_pty, words).await
    }

    /// Says why nothing runs, and ends the channel.
    pub(super) async fn refuse(&self, words: &str, status: u32) {
        let _ = self.say(words).await;
        let _ = self.write.exit_status(status).await;
        self.close().await;
    }

    pub(super) async fn exit_status(&self, status: u32) {
        let _ = self.write.exit_status(status).await;
    }

    pub(super) async fn exit_signal(&self, signal: Sig, core_dumped: bool) {
        let _ =
            self.client.exit_signal_request(self.id, signal, core_dumped, String::new(), String::new()).await;
    }

    /// Closing says that nothing more comes, too. An end that is told twice is a fault to some clients, who then leave.
    pub(super) async fn close(&self) {
        let _ = self.write.close().await;
    }
}

/// Tells the client something, on standard error.
pub(super) async fn say(write: &ChannelWriteHalf<Msg>, has_pty: bool, words: &str) -> Result<(), End> {
    let end = if has_pty { "\r\n" } else { "\n" };
    let mut text = String::new();
    for line in words.lines() {
        text.push_str("portcullis: ");
        // Words may quote what the client or the target said: nothing in them may do more than be read.
        text.extend(line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
        text.push_str(end);
    }
    write.extended_data_bytes(STDERR, text.into_bytes()).await.map_err(|_| End::Gone)
}
