//! The sessions of a connection, each in a place of its own: while one is being opened, whoever else asks for it waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Instant;

use policy_core::Protocol;
use portcullis_gateway::enforce::{Refusal, RefusalKind};
use portcullis_gateway::identity::Proof;
use tokio::sync::Mutex;

use super::open::Open;

/// The most sessions of one connection.
const MOST: usize = 64;

/// A principal, what proved it, and a target, whose name is its own within its protocol. What one token opened does not serve
/// another.
pub(super) type SessionKey = (Box<str>, Proof, (Protocol, Box<str>));

/// The sessions of a connection.
#[derive(Default)]
pub(super) struct Seats(StdMutex<HashMap<SessionKey, Seat>>);

/// A session, or the place where one is being opened: who else asks for it waits.
pub(super) type Slot = Arc<Mutex<Option<Arc<Open>>>>;

/// A slot, and when it was last asked for.
struct Seat {
    slot: Slot,
    used: Instant,
}

impl Seat {
    /// Whether no request goes by it.
    fn is_idle(&self) -> bool {
        let is_alone = Arc::strong_count(&self.slot) == 1;
        is_alone
            && self
                .slot
                .try_lock()
                .is_ok_and(|open| open.as_ref().is_none_or(|it| Arc::strong_count(it) == 1))
    }
}

impl Seats {
    /// The place of a session. Where there are as many as may be, the one that was idle longest ends.
    pub(super) fn of(&self, name: SessionKey) -> Result<Slot, Refusal> {
        // Dropped behind the lock: its end is written to evidence.
        let _ended;
        let mut seats = self.locked();
        if seats.len() >= MOST && !seats.contains_key(&name) {
            // Whoever would use one of them waits for the lock.
            let idle = seats.iter().filter(|(_, seat)| seat.is_idle());
            let Some(longest) = idle.min_by_key(|(_, seat)| seat.used).map(|(name, _)| name.clone()) else {
                return Err(Refusal {
                    kind: RefusalKind::Unavailable,
                    rule: None,
                    message: format!("{MOST} sessions of this connection are in use").into(),
                    hint: "wait for an answer, or use another connection".into(),
                });
            };
            _ended = seats.remove(&longest);
        }
        let new = || Seat { slot: Slot::default(), used: Instant::now() };
        let seat = seats.entry(name).or_insert_with(new);
        seat.used = Instant::now();
        Ok(Arc::clone(&seat.slot))
    }

    /// Ends them all.
    pub(super) async fn end(&self, reason: &str) {
        let seats = std::mem::take(&mut *self.locked());
        for Seat { slot, .. } in seats.into_values() {
            if let Some(open) = slot.lock().await.take() {
                open.end(reason).await;
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<SessionKey, Seat>> {
        // Every change is one call, so a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects by failing")]
mod tests {
    use super::*;

    fn of(seats: &Seats, name: usize) -> Result<Slot, Refusal> {
        seats.of((name.to_string().into(), Proof::Account("basic"), (Protocol::HTTP, "api".into())))
    }

    #[test]
    fn a_place_in_use_is_not_given_to_another() {
        let seats = Seats::default();
        let mut slots: Vec<Slot> = (0..MOST).map(|name| of(&seats, name).unwrap()).collect();
        assert!(of(&seats, MOST).is_err(), "all are in use");
        for (name, slot) in slots.iter().enumerate() {
            assert!(Arc::ptr_eq(&of(&seats, name).unwrap(), slot), "{name}");
        }
        // Of two that are idle, the one that was asked for earlier.
        drop(slots.remove(5));
        drop(slots.remove(2));
        drop(of(&seats, 2).unwrap());
        let new = of(&seats, MOST).unwrap();
        assert!(Arc::ptr_eq(&of(&seats, MOST).unwrap(), &new));
        assert!(seats.locked().keys().any(|(name, ..)| **name == *"2"));
        assert!(!seats.locked().keys().any(|(name, ..)| **name == *"5"));
        // One at which a session is being opened is in use, too.
        let opening = of(&seats, 2).unwrap();
        let lock = opening.try_lock().unwrap();
        assert!(of(&seats, MOST + 1).is_err());
        drop(lock);
    }
}
