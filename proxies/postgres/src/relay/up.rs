//! From the client to the target: commands come out one by one, to be decided on; the rest is dealt with here.

use std::io;
use std::task::{Context, Poll, ready};

use super::end::End;
use super::forward::{Forward, Leave, Own, Unfit};
use super::inbox::Inbox;
use super::judge::Ticket;
use super::ledger::{Control, Ledger, Owed};
use crate::refuse::{Refusal, Severity, SqlState};
use crate::transport::Transport;
use crate::wire::execute::Execute;
use crate::wire::frame::{self, HEADER, Header};
use crate::wire::frontend::{Caps, Frontend, Handling};
use crate::wire::make;

pub(super) struct Up {
    inbox: Inbox,
    forward: Forward,
    caps: Caps,
    under_way: Piece,
    need: usize,
    pub(super) bytes: u64,
}

/// What is left of a message whose bytes are taken as they come.
#[derive(Default)]
struct Piece {
    left: usize,
    is_dropped: bool,
    /// Data of a COPY: the bytes of it that have been taken, the header's among them.
    data: Option<usize>,
}

/// What the client's stream has come to.
pub(super) enum Next {
    /// A command, complete at the front of the stream.
    Command(Command),
    /// A message that is refused unread.
    Unread(Command, Refusal),
    /// The client leaves.
    Left,
}

/// A command at the front of the stream, until it is sent or refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Command {
    pub(super) kind: Frontend,
    total: usize,
}

/// The way to the target while a command is decided on: what was let through before it, and the gateway's own.
pub(super) struct Way<'a> {
    inbox: &'a Inbox,
    forward: &'a mut Forward,
}

impl Way<'_> {
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        target: &mut Transport,
        own: Option<Own<'_>>,
    ) -> Poll<io::Result<()>> {
        if let Some(own) = own {
            self.forward.own(own, self.inbox);
        }
        self.forward.poll_flush(cx, self.inbox, target)
    }
}

impl Up {
    pub(super) fn new(caps: Caps) -> Self {
        Self {
            inbox: Inbox::default(),
            forward: Forward::default(),
            caps,
            under_way: Piece::default(),
            need: 0,
            bytes: 0,
        }
    }

    /// Goes on until there is a command to decide on, or the session ends. Nothing is read while earlier bytes
    /// still wait for the target, or while it owes too many replies.
    pub(super) fn poll<Plan: Ticket>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Transport,
        target: &mut Transport,
        ledger: &mut Ledger<Plan>,
    ) -> Poll<Result<Next, End>> {
        loop {
            if let Some(next) = self.scan(ledger)? {
                return Poll::Ready(Ok(next));
            }
            ready!(self.forward.poll_flush(cx, &self.inbox, target)).map_err(End::Target)?;
            if ledger.cut.is_some() {
                return self.poll_gone(cx, client).map(Err);
            }
            if ledger.is_full() {
                return Poll::Pending;
            }
            let count = ready!(self.inbox.poll_fill(cx, client, self.need)).map_err(End::Client)?;
            if count == 0 {
                return Poll::Ready(Err(End::ClientClosed));
            }
            self.bytes += count as u64;
        }
    }

    /// Sends what was let through, without reading more.
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        target: &mut Transport,
    ) -> Poll<io::Result<()>> {
        self.way().poll_flush(cx, target, None)
    }

    /// The way to the target, for as long as no command goes up.
    pub(super) fn way(&mut self) -> Way<'_> {
        Way { inbox: &self.inbox, forward: &mut self.forward }
    }

    /// Notices, while a command waits, that the client has gone. Never ready otherwise.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>, client: &mut Transport) -> Poll<End> {
        loop {
            match ready!(self.inbox.poll_append(cx, client)) {
                Ok(0) => return Poll::Ready(End::ClientClosed),
                Ok(count) => self.bytes += count as u64,
                Err(error) => return Poll::Ready(End::Client(error)),
            }
        }
    }

    /// Sends something of the gateway's own.
    pub(super) fn own(&mut self, own: Own<'_>) {
        self.forward.own(own, &self.inbox);
    }

    /// Drops a command that falls with one before it.
    pub(super) fn skip(&mut self, command: Command) {
        self.under_way = Piece { left: command.total, is_dropped: true, data: None };
    }

    /// A command's body, and the way to the target for what goes there while it is decided on.
    pub(super) fn body(&mut self, command: Command) -> (&[u8], Way<'_>) {
        let Self { inbox, forward, .. } = self;
        let inbox = &*inbox;
        let body = inbox.window().get(HEADER..command.total).unwrap_or_default();
        (body, Way { inbox, forward })
    }

    /// Sends a command as it is.
    pub(super) fn send<Plan: Ticket>(
        &mut self,
        command: Command,
        leave: Leave,
        mut plan: Plan,
        ledger: &mut Ledger<Plan>,
    ) -> Result<(), End> {
        let owed = match command.kind {
            Frontend::Query => Owed::Query,
            Frontend::Parse => Owed::Parse,
            Frontend::Bind => Owed::Bind,
            Frontend::Describe => Owed::Describe,
            Frontend::Execute => Owed::Execute,
            Frontend::Close => Owed::Close,
            // `scan` gives out none of these as a command.
            _ => return Ok(()),
        };
        if command.kind == Frontend::Execute
            && let Some(described) = plan.describes()
        {
            let body = self.inbox.window().get(HEADER..command.total).unwrap_or_default();
            let portal = Execute::decode(body).map_err(End::ClientMalformed)?.portal;
            self.forward.own(Own::DescribePortal(portal), &self.inbox);
            ledger.push(Owed::OwnDescribe, described);
        }
        let frame = self.inbox.take(command.total);
        let receipt = self.forward.command(leave, command.kind, &self.inbox, frame);
        if let Some(receipt) = receipt.map_err(|Unfit| End::Unfit(command.kind))? {
            plan.sent(receipt);
        }
        ledger.push(owed, plan);
        Ok(())
    }

    /// Refuses a command in its place, and makes what the target has done with it fail.
    pub(super) fn refuse<Plan: Ticket>(
        &mut self,
        command: Command,
        refusal: &Refusal,
        ledger: &mut Ledger<Plan>,
    ) {
        self.under_way = Piece { left: command.total, is_dropped: true, data: None };
        let mut told = refusal.encode(Severity::Error);
        let is_simple = matches!(command.kind, Frontend::Query | Frontend::FunctionCall);
        let owed = match (ledger.is_anything_to_abort(), is_simple) {
            (true, true) => {
                self.forward.own(Own::FailQuery, &self.inbox);
                Owed::RefusedQuery(told.into_boxed_slice())
            }
            (true, false) => {
                self.forward.own(Own::FailParse, &self.inbox);
                Owed::Refused(told.into_boxed_slice())
            }
            (false, is_simple) => {
                if is_simple {
                    let status = ledger.view().transaction.byte();
                    make::message(&mut told, b'Z', |out| out.push(status));
                }
                Owed::Told(told.into_boxed_slice())
            }
        };
        ledger.push(owed, Plan::default());
        if !is_simple {
            ledger.skip_to_sync();
        }
    }

    /// Takes leave of the target, unless it is in the middle of a message and could not understand it.
    pub(super) fn terminate(&mut self) {
        if self.under_way.left > 0 && !self.under_way.is_dropped {
            return;
        }
        self.forward.own(Own::Terminate, &self.inbox);
    }

    /// Deals with everything in the inbox up to the next command.
    fn scan<Plan: Ticket>(&mut self, ledger: &mut Ledger<Plan>) -> Result<Option<Next>, End> {
        self.need = 0;
        loop {
            self.take_piece(ledger);
            if self.under_way.left > 0 || ledger.is_full() {
                return Ok(None);
            }
            let window = self.inbox.window();
            let Some(header) = frame::header(window).map_err(End::ClientMalformed)? else { return Ok(None) };
            let kind = Frontend::from_tag(header.tag).map_err(End::ClientMalformed)?;
            let handling = kind.handling(header, self.caps).map_err(End::ClientMalformed)?;
            if handling == Handling::Whole && window.len() < header.total() {
                self.need = header.total();
                return Ok(None);
            }
            if let Some(next) = self.message(kind, handling, header, ledger)? {
                return Ok(Some(next));
            }
        }
    }

    fn message<Plan: Ticket>(
        &mut self,
        kind: Frontend,
        handling: Handling,
        header: Header,
        ledger: &mut Ledger<Plan>,
    ) -> Result<Option<Next>, End> {
        let control = match kind {
            Frontend::Terminate => return Ok(Some(Next::Left)),
            Frontend::Sync => ledger.on_sync(),
            Frontend::Flush => ledger.on_flush(),
            Frontend::CopyData => ledger.on_copy_data(),
            Frontend::CopyDone | Frontend::CopyFail => {
                // The reason given with CopyFail ends up in the target's error, as text.
                if kind == Frontend::CopyFail {
                    let text = self.inbox.window().get(HEADER..header.total()).unwrap_or_default();
                    crate::wire::query::Query::decode(text).map_err(End::ClientMalformed)?;
                }
                ledger.on_copy_end()
            }
            _ if ledger.is_copying_in() => return Err(End::CommandInCopy),
            _ if ledger.is_skipping() => Control::Drop,
            Frontend::FunctionCall => {
                let text = "function calls by OID are not supported by the gateway";
                let refusal = Refusal::new(SqlState::UNSUPPORTED, text).hint("call the function in a SELECT");
                return Ok(Some(Next::Unread(Command { kind, total: header.total() }, refusal)));
            }
            _ if handling == Handling::Oversized => {
                let text = format!("a message of {} bytes is longer than the gateway takes", header.body);
                let refusal = Refusal::new(SqlState::TOO_LONG, text)
                    .hint("send a shorter statement, or load the data with COPY");
                return Ok(Some(Next::Unread(Command { kind, total: header.total() }, refusal)));
            }
            _ => return Ok(Some(Next::Command(Command { kind, total: header.total() }))),
        };
        let is_forwarded = control == Control::Forward;
        if is_forwarded
            && matches!(kind, Frontend::CopyDone | Frontend::CopyFail)
            && let Some(input) = ledger.input()
        {
            input.end();
        }
        let data = (is_forwarded && kind == Frontend::CopyData).then_some(0);
        self.under_way = Piece { left: header.total(), is_dropped: !is_forwarded, data };
        Ok(None)
    }

    /// Takes what has come of the message under way.
    fn take_piece<Plan: Ticket>(&mut self, ledger: &mut Ledger<Plan>) {
        if self.under_way.left == 0 {
            return;
        }
        let piece = self.inbox.take(self.under_way.left);
        self.under_way.left -= piece.len();
        if let Some(taken) = &mut self.under_way.data {
            let header = HEADER.saturating_sub(*taken).min(piece.len());
            *taken += piece.len();
            if let Some(input) = ledger.input() {
                input.push(self.inbox.bytes().get(piece.start + header..piece.end).unwrap_or_default());
            }
        }
        if !self.under_way.is_dropped {
            self.forward.uncommanding(&self.inbox, piece);
        }
    }
}
