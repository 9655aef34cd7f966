//! Requests that were understood before: the same request means the same, for as long as the same policy is in force.
//!
//! A session remembers its verdicts by the statement; here the statements of requests without a body are kept to be found again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_gateway::enforce::Statement;

use crate::dialect::Seen;

/// The most requests that are remembered, and the most bytes of what tells them apart.
const MOST: usize = 512;
const MOST_BYTES: usize = 256 << 10;

/// What is known of a session's requests.
#[derive(Default)]
pub(crate) struct Known(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    generation: u64,
    bytes: usize,
    requests: HashMap<Box<[u8]>, Arc<Statement>>,
}

/// What tells a request apart from all others that mean something else.
pub(crate) struct Key(Box<[u8]>);

impl Key {
    /// `None` where not everything that it means is in it.
    pub(crate) fn of(seen: &Seen<'_>, authority: &str) -> Option<Self> {
        let mut key = Vec::with_capacity(256);
        // Each part is followed by what none of them has in it.
        let mut part = |bytes: &[u8]| {
            key.extend_from_slice(bytes);
            key.push(0);
        };
        part(seen.head.method.as_str().as_bytes());
        part(&[u8::from(seen.upgrade)]);
        part(authority.as_bytes());
        part(seen.asked.authority.as_bytes());
        part(seen.asked.target.sent.as_bytes());
        part(seen.asked.body_type.media_type().as_bytes());
        part(&seen.asked.size.map_or([0; 9], |size| {
            let [a, b, c, d, e, f, g, h] = size.to_be_bytes();
            [1, a, b, c, d, e, f, g, h]
        }));
        for name in seen.looked_at.header_names() {
            for value in seen.head.headers.get_all(name) {
                part(value.as_bytes());
            }
            part(b"\n");
        }
        // A field that is no text makes a request what nobody knows.
        let is_text = |value: &hyper::header::HeaderValue| value.to_str().is_ok();
        seen.head.headers.values().all(is_text).then(|| Self(key.into()))
    }
}

impl Known {
    /// What this request was understood as, under this policy.
    pub(crate) fn recall(&self, generation: u64, key: &Key) -> Option<Arc<Statement>> {
        let memory = self.memory();
        if memory.generation != generation {
            return None;
        }
        memory.requests.get(&key.0).cloned()
    }

    /// Remembers it.
    pub(crate) fn keep(&self, generation: u64, key: Key, statement: &Arc<Statement>) {
        let mut memory = self.memory();
        let length = key.0.len();
        let is_full = memory.requests.len() >= MOST || memory.bytes + length > MOST_BYTES;
        if memory.generation != generation || is_full {
            *memory = Memory { generation, ..Memory::default() };
        }
        if length <= MOST_BYTES {
            memory.bytes += length;
            memory.requests.insert(key.0, Arc::clone(statement));
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // At worst a panic elsewhere leaves a request forgotten.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
