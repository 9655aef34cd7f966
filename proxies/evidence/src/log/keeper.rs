//! The log's own thread: group commit, checkpoints, and their publication.

use std::fs::File;
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::{AppendError, Shared};

/// A caller that waits for the disk.
pub(super) type Done = Box<dyn FnOnce(Result<(), AppendError>) + Send>;

/// What the thread has been asked for.
#[derive(Default)]
pub(super) struct Keeper {
    asked: Mutex<Asked>,
    wake: Condvar,
}

#[derive(Default)]
struct Asked {
    waiting: Vec<Done>,
    checkpoint: bool,
    stop: bool,
    /// The thread is gone: nobody would answer.
    gone: bool,
}

impl Keeper {
    pub(super) fn ask_for_sync(&self, done: Done) {
        let mut asked = self.asked();
        if asked.gone {
            drop(asked);
            done(Err(AppendError::Closed));
            return;
        }
        asked.waiting.push(done);
        drop(asked);
        self.wake.notify_one();
    }

    pub(super) fn ask_for_checkpoint(&self) {
        let mut asked = self.asked();
        if !asked.checkpoint {
            asked.checkpoint = true;
            drop(asked);
            self.wake.notify_one();
        }
    }

    pub(super) fn stop(&self) {
        self.asked().stop = true;
        self.wake.notify_one();
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        // Nothing in here can be left half done: each holder sets or takes whole fields.
        self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits for a request or until `deadline`, and takes what was asked.
    fn take(&self, deadline: Instant) -> Asked {
        let mut asked = self.asked();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if !asked.waiting.is_empty() || asked.checkpoint || asked.stop || left.is_zero() {
                let stop = asked.stop;
                return Asked { stop, ..std::mem::take(&mut *asked) };
            }
            asked = self.wake.wait_timeout(asked, left).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    fn leave(&self) -> Vec<Done> {
        let mut asked = self.asked();
        asked.gone = true;
        std::mem::take(&mut asked.waiting)
    }
}

/// Tells those who still wait when the thread ends, even by a panic.
struct Leaving<'a>(&'a Keeper);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        for done in self.0.leave() {
            done(Err(AppendError::Closed));
        }
    }
}

/// The thread's life. Ends when asked to stop, after a last checkpoint.
pub(super) fn run(shared: &Shared, checkpoint_every: Duration) {
    let _leaving = Leaving(&shared.keeper);
    let mut due = Instant::now() + checkpoint_every;
    loop {
        let asked = shared.keeper.take(due);
        let checkpoint = asked.checkpoint || asked.stop || Instant::now() >= due;
        let result = bring_to_disk(shared, checkpoint);
        for done in asked.waiting {
            done(result.clone());
        }
        if asked.stop {
            return;
        }
        if checkpoint {
            due = Instant::now() + checkpoint_every;
        }
    }
}

/// Everything appended before this call is on disk when it returns, and signed and published if asked for.
pub(super) fn bring_to_disk(shared: &Shared, checkpoint: bool) -> Result<(), AppendError> {
    let (unsynced, signed) = {
        let mut writer = shared.writer()?;
        if checkpoint && writer.is_signed() && shared.counters.synced.load(Ordering::Acquire) >= writer.seq()
        {
            return Ok(());
        }
        // A poisoned log can't take the checkpoint's record; what it has is brought to disk all the same.
        let signed = if checkpoint { writer.sign() } else { Ok(()) };
        shared.publish(&writer);
        (writer.unsynced()?, signed)
    };
    let on_disk = unsynced.files.iter().try_for_each(|file| file.sync_data()).and_then(|()| {
        // A segment is found again only if its name is on disk too.
        if unsynced.files.len() > 1 { File::open(&shared.directory)?.sync_all() } else { Ok(()) }
    });
    if let Err(error) = on_disk {
        let mut writer = shared.writer()?;
        let failed = writer.sync_failed(&error);
        shared.publish(&writer);
        return Err(failed);
    }
    shared.counters.synced.fetch_max(unsynced.seq, Ordering::AcqRel);
    if let Some(checkpoint) = unsynced.checkpoint
        && let Err(error) = checkpoint.publish(&shared.directory)
    {
        let mut writer = shared.writer()?;
        let failed = writer.publish_failed(&error);
        shared.publish(&writer);
        return Err(failed);
    }
    signed
}
