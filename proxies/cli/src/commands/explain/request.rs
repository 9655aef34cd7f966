//! A request over HTTP as a line of text: `POST /orders {"amount": 5}`; for MCP, the message alone.

use policy_core::{ActionSet, Policy, Protocol, Value};
use policy_normalize::http::{self, Target, graphql};
use policy_normalize::kubernetes::{self, Object};
use policy_normalize::mcp::{self, Messages, Side};
use portcullis_evidence::inert;
use portcullis_gateway::config::HttpLeg;

use crate::args::Explain;
use crate::failure::Failure;

/// Methods that somebody may have written in small letters.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Programs whose command line is not what they send.
const PROGRAMS: [&str; 4] = ["curl", "wget", "http", "kubectl"];

/// What is asked, and what is known besides.
pub(super) struct Asked<'a> {
    text: &'a str,
    protocol: &'a Protocol,
    leg: Option<&'a HttpLeg>,
    /// Names in lower case.
    headers: Vec<(String, &'a str)>,
    pinned: Option<bool>,
}

/// Refuses what only requests have, where none is asked about.
pub(super) fn only_of_http(arguments: &Explain, protocol: &Protocol) -> Result<(), Failure> {
    let has_fields = [Protocol::HTTP, Protocol::KUBERNETES].contains(protocol);
    if !arguments.headers.is_empty() && !has_fields {
        return Err(Failure::usage(format_args!("a command of {protocol} has no header fields"))
            .help("leave --header out: it is for targets of http and kubernetes"));
    }
    if arguments.pinned.is_some() && *protocol != Protocol::MCP {
        return Err(Failure::usage(format_args!("a command of {protocol} calls no tools"))
            .help("leave --pinned out: it is for targets of mcp"));
    }
    Ok(())
}

/// Whether somebody may have meant a request, or a message of MCP.
pub(super) fn looks_like_one(text: &str) -> bool {
    let is_request =
        text.split_once(' ').is_some_and(|(method, path)| METHODS.contains(&method) && path.starts_with('/'));
    is_request || text.trim_start().starts_with('{')
}

impl<'a> Asked<'a> {
    pub(super) fn new(
        arguments: &'a Explain,
        protocol: &'a Protocol,
        leg: Option<&'a HttpLeg>,
    ) -> Result<Self, Failure> {
        let headers = arguments.headers.iter().map(|header| field(header)).collect::<Result<_, _>>()?;
        let pinned = arguments.pinned.as_ref().map(|pinned| pinned == "yes");
        Ok(Self { text: arguments.text.trim(), protocol, leg, headers, pinned })
    }

    /// What it does, under what this policy looks at; and what had to be assumed.
    pub(super) fn actions(&self, policy: &Policy, notes: &mut Vec<String>) -> Result<ActionSet, Failure> {
        let fields = http::Fields::of(policy);
        if *self.protocol == Protocol::MCP {
            return self.message(&fields, notes);
        }
        let (method, path, body) = self.line()?;
        let target = Target::parse(path).map_err(|error| {
            let path = inert::line(path);
            self.failure(format_args!("`{path}` is no path of a request: {error}"))
        })?;
        self.prefix(method, path, notes);
        let stated = self
            .header("content-type")
            .map(|stated| stated.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        let media_type = match &stated {
            Some(stated) => stated,
            None if body.is_empty() => "",
            None => "application/json",
        };
        let unread = |error: &dyn std::fmt::Display, notes: &mut Vec<String>| {
            notes.push(format!("what the request does can't be told: {error}"));
            Ok(ActionSet::unknown())
        };
        if *self.protocol == Protocol::KUBERNETES {
            let object = match Object::read(media_type, body.as_bytes()) {
                Ok(object) => object,
                Err(error) => return unread(&error, notes),
            };
            let parts = kubernetes::Parts { method, target: &target, media_type, body: Some(&object) };
            return Ok(kubernetes::action(&parts, &kubernetes::Fields::of(policy)));
        }
        let read = match http::Body::read(media_type, body.as_bytes()) {
            Ok(read) => read,
            Err(error) => return unread(&error, notes),
        };
        let host = self.host(notes);
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let parts = http::Parts {
            method,
            upgrade: self.header("upgrade").is_some(),
            host: &host,
            target: &target,
            headers: &headers,
            media_type,
            size: Some(body.len() as u64),
            body: Some(&read),
        };
        let plain = target.sent.split('?').next().unwrap_or_default();
        let is_graphql = self.leg.is_some_and(|leg| leg.graphql.iter().any(|path| path == plain));
        Ok(if is_graphql {
            graphql::actions(&parts, body.as_bytes(), &fields)
        } else {
            http::action(&parts, &fields)
        })
    }

    /// The method, the path and the body.
    fn line(&self) -> Result<(&'a str, &'a str, &'a str), Failure> {
        let (method, rest) = self.text.split_once(' ').unwrap_or((self.text, ""));
        let (path, body) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
        let (shown, text) = (inert::line(method), inert::line(self.text));
        if PROGRAMS.contains(&method) {
            return Err(self.failure(format_args!(
                "`{shown}` is a program, and what is judged is the request that it sends"
            )));
        }
        let capitals = method.to_ascii_uppercase();
        if method != capitals && METHODS.contains(&&*capitals) {
            return Err(Failure::usage(format_args!("methods are in capitals: `{shown}` is another one"))
                .help(format_args!("'{capitals} {}'", inert::line(rest.trim_start()))));
        }
        let is_method =
            !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        if !is_method {
            return Err(self.failure(format_args!("`{text}` is no request: it begins with no method")));
        }
        if path.contains("://") {
            let path = inert::line(path);
            return Err(self.failure(format_args!(
                "`{path}` is a URL: a request has the path alone, without the target's host and prefix"
            )));
        }
        if path.is_empty() {
            return Err(self.failure(format_args!("`{text}` is no request: it has no path")));
        }
        Ok((method, path, body.trim()))
    }

    /// Says so where a path begins as clients write it, not as it is judged.
    fn prefix(&self, method: &str, path: &str, notes: &mut Vec<String>) {
        let Some(prefix) = self.leg.and_then(|leg| leg.asked_by.prefix.as_deref()) else { return };
        let Some(behind) =
            path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        else {
            return;
        };
        let slash = if behind.starts_with('/') { "" } else { "/" };
        notes.push(format!(
            "`{prefix}` is the prefix by which clients name this target, and is taken off before anything is judged: what \
             they send as `{prefix}/…` is `/…` here. Was '{method} {slash}{}' meant?",
            inert::line(behind)
        ));
    }

    /// The host that is asked for, in lower case and without a port. What no host is called is undetermined for rules that ask.
    fn host(&self, notes: &mut Vec<String>) -> String {
        let host = self.header("host").map(str::to_ascii_lowercase);
        match (&host, self.headers.is_empty()) {
            (_, true) => notes.push(
                "it is read as a request without header fields, to a host without a name: rules that look at those see none, \
                 unless -H 'name: value' gives some"
                    .to_owned(),
            ),
            (None, false) => notes.push("it is read as a request to a host without a name".to_owned()),
            (Some(_), false) => {}
        }
        let host = host.unwrap_or_default();
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name.to_owned(),
            _ => host,
        }
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| *value)
    }

    /// A message of MCP.
    fn message(&self, fields: &http::Fields, notes: &mut Vec<String>) -> Result<ActionSet, Failure> {
        let text = inert::line(self.text);
        match serde_json::from_str::<serde_json::Value>(self.text) {
            Ok(serde_json::Value::Object(object)) if !object.contains_key("jsonrpc") => {
                return Err(self.failure("it is no message of JSON-RPC: it has no \"jsonrpc\": \"2.0\""));
            }
            Ok(serde_json::Value::Object(_) | serde_json::Value::Array(_)) => {}
            _ => return Err(self.failure(format_args!("`{text}` is no message of JSON-RPC"))),
        }
        let context = mcp::Context { side: Side::Client, fields, pinned: &|_| self.pinned, asked: &|_| None };
        let actions = Messages::parse(self.text.as_bytes(), &context).actions();
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
    fn failure(&self, message: impl std::fmt::Display) -> Failure {
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

/// A header field.
fn field(text: &str) -> Result<(String, &str), Failure> {
    let is_name = |name: &str| !name.is_empty() && !name.contains(|c: char| !c.is_ascii_graphic());
    match text.split_once(':') {
        Some((name, value)) if is_name(name) => Ok((name.to_ascii_lowercase(), value.trim())),
        _ => Err(Failure::usage(format_args!("`{}` is no header field", inert::line(text)))
            .help("write a name and a value: -H 'x-dry-run: true'")),
    }
}
