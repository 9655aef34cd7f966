//! The savepoints of an open transaction, as far as they were asked for.
//!
//! What is asked for may fail: a SAVEPOINT in a transaction that has failed makes none, and ROLLBACK TO then goes back
//! to an older one of the same name. Both are remembered, and what lies between them is in doubt.

/// The most that are told apart.
const MOST: usize = 1_000;

/// Which moments of a transaction have names.
#[derive(Clone, Debug, Default)]
pub(super) struct Savepoints {
    stack: Vec<(Box<str>, u64)>,
    /// There were too many.
    is_lost: bool,
}

/// Where ROLLBACK TO goes back to: what came after `latest` is gone, what came after `earliest` may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Back {
    pub(super) earliest: u64,
    pub(super) latest: u64,
}

impl Savepoints {
    pub(super) fn is_empty(&self) -> bool {
        self.stack.is_empty() && !self.is_lost
    }

    /// SAVEPOINT, at a moment.
    pub(super) fn set(&mut self, name: &str, now: u64) {
        if self.stack.len() < MOST {
            self.stack.push((name.into(), now));
        } else {
            self.is_lost = true;
        }
    }

    /// RELEASE.
    pub(super) fn release(&mut self, name: &str) {
        if let Some(at) = self.stack.iter().rposition(|(known, _)| **known == *name) {
            self.stack.truncate(at);
        }
    }

    /// ROLLBACK TO, at a moment; without a trace of the savepoint, to anywhere.
    pub(super) fn back(&mut self, name: &str, now: u64) -> Back {
        let is_it = |(known, _): &(Box<str>, u64)| **known == *name;
        let earliest = self.stack.iter().find(|known| is_it(known)).map(|(_, at)| *at);
        match (earliest, self.stack.iter().rposition(is_it)) {
            (Some(earliest), Some(at)) if !self.is_lost => {
                self.stack.truncate(at + 1);
                let latest = self.stack.last().map_or(now, |(_, at)| *at);
                Back { earliest, latest }
            }
            _ => Back { earliest: 0, latest: now },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn going_back_is_to_the_latest_of_the_name_or_to_an_older_one() {
        let mut savepoints = Savepoints::default();
        savepoints.set("s", 1);
        savepoints.set("t", 2);
        savepoints.set("s", 3);
        assert_eq!(savepoints.back("s", 9), Back { earliest: 1, latest: 3 });
        savepoints.release("s");
        assert_eq!(savepoints.back("s", 9), Back { earliest: 1, latest: 1 });
        assert_eq!(savepoints.back("t", 9), Back { earliest: 0, latest: 9 }, "it went with the older one");
    }

    #[test]
    fn too_many_are_not_told_apart() {
        let mut savepoints = Savepoints::default();
        for at in 0..=MOST {
            savepoints.set("s", at as u64 + 1);
        }
        assert_eq!(savepoints.back("s", 9_999), Back { earliest: 0, latest: 9_999 });
        assert!(!savepoints.is_empty());
    }
}
