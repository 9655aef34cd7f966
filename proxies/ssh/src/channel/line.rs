//! The client's end of a channel: what it sends while nobody can take it, and what it is told.

use russh::server::{Handle, Msg};
use russh::{Channel, ChannelId, ChannelReadHalf, ChannelWriteHalf, Sig};

use super::End;
use crate::ahead::{Kept, Sent};
use crate::flow::Reader;

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
    kept: Kept,
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
        Self { id, read, write, reader, client, has_pty: false, kept: Kept::default() }
    }

    /// Keeps what the client sends until it takes the wait back. Safe to drop and call again, as `select!` does.
    pub(super) async fn withdrawn(&mut self) -> Withdrawn {
        loop {
            let kept = match Sent::of(self.read.wait().await) {
                Some(Sent::Closed) => return Withdrawn::Gone,
                Some(Sent::Data(data)) if self.has_pty && data.contains(&INTERRUPT) => {
                    return Withdrawn::Cancelled;
                }
                Some(Sent::Signal(Sig::INT)) => return Withdrawn::Cancelled,
                // Nothing runs that another signal could reach, and the channel has started what it starts.
                Some(Sent::Signal(_)) | None => continue,
                Some(sent @ (Sent::Data(_) | Sent::Eof | Sent::Resize(_))) => sent,
            };
            if !self.keep(kept) {
                return Withdrawn::TooMuch;
            }
        }
    }

    /// Whether there is room for more. What is kept counts as waiting until it is sent on.
    pub(super) fn keep(&mut self, sent: Sent) -> bool {
        self.kept.push(sent)
    }

    /// What was kept, in order.
    pub(super) fn take_kept(&mut self) -> Kept {
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
