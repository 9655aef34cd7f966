//! Where a body ends.

use super::{Row, broken, get, last, post, refused, served, turned};

const HELLO: &[&str] = &["POST /x [hello]"];
/// What would be a request if a body ended earlier or later than it does.
const BEHIND: &str = "GET /smuggled HTTP/1.1\r\nhost: api.test\r\n\r\n";

pub fn rows() -> Vec<Row> {
    let mut rows = lengths();
    rows.extend(codings());
    rows.extend(chunks());
    rows
}

fn lengths() -> Vec<Row> {
    let length = |value: &str| post(&format!("content-length: {value}\r\n"), "hello");
    let bad = |says, value: &str| refused("9112 6.3", says, 400, length(value) + BEHIND);
    vec![
        served("9112 6.2", "a length in digits", length("5"), HELLO),
        served("9112 6.2", "zeros before it", length("005"), HELLO),
        served(
            "9112 6.3",
            "the same length twice is one",
            post("content-length: 5\r\ncontent-length: 5\r\n", "hello"),
            HELLO,
        ),
        refused(
            "9112 6.3",
            "different lengths are an error",
            400,
            post("content-length: 5\r\ncontent-length: 6\r\n", "hello") + BEHIND,
        ),
        bad("a list of different lengths", "5, 6"),
        bad("a list, whose recipient MAY refuse it", "5, 5"),
        bad("a sign", "+5"),
        bad("less than nothing", "-5"),
        bad("another base", "0x5"),
        bad("more than digits", "5 5"),
        bad("a unit", "5b"),
        bad("a fraction", "5.0"),
        bad("nothing", ""),
        bad("2^64", "18446744073709551616"),
        // Too large to count: answered as what else is too large.
        refused("9112 6.3", "2^64 - 1", 431, length("18446744073709551615") + BEHIND),
        bad("a long number", "00000000000000000000000000000000000000000000000005x"),
        broken("9112 8", "a body shorter than its length is no request", length("6") + "{end}"),
        served(
            "9112 6.3",
            "without a length there is no body",
            format!("POST /x HTTP/1.1\r\n{{h}}\r\n{}", get("")),
            &["POST /x []", "GET /x []"],
        ),
        served(
            "9110 9.3.1",
            "a body of GET has an end too",
            "GET /x HTTP/1.1\r\n{h}content-length: 5\r\n\r\nhello",
            &["GET /x [hello]"],
        ),
        served(
            "9112 6.3",
            "what stands behind a length is the next request",
            length("5") + &get(""),
            &["POST /x [hello]", "GET /x []"],
        ),
    ]
}

fn codings() -> Vec<Row> {
    let coded = |lines: &str| post(lines, &format!("5\r\nhello\r\n0\r\n\r\n{BEHIND}"));
    let bad = |says, lines: &str| refused("9112 6.1", says, 400, coded(lines));
    let unknown = |says, lines: &str| {
        // The body was read to its end: the connection may go on.
        let send = post(lines, "5\r\nhello\r\n0\r\n\r\n");
        turned("9112 6.1", says, 501, send)
    };
    vec![
        last(
            "9112 6.1",
            "with both, the coding counts and the connection ends",
            coded("content-length: 6\r\ntransfer-encoding: chunked\r\n"),
            HELLO,
        ),
        last(
            "9112 6.1",
            "in either order",
            coded("transfer-encoding: chunked\r\ncontent-length: 6\r\n"),
            HELLO,
        ),
        last(
            "9112 6.1",
            "whatever the length is",
            coded("transfer-encoding: chunked\r\ncontent-length: x\r\n"),
            HELLO,
        ),
        bad("chunked comes last: another behind it", "transfer-encoding: chunked, gzip\r\n"),
        bad("in a field of its own", "transfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n"),
        bad("identity is no coding any more", "transfer-encoding: identity\r\n"),
        bad("behind it", "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n"),
        bad("a name that ends alike", "transfer-encoding: xchunked\r\n"),
        bad("one that begins alike", "transfer-encoding: chunkedx\r\n"),
        bad("chunked has no parameters", "transfer-encoding: chunked;q=1\r\n"),
        bad("nor quotes", "transfer-encoding: \"chunked\"\r\n"),
        bad("nor a list in spaces", "transfer-encoding: x chunked\r\n"),
        bad("nor a vertical tab", "transfer-encoding:\u{b}chunked\r\n"),
        bad("nothing", "transfer-encoding:\r\n"),
        bad("nothing behind a comma", "transfer-encoding: chunked,\r\n"),
        unknown("what is not understood is 501: gzip", "transfer-encoding: gzip, chunked\r\n"),
        unknown("in a field of its own", "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n"),
        unknown("identity", "transfer-encoding: identity, chunked\r\n"),
        unknown("chunked twice", "transfer-encoding: chunked, chunked\r\n"),
        unknown("chunked in two fields", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
        unknown("nothing before a comma", "transfer-encoding: ,chunked\r\n"),
        served(
            "9112 7",
            "the name's case does not matter",
            post("transfer-encoding: Chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
            HELLO,
        ),
        refused(
            "9112 6.1",
            "HTTP/1.0 has no codings: the connection ends",
            400,
            format!(
                "POST /x HTTP/1.0\r\n{{h}}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n{BEHIND}"
            ),
        ),
    ]
}

fn chunks() -> Vec<Row> {
    let chunked = |body: &str| post("transfer-encoding: chunked\r\n", body);
    let good = |rfc, says, body: &str| served(rfc, says, chunked(body), HELLO);
    let bad = |rfc, says, body: &str| broken(rfc, says, chunked(body) + BEHIND);
    vec![
        good("9112 7.1", "chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        good("9112 7.1", "a size in either case, zeros before it", "000005\r\nhello\r\n000\r\n\r\n"),
        good("9112 7.1.1", "unknown extensions are ignored", "5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n"),
        bad("9112 7.1.1", "LF ends no extension", "5;a\nhello\r\n0\r\n\r\n"),
        bad("9112 7.1.1", "CR ends no extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        bad("9112 7.1", "a size that overflows", "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"),
        bad("9112 7.1", "one that would wrap around to 5", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        bad("9112 7.1", "a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        bad("9112 7.1", "less than nothing", "-5\r\nhello\r\n0\r\n\r\n"),
        bad("9112 7.1", "a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
        bad("9112 7.1", "no size", "\r\nhello\r\n0\r\n\r\n"),
        bad("9112 7.1", "no digits", "g\r\nhello\r\n0\r\n\r\n"),
        bad("9112 7.1", "a space before it", " 5\r\nhello\r\n0\r\n\r\n"),
        bad("9112 7.1", "LF ends no size", "5\nhello\r\n0\r\n\r\n"),
        bad("9112 7.1", "CR ends no size", "5\rhello\r\n0\r\n\r\n"),
        bad("9112 7.1", "a size is a line of its own", "5 5\r\nhello\r\n0\r\n\r\n"),
        bad("9112 7.1", "nothing stands behind the data", "5\r\nhelloXX\r\n0\r\n\r\n"),
        bad("9112 7.1", "the data end with CRLF: not with LF", "5\r\nhello\n0\r\n\r\n"),
        bad("9112 7.1", "not with CR", "5\r\nhello\r0\r\n\r\n"),
        bad(
            "9112 7.1",
            "extensions without an end",
            &format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(20_000)),
        ),
        broken("9112 8", "no last chunk: no request", chunked("5\r\nhello\r\n{end}")),
        broken("9112 8", "half a last chunk: no request", chunked("5\r\nhello\r\n0\r\n{end}")),
        good("9112 7.1.2", "trailers are dropped", "5\r\nhello\r\n0\r\nx: y\r\n\r\n"),
        good(
            "9110 6.5.1",
            "nor do they become fields",
            "5\r\nhello\r\n0\r\ncontent-length: 50\r\nhost: other\r\ntransfer-encoding: gzip\r\n\r\n",
        ),
        // An error by the rule. All up to the empty line is taken for trailers, and dropped with them.
        good("9112 7.1.2", "LF ends no trailers", "5\r\nhello\r\n0\r\n\nGET /smuggled HTTP/1.1\r\n\r\n"),
        bad("9112 7.1.2", "a trailer is a field", "5\r\nhello\r\n0\r\nx y\r\n\r\n"),
        bad(
            "9112 7.1.2",
            "trailers without an end",
            &format!("5\r\nhello\r\n0\r\nx: {}\r\n\r\n", "y".repeat(70_000)),
        ),
        served(
            "9112 7.1",
            "what stands behind the last chunk is the next request",
            chunked("5\r\nhello\r\n0\r\n\r\n") + &get(""),
            &["POST /x [hello]", "GET /x []"],
        ),
    ]
}

/// The same as all broken bodies, with the status that says whose fault it is.
pub fn faults() -> Vec<Row> {
    let mut rows =
        vec![broken("9112 8", "a body shorter than its length", post("content-length: 6\r\n", "hello{end}"))];
    for body in [
        "g\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "5\r\nhelloXX\r\n0\r\n\r\n",
        "5\r\nhello\r\n{end}",
    ] {
        rows.push(broken(
            "9112 7.1",
            "chunks that can't be read",
            post("transfer-encoding: chunked\r\n", body),
        ));
    }
    rows.into_iter().map(|row| Row { answers: vec![vec![400]], ..row }).collect()
}
