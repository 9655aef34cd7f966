//! What masks a session's replies.

use policy_core::decision::Rules;
use portcullis_gateway::enforce::Judged;
use smallvec::SmallVec;

use crate::guard::session::Shared;
use crate::mask::Masker;

/// The most maskers that a session keeps: as many sets of masks as its commands take turns in.
const MOST: usize = 8;

/// The maskers of a session: one for what comes under each set of value masks.
pub(super) struct Maskers {
    general: Masker,
    /// By the policy's generation and the rules that mask.
    special: SmallVec<[(u64, Rules, Masker); 1]>,
}

impl Maskers {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { general: Masker::new(shared.target.value_masks(None)), special: SmallVec::new() }
    }

    /// What masks under a decision.
    pub(super) fn of(&mut self, shared: &Shared, judged: &Judged) -> &mut Masker {
        let (generation, rules) = (judged.generation(), &judged.obligations().masks);
        if let Some(at) =
            self.special.iter().position(|(known, masks, _)| *known == generation && masks == rules)
        {
            self.special.swap(0, at);
        } else {
            if self.special.len() >= MOST {
                self.special.clear();
            }
            let masker = Masker::new(shared.target.value_masks(Some(judged)));
            self.special.insert(0, (generation, rules.clone(), masker));
        }
        match self.special.first_mut() {
            Some((_, _, masker)) => masker,
            None => &mut self.general,
        }
    }

    /// What masks under a decision, or where there has been none.
    pub(super) fn for_judged(&mut self, shared: &Shared, judged: Option<&Judged>) -> &mut Masker {
        match judged {
            Some(judged) => self.of(shared, judged),
            None => &mut self.general,
        }
    }
}
