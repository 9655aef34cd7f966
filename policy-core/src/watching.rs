//! Who may watch a session: a pure function of policy, session and account.

use crate::approval::{Petition, Standing};
use crate::policy::Policy;
use crate::policy::condition::Facts;
use crate::request::Request;
use crate::rule::{Effect, Mode};
use crate::subject::Principal;

impl Policy {
    /// Whether `watcher` may watch a session that would be asked for by `request`, of which principal and target count: who
    /// approves commands of such sessions, or is demanded as a watcher of them, by any hold whose `by` and `on` match. `owner` is that of
    /// an agent, as in [`Petition::owner`]. Nobody watches for themself.
    pub fn may_watch(
        &self,
        request: &Request<'_>,
        owner: Option<&Principal>,
        watcher: &Principal,
    ) -> Standing {
        let petition = Petition { requester: request.principal, owner, opened: 0, justification: None };
        if petition.is_own(watcher) {
            return Standing::OwnRequest;
        }
        let holds = self.entries().filter(|(_, entry)| {
            entry.rule.mode == Mode::Enforce && matches!(entry.rule.effect, Effect::Hold(_))
        });
        let mut facts = Facts::of(request);
        for (index, entry) in holds {
            if entry.matcher.admits(request.target, &mut facts).covers()
                && [self.standing(index, &petition, watcher), self.watching(index, &petition, watcher)]
                    .contains(&Some(Standing::Eligible))
            {
                return Standing::Eligible;
            }
        }
        Standing::NotAReviewer
    }
}
