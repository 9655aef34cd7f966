//! A request over HTTP as a text, to what policies judge; for MCP, the message alone. As the proxy does it, but knowing no target.

mod written;

use std::fmt;

use policy_core::{ActionSet, Policy, Protocol, Value};
use policy_normalize::http::{self, BodyType, Target, graphql};
use policy_normalize::kubernetes::{self, Object};
use policy_normalize::mcp::{self, Messages, Side};
use portcullis_evidence::inert;
use portcullis_gateway::config::HttpLeg;

use self::written::Written;
use crate::failure::Failure;

/// What is asked, and what is known besides.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// The request's or the message's text.
    pub(crate) text: &'a str,
    pub(crate) protocol: &'a Protocol,
    /// Of the target, where it is configured.
    pub(crate) leg: Option<&'a HttpLeg>,
    /// Header fields besides those of the text, their names in lower case.
    pub(crate) headers: Vec<(String, &'a str)>,
    /// Of MCP: whether tools are described as was approved, where that is known.
    pub(crate) pinned: Option<bool>,
}

/// Whether somebody may have meant a request, or a message of MCP.
pub(crate) fn looks_like_one(text: &str) -> bool {
    written::looks_like_one(text)
}

/// A header field, its name in lower case.
pub(crate) fn field(text: &str) -> Result<(String, &str), Failure> {
    written::field(text).ok_or_else(|| {
        Failure::usage(format_args!("`{}` is no header field", inert::line(text)))
            .help("write a name and a value: -H 'x-dry-run: true'")
    })
}

impl<'a> Asked<'a> {
    /// What it does, under what this policy looks at; and what had to be assumed.
    pub(crate) fn actions(&self, policy: &Policy, notes: &mut Vec<String>) -> Result<ActionSet, Failure> {
        let looked_at = http::Fields::of(policy);
        if *self.protocol == Protocol::MCP {
            return self.message(&looked_at, notes);
        }
        let Written { method, path, mut fields, body } = Written::parse(self.text).map_err(|wrong| {
            let failure = self.failure(wrong.message);
            match wrong.help {
                Some(help) => failure.help(help),
                None => failure,
            }
        })?;
        let target = Target::parse(path).map_err(|error| {
            let path = inert::line(path);
            self.failure(format_args!("`{path}` is no path of a request: {error}"))
        })?;
        self.prefix(method, path, notes);
        fields.extend(self.headers.iter().cloned());
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let body_type = self.body_type(&fields, body)?;
        if !body_type.is_plain() {
            notes.push(
                "nothing is known of the body: it is encoded, or in other characters than UTF-8".to_owned(),
            );
        }
        if *self.protocol == Protocol::KUBERNETES {
            let object = match Object::read(body_type.read_as(), body.as_bytes()) {
                Ok(object) => object,
                Err(error) => return Ok(untold(&error, notes)),
            };
            let media_type = body_type.media_type();
            let parts = kubernetes::Parts { method, target: &target, media_type, body: Some(&object) };
            return Ok(kubernetes::action(&parts, &kubernetes::Fields::of(policy)));
        }
        let read = match http::Body::read(body_type.read_as(), body.as_bytes()) {
            Ok(read) => read,
            Err(error) => return Ok(untold(&error, notes)),
        };
        let parts = http::Parts {
            method,
            upgrade: find(&fields, "upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket")),
            host: &host(&fields, notes),
            target: &target,
            headers: &fields,
            media_type: body_type.media_type(),
            size: Some(body.len() as u64),
            body: Some(&read),
        };
        Ok(if self.leg.is_some_and(|leg| graphql::is_spoken(&target, &leg.graphql)) {
            let parts = http::Parts { media_type: body_type.read_as(), ..parts };
            graphql::actions(&parts, body.as_bytes(), &looked_at)
        } else {
            http::action(&parts, &looked_at)
        })
    }

    /// Says so where a path begins as clients write it, not as it is judged.
    fn prefix(&self, method: &str, path: &str, notes: &mut Vec<String>) {
        let Some(prefix) = self.leg.and_then(|leg| leg.asked_by.prefix.as_deref()) else { return };
        let behind = path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
        let Some(behind) = behind else { return };
        let slash = if behind.starts_with('/') { "" } else { "/" };
        notes.push(format!(
            "`{prefix}` is the prefix by which clients name this target, and is taken off before anything is judged: what \
             they send as `{prefix}/…` is `/…` here. Was '{method} {slash}{}' meant?",
            inert::line(behind)
        ));
    }

    /// What the body is; where nothing says so, JSON.
    fn body_type(&self, fields: &[(&str, &str)], body: &str) -> Result<BodyType, Failure> {
        if body.is_empty() {
            return Ok(BodyType::NONE);
        }
        let values = |name| {
            let named = fields.iter().filter(move |(field, _)| *field == name);
            named.map(|(_, value)| value.as_bytes())
        };
        let unsaid = find(fields, "content-type").is_none().then_some(&b"application/json"[..]);
        let read = BodyType::read(values("content-type").chain(unsaid), values("content-encoding"));
        read.map_err(|error| self.failure(format_args!("the gateway turns this away unjudged: {error}")))
    }

    /// A message of MCP.
    fn message(&self, fields: &http::Fields, notes: &mut Vec<String>) -> Result<ActionSet, Failure> {
        let text = self.text.trim();
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(serde_json::Value::Object(object)) if !object.contains_key("jsonrpc") => {
                return Err(self.failure("it is no message of JSON-RPC: it has no \"jsonrpc\": \"2.0\""));
            }
            Ok(serde_json::Value::Object(_) | serde_json::Value::Array(_)) => {}
            _ => return Err(self.failure(format_args!("`{}` is no message of JSON-RPC", inert::line(text)))),
        }
        let context = mcp::Context { side: Side::Client, fields, pinned: &|_| self.pinned, asked: &|_| None };
        let actions = Messages::parse(text.as_bytes(), &context).actions();
        if actions.iter().any(|action| action.attribute("pinned") == Some(&Value::Undetermined)) {
            notes.push(
                "whether the tool is described as was approved is not known here: rules on `pinned` restrict, unless --pinned \
                 yes or --pinned no says"
                    .to_owned(),
            );
        }
        Ok(actions)
    }

    /// With how it is written.
    fn failure(&self, message: impl fmt::Display) -> Failure {
        Failure::usage(message).help(match self.protocol.as_str() {
            "mcp" => {
                "write the message as its client sends it: '{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"tools/call\", \
                 \"params\": {\"name\": \"read_file\", \"arguments\": {\"path\": \"/srv/plan.md\"}}}'; or the action: --do 'call \
                 on \"read_file\" with pinned = true'"
            }
            "kubernetes" => {
                "write a method and a path: 'GET /api/v1/namespaces/default/pods' is what `kubectl get pods` sends \
                 (`kubectl -v=8` shows it); or the action: --do 'get on \"pods\" with namespace = \"default\"'"
            }
            _ => "write a method and a path, and JSON where there is a body: 'GET /orders/7', 'POST /orders {\"amount\": 5}'",
        })
    }
}

/// What can't be read does what can't be told.
fn untold(error: &dyn fmt::Display, notes: &mut Vec<String>) -> ActionSet {
    notes.push(format!("what the request does can't be told: {error}"));
    ActionSet::unknown()
}

/// The host that is asked for, in lower case and without a port. What no host is called is undetermined for rules that ask.
fn host(fields: &[(&str, &str)], notes: &mut Vec<String>) -> String {
    let Some(host) = find(fields, "host").map(str::to_ascii_lowercase) else {
        let and = if fields.is_empty() { "without header fields, " } else { "" };
        notes.push(format!(
            "it is read as a request {and}to a host without a name: rules that look at what is not there see none, unless -H \
             'name: value' gives some"
        ));
        return String::new();
    };
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name.to_owned(),
        _ => host,
    }
}

fn find<'a>(fields: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value)
}
