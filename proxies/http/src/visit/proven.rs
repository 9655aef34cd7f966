//! Whom a connection has proven: the same is not proven again for each request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portcullis_gateway::identity::Identified;

use crate::login::Proven;

/// The most accounts of one connection.
const MOST: usize = 64;

/// How long an account is taken for what it was.
const FRESH: Duration = Duration::from_secs(2);

/// By the digest of what was shown.
#[derive(Default)]
pub(super) struct Remembered(Mutex<HashMap<[u8; 32], Known>>);

/// Somebody who was proven, as the account was at a time.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) proven: Proven,
    at: Instant,
}

impl Known {
    pub(super) fn is_fresh(&self) -> bool {
        self.at.elapsed() < FRESH
    }
}

impl Remembered {
    pub(super) fn recall(&self, digest: &[u8; 32]) -> Option<Known> {
        self.locked().get(digest).cloned()
    }

    /// Notes who it is now.
    pub(super) fn keep(&self, digest: [u8; 32], proven: Proven) -> Arc<Identified> {
        let mut known = self.locked();
        if known.len() >= MOST {
            known.clear();
        }
        let who = Arc::clone(&proven.who);
        known.insert(digest, Known { proven, at: Instant::now() });
        who
    }

    pub(super) fn forget(&self, digest: &[u8; 32]) {
        self.locked().remove(digest);
    }

    /// Everybody has to be proven anew.
    pub(super) fn forget_all(&self) {
        self.locked().clear();
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<[u8; 32], Known>> {
        // Every change is one call, so a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
