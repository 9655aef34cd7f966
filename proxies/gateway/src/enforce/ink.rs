//! One session's hand in the audit log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_evidence::{AppendError, AuditLog, Batch, Record, Scope, Seq};

/// Writes the records of one session. Those that nothing waits for are kept back for a moment, and go out in one
/// write with the next that something does wait for.
#[derive(Debug)]
pub(super) struct Ink {
    pub(super) log: Arc<AuditLog>,
    scope: Scope,
    batch: Mutex<Batch>,
}

impl Ink {
    pub(super) fn new(log: Arc<AuditLog>, scope: Scope) -> Self {
        Self { log, scope, batch: Mutex::new(Batch::new()) }
    }

    fn batch(&self) -> MutexGuard<'_, Batch> {
        // A batch is whole after every call on it, so a panic elsewhere leaves it usable.
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a record to be written with the next one, or by [`Ink::flush`].
    pub(super) fn later(&self, record: &Record<'_>) -> Result<(), AppendError> {
        Ok(self.batch().push(&self.scope, record)?)
    }

    /// Writes a record and all that was kept back: they are in the kernel when this returns.
    pub(super) fn now(&self, record: &Record<'_>) -> Result<Seq, AppendError> {
        let mut batch = self.batch();
        batch.push(&self.scope, record)?;
        self.log.append(&mut batch)
    }

    /// Writes what was kept back.
    pub(super) fn flush(&self) -> Result<(), AppendError> {
        let mut batch = self.batch();
        if batch.is_empty() { Ok(()) } else { self.log.append(&mut batch).map(drop) }
    }

    /// Waits until a record is on disk, without blocking the thread.
    pub(super) async fn synced(&self, seq: Seq) -> Result<(), AppendError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.log.sync(seq, move |result| {
            // Whoever waited may be gone; the record is on disk all the same.
            let _ = sender.send(result);
        });
        receiver.await.unwrap_or(Err(AppendError::Closed))
    }
}
