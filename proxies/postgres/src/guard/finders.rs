//! What is looked for in a target's replies, whichever column it is in.

use std::cell::RefCell;
use std::sync::Arc;

use policy_core::mask::{Detectors, DetectorsError, MaskKey, Scratch};
use portcullis_gateway::credential::Secret;
use portcullis_gateway::enforce::Judged;
use portcullis_gateway::finders;

use crate::mask::finder::{Finder, Found};

/// What looks through a target's replies.
pub struct Finders {
    finders: finders::Finders,
    key: MaskKey,
}

impl Finders {
    /// Finders that always look for these credentials, too.
    ///
    /// # Errors
    /// Where the automaton can't be built, which no input can cause.
    pub fn new(secrets: Vec<Secret>, key: MaskKey) -> Result<Self, DetectorsError> {
        Ok(Self { finders: finders::Finders::new(secrets)?, key })
    }

    /// What is looked for under a decision; without one, credentials alone. Where it can't be compiled, everything
    /// is a find.
    pub fn of(&self, judged: Option<&Judged>) -> Option<Arc<dyn Finder>> {
        match self.finders.of(judged) {
            Ok(detectors) => Some(Arc::new(Searching { detectors: detectors?, key: self.key.clone() })),
            Err(error) => {
                tracing::error!(%error, "detectors can't be compiled: no text is shown");
                Some(Arc::new(Everything))
            }
        }
    }
}

struct Searching {
    detectors: Arc<Detectors>,
    key: MaskKey,
}

thread_local! {
    /// Sessions never leave their thread, and a look takes no turn: one set of buffers a thread is enough.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Finder for Searching {
    fn rewrite(&self, text: &[u8], out: &mut Vec<u8>) -> Found {
        let finds =
            SCRATCH.with_borrow_mut(|scratch| self.detectors.mask_into(text, &self.key, scratch, out));
        if finds == 0 { Found::Nothing } else { Found::Text }
    }
}

/// Hides every text.
struct Everything;

impl Finder for Everything {
    fn rewrite(&self, _: &[u8], _: &mut Vec<u8>) -> Found {
        Found::Null
    }
}
