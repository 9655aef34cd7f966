//! A log file that is rotated by size, and reopened when somebody else rotates it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// A log file; cheap to clone. Lines are whole: one write each.
#[derive(Clone, Debug)]
pub struct LogFile {
    open: Arc<Mutex<Open>>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    bytes: u64,
    rotate_bytes: u64,
    keep: usize,
}

impl LogFile {
    /// Opens or makes a file (mode 0640). Past `rotate_bytes` it becomes `<name>.1`, that one `<name>.2`, up to `keep`.
    ///
    /// # Errors
    /// Where it can't be opened.
    pub fn open(path: &Path, rotate_bytes: u64, keep: usize) -> Result<Self, io::Error> {
        let file = append(path)?;
        let bytes = file.metadata()?.len();
        let open = Open { path: path.to_owned(), file, bytes, rotate_bytes, keep };
        Ok(Self { open: Arc::new(Mutex::new(open)) })
    }

    /// Opens the file of this name again, which may be a new one: logrotate's way.
    ///
    /// # Errors
    /// Where it can't be opened; the old one stays in use.
    pub fn reopen(&self) -> Result<(), io::Error> {
        self.lock().reopen()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn reopen(&mut self) -> Result<(), io::Error> {
        let file = append(&self.path)?;
        self.bytes = file.metadata()?.len();
        self.file = file;
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), io::Error> {
        let numbered = |number: usize| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.keep).rev() {
            match fs::rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, numbered(1))?;
        self.reopen()
    }
}

fn append(path: &Path) -> Result<File, io::Error> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// Writes to the file under its lock.
#[derive(Debug)]
pub struct Line<'a>(MutexGuard<'a, Open>);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> Result<usize, io::Error> {
        let open = &mut *self.0;
        if open.bytes > 0
            && open.bytes.saturating_add(line.len() as u64) > open.rotate_bytes
            && open.rotate().is_err()
        {
            // The file grows on; logging about it would come back here.
            open.bytes = 0;
        }
        let written = open.file.write(line)?;
        open.bytes = open.bytes.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> Result<(), io::Error> {
        self.0.file.flush()
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(self.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(log: &LogFile, text: &str) {
        log.make_writer().write_all(text.as_bytes()).expect("written");
    }

    #[test]
    fn rotates_by_size_and_keeps_as_many_as_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("portcullis.log");
        let log = LogFile::open(&path, 10, 2).expect("opened");
        for text in ["one 4567\n", "two 4567\n", "three 67\n", "four 567\n"] {
            line(&log, text);
        }
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).ok();
        assert_eq!(read("portcullis.log").as_deref(), Some("four 567\n"));
        assert_eq!(read("portcullis.log.1").as_deref(), Some("three 67\n"));
        assert_eq!(read("portcullis.log.2").as_deref(), Some("two 4567\n"));
        assert_eq!(read("portcullis.log.3"), None);
    }

    #[test]
    fn reopens_what_somebody_else_rotated() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("portcullis.log");
        let log = LogFile::open(&path, 1000, 2).expect("opened");
        line(&log, "one\n");
        fs::rename(&path, directory.path().join("old")).expect("moved");
        line(&log, "two\n");
        log.reopen().expect("reopened");
        line(&log, "three\n");
        assert_eq!(fs::read_to_string(directory.path().join("old")).expect("read"), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&path).expect("read"), "three\n");
    }
}
