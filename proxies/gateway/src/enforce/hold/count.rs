//! Which votes count toward a hold, and for whom: the same where a command is released and where reviewers are told how far it is.

use policy_core::approval::{Ballot, Petition, Vote};
use policy_core::{Digest, Principal};

use crate::identity::Accounts;
use crate::store::{Approval, HeldRule};

impl HeldRule {
    /// The votes that were cast for exactly this command and this requirement, by those of `people` who are still there.
    pub(crate) fn votes<'a>(
        &self,
        approval: &Approval,
        binding: Digest,
        people: &'a Accounts,
    ) -> Vec<Vote<'a>> {
        let cast = approval.votes.iter().filter(|vote| vote.binding == binding && vote.holds.contains(self));
        let counted = cast.filter_map(|vote| {
            let ballot = if vote.approve { Ballot::Approve } else { Ballot::Refuse };
            Some(Vote { voter: people.get(&vote.voter)?, ballot, cast: seconds(vote.at) })
        });
        counted.collect()
    }

    /// What was asked, as voting sees it. An agent's owner is looked for among `people`.
    pub(crate) fn petition<'a>(
        &self,
        requester: &'a Principal,
        people: &'a Accounts,
        justification: Option<&'a str>,
    ) -> Petition<'a> {
        Petition {
            requester,
            owner: requester.owner.as_deref().and_then(|owner| people.get(owner)),
            opened: seconds(self.since),
            justification,
        }
    }
}

/// Policies count in seconds since the Unix epoch, the store in milliseconds.
pub(super) const fn seconds(millis: i64) -> i64 {
    millis.div_euclid(1000)
}
