//! Where in a document the masker is, as far as masks of fields care.

use super::fields::{Demand, FieldMasks};

/// The places of the value that is next, and of all objects and lists around it.
#[derive(Default)]
pub(super) struct Path {
    /// How many words a set of places has.
    words: usize,
    /// Places and ends of each object and list, the outermost first.
    around: Vec<u64>,
    /// Places and ends of the value.
    value: Vec<u64>,
}

impl Path {
    pub(super) fn new(masks: &FieldMasks) -> Self {
        Self { words: masks.words(), around: Vec::new(), value: vec![0; 2 * masks.words()] }
    }

    /// The outermost value is next.
    pub(super) fn root(&mut self, masks: &FieldMasks) {
        let (places, ends) = masks.start();
        self.around.clear();
        self.value.clear();
        self.value.extend_from_slice(places);
        self.value.extend_from_slice(ends);
    }

    /// An object or list begins.
    pub(super) fn enter(&mut self) {
        self.around.extend_from_slice(&self.value);
    }

    /// It has ended.
    pub(super) fn leave(&mut self) {
        self.around.truncate(self.around.len().saturating_sub(2 * self.words));
    }

    /// An element of the list is next.
    pub(super) fn element(&mut self) {
        let at = self.around.len().saturating_sub(2 * self.words);
        self.value.copy_from_slice(self.around.get(at..).unwrap_or_default());
    }

    /// The value behind this key is next.
    pub(super) fn member(&mut self, masks: &FieldMasks, key: &[u8]) {
        let at = self.around.len().saturating_sub(2 * self.words);
        let from = self.around.get(at..).unwrap_or_default().split_at_checked(self.words);
        if let (Some(from), Some((places, ends))) = (from, self.value.split_at_mut_checked(self.words)) {
            masks.step(key, from, places, ends);
        }
    }

    /// What is demanded of the value.
    pub(super) fn demand(&self, masks: &FieldMasks) -> Option<Demand> {
        let (places, ends) = self.value.split_at_checked(self.words)?;
        if ends.iter().all(|word| *word == 0) {
            return None;
        }
        masks.demand(places, ends)
    }
}
