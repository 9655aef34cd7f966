//! The API of a Kubernetes cluster.

use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use policy_core::ActionSet;
use policy_normalize::http::Target;
use policy_normalize::kubernetes::{self, Object, Parts, content};

use super::{Carried, Meaning, Seen, Unclear, is_unclear};
use crate::body::Taken;
use crate::request::media_type;

pub(super) fn needs_body(seen: &Seen<'_>) -> bool {
    seen.looked_at.kubernetes.need_body(seen.head.method.as_str(), &seen.asked.target)
}

pub(super) fn meaning(seen: &Seen<'_>, body: &Taken) -> Meaning {
    let (actions, unclear) =
        understood(seen, body).unwrap_or_else(|unclear| (ActionSet::unknown(), Some(unclear)));
    Meaning { actions, words: None, said: None, unclear }
}

/// What it does, and why something of that is not known.
fn understood(seen: &Seen<'_>, body: &Taken) -> Result<(ActionSet, Option<Unclear>), Unclear> {
    let asked = seen.asked;
    let object = match body {
        Taken::All(bytes) => Some(Object::read(asked.read_as(), bytes)?),
        Taken::Nothing(_) if asked.size == Some(0) => Some(Object::read("", &[])?),
        Taken::Nothing(_) => None,
        Taken::Much(..) => return Err(Unclear::Long),
    };
    let media_type = asked.body_type.media_type();
    let parts =
        Parts { method: seen.head.method.as_str(), target: &asked.target, media_type, body: object.as_ref() };
    let actions = kubernetes::action(&parts, &seen.looked_at.kubernetes);
    let is_hidden = object.as_ref().is_some_and(Object::is_opaque) && is_unclear(&actions, &["object."]);
    let why = || {
        if asked.body_type.is_plain() { Unclear::Opaque(media_type.to_owned()) } else { Unclear::Coded }
    };
    let unclear = is_hidden.then(why);
    Ok((actions, unclear))
}

/// A program's streams behind `pods/NAME/exec` and `attach`, a port behind `portforward`; what a pod or service says behind its
/// proxy means something by itself.
pub(super) fn carried(target: &Target) -> Carried {
    let segments: Vec<&str> = target.segments.iter().flatten().map(String::as_str).collect();
    match segments.as_slice() {
        ["api", _, "namespaces", _, "pods", _, "portforward"] => Carried::Port,
        ["api", _, "namespaces", _, "pods", _, "exec" | "attach"] => {
            // Anything but these is true to the server, nothing at all included; what can't be told may be.
            let is_false = |value: &str| value == "0" || value.eq_ignore_ascii_case("false");
            let asks_for_one = |(key, value): &(String, String)| key == "tty" && !is_false(value);
            let has_terminal = target.query.as_ref().is_none_or(|pairs| pairs.iter().any(asks_for_one));
            Carried::Program { has_terminal }
        }
        _ => Carried::Messages,
    }
}

/// Whether a request is to be done as somebody else. What a policy decides, it decides about whoever was proven; that the wish is
/// refused, and not left out, tells them why nothing of it comes true. What only asks which kinds of objects there are is the same
/// for everybody, and kubectl shows no reason where that is refused.
pub(super) fn acts_for_another(target: &Target, fields: &HeaderMap) -> bool {
    let segments: Vec<&str> = target.segments.iter().flatten().map(String::as_str).collect();
    let only_asks_for_kinds = matches!(
        segments.as_slice(),
        ["api" | "apis" | "version"] | ["api" | "apis", _] | ["apis", _, _] | ["openapi", ..]
    );
    !only_asks_for_kinds && fields.keys().any(|name| name.as_str().starts_with("impersonate-"))
}

/// The form in which kubectl reads OpenAPI 2, and no other: schemas, in protocol buffers. All text in it stands there as it is, so
/// what is looked for can be found in it.
const OPENAPI: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

fn is_openapi(target: &Target) -> bool {
    let segments: Vec<&str> = target.segments.iter().flatten().map(String::as_str).collect();
    segments == ["openapi", "v2"]
}

/// Asks for an answer that can be read.
pub(super) fn ask_plainly(target: &Target, fields: &mut HeaderMap) {
    if is_openapi(target) {
        return;
    }
    let asked: Vec<&str> =
        fields.get_all(ACCEPT).iter().map(|field| field.to_str().unwrap_or_default()).collect();
    let plain = content::negotiated(&asked.join(","));
    fields.insert(
        ACCEPT,
        HeaderValue::from_str(&plain).unwrap_or(HeaderValue::from_static("application/json")),
    );
}

/// Servers before 1.23 do not name the form.
pub(super) fn name_form(target: &Target, fields: &mut HeaderMap) {
    if is_openapi(target) && media_type(fields.get(CONTENT_TYPE)) == "application/octet-stream" {
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(OPENAPI));
    }
}
