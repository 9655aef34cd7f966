//! The audit log and recordings: hash chain, signed checkpoints, verifier.
