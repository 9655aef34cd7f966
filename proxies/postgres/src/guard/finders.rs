//! What is looked for in a target's replies, whichever column it is in.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use policy_core::mask::{Detector, Detectors, DetectorsError, Literals, MaskKey, Scratch, Transform};
use portcullis_gateway::credential::Secret;
use portcullis_gateway::enforce::Judged;

use crate::mask::finder::{Finder, Found};

/// What is looked for, and what becomes of it.
type Rules = Vec<(Detector, Transform)>;
/// What looks for it; nothing where there is nothing to look for.
type Compiled = Option<Arc<dyn Finder>>;

/// Compiled detectors, by what a decision asks for.
pub struct Finders {
    secrets: Vec<Secret>,
    key: MaskKey,
    /// Few: one for each combination of rules that mask values.
    compiled: Mutex<Vec<(Rules, Compiled)>>,
}

impl Finders {
    /// Finders that always look for these credentials, too.
    ///
    /// # Errors
    /// Where the automaton can't be built, which no input can cause.
    pub fn new(secrets: Vec<Secret>, key: MaskKey) -> Result<Self, DetectorsError> {
        let finders = Self { secrets, key, compiled: Mutex::default() };
        let plain = finders.compile(&[])?;
        finders.compiled.lock().unwrap_or_else(PoisonError::into_inner).push((Vec::new(), plain));
        Ok(finders)
    }

    /// What is looked for under a decision; without one, credentials alone. Where it can't be compiled, everything
    /// is a find.
    pub fn of(&self, judged: Option<&Judged>) -> Option<Arc<dyn Finder>> {
        let rules = judged.map_or_else(Vec::new, |judged| judged.policy().value_masks(judged.obligations()));
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, finder)) = compiled.iter().find(|(known, _)| *known == rules) {
            return finder.clone();
        }
        let finder = self.compile(&rules).unwrap_or_else(|error| {
            tracing::error!(%error, "detectors can't be compiled: no text is shown");
            Some(Arc::new(Everything))
        });
        compiled.push((rules, finder.clone()));
        finder
    }

    fn compile(&self, rules: &[(Detector, Transform)]) -> Result<Option<Arc<dyn Finder>>, DetectorsError> {
        let literals = Literals::new(self.secrets.iter().map(Secret::expose))?;
        let detectors = Detectors::new(rules)?.with_literals(literals);
        if detectors.is_empty() {
            return Ok(None);
        }
        Ok(Some(Arc::new(Searching { detectors, key: self.key.clone() })))
    }
}

struct Searching {
    detectors: Detectors,
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
