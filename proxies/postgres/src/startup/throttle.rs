//! How much one address may try.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::settings::Limits;

/// The time over which failed logins are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses remembered at most. Beyond it those without a connection are forgotten.
const ADDRESSES: usize = 10_000;

/// Counts connections and failed logins by address.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    open: usize,
    sources: HashMap<IpAddr, Source>,
}

struct Source {
    open: usize,
    failures: u32,
    since: Instant,
}

/// A connection's place, given back when this is dropped.
pub(crate) struct Place {
    throttle: Arc<Throttle>,
    source: IpAddr,
}

impl Throttle {
    /// A place for a connection from `source`; none if it, or everybody together, has had enough.
    pub(crate) fn enter(self: &Arc<Self>, source: IpAddr, limits: &Limits) -> Option<Place> {
        let now = Instant::now();
        let mut counts = self.lock();
        if counts.open >= limits.sessions {
            return None;
        }
        if counts.sources.len() >= ADDRESSES {
            counts.sources.retain(|_, source| source.open > 0);
        }
        let entry = counts.sources.entry(source).or_insert(Source { open: 0, failures: 0, since: now });
        if now.duration_since(entry.since) > WINDOW {
            entry.failures = 0;
        }
        if entry.open >= limits.sessions_a_source || entry.failures >= limits.failures_a_minute {
            return None;
        }
        entry.open += 1;
        counts.open += 1;
        Some(Place { throttle: self.clone(), source })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Notes a failed login.
    pub(crate) fn failed(&self) {
        if let Some(source) = self.throttle.lock().sources.get_mut(&self.source) {
            if source.failures == 0 {
                source.since = Instant::now();
            }
            source.failures = source.failures.saturating_add(1);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.throttle.lock();
        counts.open = counts.open.saturating_sub(1);
        let Some(source) = counts.sources.get_mut(&self.source) else { return };
        source.open = source.open.saturating_sub(1);
        if source.open == 0 && source.failures == 0 {
            counts.sources.remove(&self.source);
        }
    }
}
