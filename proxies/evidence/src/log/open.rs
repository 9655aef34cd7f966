//! Opening a log: taking the directory, checking the end of the log, moving a torn end aside.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;

use super::keeper::{self, Keeper};
use super::writer::{End, FORMAT, Writer};
use super::{AppendError, AuditLog, Counters, LogOptions, Shared};
use crate::checkpoint::{CHECKPOINT_FILE, Checkpoint, CheckpointError};
use crate::directory::{self, LockError};
use crate::hash::Hash;
use crate::key::SigningKey;
use crate::line::{self, Line, MAX_LINE};
use crate::record::{Record, Recovered};

pub(super) fn open(directory: &Path, key: SigningKey, options: LogOptions) -> Result<AuditLog, OpenError> {
    let at = |source| OpenError::Io { path: directory.to_owned(), source };
    directory::create(directory).map_err(at)?;
    let lock = directory::lock(directory).map_err(|error| match error {
        LockError::Held { by } => OpenError::Held { path: directory.to_owned(), by },
        LockError::Io(source) => at(source),
    })?;
    let public = key.public();
    let checkpoint = published(directory)?;
    let mut writer = match recover(directory, &public.to_string(), checkpoint.as_ref())? {
        Some((log, end, recovered)) => {
            let mut writer = Writer::resume(directory.to_owned(), options, key, log, end);
            for recovered in recovered {
                writer.append_own(&Record::Recovered(recovered))?;
            }
            writer
        }
        None => Writer::begin(directory.to_owned(), options, key, new_identity()?)?,
    };
    // The names of new files, and whatever a crash left in memory only, are on disk before anything relies on them.
    writer.sign()?;
    let log = writer.log().to_owned();
    let shared = Arc::new(Shared {
        directory: directory.to_owned(),
        writer: Mutex::new(writer),
        keeper: Keeper::default(),
        counters: Counters::default(),
        public,
        log,
        _lock: lock,
    });
    shared.publish(&*shared.writer()?);
    keeper::bring_to_disk(&shared, false)?;
    let of_thread = shared.clone();
    let thread = std::thread::Builder::new()
        .name("audit-log".to_owned())
        .spawn(move || keeper::run(&of_thread, options.checkpoint_every))
        .map_err(at)?;
    Ok(AuditLog { shared, keeper: Mutex::new(Some(thread)) })
}

/// The checkpoint that the directory holds, if any.
fn published(directory: &Path) -> Result<Option<Checkpoint>, OpenError> {
    match Checkpoint::read(&directory.join(CHECKPOINT_FILE)) {
        Ok(checkpoint) => Ok(Some(checkpoint)),
        Err(CheckpointError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn new_identity() -> Result<String, OpenError> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| OpenError::NoRandomness)?;
    Ok(line::hex(&bytes))
}

/// Finds the end of the log in its last segment that has one; `None` if there is no log yet.
///
/// The segments before are not read: that is `verify`'s work. Nothing is changed unless the log can be opened.
fn recover(
    directory: &Path,
    key: &str,
    checkpoint: Option<&Checkpoint>,
) -> Result<Option<(String, End, Vec<Recovered<'static>>)>, OpenError> {
    let io = |path: &Path, source| OpenError::Io { path: path.to_owned(), source };
    let segments = directory::segments(directory).map_err(|error| io(directory, error))?;
    // Segments that a crash left without a whole first line, newest first; at most one, unless someone made more.
    let mut headless = Vec::new();
    for (number, path) in segments.into_iter().rev() {
        let file = directory::open_regular(&path, OpenOptions::new().read(true).append(true))
            .map_err(|error| io(&path, error))?;
        let scan = Scan::of(&file).map_err(|error| io(&path, error))?;
        let Some(header) = scan.header.clone() else {
            headless.push((path, file, scan));
            continue;
        };
        agrees(&path, &file, &scan, &header, key, checkpoint)?;
        let mut recovered = Vec::new();
        recovered.extend(move_aside(directory, &file, &path, &scan).map_err(|error| io(&path, error))?);
        for (path, file, scan) in headless.into_iter().rev() {
            recovered.extend(move_aside(directory, &file, &path, &scan).map_err(|error| io(&path, error))?);
            fs::remove_file(&path).map_err(|error| io(&path, error))?;
        }
        let Scan { bytes, seq, chain, signed, began, .. } = scan;
        // Killed before its first checkpoint was published, the log signs one anew.
        let signed = if checkpoint.is_some() { signed } else { 0 };
        let end = End { file, path, segment: number, size: bytes, began, seq, chain, signed };
        return Ok(Some((header.log, end, recovered)));
    }
    if let Some(checkpoint) = checkpoint {
        let problem =
            format!("the log is gone, but {CHECKPOINT_FILE} vouches for record {}", checkpoint.upto);
        return Err(OpenError::Damaged { path: directory.to_owned(), problem });
    }
    // Killed before the very first line was whole, so before any client was served.
    for (path, ..) in headless {
        fs::remove_file(&path).map_err(|error| io(&path, error))?;
    }
    Ok(None)
}

/// Whether the last segment is one that this instance may go on with.
fn agrees(
    path: &Path,
    file: &File,
    scan: &Scan,
    header: &Header,
    key: &str,
    checkpoint: Option<&Checkpoint>,
) -> Result<(), OpenError> {
    let damaged = |problem: String| Err(OpenError::Damaged { path: path.to_owned(), problem });
    if header.format != FORMAT {
        return damaged(format!("its format is {}, and this build writes format {FORMAT}", header.format));
    }
    if header.key != key {
        let theirs = header.key.clone();
        return Err(OpenError::OtherKey { path: path.to_owned(), theirs, ours: key.to_owned() });
    }
    let Some(checkpoint) = checkpoint else { return Ok(()) };
    if checkpoint.log != header.log {
        return damaged(format!(
            "it belongs to log {}, but {CHECKPOINT_FILE} to {}",
            header.log, checkpoint.log
        ));
    }
    // What a checkpoint covers was on disk before it was published: no crash takes it away.
    if checkpoint.upto > scan.seq {
        let length = file.metadata().map_err(|source| OpenError::Io { path: path.to_owned(), source })?.len();
        let end = if length > scan.bytes {
            format!("line {} is not whole or not linked", scan.lines + 1)
        } else {
            format!("the log ends at record {}", scan.seq)
        };
        return damaged(format!("{end}, but {CHECKPOINT_FILE} vouches for record {}", checkpoint.upto));
    }
    Ok(())
}

/// The whole, linked lines at the beginning of a segment.
struct Scan {
    header: Option<Header>,
    bytes: u64,
    lines: u64,
    seq: u64,
    chain: Hash,
    /// The newest record of this segment that needs no further checkpoint.
    signed: u64,
    began: crate::time::Timestamp,
}

/// What the first line of a segment says.
#[derive(Clone, Deserialize)]
struct Header {
    format: u32,
    log: String,
    previous: Hash,
    key: String,
}

impl Scan {
    fn of(file: &File) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(256 << 10, file);
        reader.seek(SeekFrom::Start(0))?;
        let mut scan = Self {
            header: None,
            bytes: 0,
            lines: 0,
            seq: 0,
            chain: Hash::ZERO,
            signed: 0,
            began: Default::default(),
        };
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            (&mut reader).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut bytes)?;
            let Some(line) = bytes.strip_suffix(b"\n").and_then(Line::parse) else { return Ok(scan) };
            if scan.header.is_none() {
                let Some(header) = serde_json::from_slice::<Header>(bytes.trim_ascii_end()).ok() else {
                    return Ok(scan);
                };
                (scan.chain, scan.seq, scan.began) = (header.previous, line.seq.saturating_sub(1), line.time);
                if !line.follows(&scan.chain) {
                    return Ok(scan);
                }
                scan.header = Some(header);
            } else if line.seq != scan.seq + 1 || !line.follows(&scan.chain) {
                return Ok(scan);
            }
            scan.bytes += bytes.len() as u64;
            scan.lines += 1;
            (scan.seq, scan.chain) = (line.seq, line.chain);
            if line.gateway_kind() == Some(b"checkpoint") {
                scan.signed = line.seq;
            }
        }
    }
}

/// Moves what follows the whole lines of a segment into a file of its own, on disk before it is cut off.
fn move_aside(
    directory: &Path,
    file: &File,
    path: &Path,
    scan: &Scan,
) -> io::Result<Option<Recovered<'static>>> {
    let mut rest = Vec::new();
    let mut from = file;
    from.seek(SeekFrom::Start(scan.bytes))?;
    from.read_to_end(&mut rest)?;
    if rest.is_empty() {
        return Ok(None);
    }
    let torn = directory.join(directory::TORN);
    directory::create(&torn)?;
    let segment = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sha256 = Hash::of(&rest);
    let name = format!("{segment}.{}.{}", scan.bytes, sha256.to_string().get(..16).unwrap_or_default());
    let mut to =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(torn.join(&name))?;
    to.write_all(&rest)?;
    to.sync_all()?;
    File::open(&torn)?.sync_all()?;
    file.set_len(scan.bytes)?;
    Ok(Some(Recovered {
        file: segment.into(),
        bytes: rest.len() as u64,
        lines: rest.iter().filter(|byte| **byte == b'\n').count() as u64,
        moved_to: format!("{}/{name}", directory::TORN).into(),
        sha256,
    }))
}

/// Why a log could not be opened. Nothing may be forwarded without one.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another instance uses the directory.
    #[error(
        "evidence directory `{}` is used by {by}: stop it, or give this instance a directory of its own",
        path.display()
    )]
    Held {
        /// The directory.
        path: PathBuf,
        /// Who has it, since when.
        by: String,
    },
    /// The log is not what was left.
    #[error(
        "the audit log is damaged at `{}`: {problem}; run `portcullis verify` on it, then move the evidence directory \
         aside, so that a new log begins and the old one stays as it is",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The log was begun with another key.
    #[error(
        "the audit log at `{}` is signed with {theirs}, and this instance has {ours}: restore the key file, \
         or move the evidence directory aside, so that a new log begins",
        path.display()
    )]
    OtherKey {
        /// The segment.
        path: PathBuf,
        /// The key it names.
        theirs: String,
        /// The key at hand.
        ours: String,
    },
    /// The directory or a file in it can't be used.
    #[error("evidence at `{}`: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The checkpoint file can't be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The first records can't be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The system gave no random bytes for the log's identity.
    #[error("the system gave no random bytes for a new log's identity")]
    NoRandomness,
}
