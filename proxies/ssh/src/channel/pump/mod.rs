//! Bytes both ways between a client and what runs for it, until either side ends.
//!
//! Each direction waits for its own reader only: a client that reads slowly does not keep its own input from arriving,
//! and the program that does not read does not keep its output. Nothing is forwarded once the session is stopped.

mod down;
mod recording;
mod up;

use std::sync::Arc;

use russh::{Channel, ChannelWriteHalf};
use tokio::sync::watch;

use self::down::Down;
use self::recording::Recording;
use self::up::{Left, Upward};
use super::End;
use super::launch::Started;
use super::line::{Line, say};
use super::typed::{self, Notice, Typed};
use super::wishes::Wishes;
use crate::bastion::Open;
use crate::command::Command;

type ToClient = ChannelWriteHalf<russh::server::Msg>;

/// Carries what runs to its end, and says how it ended.
pub(super) async fn carry(
    open: &Arc<Open>,
    line: &mut Line,
    (channel, started): (Channel<russh::client::Msg>, Started),
    command: &Command,
    wishes: &Wishes,
    mut notices: watch::Receiver<Box<str>>,
) -> Result<(), End> {
    let Started { receipt, early } = started;
    let (from_target, to_target) = channel.split();
    let detectors =
        open.way.finders.of(Some(receipt.judged())).map_err(|error| End::failed(error.to_string()))?;
    let recording = Recording::new(open, &receipt, wishes, detectors.clone());
    recording.terminal(wishes);
    let has_pty = wishes.pty.is_some();
    let watched = Watched { typed: Typed::of(open, command, has_pty), has_pty };
    let kept = line.take_kept();
    let mut down = Down::new(open, detectors, receipt, recording.clone(), watched.clone());

    let end = {
        let to = Upward {
            open,
            target: &to_target,
            client: &line.write,
            reader: &line.reader,
            recording: &recording,
            watched: &watched,
        };
        let upward = up::up(&to, &mut line.read, kept);
        let downward = down.run(from_target, early, &line.write, command, wishes);
        // A client that takes no notices keeps neither direction.
        let telling = async {
            while notices.changed().await.is_ok() {
                let words = notices.borrow_and_update().clone();
                let _ = say(&line.write, has_pty, &words).await;
            }
        };
        tokio::pin!(upward, downward, telling);
        let mut told = false;
        let mut deaf = false;
        // Neither direction is cut off in the middle of a message, but by the end of all.
        loop {
            tokio::select! {
                biased;
                reason = open.stop.wait() => break Ended::Stopped(reason.to_string()),
                () = &mut telling, if !told => told = true,
                left = &mut upward, if !deaf => match left {
                    Left::Gone => break Ended::ClientGone,
                    Left::Deaf => deaf = true,
                },
                end = &mut downward => break end,
            }
        }
    };
    let _ = to_target.close().await;
    down.close(line, end).await
}

/// How a channel ended.
enum Ended {
    /// The target closed it, after it had said how its program ended.
    Target,
    ClientGone,
    /// The gateway ends it, with these words.
    Stopped(String),
}

/// What is noticed of one command's input.
#[derive(Clone)]
struct Watched {
    typed: Typed,
    has_pty: bool,
}

impl Watched {
    /// Judges what was typed. Where that ends the session, its switch has been thrown when this returns.
    async fn notice(&self, open: &Open, lines: Vec<typed::Line>, client: &ToClient) {
        if lines.is_empty() {
            return;
        }
        for notice in typed::judge(open, lines).await {
            if let Notice::Warn(words) = notice {
                // A client that has gone is noticed by whoever reads from it.
                let _ = say(client, self.has_pty, &words).await;
            }
        }
    }
}
