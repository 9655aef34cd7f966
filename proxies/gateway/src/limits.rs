//! Limits per principal and window, counted across processes.
//!
//! Windows are aligned to the Unix epoch: an hour's begins with the hour. A process reserves units from the store in
//! batches and hands them out itself, so the common case takes one short lock; what it has reserved and not used is lost to
//! others until the window ends. The bound is therefore never exceeded, and may be reached a batch early.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use policy_core::rule::Limit;

use crate::clock::Clock;
use crate::store::{Keeper, StoreError};

/// The most units reserved at a time beyond those asked for, and no more than this part of the bound: what a process
/// has reserved and does not use is lost to the others.
const BATCH: u64 = 100_000;
const PART: u64 = 64;

/// Hands out the buckets of this process.
#[derive(Debug)]
pub struct Limiter {
    store: Keeper,
    clock: Clock,
    buckets: Mutex<HashMap<Box<str>, Weak<Bucket>>>,
}

/// What one principal may still do under one rule.
#[derive(Debug)]
pub struct Bucket {
    /// The rule.
    pub rule: Box<str>,
    /// The bound.
    pub bound: u64,
    counter: Box<str>,
    /// In milliseconds; `None` counts each command for itself.
    window: Option<i64>,
    store: Keeper,
    clock: Clock,
    local: Mutex<Local>,
    /// Of several that find the batch used up, one asks the store.
    refilling: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Local {
    window: i64,
    left: u64,
}

impl Limiter {
    /// Counts in this store.
    pub fn new(store: Keeper, clock: Clock) -> Self {
        Self { store, clock, buckets: Mutex::default() }
    }

    /// The bucket of a principal under a rule; the same one for all its sessions in this process.
    pub fn bucket(&self, rule: &str, principal: &str, limit: &Limit) -> Arc<Bucket> {
        let window = limit.window.map(|window| i64::try_from(window.as_millis()).unwrap_or(i64::MAX).max(1));
        // Lengths keep `a/b` of `c` and `a` of `b/c` apart; a changed limit counts anew.
        let (unit, bound) = (limit.unit, limit.count);
        let counter: Box<str> = format!("{}:{rule}/{principal}/{unit:?}/{window:?}", rule.len()).into();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) =
            buckets.get(&counter).and_then(Weak::upgrade).filter(|bucket| bucket.bound == bound)
        {
            return bucket;
        }
        buckets.retain(|_, bucket| bucket.strong_count() > 0);
        let bucket = Arc::new(Bucket {
            rule: rule.into(),
            bound,
            counter: counter.clone(),
            window,
            store: self.store.clone(),
            clock: self.clock.clone(),
            local: Mutex::default(),
            refilling: tokio::sync::Mutex::default(),
        });
        buckets.insert(counter, Arc::downgrade(&bucket));
        bucket
    }
}

impl Bucket {
    fn local(&self) -> MutexGuard<'_, Local> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes units, all or none. `used` is what the same command took before, which counts where the limit is per
    /// command. `false` if the bound is reached.
    ///
    /// # Errors
    /// Where the store has to be asked and can't answer: whoever asks must not go on.
    pub async fn take(&self, units: u64, used: u64) -> Result<bool, StoreError> {
        match self.take_now(units, used) {
            Some(taken) => Ok(taken),
            None => {
                self.fetch(units).await?;
                Ok(self.take_now(units, used).unwrap_or(false))
            }
        }
    }

    /// The same without waiting: `None` where the store has to be asked first, by [`Bucket::fetch`].
    pub fn take_now(&self, units: u64, used: u64) -> Option<bool> {
        let Some(window) = self.window else { return Some(used.saturating_add(units) <= self.bound) };
        self.take_local(units, window).map(|()| true)
    }

    /// Reserves units from the store, if fewer are here and there are any left.
    ///
    /// # Errors
    /// Where the store can't answer.
    pub async fn fetch(&self, units: u64) -> Result<(), StoreError> {
        let Some(window) = self.window else { return Ok(()) };
        let _one = self.refilling.lock().await;
        // Whoever held the lock may have brought enough for all.
        let Some(start) = self.missing(units, window) else { return Ok(()) };
        let (counter, bound) = (self.counter.clone(), self.bound);
        let batch = BATCH.min(bound / PART);
        let want = units.saturating_sub(self.local().left).saturating_add(batch);
        let got = self.store.ask(move |store| store.reserve(&counter, start, want, bound)).await?;
        let mut local = self.local();
        if local.window == start {
            local.left = local.left.saturating_add(got);
        }
        Ok(())
    }

    /// When the bucket is full again, in milliseconds since the Unix epoch; `None` where each command counts for itself.
    pub fn full_again(&self) -> Option<i64> {
        self.window.map(|window| self.start(window).saturating_add(window))
    }

    fn start(&self, window: i64) -> i64 {
        let now = self.clock.millis();
        now - now.rem_euclid(window)
    }

    fn take_local(&self, units: u64, window: i64) -> Option<()> {
        let start = self.start(window);
        let mut local = self.local();
        local.enter(start);
        local.left = local.left.checked_sub(units)?;
        Some(())
    }

    /// The window, if there are not enough units left in it here.
    fn missing(&self, units: u64, window: i64) -> Option<i64> {
        let start = self.start(window);
        let mut local = self.local();
        local.enter(start);
        (local.left < units).then_some(start)
    }
}

impl Local {
    fn enter(&mut self, start: i64) {
        if self.window != start {
            *self = Self { window: start, left: 0 };
        }
    }
}

impl Drop for Bucket {
    /// Returns what was reserved and not used.
    fn drop(&mut self) {
        let Local { window, left } =
            std::mem::take(self.local.get_mut().unwrap_or_else(PoisonError::into_inner));
        if left > 0 {
            let counter = std::mem::take(&mut self.counter);
            self.store.tell("return what a limit had reserved", move |store| {
                store.give_back(&counter, window, left)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use policy_core::rule::LimitUnit;

    use super::*;
    use crate::store::Sqlite;

    fn limiter(path: &std::path::Path, now: &Arc<AtomicI64>) -> Limiter {
        let store = Sqlite::open(path).expect("a store");
        let keeper = Keeper::start(Box::new(store)).expect("a thread");
        let now = Arc::clone(now);
        Limiter::new(keeper, Clock::new(move || now.load(Ordering::Relaxed)))
    }

    fn limit(count: u64, window: Option<u64>) -> Limit {
        Limit { unit: LimitUnit::Rows, count, window: window.map(Duration::from_secs) }
    }

    #[tokio::test]
    async fn two_processes_share_a_bound() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("store.db");
        let now = Arc::new(AtomicI64::new(7_200_000));
        let (one, two) = (limiter(&path, &now), limiter(&path, &now));
        let (a, b) = (
            one.bucket("bulk", "ana", &limit(1_000, Some(3600))),
            two.bucket("bulk", "ana", &limit(1_000, Some(3600))),
        );
        let mut admitted = 0;
        for _ in 0..400 {
            for bucket in [&a, &b] {
                if bucket.take(3, 0).await.expect("asked") {
                    admitted += 3;
                }
            }
        }
        assert!((950..=1_000).contains(&admitted), "{admitted}");
        now.fetch_add(3_600_000, Ordering::Relaxed);
        assert!(a.take(1_000, 0).await.expect("asked"), "a new window");
        assert!(!b.take(1, 0).await.expect("asked"));
    }

    #[tokio::test]
    async fn what_was_reserved_and_not_used_comes_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("store.db");
        let now = Arc::new(AtomicI64::new(0));
        let limiter = limiter(&path, &now);
        let bucket = limiter.bucket("bulk", "ana", &limit(640, Some(60)));
        assert!(bucket.take(1, 0).await.expect("asked"));
        drop(bucket);
        let again = limiter.bucket("bulk", "ana", &limit(640, Some(60)));
        assert!(again.take(639, 0).await.expect("asked"));
        assert!(!again.take(1, 0).await.expect("asked"));
        let other = limiter.bucket("bulk", "bob", &limit(640, Some(60)));
        assert!(other.take(640, 0).await.expect("asked"), "another principal's own");
    }

    #[tokio::test]
    async fn per_command_counts_the_command_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let limiter = limiter(&directory.path().join("store.db"), &Arc::new(AtomicI64::new(0)));
        let bucket = limiter.bucket("bulk", "ana", &limit(10, None));
        for (units, used, taken) in [(10, 0, true), (1, 10, false), (5, 5, true), (6, 5, false)] {
            assert_eq!(bucket.take(units, used).await.expect("asked"), taken, "{units} after {used}");
        }
    }
}
