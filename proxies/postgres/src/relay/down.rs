//! From the target to the client: every message is placed, some are rewritten, most pass as they lie.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::JoinHandle;

use super::cut::Fate;
use super::end::End;
use super::inbox::Inbox;
use super::judge::{Halt, Passage, Ticket, Transaction, Veil};
use super::ledger::Ledger;
use super::outbox::{KEPT, Outbox};
use crate::cancel::Cancels;
use crate::connect::PINNED;
use crate::mask::Rewritten;
use crate::refuse::{Refusal, Severity, SqlState};
use crate::transport::Transport;
use crate::wire::Malformed;
use crate::wire::backend::Backend;
use crate::wire::frame::{self, HEADER, Header};
use crate::wire::parameter_status::ParameterStatus;

/// Bytes after which other sessions get their turn.
const TURN: usize = 512 << 10;

pub(super) struct Down {
    inbox: Inbox,
    out: Outbox,
    /// The message whose bytes are taken as they come.
    under_way: Piece,
    /// What the veil said of the message at the front, of which not all has come.
    passage: Option<Passage>,
    /// Bytes of the next message, as far as is known.
    need: usize,
    /// What the client gets instead of the message at the front.
    instead: Vec<u8>,
    /// Notices of the gateway's own, for the next gap between messages.
    notices: Vec<u8>,
    cancels: Arc<Cancels>,
    /// A cancel request that the target has not taken yet.
    cancelling: Option<JoinHandle<bool>>,
}

/// What is left of a message that is not read.
#[derive(Default)]
struct Piece {
    left: usize,
    /// The client does not get it.
    is_dropped: bool,
}

/// How far the message at the front could be dealt with.
enum Scanned {
    /// All of it.
    Whole,
    /// All of it is needed, and has not come.
    Partly,
    /// The veil waits for something, and wakes the task.
    Waits,
}

impl Down {
    pub(super) fn new(cancels: Arc<Cancels>) -> Self {
        Self {
            inbox: Inbox::default(),
            out: Outbox::default(),
            under_way: Piece::default(),
            passage: None,
            need: 0,
            instead: Vec::new(),
            notices: Vec::new(),
            cancels,
            cancelling: None,
        }
    }

    /// Relays until both sockets are exhausted. Ready only with the session's end.
    pub(super) fn poll<Plan: Ticket, V: Veil<Plan>>(
        &mut self,
        cx: &mut Context<'_>,
        target: &mut Transport,
        client: &mut Transport,
        ledger: &mut Ledger<Plan>,
        veil: &mut V,
    ) -> Poll<End> {
        match ready!(self.poll_on(cx, target, client, ledger, veil)) {
            Err(end) => Poll::Ready(end),
            Ok(never) => match never {},
        }
    }

    fn poll_on<Plan: Ticket, V: Veil<Plan>>(
        &mut self,
        cx: &mut Context<'_>,
        target: &mut Transport,
        client: &mut Transport,
        ledger: &mut Ledger<Plan>,
        veil: &mut V,
    ) -> Poll<Result<Infallible, End>> {
        let mut turn = 0;
        loop {
            let may_go_on = self.scan(cx, ledger, veil)?;
            if ledger.cut.is_some() {
                self.end_cut(cx, ledger)?;
            }
            self.tell(ledger);
            ready!(self.out.poll_flush(cx, self.inbox.bytes(), client)).map_err(End::Client)?;
            if !may_go_on {
                return Poll::Pending;
            }
            if turn >= TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let count = match ready!(self.inbox.poll_fill(cx, target, self.need)) {
                Ok(0) => return Poll::Ready(Err(End::TargetClosed)),
                Ok(count) => count,
                Err(error) => return Poll::Ready(Err(End::Target(error))),
            };
            turn += count;
        }
    }

    /// Bytes that the client got.
    pub(super) fn sent(&self) -> u64 {
        self.out.total
    }

    /// Sends what is there, without reading more.
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Transport,
    ) -> Poll<std::io::Result<()>> {
        self.out.poll_flush(cx, self.inbox.bytes(), client)
    }

    /// Adds a notice of the gateway's own, to be sent as soon as no other message is under way.
    pub(super) fn notice(&mut self, notice: &[u8]) {
        self.notices.extend_from_slice(notice);
    }

    /// Adds a last word, unless the client is in the middle of a message and could not understand it.
    pub(super) fn last_word(&mut self, word: &[u8]) {
        if self.under_way.left == 0 {
            self.out.own(self.inbox.bytes()).extend_from_slice(word);
        }
    }

    /// Sends the refusals and notices whose turn it is.
    fn tell<Plan: Ticket>(&mut self, ledger: &mut Ledger<Plan>) {
        if self.under_way.left > 0 {
            return;
        }
        if !self.notices.is_empty() {
            self.out.own(self.inbox.bytes()).append(&mut self.notices);
        }
        while let Some(told) = ledger.told() {
            self.out.own(self.inbox.bytes()).extend_from_slice(&told);
        }
    }

    /// Deals with every message, or part of one, that is in the inbox; `false` when the veil has to be waited for.
    fn scan<Plan: Ticket, V: Veil<Plan>>(
        &mut self,
        cx: &mut Context<'_>,
        ledger: &mut Ledger<Plan>,
        veil: &mut V,
    ) -> Result<bool, End> {
        self.need = 0;
        loop {
            if self.under_way.left > 0 {
                let span = self.inbox.take(self.under_way.left);
                self.under_way.left -= span.len();
                if !self.under_way.is_dropped {
                    self.out.pass(self.inbox.bytes(), span);
                }
                if self.under_way.left > 0 {
                    return Ok(true);
                }
            }
            self.tell(ledger);
            let Some(header) = frame::header(self.inbox.window()).map_err(End::TargetMalformed)? else {
                return Ok(true);
            };
            let kind = Backend::from_header(header).map_err(End::TargetMalformed)?;
            ledger.check(kind).map_err(|_| End::OutOfTurn(kind))?;
            match self.message(cx, kind, header, ledger, veil)? {
                Scanned::Whole => {}
                Scanned::Partly => {
                    self.need = header.total();
                    return Ok(true);
                }
                Scanned::Waits => return Ok(false),
            }
        }
    }

    /// Deals with the message at the front.
    fn message<Plan: Ticket, V: Veil<Plan>>(
        &mut self,
        cx: &mut Context<'_>,
        kind: Backend,
        header: Header,
        ledger: &mut Ledger<Plan>,
        veil: &mut V,
    ) -> Result<Scanned, End> {
        if kind == Backend::ErrorResponse
            && let Some(instead) = ledger.refusal_in_place()
        {
            // The target's error answers what the gateway made it fail with: the client gets the refusal.
            self.out.own(self.inbox.bytes()).extend_from_slice(&instead);
            ledger.settle(kind);
            veil.on_refusal();
            self.under_way = Piece { left: header.total(), is_dropped: true };
            return Ok(Scanned::Whole);
        }
        if self.passage.is_none() {
            if ledger.cut.is_some()
                && let Some(scanned) = self.cut_off(kind, header, ledger, veil)?
            {
                return Ok(scanned);
            }
            match veil.poll_admit(cx, kind, header, ledger.plan()) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(Halt::Session(refusal))) => return Err(End::Refused(refusal)),
                Poll::Ready(Err(Halt::Command { refusal, is_harmless })) => {
                    self.out.own(self.inbox.bytes()).extend_from_slice(&refusal.encode(Severity::Error));
                    self.cancelling = Some(self.cancels.clone().forward());
                    ledger.cut(is_harmless);
                    // From the top, where this message falls too.
                    return self.message(cx, kind, header, ledger, veil);
                }
                Poll::Pending => return Ok(Scanned::Waits),
            }
        }
        let passage = *self.passage.get_or_insert_with(|| veil.on_server_frame(kind, header, ledger.plan()));
        if let Passage::Rewrite(cap) = passage
            && header.body > cap
        {
            return Err(End::TooLong { kind, cap });
        }
        let mut becomes = Rewritten::Unchanged;
        let is_read = matches!(kind, Backend::ReadyForQuery | Backend::ParameterStatus);
        if is_read || passage != Passage::Pass {
            let Some(body) = self.inbox.window().get(HEADER..header.total()) else {
                return Ok(Scanned::Partly);
            };
            if kind == Backend::ParameterStatus {
                watch(body)?;
            }
            if passage != Passage::Pass {
                self.instead.clear();
                becomes = veil.rewrite(kind, body, ledger.plan(), &mut self.instead).map_err(End::Refused)?;
            }
            if kind == Backend::ReadyForQuery {
                ledger.settle_ready(transaction(body)?);
            }
        }
        self.passage = None;
        // The answer to a question of the gateway's own is for the veil alone.
        let is_own = ledger.is_own(kind);
        ledger.settle(kind);
        self.under_way = Piece { left: header.total(), is_dropped: is_own || becomes == Rewritten::Written };
        if becomes == Rewritten::Written && !is_own {
            self.out.own(self.inbox.bytes()).extend_from_slice(&self.instead);
            self.instead.shrink_to(KEPT);
        }
        Ok(Scanned::Whole)
    }
}

impl Down {
    /// Deals with a message that comes while a command's answer is cut short, unless it passes as ever.
    fn cut_off<Plan: Ticket, V: Veil<Plan>>(
        &mut self,
        kind: Backend,
        header: Header,
        ledger: &mut Ledger<Plan>,
        veil: &mut V,
    ) -> Result<Option<Scanned>, End> {
        let mut status = None;
        if kind == Backend::ReadyForQuery {
            let Some(body) = self.inbox.window().get(HEADER..header.total()) else {
                return Ok(Some(Scanned::Partly));
            };
            status = Some(transaction(body)?);
        }
        match ledger.cut_off(kind, status)? {
            Fate::Usual => return Ok(None),
            Fate::Dropped => {}
            Fate::Aborted => veil.on_abort().map_err(End::Refused)?,
            Fate::Failed => veil.on_refusal(),
        }
        self.under_way = Piece { left: header.total(), is_dropped: true };
        Ok(Some(Scanned::Whole))
    }

    /// Lets the client go on once the target has taken the cancel request and come to rest.
    fn end_cut<Plan: Ticket>(&mut self, cx: &mut Context<'_>, ledger: &mut Ledger<Plan>) -> Result<(), End> {
        if let Some(cancelling) = &mut self.cancelling
            && let Poll::Ready(taken) = Pin::new(cancelling).poll(cx)
        {
            self.cancelling = None;
            // Whether the request is still on its way is not known, so nothing can be sent that it may hit.
            if !matches!(taken, Ok(true)) {
                let text = "the target could not be told to cancel the command";
                return Err(End::Refused(Refusal::new(SqlState::UNREACHABLE, text)));
            }
        }
        if self.cancelling.is_none() {
            ledger.end_cut();
        }
        Ok(())
    }
}

/// The two settings under which a statement would be read in another way than it was judged.
fn watch(body: &[u8]) -> Result<(), End> {
    let status = ParameterStatus::decode(body).map_err(End::TargetMalformed)?;
    match PINNED.iter().find(|(name, _)| *name == status.name) {
        Some((name, value)) if *value != status.value => Err(End::Unpinned(name)),
        _ => Ok(()),
    }
}

fn transaction(body: &[u8]) -> Result<Transaction, End> {
    match body {
        [b'I'] => Ok(Transaction::Idle),
        [b'T'] => Ok(Transaction::Open),
        [b'E'] => Ok(Transaction::Failed),
        _ => Err(End::TargetMalformed(Malformed::Field("transaction status"))),
    }
}
