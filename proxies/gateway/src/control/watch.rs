//! Watching a live session, and ending it: who may, and the stream that they get.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use policy_core::approval::Standing;
use policy_core::{ActionSet, Principal, Request};
use portcullis_evidence::record::{WatchBegan, WatchEnded};
use portcullis_evidence::{Record, Scope};
use tokio::sync::OwnedSemaphorePermit;

use super::access::Asker;
use super::handle::{Answer, Failure, State, answer, failure, store_failed};
use super::views::{End, Revoked, Told};
use crate::audience::Attendance;
use crate::enforce::Gateway;
use crate::session::{Entry, SessionId};
use crate::store::{Revocation, RevocationSubject};

/// Watches at a time, of all sessions: half of the places for connections stay free for everything else.
pub(super) const WATCHES: usize = 32;
/// How often it is asked whether a watcher still may.
const LOOK: Duration = Duration::from_secs(2);

/// Begins a watch: recorded before anything is shown.
pub(super) fn watch(state: &State, asker: &Asker, entry: Arc<Entry>) -> Result<Answer, Failure> {
    let place = Arc::clone(&state.watches).try_acquire_owned().map_err(|_| {
        failure(StatusCode::SERVICE_UNAVAILABLE, &format!("{WATCHES} people are watching sessions already"))
    })?;
    let account = asker.user.as_ref().map(|user| &*user.id);
    let mut attendance = entry.audience.attend(account).ok_or_else(no_such_session)?;
    attendance.begin_with(&Told::Session {
        id: entry.id.to_string(),
        principal: entry.principal.id.to_string(),
        target: entry.target.name.to_string(),
        protocol: entry.target.protocol.to_string(),
        source: entry.source.map(|source| source.to_string()),
        client: entry.client.to_string(),
        opened: entry.opened,
        watchers: entry.audience.accounts().iter().map(ToString::to_string).collect(),
    });
    let watcher = asker.name();
    let scope = Scope::session(&entry.id.to_string(), &entry.principal.id, &entry.target.name);
    let record = Record::WatchBegan(WatchBegan {
        watch: attendance.number(),
        watcher: watcher.as_str().into(),
        via: "api".into(),
    });
    state.gateway.log().append_one(&scope, &record).map_err(|error| {
        tracing::error!(%error, "a watch could not be recorded");
        failure(StatusCode::SERVICE_UNAVAILABLE, "the watch can't be recorded, so nothing is shown")
    })?;
    if let Some(user) = &asker.user {
        let kept = Kept { gateway: state.gateway.clone(), entry, user: user.id.clone() };
        tokio::spawn(kept.look_after(attendance.number(), asker.operator));
    }
    let body = WatchBody { attendance, watcher, scope, gateway: state.gateway.clone(), _place: place };
    let mut response = Response::new(Content::Watch(Box::new(body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A connection that has watched has had its time.
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(response)
}

/// Ends the session in the asker's name.
pub(super) async fn end(state: &State, asker: &Asker, entry: &Entry, end: End) -> Result<Answer, Failure> {
    let by = asker.name();
    let at = state.gateway.shared.clock.millis();
    let subject = RevocationSubject::Session(entry.id);
    let revocation = Revocation { subject, by, reason: end.reason, at };
    state.gateway.store().ask(move |store| store.revoke(&revocation)).await.map_err(store_failed)?;
    Ok(answer(&Revoked { sessions: vec![entry.id.to_string()] }))
}

/// The session, if this one may watch it: an operator, or who reviews commands of such sessions. Never their own.
pub(super) async fn watchable(state: &State, asker: &Asker, id: SessionId) -> Result<Arc<Entry>, Failure> {
    let entry = state.gateway.sessions().get(id);
    let Some(user) = &asker.user else {
        return entry.filter(|_| asker.operator).ok_or_else(no_such_session);
    };
    let Some(entry) = entry else { return Err(no_such_session()) };
    match standing(&state.gateway, &entry, user).await? {
        Standing::Eligible => Ok(entry),
        Standing::OwnRequest => Err(failure(
            StatusCode::FORBIDDEN,
            "nobody watches their own session, nor that of one of their other accounts or agents",
        )),
        Standing::NotAReviewer if asker.operator => Ok(entry),
        // Whoever may not watch it learns no more than that.
        Standing::NotAReviewer => Err(no_such_session()),
    }
}

async fn standing(gateway: &Gateway, entry: &Entry, user: &Principal) -> Result<Standing, Failure> {
    let owner = match entry.principal.owner.as_deref() {
        Some(owner) => gateway.identity().current(owner).await.map_err(|error| {
            tracing::error!(%error, "an agent's owner can't be looked up");
            failure(StatusCode::SERVICE_UNAVAILABLE, "users can't be looked up: see the gateway's log")
        })?,
        None => None,
    };
    let request = Request {
        principal: &entry.principal,
        target: &entry.target,
        actions: &ActionSet::noop(),
        source: entry.source,
        now: Some(gateway.shared.clock.seconds()),
        grants: &[],
    };
    Ok(gateway.policies().current().policy.may_watch(&request, owner.as_ref(), user))
}

fn no_such_session() -> Failure {
    failure(StatusCode::NOT_FOUND, "this gateway carries no such session, or it is not yours to watch")
}

/// A watch that is looked after: accounts and policies change while it lasts.
struct Kept {
    gateway: Gateway,
    entry: Arc<Entry>,
    user: Box<str>,
}

impl Kept {
    async fn look_after(self, number: u64, operator: bool) {
        let mut policies = self.gateway.policies().changes();
        while self.entry.audience.has(number) {
            if !self.still_may(operator).await {
                self.entry.audience.dismiss(number, "you may not watch it any more");
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = policies.changed() => {}
            }
        }
    }

    async fn still_may(&self, operator: bool) -> bool {
        let Ok(Some(user)) = self.gateway.identity().current(&self.user).await else { return false };
        match standing(&self.gateway, &self.entry, &user).await {
            Ok(Standing::Eligible) => true,
            Ok(Standing::NotAReviewer) => operator,
            Ok(Standing::OwnRequest) | Err(_) => false,
        }
    }
}

/// What a response says: one document, or what happens as it happens.
pub(super) enum Content {
    Whole(Full<Bytes>),
    Watch(Box<WatchBody>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(cx),
            Self::Watch(watch) => {
                watch.attendance.poll_line(cx).map(|line| line.map(|line| Ok(Frame::data(line))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Watch(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Watch(_) => SizeHint::default(),
        }
    }
}

/// A watch, on its way to the watcher; its end is recorded when the connection lets go of it.
pub(super) struct WatchBody {
    attendance: Attendance,
    watcher: String,
    scope: Scope,
    gateway: Gateway,
    _place: OwnedSemaphorePermit,
}

impl Drop for WatchBody {
    fn drop(&mut self) {
        let record = Record::WatchEnded(WatchEnded {
            watch: self.attendance.number(),
            watcher: self.watcher.as_str().into(),
            reason: self.attendance.why().into(),
            events: self.attendance.events(),
            micros: u64::try_from(self.attendance.lasted().as_micros()).unwrap_or(u64::MAX),
        });
        if let Err(error) = self.gateway.log().append_one(&self.scope, &record) {
            tracing::error!(%error, "the end of a watch could not be recorded");
        }
    }
}
