//! Votes to status: a pure function of requirement, votes and time.
//!
//! Votes are counted against what is known of the voters *now*: a reviewer who left the group no longer
//! counts. Nobody votes on their own behalf: not the requester, not another account of the same person,
//! not an agent's owner or that owner's other agents. A quorum is of distinct persons. A refusal by
//! an eligible reviewer refuses, whatever else was voted.

use crate::decision::RuleIndex;
use crate::policy::Policy;
use crate::policy::condition::Facts;
use crate::rule::{Effect, Requirement};
use crate::subject::Principal;

/// A held command, as far as voting goes.
#[derive(Clone, Copy, Debug)]
pub struct Petition<'a> {
    /// Who asked.
    pub requester: &'a Principal,
    /// For an agent: the account it acts for, where it is known, so that its person's other accounts are barred too.
    pub owner: Option<&'a Principal>,
    /// When it was asked, in seconds since the Unix epoch.
    pub opened: i64,
    /// Why it was asked; blank counts as absent.
    pub justification: Option<&'a str>,
}

impl Petition<'_> {
    /// Whether this account may be the requester's own: by another account, or as an agent or its owner.
    pub(crate) fn is_own(&self, account: &Principal) -> bool {
        same_person(self.requester, account) || self.owner.is_some_and(|owner| same_person(owner, account))
    }
}

/// One vote. It counts toward every hold of the command whose reviewers include the voter.
#[derive(Clone, Copy, Debug)]
pub struct Vote<'a> {
    /// Who voted, as known now.
    pub voter: &'a Principal,
    /// What they said.
    pub ballot: Ballot,
    /// When, in seconds since the Unix epoch. Votes from before the petition or after its expiry don't count.
    pub cast: i64,
}

/// What a reviewer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ballot {
    /// Let it through.
    Approve,
    /// Don't.
    Refuse,
}

/// Where a hold stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// More approvals are needed.
    Pending {
        /// How many distinct persons approved.
        approvals: usize,
        /// How many are needed.
        quorum: usize,
        /// The rule asks for a justification and there is none: no number of approvals is enough.
        justification_missing: bool,
    },
    /// The requirement is met.
    Approved {
        /// The accounts whose approval counted.
        by: Vec<Box<str>>,
    },
    /// A reviewer refused.
    Refused {
        /// The first who did.
        by: Box<str>,
    },
    /// Time ran out, approved or not.
    Expired,
}

/// Whether someone may vote on a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Their vote counts.
    Eligible,
    /// They are not, or not certainly, among the reviewers.
    NotAReviewer,
    /// They asked for it, themselves or by another account or agent of theirs.
    OwnRequest,
}

impl Policy {
    /// Where a hold stands at `now`, or `None` if the rule is no hold of this policy.
    pub fn approval_status(
        &self,
        hold: RuleIndex,
        petition: &Petition<'_>,
        votes: &[Vote<'_>],
        now: i64,
    ) -> Option<Status> {
        let requirement = self.requirement(hold)?;
        let within = i64::try_from(requirement.within.as_secs()).unwrap_or(i64::MAX);
        let expiry = petition.opened.saturating_add(within);
        let counted = |vote: &&Vote<'_>| {
            (petition.opened..expiry).contains(&vote.cast)
                && self.standing(hold, petition, vote.voter) == Some(Standing::Eligible)
        };
        let eligible: Vec<&Vote<'_>> = votes.iter().filter(counted).collect();
        if let Some(refusal) = eligible
            .iter()
            .filter(|vote| vote.ballot == Ballot::Refuse)
            .min_by(|a, b| (a.cast, &a.voter.id).cmp(&(b.cast, &b.voter.id)))
        {
            return Some(Status::Refused { by: refusal.voter.id.clone() });
        }
        if now >= expiry {
            return Some(Status::Expired);
        }
        let approvers: Vec<&Principal> = eligible.iter().map(|vote| vote.voter).collect();
        let approvals = distinct_persons(&approvers);
        let quorum = usize::from(requirement.quorum.get());
        let justification_missing =
            requirement.justify && petition.justification.is_none_or(|words| words.trim().is_empty());
        if approvals < quorum || justification_missing {
            return Some(Status::Pending { approvals, quorum, justification_missing });
        }
        let mut by: Vec<Box<str>> = approvers.iter().map(|voter| voter.id.clone()).collect();
        by.sort_unstable();
        by.dedup();
        Some(Status::Approved { by })
    }

    /// Whether `voter` may vote on a hold, or `None` if the rule is no hold of this policy.
    pub fn standing(&self, hold: RuleIndex, petition: &Petition<'_>, voter: &Principal) -> Option<Standing> {
        let reviewers = self.reviewers(hold)?;
        Some(if petition.is_own(voter) {
            Standing::OwnRequest
        } else if reviewers.evaluate(&mut Facts::of_reviewer(voter)).is_true() {
            Standing::Eligible
        } else {
            Standing::NotAReviewer
        })
    }

    /// What a hold asks for, or `None` if the rule is no hold of this policy.
    pub fn requirement(&self, hold: RuleIndex) -> Option<&Requirement> {
        match &self.rule(hold)?.effect {
            Effect::Hold(requirement) => Some(requirement),
            _ => None,
        }
    }
}

/// Whether one person may be behind both accounts: they share an id, a person or an owner, or one is named as
/// the person or owner of the other. An agent counts as its owner.
fn same_person(a: &Principal, b: &Principal) -> bool {
    names_of(a).flatten().any(|name| names_of(b).flatten().any(|other| other == name))
}

fn names_of(principal: &Principal) -> impl Iterator<Item = Option<&str>> {
    [Some(&*principal.id), principal.person.as_deref(), principal.owner.as_deref()].into_iter()
}

/// How many persons are certainly among these: accounts that are the same person through others count once.
fn distinct_persons(accounts: &[&Principal]) -> usize {
    let mut persons: Vec<Vec<&Principal>> = Vec::new();
    for account in accounts {
        let (same, others): (Vec<_>, Vec<_>) =
            persons.into_iter().partition(|person| person.iter().any(|known| same_person(known, account)));
        persons = others;
        persons.push(same.into_iter().flatten().chain([*account]).collect());
    }
    persons.len()
}
