//! A request over HTTP as a text: `POST /orders {"amount": 5}`, or as it goes over the wire, with header fields and the body
//! behind a blank line; for MCP, the message alone.

use policy_core::{ActionSet, Policy, Protocol};
use policy_normalize::http::{self, Target};
use policy_normalize::kubernetes::{self, Object};
use policy_normalize::mcp::{self, Messages, Side};

use crate::failure::Failure;

/// What a request does, under what this policy looks at.
pub(crate) fn read(text: &str, protocol: &Protocol, policy: &Policy) -> Result<ActionSet, Failure> {
    let fields = http::Fields::of(policy);
    if *protocol == Protocol::MCP {
        let context =
            mcp::Context { side: Side::Client, fields: &fields, pinned: &|_| None, asked: &|_| None };
        return Ok(Messages::parse(text.as_bytes(), &context).actions());
    }
    let written = Written::parse(text)?;
    let Written { method, path, body, .. } = written;
    let media_type = written.media_type();
    let target = Target::parse(path)
        .map_err(|error| Failure::usage(format_args!("`{path}` is no path of a request: {error}")))?;
    if *protocol == Protocol::KUBERNETES {
        let Ok(object) = Object::read(&media_type, body.as_bytes()) else { return Ok(ActionSet::unknown()) };
        let parts =
            kubernetes::Parts { method, target: &target, media_type: &media_type, body: Some(&object) };
        return Ok(kubernetes::action(&parts, &kubernetes::Fields::of(policy)));
    }
    let Ok(read) = http::Body::read(&media_type, body.as_bytes()) else { return Ok(ActionSet::unknown()) };
    let headers: Vec<(&str, &str)> =
        written.fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let host = written.field("host").map(str::to_ascii_lowercase).unwrap_or_default();
    let parts = http::Parts {
        method,
        upgrade: written.field("upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket")),
        // Without one, what no host is called.
        host: host.split(':').next().unwrap_or_default(),
        target: &target,
        headers: &headers,
        media_type: &media_type,
        size: Some(body.len() as u64),
        body: Some(&read),
    };
    Ok(http::action(&parts, &fields))
}

/// The parts of a request's text.
#[derive(Debug, PartialEq)]
struct Written<'a> {
    method: &'a str,
    path: &'a str,
    /// Header fields, their names in lower case.
    fields: Vec<(String, &'a str)>,
    /// Empty where there is none.
    body: &'a str,
}

impl<'a> Written<'a> {
    fn parse(text: &'a str) -> Result<Self, Failure> {
        let text = text.trim();
        let (first, mut rest) = line(text);
        let mut words = first.splitn(3, ' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(Failure::usage(format_args!("`{text}` is no request")).help(
                "write a method and a path, and JSON where there is a body: 'POST /orders {\"amount\": 5}'",
            ));
        };
        let mut fields = Vec::new();
        if words.next().is_some_and(|word| !word.starts_with("HTTP/")) {
            // It may go on over several lines.
            let body = text.get(method.len() + path.len() + 2..).unwrap_or_default().trim();
            return Ok(Self { method, path, fields, body });
        }
        while let (written, after) = line(rest)
            && let Some((name, value)) = written.split_once(':').filter(|(name, _)| is_name(name))
        {
            fields.push((name.to_ascii_lowercase(), value.trim()));
            rest = after;
        }
        Ok(Self { method, path, fields, body: rest.trim() })
    }

    fn field(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| *value)
    }

    /// In lower case and without parameters; a body of which nothing is said is JSON.
    fn media_type(&self) -> String {
        match self.field("content-type") {
            Some(says) => says.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
            None if self.body.is_empty() => String::new(),
            None => "application/json".to_owned(),
        }
    }
}

/// The first line, and what follows it.
fn line(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    (first.trim_end_matches('\r'), rest)
}

/// Whether this may be the name of a header field, as a body's first words are not (RFC 9110 section 5.6.2, without the marks that
/// nobody uses).
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_line_or_what_goes_over_the_wire() {
        let check = |text, fields: &[(&str, &'static str)], body, media_type| {
            let written = Written::parse(text).unwrap();
            let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
            assert_eq!(written, Written { method: "POST", path: "/orders", fields, body }, "{text}");
            assert_eq!(written.media_type(), media_type, "{text}");
        };
        check("POST /orders", &[], "", "");
        check(" POST /orders {\"amount\": 5} ", &[], "{\"amount\": 5}", "application/json");
        check("POST /orders {\n \"a\": 5\n}", &[], "{\n \"a\": 5\n}", "application/json");
        check("POST /orders\n\n{\"amount\": 5}", &[], "{\"amount\": 5}", "application/json");
        check("POST /orders\n{\"amount\": 5}", &[], "{\"amount\": 5}", "application/json");
        check(
            "POST /orders HTTP/1.1\r\nX-Tenant: a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhost: b",
            &[("x-tenant", "a"), ("content-type", "text/plain; charset=utf-8")],
            "host: b",
            "text/plain",
        );
        assert!(Written::parse("POST").is_err());
    }
}
