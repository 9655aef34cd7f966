//! How much a session has carried.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_gateway::enforce::Closing;

/// Bytes of bodies, and of what connections turned into, without the heads.
#[derive(Default)]
pub(crate) struct Traffic {
    from_client: AtomicU64,
    to_client: AtomicU64,
}

impl Traffic {
    pub(crate) fn count_input(&self, bytes: usize) {
        self.from_client.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_output(&self, bytes: usize) {
        self.to_client.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// What there is to say of it at the end.
    pub(crate) fn closing<'r>(&self, reason: &'r str) -> Closing<'r> {
        let bytes_in = self.from_client.load(Ordering::Relaxed);
        Closing { reason, bytes_in, bytes_out: self.to_client.load(Ordering::Relaxed) }
    }
}
