//! Recordings: what was said in a session, event by event, already masked.
//!
//! A recording is a file of zstd frames, each holding whole lines of JSON (`{"at":…,"event":…}`). Frames are closed
//! at intervals, so a kill loses the last second and nothing before. [`Recorder`] writes them on a thread of
//! its own, [`Recording`] is a session's end of the queue, and [`Reader`] plays one back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::directory::RECORDINGS;

mod event;
mod reader;
mod recorder;
mod tape;
mod utf8;

pub use event::{Event, FileResult, RecordedDecision, Stream};
pub use reader::{End, Played, Reader};
pub(crate) use recorder::sum;
pub use recorder::{Recorder, RecorderError, RecorderOptions, Recording};
pub use tape::PushError;
pub use utf8::Utf8Stream;

/// What a closed recording's file name ends in.
pub(crate) const CLOSED: &str = ".ndjson.zst";
/// What the name of one that is being written ends in.
const OPEN: &str = ".ndjson.zst.part";

/// The recording of a session in an evidence directory, closed or still being written, if there is one.
pub fn find(directory: &Path, session: &str) -> Option<PathBuf> {
    if !is_session_id(session) {
        return None;
    }
    let at = |end: &str| directory.join(RECORDINGS).join(format!("{session}{end}"));
    [at(CLOSED), at(OPEN)].into_iter().find(|path| path.is_file())
}

/// The sessions that an evidence directory has recordings of, in the order of their names.
///
/// # Errors
/// When the directory can't be read.
pub fn sessions(directory: &Path) -> io::Result<Vec<String>> {
    let mut sessions = Vec::new();
    let recordings = directory.join(RECORDINGS);
    if !recordings.exists() {
        return Ok(sessions);
    }
    for entry in fs::read_dir(recordings)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(session) = name.strip_suffix(CLOSED).or_else(|| name.strip_suffix(OPEN)) {
            sessions.push(session.to_owned());
        }
    }
    sessions.sort();
    sessions.dedup();
    Ok(sessions)
}

/// Whether a session's id can be a file name: 1 to 128 letters, digits, `-`, `_` and `.`, not first a dot.
pub(crate) fn is_session_id(session: &str) -> bool {
    (1..=128).contains(&session.len())
        && !session.starts_with('.')
        && session.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
