//! A refusal in the protocol's own words: a status and `application/problem+json` (RFC 9457).

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use portcullis_gateway::enforce::{Refusal, RefusalKind};
use serde_json::json;

use crate::exchange::Body;

/// A problem for whoever sent the request.
pub(crate) fn problem(status: StatusCode, title: &str, detail: &str) -> Response<Body> {
    answer(status, &json!({ "status": status.as_u16(), "title": title, "detail": detail }))
}

/// What the policy, or the gateway, decided.
pub(crate) fn refused(refusal: &Refusal) -> Response<Body> {
    let (status, title) = match refusal.kind {
        RefusalKind::Forbidden | RefusalKind::NotPermitted => (StatusCode::FORBIDDEN, "denied by policy"),
        RefusalKind::Disapproved => (StatusCode::FORBIDDEN, "refused by a reviewer"),
        RefusalKind::Expired => (StatusCode::FORBIDDEN, "not approved in time"),
        RefusalKind::LimitReached => (StatusCode::TOO_MANY_REQUESTS, "a limit is reached"),
        RefusalKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "the gateway can't do its part"),
        RefusalKind::Stopped => (StatusCode::FORBIDDEN, "the session was ended"),
    };
    let mut problem = json!({
        "status": status.as_u16(),
        "title": title,
        "detail": refusal.message,
        "way_out": refusal.hint,
    });
    if let (Some(rule), Some(fields)) = (&refusal.rule, problem.as_object_mut()) {
        fields.insert("rule".to_owned(), json!(rule));
    }
    answer(status, &problem)
}

/// Nobody has been proven yet.
pub(crate) fn unproven(detail: &str) -> Response<Body> {
    let mut response = problem(StatusCode::UNAUTHORIZED, "who is there?", detail);
    // A field each: not every client takes a list apart.
    for challenge in ["Bearer realm=\"Portcullis\"", "Basic realm=\"Portcullis\", charset=\"UTF-8\""] {
        response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

fn answer(status: StatusCode, problem: &serde_json::Value) -> Response<Body> {
    let text = format!("{problem:#}\n");
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
