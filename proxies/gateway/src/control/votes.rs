//! Votes: whose count, and what evidence says of them.

use hyper::StatusCode;
use policy_core::Principal;
use policy_core::approval::Standing;
use portcullis_evidence::record::{Vote as Way, Voted as VotedRecord};
use portcullis_evidence::{Record, Scope};

use super::access::Asker;
use super::approvals::{Stands, find, fingerprint, holds, no_such_approval, requester};
use super::handle::{Answer, Failure, State, answer, failure, store_failed};
use super::views::{VoteRequest, Voted};
use crate::identity::Accounts;
use crate::store::{Approval, ApprovalState, Vote};

pub(super) async fn vote(
    state: &State,
    asker: &Asker,
    number: u64,
    request: VoteRequest,
) -> Result<Answer, Failure> {
    let Some(voter) = &asker.user else { return Err(no_such_approval()) };
    let mut approval = find(state, number).await?;
    let mut people = Accounts::default();
    let requester = requester(state, &mut people, &approval.asked).await?;
    let Stands { standing, sees, .. } = Stands::of(state, asker, &requester, &people, &approval.asked);
    if !sees {
        return Err(no_such_approval());
    }
    let at = state.gateway.shared.clock.millis();
    let objection = objection(&approval, voter, standing, &request, at);
    record_vote(state, voter, &approval, &request, objection.as_ref())?;
    if let Some(Objection { status, message }) = objection {
        return Err(failure(status, &message));
    }
    let vote = Vote {
        voter: voter.id.to_string(),
        approve: request.approve,
        at,
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
        let objection =
            self::objection(&now, voter, standing, &request, at).unwrap_or_else(|| changed(number));
        record_vote(state, voter, &now, &request, Some(&objection))?;
        return Err(failure(objection.status, &objection.message));
    }
    state.gateway.shared.changes.send_modify(|count| *count += 1);
    // Counted from what was read before: whoever waits may have spent the approval by now. The vote is taken, whether or not its
    // voters can be looked up.
    approval.votes.push(vote);
    let holds = holds(state, &mut people, &requester, &approval).await.unwrap_or_default();
    Ok(answer(&Voted { number, holds }))
}

/// Why a vote does not count.
struct Objection {
    status: StatusCode,
    message: String,
}

/// What is to be said against a vote, at this time, on the approval as it stands here.
fn objection(
    approval: &Approval,
    voter: &Principal,
    standing: Standing,
    request: &VoteRequest,
    at: i64,
) -> Option<Objection> {
    let number = approval.number;
    // Nobody may have noticed yet that its time is over.
    let is_late = approval.state == ApprovalState::Pending && at >= approval.asked.deadline;
    let now = if is_late { ApprovalState::Expired } else { approval.state };
    let is_the_same = |vote: &Vote| {
        *vote.voter == *voter.id && vote.approve == request.approve && vote.holds == approval.asked.holds
    };
    let (status, message) = match standing {
        _ if now != ApprovalState::Pending => {
            (StatusCode::CONFLICT, format!("approval {number} is over: it {}", now.in_words()))
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
