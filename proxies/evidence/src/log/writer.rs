//! What happens under the mutex: numbers, links, the one `write`, the next segment.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{AppendError, Batch, LogOptions, Seq};
use crate::checkpoint::Checkpoint;
use crate::directory;
use crate::hash::Hash;
use crate::key::SigningKey;
use crate::line;
use crate::record::{self, Record, Scope};
use crate::time::Timestamp;

/// The version of the format, as segments name it.
pub(crate) const FORMAT: u32 = 1;
/// The line buffer gives memory back past this.
const KEEP: usize = 256 << 10;

/// The end of the log, and what is needed to go on from there.
pub(super) struct Writer {
    directory: PathBuf,
    options: LogOptions,
    key: SigningKey,
    log: String,
    /// The open segment, with its path for messages.
    file: Arc<File>,
    path: PathBuf,
    /// Its number, its size in whole lines, and when it began.
    segment: u64,
    size: u64,
    began: Timestamp,
    /// When the newest record was written, its number and its link.
    latest: Timestamp,
    seq: Seq,
    chain: Hash,
    /// The newest record that a checkpoint vouches for, and that checkpoint until it is published.
    signed: Seq,
    unpublished: Option<Checkpoint>,
    /// Segments that ended since the last `fdatasync`.
    ended: Vec<Arc<File>>,
    state: State,
    lines: Vec<u8>,
    appended: u64,
}

enum State {
    Open,
    /// A write failed; a new segment may go on.
    Unwritten(Arc<str>),
    /// What is on disk is not known.
    Unsynced(Arc<str>),
    Closed,
}

/// Where a log was left: what [`super::open`] found.
pub(super) struct End {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) segment: u64,
    pub(super) size: u64,
    pub(super) began: Timestamp,
    pub(super) seq: Seq,
    pub(super) chain: Hash,
    pub(super) signed: Seq,
}

/// What an `fdatasync` is to cover, and what may be published once it did.
pub(super) struct Unsynced {
    pub(super) seq: Seq,
    pub(super) files: Vec<Arc<File>>,
    pub(super) checkpoint: Option<Checkpoint>,
}

impl Writer {
    /// Begins a log: makes its first segment.
    pub(super) fn begin(
        dir: PathBuf,
        options: LogOptions,
        key: SigningKey,
        log: String,
    ) -> Result<Self, AppendError> {
        let path = dir.join(directory::segment_name(1));
        let file = create(&path).map_err(|error| AppendError::write(&path, &error))?;
        let began = Timestamp::now();
        let end = End { file, path, segment: 1, size: 0, began, seq: 0, chain: Hash::ZERO, signed: 0 };
        let mut writer = Self::resume(dir, options, key, log, end);
        writer.append_own(&writer.header(1))?;
        Ok(writer)
    }

    /// Goes on where a log was left.
    pub(super) fn resume(
        directory: PathBuf,
        options: LogOptions,
        key: SigningKey,
        log: String,
        end: End,
    ) -> Self {
        let End { file, path, segment, size, began, seq, chain, signed } = end;
        Self {
            directory,
            options,
            key,
            log,
            file: Arc::new(file),
            path,
            segment,
            size,
            began,
            latest: began,
            seq,
            chain,
            signed,
            unpublished: None,
            ended: Vec::new(),
            state: State::Open,
            lines: Vec::new(),
            appended: 0,
        }
    }

    pub(super) fn append(&mut self, batch: &Batch) -> Result<Seq, AppendError> {
        self.accepts()?;
        if batch.is_empty() {
            return Ok(self.seq);
        }
        self.write(batch)?;
        let seq = self.seq;
        // The records are in: should the next segment fail to begin, that is the next append's error.
        if self.size >= self.options.segment_bytes
            || self.latest.since(self.began) >= self.options.segment_age
        {
            let _ = self.next_segment();
        }
        Ok(seq)
    }

    /// Appends a record of the log's own.
    pub(super) fn append_own(&mut self, record: &Record<'_>) -> Result<Seq, AppendError> {
        self.accepts()?;
        let mut batch = Batch::new();
        batch.push(&Scope::gateway(), record)?;
        self.write(&batch)?;
        Ok(self.seq)
    }

    /// Signs everything so far, if anything is unsigned.
    pub(super) fn sign(&mut self) -> Result<(), AppendError> {
        self.accepts()?;
        if self.signed == self.seq {
            return Ok(());
        }
        let checkpoint = Checkpoint::sign(&self.key, &self.log, self.seq, self.chain);
        self.append_own(&Record::Checkpoint(checkpoint.to_record()))?;
        // The checkpoint's own record needs no further checkpoint.
        self.signed = self.seq;
        self.unpublished = Some(checkpoint);
        Ok(())
    }

    /// Takes what waits for the disk.
    pub(super) fn unsynced(&mut self) -> Result<Unsynced, AppendError> {
        if let State::Unsynced(reason) = &self.state {
            return Err(AppendError::Poisoned { reason: reason.clone() });
        }
        let mut files = std::mem::take(&mut self.ended);
        files.push(self.file.clone());
        Ok(Unsynced { seq: self.seq, files, checkpoint: self.unpublished.take() })
    }

    /// What could not be brought to disk can't be taken back: nothing is accepted any more.
    pub(super) fn sync_failed(&mut self, error: &io::Error) -> AppendError {
        self.state = State::Unsynced(
            format!("`{}` could not be brought to disk: {error}", self.path.display()).into(),
        );
        AppendError::write(&self.path, error)
    }

    /// A checkpoint that nobody can copy is evidence that could not be written.
    pub(super) fn publish_failed(&mut self, error: &io::Error) -> AppendError {
        let reason: Arc<str> = format!("the checkpoint could not be published: {error}").into();
        self.state = State::Unwritten(reason.clone());
        AppendError::Checkpoint(reason)
    }

    pub(super) fn heal(&mut self) -> Result<(), AppendError> {
        if !matches!(self.state, State::Unwritten(_)) {
            return self.accepts();
        }
        // What the failed write left must go, or the segment would end in the middle of a line.
        self.cut().map_err(|error| AppendError::write(&self.path, &error))?;
        let State::Unwritten(reason) = std::mem::replace(&mut self.state, State::Open) else { return Ok(()) };
        self.next_segment().inspect_err(|_| self.state = State::Unwritten(reason))
    }

    pub(super) fn close(&mut self) -> Result<(), AppendError> {
        match &self.state {
            State::Closed => Ok(()),
            State::Open => {
                self.state = State::Closed;
                Ok(())
            }
            State::Unwritten(_) | State::Unsynced(_) => self.accepts(),
        }
    }

    pub(super) const fn wants_checkpoint(&self) -> bool {
        self.seq - self.signed >= self.options.checkpoint_records
    }

    /// Whether there is anything that only a new checkpoint would cover.
    pub(super) const fn is_signed(&self) -> bool {
        self.seq == self.signed
    }

    pub(super) fn poison(&self) -> Option<Arc<str>> {
        match &self.state {
            State::Unwritten(reason) | State::Unsynced(reason) => Some(reason.clone()),
            State::Open | State::Closed => None,
        }
    }

    pub(super) fn log(&self) -> &str {
        &self.log
    }

    pub(super) const fn seq(&self) -> Seq {
        self.seq
    }

    pub(super) const fn segment(&self) -> u64 {
        self.segment
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.appended
    }

    fn accepts(&self) -> Result<(), AppendError> {
        match &self.state {
            State::Open => Ok(()),
            State::Unwritten(reason) | State::Unsynced(reason) => {
                Err(AppendError::Poisoned { reason: reason.clone() })
            }
            State::Closed => Err(AppendError::Closed),
        }
    }

    /// Numbers, links and writes a batch; only a whole write changes anything.
    fn write(&mut self, batch: &Batch) -> Result<(), AppendError> {
        self.latest = Timestamp::now();
        let time = self.latest.encode();
        let (mut seq, mut chain) = (self.seq, self.chain);
        self.lines.clear();
        for members in batch.iter() {
            seq += 1;
            chain = line::write(&mut self.lines, &chain, seq, &time, members);
        }
        if let Err(error) = write_once(&self.file, &self.lines) {
            let reason: Arc<str> = format!("`{}`: {error}", self.path.display()).into();
            self.state = State::Unwritten(reason);
            // Best effort: what stays is cut off by `heal`, or moved aside when the log is opened again.
            let _ = self.cut();
            return Err(AppendError::write(&self.path, &error));
        }
        self.size += self.lines.len() as u64;
        self.appended += self.lines.len() as u64;
        (self.seq, self.chain) = (seq, chain);
        if self.lines.capacity() > KEEP {
            self.lines.clear();
            self.lines.shrink_to(KEEP);
        }
        Ok(())
    }

    /// Cuts the segment back to its whole lines.
    fn cut(&self) -> io::Result<()> {
        if self.file.metadata()?.len() > self.size { self.file.set_len(self.size) } else { Ok(()) }
    }

    /// Ends this segment with a checkpoint and begins the next one.
    fn next_segment(&mut self) -> Result<(), AppendError> {
        self.sign()?;
        let number = self.segment + 1;
        let path = self.directory.join(directory::segment_name(number));
        let file = match create(&path) {
            Ok(file) => Arc::new(file),
            Err(error) => {
                self.state = State::Unwritten(format!("`{}`: {error}", path.display()).into());
                return Err(AppendError::write(&path, &error));
            }
        };
        let header = self.header(number);
        let before =
            (std::mem::replace(&mut self.file, file), std::mem::replace(&mut self.path, path), self.size);
        self.size = 0;
        if let Err(error) = self.append_own(&header) {
            // Back to the segment that is whole, so that the next attempt begins the same one anew.
            let _ = std::fs::remove_file(&self.path);
            (self.file, self.path, self.size) = before;
            return Err(error);
        }
        self.ended.push(before.0);
        self.segment = number;
        self.began = self.latest;
        Ok(())
    }

    fn header(&self, segment: u64) -> Record<'static> {
        Record::Segment(record::Segment {
            format: FORMAT,
            log: self.log.clone().into(),
            segment,
            previous: self.chain,
            key: self.key.public().to_string().into(),
        })
    }
}

fn create(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

/// One `write`. Fewer bytes taken than given is an error: the disk is full, or a limit is reached.
fn write_once(file: &File, bytes: &[u8]) -> io::Result<()> {
    loop {
        match rustix::io::write(file, bytes) {
            Ok(taken) if taken == bytes.len() => return Ok(()),
            Ok(taken) => {
                let text = format!("only {taken} of {} bytes were taken (disk full?)", bytes.len());
                return Err(io::Error::new(io::ErrorKind::WriteZero, text));
            }
            // Interrupted before anything was taken.
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
