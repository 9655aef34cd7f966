//! A request as an action.

use policy_core::vocabulary::http;
use policy_core::{Action, ActionSet, Resource, Value, Verb};

use super::body::{only, reads_as, value};
use super::{Body, Fields, Target};

/// What a request is made of, as far as it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The method, as it was sent.
    pub method: &'a str,
    /// Whether it asks for another protocol (a WebSocket).
    pub upgrade: bool,
    /// The authority asked for, in lower case, without its port.
    pub host: &'a str,
    /// The target.
    pub target: &'a Target,
    /// Header fields, names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body's media type, in lower case and without parameters; empty where there is no body.
    pub media_type: &'a str,
    /// The body's length in bytes, where it is announced.
    pub size: Option<u64>,
    /// The body; `None` where it was not read, because no rule looks into it or it can't be.
    pub body: Option<&'a Body>,
}

/// What a request does. A method or a path that is not known is the action `unknown`.
pub fn action(parts: &Parts<'_>, fields: &Fields) -> ActionSet {
    let verb = match parts.method {
        _ if parts.upgrade => "upgrade",
        "DELETE" => "delete",
        "GET" => "get",
        "HEAD" => "head",
        "OPTIONS" => "options",
        "PATCH" => "patch",
        "POST" => "post",
        "PUT" => "put",
        _ => return ActionSet::unknown(),
    };
    let Some(segments) = &parts.target.segments else { return ActionSet::unknown() };
    let mut action = Action::new(Verb::new(verb), http::path(segments))
        .with("media_type", Value::Text(parts.media_type.into()))
        .with("size", size(parts.size));
    action = with_header(action, parts, fields);
    for name in fields.of_family("query") {
        let value = parts.target.query.as_ref().map_or(Value::Undetermined, |pairs| value(pairs, name));
        action = action.with(format!("query.{name}"), value);
    }
    for name in fields.of_family("body") {
        let value = of_body(parts, name, Body::field);
        action = action.with(format!("body.{name}"), value);
    }
    for name in fields.of_family("form") {
        let value = of_body(parts, name, Body::form_field);
        action = action.with(format!("form.{name}"), value);
    }
    debug_assert!(action.resource != Resource::None, "every request is done to a path");
    ActionSet::new([action])
}

/// A field of the body. Many servers put it together with the keys of the query: where one of these could be meant, it is not known.
fn of_body(parts: &Parts<'_>, name: &str, field: impl FnOnce(&Body, &str) -> Value) -> Value {
    match (parts.body, &parts.target.query) {
        (Some(body), Some(pairs)) if !pairs.iter().any(|(key, _)| reads_as(key, name)) => field(body, name),
        _ => Value::Undetermined,
    }
}

/// The same action with what is known of each request: the host and its header.
pub(super) fn with_header(action: Action, parts: &Parts<'_>, fields: &Fields) -> Action {
    let mut action = action.with("host", Value::Text(parts.host.into()));
    for name in fields.of_family("header") {
        let values = parts.headers.iter().filter(|(field, _)| field == name).map(|(_, value)| *value);
        action = action.with(format!("header.{name}"), only(values));
    }
    action
}

fn size(size: Option<u64>) -> Value {
    size.and_then(|size| i64::try_from(size).ok()).map_or(Value::Undetermined, Value::Integer)
}
