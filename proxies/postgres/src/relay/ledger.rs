//! Which replies the target still owes, in order, and so which state both ends believe the session to be in.
//!
//! ```text
//!  client ── forwarded ──→ push ─→ [ Parse │ Bind │ Execute │ Refused │ Sync ] ─→ head ── replies ──→ client
//!  ErrorResponse at the head of extended messages:  everything up to the next Sync leaves with it; without
//!                                                   a Sync the client's messages are dropped until one comes
//!  CopyInResponse at the head:                      Syncs behind it are swallowed by the target up to CopyDone
//! ```
//!
//! Source: PostgreSQL documentation, "Message Flow", and `tcop/postgres.c` and `commands/copyfromparse.c` for
//! what is read and ignored when.

use std::collections::VecDeque;

use super::cut::Cut;
use super::judge::{Sink, Ticket, Transaction, View};
use crate::wire::backend::Backend;

/// Replies owed at most, before the client has to wait. The target buffers 8 KiB of replies, which is below 1,700 of
/// the shortest, so a client that waits here is always waiting for replies that do come.
const MOST: usize = 16_384;

/// What was sent to the target, or refused in its place, and is not answered in full.
#[derive(Debug)]
pub(super) enum Owed {
    Query,
    Parse,
    Bind,
    Describe,
    /// A Describe of the gateway's own, whose answer the client does not get.
    OwnDescribe,
    Execute,
    Close,
    Sync,
    /// The end of a COPY that was sent before the target asked for its data.
    CopyEnd,
    /// A refusal in place of an extended message; a statement that fails was sent instead.
    Refused(Box<[u8]>),
    /// A refusal in place of a simple query; a query that fails was sent instead.
    RefusedQuery(Box<[u8]>),
    /// A refusal of which the target knows nothing: complete, to be told when its turn comes.
    Told(Box<[u8]>),
}

pub(super) struct Entry<Plan> {
    pub(super) owed: Owed,
    pub(super) plan: Plan,
}

/// A reply that answers nothing: the target speaks out of turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfTurn;

/// What a client's message that is no command deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Forward,
    Drop,
}

pub(super) struct Ledger<Plan> {
    pub(super) queue: VecDeque<Entry<Plan>>,
    transaction: Transaction,
    /// The client's messages are dropped until its next Sync, as the target does after an error.
    is_skipping: bool,
    /// Extended messages were sent since the last Sync: an implicit transaction may be open.
    is_segment_open: bool,
    /// Counts Syncs and simple queries: what ends a run of messages that succeed or fail together.
    segment: u64,
    /// The target reads a COPY's data, and the client has not ended it.
    is_copying_in: bool,
    /// Syncs sent behind a COPY before the target asked for data. It swallows them while it reads the data.
    swallowed: usize,
    /// Such Syncs after the COPY failed: each may have been swallowed before, or be answered yet.
    uncertain: usize,
    /// The answer at the head was cut short. Until that is over nothing more is taken from the client.
    pub(super) cut: Option<Cut>,
}

impl<Plan: Ticket> Ledger<Plan> {
    pub(super) fn new(transaction: Transaction) -> Self {
        Self {
            queue: VecDeque::with_capacity(8),
            transaction,
            is_skipping: false,
            is_segment_open: false,
            segment: 0,
            is_copying_in: false,
            swallowed: 0,
            uncertain: 0,
            cut: None,
        }
    }

    pub(super) fn view(&self) -> View {
        View {
            transaction: self.transaction,
            is_pipelined: !self.queue.is_empty() || self.is_segment_open || self.uncertain > 0,
            segment: self.segment,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= MOST || self.cut.is_some()
    }

    /// Whether the target still has something to do for the client.
    pub(super) fn is_owed(&self) -> bool {
        !self.queue.is_empty() || self.cut.is_some()
    }

    pub(super) fn is_skipping(&self) -> bool {
        self.is_skipping
    }

    pub(super) fn is_copying_in(&self) -> bool {
        self.is_copying_in
    }

    /// Whether a refusal must make something of the target's fail with it.
    pub(super) fn is_anything_to_abort(&self) -> bool {
        let view = self.view();
        view.is_pipelined || view.transaction == Transaction::Open
    }

    // What the client sends.

    pub(super) fn push(&mut self, owed: Owed, plan: Plan) {
        match owed {
            Owed::Query | Owed::RefusedQuery(_) | Owed::Sync => {
                self.is_segment_open = false;
                self.segment += 1;
            }
            Owed::Told(_) | Owed::CopyEnd => {}
            _ => self.is_segment_open = true,
        }
        self.queue.push_back(Entry { owed, plan });
    }

    /// The client's messages up to its next Sync fall with the one that was refused.
    pub(super) fn skip_to_sync(&mut self) {
        self.is_skipping = true;
    }

    pub(super) fn on_sync(&mut self) -> Control {
        if self.is_copying_in {
            // The target would ignore it; keeping it here leaves no doubt whether it is answered.
            return Control::Drop;
        }
        self.is_skipping = false;
        self.push(Owed::Sync, Plan::default());
        Control::Forward
    }

    pub(super) fn on_flush(&self) -> Control {
        if self.is_skipping || self.is_copying_in { Control::Drop } else { Control::Forward }
    }

    /// Data of a COPY goes where a permitted command may be asking for it, and nowhere else.
    pub(super) fn on_copy_data(&self) -> Control {
        if !self.is_skipping && (self.is_copying_in || self.may_ask_for_data()) {
            Control::Forward
        } else {
            Control::Drop
        }
    }

    pub(super) fn on_copy_end(&mut self) -> Control {
        if self.is_skipping {
            Control::Drop
        } else if self.is_copying_in {
            self.is_copying_in = false;
            Control::Forward
        } else if self.may_ask_for_data() {
            self.push(Owed::CopyEnd, Plan::default());
            Control::Forward
        } else {
            Control::Drop
        }
    }

    fn may_ask_for_data(&self) -> bool {
        self.queue.iter().any(|entry| matches!(entry.owed, Owed::Query | Owed::Execute))
    }

    /// Who is told of the data that goes by: the first command that asks for some.
    pub(super) fn input(&mut self) -> Option<&mut dyn Sink> {
        self.queue.iter_mut().find_map(|entry| entry.plan.input())
    }

    // What the target answers.

    /// The plan of the command that is being answered.
    pub(super) fn plan(&mut self) -> Option<&mut Plan> {
        self.queue.front_mut().map(|entry| &mut entry.plan)
    }

    /// Whether `reply` may come now. Changes nothing.
    pub(super) fn check(&self, reply: Backend) -> Result<(), OutOfTurn> {
        use Backend as B;
        let head = self.queue.front().map(|entry| &entry.owed);
        let fits = match reply {
            // These come at any time. An error without a command is the end of the session being told.
            B::NoticeResponse | B::NotificationResponse | B::ParameterStatus | B::ErrorResponse => true,
            B::ReadyForQuery => {
                matches!(head, Some(Owed::Query | Owed::RefusedQuery(_) | Owed::Sync)) || self.uncertain > 0
            }
            B::ParseComplete => matches!(head, Some(Owed::Parse)),
            B::BindComplete => matches!(head, Some(Owed::Bind)),
            B::CloseComplete => matches!(head, Some(Owed::Close)),
            B::ParameterDescription => matches!(head, Some(Owed::Describe)),
            B::NoData => matches!(head, Some(Owed::Describe | Owed::OwnDescribe)),
            B::RowDescription => matches!(head, Some(Owed::Describe | Owed::OwnDescribe | Owed::Query)),
            B::PortalSuspended => matches!(head, Some(Owed::Execute)),
            B::DataRow
            | B::CommandComplete
            | B::EmptyQueryResponse
            | B::CopyInResponse
            | B::CopyOutResponse
            | B::CopyData
            | B::CopyDone => matches!(head, Some(Owed::Query | Owed::Execute)),
        };
        if fits { Ok(()) } else { Err(OutOfTurn) }
    }

    /// Whether `reply` answers something that the client has not asked for.
    pub(super) fn is_own(&self, reply: Backend) -> bool {
        matches!(reply, Backend::RowDescription | Backend::NoData)
            && self.is_head(|owed| matches!(owed, Owed::OwnDescribe))
    }

    /// The refusal that the client gets in the place of the target's error, which is about to be settled.
    pub(super) fn refusal_in_place(&mut self) -> Option<Box<[u8]>> {
        match self.queue.front_mut().map(|entry| &mut entry.owed) {
            Some(Owed::Refused(instead) | Owed::RefusedQuery(instead)) if !instead.is_empty() => {
                Some(std::mem::take(instead))
            }
            _ => None,
        }
    }

    /// Notes that `reply`, which was checked, has come. ReadyForQuery has its own, [`Ledger::settle_ready`].
    pub(super) fn settle(&mut self, reply: Backend) {
        use Backend as B;
        match reply {
            B::NoticeResponse | B::NotificationResponse | B::ParameterStatus | B::ReadyForQuery => return,
            B::ErrorResponse => return self.on_error(),
            _ => self.uncertain = 0,
        }
        match reply {
            B::ParseComplete | B::BindComplete | B::CloseComplete | B::NoData | B::PortalSuspended => {
                self.pop()
            }
            B::RowDescription if self.is_head(|owed| matches!(owed, Owed::Describe | Owed::OwnDescribe)) => {
                self.pop();
            }
            B::CommandComplete | B::EmptyQueryResponse => {
                self.swallowed = 0;
                self.is_copying_in = false;
                if self.is_head(|owed| matches!(owed, Owed::Execute)) {
                    self.pop();
                }
            }
            B::CopyInResponse => self.on_copy_in(),
            _ => {}
        }
    }

    /// Notes a ReadyForQuery.
    pub(super) fn settle_ready(&mut self, transaction: Transaction) {
        self.transaction = transaction;
        self.is_copying_in = false;
        if self.is_head(|owed| matches!(owed, Owed::Query | Owed::RefusedQuery(_) | Owed::Sync)) {
            self.pop();
        } else {
            self.uncertain = self.uncertain.saturating_sub(1);
            self.is_skipping = false;
        }
    }

    /// The refusal whose turn it is, told by the gateway alone.
    pub(super) fn told(&mut self) -> Option<Box<[u8]>> {
        if !self.is_head(|owed| matches!(owed, Owed::Told(_))) {
            return None;
        }
        let told = self.queue.pop_front().map(|entry| entry.owed);
        self.drop_useless_copy_ends();
        match told {
            Some(Owed::Told(bytes)) => Some(bytes),
            _ => None,
        }
    }

    fn on_error(&mut self) {
        self.uncertain = std::mem::take(&mut self.swallowed);
        self.is_copying_in = false;
        match self.queue.front().map(|entry| &entry.owed) {
            // These end with a ReadyForQuery of their own, which is still to come.
            None | Some(Owed::Query | Owed::RefusedQuery(_) | Owed::Sync | Owed::CopyEnd | Owed::Told(_)) => {
            }
            Some(
                Owed::Refused(_)
                | Owed::Parse
                | Owed::Bind
                | Owed::Describe
                | Owed::OwnDescribe
                | Owed::Execute
                | Owed::Close,
            ) => self.fall_to_sync(),
        }
    }

    /// The target reads on to the next Sync and answers nothing before it.
    fn fall_to_sync(&mut self) {
        while let Some(entry) = self.queue.front() {
            if matches!(entry.owed, Owed::Sync) {
                return;
            }
            self.queue.pop_front();
        }
        self.is_skipping = true;
    }

    fn on_copy_in(&mut self) {
        self.is_copying_in = true;
        // The target reads data now, and ignores Syncs until the data's end.
        while let Some(entry) = self.queue.get(1) {
            match entry.owed {
                Owed::Sync => self.swallowed += 1,
                Owed::CopyEnd => self.is_copying_in = false,
                _ => return,
            }
            self.queue.remove(1);
            if !self.is_copying_in {
                return;
            }
        }
    }

    fn pop(&mut self) {
        self.queue.pop_front();
        self.drop_useless_copy_ends();
    }

    /// The end of a COPY that was never begun is read and ignored by the target.
    fn drop_useless_copy_ends(&mut self) {
        while self.is_head(|owed| matches!(owed, Owed::CopyEnd)) {
            self.queue.pop_front();
        }
    }

    fn is_head(&self, is: impl FnOnce(&Owed) -> bool) -> bool {
        self.queue.front().is_some_and(|entry| is(&entry.owed))
    }
}
