//! Request lines and fields.

use super::{Row, get, last, refused, served, turned};

const X: &[&str] = &["GET /x []"];

pub fn rows() -> Vec<Row> {
    let mut rows = lines();
    rows.extend(targets());
    rows.extend(hosts());
    rows.extend(fields());
    rows
}

fn lines() -> Vec<Row> {
    vec![
        served("9112 3", "method SP target SP version", get(""), X),
        served("9112 2.2", "an empty line before a request line is ignored", format!("\r\n{}", get("")), X),
        served(
            "9112 2.2",
            "a recipient MAY recognise LF alone as the end of a line",
            "GET /x HTTP/1.1\nhost: api.test\n{ana}\n",
            X,
        ),
        refused("9112 2.2", "a bare CR in a request line is invalid", 400, "GET /x\rHTTP/1.1\r\n{h}\r\n"),
        refused("9112 2.2", "a bare CR in a field is invalid", 400, get("x: a\rb\r\n")),
        refused("9112 2.2", "a bare CR ends no field", 400, get("x: a\rcontent-length: 5\r\n")),
        refused(
            "9112 2.2",
            "nothing stands before the first field",
            400,
            "GET /x HTTP/1.1\r\n x: y\r\n{h}\r\n",
        ),
        refused("9112 3", "no space stands before the method", 400, " GET /x HTTP/1.1\r\n{h}\r\n"),
        refused("9112 3", "one space, not two, before the target", 400, "GET  /x HTTP/1.1\r\n{h}\r\n"),
        refused("9112 3", "one space, not two, before the version", 400, "GET /x  HTTP/1.1\r\n{h}\r\n"),
        refused("9112 3", "a tab is no space", 400, "GET\t/x\tHTTP/1.1\r\n{h}\r\n"),
        refused("9112 3", "nothing stands behind the version", 400, "GET /x HTTP/1.1 x\r\n{h}\r\n"),
        refused("9112 2.3", "a request names its version: this is not HTTP/0.9", 400, "GET /x\r\n"),
        refused("9112 2.3", "another major version has other messages", 400, "GET /x HTTP/2.0\r\n{h}\r\n"),
        refused("9112 2.3", "nor is a longer number one", 400, "GET /x HTTP/1.10\r\n{h}\r\n"),
        refused("9112 2.3", "the name of the protocol is in upper case", 400, "GET /x http/1.1\r\n{h}\r\n"),
        refused("9112 2.3", "and is HTTP", 400, "GET /x ICAP/1.1\r\n{h}\r\n"),
        refused("9112 3.1", "a method is a token", 400, "GE(T /x HTTP/1.1\r\n{h}\r\n"),
        refused("9112 3.1", "and is there", 400, "/x HTTP/1.1\r\n{h}\r\n"),
        turned("9112 3.1", "a method's case matters", 403, "get /x HTTP/1.1\r\n{h}\r\n"),
        refused(
            "9113 3.4",
            "half a preface of HTTP/2 is no request",
            400,
            "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\nGET /smuggled HTTP/1.1\r\n{h}\r\n",
        ),
        refused(
            "9112 3",
            "nothing is read behind what was invalid",
            400,
            "GET /x y HTTP/1.1\r\n{h}\r\nGET /smuggled HTTP/1.1\r\n{h}\r\n",
        ),
        // 414 by the rule: here the whole head is measured before it is read, and too long.
        refused(
            "9112 3",
            "a target longer than any that is read is an error",
            431,
            format!("GET /{} HTTP/1.1\r\n{{h}}\r\n", "x".repeat(65_600)),
        ),
    ]
}

fn targets() -> Vec<Row> {
    vec![
        refused("9112 3.2", "no space stands in a target", 400, "GET /x y HTTP/1.1\r\n{h}\r\n"),
        // Such a line SHOULD be refused: it is cut off before it is judged, and so is not sent on.
        served("9112 3.2.1", "a fragment is no part of a target", "GET /x#y HTTP/1.1\r\n{h}\r\n", X),
        refused("9112 3.2", "nor is what is not ASCII", 400, "GET /\u{e9} HTTP/1.1\r\n{h}\r\n"),
        refused("9112 3.2", "nor is a control character", 400, "GET /\u{1} HTTP/1.1\r\n{h}\r\n"),
        refused("9112 3.2", "nor is NUL", 400, "GET /\0 HTTP/1.1\r\n{h}\r\n"),
        turned("9112 3.2.1", "a path begins with a slash", 400, "GET x HTTP/1.1\r\n{h}\r\n"),
        served(
            "9112 3.2.2",
            "a server MUST accept absolute-form; what goes on is origin-form",
            "GET http://api.test/x HTTP/1.1\r\n{h}\r\n",
            X,
        ),
        served(
            "9112 3.2.1",
            "an empty path is sent as a slash",
            "GET http://api.test HTTP/1.1\r\n{h}\r\n",
            &["GET / []"],
        ),
        turned(
            "9110 4.2.4",
            "a name of a user in a target is an error",
            400,
            "GET http://u:p@api.test/x HTTP/1.1\r\n{h}\r\n",
        ),
        turned(
            "9110 7.1",
            "another scheme than HTTP's is not served",
            400,
            "GET ftp://api.test/x HTTP/1.1\r\n{h}\r\n",
        ),
        turned(
            "9112 3.2.3",
            "authority-form is for CONNECT alone",
            400,
            "GET api.test:80 HTTP/1.1\r\n{h}\r\n",
        ),
        turned("9112 3.2.4", "asterisk-form is for OPTIONS alone", 400, "GET * HTTP/1.1\r\n{h}\r\n"),
        turned("9112 3.2.4", "and what asks for no path is not judged", 400, "OPTIONS * HTTP/1.1\r\n{h}\r\n"),
        served("9110 9.3.7", "OPTIONS of a path", "OPTIONS /x HTTP/1.1\r\n{h}\r\n", &["OPTIONS /x []"]),
        served("9110 9.3.2", "an answer to HEAD has no body", "HEAD /x HTTP/1.1\r\n{h}\r\n", &["HEAD /x []"]),
        turned("9110 9.3.6", "CONNECT is not offered", 405, "CONNECT api.test:80 HTTP/1.1\r\n{h}\r\n"),
        turned("9110 9.3.8", "TRACE is not offered", 405, "TRACE /x HTTP/1.1\r\n{h}\r\n"),
    ]
}

fn hosts() -> Vec<Row> {
    let host = |lines: &str| format!("GET /x HTTP/1.1\r\n{lines}{{ana}}\r\n");
    vec![
        turned("9112 3.2", "no Host is 400", 400, host("")),
        turned("9112 3.2", "two Hosts are 400", 400, host("host: api.test\r\nhost: other\r\n")),
        turned("9112 3.2", "also where they are the same", 400, host("host: api.test\r\nhost: api.test\r\n")),
        turned("9112 3.2", "an empty Host names nobody", 400, host("host:\r\n")),
        turned("9112 3.2", "an invalid value is 400: a path", 400, host("host: api.test/x\r\n")),
        turned("9112 3.2", "a user", 400, host("host: u@api.test\r\n")),
        turned("9112 3.2", "a list", 400, host("host: api.test, other\r\n")),
        turned("9112 3.2", "a space", 400, host("host: api.test other\r\n")),
        turned("9112 3.2", "no ASCII", 400, host("host: \u{e9}.test\r\n")),
        turned("9112 3.2", "no port", 400, host("host: api.test:x\r\n")),
        turned("9110 7.4", "nobody's name", 404, host("host: other\r\n")),
        served(
            "9110 4.2.3",
            "a name's case does not matter, nor does its port",
            host("Host: API.test:80\r\n"),
            X,
        ),
    ]
}

fn fields() -> Vec<Row> {
    let many = |count: usize| (0..count).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
    vec![
        refused("9112 5.1", "no space stands before a colon", 400, get("x : y\r\n")),
        refused("9112 5.1", "nor a tab", 400, get("x\t: y\r\n")),
        refused("9112 5.2", "a folded line is 400", 400, get("x: y\r\n z\r\n")),
        refused("9112 5.2", "also by a tab", 400, get("x: y\r\n\tz\r\n")),
        refused(
            "9112 5.2",
            "a folded line is no field of its own",
            400,
            get("x: y\r\n content-length: 5\r\n"),
        ),
        refused("9112 5", "a line has a colon", 400, get("x\r\n")),
        refused("9110 5.1", "a name is a token: it is not empty", 400, get(": y\r\n")),
        refused("9110 5.1", "no space is in it", 400, get("x y: z\r\n")),
        refused("9110 5.1", "no parenthesis", 400, get("x(: y\r\n")),
        refused("9110 5.1", "no slash", 400, get("x/y: z\r\n")),
        refused("9110 5.1", "no quote", 400, get("\"x\": y\r\n")),
        refused("9110 5.1", "no brace", 400, get("x{y}: z\r\n")),
        refused("9110 5.1", "no NUL", 400, get("x\0: y\r\n")),
        refused("9110 5.1", "nothing beyond ASCII", 400, get("\u{e9}: y\r\n")),
        refused("9110 5.5", "no NUL is in a value", 400, get("x: a\0b\r\n")),
        refused("9110 5.5", "no control character", 400, get("x: a\u{1}b\r\n")),
        refused("9110 5.5", "nor DEL", 400, get("x: a\u{7f}b\r\n")),
        turned(
            "9110 5.5",
            "what is beyond ASCII is data that nobody judges",
            403,
            get("x: \u{80}\u{ff}\r\n"),
        ),
        served("9110 5.5", "spaces around a value are no part of it", get("x: \t y \t\r\n"), X),
        served("9110 5.5", "a value may be empty", get("x:\r\n"), X),
        served("9110 5.4", "fields up to the bound", get(&many(98)), X),
        refused("9110 5.4", "more fields than are taken are 431", 431, get(&many(99))),
        refused(
            "9110 5.4",
            "a longer head than is taken is 431",
            431,
            get(&format!("x: {}\r\n", "y".repeat(70_000))),
        ),
        last("9112 9.3", "HTTP/1.0 closes", "GET /x HTTP/1.0\r\n{h}\r\n", X),
    ]
}
