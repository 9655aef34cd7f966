//! What the judge and the veil of one session share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use policy_normalize::sql::Statement;

use super::Names;
use super::target::Guarded;
use crate::catalogue::{Known, Overlay};
use crate::command::room::Room;

/// One session's state, between the two directions of its traffic.
pub struct Shared {
    /// What its names stand for.
    pub names: Arc<Names>,
    /// What these may take in memory.
    pub room: Room,
    /// What it talks to.
    pub target: Arc<Guarded>,
    definitions: Mutex<Definitions>,
}

/// What the session's own transaction has done to the definitions.
#[derive(Default)]
struct Definitions {
    overlay: Arc<Overlay>,
    /// The segment in which they were changed last, while that is not known to have ended.
    changed_in: Option<u64>,
    /// They were changed for good: whoever looks next must look anew.
    is_stale: bool,
}

impl Shared {
    /// A session that has said nothing yet.
    pub fn new(names: Arc<Names>, room: Room, target: Arc<Guarded>) -> Arc<Self> {
        Arc::new(Self { names, room, target, definitions: Mutex::default() })
    }

    fn definitions(&self) -> MutexGuard<'_, Definitions> {
        self.definitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the open transaction changed.
    pub fn overlay(&self) -> Arc<Overlay> {
        Arc::clone(&self.definitions().overlay)
    }

    /// Tells what the session has changed from what it had before.
    pub fn epoch(&self) -> u64 {
        self.definitions().overlay.epoch()
    }

    /// Whether definitions were changed in another segment than this one, whose end has not come.
    pub fn is_changing(&self, segment: u64) -> bool {
        self.definitions().changed_in.is_some_and(|changed| changed != segment)
    }

    /// Whether the definitions must be read anew; asked once for each change.
    pub fn take_stale(&self) -> bool {
        std::mem::take(&mut self.definitions().is_stale)
    }

    /// They could not be read: the next one must.
    pub fn still_stale(&self) {
        self.definitions().is_stale = true;
    }

    /// Notes statements that are about to be forwarded.
    pub fn note(&self, statements: &[Statement], text: &str, known: &Known, segment: u64) {
        if !statements.iter().any(Overlay::concerns) {
            return;
        }
        let mut definitions = self.definitions();
        let overlay = Arc::make_mut(&mut definitions.overlay);
        let before = overlay.epoch();
        for statement in statements {
            overlay.note(statement, text, &known.snapshot);
        }
        if overlay.epoch() != before {
            definitions.changed_in = Some(segment);
        }
    }

    /// Notes the end of a segment: whether a transaction block is open, and whether what ran last has failed.
    pub fn answered(&self, is_in_block: bool, has_failed: bool) {
        // A later segment has changed something meanwhile: its own end is the one that counts.
        if self.names.is_redefining() {
            return;
        }
        let mut definitions = self.definitions();
        definitions.changed_in = None;
        if !is_in_block && definitions.overlay.is_open() {
            definitions.is_stale |= Arc::make_mut(&mut definitions.overlay).end(has_failed);
        }
    }
}
