//! A request as an action.

use policy_core::vocabulary::http;
use policy_core::{Action, ActionSet, Policy, Resource, Value, Verb};

use super::body::only;
use super::{Body, Target};

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

/// Which fields of requests a policy looks at: only these are attributes of an action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    query: Vec<String>,
    header: Vec<String>,
    body: Vec<String>,
    form: Vec<String>,
}

impl Fields {
    /// What this policy looks at.
    pub fn of(policy: &Policy) -> Self {
        let names = |family| policy.looks_at(family).map(str::to_owned).collect();
        Self { query: names("query"), header: names("header"), body: names("body"), form: names("form") }
    }

    /// Whether bodies have to be read.
    pub fn need_body(&self) -> bool {
        !self.body.is_empty() || !self.form.is_empty()
    }
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
        .with("host", Value::Text(parts.host.into()))
        .with("media_type", Value::Text(parts.media_type.into()))
        .with("size", size(parts.size));
    for name in &fields.query {
        let value = parts.target.values(name).map_or(Value::Undetermined, only);
        action = action.with(format!("query.{name}"), value);
    }
    for name in &fields.header {
        let values = parts.headers.iter().filter(|(field, _)| field == name).map(|(_, value)| *value);
        action = action.with(format!("header.{name}"), only(values));
    }
    for name in &fields.body {
        let value = parts.body.map_or(Value::Undetermined, |body| body.field(name));
        action = action.with(format!("body.{name}"), value);
    }
    for name in &fields.form {
        let value = parts.body.map_or(Value::Undetermined, |body| body.form_field(name));
        action = action.with(format!("form.{name}"), value);
    }
    debug_assert!(action.resource != Resource::None, "every request is done to a path");
    ActionSet::new([action])
}

fn size(size: Option<u64>) -> Value {
    size.and_then(|size| i64::try_from(size).ok()).map_or(Value::Undetermined, Value::Integer)
}
