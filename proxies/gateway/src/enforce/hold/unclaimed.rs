//! What the store has opened for a command that went away before it heard of it.

use crate::store::{ApprovalState, BoundTo, Keeper, Number};

/// A place in the store that was taken for a command, on its way to it. Dropped on that way, the place is given up.
pub(super) struct Unclaimed {
    store: Keeper,
    number: Number,
    bound_to: BoundTo,
    instance: u64,
    at: i64,
    is_claimed: bool,
}

impl Unclaimed {
    /// `at` is when it was asked.
    pub(super) const fn new(
        store: Keeper,
        number: Number,
        bound_to: BoundTo,
        instance: u64,
        at: i64,
    ) -> Self {
        Self { store, number, bound_to, instance, at, is_claimed: false }
    }

    /// The command has it, and gives it up from here on.
    pub(super) fn claim(mut self) -> Number {
        self.is_claimed = true;
        self.number
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        if self.is_claimed {
            return;
        }
        let Self { number, bound_to, instance, at, .. } = *self;
        self.store.tell("give up what nobody waits for", move |store| match bound_to {
            BoundTo::Session => {
                let why = "the client went away";
                store.settle(number, ApprovalState::Withdrawn, "gateway", why, at).map(drop)
            }
            BoundTo::Principal => store.leave(number, instance),
        });
    }
}
