//! Counts rows and bytes against the policy's limits, before they pass.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use policy_core::rule::LimitUnit;
use portcullis_gateway::enforce::{Judged, Receipt, Refusal};

/// How often the store is asked for one row. Other sessions of the same user may take what it gave; a limit that is
/// reached gives nothing, however often it is asked.
const ROUNDS: u8 = 8;

type Fetching = Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>;

/// Counts what one session's commands return. It stays with the message at the front until that may pass.
#[derive(Default)]
pub(super) struct Counting {
    fetching: Option<Fetching>,
    rounds: u8,
    /// The message at the front was counted as a row, its bytes were not yet.
    is_row_taken: bool,
}

/// Whether anything is counted under a decision.
pub(super) fn counts(judged: &Judged) -> bool {
    judged.counts(LimitUnit::Rows) || judged.counts(LimitUnit::Bytes)
}

impl Counting {
    /// Counts one row of this many bytes; ready when it may pass.
    ///
    /// # Errors
    /// Where a limit is reached, or the store can't say: nothing more of the command may pass.
    pub(super) fn poll_row(
        &mut self,
        cx: &mut Context<'_>,
        receipt: &mut Receipt,
        bytes: u64,
    ) -> Poll<Result<(), Refusal>> {
        if !self.is_row_taken && receipt.judged().counts(LimitUnit::Rows) {
            ready!(self.poll_take(cx, receipt, LimitUnit::Rows, 1))?;
            self.is_row_taken = true;
        }
        if receipt.judged().counts(LimitUnit::Bytes) {
            ready!(self.poll_take(cx, receipt, LimitUnit::Bytes, bytes))?;
        }
        self.is_row_taken = false;
        Poll::Ready(Ok(()))
    }

    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        receipt: &mut Receipt,
        unit: LimitUnit,
        units: u64,
    ) -> Poll<Result<(), Refusal>> {
        loop {
            if let Some(fetching) = &mut self.fetching {
                let fetched = ready!(fetching.as_mut().poll(cx));
                self.fetching = None;
                fetched?;
            }
            let taken = if self.rounds < ROUNDS {
                receipt.take(unit, units)
            } else {
                Some(receipt.take_fetched(unit, units))
            };
            if let Some(taken) = taken {
                self.rounds = 0;
                return Poll::Ready(taken);
            }
            self.rounds += 1;
            self.fetching = Some(Box::pin(Arc::clone(receipt.judged()).fetch(unit, units)));
        }
    }
}
