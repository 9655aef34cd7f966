//! Votes to status: a pure function of requirement, votes and time.
//!
//! Votes are counted against what is known of the voters *now*: a reviewer who left the group no longer
//! counts. Watchers are counted the same way, among those who watch the session at that moment. Nobody votes on their own behalf: not the requester, not another account of the same person,
//! not an agent's owner or that owner's other agents. A quorum is of distinct persons. A refusal by
//! an eligible reviewer refuses, whatever else was voted.

use crate::decision::RuleIndex;
use crate::policy::Policy;
use crate::policy::condition::{Condition, Facts};
use crate::rule::{Effect, Quorum, Requirement};
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
        /// How many distinct persons watch of those who count.
        watching: usize,
        /// How many must.
        watchers: usize,
    },
    /// The requirement is met.
    Approved {
        /// The accounts whose approval counted.
        by: Vec<Box<str>>,
        /// The accounts whose watching counted.
        watched_by: Vec<Box<str>>,
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
    /// Where a hold stands at `now`, while `watchers` watch the session, or `None` if the rule is no hold of this policy.
    pub fn approval_status(
        &self,
        hold: RuleIndex,
        petition: &Petition<'_>,
        votes: &[Vote<'_>],
        watchers: &[&Principal],
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
        let quorum = needed(requirement.approve.as_ref());
        let watch = self.watch(hold, petition, watchers)?;
        let justification_missing =
            requirement.justify && petition.justification.is_none_or(|words| words.trim().is_empty());
        if approvals < quorum || justification_missing || !watch.is_enough() {
            let Watch { persons: watching, needed: watchers, .. } = watch;
            return Some(Status::Pending { approvals, quorum, justification_missing, watching, watchers });
        }
        Some(Status::Approved { by: ids(&approvers), watched_by: watch.by })
    }

    /// Whether `voter` may vote on a hold, or `None` if the rule is no hold of this policy.
    pub fn standing(&self, hold: RuleIndex, petition: &Petition<'_>, voter: &Principal) -> Option<Standing> {
        let (reviewers, _) = self.reviewers(hold)?;
        Some(if petition.is_own(voter) {
            Standing::OwnRequest
        } else if is_among(reviewers, voter) {
            Standing::Eligible
        } else {
            Standing::NotAReviewer
        })
    }

    /// Whether watching counts for a hold when `watcher` does it, or `None` if the rule is no hold of this policy.
    pub fn watching(
        &self,
        hold: RuleIndex,
        petition: &Petition<'_>,
        watcher: &Principal,
    ) -> Option<Standing> {
        let (_, watchers) = self.reviewers(hold)?;
        Some(if petition.is_own(watcher) {
            Standing::OwnRequest
        } else if is_among(watchers, watcher) {
            Standing::Eligible
        } else {
            Standing::NotAReviewer
        })
    }

    /// Whether enough of those who count for a hold are among `watchers`; `None` if the rule is no hold of this policy.
    pub fn watch(&self, hold: RuleIndex, petition: &Petition<'_>, watchers: &[&Principal]) -> Option<Watch> {
        let needed = needed(self.requirement(hold)?.watch.as_ref());
        let counted =
            |watcher: &&Principal| self.watching(hold, petition, watcher) == Some(Standing::Eligible);
        let eligible: Vec<&Principal> = watchers.iter().copied().filter(counted).collect();
        Some(Watch { persons: distinct_persons(&eligible), needed, by: ids(&eligible) })
    }

    /// What a hold asks for, or `None` if the rule is no hold of this policy.
    pub fn requirement(&self, hold: RuleIndex) -> Option<&Requirement> {
        match &self.rule(hold)?.effect {
            Effect::Hold(requirement) => Some(requirement),
            _ => None,
        }
    }
}

/// Who watches, of those whose watching counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// How many distinct persons do.
    pub persons: usize,
    /// How many must; 0 where the hold demands none.
    pub needed: usize,
    /// Their accounts.
    pub by: Vec<Box<str>>,
}

impl Watch {
    /// Whether the demand is met.
    pub const fn is_enough(&self) -> bool {
        self.persons >= self.needed
    }
}

fn needed(quorum: Option<&Quorum>) -> usize {
    quorum.map_or(0, |quorum| usize::from(quorum.count.get()))
}

fn is_among(people: Option<&Condition>, account: &Principal) -> bool {
    people.is_some_and(|people| people.evaluate(&mut Facts::of_reviewer(account)).is_true())
}

fn ids(accounts: &[&Principal]) -> Vec<Box<str>> {
    let mut ids: Vec<Box<str>> = accounts.iter().map(|account| account.id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
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
