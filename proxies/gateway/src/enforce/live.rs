//! What a session, its permits and its held commands share.

use std::sync::Arc;

use portcullis_evidence::{AppendError, Record, Seq};

use super::gateway::Shared;
use super::ink::Ink;
use super::refusal::Refusal;
use crate::session::{Entry, StopReason};

#[derive(Debug)]
pub(super) struct Live {
    pub(super) entry: Arc<Entry>,
    pub(super) ink: Ink,
    pub(super) gateway: Arc<Shared>,
}

impl Live {
    /// Writes a record now. Where that fails, every session of the gateway ends.
    pub(super) fn write(&self, record: &Record<'_>) -> Result<Seq, Refusal> {
        self.ink.now(record).map_err(|error| self.evidence_lost(&error))
    }

    /// Writes a record with the next one. Where that fails, every session of the gateway ends.
    pub(super) fn write_later(&self, record: &Record<'_>) {
        if let Err(error) = self.ink.later(record) {
            self.evidence_lost(&error);
        }
    }

    pub(super) fn flush(&self) {
        if let Err(error) = self.ink.flush() {
            self.evidence_lost(&error);
        }
    }

    pub(super) fn evidence_lost(&self, error: &AppendError) -> Refusal {
        tracing::error!(%error, session = %self.entry.id, "evidence can't be written: all sessions end");
        self.entry.stop.throw(StopReason::EvidenceLost);
        self.gateway.registry.stop(&StopReason::EvidenceLost, |_| true);
        Refusal::stopped(&StopReason::EvidenceLost)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.flush();
    }
}
