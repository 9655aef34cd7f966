//! What the target has opened, and what for.

use std::collections::HashMap;

/// What a handle may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Names of a directory may be listed.
    Directory,
    /// A file's bytes may be read, written or both.
    File {
        /// Read.
        read: bool,
        /// Written, to its end or anywhere.
        write: bool,
    },
}

impl Access {
    pub(super) const fn may_read(self) -> bool {
        matches!(self, Self::File { read: true, .. })
    }

    pub(super) const fn may_write(self) -> bool {
        matches!(self, Self::File { write: true, .. })
    }
}

/// A file or directory that was open, and how much went through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Its path, as it was judged.
    pub path: String,
    /// The number of the [`Ask`](super::Ask) that opened it.
    pub number: u64,
    /// What it was opened for.
    pub access: Access,
    /// Bytes that the target sent of it.
    pub read: u64,
    /// Bytes that were sent to the target for it. Whether it took them is in its answers.
    pub written: u64,
}

/// Handles by the names that the target gave them. A name that was given back names nothing any more, but what it stood for
/// is kept until the target has answered, because bytes of it may still arrive.
#[derive(Debug, Default)]
pub(super) struct Handles {
    names: HashMap<Box<[u8]>, u64>,
    open: HashMap<u64, Closed>,
    last: u64,
}

impl Handles {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Notes a handle. `false` if the target has given this name to something that is still open.
    pub(super) fn insert(&mut self, name: &[u8], path: String, number: u64, access: Access) -> bool {
        if self.names.contains_key(name) {
            return false;
        }
        self.last += 1;
        self.names.insert(name.into(), self.last);
        self.open.insert(self.last, Closed { path, number, access, read: 0, written: 0 });
        true
    }

    /// What a name stands for, and a number for it that is never used again.
    pub(super) fn get(&self, name: &[u8]) -> Option<(u64, &Closed)> {
        let number = *self.names.get(name)?;
        Some((number, self.open.get(&number)?))
    }

    pub(super) fn count_read(&mut self, number: u64, bytes: usize) {
        if let Some(open) = self.open.get_mut(&number) {
            open.read = open.read.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn count_written(&mut self, number: u64, bytes: usize) {
        if let Some(open) = self.open.get_mut(&number) {
            open.written = open.written.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        }
    }

    /// Takes a name away: from now on it names nothing.
    pub(super) fn forget(&mut self, name: &[u8]) {
        self.names.remove(name);
    }

    /// Takes away what a number stood for.
    pub(super) fn close(&mut self, number: u64) -> Option<Closed> {
        self.open.remove(&number)
    }

    /// Takes away all, in the order they were opened.
    pub(super) fn drain(&mut self) -> Vec<Closed> {
        self.names.clear();
        let mut left: Vec<_> = self.open.drain().collect();
        left.sort_unstable_by_key(|(number, _)| *number);
        left.into_iter().map(|(_, closed)| closed).collect()
    }
}
