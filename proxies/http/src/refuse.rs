//! A refusal in the words of whoever is refused: a problem (RFC 9457), a `Status` of Kubernetes, a status of gRPC, an error of
//! JSON-RPC.

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use policy_normalize::mcp;
use portcullis_gateway::enforce::{Refusal, RefusalKind};
use portcullis_gateway::throttle::Full;
use serde_json::{Value, json};

use crate::body::{Body, whole};
use crate::request::media_type;

/// What whoever must wait is told.
const TRY_LATER: &str = "try again later";

/// What `grpc-message` spells as escapes.
const UNWRITABLE: &AsciiSet = &CONTROLS.add(b'%');

/// In whose words a request is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Words {
    /// `application/problem+json`.
    #[default]
    Problem,
    /// gRPC's: `grpc-status` and `grpc-message`.
    Grpc,
    /// Kubernetes' own: what `kubectl` shows as an error from the server.
    Status,
    /// JSON-RPC's, for each request of a message that has an id (as a JSON text); in a batch, where it came in one.
    JsonRpc { ids: Vec<String>, batch: bool },
}

impl Words {
    /// Those of a client that sends these fields, before it is known what they are sent to.
    pub(crate) fn of(fields: &HeaderMap) -> Self {
        let is_call = media_type(fields.get(CONTENT_TYPE)).starts_with("application/grpc");
        if is_call { Self::Grpc } else { Self::Problem }
    }

    /// What the policy, or the gateway, decided.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Response<Body> {
        let (status, title) = match refusal.kind {
            RefusalKind::Forbidden | RefusalKind::NotPermitted => (StatusCode::FORBIDDEN, "denied by policy"),
            RefusalKind::Disapproved => (StatusCode::FORBIDDEN, "refused by a reviewer"),
            RefusalKind::Expired => (StatusCode::FORBIDDEN, "not approved in time"),
            RefusalKind::Pending { .. } => (StatusCode::FORBIDDEN, "held for approval"),
            RefusalKind::Spent => (StatusCode::FORBIDDEN, "its approval was used"),
            RefusalKind::LimitReached => (StatusCode::TOO_MANY_REQUESTS, "a limit is reached"),
            RefusalKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "the gateway can't do its part"),
            RefusalKind::Stopped => (StatusCode::FORBIDDEN, "the session was ended"),
        };
        let mut way_out = refusal.hint.to_string();
        if matches!(refusal.kind, RefusalKind::Forbidden | RefusalKind::NotPermitted)
            && matches!(self, Self::JsonRpc { .. })
        {
            // An agent asks for them as it is.
            way_out.push_str("; what you may use is in the server's lists");
        }
        let told = Told {
            way_out: Some(&way_out),
            rule: refusal.rule.as_deref(),
            ..Told::new(status, title, &refusal.message)
        };
        let RefusalKind::Pending { approval } = refusal.kind else {
            return self.say(&told, mcp::DENIED).map(whole);
        };
        let retry = Some("the identical request, once it is approved");
        self.say(&Told { approval: Some(approval), retry, ..told }, mcp::HELD).map(whole)
    }

    /// What went wrong with a request that was permitted.
    pub(crate) fn failed(&self, status: StatusCode, title: &str, detail: &str) -> Response<Body> {
        self.say(&Told::new(status, title, detail), mcp::INTERNAL).map(whole)
    }

    /// What kept a request from being judged.
    pub(crate) fn problem(&self, status: StatusCode, title: &str, detail: &str) -> Response<Body> {
        self.not_judged(status, title, detail).map(whole)
    }

    fn not_judged(&self, status: StatusCode, title: &str, detail: &str) -> Response<String> {
        self.say(&Told::new(status, title, detail), mcp::DENIED)
    }

    fn say(&self, told: &Told<'_>, code: i64) -> Response<String> {
        match self {
            Self::Problem => answer(told.status, "application/problem+json", &told.problem()),
            Self::Status => answer(told.status, "application/json", &told.kubernetes()),
            Self::Grpc => told.grpc(),
            Self::JsonRpc { ids, .. } if ids.is_empty() => Self::Problem.say(told, code),
            Self::JsonRpc { ids, batch } => {
                let Told { rule, way_out, approval, retry, .. } = *told;
                let denial = mcp::Denial { rule, way_out, approval, retry };
                // Many clients show their model nothing but the message.
                let message = told.line();
                let each: Vec<String> =
                    ids.iter().map(|id| mcp::error(Some(id), code, &message, &denial)).collect();
                let text = if *batch { format!("[{}]", each.join(",")) } else { each.concat() };
                // The answer to a call that was understood: that it is an error is said in it.
                text_answer(StatusCode::OK, "application/json", text)
            }
        }
    }
}

/// What there is to say.
struct Told<'a> {
    status: StatusCode,
    title: &'a str,
    detail: &'a str,
    way_out: Option<&'a str>,
    rule: Option<&'a str>,
    /// The number of an approval that is waited for, and what is to be sent once it is there.
    approval: Option<u64>,
    retry: Option<&'a str>,
}

impl<'a> Told<'a> {
    const fn new(status: StatusCode, title: &'a str, detail: &'a str) -> Self {
        Self { status, title, detail, way_out: None, rule: None, approval: None, retry: None }
    }

    /// All that a person needs, in one line.
    fn line(&self) -> String {
        let way_out = self.way_out.map(|way_out| format!(" ({way_out})")).unwrap_or_default();
        format!("{}: {}{way_out}", self.title, self.detail)
    }

    /// What programs go by, each with its name.
    fn named(&self) -> impl Iterator<Item = (&'static str, String)> {
        let named = [
            ("rule", self.rule.map(str::to_owned)),
            ("approval", self.approval.map(|approval| approval.to_string())),
            ("retry", self.retry.map(str::to_owned)),
        ];
        named.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    fn problem(&self) -> Value {
        let mut problem =
            json!({ "status": self.status.as_u16(), "title": self.title, "detail": self.detail });
        if let Some(fields) = problem.as_object_mut() {
            let more = [
                ("way_out", self.way_out.map(Value::from)),
                ("rule", self.rule.map(Value::from)),
                ("approval", self.approval.map(Value::from)),
                ("retry", self.retry.map(Value::from)),
            ];
            fields.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        problem
    }

    /// An answer of trailers alone, which come as its fields.
    /// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
    fn grpc(&self) -> Response<String> {
        let mut response = Response::new(String::new());
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        fields.insert("grpc-status", HeaderValue::from(grpc_code(self.status)));
        let said = self.named().map(|(name, value)| (format!("portcullis-{name}"), value));
        for (name, value) in said.chain([("grpc-message".to_owned(), self.line())]) {
            let value = utf8_percent_encode(&value, UNWRITABLE).to_string();
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                fields.insert(name, value);
            }
        }
        response
    }

    /// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>
    fn kubernetes(&self) -> Value {
        let reason = match self.status {
            StatusCode::BAD_REQUEST => "BadRequest",
            StatusCode::UNAUTHORIZED => "Unauthorized",
            StatusCode::FORBIDDEN => "Forbidden",
            StatusCode::NOT_FOUND => "NotFound",
            StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
            StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
            _ => "InternalError",
        };
        let cause = |(name, message): (&str, String)| json!({ "reason": format!("Portcullis-{name}"), "message": message });
        let causes: Vec<Value> = self.named().map(cause).collect();
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.line(),
            "reason": reason, "code": self.status.as_u16(),
            "details": { "causes": causes },
        })
    }
}

/// The code of gRPC that clients take for such a status; a limit of a policy is not of the kind that they ask again for at once,
/// and only what may come out otherwise then is `UNAVAILABLE`, which they do ask again for.
/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
const fn grpc_code(status: StatusCode) -> u16 {
    match status {
        StatusCode::FORBIDDEN => 7,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::PAYLOAD_TOO_LARGE => 8,
        StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED => 12,
        StatusCode::BAD_REQUEST => 13,
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => 14,
        StatusCode::UNAUTHORIZED => 16,
        _ => 2,
    }
}

/// Nobody has been proven yet.
pub(crate) fn unproven(words: &Words, detail: &str) -> Response<Body> {
    let mut response = words.problem(StatusCode::UNAUTHORIZED, "who is there?", detail);
    // A field each: not every client takes a list apart.
    for challenge in ["Bearer realm=\"Portcullis\"", "Basic realm=\"Portcullis\", charset=\"UTF-8\""] {
        response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

/// There is no place, or no try is left. What may be tried again says when (RFC 9110, section 10.2.3).
pub(crate) fn crowded(words: &Words, full: Full) -> Response<String> {
    let status = match full {
        Full::Failures => StatusCode::TOO_MANY_REQUESTS,
        Full::Connections => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = words.not_judged(status, TRY_LATER, &full.to_string());
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(full.retry_after().as_secs()));
    response
}

/// A last answer as HTTP/1.1 in the clear, for a connection that is not let in.
pub(crate) fn at_the_door(response: &Response<String>) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let content = response.body();
    let rest = format!("connection: close\r\ncontent-length: {}\r\n\r\n{content}", content.len());
    bytes.extend(rest.into_bytes());
    bytes
}

fn answer(status: StatusCode, media_type: &'static str, content: &Value) -> Response<String> {
    text_answer(status, media_type, format!("{content:#}\n"))
}

fn text_answer(status: StatusCode, media_type: &'static str, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_grpc_ask_again_where_that_may_help() {
        for (status, code) in [
            (400, 13),
            (401, 16),
            (403, 7),
            (404, 12),
            (405, 2),
            (408, 14),
            (413, 8),
            (421, 2),
            (429, 8),
            (500, 2),
            (501, 12),
            (502, 14),
            (503, 14),
            (504, 14),
        ] {
            assert_eq!(StatusCode::from_u16(status).map(grpc_code).ok(), Some(code), "{status}");
        }
    }

    #[test]
    fn whoever_is_not_let_in_is_told_in_the_clear() {
        for (full, expected) in
            [(Full::Failures, "429 Too Many Requests"), (Full::Connections, "503 Service Unavailable")]
        {
            let told = String::from_utf8(at_the_door(&crowded(&Words::Problem, full))).expect("a text");
            let (head, content) = told.split_once("\r\n\r\n").expect("a head and a body");
            let expected = format!(
                "HTTP/1.1 {expected}\r\ncontent-type: application/problem+json\r\nretry-after: 60\r\n\
                connection: close\r\ncontent-length: {}",
                content.len()
            );
            assert_eq!(head, expected);
            let problem: Value = serde_json::from_str(content).expect("a problem");
            assert_eq!(problem.get("detail"), Some(&json!(full.to_string())));
        }
    }
}
