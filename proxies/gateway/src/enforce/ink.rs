//! One session's hand in the audit log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use portcullis_evidence::{AppendError, AuditLog, Batch, Record, Scope, Seq};

/// Writes the records of one session. Those that nothing waits for are kept back for a moment, and go out in one
/// write with the next that something does wait for.
#[derive(Debug)]
pub(crate) struct Ink {
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

/// Those of all live sessions.
#[derive(Debug, Default)]
pub(crate) struct Inks(Mutex<Vec<Weak<Ink>>>);

impl Inks {
    fn all(&self) -> MutexGuard<'_, Vec<Weak<Ink>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, ink: &Arc<Ink>) {
        self.all().push(Arc::downgrade(ink));
    }

    /// Writes what sessions kept back.
    pub(crate) fn flush(&self) -> Result<(), AppendError> {
        let live: Vec<_> = {
            let mut all = self.all();
            all.retain(|ink| ink.strong_count() > 0);
            all.iter().filter_map(Weak::upgrade).collect()
        };
        // All of them are tried, whatever becomes of one.
        live.iter().map(|ink| ink.flush()).fold(Ok(()), Result::and)
    }
}
