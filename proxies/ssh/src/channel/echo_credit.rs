//! Which output may be shown at once because somebody has just typed it.
//!
//! What may become part of a find is held back until a moment has passed. A person who types would wait that moment for
//! every key, so as many bytes as were typed, and a little for what a line editor adds, are shown without it: whoever
//! wants to have a secret shown piece by piece must have a key pressed for each few bytes of it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What one typed byte may bring back at once, in bytes: itself, or the three that erase a character (`\b \b`).
const EACH: usize = 3;
/// The most that is kept, in bytes: what was typed ahead does not count for ever.
const MOST: usize = 48;

/// Counts what was typed against what was shown.
#[derive(Debug, Default)]
pub(super) struct EchoCredit(AtomicUsize);

impl EchoCredit {
    /// Notes what was typed.
    pub(super) fn typed(&self, bytes: usize) {
        let more = bytes.saturating_mul(EACH);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |credit| {
            Some(credit.saturating_add(more).min(MOST))
        });
    }

    /// Whether this much output may be an echo. What was asked for is used up, whatever the answer.
    pub(super) fn covers(&self, bytes: usize) -> bool {
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |credit| Some(credit.saturating_sub(bytes)));
        taken.is_ok_and(|credit| credit >= bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_covers_its_echo_and_no_more() {
        let credit = EchoCredit::default();
        assert!(!credit.covers(1));
        credit.typed(1);
        assert!(credit.covers(1));
        assert!(credit.covers(2));
        assert!(!credit.covers(1));
        credit.typed(1);
        assert!(!credit.covers(4), "that is no echo");
        assert!(!credit.covers(1), "and has used it up");
        credit.typed(1_000);
        assert!(credit.covers(MOST) && !credit.covers(1));
    }
}
