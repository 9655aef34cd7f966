//! Approvals: who may see them, how much of them, and how far they are.

use hyper::StatusCode;
use policy_core::Principal;
use policy_core::approval::{Standing, Status};

use super::access::Asker;
use super::handle::{Answer, Failure, State, answer, failure, store_failed};
use super::views::{ApprovalView, HoldState, HoldView, VoteView};
use crate::identity::Accounts;
use crate::store::{Approval, ApprovalState, HeldRule, NewApproval};

pub(super) async fn approvals(state: &State, asker: &Asker, all: bool) -> Result<Answer, Failure> {
    let found = state.gateway.store().ask(move |store| store.approvals(!all)).await.map_err(store_failed)?;
    let mut views = Vec::with_capacity(found.len());
    let mut people = Accounts::default();
    for approval in found {
        if let Some(view) = view(state, asker, &mut people, approval).await? {
            views.push(view);
        }
    }
    Ok(answer(&views))
}

pub(super) async fn approval(state: &State, asker: &Asker, number: u64) -> Result<Answer, Failure> {
    let approval = find(state, number).await?;
    // Whoever may not see it learns no more than that.
    let view = view(state, asker, &mut Accounts::default(), approval).await?.ok_or_else(no_such_approval)?;
    Ok(answer(&view))
}

pub(super) async fn find(state: &State, number: u64) -> Result<Approval, Failure> {
    let found = state.gateway.store().ask(move |store| store.approval(number)).await.map_err(store_failed)?;
    found.ok_or_else(no_such_approval)
}

/// An approval as this one may see it, if at all.
async fn view(
    state: &State,
    asker: &Asker,
    people: &mut Accounts,
    approval: Approval,
) -> Result<Option<ApprovalView>, Failure> {
    let requester = requester(state, people, &approval.asked).await?;
    let Stands { sees, reveals, .. } = Stands::of(state, asker, &requester, people, &approval.asked);
    if !sees {
        return Ok(None);
    }
    let holds = holds(state, people, &requester, &approval).await?;
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
pub(super) async fn holds(
    state: &State,
    people: &mut Accounts,
    requester: &Principal,
    approval: &Approval,
) -> Result<Vec<HoldView>, Failure> {
    if approval.state == ApprovalState::Pending {
        for vote in &approval.votes {
            look_up(state, people, &vote.voter).await?;
        }
    }
    let people = &*people;
    let now = state.gateway.shared.clock.seconds();
    let active = state.gateway.policies().current();
    let view = |hold: &HeldRule| {
        let rule = hold.key().and_then(|key| active.policy.hold(&key));
        let status = rule.and_then(|rule| {
            let votes = hold.votes(approval, approval.asked.binding, people);
            let petition = hold.petition(requester, people, approval.asked.justification.as_deref());
            // Who watches counts at the moment of release; here it is about votes.
            active.policy.approval_status(rule, &petition, &votes, &[], now)
        });
        let state = match status {
            _ if approval.state != ApprovalState::Pending => HoldState::Over,
            Some(Status::Pending { approvals, .. }) => {
                HoldState::Pending { approvals: u16::try_from(approvals).unwrap_or(u16::MAX) }
            }
            Some(Status::Approved { .. }) => HoldState::Approved,
            Some(Status::Refused { .. }) => HoldState::Refused,
            Some(Status::Expired) => HoldState::Expired,
            None => HoldState::Gone,
        };
        HoldView {
            rule: hold.rule.clone(),
            quorum: hold.quorum,
            state: Some(state),
            watchers: hold.watchers,
            needs: hold.needs.clone(),
            reveal: rule
                .and_then(|rule| active.policy.requirement(rule))
                .is_some_and(|requirement| requirement.reveal),
        }
    };
    Ok(approval.asked.holds.iter().map(view).collect())
}

/// Who asked, as far as voting goes. Whom an agent acts for is among the people then.
pub(super) async fn requester(
    state: &State,
    people: &mut Accounts,
    asked: &NewApproval,
) -> Result<Principal, Failure> {
    if let Some(owner) = &asked.owner {
        look_up(state, people, owner).await?;
    }
    Ok(Principal {
        kind: asked.kind,
        person: asked.person.as_deref().map(Into::into),
        owner: asked.owner.as_deref().map(Into::into),
        ..Principal::human(asked.principal.as_str(), [] as [&str; 0])
    })
}

/// Where somebody stands to an approval, by the policy in force.
pub(super) struct Stands {
    /// Whether they may vote: on one of the holds at least, and on none of them as a party.
    pub(super) standing: Standing,
    /// Whether they may see it: reviewers, whoever asked, operators.
    pub(super) sees: bool,
    /// Whether one of those they may vote on shows them what was asked in the clear. Another rule's `reveal` is for its own
    /// reviewers, so that no rule's author opens more eyes than they named.
    reveals: bool,
}

impl Stands {
    pub(super) fn of(
        state: &State,
        asker: &Asker,
        requester: &Principal,
        people: &Accounts,
        asked: &NewApproval,
    ) -> Self {
        let (standing, reveals) = match &asker.user {
            Some(user) => Self::of_user(state, user, requester, people, asked),
            None => (Standing::NotAReviewer, false),
        };
        let is_own = asker.user.as_ref().is_some_and(|user| *user.id == *asked.principal);
        Self { standing, sees: asker.operator || is_own || standing == Standing::Eligible, reveals }
    }

    /// Whether a user may vote, and is shown what was asked in the clear.
    fn of_user(
        state: &State,
        user: &Principal,
        requester: &Principal,
        people: &Accounts,
        asked: &NewApproval,
    ) -> (Standing, bool) {
        let active = state.gateway.policies().current();
        let (mut standing, mut reveals) = (Standing::NotAReviewer, false);
        for hold in &asked.holds {
            let Some(rule) = hold.key().and_then(|key| active.policy.hold(&key)) else { continue };
            let petition = hold.petition(requester, people, asked.justification.as_deref());
            match active.policy.standing(rule, &petition, user) {
                Some(Standing::OwnRequest) => return (Standing::OwnRequest, false),
                Some(Standing::Eligible) => {
                    standing = Standing::Eligible;
                    reveals |= active.policy.requirement(rule).is_some_and(|requirement| requirement.reveal);
                }
                Some(Standing::NotAReviewer) | None => {}
            }
        }
        (standing, reveals)
    }
}

/// An account as it is now, if it is there.
async fn look_up(state: &State, people: &mut Accounts, name: &str) -> Result<(), Failure> {
    people.look_up(&**state.gateway.identity(), name).await.map_err(|error| {
        tracing::error!(%error, "the account of a voter, or of an agent's owner, can't be looked up");
        failure(StatusCode::SERVICE_UNAVAILABLE, "users can't be looked up: see the gateway's log")
    })
}

/// What a vote is about, in one word.
pub(super) fn fingerprint(approval: &Approval) -> String {
    let mut text = approval.asked.binding.to_string();
    for hold in &approval.asked.holds {
        text.push_str(&format!(" {}:{}:{}", hold.rule.len(), hold.rule, hold.requirement));
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn no_such_approval() -> Failure {
    failure(StatusCode::NOT_FOUND, "there is no such approval, or it is not yours to see")
}
