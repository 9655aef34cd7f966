//! A command whose answer is cut short: the client is told an error, and the target is brought to the same state.
//!
//! ```text
//!  Halt ─→ client: ErrorResponse            client's messages wait from here on
//!      └─→ target: cancel request ─┬─ the target answers with an error: its transaction failed ──────────┐
//!                                  └─ it had finished before:                                            ├─→ rest
//!                                       no Sync behind it, or in a block: a statement that fails is sent ┤
//!                                       outside a block, and nothing was changed: no difference ─────────┘
//!                                       anything else: the two ends can't agree, and the session ends
//! ```
//!
//! A cancel request hits whatever runs when it arrives. So nothing more is sent to the target until it has taken it.

use super::end::End;
use super::forward::Own;
use super::judge::{Ticket, Transaction};
use super::ledger::{Entry, Ledger, Owed};
use crate::refuse::{Refusal, SqlState};
use crate::wire::backend::Backend;

/// How far the target has come with a command that was cut short.
#[derive(Debug)]
pub(super) enum Cut {
    /// It may still be at it. What it says to it is dropped.
    Dropping {
        /// Nothing of the run changes anything.
        is_harmless: bool,
    },
    /// It had finished. What makes it fail has to be sent, or was sent when this is `None`.
    Failing(Option<Own<'static>>),
    /// It is where the client believes it to be, or says so next.
    Rested,
}

/// What becomes of a message that comes meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It passes as ever.
    Usual,
    /// The client does not get it.
    Dropped,
    /// The same, and the gateway makes the target fail.
    Aborted,
    /// The same, and it says that the target has failed.
    Failed,
}

impl<Plan: Ticket> Ledger<Plan> {
    /// The answer at the head ends here.
    pub(super) fn cut(&mut self, is_harmless: bool) {
        self.cut = Some(Cut::Dropping { is_harmless });
    }

    /// What is to be sent to the target, once.
    pub(super) fn take_own(&mut self) -> Option<Own<'static>> {
        match &mut self.cut {
            Some(Cut::Failing(own)) => own.take(),
            _ => None,
        }
    }

    /// Whether something is to be sent to the target.
    pub(super) fn wants_own(&self) -> bool {
        matches!(self.cut, Some(Cut::Failing(Some(_))))
    }

    /// Notes that the target has taken the cancel request, and so whether the client may go on.
    pub(super) fn end_cut(&mut self) {
        if matches!(self.cut, Some(Cut::Rested)) {
            self.cut = None;
        }
    }

    /// Decides on a message that was checked, and settles it unless it is [`Fate::Usual`]. `status` is what a
    /// ReadyForQuery tells.
    pub(super) fn cut_off(&mut self, kind: Backend, status: Option<Transaction>) -> Result<Fate, End> {
        use Backend as B;
        if matches!(kind, B::NoticeResponse | B::NotificationResponse | B::ParameterStatus) {
            return Ok(Fate::Usual);
        }
        match &self.cut {
            None | Some(Cut::Rested) => Ok(Fate::Usual),
            Some(Cut::Dropping { is_harmless }) => self.dropping(kind, status, *is_harmless),
            Some(Cut::Failing(_)) if kind == B::ErrorResponse => Ok(self.fail()),
            Some(Cut::Failing(_)) => Err(apart()),
        }
    }

    fn dropping(
        &mut self,
        kind: Backend,
        status: Option<Transaction>,
        is_harmless: bool,
    ) -> Result<Fate, End> {
        use Backend as B;
        let is_extended = matches!(self.head(), Some(Owed::Execute));
        match kind {
            B::ErrorResponse => Ok(self.fail()),
            B::ReadyForQuery => match status {
                Some(Transaction::Idle) if is_harmless => Ok(self.rest()),
                Some(Transaction::Failed) => Ok(self.rest()),
                Some(Transaction::Open) if self.queue.len() == 1 => {
                    // Its end is told when the block has failed too.
                    self.queue.clear();
                    Ok(self.abort(Own::FailQuery, Owed::RefusedQuery(Box::default())))
                }
                _ => Err(apart()),
            },
            B::CommandComplete | B::EmptyQueryResponse | B::PortalSuspended if is_extended => {
                self.settle(kind);
                match self.head() {
                    Some(Owed::Sync | Owed::Refused(_)) => Ok(Fate::Dropped),
                    None => Ok(self.abort(Own::FailParse, Owed::Refused(Box::default()))),
                    _ => Err(apart()),
                }
            }
            B::RowDescription
            | B::DataRow
            | B::CommandComplete
            | B::EmptyQueryResponse
            | B::CopyOutResponse
            | B::CopyData
            | B::CopyDone
                if matches!(self.head(), Some(Owed::Query | Owed::Execute)) =>
            {
                self.settle(kind);
                Ok(Fate::Dropped)
            }
            _ => Err(apart()),
        }
    }

    fn head(&self) -> Option<&Owed> {
        self.queue.front().map(|entry| &entry.owed)
    }

    fn rest(&mut self) -> Fate {
        self.cut = Some(Cut::Rested);
        Fate::Usual
    }

    fn fail(&mut self) -> Fate {
        self.settle(Backend::ErrorResponse);
        self.cut = Some(Cut::Rested);
        Fate::Failed
    }

    fn abort(&mut self, own: Own<'static>, owed: Owed) -> Fate {
        self.queue.push_front(Entry { owed, plan: Plan::default() });
        self.cut = Some(Cut::Failing(Some(own)));
        Fate::Aborted
    }
}

/// The target has done what the client was told has failed, and it can't be undone.
fn apart() -> End {
    let text = "the target had finished the command, or others behind it, before it could be cancelled";
    End::Refused(
        Refusal::new(SqlState::LIMIT, text).hint(
            "look at the data before you send it again: what was finished may stand; then connect again",
        ),
    )
}
