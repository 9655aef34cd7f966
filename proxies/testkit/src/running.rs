//! A program that runs, what it has said so far, and an end to it.

use std::any::Any;
use std::io::{Read, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::watch;

/// A program that was started. Dropped, it is killed with all it has started.
#[derive(Debug)]
pub struct Running {
    name: String,
    input: Mutex<Option<ChildStdin>>,
    said: watch::Receiver<Said>,
    group: Pid,
    limit: Duration,
    // Whatever stays as long as it runs: its configuration, its keys.
    _keeps: Keeps,
}

/// What a program needs to be there for as long as it runs.
type Keeps = Box<dyn Any + Send + Sync>;

/// What a program that ended has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, 9 when it was over its time.
    pub signal: Option<i32>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

#[derive(Debug, Default)]
struct Said {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    open: usize,
    status: Option<ExitStatus>,
}

impl Running {
    /// Starts a command, its three streams piped; `keeps` goes with the program.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub(crate) fn spawn(mut command: Command, keeps: impl Any + Send + Sync, limit: Duration) -> Self {
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: what it starts in turn (rsync's and git's ssh) ends with it.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let group = Pid::from_child(&child);
        let input = Mutex::new(child.stdin.take());
        let (saying, said) = watch::channel(Said { open: 2, ..Said::default() });
        let stdout = child.stdout.take().expect("a piped output");
        let stderr = child.stderr.take().expect("a piped error output");
        follow(stdout, saying.clone(), |said| &mut said.stdout);
        follow(stderr, saying.clone(), |said| &mut said.stderr);
        std::thread::spawn(move || {
            let status = child.wait().expect("a child's status");
            saying.send_modify(|said| said.status = Some(status));
        });
        Self { name, input, said, group, limit, _keeps: Box::new(keeps) }
    }

    /// Writes to its standard input. That it reads no more is no error here; it will say so itself.
    pub fn send(&self, bytes: &[u8]) {
        if let Some(input) = self.input().as_mut() {
            let _ = input.write_all(bytes).and_then(|()| input.flush());
        }
    }

    /// Ends its standard input.
    pub fn close_input(&self) {
        self.input().take();
    }

    /// Sends a signal to it, not to what it started: `Signal::INT` is what Ctrl-C sends.
    pub fn signal(&self, signal: Signal) {
        let _ = rustix::process::kill_process(self.group, signal);
    }

    /// Waits until it has said `text` on either stream, and returns all that it has said on both.
    ///
    /// # Panics
    /// When it ends or its time is over before that.
    pub async fn until(&self, text: &str) -> String {
        let heard = |said: &Said| {
            [&said.stdout, &said.stderr].iter().any(|one| String::from_utf8_lossy(one).contains(text))
        };
        let mut said = self.said.clone();
        let waiting = said.wait_for(|said| heard(said) || said.has_ended());
        let (all, found) = match tokio::time::timeout(self.limit, waiting).await {
            Ok(Ok(said)) => (said.text(), heard(&said)),
            _ => (self.said.borrow().text(), false),
        };
        assert!(found, "{} did not say `{text}` but:\n{all}", self.name);
        all
    }

    /// What it has said so far, standard output first.
    #[must_use]
    pub fn so_far(&self) -> String {
        self.said.borrow().text()
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.said.borrow().status.is_some()
    }

    /// Ends its standard input and waits for it; past its time it is killed.
    pub async fn finish(self) -> Output {
        self.close_input();
        self.wait().await
    }

    /// Waits for it, its standard input left open; past its time it is killed.
    pub async fn wait(self) -> Output {
        let mut said = self.said.clone();
        if tokio::time::timeout(self.limit, said.wait_for(Said::has_ended)).await.is_err() {
            self.kill();
        }
        let said = said.wait_for(|said| said.status.is_some()).await.expect("somebody waits for it");
        let status = said.status.expect("it has ended");
        Output {
            code: status.code(),
            signal: status.signal(),
            stdout: said.stdout.clone(),
            stderr: said.stderr.clone(),
        }
    }

    /// Kills it and all it has started.
    pub fn kill(&self) {
        let _ = kill_process_group(self.group, Signal::KILL);
    }

    fn input(&self) -> MutexGuard<'_, Option<ChildStdin>> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.said.borrow().has_ended() {
            self.kill();
        }
    }
}

impl Output {
    /// Its standard output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Its standard error as text.
    #[must_use]
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Itself, if it ended with status 0.
    ///
    /// # Panics
    /// When it did not, with all that it said.
    #[must_use]
    #[track_caller]
    pub fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.text(), self.errors());
        self
    }
}

impl Said {
    /// Ended, and both streams read to their ends.
    fn has_ended(&self) -> bool {
        self.status.is_some() && self.open == 0
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned() + &String::from_utf8_lossy(&self.stderr)
    }
}

/// Reads a stream to its end on a thread of its own.
fn follow(
    mut from: impl Read + Send + 'static,
    to: watch::Sender<Said>,
    which: fn(&mut Said) -> &mut Vec<u8>,
) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or_default();
            to.send_modify(|said| which(said).extend_from_slice(bytes));
        }
        to.send_modify(|said| said.open -= 1);
    });
}
