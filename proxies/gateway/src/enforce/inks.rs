//! The hands of all sessions in the audit log, and the thread that writes what they keep back.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use portcullis_evidence::AppendError;

use super::ink::Ink;
use crate::session::{Registry, StopReason};

/// The longest that records which nothing waits for, such as outcomes, are kept back to go out with others.
const KEPT_BACK: Duration = Duration::from_millis(100);

/// Those of all live sessions. The thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Inks {
    all: Arc<All>,
    _stop: mpsc::SyncSender<()>,
}

#[derive(Debug, Default)]
struct All(Mutex<Vec<Weak<Ink>>>);

impl Inks {
    /// Starts the thread. Where it can't write, all sessions end.
    ///
    /// # Errors
    /// Where the system has no thread to give.
    pub(super) fn start(registry: Arc<Registry>) -> Result<Self, std::io::Error> {
        let (stop, stopped) = mpsc::sync_channel(0);
        let all = Arc::new(All::default());
        let kept = Arc::clone(&all);
        thread::Builder::new().name("kept records".into()).spawn(move || keep(&kept, &registry, &stopped))?;
        Ok(Self { all, _stop: stop })
    }

    pub(super) fn add(&self, ink: &Arc<Ink>) {
        self.all.lock().push(Arc::downgrade(ink));
    }

    /// Whether somebody can still write, be it only the outcome of what was forwarded.
    pub(crate) fn is_any_left(&self) -> bool {
        self.all.lock().iter().any(|ink| ink.strong_count() > 0)
    }

    /// Writes what sessions kept back.
    pub(crate) fn flush(&self) -> Result<(), AppendError> {
        self.all.flush()
    }
}

fn keep(all: &All, registry: &Registry, stopped: &Receiver<()>) {
    while stopped.recv_timeout(KEPT_BACK) == Err(RecvTimeoutError::Timeout) {
        if let Err(error) = all.flush() {
            let ended = registry.stop(&StopReason::EvidenceLost, |_| true);
            if ended > 0 {
                tracing::error!(%error, ended, "evidence can't be written: all sessions end");
            }
        }
    }
}

impl All {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Ink>>> {
        // Every change of the list is one call, so a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) -> Result<(), AppendError> {
        let live: Vec<_> = {
            let mut all = self.lock();
            all.retain(|ink| ink.strong_count() > 0);
            all.iter().filter_map(Weak::upgrade).collect()
        };
        // All of them are tried, whatever becomes of one.
        live.iter().map(|ink| ink.flush()).fold(Ok(()), Result::and)
    }
}
