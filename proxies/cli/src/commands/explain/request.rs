//! A request over HTTP as a line of text: `POST /orders {"amount": 5}`; for MCP, the message alone.

use policy_core::{ActionSet, Policy, Protocol};
use policy_normalize::http::{self, Target};
use policy_normalize::kubernetes::{self, Object};
use policy_normalize::mcp::{self, Messages, Side};

use crate::failure::Failure;

/// What a request does, under what this policy looks at.
pub(super) fn read(text: &str, protocol: &Protocol, policy: &Policy) -> Result<ActionSet, Failure> {
    let fields = http::Fields::of(policy);
    if *protocol == Protocol::MCP {
        let context =
            mcp::Context { side: Side::Client, fields: &fields, pinned: &|_| None, asked: &|_| None };
        return Ok(Messages::parse(text.as_bytes(), &context).actions());
    }
    let mut words = text.trim().splitn(3, ' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(Failure::usage(format_args!("`{text}` is no request")).help(
            "write a method and a path, and JSON where there is a body: 'POST /orders {\"amount\": 5}'",
        ));
    };
    let body = words.next().unwrap_or_default();
    let media_type = if body.is_empty() { "" } else { "application/json" };
    let target = Target::parse(path)
        .map_err(|error| Failure::usage(format_args!("`{path}` is no path of a request: {error}")))?;
    if *protocol == Protocol::KUBERNETES {
        let Ok(object) = Object::read(media_type, body.as_bytes()) else { return Ok(ActionSet::unknown()) };
        let parts = kubernetes::Parts { method, target: &target, media_type, body: Some(&object) };
        return Ok(kubernetes::action(&parts, &kubernetes::Fields::of(policy)));
    }
    let Ok(read) = http::Body::read(media_type, body.as_bytes()) else { return Ok(ActionSet::unknown()) };
    let parts = http::Parts {
        method,
        upgrade: false,
        // What no host is called is undetermined for whoever asks for one.
        host: "",
        target: &target,
        headers: &[],
        media_type,
        size: Some(body.len() as u64),
        body: Some(&read),
    };
    Ok(http::action(&parts, &fields))
}
