//! A command that was stopped at a limit, and whether stopping it late makes a difference.

use policy_core::Verb;
use policy_normalize::sql::{Kind, Statement};
use portcullis_evidence::record::Made;
use portcullis_gateway::enforce::Receipt;

use super::plan::Tally;
use super::words::refusal;
use crate::command::meaning::Meaning;
use crate::refuse::{Refusal, SqlState};

/// A command of which nothing more passes. Dropped, it tells its outcome: failed, with what had passed.
pub(super) struct Stopped {
    receipt: Option<Receipt>,
    tally: Tally,
    state: SqlState,
}

impl Stopped {
    pub(super) fn new(receipt: Receipt, tally: Tally, state: SqlState) -> Self {
        Self { receipt: Some(receipt), tally, state }
    }

    /// Records what the gateway is about to send because of it.
    pub(super) fn made(&self, made: Made) -> Result<(), Refusal> {
        let Some(receipt) = &self.receipt else { return Ok(()) };
        receipt.made(made, "a limit was reached").map_err(|denial| refusal(&denial))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            self.tally.tell(receipt, Some(self.state.as_str()));
        }
    }
}

/// Whether running this leaves everything as it was: data, definitions, settings, names, transactions and cursors.
pub(super) fn only_reads(meaning: &Meaning) -> bool {
    meaning.statements.iter().all(reads)
}

fn reads(statement: &Statement) -> bool {
    const SELECT: Verb = Verb::new("select");
    const SHOW: Verb = Verb::new("show");
    matches!(statement.kind, Kind::Noop | Kind::Select | Kind::Show | Kind::Copy(_) | Kind::Execute { .. })
        && statement.settings.is_empty()
        && statement.actions.iter().all(|action| [SELECT, SHOW, Verb::NOOP].contains(&action.verb))
}
