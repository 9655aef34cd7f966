//! The audit log: append-only, hash-chained, signed at intervals.
//!
//! # What an append guarantees
//!
//! [`AuditLog::append`] returns once one `write` has handed every byte to the kernel: the records survive the end
//! of this process, by whatever cause. [`AuditLog::sync`] reports once they are on disk: they survive a power
//! failure. Records get their numbers, times and links under one mutex, so the order in the file is the order
//! of the calls.
//!
//! # When evidence can't be written
//!
//! The first failed or short write *poisons* the log: that append and every later one return an error, and callers
//! forward nothing. What was half written is cut off again where the disk allows. After the cause is mended,
//! [`AuditLog::heal`] begins a new segment and lifts the poison. A failed `fdatasync` can't be healed, since the kernel may have
//! dropped what it could not write: close the log and open it again, which reads back what is there.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::directory::Locked;
use crate::key::{PublicKey, SigningKey};
use crate::record::{Record, Scope};

mod batch;
mod keeper;
mod open;
mod writer;

pub use batch::{Batch, TooLong};
use keeper::Keeper;
pub use open::OpenError;
use writer::Writer;

/// When segments end and checkpoints are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// A segment that has grown past this many bytes is followed by a new one.
    pub segment_bytes: u64,
    /// A segment older than this is followed by a new one, at the next append.
    pub segment_age: Duration,
    /// A checkpoint is signed once this many records have no signature over them.
    pub checkpoint_records: u64,
    /// A checkpoint is signed at least this often, if anything was appended.
    pub checkpoint_every: Duration,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            segment_age: Duration::from_secs(24 * 60 * 60),
            checkpoint_records: 10_000,
            checkpoint_every: Duration::from_secs(10),
        }
    }
}

/// The audit log of one running instance. Share it by reference or [`Arc`].
pub struct AuditLog {
    shared: Arc<Shared>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

/// What callers and the keeper's thread both hold.
struct Shared {
    directory: PathBuf,
    writer: Mutex<Writer>,
    keeper: Keeper,
    counters: Counters,
    public: PublicKey,
    log: String,
    _lock: Locked,
}

/// Readable without the mutex, for metrics and for [`TextMark`].
#[derive(Default)]
struct Counters {
    seq: AtomicU64,
    synced: AtomicU64,
    segment: AtomicU64,
    bytes: AtomicU64,
    poisoned: AtomicU64,
}

/// The number of a record; numbers begin at 1 and have no gaps.
pub type Seq = u64;

impl AuditLog {
    /// Takes an evidence directory and opens its log, or begins one. The key signs checkpoints.
    ///
    /// What a crash left torn at the end is moved to `torn/` and recorded as [`Record::Recovered`].
    ///
    /// # Errors
    /// When another instance has the directory; when the log is not what its newest checkpoint vouches for, or was begun with another key;
    /// when the disk refuses. Nothing may be forwarded then.
    pub fn open(directory: &Path, key: SigningKey, options: LogOptions) -> Result<Self, OpenError> {
        open::open(directory, key, options)
    }

    /// Appends the records of a batch, in order, with one `write`, and empties it. Returns the last one's number.
    ///
    /// An empty batch does nothing, and returns the number of the newest record.
    ///
    /// # Errors
    /// When not every byte was taken, now or before: the log is poisoned, the batch is left as it is, and nothing
    /// that depends on its records may happen.
    pub fn append(&self, batch: &mut Batch) -> Result<Seq, AppendError> {
        let mut writer = self.shared.writer()?;
        let appended = writer.append(batch);
        self.shared.publish(&writer);
        let wants_checkpoint = writer.wants_checkpoint();
        drop(writer);
        if wants_checkpoint {
            self.shared.keeper.ask_for_checkpoint();
        }
        let seq = appended?;
        batch.clear();
        Ok(seq)
    }

    /// Appends one record. For the hot path keep a [`Batch`] instead: it reuses its memory.
    ///
    /// # Errors
    /// As [`AuditLog::append`]; also when the record is too long.
    pub fn append_one(&self, scope: &Scope, record: &Record<'_>) -> Result<Seq, AppendError> {
        let mut batch = Batch::new();
        batch.push(scope, record)?;
        self.append(&mut batch)
    }

    /// Calls `done` once all records up to `seq` are on disk, or can't be brought there.
    ///
    /// The call may come on this thread, before this returns, or on the log's own thread, which it must not block:
    /// send on a channel, wake a task. Calls are made together, one `fdatasync` for all that wait (group commit).
    pub fn sync(&self, seq: Seq, done: impl FnOnce(Result<(), AppendError>) + Send + 'static) {
        if self.shared.counters.synced.load(Ordering::Acquire) >= seq {
            done(Ok(()));
        } else {
            self.shared.keeper.ask_for_sync(Box::new(done));
        }
    }

    /// Waits until all records up to `seq` are on disk. Blocks the thread.
    ///
    /// # Errors
    /// When they can't be brought there: the log is poisoned.
    pub fn wait_synced(&self, seq: Seq) -> Result<(), AppendError> {
        let (sender, receiver) = mpsc::channel();
        self.sync(seq, move |result| {
            // The receiver waits below; if its thread is gone, nobody is left to tell.
            let _ = sender.send(result);
        });
        receiver.recv().unwrap_or(Err(AppendError::Closed))
    }

    /// [`AuditLog::append`], then on disk before it returns. Blocks the thread; async callers append and [`AuditLog::sync`].
    ///
    /// # Errors
    /// As those two.
    pub fn append_strict(&self, batch: &mut Batch) -> Result<Seq, AppendError> {
        let seq = self.append(batch)?;
        self.wait_synced(seq)?;
        Ok(seq)
    }

    /// Signs a checkpoint now, brings everything on disk and publishes it. Blocks the thread.
    ///
    /// # Errors
    /// When that fails: the log is poisoned.
    pub fn checkpoint(&self) -> Result<(), AppendError> {
        self.shared.keeper.ask_for_checkpoint();
        let seq = self.last_seq() + 1;
        self.wait_synced(seq)
    }

    /// Begins a new segment after a failed append, once there is room again.
    ///
    /// # Errors
    /// When writing still fails, or the poison comes from a failed `fdatasync`: close the log and open it again.
    pub fn heal(&self) -> Result<(), AppendError> {
        let mut writer = self.shared.writer()?;
        let healed = writer.heal();
        self.shared.publish(&writer);
        healed
    }

    /// Signs a last checkpoint, brings everything on disk and accepts nothing more.
    ///
    /// Dropping the log does the same, but can't report a failure. The directory stays taken until the drop.
    ///
    /// # Errors
    /// When the last records could not be brought to disk.
    pub fn close(&self) -> Result<(), AppendError> {
        let Some(thread) = self.keeper.lock().ok().and_then(|mut keeper| keeper.take()) else {
            return Ok(());
        };
        self.shared.keeper.stop();
        // A panic of the keeper shows as a poisoned writer below.
        let _ = thread.join();
        let mut writer = self.shared.writer()?;
        writer.close()
    }

    /// Whether appends fail, and why.
    pub fn poison(&self) -> Option<Arc<str>> {
        if self.shared.counters.poisoned.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.shared.writer().map_or_else(|_| Some(PANICKED.into()), |writer| writer.poison())
    }

    /// The number of the newest record.
    pub fn last_seq(&self) -> Seq {
        self.shared.counters.seq.load(Ordering::Acquire)
    }

    /// The number up to which records are known to be on disk.
    pub fn synced_seq(&self) -> Seq {
        self.shared.counters.synced.load(Ordering::Acquire)
    }

    /// How many bytes were appended since the log was opened.
    pub fn bytes_appended(&self) -> u64 {
        self.shared.counters.bytes.load(Ordering::Relaxed)
    }

    /// The log's identity, the same in all its segments.
    pub fn id(&self) -> &str {
        &self.shared.log
    }

    /// The key that checks its checkpoints.
    pub fn public_key(&self) -> PublicKey {
        self.shared.public
    }

    /// The evidence directory.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// Whether a statement's text has to be given again: it isn't in the newest segment yet.
    pub fn needs_text(&self, mark: &TextMark) -> bool {
        mark.0.load(Ordering::Acquire) != self.shared.counters.segment.load(Ordering::Acquire)
    }

    /// Notes that a statement's text was given. Call it after the append that had it returned.
    pub fn gave_text(&self, mark: &TextMark) {
        mark.0.store(self.shared.counters.segment.load(Ordering::Acquire), Ordering::Release);
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog")
            .field("directory", &self.shared.directory)
            .field("seq", &self.last_seq())
            .finish()
    }
}

/// Remembers, beside a cached statement, in which segment its text was last given.
///
/// A record that gives the digest alone has the text in its own segment or, when a segment ended between the look
/// and the append, in the one before.
#[derive(Debug, Default)]
pub struct TextMark(AtomicU64);

const PANICKED: &str = "a thread panicked while it appended";

impl Shared {
    fn writer(&self) -> Result<MutexGuard<'_, Writer>, AppendError> {
        self.writer.lock().map_err(|_| AppendError::Poisoned { reason: PANICKED.into() })
    }

    /// Shows the writer's state to those who don't take the mutex. Called with it held, so never out of order.
    fn publish(&self, writer: &Writer) {
        self.counters.seq.store(writer.seq(), Ordering::Release);
        self.counters.segment.store(writer.segment(), Ordering::Release);
        self.counters.bytes.store(writer.bytes(), Ordering::Relaxed);
        self.counters.poisoned.store(u64::from(writer.poison().is_some()), Ordering::Release);
    }
}

/// Why records were not accepted. Whatever the variant: nothing that depends on them may happen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The write failed just now.
    #[error(
        "audit log `{}`: {reason}: nothing is forwarded until it can be written; free space or mend the disk",
        path.display()
    )]
    Write {
        /// The segment file.
        path: PathBuf,
        /// What the system said.
        reason: Arc<str>,
    },
    /// An earlier failure stands.
    #[error("the audit log accepts nothing since an earlier failure: {reason}")]
    Poisoned {
        /// That failure.
        reason: Arc<str>,
    },
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
    /// A record is longer than a line may be.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The checkpoint can't be read or published.
    #[error("checkpoint: {0}")]
    Checkpoint(Arc<str>),
}

impl AppendError {
    fn write(path: &Path, error: &io::Error) -> Self {
        Self::Write { path: path.to_owned(), reason: error.to_string().into() }
    }
}

impl From<CheckpointError> for AppendError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error.to_string().into())
    }
}

/// The newest checkpoint that an evidence directory has.
///
/// # Errors
/// When there is none, or it can't be read.
pub fn newest_checkpoint(directory: &Path) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::read(&directory.join(crate::checkpoint::CHECKPOINT_FILE))
}
