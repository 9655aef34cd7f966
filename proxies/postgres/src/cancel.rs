//! Cancelling a running command, from a connection of its own.
//!
//! A client never learns the target's key. It gets one of the gateway's own, and a cancel request that
//! names it exactly is carried on under the target's key. A request that names no session is dropped without a word, as PostgreSQL does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::connect::{self, Target};

/// The sessions that can be cancelled, by the key that their client holds.
#[derive(Default)]
pub(crate) struct Registry(Mutex<HashMap<u32, Registered>>);

struct Registered {
    secret: Box<[u8]>,
    cancels: Arc<Cancels>,
}

/// How one session's commands are cancelled.
pub(crate) struct Cancels {
    target: Arc<Target>,
    key: Key,
    is_holding: AtomicBool,
    cancelled: Notify,
}

/// A session's number and secret, on either leg.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) process: u32,
    pub(crate) secret: Box<[u8]>,
}

/// A session's place in the registry, left when this is dropped.
pub(crate) struct Registration {
    registry: Arc<Registry>,
    pub(crate) key: Key,
    pub(crate) cancels: Arc<Cancels>,
}

impl Registry {
    /// Gives a session a key of its own, with `length` bytes of secret. `None` if there is no randomness.
    pub(crate) fn register(
        self: &Arc<Self>,
        length: usize,
        target: Arc<Target>,
        key: Key,
    ) -> Option<Registration> {
        let random = SystemRandom::new();
        let mut secret = vec![0; length].into_boxed_slice();
        random.fill(&mut secret).ok()?;
        let cancels =
            Arc::new(Cancels { target, key, is_holding: AtomicBool::new(false), cancelled: Notify::new() });
        let mut sessions = self.lock();
        let process = loop {
            let mut process = [0; 4];
            random.fill(&mut process).ok()?;
            // A process id, which clients may take for a positive number.
            let process = u32::from_be_bytes(process) >> 1;
            if process != 0 && !sessions.contains_key(&process) {
                break process;
            }
        };
        sessions.insert(process, Registered { secret: secret.clone(), cancels: cancels.clone() });
        drop(sessions);
        Some(Registration { registry: self.clone(), key: Key { process, secret }, cancels })
    }

    /// The session that a cancel request names, if its secret is right.
    pub(crate) fn find(&self, process: u32, secret: &[u8]) -> Option<Arc<Cancels>> {
        let sessions = self.lock();
        let registered = sessions.get(&process)?;
        is_same(&registered.secret, secret).then(|| registered.cancels.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Registered>> {
        // Every change of the map is one call, so a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.key.process);
    }
}

impl Cancels {
    /// Cancels what the session is doing: a command that is held here, or else whatever runs at the target.
    pub(crate) async fn cancel(&self) {
        if self.is_holding.load(Ordering::Acquire) {
            self.cancelled.notify_waiters();
        } else if let Err(error) = connect::cancel(&self.target, &self.key).await {
            tracing::warn!(target = %self.target.name, %error, "a cancel request did not reach the target");
        }
    }

    /// Has the target cancel what it is doing, without waiting for it. The task's end says whether it took the request.
    pub(crate) fn forward(self: Arc<Self>) -> JoinHandle<bool> {
        tokio::spawn(async move {
            let taken = connect::cancel(&self.target, &self.key).await;
            if let Err(error) = &taken {
                tracing::warn!(target = %self.target.name, %error, "a cancel request did not reach the target");
            }
            taken.is_ok()
        })
    }

    /// Takes cancel requests for a command that is held. Resolves with the first.
    pub(crate) async fn hold(&self) {
        let cancelled = self.cancelled.notified();
        let _holding = Holding::new(&self.is_holding);
        cancelled.await;
    }
}

struct Holding<'a>(&'a AtomicBool);

impl<'a> Holding<'a> {
    fn new(flag: &'a AtomicBool) -> Self {
        flag.store(true, Ordering::Release);
        Self(flag)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Compares in a time that depends on the lengths alone.
pub(crate) fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
