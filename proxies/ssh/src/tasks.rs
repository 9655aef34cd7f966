//! What runs for one connection beside its loops: it ends with the connection at the latest.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

/// The most tasks of one connection at a time: its channels, and those that the target opens.
pub(crate) const MOST: usize = 300;

/// The tasks of one connection.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    fn set(&self) -> MutexGuard<'_, JoinSet<()>> {
        // Every change is one call, so a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        let mut set = self.set();
        while set.try_join_next().is_some() {}
        set.len() < MOST
    }

    /// Runs a task of the connection. Within a tokio runtime only.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.set().spawn(task);
    }

    /// Ends all of them where they stand: what they hold is withdrawn, and what they have not told is told as unknown.
    pub(crate) fn end(&self) {
        self.set().abort_all();
    }
}
