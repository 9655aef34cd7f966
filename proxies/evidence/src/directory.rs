//! The evidence directory: whose it is, and what is where in it.
//!
//! ```text
//! LOCK                       held while an instance runs; says which
//! audit-00000001.ndjson …    the segments of the log
//! checkpoint.json            the newest signed checkpoint
//! torn/                      what a crash left at the end of a segment
//! recordings/                one file a session
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::time::Timestamp;

/// Where recordings are, within an evidence directory.
pub(crate) const RECORDINGS: &str = "recordings";
/// Where torn ends are put, within an evidence directory.
pub(crate) const TORN: &str = "torn";
const LOCK: &str = "LOCK";

/// The file name of a segment.
pub(crate) fn segment_name(number: u64) -> String {
    format!("audit-{number:08}.ndjson")
}

/// The segments of a directory with their numbers, in order.
pub(crate) fn segments(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("audit-")?.strip_suffix(".ndjson"));
        // Only the canonical spelling counts, so that two files never claim one number.
        if let Some(number) = number.and_then(|digits| digits.parse().ok())
            && name.to_str() == Some(segment_name(number).as_str())
        {
            found.push((number, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Makes a directory that only its owner enters, unless it is there.
pub(crate) fn create(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Opens a file that must be a regular one, not a device or a link to one.
pub(crate) fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = options
        .custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

/// An evidence directory that belongs to this process until this value is dropped.
#[derive(Debug)]
pub(crate) struct Locked {
    _file: File,
}

/// Why the directory could not be taken.
#[derive(Debug)]
pub(crate) enum LockError {
    Held { by: String },
    Io(io::Error),
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Takes the directory, or says who has it.
pub(crate) fn lock(directory: &Path) -> Result<Locked, LockError> {
    let path = directory.join(LOCK);
    let mut file = open_regular(
        &path,
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600),
    )?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut by = String::new();
            // The holder may be about to write its name.
            let _ = file.take(1024).read_to_string(&mut by);
            let by = if by.trim().is_empty() { "another process".to_owned() } else { by.trim().to_owned() };
            return Err(LockError::Held { by });
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    file.set_len(0)?;
    file.rewind()?;
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    writeln!(file, "process {} on {host}, since {}", std::process::id(), Timestamp::now())?;
    Ok(Locked { _file: file })
}

/// Whether an instance runs on the directory now.
pub(crate) fn is_held(directory: &Path) -> bool {
    File::open(directory.join(LOCK))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
