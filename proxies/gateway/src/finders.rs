//! What is looked for in whatever a target says: what the policy masks by content, and the target's own credential.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use policy_core::mask::{Detector, Detectors, DetectorsError, Literals, Transform};

use crate::credential::Secret;
use crate::enforce::Judged;

/// The most that are kept compiled: a policy has few, but each reload may bring others.
const MOST: usize = 64;

/// What is looked for, and what becomes of it.
type Rules = Vec<(Detector, Transform)>;

/// Compiled detectors of one target, by what a decision asks for.
pub struct Finders {
    secrets: Vec<Secret>,
    /// One for each combination of rules that mask values, the credential alone first. `None` looks for nothing.
    compiled: Mutex<Vec<(Rules, Option<Arc<Detectors>>)>>,
}

impl Finders {
    /// Finders that always look for these secrets of a target, too.
    ///
    /// # Errors
    /// Where the automaton can't be built, which no input can cause.
    pub fn new(secrets: Vec<Secret>) -> Result<Self, DetectorsError> {
        let finders = Self { secrets, compiled: Mutex::default() };
        let plain = finders.compile(&[])?;
        finders.compiled().push((Vec::new(), plain));
        Ok(finders)
    }

    /// What is looked for under a decision; without one, the credential alone. `None` where that is nothing.
    ///
    /// # Errors
    /// Where it can't be compiled: nothing may be shown then.
    pub fn of(&self, judged: Option<&Judged>) -> Result<Option<Arc<Detectors>>, DetectorsError> {
        self.by(judged.map_or_else(Vec::new, |judged| judged.policy().value_masks(judged.obligations())))
    }

    fn by(&self, rules: Rules) -> Result<Option<Arc<Detectors>>, DetectorsError> {
        let mut compiled = self.compiled();
        if let Some((_, detectors)) = compiled.iter().find(|(known, _)| *known == rules) {
            return Ok(detectors.clone());
        }
        let detectors = self.compile(&rules)?;
        if compiled.len() >= MOST {
            // Those of the policy in force are soon back.
            compiled.truncate(1);
        }
        compiled.push((rules, detectors.clone()));
        Ok(detectors)
    }

    fn compiled(&self) -> MutexGuard<'_, Vec<(Rules, Option<Arc<Detectors>>)>> {
        // Every change is one call, so a panic elsewhere leaves it whole.
        self.compiled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compile(&self, rules: &[(Detector, Transform)]) -> Result<Option<Arc<Detectors>>, DetectorsError> {
        let literals = Literals::new(self.secrets.iter().map(Secret::expose))?;
        let detectors = Detectors::new(rules)?.with_literals(literals);
        Ok(if detectors.is_empty() { None } else { Some(Arc::new(detectors)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_compiled_is_bounded() {
        let secret = Secret::new(b"a credential of the target".to_vec());
        let finders = Finders::new(vec![secret]).expect("compiled");
        let alone = finders.of(None).expect("compiled").expect("the credential");
        for length in 0..1000 {
            let rules = vec![(Detector::CreditCard, Transform::Last(length))];
            let first = finders.by(rules.clone()).expect("compiled").expect("cards");
            let again = finders.by(rules).expect("compiled").expect("cards");
            assert!(Arc::ptr_eq(&first, &again), "it is compiled once");
            assert!(finders.compiled().len() <= MOST);
        }
        assert!(Arc::ptr_eq(&alone, &finders.of(None).expect("compiled").expect("the credential")));
    }
}
