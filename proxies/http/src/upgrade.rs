//! A connection that turns into something else, permitted at its opening and looked through as it goes on: a WebSocket, or SPDY
//! where a Kubernetes cluster streams by it.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Version};
use portcullis_gateway::enforce::{Outcome, Receipt};

use crate::body::{Body, whole};
use crate::dialect::Carried;
use crate::fields;
use crate::mask::Sought;
use crate::request::{Unfit, unfit};
use crate::spdy;
use crate::streams::Program;
use crate::tunnel::{Anything, Content, Tunnel};
use crate::visit::Open;
use crate::websocket::{FromProgram, Messages, Said, ToProgram};

/// Fields that two parties agree on a WebSocket by (RFC 6455, section 4).
const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");
const EXTENSIONS: HeaderName = HeaderName::from_static("sec-websocket-extensions");
/// The field that Kubernetes' programs agree by on what SPDY carries.
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// The version of a pod's channels that can close one of them.
const FIFTH: &str = "v5.channel.k8s.io";

/// By this a browser shows a token to Kubernetes among the protocols of a WebSocket; the target is shown its own only.
const SMUGGLED: &str = "base64url.bearer.";

/// A client's wish for another protocol.
pub(crate) struct Upgrading {
    client: OnUpgrade,
    spoken: Spoken,
}

/// What is spoken from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    WebSocket,
    Spdy,
}

/// What a request wishes its connection to turn into, where that would carry this.
///
/// # Errors
/// Where that is nothing that is offered, or not asked for as it should be.
pub(crate) fn wanted(
    request: &mut Request<impl http_body::Body>,
    carried: Carried,
) -> Result<Option<Upgrading>, Unfit> {
    let fields = request.headers();
    let mut wishes = fields.get_all(UPGRADE).iter();
    let Some(wish) = wishes.next() else { return Ok(None) };
    let spoken =
        Spoken::of(wish).filter(|_| wishes.next().is_none() && request.version() == Version::HTTP_11);
    let spoken = match (spoken, carried) {
        (Some(Spoken::Spdy), Carried::Messages) | (None, _) => {
            return Err(unfit(StatusCode::NOT_IMPLEMENTED, "only WebSockets are spoken here beside HTTP"));
        }
        (Some(spoken), _) => spoken,
    };
    if request.body().size_hint().exact() != Some(0) {
        // What follows the head are frames to many targets, whatever its length says.
        return Err(unfit(StatusCode::BAD_REQUEST, "a request for another protocol has no body"));
    }
    let one = |name: &HeaderName| fields.get_all(name).iter().count() == 1;
    let is_13 = fields.get(VERSION).is_some_and(|version| version == "13");
    let is_asked_for = match spoken {
        Spoken::WebSocket => request.method() == Method::GET && one(&KEY) && one(&VERSION) && is_13,
        Spoken::Spdy => matches!(*request.method(), Method::GET | Method::POST),
    };
    if !is_asked_for {
        let why = "a WebSocket is asked for as RFC 6455 says, version 13, and SPDY by GET or POST";
        return Err(unfit(StatusCode::BAD_REQUEST, why));
    }
    let names_it = fields.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    if !names_it.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case("upgrade")) {
        return Err(unfit(StatusCode::BAD_REQUEST, "`connection` does not name `upgrade`"));
    }
    Ok(Some(Upgrading { client: hyper::upgrade::on(request), spoken }))
}

impl Spoken {
    fn of(wish: &HeaderValue) -> Option<Self> {
        [Self::WebSocket, Self::Spdy]
            .into_iter()
            .find(|spoken| wish.as_bytes().eq_ignore_ascii_case(spoken.name().as_bytes()))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Spdy => "SPDY/3.1",
        }
    }

    /// The field by which both agree on what is carried, and what of that is understood here; any where there is nothing.
    const fn agreed_by(self, carried: Carried) -> (HeaderName, &'static [&'static str]) {
        match (self, carried) {
            (_, Carried::Messages) => (SEC_WEBSOCKET_PROTOCOL, &[]),
            (Self::WebSocket, Carried::Program { .. }) => {
                (SEC_WEBSOCKET_PROTOCOL, &[FIFTH, "v4.channel.k8s.io"])
            }
            (Self::WebSocket, Carried::Port) => (SEC_WEBSOCKET_PROTOCOL, &["SPDY/3.1+portforward.k8s.io"]),
            (Self::Spdy, Carried::Program { .. }) => (STREAM_PROTOCOL, &["v4.channel.k8s.io"]),
            (Self::Spdy, Carried::Port) => (STREAM_PROTOCOL, &["portforward.k8s.io"]),
        }
    }
}

impl Upgrading {
    /// Asks the target for the same, without extensions: what they do to messages could not be looked through.
    ///
    /// # Errors
    /// Where what is carried can't be understood in any of the protocols that the client offers.
    pub(crate) fn ask(&self, fields: &mut HeaderMap, carried: Carried) -> Result<(), &'static str> {
        fields.remove(EXTENSIONS);
        fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        fields.insert(UPGRADE, HeaderValue::from_static(self.spoken.name()));
        let (name, understood) = self.spoken.agreed_by(carried);
        let offers: Vec<String> = offers(fields, &name)
            .filter(|offer| match understood {
                [] => !offer.starts_with(SMUGGLED),
                some => some.contains(&offer.as_str()),
            })
            .collect();
        fields.remove(&name);
        // A field each: servers that look for one of SPDY's do not take a list apart.
        for offer in &offers {
            fields.append(&name, HeaderValue::from_str(offer).map_err(|_| "its protocols can't be read")?);
        }
        if offers.is_empty() && !understood.is_empty() {
            return Err(
                "a pod's streams are carried as `v5.channel.k8s.io` or `v4.channel.k8s.io`, and its ports as \
                        `portforward.k8s.io`",
            );
        }
        Ok(())
    }

    /// The answer that the client gets, and what both connections are from there on.
    ///
    /// # Errors
    /// Where the target agrees to something else.
    pub(crate) fn tunnel(
        self,
        mut response: Response<Incoming>,
        open: Arc<Open>,
        receipt: Receipt,
        sought: Sought,
        carried: Carried,
    ) -> Result<(Response<Body>, Tunnel), &'static str> {
        let target = hyper::upgrade::on(&mut response);
        let (mut head, _) = response.into_parts();
        // A reason in the target's own words would be written out as it is.
        head.extensions.clear();
        if let Err(why) = self.agreed(&mut head.headers, &sought, carried) {
            receipt.outcome(Outcome { error: Some(why), ..Outcome::default() });
            return Err(why);
        }
        let closes = offers(&head.headers, &SEC_WEBSOCKET_PROTOCOL).any(|agreed| agreed == FIFTH);
        let content = self.spoken.content(&open, &receipt, sought, carried, closes);
        let tunnel = Tunnel { client: self.client, target, open, receipt, content };
        Ok((Response::from_parts(head, whole(Vec::new())), tunnel))
    }

    /// Looks at what a target agrees to, and makes of it what the client is told.
    fn agreed(&self, fields: &mut HeaderMap, sought: &Sought, carried: Carried) -> Result<(), &'static str> {
        let (name, understood) = self.spoken.agreed_by(carried);
        let is_understood = |agreed: String| understood.contains(&agreed.as_str());
        let fits = fields.get(UPGRADE).and_then(Spoken::of) == Some(self.spoken)
            && !fields.contains_key(EXTENSIONS)
            && (understood.is_empty()
                || offers(fields, &name).count() == 1 && offers(fields, &name).all(is_understood));
        if !fits {
            return Err("it agrees to something that was not asked for");
        }
        if fields::strip_connection(fields).is_err() || sought.fields(fields).is_err() {
            return Err("its fields can't be shown");
        }
        fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        fields.insert(UPGRADE, HeaderValue::from_static(self.spoken.name()));
        Ok(())
    }
}

impl Spoken {
    /// What is carried; `closes` is whether its channels can be closed one by one.
    fn content(
        self,
        open: &Open,
        receipt: &Receipt,
        sought: Sought,
        carried: Carried,
        closes: bool,
    ) -> Content {
        let records = receipt.judged().records_results();
        let tape = open.tape.clone();
        match (carried, self) {
            (Carried::Messages, _) => Content {
                up: Box::new(Said::new(tape, records.then(|| (receipt.command(), sought.clone())))),
                down: Box::new(Messages::new(sought)),
                is_recorded: records,
                program: None,
            },
            (Carried::Port, Self::WebSocket) => Content {
                down: Box::new(spdy::Forward::new(sought, true)),
                up: Box::new(Said::new(tape, None)),
                is_recorded: false,
                program: None,
            },
            (Carried::Port, Self::Spdy) => Content {
                down: Box::new(spdy::Forward::new(sought, false)),
                up: Box::new(Anything),
                is_recorded: false,
                program: None,
            },
            (Carried::Program { has_terminal }, Self::WebSocket) => {
                let program = Program::new(tape, receipt, &sought, has_terminal);
                Content {
                    down: Box::new(FromProgram::new(sought, program.clone(), closes)),
                    up: Box::new(ToProgram::new(program.clone())),
                    is_recorded: program.is_recorded(),
                    program: Some(program),
                }
            }
            (Carried::Program { has_terminal }, Self::Spdy) => {
                let program = Program::new(tape, receipt, &sought, has_terminal);
                let roles = spdy::Roles::default();
                Content {
                    down: Box::new(spdy::FromProgram::new(sought, program.clone(), roles.clone())),
                    up: Box::new(spdy::ToProgram::new(program.clone(), roles)),
                    is_recorded: program.is_recorded(),
                    program: Some(program),
                }
            }
        }
    }
}

/// The protocols that a field names.
fn offers(fields: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> {
    let texts: Vec<String> =
        fields.get_all(name).iter().filter_map(|field| field.to_str().ok()).map(str::to_owned).collect();
    let each = |text: String| text.split(',').map(|offer| offer.trim().to_owned()).collect::<Vec<_>>();
    texts.into_iter().flat_map(each).filter(|offer| !offer.is_empty())
}
