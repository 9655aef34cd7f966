//! Where the records of all sessions meet on their way to the audit log.
//!
//! ```text
//! session ── later ──→ ┐
//! session ── now ────→ ├─ page ── one append, one write ──→ audit log
//! session ── now ────→ ┘   └ every 100 ms, if nobody turned it before
//! ```
//!
//! A record that something waits for goes out with all that came before it, whoever they are from: sessions that
//! are ready at the same time share one `write`. Each goes on only once its own record is in the kernel.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use portcullis_evidence::{AppendError, AuditLog, Batch, Record, Scope, Seq};

use crate::session::{Registry, StopReason};

/// The longest that records which nothing waits for, such as outcomes, are kept back to go out with others.
const KEPT_BACK: Duration = Duration::from_millis(100);

/// The desk of one gateway. Its thread has ended, and has let go of the log, when this has been dropped.
#[derive(Debug)]
pub(crate) struct Desk {
    table: Arc<Table>,
    stop: Option<mpsc::SyncSender<()>>,
    keeper: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Table {
    log: Arc<AuditLog>,
    page: Mutex<Page>,
    /// Sessions that may still write.
    hands: AtomicUsize,
}

/// What is collected for the next append.
#[derive(Debug, Default)]
struct Page {
    batch: Batch,
    number: u64,
    lost: Option<Lost>,
}

/// Pages that did not reach the log. Where several failed, those between them count as lost, too.
#[derive(Debug)]
struct Lost {
    first: u64,
    last: u64,
    error: AppendError,
}

/// One session's place at the desk.
#[derive(Debug)]
pub(super) struct Ink {
    table: Arc<Table>,
    scope: Scope,
}

impl Desk {
    /// Opens a desk, and starts the thread that turns its page. Where that can't write, all sessions end.
    ///
    /// # Errors
    /// Where the system has no thread to give.
    pub(super) fn open(log: Arc<AuditLog>, registry: Arc<Registry>) -> Result<Self, std::io::Error> {
        let (stop, stopped) = mpsc::sync_channel(0);
        let table = Arc::new(Table { log, page: Mutex::default(), hands: AtomicUsize::new(0) });
        let kept = Arc::clone(&table);
        let keeper = thread::Builder::new()
            .name("kept records".into())
            .spawn(move || keep(&kept, &registry, &stopped))?;
        Ok(Self { table, stop: Some(stop), keeper: Some(keeper) })
    }

    /// A place for a session.
    pub(super) fn place(&self, scope: Scope) -> Ink {
        self.table.hands.fetch_add(1, Ordering::Relaxed);
        Ink { table: Arc::clone(&self.table), scope }
    }

    /// Whether somebody can still write, be it only the outcome of what was forwarded.
    pub(crate) fn is_anybody_left(&self) -> bool {
        self.table.hands.load(Ordering::Acquire) > 0
    }

    /// Writes what was kept back.
    pub(crate) fn flush(&self) -> Result<(), AppendError> {
        self.table.flush()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(self.stop.take());
        // The log's directory is locked while the thread has it, and the next instance may start a moment later.
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

fn keep(table: &Table, registry: &Registry, stopped: &Receiver<()>) {
    while stopped.recv_timeout(KEPT_BACK) == Err(RecvTimeoutError::Timeout) {
        if let Err(error) = table.flush() {
            let ended = registry.stop(&StopReason::EvidenceLost, |_| true);
            if ended > 0 {
                tracing::error!(%error, ended, "evidence can't be written: all sessions end");
            }
        }
    }
}

impl Ink {
    /// The log that it writes to.
    pub(super) fn log(&self) -> &AuditLog {
        &self.table.log
    }

    /// Adds a record to be written with the next one, or by [`Ink::flush`].
    pub(super) fn later(&self, record: &Record<'_>) -> Result<(), AppendError> {
        Ok(self.table.page().batch.push(&self.scope, record)?)
    }

    /// Writes a record and all that was kept back: they are in the kernel when this returns.
    pub(super) fn now(&self, record: &Record<'_>) -> Result<Seq, AppendError> {
        let mut page = self.table.page();
        page.batch.push(&self.scope, record)?;
        let number = page.number;
        self.table.turn(&mut page, number)
    }

    /// The same, together with what other sessions on this thread are about to write: they are let go first.
    pub(super) async fn together(&self, record: &Record<'_>) -> Result<Seq, AppendError> {
        let number = {
            let mut page = self.table.page();
            page.batch.push(&self.scope, record)?;
            page.number
        };
        if self.table.hands.load(Ordering::Relaxed) > 1 {
            tokio::task::yield_now().await;
        }
        self.table.turn(&mut self.table.page(), number)
    }

    /// Writes what was kept back.
    pub(super) fn flush(&self) -> Result<(), AppendError> {
        self.table.flush()
    }

    /// Waits until a record is on disk, without blocking the thread.
    pub(super) async fn synced(&self, seq: Seq) -> Result<(), AppendError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.table.log.sync(seq, move |result| {
            // Whoever waited may be gone; the record is on disk all the same.
            let _ = sender.send(result);
        });
        receiver.await.unwrap_or(Err(AppendError::Closed))
    }
}

impl Drop for Ink {
    fn drop(&mut self) {
        self.table.hands.fetch_sub(1, Ordering::Release);
    }
}

impl Table {
    fn page(&self) -> MutexGuard<'_, Page> {
        // A batch is whole after every call on it, and the rest is set after the append, so a panic elsewhere leaves the
        // page usable.
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) -> Result<(), AppendError> {
        let mut page = self.page();
        let number = page.number;
        if page.batch.is_empty() { Ok(()) } else { self.turn(&mut page, number).map(drop) }
    }

    /// Sees to it that the page of this number is in the log. The number returned is no lower than that of its last record.
    fn turn(&self, page: &mut Page, number: u64) -> Result<Seq, AppendError> {
        if page.number == number {
            if let Err(error) = self.log.append(&mut page.batch) {
                page.batch.clear();
                let first = page.lost.as_ref().map_or(number, |lost| lost.first);
                page.lost = Some(Lost { first, last: number, error });
            }
            // Last, so that a page whose append never returned is not taken for one that was written.
            page.number += 1;
        }
        match &page.lost {
            Some(lost) if (lost.first..=lost.last).contains(&number) => Err(lost.error.clone()),
            _ => Ok(self.log.last_seq()),
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_evidence::record::GatewayStopped;
    use portcullis_evidence::{LogOptions, SigningKey};
    use tempfile::TempDir;

    use super::*;

    fn record() -> Record<'static> {
        Record::GatewayStopped(GatewayStopped { reason: "for a test".into() })
    }

    fn log() -> (TempDir, Arc<AuditLog>) {
        let directory = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(directory.path()).unwrap();
        let log = AuditLog::open(&directory.path().join("evidence"), key, LogOptions::default()).unwrap();
        (directory, Arc::new(log))
    }

    fn table(log: Arc<AuditLog>) -> Arc<Table> {
        Arc::new(Table { log, page: Mutex::default(), hands: AtomicUsize::new(2) })
    }

    fn ink(table: &Arc<Table>) -> Ink {
        table.hands.fetch_add(1, Ordering::Relaxed);
        Ink { table: Arc::clone(table), scope: Scope::gateway() }
    }

    #[tokio::test]
    async fn sessions_that_are_ready_together_share_a_page() {
        let (_directory, log) = log();
        let before = log.last_seq();
        let table = table(Arc::clone(&log));
        let (ana, ben) = (ink(&table), ink(&table));
        ben.later(&record()).unwrap();
        let (first, second) = (record(), record());
        let (first, second) = tokio::join!(ana.together(&first), ben.together(&second));
        // Each was told only once all three were in the log.
        assert_eq!((first.unwrap(), second.unwrap(), log.last_seq()), (before + 3, before + 3, before + 3));
        assert_eq!(table.page().number, 1, "one append");
    }

    #[test]
    fn a_page_that_did_not_reach_the_log_never_counts_as_written() {
        let (_broken, closed) = log();
        closed.close().unwrap();
        let broken = table(closed);
        let waiting = ink(&broken);
        waiting.later(&record()).unwrap();
        assert!(waiting.now(&record()).is_err(), "the log takes nothing");

        // The log is mended; who still waits for the lost page is told so, and a new one is written.
        let (_mended, log) = log();
        let page = std::mem::take(&mut *broken.page());
        let mended =
            Arc::new(Table { log: Arc::clone(&log), page: Mutex::new(page), hands: AtomicUsize::new(0) });
        let before = log.last_seq();
        assert!(mended.turn(&mut mended.page(), 0).is_err());
        assert_eq!(log.last_seq(), before, "what was lost is not written by another's turn");
        assert_eq!(ink(&mended).now(&record()).unwrap(), before + 1);
        assert!(mended.turn(&mut mended.page(), 0).is_err(), "not even then");
    }
}
