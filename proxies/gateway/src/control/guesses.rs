//! Slows down whoever guesses passwords.

use std::collections::HashMap;
use std::time::Duration;

/// Failures that cost nothing.
const FREE: u32 = 3;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(300);
/// The most guessers remembered; when there are more, the one whose wait ended first is forgotten.
const MOST: usize = 4096;

/// Failed attempts by who tries and whom they claim to be. A victim's own attempts from elsewhere are not slowed.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    failures: HashMap<(u32, Box<str>), Failures>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    /// In milliseconds since the Unix epoch.
    until: i64,
}

impl Guesses {
    /// How long this one must wait before another attempt is looked at.
    pub(super) fn wait(&self, uid: u32, name: &str, now: i64) -> Option<Duration> {
        let failures = self.failures.get(&(uid, name.into()))?;
        let left = failures.until.saturating_sub(now);
        (left > 0).then(|| Duration::from_millis(left.unsigned_abs()))
    }

    /// Notes a wrong password.
    pub(super) fn failed(&mut self, uid: u32, name: &str, now: i64) {
        if self.failures.len() >= MOST
            && let Some(oldest) =
                self.failures.iter().min_by_key(|(_, it)| it.until).map(|(key, _)| key.clone())
        {
            self.failures.remove(&oldest);
        }
        let failures = self.failures.entry((uid, name.into())).or_insert(Failures { count: 0, until: 0 });
        failures.count = failures.count.saturating_add(1);
        if failures.count > FREE {
            let wait =
                Duration::from_secs(1).saturating_mul(1 << (failures.count - FREE - 1).min(20)).min(LONGEST);
            failures.until = now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        }
    }

    /// Forgets the failures of one who has proven who they are.
    pub(super) fn succeeded(&mut self, uid: u32, name: &str) {
        self.failures.remove(&(uid, name.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        let mut guesses = Guesses::default();
        let waits: Vec<u64> = (0..15)
            .map(|_| {
                guesses.failed(7, "ana", 0);
                guesses.wait(7, "ana", 0).map_or(0, |wait| wait.as_secs())
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(guesses.wait(7, "ana", 300_000), None);
        assert_eq!(guesses.wait(8, "ana", 0), None, "ana herself, from elsewhere");
        guesses.succeeded(7, "ana");
        guesses.failed(7, "ana", 0);
        assert_eq!(guesses.wait(7, "ana", 0), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut guesses = Guesses::default();
        for name in 0..10_000 {
            guesses.failed(7, &name.to_string(), 0);
        }
        assert!(guesses.failures.len() <= MOST);
    }
}
