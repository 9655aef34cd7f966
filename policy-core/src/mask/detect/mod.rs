//! One file a detector: what it recognises, by which standard, and the look-alikes it leaves alone.

pub(super) mod card;
pub(super) mod email;
