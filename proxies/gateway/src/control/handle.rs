//! What each endpoint does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::access::{Asker, Endpoint, identify};
use super::approvals::{approval, approvals};
use super::guesses::Guesses;
use super::views::{PolicyView, Problem, Reloaded, Revoke, Revoked, SessionView, Status};
use super::votes::vote;
use super::watch::{self, Content, WATCHES, watchable};
use crate::enforce::Gateway;
use crate::policies::Active;
use crate::session::SessionId;
use crate::store::{Revocation, RevocationSubject, StoreError};

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
