//! Who may ask for what.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::header::AUTHORIZATION;
use hyper::{HeaderMap, Method, StatusCode};
use policy_core::Principal;
use zeroize::Zeroizing;

use super::handle::{Failure, State, failure};
use crate::session::SessionId;

/// One who asks, as far as proven.
#[derive(Debug)]
pub(super) struct Asker {
    /// The peer's user id.
    pub(super) uid: u32,
    /// Whether that is the gateway's own, or root's.
    pub(super) operator: bool,
    /// The local user whose password was given.
    pub(super) user: Option<Principal>,
}

impl Asker {
    /// Who it is, for evidence and for those whose sessions end.
    pub(super) fn name(&self) -> String {
        self.user.as_ref().map_or_else(|| format!("operator (uid {})", self.uid), |user| user.id.to_string())
    }
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Status,
    Sessions,
    Revoke,
    Reload,
    Approvals,
    Approval(u64),
    Vote(u64),
    Watch(SessionId),
    End(SessionId),
}

/// Who may ask for an endpoint at all; approvals and watches then look closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Operator,
    OperatorOrUser,
    User,
}

impl Endpoint {
    /// The endpoint of a request, or the status of there being none.
    pub(super) fn find(method: &Method, path: &str) -> Result<Self, StatusCode> {
        let mut segments = path.strip_prefix("/v1/").ok_or(StatusCode::NOT_FOUND)?.split('/');
        let segments = [segments.next(), segments.next(), segments.next(), segments.next()];
        let session = |text: &str| text.parse().map_err(|_| StatusCode::NOT_FOUND);
        let number = |text: &str| text.parse().map_err(|_| StatusCode::NOT_FOUND);
        let (endpoint, allowed) = match segments {
            [Some("status"), None, ..] => (Self::Status, Method::GET),
            [Some("sessions"), None, ..] => (Self::Sessions, Method::GET),
            [Some("sessions"), Some(id), Some("watch"), None] => (Self::Watch(session(id)?), Method::GET),
            [Some("sessions"), Some(id), Some("end"), None] => (Self::End(session(id)?), Method::POST),
            [Some("revoke"), None, ..] => (Self::Revoke, Method::POST),
            [Some("reload"), None, ..] => (Self::Reload, Method::POST),
            [Some("approvals"), None, ..] => (Self::Approvals, Method::GET),
            [Some("approvals"), Some(n), None, _] => (Self::Approval(number(n)?), Method::GET),
            [Some("approvals"), Some(n), Some("vote"), None] => (Self::Vote(number(n)?), Method::POST),
            _ => return Err(StatusCode::NOT_FOUND),
        };
        if *method == allowed { Ok(endpoint) } else { Err(StatusCode::METHOD_NOT_ALLOWED) }
    }

    const fn need(self) -> Need {
        match self {
            Self::Status | Self::Sessions | Self::Revoke | Self::Reload => Need::Operator,
            Self::Approvals | Self::Approval(_) | Self::Watch(_) | Self::End(_) => Need::OperatorOrUser,
            Self::Vote(_) => Need::User,
        }
    }

    /// Whether this one may ask for it.
    pub(super) fn admits(self, asker: &Asker) -> Result<(), Failure> {
        let admitted = match self.need() {
            Need::Operator => asker.operator,
            Need::OperatorOrUser => asker.operator || asker.user.is_some(),
            Need::User => asker.user.is_some(),
        };
        if admitted {
            return Ok(());
        }
        Err(match self.need() {
            Need::Operator => failure(
                StatusCode::FORBIDDEN,
                "only an operator may do this: run it as the gateway's own user, or as root",
            ),
            Need::OperatorOrUser | Need::User => {
                failure(StatusCode::UNAUTHORIZED, "give the name and password of a local user")
            }
        })
    }
}

/// Finds out who asks.
pub(super) async fn identify(state: &State, uid: u32, headers: &HeaderMap) -> Result<Asker, Failure> {
    let operator = state.is_operator(uid);
    let Some(header) = headers.get(AUTHORIZATION) else { return Ok(Asker { uid, operator, user: None }) };
    let malformed =
        || failure(StatusCode::BAD_REQUEST, "the Authorization header is not HTTP basic authentication");
    let header = header.to_str().map_err(|_| malformed())?.strip_prefix("Basic ").ok_or_else(malformed)?;
    let decoded = Zeroizing::new(BASE64.decode(header).map_err(|_| malformed())?);
    let text = std::str::from_utf8(&decoded).map_err(|_| malformed())?;
    let (name, password) = text.split_once(':').ok_or_else(malformed)?;

    let now = state.gateway.shared.clock.millis();
    if let Some(wait) = state.guesses().wait(uid, name, now) {
        let message = format!("too many wrong passwords: try again in {} seconds", wait.as_secs() + 1);
        return Err(failure(StatusCode::TOO_MANY_REQUESTS, &message));
    }
    let claim = state.gateway.identity().claim(name).await.map_err(|error| {
        tracing::error!(%error, "a local user can't be looked up");
        failure(StatusCode::SERVICE_UNAVAILABLE, "users can't be looked up: see the gateway's log")
    })?;
    match claim.prove_by_password(password) {
        Some(principal) => {
            state.guesses().succeeded(uid, name);
            Ok(Asker { uid, operator, user: Some(principal) })
        }
        None => {
            state.guesses().failed(uid, name, now);
            tracing::warn!(uid, name, "a wrong password on the control socket");
            Err(failure(StatusCode::UNAUTHORIZED, "the name or the password is wrong"))
        }
    }
}
