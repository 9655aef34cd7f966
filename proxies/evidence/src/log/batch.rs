//! Records on their way to the log, serialised into memory that is reused.

use crate::json;
use crate::line::MAX_LINE;
use crate::record::{Record, Scope};

/// Records to be appended together. Keep one per session or worker; after the first few it allocates nothing.
#[derive(Debug, Default)]
pub struct Batch {
    /// The members of all records, one after the other, each beginning with a comma.
    members: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

/// What an envelope and a seal may add to the members of a record.
const MARGIN: usize = 256;
/// A batch that grew past this gives its memory back when it is emptied.
const KEEP: usize = 64 << 10;

impl Batch {
    /// An empty batch; allocates nothing yet.
    pub const fn new() -> Self {
        Self { members: Vec::new(), ends: Vec::new() }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// When the record takes more than 16 MiB; the batch is as it was before. Cap texts before they come here.
    pub fn push(&mut self, scope: &Scope, record: &Record<'_>) -> Result<(), TooLong> {
        let start = self.members.len();
        self.members.extend_from_slice(scope.members());
        let object = self.members.len();
        let written = json::write(&mut self.members, record);
        let bytes = self.members.len() - start;
        if written.is_err() || bytes > MAX_LINE - MARGIN {
            self.members.truncate(start);
            return Err(TooLong { bytes });
        }
        // `{"kind":…}` becomes `,"kind":…`, the members of the line's own object.
        if let Some(brace) = self.members.get_mut(object) {
            *brace = b',';
        }
        self.members.pop();
        self.ends.push(self.members.len());
        Ok(())
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets its records.
    pub fn clear(&mut self) {
        self.members.clear();
        self.ends.clear();
        if self.members.capacity() > KEEP {
            self.members.shrink_to(KEEP);
        }
    }

    /// The members of each record.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let members = self.members.get(start..end).unwrap_or_default();
            start = end;
            members
        })
    }
}

/// A record is longer than a line may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of {bytes} bytes is longer than the 16 MiB that a line of the audit log may have")]
pub struct TooLong {
    /// How long it came out.
    pub bytes: usize,
}
