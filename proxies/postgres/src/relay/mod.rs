//! One session between a client and its target, in one task that owns both sockets.
//!
//! ```text
//!  client ─→ up ── command ──→ Judge ──→ forward (takes the Permit) ─→ target
//!             │ refusal                                                  │
//!             └───────→ ledger (replies owed, in order) ←────────────────┤
//!  client ←──────────────────── down ←── Veil ←──────────────────────────┘
//! ```
//!
//! The two directions never wait for each other: a client that sends faster than the target reads is not read
//! from, while the target's replies keep flowing, and the other way round. While a command is judged or held, only the
//! client's direction stands still.
//!
//! # Reading order
//!
//! 1. `judge`: the two traits that decisions come in by.
//! 2. `up` and `inbox`: what the client sends, command by command; `forward`: the only way to the target.
//! 3. `ledger`: which replies are owed; `cut`: an answer that is cut short, and how both ends come to the same state.
//! 4. `down` and `outbox`: what the target sends, and the client gets.
//! 5. `idle` and `end`: how long nothing may happen, and how a session ends.

mod cut;
mod down;
mod end;
mod forward;
mod idle;
mod inbox;
mod judge;
mod ledger;
mod outbox;
mod up;

use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

pub use end::End;
pub use forward::Leave;
pub use judge::{
    ClientFrame, Disposition, Halt, Judge, Passage, Sink, Ticket, Transaction, Transparent, Veil, View,
    Withdrawal,
};

use crate::cancel::Cancels;
use crate::refuse::{Refusal, Severity, SqlState};
use crate::transport::Transport;
use crate::wire::frontend::Caps;
use down::Down;
use idle::Idle;
use ledger::Ledger;
use up::{Command, Next, Up, Way};

/// How long a peer that does not read may keep a session that is over.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A session whose both ends are ready for commands.
pub(crate) struct Relay<J: Judge, V> {
    client: Transport,
    target: Transport,
    up: Up,
    down: Down,
    ledger: Ledger<J::Plan>,
    idle: Idle,
    judge: J,
    veil: V,
    cancels: Arc<Cancels>,
}

impl<J: Judge, V: Veil<J::Plan>> Relay<J, V> {
    pub(crate) fn new(
        (client, target): (Transport, Transport),
        (caps, idle): (Caps, Option<Duration>),
        (judge, veil): (J, V),
        cancels: Arc<Cancels>,
    ) -> Self {
        Self {
            client,
            target,
            up: Up::new(caps),
            down: Down::new(cancels.clone()),
            ledger: Ledger::new(Transaction::Idle),
            idle: Idle::new(idle),
            judge,
            veil,
            cancels,
        }
    }

    /// Relays to the session's end.
    pub(crate) async fn run(mut self) -> End {
        let end = {
            let stopped = self.judge.stopped();
            let mut stopped = pin!(stopped);
            let mut session = pin!(self.serve());
            poll_fn(|cx| {
                if let Poll::Ready(refusal) = stopped.as_mut().poll(cx) {
                    return Poll::Ready(End::Refused(refusal));
                }
                session.as_mut().poll(cx)
            })
            .await
        };
        self.judge.on_end(&end.reason(), (self.up.bytes, self.down.sent()));
        self.part(&end).await;
        end
    }

    /// One command after the other.
    async fn serve(&mut self) -> End {
        loop {
            let step = match poll_fn(|cx| self.poll(cx)).await {
                Ok(Next::Command(command)) => self.command(command).await,
                Ok(Next::Unread(command, refusal)) => match self.judge.on_unread(command.kind, &refusal) {
                    Ok(()) => self.refuse(command, &refusal),
                    Err(refusal) => Err(End::Refused(refusal)),
                },
                Ok(Next::Left) => Err(End::Left),
                Err(end) => Err(end),
            };
            if let Err(end) = step {
                return end;
            }
            self.idle.touch();
        }
    }

    /// Moves bytes in both directions until a command wants a decision.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Next, End>> {
        let Self { client, target, up, down, ledger, veil, idle, .. } = self;
        loop {
            if let Some(own) = ledger.take_own() {
                up.own(own);
            }
            if let Poll::Ready(next) = up.poll(cx, client, target, ledger) {
                return Poll::Ready(next);
            }
            let was_full = ledger.is_full();
            if let Poll::Ready(end) = down.poll(cx, target, client, ledger, veil) {
                return Poll::Ready(Err(end));
            }
            // Replies have made room for more commands, or want something sent, for which no socket would wake us.
            if (!was_full || ledger.is_full()) && !ledger.wants_own() {
                return idle.poll(cx, up.bytes, ledger.is_owed()).map(|time| Err(End::Idle(time)));
            }
        }
    }

    async fn command(&mut self, command: Command) -> Result<(), End> {
        let disposition = match self.decide(command).await? {
            Disposition::Hold(_, held) if self.ledger.is_skipping() => {
                self.judge.on_withdrawn(held, Withdrawal::Cancelled).await;
                self.up.skip(command);
                return Ok(());
            }
            Disposition::Hold(notice, held) => self.hold(notice, held).await?,
            Disposition::Forward(leave, plan) => Disposition::Forward(leave, plan),
            Disposition::Refuse(refusal) => Disposition::Refuse(refusal),
            Disposition::End(refusal) => Disposition::End(refusal),
        };
        if self.ledger.cut.is_some() {
            self.rest().await?;
        }
        match disposition {
            Disposition::End(refusal) => Err(End::Refused(refusal)),
            // While it was decided on something before it failed, and the target takes nothing up to the next Sync.
            _ if self.ledger.is_skipping() => {
                self.up.skip(command);
                Ok(())
            }
            Disposition::Forward(leave, plan) => self.up.send(command, leave, plan, &mut self.ledger),
            Disposition::Refuse(refusal) => self.refuse(command, &refusal),
            Disposition::Hold(_, never) => match never {},
        }
    }

    /// Waits until the target has come to rest after an answer that was cut short.
    async fn rest(&mut self) -> Result<(), End> {
        let Self { client, target, up, down, ledger, veil, .. } = self;
        poll_fn(|cx| match poll_replies(cx, (client, target), &mut up.way(), (down, ledger), veil) {
            Poll::Ready(end) => Poll::Ready(Err(end)),
            Poll::Pending if ledger.cut.is_none() => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    fn refuse(&mut self, command: Command, refusal: &Refusal) -> Result<(), End> {
        self.judge.on_refused(self.ledger.is_anything_to_abort()).map_err(End::Refused)?;
        self.up.refuse(command, refusal, &mut self.ledger);
        Ok(())
    }

    /// The one place where a command meets its judge. The target's replies go on meanwhile.
    async fn decide(&mut self, command: Command) -> Result<Disposition<J::Plan, J::Held>, End> {
        let Self { client, target, up, down, ledger, judge, veil, .. } = self;
        let view = ledger.view();
        let (body, mut way) = up.body(command);
        let frame = ClientFrame { kind: command.kind, body };
        let mut deciding = pin!(judge.on_client_frame(frame, view));
        poll_fn(|cx| {
            if let Poll::Ready(disposition) = deciding.as_mut().poll(cx) {
                return Poll::Ready(Ok(disposition));
            }
            // The judge may be waiting for the answer to what was let through before.
            poll_replies(cx, (client, target), &mut way, (down, ledger), veil).map(Err)
        })
        .await
    }

    /// Waits with a command, its place in the client's stream kept.
    async fn hold(
        &mut self,
        notice: Refusal,
        mut held: J::Held,
    ) -> Result<Disposition<J::Plan, Infallible>, End> {
        self.down.notice(&notice.encode(Severity::Notice));
        let Self { client, target, up, down, ledger, judge, veil, cancels, .. } = self;
        let cancels = cancels.clone();
        let mut cancelled = pin!(cancels.hold());
        let waited = {
            let mut waiting = pin!(judge.on_hold(&mut held));
            poll_fn(|cx| {
                // What was let through before the held command must not wait with it.
                let replies = poll_replies(cx, (client, target), &mut up.way(), (down, ledger), veil);
                if let Poll::Ready(end) = replies {
                    return Poll::Ready(Waited::Ended(end));
                }
                if let Poll::Ready(disposition) = waiting.as_mut().poll(cx) {
                    return Poll::Ready(Waited::Decided(disposition));
                }
                if cancelled.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Waited::Cancelled);
                }
                up.poll_gone(cx, client).map(Waited::Ended)
            })
            .await
        };
        match waited {
            Waited::Decided(disposition) => Ok(disposition),
            Waited::Cancelled => {
                judge.on_withdrawn(held, Withdrawal::Cancelled).await;
                let text = "canceling statement due to user request";
                Ok(Disposition::Refuse(Refusal::new(SqlState::CANCELLED, text)))
            }
            Waited::Ended(end) => {
                let why = match end {
                    End::ClientClosed | End::Client(_) => Withdrawal::ClientGone,
                    _ => Withdrawal::SessionOver,
                };
                judge.on_withdrawn(held, why).await;
                Err(end)
            }
        }
    }

    /// Says why the session ends where that can be understood, and closes both ends.
    async fn part(mut self, end: &End) {
        if let Some(refusal) = end.last_word() {
            self.down.last_word(&refusal.encode(Severity::Fatal));
        }
        if !matches!(end, End::TargetClosed | End::Target(_)) {
            self.up.terminate();
        }
        if matches!(end, End::Refused(_)) && self.ledger.view().is_pipelined {
            // What the target is doing for a session that was stopped, it need not go on with.
            drop(self.cancels.clone().forward());
        }
        let Self { mut client, mut target, mut up, mut down, .. } = self;
        let told = async {
            let _ = poll_fn(|cx| down.poll_flush(cx, &mut client)).await;
            let _ = poll_fn(|cx| shut(cx, &mut client)).await;
        };
        let left = async {
            let _ = poll_fn(|cx| up.poll_flush(cx, &mut target)).await;
            let _ = poll_fn(|cx| shut(cx, &mut target)).await;
        };
        let _ = tokio::time::timeout(LAST_WORDS, async { tokio::join!(told, left) }).await;
    }
}

/// Sends what was let through and what the gateway sends itself, and passes replies on. Ready only where the session ends.
fn poll_replies<Plan: Ticket, V: Veil<Plan>>(
    cx: &mut Context<'_>,
    (client, target): (&mut Transport, &mut Transport),
    way: &mut Way<'_>,
    (down, ledger): (&mut Down, &mut Ledger<Plan>),
    veil: &mut V,
) -> Poll<End> {
    loop {
        if let Poll::Ready(Err(error)) = way.poll_flush(cx, target, ledger.take_own()) {
            return Poll::Ready(End::Target(error));
        }
        if let Poll::Ready(end) = down.poll(cx, target, client, ledger, veil) {
            return Poll::Ready(end);
        }
        // Nothing would wake us to send it.
        if !ledger.wants_own() {
            return Poll::Pending;
        }
    }
}

/// What waiting with a held command came to.
enum Waited<Plan> {
    Decided(Disposition<Plan, Infallible>),
    Cancelled,
    Ended(End),
}

fn shut(cx: &mut Context<'_>, stream: &mut Transport) -> Poll<std::io::Result<()>> {
    tokio::io::AsyncWrite::poll_shutdown(Pin::new(stream), cx)
}
