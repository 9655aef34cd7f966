//! One request: judged, held, sent on with its permit; and its answer, masked and counted.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue,
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE, UPGRADE,
};
use hyper::http::request::Parts as Head;
use hyper::{Request, Response, StatusCode};
use policy_core::mask::{Detectors, MaskKey, StreamMasker};
use policy_core::rule::LimitUnit;
use policy_core::{ActionSet, Protocol};
use policy_normalize::http::{self, Fields, Parts};
use portcullis_gateway::enforce::{
    Asked as Question, Judgement, Outcome, Permit, Receipt, Stage, StatementParts,
};

use crate::connect::Way;
use crate::fields;
use crate::login::{self, Refused};
use crate::refuse::{problem, refused, unproven};
use crate::request::Asked;
use crate::visit::{Open, Visit};

/// Whatever went wrong while a body was carried.
pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;
/// A body, in either direction.
pub(crate) type Body = UnsyncBoxBody<Bytes, Fault>;

/// Headers of a request that ask for less than the whole: what is masked can't be compared or cut.
const IN_PART: [HeaderName; 6] =
    [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
/// Headers of an answer that describe its bytes.
const OF_BYTES: [&str; 6] =
    ["content-length", "etag", "content-md5", "digest", "content-digest", "accept-ranges"];

/// Answers a request.
pub(crate) async fn answer(visit: Arc<Visit>, request: Request<Incoming>) -> Response<Body> {
    exchange(&visit, request).await.unwrap_or_else(|refusal| *refusal)
}

/// An answer of the gateway's own.
type Turned = Box<Response<Body>>;

async fn exchange(visit: &Visit, request: Request<Incoming>) -> Result<Response<Body>, Turned> {
    let turn = |status, title: &str, detail: &str| Box::new(problem(status, title, detail));
    let asked = Asked::read(&request)
        .map_err(|unfit| turn(unfit.status, "the request can't be judged", unfit.why))?;
    if request.headers().contains_key(UPGRADE) {
        return Err(turn(StatusCode::NOT_IMPLEMENTED, "not offered", "no other protocol is spoken here"));
    }
    // No certificate: the connection is not encrypted.
    let who = match login::shown(request.headers(), None) {
        Ok(shown) => visit.who(shown).await,
        Err(refused) => Err(refused),
    };
    let who = who.map_err(|refused| match &refused {
        Refused::Identity(error) => {
            tracing::error!(%error, "an account could not be looked up: nobody is let in");
            turn(StatusCode::SERVICE_UNAVAILABLE, "accounts can't be looked up", "try again later")
        }
        Refused::Absent | Refused::Unproven => Box::new(unproven(&refused.to_string())),
    })?;
    // Who is not let in does not learn which hosts there are.
    let way = visit.settings.ways.get(asked.host()).ok_or_else(|| {
        turn(StatusCode::NOT_FOUND, "no such target", "no target has the host that was asked for")
    })?;
    let open = visit.session(&who, way).await.map_err(|refusal| Box::new(refused(&refusal)))?;

    let (head, body) = request.into_parts();
    let (permit, body) = admitted(visit, &open, &asked, &head, Taken::Nothing(body)).await?;
    let judged = Arc::clone(permit.judged());
    let detectors = way.finders.of(Some(&judged)).map_err(|error| {
        turn(StatusCode::SERVICE_UNAVAILABLE, "the gateway can't do its part", &error.to_string())
    })?;
    let request = forwarded(head, &asked, way, detectors.is_some(), body)
        .map_err(|why| turn(StatusCode::BAD_REQUEST, "the request can't be sent on", why))?;
    let (receipt, sent) = tokio::select! {
        biased;
        reason = open.stop.wait() => return Err(turn(StatusCode::FORBIDDEN, "the session was ended", &reason.to_string())),
        sent = way.send(permit, request) => sent,
    };
    let response = match sent {
        Ok(response) => response,
        Err(error) => {
            tracing::warn!(target = &*way.config.subject.name, %error, "a target could not be asked");
            receipt.outcome(Outcome { error: Some("the target did not answer"), ..Outcome::default() });
            return Err(turn(
                StatusCode::BAD_GATEWAY,
                "the target did not answer",
                "try again, or ask its operator",
            ));
        }
    };
    answered(visit, open, receipt, detectors, response)
}

/// What of a request's body is here.
enum Taken {
    /// None of it was read.
    Nothing(Incoming),
    /// All of it.
    All(Bytes),
    /// More than is read: what was, and the rest.
    Much(Bytes, Incoming),
}

impl Taken {
    /// Reads what was not read yet, up to a bound.
    async fn read(self, most: usize) -> Result<Self, hyper::Error> {
        let Self::Nothing(mut body) = self else { return Ok(self) };
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            // Trailers say nothing that is judged, and are not sent on.
            let Ok(data) = frame?.into_data() else { continue };
            bytes.extend_from_slice(&data);
            if bytes.len() > most {
                return Ok(Self::Much(bytes.freeze(), body));
            }
        }
        Ok(Self::All(bytes.freeze()))
    }

    fn send(self) -> Body {
        let whole = |bytes| Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
        match self {
            Self::Nothing(body) => body.map_err(Into::into).boxed_unsync(),
            Self::All(bytes) => whole(bytes),
            Self::Much(bytes, rest) => {
                let first = Some(Ok::<_, Fault>(Frame::data(bytes)));
                let stream = futures_util::stream::unfold((first, rest), |(first, mut rest)| async move {
                    let next = match first {
                        Some(first) => first,
                        None => rest.frame().await?.map_err(Into::into),
                    };
                    Some((next, (None, rest)))
                });
                StreamBody::new(stream).boxed_unsync()
            }
        }
    }
}

/// Judges the request to the end: what comes back may be sent.
async fn admitted(
    visit: &Visit,
    open: &Open,
    asked: &Asked,
    head: &Head,
    body: Taken,
) -> Result<(Permit, Body), Turned> {
    let unread = |_| {
        let detail = "its body ended before it was whole";
        Box::new(problem(StatusCode::BAD_REQUEST, "the request can't be judged", detail))
    };
    let most = visit.settings.body_bytes;
    let fields = Fields::of(&visit.gateway.policies().current().policy);
    let has_body = asked.size != Some(0);
    let mut body = if has_body && fields.need_body() { body.read(most).await.map_err(unread)? } else { body };
    loop {
        let refuse = |refusal| Box::new(refused(&refusal));
        let (actions, read) = actions(asked, head, &fields, &body);
        let text = format!("{} {}{}", head.method, asked.authority, asked.target.sent);
        let statement = visit
            .gateway
            .statement(StatementParts {
                protocol: &Protocol::HTTP,
                raw: &text,
                shown: &text,
                actions: &Arc::new(actions),
                // An approval is for this body only.
                definitions: read,
            })
            .map_err(refuse)?;
        let question = Question {
            statement: &statement,
            stage: Stage::Execute,
            via: "request",
            parameters: &[],
            in_transaction: false,
            settings: &[],
            justification: None,
        };
        // Its own statement: the guard of the session must not outlive the judging.
        let judgement = open.session.lock().await.judge(&question).await;
        let mut held = match judgement {
            Judgement::Admit(permit) => return Ok((permit, body.send())),
            Judgement::Refuse(refusal) => return Err(refuse(refusal)),
            Judgement::Hold(held) => held,
        };
        if has_body && matches!(body, Taken::Nothing(_)) {
            // What is approved is known to the last byte.
            drop(held);
            body = body.read(most).await.map_err(unread)?;
            continue;
        }
        if matches!(body, Taken::Much(..)) {
            let detail = "a body of this length can't be held for approval";
            return Err(Box::new(problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the request can't be held",
                detail,
            )));
        }
        held.open().await.map_err(refuse)?;
        let released = held.wait().await.map_err(refuse)?;
        return Ok((released.permit, body.send()));
    }
}

/// What the request does, and what of its body that was told from.
fn actions<'b>(asked: &Asked, head: &Head, fields: &Fields, body: &'b Taken) -> (ActionSet, &'b [u8]) {
    let read = match body {
        Taken::All(bytes) => Some(http::Body::read(&asked.media_type, bytes)),
        Taken::Nothing(_) if asked.size == Some(0) => Some(Ok(http::Body::None)),
        Taken::Nothing(_) => None,
        Taken::Much(bytes, _) => return (ActionSet::unknown(), bytes),
    };
    let bytes: &[u8] = if let Taken::All(bytes) = body { bytes } else { &[] };
    let read = match read {
        Some(Err(_)) => return (ActionSet::unknown(), bytes),
        Some(Ok(read)) => Some(read),
        None => None,
    };
    let pairs: Vec<(&str, &str)> =
        head.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    if pairs.len() < head.headers.len() {
        // A field that is not text.
        return (ActionSet::unknown(), bytes);
    }
    let parts = Parts {
        method: head.method.as_str(),
        upgrade: false,
        host: asked.host(),
        target: &asked.target,
        headers: &pairs,
        media_type: &asked.media_type,
        size: asked.size,
        body: read.as_ref(),
    };
    (http::action(&parts, fields), bytes)
}

/// The request as the target gets it: written anew from what was judged.
fn forwarded(
    head: Head,
    asked: &Asked,
    way: &Way,
    is_looked_through: bool,
    body: Body,
) -> Result<Request<Body>, &'static str> {
    let mut headers = head.headers;
    fields::strip_connection(&mut headers).map_err(|_| "`connection` names no fields")?;
    fields::strip_client(&mut headers);
    headers.remove(EXPECT);
    headers.remove(CONTENT_LENGTH);
    let host = HeaderValue::from_str(&asked.authority).map_err(|_| "`host` is no name of a host")?;
    headers.insert(HOST, host);
    if let Some(credential) = &way.credential {
        fields::inject(&mut headers, credential);
    }
    if is_looked_through {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        IN_PART.iter().for_each(|name| drop(headers.remove(name)));
    }
    let mut request = Request::builder()
        .method(head.method)
        .uri(way.uri(&asked.target.sent))
        .body(body)
        .map_err(|_| "its target can't be written anew")?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The target's answer, as the client gets it.
fn answered(
    visit: &Visit,
    open: Arc<Open>,
    receipt: Receipt,
    detectors: Option<Arc<Detectors>>,
    response: Response<Incoming>,
) -> Result<Response<Body>, Turned> {
    let (mut head, incoming) = response.into_parts();
    let odd = |receipt: Receipt, why: &'static str| {
        receipt.outcome(Outcome { error: Some(why), ..Outcome::default() });
        Box::new(problem(StatusCode::BAD_GATEWAY, "the target's answer can't be shown", why))
    };
    if head.status == StatusCode::SWITCHING_PROTOCOLS || fields::strip_connection(&mut head.headers).is_err()
    {
        return Err(odd(receipt, "it speaks of another protocol, or of fields that are none"));
    }
    let masker = Masker { detectors, stream: StreamMasker::default(), key: visit.gateway.mask_key().clone() };
    if masker.detectors.is_some() {
        if head.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(odd(receipt, "it is encoded, and can't be looked through"));
        }
        OF_BYTES.iter().for_each(|name| drop(head.headers.remove(*name)));
        if let Err(why) = masker.fields(&mut head.headers) {
            return Err(odd(receipt, why));
        }
    }
    let down = Down { incoming, open, receipt: Some(receipt), masker, bytes: 0, masked: 0 };
    let stream = futures_util::stream::unfold(Some(down), |down| async move {
        let (frame, down) = down?.next().await;
        Some((frame?, down))
    });
    Ok(Response::from_parts(head, StreamBody::new(stream).boxed_unsync()))
}

/// Looks for what nobody may see.
struct Masker {
    detectors: Option<Arc<Detectors>>,
    stream: StreamMasker,
    key: MaskKey,
}

impl Masker {
    /// Each value of a field is a text of its own.
    fn fields(&self, headers: &mut HeaderMap) -> Result<(), &'static str> {
        let Some(detectors) = &self.detectors else { return Ok(()) };
        for value in headers.values_mut() {
            let (mut stream, mut shown) = (StreamMasker::default(), Vec::with_capacity(value.len()));
            let mut masked = stream.push(detectors, &self.key, value.as_bytes(), &mut shown);
            masked += stream.flush(detectors, &self.key, &mut shown);
            if masked > 0 {
                *value = HeaderValue::from_bytes(&shown).map_err(|_| "a field of it can't be masked")?;
            }
        }
        Ok(())
    }

    fn push(&mut self, data: Bytes) -> (Bytes, usize) {
        let Some(detectors) = &self.detectors else { return (data, 0) };
        let mut shown = Vec::with_capacity(data.len());
        let masked = self.stream.push(detectors, &self.key, &data, &mut shown);
        (shown.into(), masked)
    }

    fn finish(&mut self) -> (Bytes, usize) {
        let Some(detectors) = &self.detectors else { return (Bytes::new(), 0) };
        let mut shown = Vec::new();
        let masked = self.stream.flush(detectors, &self.key, &mut shown);
        (shown.into(), masked)
    }
}

/// An answer on its way to the client.
struct Down {
    incoming: Incoming,
    open: Arc<Open>,
    receipt: Option<Receipt>,
    masker: Masker,
    bytes: u64,
    masked: u64,
}

type Next = Option<Result<Frame<Bytes>, Fault>>;

impl Down {
    /// The next piece of it, and itself while more may come.
    async fn next(mut self) -> (Next, Option<Self>) {
        loop {
            let frame = tokio::select! {
                biased;
                reason = self.open.stop.wait() => {
                    let why = reason.to_string();
                    return self.broken("stopped", why.into());
                }
                frame = self.incoming.frame() => frame,
            };
            let (shown, is_last) = match frame {
                None => {
                    let (rest, masked) = self.masker.finish();
                    self.masked += masked as u64;
                    (rest, true)
                }
                Some(Err(error)) => return self.broken("the target broke off", error.into()),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        let (shown, masked) = self.masker.push(data);
                        self.masked += masked as u64;
                        (shown, false)
                    }
                    // Trailers are not looked through, and so not shown.
                    Err(_) => continue,
                },
            };
            if let Some(receipt) = &mut self.receipt
                && let Err(refusal) = receipt.count(LimitUnit::Bytes, shown.len() as u64).await
            {
                let why = refusal.message.to_string();
                return self.broken("a limit was reached", why.into());
            }
            self.bytes += shown.len() as u64;
            if is_last {
                self.told(None);
                return (
                    Some(shown).filter(|shown| !shown.is_empty()).map(|shown| Ok(Frame::data(shown))),
                    None,
                );
            }
            if !shown.is_empty() {
                return (Some(Ok(Frame::data(shown))), Some(self));
            }
        }
    }

    fn told(&mut self, error: Option<&str>) {
        if let Some(receipt) = self.receipt.take() {
            receipt.outcome(Outcome { rows: None, bytes: self.bytes, masked: self.masked, error });
        }
    }

    fn broken(mut self, word: &str, why: Fault) -> (Next, Option<Self>) {
        self.told(Some(word));
        (Some(Err(why)), None)
    }
}
