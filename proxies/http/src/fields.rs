//! Which header fields go on, in either direction: what is between two parties stays between them.

use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, HeaderMap,
    HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RANGE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use crate::connect::Credential;

/// Fields of one connection (RFC 9110, section 7.6.1), which no proxy sends on.
const OF_A_CONNECTION: &[HeaderName] =
    &[CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION];
const KEEP_ALIVE: &str = "keep-alive";
const PROXY_CONNECTION: &str = "proxy-connection";

/// What a target believes of whoever sends it: who the client is, where it comes from, and what it really asks for. From a client
/// these would be words of its own.
const BELIEVED: &[&str] = &[
    "impersonate-",
    "x-remote-",
    "x-forwarded-",
    "x-real-ip",
    "x-original-",
    "x-rewrite-url",
    "x-http-method",
    "x-method-override",
];

/// Why a message's fields can't be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Odd {
    /// `Connection` names something that is no field.
    #[error("the field `connection` names no field")]
    Connection,
}

/// Takes away what is only between the two ends of this connection, whatever `Connection` names included.
pub(crate) fn strip_connection(fields: &mut HeaderMap) -> Result<(), Odd> {
    let mut named = Vec::new();
    for value in fields.get_all(CONNECTION) {
        let text = value.to_str().map_err(|_| Odd::Connection)?;
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            named.push(name.parse::<HeaderName>().map_err(|_| Odd::Connection)?);
        }
    }
    // What a request is about is not between its two ends, whatever it says.
    named.retain(|name| *name != HOST);
    named.iter().chain(OF_A_CONNECTION).for_each(|name| drop(fields.remove(name)));
    fields.remove(KEEP_ALIVE);
    fields.remove(PROXY_CONNECTION);
    Ok(())
}

/// Takes away what the client shows the gateway, and what a target would believe of it.
pub(crate) fn strip_client(fields: &mut HeaderMap) {
    fields.remove(AUTHORIZATION);
    fields.remove(FORWARDED);
    let believed: Vec<HeaderName> = fields
        .keys()
        .filter(|name| BELIEVED.iter().any(|beginning| name.as_str().starts_with(beginning)))
        .cloned()
        .collect();
    believed.iter().for_each(|name| drop(fields.remove(name)));
}

/// Headers of a request that ask for less than the whole: what is masked can't be compared or cut.
const IN_PART: [HeaderName; 6] =
    [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];

/// How a request's fields go on.
pub(crate) struct Forwarded<'a> {
    /// Whom the target is called.
    pub(crate) authority: &'a str,
    pub(crate) credential: Option<&'a Credential>,
    /// Whether the answer will be: then it is asked for plainly, and whole.
    pub(crate) looked_through: bool,
}

impl Forwarded<'_> {
    /// Makes the fields that a target gets of those that a client sent.
    pub(crate) fn rewrite(&self, fields: &mut HeaderMap, media_type: &str) -> Result<(), &'static str> {
        let trailers = takes_trailers(fields);
        strip_connection(fields).map_err(|_| "`connection` names no fields")?;
        strip_client(fields);
        fields.remove(EXPECT);
        fields.remove(CONTENT_LENGTH);
        let host = HeaderValue::from_str(self.authority).map_err(|_| "`host` is no name of a host")?;
        fields.insert(HOST, host);
        // gRPC servers answer only who says so; the field means the next hop, and this one does.
        if trailers && media_type.starts_with("application/grpc") {
            fields.insert(TE, HeaderValue::from_static("trailers"));
        }
        if let Some(Credential { field, value }) = self.credential {
            fields.insert(field, value.clone());
        }
        if self.looked_through {
            fields.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            IN_PART.iter().for_each(|name| drop(fields.remove(name)));
        }
        Ok(())
    }
}

fn takes_trailers(fields: &HeaderMap) -> bool {
    fields.get_all(TE).iter().any(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"))
}

/// Puts what was taken off a request's path before the path that an answer names.
pub(crate) fn below(fields: &mut HeaderMap, name: HeaderName, prefix: &str) {
    let Some(path) = fields.get(&name).filter(|_| !prefix.is_empty()) else { return };
    let is_path = path.as_bytes().starts_with(b"/") && !path.as_bytes().starts_with(b"//");
    if is_path && let Ok(whole) = HeaderValue::from_bytes(&[prefix.as_bytes(), path.as_bytes()].concat()) {
        fields.insert(name, whole);
    }
}

/// An error and what it comes from, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects by failing")]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn names(fields: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = fields.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_is_between_two_ends_stays_there() {
        let mut all = fields(&[
            ("connection", "close, X-Secret"),
            ("connection", "keep-alive"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("host", "api"),
            ("accept", "*/*"),
        ]);
        strip_connection(&mut all).unwrap();
        assert_eq!(names(&all), ["accept", "host"]);
        let mut host = fields(&[("connection", "host"), ("host", "api")]);
        strip_connection(&mut host).unwrap();
        assert_eq!(names(&host), ["host"]);
        assert_eq!(strip_connection(&mut fields(&[("connection", "a b")])), Err(Odd::Connection));
    }

    #[test]
    fn a_client_says_nothing_that_only_the_gateway_may_say() {
        let mut all = fields(&[
            ("authorization", "Bearer mine"),
            ("impersonate-user", "admin"),
            ("impersonate-extra-x", "1"),
            ("x-remote-user", "admin"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-original-url", "/admin"),
            ("x-http-method-override", "DELETE"),
            ("x-real-ip", "127.0.0.1"),
            ("forwarded", "for=x"),
            ("x-request-id", "7"),
        ]);
        strip_client(&mut all);
        assert_eq!(names(&all), ["x-request-id"]);
    }
}
