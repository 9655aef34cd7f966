//! The recorder: a bounded queue in front of one thread that compresses and writes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::event::Event;
use super::tape::{PushError, State, Tape};
use super::{CLOSED, OPEN, is_session_id};
use crate::directory::{self, RECORDINGS};
use crate::hash::Hash;
use crate::log::AuditLog;
use crate::record::{Record, RecordingSealed, Scope};

/// How the recorder uses memory and the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderOptions {
    /// How much may wait to be written, over all sessions, in bytes. Each thread may overshoot by one event.
    pub queue_bytes: usize,
    /// A recording with this much to write is written at once.
    pub frame_bytes: usize,
    /// Whatever waits is written at least this often: what a kill may lose.
    pub interval: Duration,
    /// The compression level of zstd.
    pub level: i32,
}

impl Default for RecorderOptions {
    fn default() -> Self {
        Self { queue_bytes: 8 << 20, frame_bytes: 128 << 10, interval: Duration::from_secs(1), level: 1 }
    }
}

/// Writes the recordings of an instance. Dropping it writes what waits.
pub struct Recorder {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("directory", &self.shared.directory).finish_non_exhaustive()
    }
}

struct Shared {
    directory: PathBuf,
    options: RecorderOptions,
    log: Arc<AuditLog>,
    /// Bytes that wait in memory.
    used: AtomicUsize,
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Recordings with something to write, and when the first of them got it.
    listed: Vec<Arc<Tape>>,
    since: Option<Instant>,
    /// Those that want to be written at once.
    urgent: Vec<Arc<Tape>>,
    /// Sessions that wait for room.
    waiting: Vec<Waker>,
    stop: bool,
    gone: bool,
}

impl Recorder {
    /// Starts the recorder of an instance. Recordings that a kill left open are closed first: their digests go into
    /// the audit log, marked as incomplete.
    ///
    /// # Errors
    /// When the directory can't be used, or the audit log accepts nothing.
    pub fn start(log: Arc<AuditLog>, options: RecorderOptions) -> Result<Self, RecorderError> {
        let directory = log.directory().join(RECORDINGS);
        let at = |source| RecorderError::Io { path: directory.clone(), source };
        directory::create(&directory).map_err(at)?;
        close_left_over(&directory, &log)?;
        let compressor = compressor(options.level).map_err(at)?;
        let shared = Arc::new(Shared {
            directory: directory.clone(),
            options,
            log,
            used: AtomicUsize::new(0),
            queue: Mutex::default(),
            wake: Condvar::new(),
        });
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                Writer { shared: of_thread, compressor, lines: Vec::new(), frame: Vec::new() }.run()
            })
            .map_err(at)?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Begins a session's recording. `on_failure` is called once, on the recorder's thread, if it can't go on: the
    /// session must end then. It must not block.
    ///
    /// # Errors
    /// When the id can't be a file name, a recording of that id exists, or the file can't be made. The session must not begin.
    pub fn open(
        &self,
        session: &str,
        on_failure: impl FnOnce(Arc<str>) + Send + 'static,
    ) -> Result<Recording, RecorderError> {
        if !is_session_id(session) {
            return Err(RecorderError::NotAnId { session: session.to_owned() });
        }
        let path = self.shared.directory.join(format!("{session}{OPEN}"));
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
        let closed = self.shared.directory.join(format!("{session}{CLOSED}"));
        let file = match file {
            Ok(_) if closed.exists() => {
                let _ = fs::remove_file(&path);
                Err(io::Error::from(io::ErrorKind::AlreadyExists))
            }
            other => other,
        };
        let file = file.map_err(|source| RecorderError::Io { path: path.clone(), source })?;
        Ok(self.record(session, file, path, on_failure))
    }

    /// Writes everything that waits and stops. Recordings that are still open are closed when an instance starts again.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.shared.queue().stop = true;
            self.shared.wake.notify_one();
            // Had it panicked, every recording was told by `Leaving`.
            let _ = thread.join();
        }
    }

    /// How many bytes wait in memory.
    pub fn queued_bytes(&self) -> usize {
        self.shared.used.load(Ordering::Relaxed)
    }

    fn record(
        &self,
        session: &str,
        file: File,
        path: PathBuf,
        on_failure: impl FnOnce(Arc<str>) + Send + 'static,
    ) -> Recording {
        let tape = Arc::new(Tape::new(session, file, path, Box::new(on_failure)));
        Recording { shared: self.shared.clone(), tape, closed: false }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.close();
    }
}

/// A session's recording. Dropped without [`Recording::close`], it reads as incomplete.
pub struct Recording {
    shared: Arc<Shared>,
    tape: Arc<Tape>,
    closed: bool,
}

impl Recording {
    /// Records an event; the time is now. Copies it, and allocates nothing once the memory has grown.
    ///
    /// # Errors
    /// [`PushError::Full`]: wait with [`Recording::poll_room`], then push the event again. Anything else: the session must end.
    pub fn try_push(&self, event: &Event<'_>) -> Result<(), PushError> {
        if self.shared.used.load(Ordering::Acquire) >= self.shared.options.queue_bytes {
            return match &self.tape.memory().state {
                State::Failed(reason) => Err(PushError::Failed(reason.clone())),
                _ => Err(PushError::Full),
            };
        }
        self.add(event, None)
    }

    /// Records an event even if the queue is full, for callers that wait for room before a message and learn only then what
    /// there is to record of it: the queue grows past its size by what one message of each session brings.
    ///
    /// # Errors
    /// The session must end.
    pub fn push(&self, event: &Event<'_>) -> Result<(), PushError> {
        self.add(event, None)
    }

    /// Ready once an event can be pushed, or the recording has failed. The last waker given is the one woken.
    ///
    /// `std::future::poll_fn(|cx| recording.poll_room(cx)).await`
    pub fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        let has_room = || {
            self.shared.used.load(Ordering::Acquire) < self.shared.options.queue_bytes
                || matches!(self.tape.memory().state, State::Failed(_))
        };
        if has_room() {
            return Poll::Ready(());
        }
        let mut queue = self.shared.queue();
        if queue.gone || has_room() {
            return Poll::Ready(());
        }
        if !queue.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            queue.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// Ends the recording with its last event. Its file is closed, and its digest put into the audit log, by the
    /// recorder's thread.
    ///
    /// # Errors
    /// When the recording has failed before.
    pub fn close(mut self, reason: &str) -> Result<(), PushError> {
        self.closed = true;
        self.add(&Event::Closed { reason: reason.into() }, Some(true))
    }

    fn add(&self, event: &Event<'_>, closing: Option<bool>) -> Result<(), PushError> {
        let mut memory = self.tape.memory();
        let bytes = memory.push(self.tape.at(), event)?;
        if let Some(complete) = closing {
            memory.state = State::Closing { complete };
        }
        let used = self.shared.used.fetch_add(bytes, Ordering::AcqRel) + bytes;
        let options = &self.shared.options;
        let urgent = !memory.urgent
            && (closing.is_some()
                || memory.pending.len() >= options.frame_bytes
                || used >= options.queue_bytes / 2);
        let newly = !memory.listed;
        (memory.listed, memory.urgent) = (true, memory.urgent || urgent);
        drop(memory);
        if !newly && !urgent {
            return Ok(());
        }
        let mut queue = self.shared.queue();
        if queue.gone {
            return Err(PushError::Failed(STOPPED.into()));
        }
        if newly {
            queue.listed.push(self.tape.clone());
        }
        if urgent {
            queue.urgent.push(self.tape.clone());
        }
        let first = queue.since.is_none();
        queue.since.get_or_insert_with(Instant::now);
        drop(queue);
        if urgent || first {
            self.shared.wake.notify_one();
        }
        Ok(())
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.closed {
            // If that fails, the recording has failed already, and its session was told.
            let _ = self.add(&Event::Closed { reason: "abandoned".into() }, Some(false));
        }
    }
}

const STOPPED: &str = "the recorder has stopped";

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Holders set or take whole fields, so a panic leaves nothing half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's side.
struct Writer {
    shared: Arc<Shared>,
    compressor: zstd::bulk::Compressor<'static>,
    lines: Vec<u8>,
    frame: Vec<u8>,
}

/// Tells every session when the thread ends, even by a panic.
struct Leaving(Arc<Shared>);

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.gone = true;
        let (listed, waiting) = (std::mem::take(&mut queue.listed), std::mem::take(&mut queue.waiting));
        drop(queue);
        listed.iter().for_each(|tape| fail(tape, &self.0, STOPPED.into()));
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Writer {
    fn run(mut self) {
        let _leaving = Leaving(self.shared.clone());
        let mut tapes = Vec::new();
        loop {
            let stop = self.wait(&mut tapes);
            for tape in tapes.drain(..) {
                if let Err(error) = self.write(&tape) {
                    fail(
                        &tape,
                        &self.shared,
                        format!("recording of session `{}`: {error}", tape.session).into(),
                    );
                }
                let waiting = std::mem::take(&mut self.shared.queue().waiting);
                waiting.into_iter().for_each(Waker::wake);
            }
            if stop {
                return;
            }
        }
    }

    /// Waits until something is urgent or due, and takes it.
    fn wait(&self, tapes: &mut Vec<Arc<Tape>>) -> bool {
        let shared = &self.shared;
        let mut queue = shared.queue();
        loop {
            let due = queue.since.map(|since| since + shared.options.interval);
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if queue.stop || left.is_some_and(|left| left.is_zero()) || self.is_pressed() {
                queue.since = None;
                queue.urgent.clear();
                tapes.append(&mut queue.listed);
                if !tapes.is_empty() || queue.stop {
                    return queue.stop;
                }
            }
            if !queue.urgent.is_empty() {
                tapes.append(&mut queue.urgent);
                return false;
            }
            queue = match left.filter(|left| !left.is_zero()) {
                Some(left) => shared.wake.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0,
                None => shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn is_pressed(&self) -> bool {
        self.shared.used.load(Ordering::Acquire) >= self.shared.options.queue_bytes / 2
    }

    /// Writes what a recording has pending, and closes it if nothing more comes.
    fn write(&mut self, tape: &Tape) -> io::Result<()> {
        let (state, events) = {
            let mut memory = tape.memory();
            memory.take_pending(&mut self.lines);
            (memory.state.clone(), memory.events)
        };
        let released = Released { shared: &self.shared, bytes: self.lines.len() };
        let mut disk = tape.disk.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.lines.is_empty() {
            self.frame.clear();
            self.frame.reserve(zstd::zstd_safe::compress_bound(self.lines.len()));
            self.compressor.compress_to_buffer(&self.lines, &mut self.frame)?;
            disk.write(&self.frame)?;
            self.lines.shrink_to(self.shared.options.frame_bytes * 2);
            self.frame.shrink_to(self.shared.options.frame_bytes * 2);
        }
        drop(released);
        if let State::Closing { complete } = state
            && let Some(name) = disk.path.file_name().and_then(|name| name.to_str()?.strip_suffix(OPEN))
        {
            disk.file.sync_data()?;
            let (sha256, bytes) = disk.sum();
            let closed = format!("{name}{CLOSED}");
            let sealed = RecordingSealed {
                of_session: tape.session.as_ref().into(),
                file: closed.as_str().into(),
                sha256,
                bytes,
                events: Some(events),
                complete,
            };
            seal(&self.shared.log, sealed)?;
            let closed = self.shared.directory.join(closed);
            fs::rename(&disk.path, &closed)?;
            disk.path = closed;
        }
        Ok(())
    }
}

/// Gives back the room of bytes that were written, or lost with a recording that failed.
struct Released<'a> {
    shared: &'a Shared,
    bytes: usize,
}

impl Drop for Released<'_> {
    fn drop(&mut self) {
        self.shared.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

fn fail(tape: &Tape, shared: &Shared, reason: Arc<str>) {
    let mut memory = tape.memory();
    memory.state = State::Failed(reason.clone());
    let mut lost = Vec::new();
    memory.take_pending(&mut lost);
    let tell = memory.on_failure.take();
    drop(memory);
    drop(Released { shared, bytes: lost.len() });
    if let Some(tell) = tell {
        tell(reason);
    }
}

/// Binds a recording to the audit log.
fn seal(log: &AuditLog, sealed: RecordingSealed<'_>) -> io::Result<()> {
    log.append_one(&Scope::gateway(), &Record::Recording(sealed)).map(drop).map_err(io::Error::other)
}

/// Closes what a kill left open: it holds whole frames, and perhaps a torn one at its end.
fn close_left_over(directory: &Path, log: &AuditLog) -> Result<(), RecorderError> {
    let at = |path: &Path, source| RecorderError::Io { path: path.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(|error| at(directory, error))? {
        let path = entry.map_err(|error| at(directory, error))?.path();
        let Some(session) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(OPEN)) else {
            continue;
        };
        let (sha256, bytes) = sum(&path).map_err(|error| at(&path, error))?;
        let closed = format!("{session}{CLOSED}");
        let sealed = RecordingSealed {
            of_session: session.into(),
            file: closed.as_str().into(),
            sha256,
            bytes,
            events: None,
            complete: false,
        };
        seal(log, sealed).map_err(|error| at(&path, error))?;
        fs::rename(&path, directory.join(closed)).map_err(|error| at(&path, error))?;
    }
    Ok(())
}

/// The digest and size of a file.
pub(crate) fn sum(path: &Path) -> io::Result<(Hash, u64)> {
    let mut file = directory::open_regular(path, OpenOptions::new().read(true))?;
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    let mut block = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok((Hash(hash.finish().as_ref().try_into().unwrap_or_default()), bytes));
        }
        hash.update(block.get(..read).unwrap_or_default());
        bytes += read as u64;
    }
}

fn compressor(level: i32) -> io::Result<zstd::bulk::Compressor<'static>> {
    let mut compressor = zstd::bulk::Compressor::new(level)?;
    compressor.include_checksum(true)?;
    Ok(compressor)
}

/// Why nothing can be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// A file or the directory can't be used.
    #[error("recording `{}`: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The session's id can't be a file name.
    #[error("session id `{}` can't name a recording: use letters, digits, `-`, `_` and `.`", session.escape_debug())]
    NotAnId {
        /// The id.
        session: String,
    },
}

#[cfg(test)]
mod tests;
