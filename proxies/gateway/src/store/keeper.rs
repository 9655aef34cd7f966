//! Runs a blocking [`Store`] on a thread of its own, so that no async worker waits for a disk.

use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use super::{Store, StoreError};

type Job = Box<dyn FnOnce(&mut dyn Store) + Send>;

/// A handle to the store's thread; cheap to clone. The thread ends, after the work it was given, with the last handle.
#[derive(Clone)]
pub struct Keeper {
    jobs: mpsc::Sender<Job>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system has no thread to give.
    pub fn start(mut store: Box<dyn Store>) -> Result<Self, std::io::Error> {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new().name("store".into()).spawn(move || {
            for job in queue {
                job(store.as_mut());
            }
        })?;
        Ok(Self { jobs })
    }

    /// Runs `work` on the store's thread and waits for its answer. Dropping the future does not undo the work.
    ///
    /// # Errors
    /// The store's own, or [`StoreError::Stopped`] if its thread has ended.
    pub async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |store| {
            // Nobody may be waiting any more; the work is done all the same.
            let _ = answer.send(work(store));
        });
        self.jobs.send(job).map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }

    /// Runs `work` on the store's thread when its turn comes; nobody waits for it, a failure is logged.
    pub fn tell(
        &self,
        what: &'static str,
        work: impl FnOnce(&mut dyn Store) -> Result<(), StoreError> + Send + 'static,
    ) {
        let job: Job = Box::new(move |store| {
            if let Err(error) = work(store) {
                tracing::warn!(%error, what, "the store could not be updated");
            }
        });
        if self.jobs.send(job).is_err() {
            tracing::warn!(what, "the store has stopped");
        }
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeper")
    }
}
