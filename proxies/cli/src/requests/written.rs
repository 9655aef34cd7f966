//! The parts of a request's text: `POST /orders {"amount": 5}`, or as it goes over the wire, with header fields and the body
//! behind a blank line.

use portcullis_evidence::inert;

/// Methods that somebody may have written in small letters.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Programs whose command line is not what they send.
const PROGRAMS: [&str; 4] = ["curl", "wget", "http", "kubectl"];

/// The parts of a request's text.
#[derive(Debug, PartialEq)]
pub(super) struct Written<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// Header fields, their names in lower case.
    pub(super) fields: Vec<(String, &'a str)>,
    /// Empty where there is none.
    pub(super) body: &'a str,
}

/// Why a text is no request.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    pub(super) message: String,
    /// The way out, where it is another than to read how requests are written.
    pub(super) help: Option<String>,
}

impl<'a> Written<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Wrong> {
        let text = text.trim();
        let (method, behind) = word(text);
        let (path, behind) = word(behind);
        check(text, method, path)?;
        let behind = behind.trim_start_matches(' ');
        let mut fields = Vec::new();
        let mut rest = match line(behind) {
            (first, rest) if first.is_empty() || first.starts_with("HTTP/") => rest,
            // It may go on over several lines.
            _ => return Ok(Self { method, path, fields, body: behind.trim() }),
        };
        while let (written, after) = line(rest)
            && let Some(field) = field(written)
        {
            fields.push(field);
            rest = after;
        }
        Ok(Self { method, path, fields, body: rest.trim() })
    }
}

/// Whether somebody may have meant a request, or a message of MCP.
pub(super) fn looks_like_one(text: &str) -> bool {
    let (method, behind) = word(text);
    METHODS.contains(&method) && word(behind).0.starts_with('/') || text.trim_start().starts_with('{')
}

/// A header field, its name in lower case. A body's first words are none (RFC 9110, section 5.6.2, without the marks that nobody
/// uses).
pub(super) fn field(text: &str) -> Option<(String, &str)> {
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let (name, value) = text.split_once(':')?;
    let is_name = !name.is_empty() && name.bytes().all(is_of_a_name);
    is_name.then(|| (name.to_ascii_lowercase(), value.trim()))
}

fn check(text: &str, method: &str, path: &str) -> Result<(), Wrong> {
    let (text, shown) = (inert::line(text), inert::line(method));
    let wrong = |message: String| Err(Wrong { message, help: None });
    if PROGRAMS.contains(&method) {
        return wrong(format!("`{shown}` is a program, and what is judged is the request that it sends"));
    }
    let capitals = method.to_ascii_uppercase();
    if method != capitals && METHODS.contains(&&*capitals) {
        let message = format!("methods are in capitals: `{shown}` is another one");
        return Err(Wrong { message, help: Some(format!("'{capitals} {}'", inert::line(path))) });
    }
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
        return wrong(format!("`{text}` is no request: it begins with no method"));
    }
    if path.is_empty() {
        return wrong(format!("`{text}` is no request: it has no path"));
    }
    if path.contains("://") {
        let path = inert::line(path);
        return wrong(format!(
            "`{path}` is a URL: a request has the path alone, without the target's host and prefix"
        ));
    }
    Ok(())
}

/// The first word of a line, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches(' ');
    text.split_at(text.find([' ', '\r', '\n']).unwrap_or(text.len()))
}

/// The first line, and what follows it.
fn line(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    (first.trim_end_matches('\r'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_line_or_what_goes_over_the_wire() {
        let check = |text, fields: &[(&str, &'static str)], body| {
            let written = Written::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
            let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
            assert_eq!(written, Written { method: "POST", path: "/orders", fields, body }, "{text}");
        };
        check("POST /orders", &[], "");
        check(" POST  /orders {\"amount\": 5} ", &[], "{\"amount\": 5}");
        check("POST /orders {\n \"a\": 5\n}", &[], "{\n \"a\": 5\n}");
        check("POST /orders\n\n{\"amount\": 5}", &[], "{\"amount\": 5}");
        check("POST /orders\n{\"amount\": 5}", &[], "{\"amount\": 5}");
        check("POST /orders \n\nhost: b", &[], "host: b");
        check(
            "POST /orders HTTP/1.1\r\nX-Tenant: a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhost: b",
            &[("x-tenant", "a"), ("content-type", "text/plain; charset=utf-8")],
            "host: b",
        );
    }

    #[test]
    fn what_is_none_is_told_why() {
        for (text, part) in [
            ("", "no method"),
            ("POST", "no path"),
            ("POST\n/orders", "no path"),
            ("orders please", "no method"),
            ("post /orders", "methods are in capitals"),
            ("curl https://a/b", "`curl` is a program"),
            ("GET https://a/b", "is a URL"),
        ] {
            let wrong = Written::parse(text).expect_err(text);
            assert!(wrong.message.contains(part), "{text}: {wrong:?}");
        }
    }
}
