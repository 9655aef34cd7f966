//! Playing a recording back.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::event::Event;
use crate::directory;
use crate::line::MAX_LINE;

/// Iterates over the events of a recording, closed or not. A torn end is no error: see [`Reader::end`].
pub struct Reader {
    lines: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    line: Vec<u8>,
    end: Option<End>,
    closed: bool,
}

/// An event with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// How long after the recording was opened.
    pub at: Duration,
    /// What happened.
    pub event: Event<'static>,
}

/// How a recording ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With the event that closes it.
    Closed,
    /// Without: the session still runs, or the gateway was killed at a moment when everything was written.
    Open,
    /// In the middle of something; what comes before was played.
    Torn {
        /// What the reader stumbled over.
        reason: String,
    },
}

impl Reader {
    /// Opens a recording.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = directory::open_regular(path, OpenOptions::new().read(true))?;
        let mut decoder = zstd::Decoder::new(file)?;
        // What the recorder writes needs no more; a file that asks for gigabytes is not one of its own.
        decoder.window_log_max(25)?;
        Ok(Self { lines: BufReader::new(decoder), line: Vec::new(), end: None, closed: false })
    }

    /// How the recording ends; known once the iterator is exhausted.
    pub const fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    fn read(&mut self) -> Result<Option<Played>, String> {
        #[derive(Deserialize)]
        struct Line {
            at: u64,
            #[serde(flatten)]
            event: Event<'static>,
        }
        self.line.clear();
        let read = (&mut self.lines).take(MAX_LINE as u64 + 2).read_until(b'\n', &mut self.line);
        if read.map_err(|error| format!("a frame is incomplete or damaged: {error}"))? == 0 {
            return Ok(None);
        }
        let line = self.line.strip_suffix(b"\n").ok_or("the last event is cut short")?;
        let line: Line =
            serde_json::from_slice(line).map_err(|error| format!("an event can't be read: {error}"))?;
        Ok(Some(Played { at: Duration::from_micros(line.at), event: line.event }))
    }
}

impl Iterator for Reader {
    type Item = Played;

    fn next(&mut self) -> Option<Played> {
        if self.end.is_some() {
            return None;
        }
        match self.read() {
            Ok(Some(played)) => {
                self.closed = matches!(played.event, Event::Closed { .. });
                Some(played)
            }
            Ok(None) => {
                self.end = Some(if self.closed { End::Closed } else { End::Open });
                None
            }
            Err(reason) => {
                self.end = Some(End::Torn { reason });
                None
            }
        }
    }
}
