//! How much one address may try. In IPv6 that is a network of 64 bits: whoever has one address there has all of them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// The time over which failed logins are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses remembered at most. Beyond it those without a connection are forgotten.
const ADDRESSES: usize = 10_000;

/// How much is let in.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at a time, those that have not proven themselves included.
    pub connections: usize,
    /// Connections at a time from one address.
    pub connections_a_source: usize,
    /// Failed logins from one address within a minute, before its connections are refused.
    pub failures_a_minute: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections: 1_000, connections_a_source: 500, failures_a_minute: 20 }
    }
}

/// Counts connections and failed logins by address.
#[derive(Default)]
pub struct Throttle {
    counts: Mutex<Counts>,
    /// Told whenever it is known what an attempt came to.
    decided: Notify,
}

#[derive(Default)]
struct Counts {
    open: usize,
    sources: HashMap<IpAddr, Source>,
}

struct Source {
    open: usize,
    failures: u32,
    /// Attempts that nobody knows yet what they come to.
    under_way: u32,
    since: Instant,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// There are as many connections as may be.
    #[error("too many connections")]
    Connections,
    /// The address has failed to log in too often within a minute.
    #[error("too many failed logins from this address: it is let in again within a minute")]
    Failures,
}

impl Full {
    /// When it is worth to try again: failed logins count for no longer. Of connections nobody knows when one ends.
    pub const fn retry_after(self) -> Duration {
        match self {
            Self::Connections | Self::Failures => WINDOW,
        }
    }

    /// The stage at which clients are turned away, for evidence.
    pub const fn stage(self) -> &'static str {
        match self {
            Self::Connections => "capacity",
            Self::Failures => "authentication",
        }
    }
}

/// A connection's place, given back when this is dropped.
pub struct Place {
    throttle: Arc<Throttle>,
    source: IpAddr,
    /// Those that it was let in by.
    bounds: Bounds,
}

/// An attempt to log in, which counts until it is known what it came to. Dropped, it was none.
pub struct Attempt<'p>(&'p Place);

impl Throttle {
    /// A place for a connection from `source`.
    ///
    /// # Errors
    /// Where it, or everybody together, has had enough.
    pub fn enter(self: &Arc<Self>, source: IpAddr, bounds: &Bounds) -> Result<Place, Full> {
        let source = network(source);
        let now = Instant::now();
        let mut counts = self.lock();
        if counts.open >= bounds.connections {
            return Err(Full::Connections);
        }
        if counts.sources.len() >= ADDRESSES {
            counts.sources.retain(|_, source| source.open > 0 || source.failures(now) > 0);
        }
        let entry =
            counts.sources.entry(source).or_insert(Source { open: 0, failures: 0, under_way: 0, since: now });
        if entry.failures(now) >= bounds.failures_a_minute {
            return Err(Full::Failures);
        }
        if entry.open >= bounds.connections_a_source {
            return Err(Full::Connections);
        }
        entry.open += 1;
        counts.open += 1;
        Ok(Place { throttle: self.clone(), source, bounds: *bounds })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an address is counted as.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

impl Source {
    /// Those that still count.
    fn failures(&self, now: Instant) -> u32 {
        if now.duration_since(self.since) > WINDOW { 0 } else { self.failures }
    }
}

impl Place {
    /// Begins one attempt to log in. Attempts under way count as if they would fail, so parallel guesses get no more tries than
    /// guesses in a row; when all remaining tries are taken, this waits for one to be decided. `None`: the address has no tries
    /// left this minute.
    pub async fn attempt(&self) -> Option<Attempt<'_>> {
        loop {
            let mut decided = std::pin::pin!(self.throttle.decided.notified());
            // Enabled before the look, so that nothing that is decided between look and wait is missed.
            decided.as_mut().enable();
            match self.try_attempt() {
                Tried::Begun => return Some(Attempt(self)),
                Tried::Wait => decided.await,
                Tried::Failed => return None,
            }
        }
    }

    fn try_attempt(&self) -> Tried {
        let mut counts = self.throttle.lock();
        // A place keeps its source remembered.
        let Some(source) = counts.sources.get_mut(&self.source) else { return Tried::Failed };
        let left = self.bounds.failures_a_minute.saturating_sub(source.failures(Instant::now()));
        if left == 0 {
            return Tried::Failed;
        }
        if source.under_way >= left {
            return Tried::Wait;
        }
        source.under_way += 1;
        Tried::Begun
    }

    fn failed(&self) {
        if let Some(source) = self.throttle.lock().sources.get_mut(&self.source) {
            let now = Instant::now();
            source.failures = source.failures(now).saturating_add(1);
            if source.failures == 1 {
                source.since = now;
            }
        }
    }
}

/// Whether an attempt may begin.
enum Tried {
    Begun,
    Wait,
    Failed,
}

impl Attempt<'_> {
    /// It was a failed login.
    pub fn failed(self) {
        // Before it is no longer under way, so that it counts at every moment.
        self.0.failed();
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let Place { throttle, source, .. } = self.0;
        if let Some(source) = throttle.lock().sources.get_mut(source) {
            source.under_way = source.under_way.saturating_sub(1);
        }
        throttle.decided.notify_waiters();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_of_version_6_is_one_source() {
        let bounds = Bounds { connections: 10, connections_a_source: 1, failures_a_minute: 5 };
        let throttle = Arc::new(Throttle::default());
        let enter = |source: &str| throttle.enter(source.parse().expect("an address"), &bounds);
        let one = enter("2001:db8:1:1::1");
        assert!(one.is_ok());
        assert_eq!(enter("2001:db8:1:1:ffff::2").err(), Some(Full::Connections), "the same network");
        assert!(enter("2001:db8:1:2::1").is_ok(), "another");
        let four = enter("::ffff:192.0.2.1");
        assert!(four.is_ok() && enter("192.0.2.1").is_err(), "the same address, written otherwise");
        assert!(enter("192.0.2.2").is_ok(), "another");
        drop(one);
        assert!(enter("2001:db8:1:1:ffff::2").is_ok());
    }

    #[tokio::test]
    async fn connections_that_were_opened_before_give_no_more_tries() {
        let bounds = Bounds { connections: 10, connections_a_source: 10, failures_a_minute: 3 };
        let throttle = Arc::new(Throttle::default());
        let enter = || throttle.enter("192.0.2.1".parse().expect("an address"), &bounds);
        let places: Vec<Place> = (0..5).filter_map(|_| enter().ok()).collect();
        assert_eq!(places.len(), 5);
        for place in &places {
            if let Some(attempt) = place.attempt().await {
                attempt.failed();
            }
        }
        assert_eq!(enter().err(), Some(Full::Failures));
        let failures = throttle.lock().sources.values().map(|source| source.failures).sum::<u32>();
        assert_eq!(failures, 3);
    }

    #[tokio::test]
    async fn attempts_at_the_same_time_are_no_more_than_may_fail() {
        let bounds = Bounds { connections: 10, connections_a_source: 10, failures_a_minute: 2 };
        let throttle = Arc::new(Throttle::default());
        let place = throttle.enter("192.0.2.1".parse().expect("an address"), &bounds).expect("a place");
        let (one, two) = (place.attempt().await, place.attempt().await);
        let mut third = std::pin::pin!(place.attempt());
        let waits = tokio::time::timeout(Duration::from_millis(20), third.as_mut()).await;
        assert!(waits.is_err(), "two are under way, and both may fail");
        drop(one.expect("the first"));
        let third = third.await.expect("the first was right");
        let mut fourth = std::pin::pin!(place.attempt());
        assert!(tokio::time::timeout(Duration::from_millis(20), fourth.as_mut()).await.is_err());
        two.expect("the second").failed();
        assert!(tokio::time::timeout(Duration::from_millis(20), fourth.as_mut()).await.is_err());
        third.failed();
        assert!(fourth.await.is_none(), "two have failed");
        assert!(place.attempt().await.is_none());
    }
}
