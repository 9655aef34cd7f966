//! Section 8: what a request is made of.

use super::{Row, Then, answered, asking, connection, request, row, stream, with};
use crate::frames::{HEADERS, PROTOCOL_ERROR, WHOLE, block, frame};
use crate::house::proof;

const X: &[&str] = &["GET /x []"];

pub fn rows() -> Vec<Row> {
    let mut rows = pseudo();
    rows.extend(regular());
    rows.extend(hosts());
    rows
}

/// A request of these pseudo-fields.
fn of(fields: &[(&str, &str)]) -> Vec<u8> {
    let proof = proof();
    frame(HEADERS, WHOLE, 1, &block(&[fields, &[("authorization", &proof)]].concat()))
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const AUTHORITY: (&str, &str) = (":authority", "api.test");
const PATH: (&str, &str) = (":path", "/x");

fn pseudo() -> Vec<Row> {
    let bad = |says, fields: &[(&str, &str)]| stream("8.3", says, PROTOCOL_ERROR, of(fields));
    let path = |path| of(&[METHOD, SCHEME, AUTHORITY, (":path", path)]);
    vec![
        answered("8.3.1", "all four", 200, of(&[METHOD, SCHEME, AUTHORITY, PATH])).seen(X),
        answered("8.3", "in any order", 200, of(&[PATH, AUTHORITY, SCHEME, METHOD])).seen(X),
        bad("no method", &[SCHEME, AUTHORITY, PATH]),
        bad("no scheme", &[METHOD, AUTHORITY, PATH]),
        bad("no path", &[METHOD, SCHEME, AUTHORITY]),
        // A malformed request may be answered before its stream ends (section 8.1.1).
        answered("8.3.1", "nobody who is asked", 400, of(&[METHOD, SCHEME, PATH])),
        bad("an empty path", &[METHOD, SCHEME, AUTHORITY, (":path", "")]),
        bad("two methods", &[METHOD, (":method", "POST"), SCHEME, AUTHORITY, PATH]),
        bad("two paths", &[METHOD, SCHEME, AUTHORITY, PATH, (":path", "/y")]),
        bad("two schemes", &[METHOD, SCHEME, SCHEME, AUTHORITY, PATH]),
        bad("two authorities", &[METHOD, SCHEME, AUTHORITY, (":authority", "other"), PATH]),
        bad("one of an answer", &[METHOD, SCHEME, AUTHORITY, PATH, (":status", "200")]),
        bad("one behind a field", &[METHOD, SCHEME, AUTHORITY, ("x", "y"), PATH]),
        stream("8441 4", ":protocol, which was not offered", PROTOCOL_ERROR, {
            of(&[(":method", "CONNECT"), SCHEME, AUTHORITY, PATH, (":protocol", "websocket")])
        }),
        answered(
            "8.5",
            "CONNECT is not offered",
            405,
            of(&[(":method", "CONNECT"), (":authority", "api.test:80")]),
        ),
        bad("CONNECT has no path and no scheme", &[(":method", "CONNECT"), SCHEME, AUTHORITY, PATH]),
        answered(
            "9110 9.3.8",
            "TRACE is not offered",
            405,
            of(&[(":method", "TRACE"), SCHEME, AUTHORITY, PATH]),
        ),
        answered(
            "9110 9.1",
            "a method that is not known",
            403,
            of(&[(":method", "get"), SCHEME, AUTHORITY, PATH]),
        ),
        stream("8.3.1", "a path of another form", PROTOCOL_ERROR, path("x")),
        answered("8.3.1", "an asterisk", 400, path("*")),
        stream("8.3.1", "a whole address", PROTOCOL_ERROR, path("http://api.test/x")),
        stream("8.2.1", "CRLF in a path", PROTOCOL_ERROR, path("/x\r\nx: y")),
        stream("8.2.1", "a space in a path", PROTOCOL_ERROR, path("/x HTTP/1.1")),
        stream("8.2.1", "NUL in a path", PROTOCOL_ERROR, path("/x\0")),
        // It is cut off before it is judged, and so is not sent on.
        answered("8.3.1", "a fragment", 200, path("/x#y")).seen(X),
    ]
}

fn regular() -> Vec<Row> {
    // Section 5.4.1 lets an error of a stream end the connection.
    let bad = |says, name: &str, value: &str| connection("8.2.1", says, PROTOCOL_ERROR, with(name, value));
    let own = |name: &str, value: &str| {
        stream("8.2.2", "fields of a connection are malformed", PROTOCOL_ERROR, with(name, value))
    };
    vec![
        own("connection", "close"),
        own("connection", "x"),
        own("keep-alive", "timeout=5"),
        own("proxy-connection", "close"),
        own("transfer-encoding", "chunked"),
        own("upgrade", "h2c"),
        stream("8.2.2", "TE says trailers, or nothing", PROTOCOL_ERROR, with("te", "gzip")),
        stream("8.2.2", "and not among others", PROTOCOL_ERROR, with("te", "trailers, gzip")),
        answered("8.2.2", "TE of trailers", 200, with("te", "trailers")).seen(X),
        answered("8.2.3", "cookies in pieces", 200, with("cookie", "a=b")).seen(X),
        answered("8.2.1", "what is beyond ASCII is data that nobody judges", 403, with("x", "\u{80}\u{ff}")),
        bad("a space in a name", "x y", "z"),
        bad("a name in upper case", "Transfer-Encoding", "chunked"),
        bad("a colon in a name", "x:", "y"),
        bad("an empty name", "", "y"),
        bad("CRLF in a name", "x: y\r\nz", "w"),
        bad("what is not ASCII in a name", "\u{e9}", "w"),
        bad("CRLF in a value", "x", "y\r\nz: w"),
        bad("LF in a value", "x", "y\nz: w"),
        bad("CR in a value", "x", "y\rz: w"),
        bad("NUL in a value", "x", "y\0z"),
        answered("9110 5.5", "an empty value", 200, with("x", "")).seen(X),
    ]
}

fn hosts() -> Vec<Row> {
    let proof = proof();
    let hosted = |host: &str| with("host", host);
    let mut named = request("GET", "/x", &proof);
    named.remove(2);
    named.push(("host", "api.test"));
    vec![
        answered("8.3.1", "`host` where `:authority` is not", 200, frame(HEADERS, WHOLE, 1, &block(&named)))
            .seen(X),
        answered("8.3.1", "`host` as `:authority`", 200, hosted("api.test")).seen(X),
        answered("8.3.1", "another `host`", 400, hosted("other")),
        answered(
            "8.3.1",
            "two",
            400,
            frame(HEADERS, WHOLE, 1, &asking("GET", &[("host", "api.test"), ("host", "api.test")])),
        ),
        answered(
            "8.3.1",
            "a user in `:authority`",
            400,
            of(&[METHOD, SCHEME, (":authority", "u@api.test"), PATH]),
        ),
        row(
            "9110 4.2.3",
            "any case",
            of(&[METHOD, SCHEME, (":authority", "API.Test"), PATH]),
            Then::Answer(1, 200),
        )
        .seen(X),
        answered("9110 7.4", "nobody's name", 404, of(&[METHOD, SCHEME, (":authority", "other"), PATH])),
        answered(
            "9110 7.1",
            "another scheme than HTTP's is not served",
            400,
            of(&[METHOD, (":scheme", "ftp"), AUTHORITY, PATH]),
        ),
    ]
}

/// `https` asked for over a connection that was not secured.
pub fn secured() -> Row {
    answered("9110 7.4", "`https` in the clear", 421, of(&[METHOD, (":scheme", "https"), AUTHORITY, PATH]))
}
