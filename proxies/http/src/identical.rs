//! What tells two requests apart, beside what is judged of them: an approval is for the identical one, whenever it comes.

use hyper::header::{CONTENT_LENGTH, DATE, HOST, HeaderMap, HeaderName};

/// Fields that a client makes anew each time it sends the same request, and that ask for nothing: names of one sending of it. Where a rule
/// looks at one of them it counts all the same, as everything does that is judged.
const OF_ONE_SENDING: &[&str] = &[
    "baggage",
    "kubectl-session",
    // Which of its connections with an MCP server a client asks in, and how far it had read a stream.
    "last-event-id",
    "mcp-session-id",
    // What a WebSocket's client proves the answer by, and what of its offers goes no further.
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-request-id",
    "b3",
];
/// The same, by how they begin.
const OF_ONE_SENDING_BEGIN: &[&str] = &["x-b3-", "x-datadog-"];

/// The host and the body are bound by themselves; of when it was sent nothing depends.
const BOUND_ALREADY: &[HeaderName] = &[HOST, CONTENT_LENGTH, DATE];

/// The fields that count, of those of a request that are sent on, in an order that does not depend on the client's, values of one name in theirs.
pub(crate) fn fields(sent: &HeaderMap) -> Vec<(Box<str>, Box<str>)> {
    let mut told: Vec<(Box<str>, Box<str>)> = sent
        .iter()
        .filter(|(name, _)| !BOUND_ALREADY.contains(name) && !is_of_one_sending(name.as_str()))
        // A character a byte, so that no two values become one.
        .map(|(name, value)| {
            (name.as_str().into(), value.as_bytes().iter().map(|&byte| char::from(byte)).collect())
        })
        .collect();
    // Stable: values of one name keep their order.
    told.sort_by(|(a, _), (b, _)| a.cmp(b));
    told
}

fn is_of_one_sending(name: &str) -> bool {
    OF_ONE_SENDING.contains(&name) || OF_ONE_SENDING_BEGIN.iter().any(|beginning| name.starts_with(beginning))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects by failing")]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn of(pairs: &[(&'static str, &'static [u8])]) -> Vec<(Box<str>, Box<str>)> {
        let fields_of: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap()))
            .collect();
        fields(&fields_of)
    }

    #[test]
    fn what_a_client_makes_anew_does_not_count() {
        let first: &[(&str, &[u8])] = &[
            ("content-type", b"application/json"),
            ("x-request-id", b"1"),
            ("traceparent", b"00-a-b-00"),
            ("x-b3-spanid", b"1"),
            ("sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
            ("date", b"now"),
        ];
        assert_eq!(of(first), of(&[("content-type", b"application/json"), ("host", b"api")]));
    }

    #[test]
    fn everything_else_does() {
        let plain = of(&[("accept", b"a"), ("x-mode", b"dry"), ("x-mode", b"b")]);
        assert_eq!(plain, of(&[("x-mode", b"dry"), ("x-mode", b"b"), ("accept", b"a")]), "order of names");
        let others: [&[(&str, &[u8])]; 4] = [
            &[("accept", b"a"), ("x-mode", b"wet"), ("x-mode", b"b")],
            &[("accept", b"a"), ("x-mode", b"b"), ("x-mode", b"dry")],
            &[("accept", b"a"), ("x-mode", b"dry")],
            &[("accept", b"a"), ("x-mode", b"dry"), ("x-mode", b"b"), ("idempotency-key", b"2")],
        ];
        for other in others {
            assert_ne!(plain, of(other));
        }
        assert_ne!(of(&[("x-mode", b"\xff")]), of(&[("x-mode", b"\xfe")]), "bytes that are no text");
    }
}
