//! Which header fields go on, in either direction: what is between two parties stays between them.

use hyper::Method;
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RANGE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use crate::connect::Credential;
use crate::dialect::mcp;
use crate::request::media_type;

/// Fields of one connection (RFC 9110, section 7.6.1), which no proxy sends on.
const OF_A_CONNECTION: &[HeaderName] =
    &[CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION];
const KEEP_ALIVE: &str = "keep-alive";
const PROXY_CONNECTION: &str = "proxy-connection";

/// What a target believes of whoever sends it: who the client is, where it comes from, and what it really asks for. From a client
/// these would be words of its own. Names, by how they begin.
const BELIEVED: &[&str] = &[
    "cf-access-",
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "forwarded-for",
    "impersonate-",
    "iv-creds",
    "iv-groups",
    "iv-user",
    "oidc-",
    "remote-email",
    "remote-groups",
    "remote-name",
    "remote-user",
    "shib-",
    "sm-user",
    "ssl-client-",
    "tailscale-user-",
    "true-client-ip",
    "wl-proxy-client-",
    "x-amzn-oidc-",
    "x-anonymous-consumer",
    "x-appengine-",
    "x-arr-clientcert",
    "x-auth-request-",
    "x-authenticated-",
    "x-authentik-",
    "x-client-cert",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-consumer-",
    "x-credential-identifier",
    "x-envoy-",
    "x-forwarded",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-http-method",
    "x-method-override",
    "x-ms-client-principal",
    "x-original-",
    "x-originating-ip",
    "x-pomerium-",
    "x-real-ip",
    "x-remote-",
    "x-rewrite-url",
    "x-serverless-authorization",
    "x-ssl-client-",
    "x-vouch-",
    "x-webauth-",
];
/// The same, by their whole names. Programs behind CGI take `Proxy` for the proxy that they are to use (CVE-2016-5385).
const BELIEVED_NAMES: &[&str] = &["authorization", "forwarded", "proxy", "proxy-authorization"];

/// What the gateway itself goes by, or writes anew: another spelling of it would pass unseen. Names, by how they begin; with them
/// go [`IN_PART`] and [`mcp::SEALED`].
const READ_HERE: &[&str] = &[
    "accept-",
    "content-",
    "if-",
    "keep-alive",
    "mcp-",
    "proxy-",
    "sec-websocket-",
    "transfer-encoding",
    "x-stream-protocol-",
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
    // What a message is about, and where it ends, is not between its two ends alone, whatever it says.
    named.retain(|name| !matches!(*name, HOST | CONTENT_LENGTH));
    named.iter().chain(OF_A_CONNECTION).for_each(|name| drop(fields.remove(name)));
    fields.remove(KEEP_ALIVE);
    fields.remove(PROXY_CONNECTION);
    Ok(())
}

/// Whether a message has no transfer coding but chunks, once: what undoes these undoes no other.
pub(crate) fn only_chunked(fields: &HeaderMap) -> bool {
    let mut codings = fields.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(only), None) => only.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Fields that ask for a part of the whole, or for what has changed of it: what is masked can't be cut. Apache's and Azure's servers
/// have names of their own for a range, and RFC 3229 one for changes.
const IN_PART: [HeaderName; 5] = [
    RANGE,
    IF_RANGE,
    HeaderName::from_static("request-range"),
    HeaderName::from_static("x-ms-range"),
    HeaderName::from_static("a-im"),
];
/// Fields that ask for nothing where a client has it already: what is masked can't be compared. Of a request that changes something
/// they say when it may (RFC 9110, section 13.1), and stay.
const IF_CHANGED: [HeaderName; 4] = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];

/// What is made of a request's fields where they come in.
pub(crate) struct Entry<'a> {
    /// Whom the target is called.
    pub(crate) authority: &'a str,
    pub(crate) credential: Option<&'a Credential>,
    /// The fields that a policy looks at.
    pub(crate) looked_at: &'a [String],
}

impl Entry<'_> {
    /// Makes of the fields that a client sent those that are judged, and that the target gets.
    pub(crate) fn rewrite(&self, fields: &mut HeaderMap) -> Result<(), &'static str> {
        let trailers = takes_trailers(fields);
        strip_connection(fields).map_err(|_| "`connection` names no fields")?;
        self.strip_client(fields);
        fields.remove(EXPECT);
        let host = HeaderValue::from_str(self.authority).map_err(|_| "`host` is no name of a host")?;
        fields.insert(HOST, host);
        // gRPC servers answer only who says so; the field means the next hop, and this one does.
        if trailers && media_type(fields.get(CONTENT_TYPE)).starts_with("application/grpc") {
            fields.insert(TE, HeaderValue::from_static("trailers"));
        }
        Ok(())
    }

    /// Takes away what the client shows the gateway, and what a target would believe of it.
    fn strip_client(&self, fields: &mut HeaderMap) {
        let gone: Vec<HeaderName> =
            fields.keys().filter(|name| self.is_gone(name, fields)).cloned().collect();
        gone.iter().for_each(|name| drop(fields.remove(name)));
    }

    fn is_gone(&self, name: &HeaderName, fields: &HeaderMap) -> bool {
        // CGI, and what has its ways, knows no difference (RFC 3875, section 4.1.18).
        let read = as_cgi_reads(name);
        let begins = |names: &[&str]| names.iter().any(|beginning| read.starts_with(beginning));
        BELIEVED_NAMES.contains(&read.as_str())
            || begins(BELIEVED)
            || self.credential.is_some_and(|own| as_cgi_reads(&own.field) == read)
            // A second spelling of what is judged would be read in its place.
            || read != name.as_str()
                && (begins(READ_HERE)
                    || IN_PART.iter().chain(&mcp::SEALED).any(|field| field.as_str() == read)
                    || !self.looks_at(name.as_str()) && (fields.contains_key(&read) || self.looks_at(&read)))
    }

    fn looks_at(&self, name: &str) -> bool {
        self.looked_at.iter().any(|looked_at| looked_at == name)
    }
}

/// To servers that make names of variables of them, all that is neither letter nor digit is the same.
fn as_cgi_reads(name: &HeaderName) -> String {
    name.as_str().replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

/// Adds to what was judged what the gateway says itself. An answer that is looked through is asked for plainly, and whole.
pub(crate) fn complete(
    fields: &mut HeaderMap,
    method: &Method,
    credential: Option<&Credential>,
    looked_through: bool,
) {
    fields.remove(CONTENT_LENGTH);
    if let Some(Credential { field, value }) = credential {
        fields.insert(field, value.clone());
    }
    if looked_through {
        fields.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        IN_PART.iter().for_each(|name| drop(fields.remove(name)));
        if matches!(*method, Method::GET | Method::HEAD) {
            IF_CHANGED.iter().for_each(|name| drop(fields.remove(name)));
        }
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
        let mut host =
            fields(&[("connection", "host, content-length"), ("host", "api"), ("content-length", "1")]);
        strip_connection(&mut host).unwrap();
        assert_eq!(names(&host), ["content-length", "host"]);
        assert_eq!(strip_connection(&mut fields(&[("connection", "a b")])), Err(Odd::Connection));
    }

    #[test]
    fn chunks_are_the_one_coding_of_a_connection() {
        for (codings, expected) in [
            (&[][..], true),
            (&["chunked"], true),
            (&["Chunked"], true),
            (&["gzip"], false),
            (&["gzip, chunked"], false),
            (&["chunked, chunked"], false),
            (&["chunked", "chunked"], false),
            (&["chunked", "gzip"], false),
            (&[""], false),
        ] {
            let mut all = HeaderMap::new();
            for coding in codings {
                all.append(TRANSFER_ENCODING, HeaderValue::from_static(coding));
            }
            assert_eq!(only_chunked(&all), expected, "{codings:?}");
        }
    }

    #[test]
    fn a_path_that_an_answer_names_is_below_the_prefix() {
        for (named, below_it) in [
            ("/x", "/api/x"),
            ("/", "/api/"),
            // Another host, or a path that is told from where it is.
            ("//elsewhere/x", "//elsewhere/x"),
            ("http://elsewhere/x", "http://elsewhere/x"),
            ("x", "x"),
        ] {
            let mut all = fields(&[("location", named)]);
            below(&mut all, hyper::header::LOCATION, "/api");
            assert_eq!(all["location"], below_it, "{named}");
            let mut all = fields(&[("location", named)]);
            below(&mut all, hyper::header::LOCATION, "");
            assert_eq!(all["location"], named);
        }
    }

    #[test]
    fn a_client_says_nothing_that_only_the_gateway_may_say() {
        let credential = Credential {
            field: HeaderName::from_static("x-api-key"),
            value: HeaderValue::from_static("hidden"),
        };
        let looked_at = ["x-dry-run".to_owned(), "x_odd".to_owned()];
        let entry = Entry { authority: "api", credential: Some(&credential), looked_at: &looked_at };
        let check = |gone: bool, name: &'static str| {
            let mut all = fields(&[("x-request-id", "7"), (name, "1")]);
            entry.rewrite(&mut all).unwrap();
            assert_eq!(all.contains_key(name), !gone, "{name}");
        };
        for name in [
            "authorization",
            "cf-connecting-ip",
            "forwarded",
            "impersonate-extra-x",
            "impersonate-user",
            "proxy",
            "remote-user",
            "ssl-client-verify",
            "true-client-ip",
            "x-auth-request-email",
            "x-client-cert-dn",
            "x-client-ip",
            "x-envoy-original-path",
            "x-forwarded-for",
            "x-http-method-override",
            "x-original-url",
            "x-real-ip",
            "x-remote-user",
            // Spelled as CGI reads them.
            "x_http_method_override",
            "x_remote_user",
            "x-remote_user",
            "remote_user",
            "x.remote.user",
            "x-forwarded",
            // The credential's own, in either spelling.
            "x-api-key",
            "x_api_key",
            "x.api~key",
            // Others than what is judged, or than what is sent beside them.
            "x_dry_run",
            "x.dry.run",
            "x_request_id",
            // Others than what the gateway goes by.
            "content_type",
            "if_none_match",
            "mcp_session_id",
            "mcp-session_id",
            "mcp_param_region",
            "mcp-param_region",
            "mcp_param-region",
            "mcp.param.region",
            "mcp_name",
            "mcp_method",
            "mcp_protocol_version",
            "last_event_id",
            "last-event_id",
            "request_range",
            "x_ms_range",
            "a_im",
            "transfer_encoding",
        ] {
            check(true, name);
        }
        for name in [
            "accept",
            "api_key",
            "x-dry-run",
            "x_odd",
            "proxy-x",
            "content-length",
            "mcp-session-id",
            "last-event-id",
            "request-range",
            "last_event",
        ] {
            check(false, name);
        }
    }
}
