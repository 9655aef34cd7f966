//! One recording's memory and file.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ring::digest::{Context, SHA256};

use super::event::Event;
use crate::hash::Hash;
use crate::json;
use crate::line::MAX_LINE;

/// A tape whose memory grew past this gives it back once it is written.
const KEEP: usize = 16 << 10;

/// A recording: what is not written yet, and the file.
pub(super) struct Tape {
    pub(super) session: Box<str>,
    opened: Instant,
    memory: Mutex<Memory>,
    /// Only the writer's thread takes this.
    pub(super) disk: Mutex<Disk>,
}

pub(super) struct Memory {
    /// Whole lines that are not written yet.
    pub(super) pending: Vec<u8>,
    pub(super) events: u64,
    /// Whether the writer knows that something is pending, and that it is a lot.
    pub(super) listed: bool,
    pub(super) urgent: bool,
    pub(super) state: State,
    pub(super) on_failure: Option<OnFailure>,
}

pub(super) type OnFailure = Box<dyn FnOnce(Arc<str>) + Send>;

#[derive(Clone)]
pub(super) enum State {
    Open,
    /// Nothing more comes; `complete` if the session ended in order.
    Closing {
        complete: bool,
    },
    Failed(Arc<str>),
}

pub(super) struct Disk {
    pub(super) file: File,
    pub(super) path: PathBuf,
    hash: Context,
    bytes: u64,
}

/// Why an event was not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PushError {
    /// The queue is full: wait for room, then push again. Nothing was lost.
    #[error("the recorder's queue is full")]
    Full,
    /// The recording can't go on: the session must end.
    #[error("the session can't be recorded: {0}")]
    Failed(Arc<str>),
    /// The event takes more than 16 MiB: split it.
    #[error("an event of {bytes} bytes is longer than the 16 MiB that a recording takes at once")]
    TooLong {
        /// How long it came out.
        bytes: usize,
    },
}

impl Tape {
    pub(super) fn new(session: &str, file: File, path: PathBuf, on_failure: OnFailure) -> Self {
        let memory = Memory {
            pending: Vec::new(),
            events: 0,
            listed: false,
            urgent: false,
            state: State::Open,
            on_failure: Some(on_failure),
        };
        Self {
            session: session.into(),
            opened: Instant::now(),
            memory: Mutex::new(memory),
            disk: Mutex::new(Disk { file, path, hash: Context::new(&SHA256), bytes: 0 }),
        }
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        // A panic while an event was serialised leaves at most half a line, which readers report as torn.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds since the recording was opened.
    pub(super) fn at(&self) -> u64 {
        self.opened.elapsed().as_micros().try_into().unwrap_or(u64::MAX)
    }
}

impl Memory {
    /// Adds a line; returns its length.
    pub(super) fn push(&mut self, at: u64, event: &Event<'_>) -> Result<usize, PushError> {
        match &self.state {
            State::Open => {}
            State::Closing { .. } => return Err(PushError::Failed("the recording was closed".into())),
            State::Failed(reason) => return Err(PushError::Failed(reason.clone())),
        }
        let start = self.pending.len();
        // Writing to memory can't fail.
        let _ = write!(self.pending, "{{\"at\":{at}");
        let object = self.pending.len();
        let written = json::write(&mut self.pending, event);
        let bytes = self.pending.len() - start;
        if written.is_err() || bytes > MAX_LINE {
            self.pending.truncate(start);
            return Err(PushError::TooLong { bytes });
        }
        if let Some(brace) = self.pending.get_mut(object) {
            *brace = b',';
        }
        self.pending.push(b'\n');
        self.events += 1;
        Ok(bytes + 1)
    }

    /// Moves what is pending to `to`.
    pub(super) fn take_pending(&mut self, to: &mut Vec<u8>) {
        to.clear();
        to.extend_from_slice(&self.pending);
        self.pending.clear();
        self.pending.shrink_to(KEEP);
        (self.listed, self.urgent) = (false, false);
    }
}

impl Disk {
    pub(super) fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        self.file.write_all(frame)?;
        self.hash.update(frame);
        self.bytes += frame.len() as u64;
        Ok(())
    }

    /// The digest and size of what was written.
    pub(super) fn sum(&self) -> (Hash, u64) {
        (Hash(self.hash.clone().finish().as_ref().try_into().unwrap_or_default()), self.bytes)
    }
}
