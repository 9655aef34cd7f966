//! What one session's prepared statements and portals may take in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most that a session's prepared statements and portals take, in bytes, by [`estimate`]; besides one of the longest
/// statement that is taken at all.
pub const NAMED: usize = 64 << 20;

/// What a meaning takes besides a multiple of its text.
const OVERHEAD: usize = 2048;

/// What a text and the trees made of it take together, in bytes. Trees take about ten times their text; what matters is
/// that long texts count.
pub fn estimate(text: usize) -> usize {
    OVERHEAD.saturating_add(text.saturating_mul(10))
}

/// A bound on bytes, and what of it is taken.
#[derive(Debug)]
pub struct Room {
    taken: Arc<AtomicUsize>,
    most: usize,
}

/// Bytes that are taken until this is dropped: it lives in what takes them, however that ends.
#[derive(Debug)]
pub struct Share {
    taken: Arc<AtomicUsize>,
    bytes: usize,
}

impl Room {
    /// Room for this many bytes.
    pub fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// Whether so many bytes more may be taken.
    pub fn has(&self, bytes: usize) -> bool {
        self.taken.load(Ordering::Relaxed).saturating_add(bytes) <= self.most
    }

    /// Takes them. Whoever asked [`Room::has`] before, in the one task that takes, stays within the bound.
    pub fn take(&self, bytes: usize) -> Share {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
        Share { taken: Arc::clone(&self.taken), bytes }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_with_what_took_it() {
        let room = Room::new(estimate(100));
        assert!(room.has(estimate(100)) && !room.has(estimate(101)) && !room.has(usize::MAX));
        let share = room.take(estimate(60));
        assert!(!room.has(estimate(100)));
        drop(share);
        assert!(room.has(estimate(100)));
    }
}
