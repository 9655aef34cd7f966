//! A connection that turns into something else: a WebSocket, permitted at its opening and looked through as it goes on.

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
use crate::streams::Program;
use crate::tunnel::{Content, Tunnel};
use crate::visit::Open;
use crate::websocket::{FromProgram, Messages};

/// Fields that two parties agree on a WebSocket by (RFC 6455, section 4).
const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");
const EXTENSIONS: HeaderName = HeaderName::from_static("sec-websocket-extensions");

/// A client's wish for a WebSocket.
pub(crate) struct Upgrading(OnUpgrade);

/// What a request wishes its connection to turn into.
///
/// # Errors
/// Where that is nothing that is offered, or not asked for as it should be.
pub(crate) fn wanted(request: &mut Request<Incoming>) -> Result<Option<Upgrading>, Unfit> {
    let fields = request.headers();
    let mut wishes = fields.get_all(UPGRADE).iter();
    let Some(wish) = wishes.next() else { return Ok(None) };
    let is_websocket = wish.as_bytes().eq_ignore_ascii_case(b"websocket") && wishes.next().is_none();
    if !is_websocket || request.version() != Version::HTTP_11 {
        return Err(unfit(StatusCode::NOT_IMPLEMENTED, "only WebSockets are spoken here beside HTTP"));
    }
    let one = |name: &HeaderName| fields.get_all(name).iter().count() == 1;
    let is_13 = fields.get(VERSION).is_some_and(|version| version == "13");
    if request.method() != Method::GET || !one(&KEY) || !one(&VERSION) || !is_13 {
        return Err(unfit(StatusCode::BAD_REQUEST, "a WebSocket is asked for as RFC 6455 says, version 13"));
    }
    let names_it = fields.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    if !names_it.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case("upgrade")) {
        return Err(unfit(StatusCode::BAD_REQUEST, "`connection` does not name `upgrade`"));
    }
    Ok(Some(Upgrading(hyper::upgrade::on(request))))
}

/// Kubernetes' channels, in the versions that are spoken here.
const CHANNELS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

impl Upgrading {
    /// Asks the target for the same, without extensions: what they do to messages could not be looked through.
    ///
    /// # Errors
    /// Where what is carried can't be understood in any of the protocols that the client offers.
    pub(crate) fn ask(&self, fields: &mut HeaderMap, carried: Carried) -> Result<(), &'static str> {
        fields.remove(EXTENSIONS);
        fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Carried::Program { .. } = carried {
            let offers: Vec<String> =
                offers(fields).filter(|offer| CHANNELS.contains(&offer.as_str())).collect();
            let offers = HeaderValue::from_str(&offers.join(", ")).ok().filter(|offers| !offers.is_empty());
            let none = "a program's streams are carried as `v5.channel.k8s.io` or `v4.channel.k8s.io`";
            fields.insert(SEC_WEBSOCKET_PROTOCOL, offers.ok_or(none)?);
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
        if let Err(why) = agreed(&mut head.headers, &sought, carried) {
            receipt.outcome(Outcome { error: Some(why), ..Outcome::default() });
            return Err(why);
        }
        let content = match carried {
            Carried::Messages => Content::Messages(Box::new(Messages::new(sought))),
            Carried::Program { has_terminal } => {
                let program = Program::new(open.tape.clone(), &receipt, &sought, has_terminal);
                Content::Program(Box::new(FromProgram::new(sought, program.clone())), program)
            }
        };
        let tunnel = Tunnel { client: self.0, target, open, receipt, content };
        Ok((Response::from_parts(head, whole(Vec::new())), tunnel))
    }
}

/// Looks at what a target agrees to, and makes of it what the client is told.
fn agreed(fields: &mut HeaderMap, sought: &Sought, carried: Carried) -> Result<(), &'static str> {
    let fits = fields.get(UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && !fields.contains_key(EXTENSIONS)
        && match carried {
            Carried::Messages => true,
            Carried::Program { .. } => {
                offers(fields).all(|agreed| CHANNELS.contains(&agreed.as_str()))
                    && offers(fields).count() == 1
            }
        };
    if !fits {
        return Err("it agrees to something that was not asked for");
    }
    if fields::strip_connection(fields).is_err() || sought.fields(fields).is_err() {
        return Err("its fields can't be shown");
    }
    fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    Ok(())
}

/// The protocols that a field names.
fn offers(fields: &HeaderMap) -> impl Iterator<Item = String> + '_ {
    let texts = fields.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|field| field.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(|offer| offer.trim().to_owned())
}
