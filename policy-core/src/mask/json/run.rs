//! One look at what has come: what of it has been read, what has left, and where a detector has to look.

use super::super::detectors::MIN_FIND;
use super::super::sieve::Ahead;
use super::super::{Detectors, MaskKey};

/// Stands between a key and its value where detectors look.
pub(super) const BETWEEN: &[u8] = b": ";
/// So much of a key detectors look at.
const MAX_NAME: usize = super::super::detect::MAX_CONTEXT;

/// What detectors see before a value: the end of its key.
pub(super) fn context(name: &[u8]) -> [&[u8]; 2] {
    if name.is_empty() {
        return [&[], &[]];
    }
    [name.get(name.len().saturating_sub(MAX_NAME)..).unwrap_or_default(), BETWEEN]
}

/// One look at what has come.
pub(super) struct Run<'r> {
    pub(super) detectors: &'r Detectors,
    pub(super) key: &'r MaskKey,
    pub(super) bytes: &'r [u8],
    /// Nothing more comes.
    pub(super) ended: bool,
    /// Where the last key is, if it is here and has no escapes.
    pub(super) name: Option<(usize, usize)>,
    /// Up to here everything is read.
    pub(super) at: usize,
    /// Up to here everything has left.
    pub(super) kept: usize,
    pub(super) ahead: Ahead,
    /// No secret that is not known begins before this place.
    pub(super) literal: usize,
    /// A secret may reach from a key into its value, so that each value has to be looked at.
    pub(super) always: bool,
    pub(super) out: &'r mut Vec<u8>,
}

impl Run<'_> {
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The last key, which is here or was kept.
    pub(super) fn called<'n>(&'n self, kept: &'n [u8]) -> &'n [u8] {
        self.name.map_or(kept, |(start, end)| self.bytes.get(start..end).unwrap_or_default())
    }

    /// Lets go of everything before `end`, as it is.
    pub(super) fn keep(&mut self, end: usize) {
        self.out.extend_from_slice(self.bytes.get(self.kept..end).unwrap_or_default());
        self.kept = end;
    }

    pub(super) fn replace(&mut self, start: usize, end: usize, with: &[u8]) {
        self.keep(start);
        self.out.extend_from_slice(with);
        self.kept = end;
    }

    /// Whether a detector has to look at what is there between these places, which has no escapes.
    ///
    /// What has come is searched ahead, not token by token: most tokens hold nothing.
    pub(super) fn may_hold(&mut self, start: usize, end: usize) -> bool {
        if self.always {
            return true;
        }
        if end - start < MIN_FIND {
            return false;
        }
        if let Some(literals) = self.detectors.literals() {
            if self.literal < start {
                self.literal = literals.next(self.bytes, start).unwrap_or(usize::MAX);
            }
            if self.literal < end {
                return true;
            }
        }
        let triggers = self.detectors.triggers();
        triggers.is_some_and(|triggers| triggers.stand_in(self.bytes, start..end, &mut self.ahead))
    }
}
