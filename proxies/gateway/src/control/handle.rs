//! What each endpoint does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Request, Response, StatusCode};
use policy_core::Principal;
use policy_core::approval::{Petition, Standing};
use portcullis_evidence::record::{Vote as Way, Voted as VotedRecord};
use portcullis_evidence::{Record, Scope};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::access::{Asker, Endpoint, identify};
use super::guesses::Guesses;
use super::views::{
    ApprovalView, HoldView, PolicyView, Problem, Reloaded, Revoke, Revoked, SessionView, Status, VoteRequest,
    VoteView, Voted,
};
use super::watch::{self, Content, WATCHES, watchable};
use crate::enforce::Gateway;
use crate::policies::Active;
use crate::session::SessionId;
use crate::store::{Approval, ApprovalState, Revocation, RevocationSubject, StoreError, Vote};

/// The longest request body, in bytes.
const BODY_BYTES: usize = 64 * 1024;

/// What all requests share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) gateway: Gateway,
    own_uid: u32,
    root: bool,
    started: Instant,
    guesses: Mutex<Guesses>,
    pub(super) watches: Arc<Semaphore>,
}

pub(super) type Answer = Response<Content>;

/// Why a request is not done.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    message: String,
}

impl State {
    pub(super) fn new(gateway: Gateway, own_uid: u32, root: bool) -> Self {
        let watches = Arc::new(Semaphore::new(WATCHES));
        Self { gateway, own_uid, root, started: Instant::now(), guesses: Mutex::default(), watches }
    }

    pub(super) fn is_operator(&self, uid: u32) -> bool {
        uid == self.own_uid || (uid == 0 && self.root)
    }

    pub(super) fn guesses(&self) -> MutexGuard<'_, Guesses> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers one request of the peer with this user id.
pub(super) async fn handle(state: &State, uid: u32, request: Request<Incoming>) -> Answer {
    match try_handle(state, uid, request).await {
        Ok(answer) => answer,
        Err(Failure { status, message }) => respond(status, &Problem { error: message }),
    }
}

async fn try_handle(state: &State, uid: u32, request: Request<Incoming>) -> Result<Answer, Failure> {
    let endpoint = Endpoint::find(request.method(), request.uri().path())
        .map_err(|status| failure(status, "there is no such request"))?;
    let asker = identify(state, uid, request.headers()).await?;
    endpoint.admits(&asker)?;
    let all = request.uri().query() == Some("all");
    match endpoint {
        Endpoint::Status => Ok(answer(&status(state))),
        Endpoint::Sessions => sessions(state).await,
        Endpoint::Revoke => revoke(state, &asker, body(request).await?).await,
        Endpoint::Reload => reload(state, &asker).await,
        Endpoint::Approvals => approvals(state, &asker, all).await,
        Endpoint::Approval(number) => approval(state, &asker, number).await,
        Endpoint::Vote(number) => vote(state, &asker, number, body(request).await?).await,
        Endpoint::Watch(id) => watch::watch(state, &asker, watchable(state, &asker, id).await?),
        Endpoint::End(id) => {
            let entry = watchable(state, &asker, id).await?;
            watch::end(state, &asker, &entry, body(request).await?).await
        }
    }
}

fn status(state: &State) -> Status {
    let shared = &state.gateway.shared;
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime: state.started.elapsed().as_secs(),
        policy: policy_view(&shared.policies.current()),
        sessions: shared.registry.len(),
        held: shared.held.load(std::sync::atomic::Ordering::Relaxed),
        evidence_seq: shared.log.last_seq(),
        evidence_fault: shared.log.poison().map(|reason| reason.to_string()),
        store_ok: shared.registry.is_confirmed(Instant::now()),
        reload_fault: shared.reloading.fault(),
    }
}

fn policy_view(active: &Active) -> PolicyView {
    PolicyView {
        name: active.name.to_string(),
        digest: active.policy.digest().to_string(),
        generation: active.generation,
        rules: active.policy.rules().count(),
    }
}

async fn sessions(state: &State) -> Result<Answer, Failure> {
    let instance = state.gateway.shared.instance;
    let rows = state.gateway.store().ask(|store| store.sessions()).await.map_err(store_failed)?;
    let views: Vec<_> = rows
        .into_iter()
        .map(|row| SessionView {
            id: row.id.to_string(),
            principal: row.principal,
            target: row.target,
            source: row.source,
            client: row.client,
            opened: row.opened,
            here: row.instance == instance,
        })
        .collect();
    Ok(answer(&views))
}

async fn revoke(state: &State, asker: &Asker, revoke: Revoke) -> Result<Answer, Failure> {
    let subject = match (&revoke.session, &revoke.user) {
        (Some(session), None) => {
            let id = session.parse::<SessionId>();
            RevocationSubject::Session(id.map_err(|_| bad("a session's id is 16 hexadecimal digits"))?)
        }
        (None, Some(user)) => RevocationSubject::User(user.clone()),
        _ => return Err(bad("give exactly one of `session` and `user`")),
    };
    let store = state.gateway.store();
    let rows = store.ask(|store| store.sessions()).await.map_err(store_failed)?;
    let meant = rows.into_iter().filter(|row| match &subject {
        RevocationSubject::Session(id) => row.id == *id,
        RevocationSubject::User(user) => row.principal == *user,
        // Nobody orders this here: the rows don't say which token opened a session.
        RevocationSubject::Token(_) => false,
    });
    let sessions: Vec<_> = meant.map(|row| row.id.to_string()).collect();
    if sessions.is_empty() && revoke.session.is_some() {
        return Err(failure(StatusCode::NOT_FOUND, "there is no such session"));
    }
    let by = asker.name();
    let at = state.gateway.shared.clock.millis();
    let revocation = Revocation { subject, by, reason: revoke.reason, at };
    // Durable before it is acknowledged; every instance, this one too, finds it within its next look.
    store.ask(move |store| store.revoke(&revocation)).await.map_err(store_failed)?;
    Ok(answer(&Revoked { sessions }))
}

async fn reload(state: &State, asker: &Asker) -> Result<Answer, Failure> {
    let by = format!("operator (uid {})", asker.uid);
    match state.gateway.reload(&by).await {
        Ok(taken) => Ok(answer(&Reloaded {
            policy: policy_view(&taken.active),
            needs_restart: taken.left.iter().map(ToString::to_string).collect(),
        })),
        Err(error) => {
            let message =
                format!("nothing was changed, because the new configuration can't be used: {error}");
            Err(failure(StatusCode::UNPROCESSABLE_ENTITY, &message))
        }
    }
}

async fn approvals(state: &State, asker: &Asker, all: bool) -> Result<Answer, Failure> {
    let found = state.gateway.store().ask(move |store| store.approvals(!all)).await.map_err(store_failed)?;
    let mut views = Vec::with_capacity(found.len());
    for approval in found {
        if let Some(view) = view(state, asker, approval).await? {
            views.push(view);
        }
    }
    Ok(answer(&views))
}

async fn approval(state: &State, asker: &Asker, number: u64) -> Result<Answer, Failure> {
    let approval = find(state, number).await?;
    // Whoever may not see it learns no more than that.
    let view = view(state, asker, approval).await?.ok_or_else(no_such_approval)?;
    Ok(answer(&view))
}

async fn vote(state: &State, asker: &Asker, number: u64, request: VoteRequest) -> Result<Answer, Failure> {
    let Some(voter) = &asker.user else { return Err(no_such_approval()) };
    let approval = find(state, number).await?;
    if view(state, asker, approval.clone()).await?.is_none() {
        return Err(no_such_approval());
    }
    let standing = standing(state, voter, &approval).await?;
    let problem = match standing {
        _ if approval.state != ApprovalState::Pending => Some((
            StatusCode::CONFLICT,
            format!("approval {number} is over: it {}", approval.state.in_words()),
        )),
        Standing::OwnRequest => {
            let message = "nobody votes on their own request, nor on one of their other accounts or agents";
            Some((StatusCode::FORBIDDEN, message.to_owned()))
        }
        Standing::NotAReviewer => Some((
            StatusCode::FORBIDDEN,
            format!("{} is not among the reviewers of approval {number}", voter.id),
        )),
        Standing::Eligible if fingerprint(&approval) != request.fingerprint => {
            let message = format!("approval {number} has changed since you looked at it: look again");
            Some((StatusCode::CONFLICT, message))
        }
        Standing::Eligible => None,
    };
    record_vote(state, voter, &approval, &request, problem.as_ref().map(|(_, message)| message.as_str()))?;
    if let Some((status, message)) = problem {
        return Err(failure(status, &message));
    }
    let vote = Vote {
        voter: voter.id.to_string(),
        approve: request.approve,
        at: state.gateway.shared.clock.millis(),
        reason: request.reason,
        binding: approval.asked.binding,
        holds: approval.asked.holds,
    };
    let taken =
        state.gateway.store().ask(move |store| store.vote(number, &vote)).await.map_err(store_failed)?;
    if !taken {
        return Err(failure(StatusCode::CONFLICT, "you have voted already, or it is over"));
    }
    state.gateway.shared.changes.send_modify(|count| *count += 1);
    Ok(answer(&Voted { number }))
}

/// A vote is in evidence before it counts.
fn record_vote(
    state: &State,
    voter: &Principal,
    approval: &Approval,
    request: &VoteRequest,
    ignored: Option<&str>,
) -> Result<(), Failure> {
    let record = Record::Vote(VotedRecord {
        approval: approval.number.to_string().into(),
        voter: (&*voter.id).into(),
        vote: if request.approve { Way::Approve } else { Way::Refuse },
        via: "api".into(),
        binding: approval.asked.binding.into(),
        reason: Some(request.reason.as_str()).filter(|reason| !reason.is_empty()).map(Into::into),
        ignored: ignored.map(Into::into),
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
    let reviewer = match &asker.user {
        Some(user) => standing(state, user, &approval).await? == Standing::Eligible,
        None => false,
    };
    let own = asker.user.as_ref().is_some_and(|user| *user.id == *approval.asked.principal);
    if !(asker.operator || reviewer || own) {
        return Ok(None);
    }
    let fingerprint = fingerprint(&approval);
    let Approval { number, asked, state, decided_by, reason, votes, waiting } = approval;
    Ok(Some(ApprovalView {
        number,
        state: state.as_str().to_owned(),
        principal: asked.principal,
        session: asked.session.to_string(),
        target: asked.target,
        command: asked.shown,
        revealed: asked.revealed.filter(|_| reviewer),
        actions: asked.actions,
        holds: asked
            .holds
            .into_iter()
            .map(|hold| HoldView {
                rule: hold.rule,
                quorum: hold.quorum,
                watchers: hold.watchers,
                needs: hold.needs,
            })
            .collect(),
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

/// Whether a user may vote, by the policy in force: on one of the holds at least, and on none of them as a party.
async fn standing(state: &State, user: &Principal, approval: &Approval) -> Result<Standing, Failure> {
    let asked = &approval.asked;
    let mut requester = Principal::human(asked.principal.as_str(), [] as [&str; 0]);
    requester.kind = asked.kind;
    requester.person = asked.person.as_deref().map(Into::into);
    requester.owner = asked.owner.as_deref().map(Into::into);
    let owner = match &asked.owner {
        Some(owner) => state.gateway.identity().current(owner).await.map_err(|error| {
            tracing::error!(%error, "an agent's owner can't be looked up");
            failure(StatusCode::SERVICE_UNAVAILABLE, "users can't be looked up: see the gateway's log")
        })?,
        None => None,
    };
    let petition = Petition {
        requester: &requester,
        owner: owner.as_ref(),
        opened: asked.created.div_euclid(1000),
        justification: asked.justification.as_deref(),
    };
    let active = state.gateway.policies().current();
    let mut best = Standing::NotAReviewer;
    for hold in &asked.holds {
        let found = hold.key().and_then(|key| active.policy.hold(&key));
        match found.and_then(|rule| active.policy.standing(rule, &petition, user)) {
            Some(Standing::OwnRequest) => return Ok(Standing::OwnRequest),
            Some(Standing::Eligible) => best = Standing::Eligible,
            Some(Standing::NotAReviewer) | None => {}
        }
    }
    Ok(best)
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

async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Failure> {
    let body = Limited::new(request.into_body(), BODY_BYTES).collect().await;
    let body = body.map_err(|_| bad("the body can't be read, or is longer than 65,536 bytes"))?.to_bytes();
    serde_json::from_slice(&body)
        .map_err(|error| bad(&format!("the body is not what this request takes: {error}")))
}

pub(super) fn answer(value: &impl Serialize) -> Answer {
    respond(StatusCode::OK, value)
}

fn bad(message: &str) -> Failure {
    failure(StatusCode::BAD_REQUEST, message)
}

fn no_such_approval() -> Failure {
    failure(StatusCode::NOT_FOUND, "there is no such approval, or it is not yours to see")
}

pub(super) fn store_failed(error: StoreError) -> Failure {
    tracing::error!(%error, "the store failed a control request");
    failure(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
}

pub(super) fn failure(status: StatusCode, message: &str) -> Failure {
    Failure { status, message: message.to_owned() }
}

fn respond(status: StatusCode, value: &impl Serialize) -> Answer {
    let (status, body) = match serde_json::to_vec(value) {
        Ok(body) => (status, body),
        Err(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, b"{\"error\":\"the answer can't be written\"}".to_vec())
        }
    };
    let mut response = Response::new(Content::Whole(Full::new(Bytes::from(body))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    response
}
