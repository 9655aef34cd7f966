//! What identifies a policy and a hold's requirement.

use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};

use crate::command::Digest;

/// SHA-256 over the value's own hashing, with integers widened so that the platform doesn't matter.
/// Equal for equal values in programs built from one version of this crate.
pub(crate) fn digest(domain: &str, value: &impl Hash) -> Digest {
    let mut hasher = Hashed(Sha256::new());
    domain.hash(&mut hasher);
    value.hash(&mut hasher);
    Digest(hasher.0.finalize().into())
}

struct Hashed(Sha256);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn write_u16(&mut self, value: u16) {
        self.write(&value.to_le_bytes());
    }

    fn write_u32(&mut self, value: u32) {
        self.write(&value.to_le_bytes());
    }

    fn write_u64(&mut self, value: u64) {
        self.write(&value.to_le_bytes());
    }

    fn write_i64(&mut self, value: i64) {
        self.write(&value.to_le_bytes());
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_i64(value as i64);
    }

    /// Never asked for: the digest is taken from the state.
    fn finish(&self) -> u64 {
        0
    }
}
