//! The sessions of this instance, and how they are stopped.
//!
//! A session ends early for one of the reasons in [`StopReason`]. The word spreads by one atomic, which a relay
//! checks before it forwards anything ([`Stop::reached`]), and one notification, which it selects on while it
//! waits ([`Stop::wait`]). From then on not a byte of the session is forwarded.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use policy_core::{Principal, Target};
use tokio::sync::Notify;

use crate::audience::Audience;
use crate::identity::Proof;

/// Names one session among all instances that share a store. Written as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for SessionId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// Why a session was stopped by the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody revoked it, or all sessions of its user.
    Revoked {
        /// Who.
        by: Box<str>,
        /// Their words.
        reason: Box<str>,
    },
    /// The store could not be asked for revocations for too long.
    StoreLost,
    /// Evidence could not be written: the audit log's, or its recording.
    EvidenceLost,
    /// The token or certificate that proved its principal has come to its end.
    Expired,
    /// The gateway is stopping.
    Draining,
    /// Something was noticed that a rule ends the session for.
    Noticed {
        /// What is said about it.
        message: Box<str>,
        /// The rule, where one says so.
        rule: Option<Box<str>>,
    },
    /// The target is not in the configuration any more.
    TargetRemoved(Box<str>),
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revoked { by, reason } if reason.is_empty() => write!(f, "session revoked by {by}"),
            Self::Revoked { by, reason } => write!(f, "session revoked by {by}: {reason}"),
            Self::Noticed { message, rule: Some(rule) } => {
                write!(f, "session ended by the rule `{rule}`: {message}")
            }
            Self::Noticed { message, rule: None } => write!(f, "session ended: {message}"),
            Self::StoreLost => f.write_str(
                "the gateway can't reach its store, so it can't tell whether this session is revoked",
            ),
            Self::EvidenceLost => f.write_str("the gateway can't write evidence"),
            Self::Expired => f.write_str("what you proved yourself by is good no longer"),
            Self::Draining => f.write_str("the gateway is stopping"),
            Self::TargetRemoved(name) => {
                write!(f, "the target `{name}` was removed from the gateway's configuration")
            }
        }
    }
}

/// The switch that ends one session. It is thrown once; the first reason stands.
#[derive(Debug, Default)]
pub struct Stop {
    thrown: AtomicU8,
    reason: OnceLock<StopReason>,
    notify: Notify,
}

impl Stop {
    /// The reason, once the session must end. One atomic load while it need not.
    pub fn reached(&self) -> Option<&StopReason> {
        if self.thrown.load(Ordering::Acquire) == 0 { None } else { self.reason.get() }
    }

    /// Resolves when the session must end. Safe to drop and call again, as `select!` does.
    pub async fn wait(&self) -> &StopReason {
        loop {
            let notified = self.notify.notified();
            let mut notified = std::pin::pin!(notified);
            // Enabled before the check, so that a throw between check and wait is not missed.
            notified.as_mut().enable();
            if let Some(reason) = self.reached() {
                return reason;
            }
            notified.await;
        }
    }

    /// Throws the switch; without effect if it was thrown before.
    pub(crate) fn throw(&self, reason: StopReason) {
        if self.reason.set(reason).is_ok() {
            self.thrown.store(1, Ordering::Release);
            self.notify.notify_waiters();
        }
    }
}

/// What is known of a live session.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub id: SessionId,
    /// Who opened it.
    pub principal: Arc<Principal>,
    /// What proved them.
    pub proof: Proof,
    /// What it reaches.
    pub target: Arc<Target>,
    /// Where the client connects from.
    pub source: Option<IpAddr>,
    /// What the client calls itself (`application_name`), untrusted.
    pub client: Box<str>,
    /// When it opened, in seconds since the Unix epoch.
    pub opened: i64,
    /// The switch that ends it.
    pub stop: Arc<Stop>,
    /// Commands admitted so far.
    pub commands: AtomicU64,
    /// Who listens to it.
    pub(crate) audience: Arc<Audience>,
}

/// The live sessions of this instance.
#[derive(Debug)]
pub struct Registry {
    sessions: Mutex<HashMap<SessionId, Arc<Entry>>>,
    started: Instant,
    /// Milliseconds after `started` at which the last successful look for revocations began.
    confirmed: AtomicU64,
}

impl Registry {
    /// The longest a look for revocations may lie in the past while sessions go on. With the watchdog's
    /// [`Registry::TICK`] this stays below the second within which a revocation must take effect.
    pub const CONFIRMED_WITHIN: Duration = Duration::from_millis(800);
    /// How often the watchdog looks.
    pub const TICK: Duration = Duration::from_millis(50);

    pub(crate) fn new() -> Self {
        Self { sessions: Mutex::default(), started: Instant::now(), confirmed: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Entry>>> {
        // Every change of the map is one call, so a panic elsewhere leaves it whole.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, entry: Arc<Entry>) {
        self.lock().insert(entry.id, entry);
    }

    pub(crate) fn remove(&self, id: SessionId) {
        self.lock().remove(&id);
    }

    /// The live session of this name.
    pub fn get(&self, id: SessionId) -> Option<Arc<Entry>> {
        self.lock().get(&id).cloned()
    }

    /// All live sessions, oldest first.
    pub fn list(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = self.lock().values().cloned().collect();
        all.sort_by_key(|entry| (entry.opened, entry.id));
        all
    }

    /// How many sessions are live.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no session is live.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Ends the sessions that `which` selects; says how many.
    pub(crate) fn stop(&self, reason: &StopReason, which: impl Fn(&Entry) -> bool) -> usize {
        let chosen: Vec<_> = self.lock().values().filter(|entry| which(entry)).cloned().collect();
        for entry in &chosen {
            entry.stop.throw(reason.clone());
        }
        chosen.len()
    }

    /// Notes a successful look for revocations that began at `began`.
    pub(crate) fn confirm(&self, began: Instant) {
        let at = began.saturating_duration_since(self.started).as_millis();
        self.confirmed.fetch_max(u64::try_from(at).unwrap_or(u64::MAX), Ordering::AcqRel);
    }

    /// Whether the last look for revocations is recent enough to go on.
    pub(crate) fn is_confirmed(&self, now: Instant) -> bool {
        let confirmed = Duration::from_millis(self.confirmed.load(Ordering::Acquire));
        now.saturating_duration_since(self.started).saturating_sub(confirmed) <= Self::CONFIRMED_WITHIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stands_and_nobody_misses_it() {
        let stop = Arc::new(Stop::default());
        assert_eq!(stop.reached(), None);
        let waiting: Vec<_> = (0..4)
            .map(|_| {
                let stop = Arc::clone(&stop);
                tokio::spawn(async move { stop.wait().await.clone() })
            })
            .collect();
        tokio::task::yield_now().await;
        stop.throw(StopReason::StoreLost);
        stop.throw(StopReason::Draining);
        for waiter in waiting {
            assert_eq!(waiter.await.expect("woken"), StopReason::StoreLost);
        }
        assert_eq!(stop.wait().await, &StopReason::StoreLost, "late, and told all the same");
    }

    #[test]
    fn a_look_that_began_too_long_ago_confirms_nothing() {
        let registry = Registry::new();
        let began = Instant::now();
        registry.confirm(began);
        // Times are kept in whole milliseconds, to the stricter side.
        assert!(registry.is_confirmed(began + Registry::CONFIRMED_WITHIN - Duration::from_millis(2)));
        assert!(!registry.is_confirmed(began + Registry::CONFIRMED_WITHIN + Duration::from_millis(2)));
        assert!(Registry::CONFIRMED_WITHIN + Registry::TICK < Duration::from_secs(1));
    }

    #[test]
    fn ids_read_back() {
        for id in [0, 7, u64::MAX] {
            assert_eq!(SessionId(id).to_string().parse(), Ok(SessionId(id)));
        }
    }
}
