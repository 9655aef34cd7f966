//! Approvals: who may see them and how much of them, and votes.

use std::collections::BTreeMap;

use hyper::StatusCode;
use policy_core::Principal;
use policy_core::approval::{Ballot, Petition, Standing, Status, Vote as Counted};
use portcullis_evidence::record::{Vote as Way, Voted as VotedRecord};
use portcullis_evidence::{Record, Scope};

use super::access::Asker;
use super::handle::{Answer, Failure, State, answer, failure, store_failed};
use super::views::{ApprovalView, HoldView, VoteRequest, VoteView, Voted};
use crate::store::{Approval, ApprovalState, HeldRule, NewApproval, Vote};

pub(super) async fn approvals(state: &State, asker: &Asker, all: bool) -> Result<Answer, Failure> {
    let found = state.gateway.store().ask(move |store| store.approvals(!all)).await.map_err(store_failed)?;
    let mut views = Vec::with_capacity(found.len());
    for approval in found {
        if let Some(view) = view(state, asker, approval).await? {
            views.push(view);
        }
    }
    Ok(answer(&views))
}

pub(super) async fn approval(state: &State, asker: &Asker, number: u64) -> Result<Answer, Failure> {
    let approval = find(state, number).await?;
    // Whoever may not see it learns no more than that.
    let view = view(state, asker, approval).await?.ok_or_else(no_such_approval)?;
    Ok(answer(&view))
}

pub(super) async fn vote(
    state: &State,
    asker: &Asker,
    number: u64,
    request: VoteRequest,
) -> Result<Answer, Failure> {
    let Some(voter) = &asker.user else { return Err(no_such_approval()) };
    let mut approval = find(state, number).await?;
    if view(state, asker, approval.clone()).await?.is_none() {
        return Err(no_such_approval());
    }
    let parties = Parties::of(state, &approval.asked).await?;
    let standing = Stands::of(state, &parties, voter, &approval.asked).standing;
    let objection = objection(&approval, voter, standing, &request);
    record_vote(state, voter, &approval, &request, objection.as_ref())?;
    if let Some(Objection { status, message }) = objection {
        return Err(failure(status, &message));
    }
    let vote = Vote {
        voter: voter.id.to_string(),
        approve: request.approve,
        at: state.gateway.shared.clock.millis(),
        reason: request.reason.clone(),
        binding: approval.asked.binding,
        holds: approval.asked.holds.clone(),
    };
    let cast = vote.clone();
    let taken =
        state.gateway.store().ask(move |store| store.vote(number, &cast)).await.map_err(store_failed)?;
    if !taken {
        // Something came between. Evidence has a vote that counts, so it is said there, too, that it did not.
        let now = find(state, number).await?;
        let objection = self::objection(&now, voter, standing, &request).unwrap_or_else(|| changed(number));
        record_vote(state, voter, &now, &request, Some(&objection))?;
        return Err(failure(objection.status, &objection.message));
    }
    state.gateway.shared.changes.send_modify(|count| *count += 1);
    // Counted from what was read before: whoever waits may have spent the approval by now. The vote is taken, whether or not its
    // voters can be looked up.
    approval.votes.push(vote);
    let holds = holds(state, &parties, &approval).await.unwrap_or_default();
    Ok(answer(&Voted { number, holds }))
}

/// Why a vote does not count.
struct Objection {
    status: StatusCode,
    message: String,
}

/// What is to be said against a vote on the approval as it stands here.
fn objection(
    approval: &Approval,
    voter: &Principal,
    standing: Standing,
    request: &VoteRequest,
) -> Option<Objection> {
    let number = approval.number;
    let is_the_same = |vote: &Vote| {
        *vote.voter == *voter.id && vote.approve == request.approve && vote.holds == approval.asked.holds
    };
    let (status, message) = match standing {
        _ if approval.state != ApprovalState::Pending => {
            (StatusCode::CONFLICT, format!("approval {number} is over: it {}", approval.state.in_words()))
        }
        Standing::OwnRequest => (
            StatusCode::FORBIDDEN,
            "nobody votes on their own request, nor on one of their other accounts or agents".to_owned(),
        ),
        Standing::NotAReviewer => {
            (StatusCode::FORBIDDEN, format!("{} is not among the reviewers of approval {number}", voter.id))
        }
        Standing::Eligible if fingerprint(approval) != request.fingerprint => return Some(changed(number)),
        Standing::Eligible if approval.votes.iter().any(is_the_same) => {
            let way = if request.approve { "approved" } else { "refused" };
            (
                StatusCode::CONFLICT,
                format!("you have {way} approval {number} already, and a person's vote counts once"),
            )
        }
        Standing::Eligible => return None,
    };
    Some(Objection { status, message })
}

fn changed(number: u64) -> Objection {
    let message = format!("approval {number} has changed since you looked at it: look again");
    Objection { status: StatusCode::CONFLICT, message }
}

/// A vote is in evidence before it counts. One that in the end did not is there a second time, with the reason.
fn record_vote(
    state: &State,
    voter: &Principal,
    approval: &Approval,
    request: &VoteRequest,
    ignored: Option<&Objection>,
) -> Result<(), Failure> {
    let record = Record::Vote(VotedRecord {
        approval: approval.number.to_string().into(),
        voter: (&*voter.id).into(),
        vote: if request.approve { Way::Approve } else { Way::Refuse },
        via: "api".into(),
        binding: approval.asked.binding.into(),
        reason: Some(request.reason.as_str()).filter(|reason| !reason.is_empty()).map(Into::into),
        ignored: ignored.map(|objection| objection.message.as_str().into()),
    });
    state.gateway.log().append_one(&Scope::gateway(), &record).map(drop).map_err(|error| {
        tracing::error!(%error, "a vote could not be recorded");
        failure(StatusCode::SERVICE_UNAVAILABLE, "the vote can't be recorded, so it does not count")
    })
}

async fn find(state: &State, number: u64) -> Result<Approval, Failure> {
    let found = state.gateway.store().ask(move |store| store.approval(number)).await.map_err(store_failed)?;
    found.ok_or_else(no_such_approval)
}

/// An approval as this one may see it, if at all.
async fn view(state: &State, asker: &Asker, approval: Approval) -> Result<Option<ApprovalView>, Failure> {
    let parties = Parties::of(state, &approval.asked).await?;
    let stands = asker.user.as_ref().map(|user| Stands::of(state, &parties, user, &approval.asked));
    let reviewer = stands.as_ref().is_some_and(|stands| stands.standing == Standing::Eligible);
    let reveals = reviewer && stands.is_some_and(|stands| stands.reveals);
    let own = asker.user.as_ref().is_some_and(|user| *user.id == *approval.asked.principal);
    if !(asker.operator || reviewer || own) {
        return Ok(None);
    }
    let holds = holds(state, &parties, &approval).await?;
    let fingerprint = fingerprint(&approval);
    let Approval { number, asked, state, decided_by, reason, votes, waiting } = approval;
    Ok(Some(ApprovalView {
        number,
        state: state.as_str().to_owned(),
        principal: asked.principal,
        owner: asked.owner,
        session: asked.session.to_string(),
        target: asked.target,
        command: asked.shown,
        revealed: asked.revealed.filter(|_| reveals),
        actions: asked.actions,
        holds,
        justification: asked.justification,
        in_transaction: asked.in_transaction,
        waiting: waiting > 0,
        created: asked.created,
        deadline: asked.deadline,
        votes: votes
            .into_iter()
            .map(|vote| VoteView {
                voter: vote.voter,
                approve: vote.approve,
                reason: vote.reason,
                at: vote.at,
            })
            .collect(),
        decided_by,
        reason,
        fingerprint,
    }))
}

/// The holds, and how far each is by the votes and the policy of this moment.
async fn holds(state: &State, parties: &Parties, approval: &Approval) -> Result<Vec<HoldView>, Failure> {
    let mut voters = BTreeMap::new();
    if approval.state == ApprovalState::Pending {
        for vote in &approval.votes {
            if let Some(voter) = account(state, &vote.voter).await? {
                voters.insert(vote.voter.as_str(), voter);
            }
        }
    }
    let now = state.gateway.shared.clock.millis();
    let active = state.gateway.policies().current();
    let view = |hold: &HeldRule| {
        let rule = hold.key().and_then(|key| active.policy.hold(&key));
        let status = rule.and_then(|rule| {
            let counts = approval
                .votes
                .iter()
                .filter(|vote| vote.binding == approval.asked.binding && vote.holds.contains(hold));
            let votes: Vec<Counted<'_>> = counts
                .filter_map(|vote| {
                    let ballot = if vote.approve { Ballot::Approve } else { Ballot::Refuse };
                    let voter = voters.get(vote.voter.as_str())?;
                    Some(Counted { voter, ballot, cast: vote.at.div_euclid(1000) })
                })
                .collect();
            let petition = parties.petition(&approval.asked, hold.since);
            // Who watches counts at the moment of release; here it is about votes.
            active.policy.approval_status(rule, &petition, &votes, &[], now.div_euclid(1000))
        });
        let approvals = match status {
            _ if approval.state != ApprovalState::Pending => None,
            Some(Status::Pending { approvals, .. }) => u16::try_from(approvals).ok(),
            Some(Status::Approved { .. }) => Some(hold.quorum),
            Some(Status::Refused { .. } | Status::Expired) | None => None,
        };
        HoldView {
            rule: hold.rule.clone(),
            quorum: hold.quorum,
            approvals,
            watchers: hold.watchers,
            needs: hold.needs.clone(),
            reveal: rule
                .and_then(|rule| active.policy.requirement(rule))
                .is_some_and(|requirement| requirement.reveal),
        }
    };
    Ok(approval.asked.holds.iter().map(view).collect())
}

/// Whose request it is.
struct Parties {
    requester: Principal,
    owner: Option<Principal>,
}

impl Parties {
    async fn of(state: &State, asked: &NewApproval) -> Result<Self, Failure> {
        let mut requester = Principal::human(asked.principal.as_str(), [] as [&str; 0]);
        requester.kind = asked.kind;
        requester.person = asked.person.as_deref().map(Into::into);
        requester.owner = asked.owner.as_deref().map(Into::into);
        let owner = match &asked.owner {
            Some(owner) => account(state, owner).await?,
            None => None,
        };
        Ok(Self { requester, owner })
    }

    /// What was asked, as voting sees it. `since` is in milliseconds since the Unix epoch.
    fn petition<'a>(&'a self, asked: &'a NewApproval, since: i64) -> Petition<'a> {
        Petition {
            requester: &self.requester,
            owner: self.owner.as_ref(),
            opened: since.div_euclid(1000),
            justification: asked.justification.as_deref(),
        }
    }
}

/// Where a user stands to an approval, by the policy in force.
struct Stands {
    /// Whether they may vote: on one of the holds at least, and on none of them as a party.
    standing: Standing,
    /// Whether one of those they may vote on shows them what was asked in the clear. Another rule's `reveal` is for its own
    /// reviewers, so that no rule's author opens more eyes than they named.
    reveals: bool,
}

impl Stands {
    fn of(state: &State, parties: &Parties, user: &Principal, asked: &NewApproval) -> Self {
        let active = state.gateway.policies().current();
        let petition = parties.petition(asked, asked.created);
        let mut stands = Self { standing: Standing::NotAReviewer, reveals: false };
        for hold in &asked.holds {
            let Some(rule) = hold.key().and_then(|key| active.policy.hold(&key)) else { continue };
            match active.policy.standing(rule, &petition, user) {
                Some(Standing::OwnRequest) => {
                    return Self { standing: Standing::OwnRequest, reveals: false };
                }
                Some(Standing::Eligible) => {
                    stands.standing = Standing::Eligible;
                    stands.reveals |=
                        active.policy.requirement(rule).is_some_and(|requirement| requirement.reveal);
                }
                Some(Standing::NotAReviewer) | None => {}
            }
        }
        stands
    }
}

/// An account as it is now, if it is there.
async fn account(state: &State, name: &str) -> Result<Option<Principal>, Failure> {
    state.gateway.identity().current(name).await.map_err(|error| {
        tracing::error!(%error, "the account of a voter, or of an agent's owner, can't be looked up");
        failure(StatusCode::SERVICE_UNAVAILABLE, "users can't be looked up: see the gateway's log")
    })
}

/// What a vote is about, in one word.
fn fingerprint(approval: &Approval) -> String {
    let mut text = approval.asked.binding.to_string();
    for hold in &approval.asked.holds {
        text.push_str(&format!(" {}:{}:{}", hold.rule.len(), hold.rule, hold.requirement));
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn no_such_approval() -> Failure {
    failure(StatusCode::NOT_FOUND, "there is no such approval, or it is not yours to see")
}
