//! Whether a connection goes on, and what of a message is for the next connection.

use super::{Row, get, last, post, served, turned};

pub fn rows() -> Vec<Row> {
    let refusal = "GET /denied/x HTTP/1.1\r\n{h}\r\n".to_owned();
    let two = |first: &str, second: &str| format!("{first}{second}");
    vec![
        served("9112 9.3", "HTTP/1.1 goes on", get(""), &["GET /x []"]),
        last("9112 9.6", "with close it does not", get("connection: close\r\n"), &["GET /x []"]),
        last("9112 9.6", "close among others", get("connection: x, Close\r\n"), &["GET /x []"]),
        last(
            "9112 9.6",
            "close before keep-alive",
            get("connection: close\r\nconnection: keep-alive\r\n"),
            &["GET /x []"],
        ),
        last(
            "9112 9.6",
            "nothing is read behind close",
            two(&get("connection: close\r\n"), "GET /smuggled HTTP/1.1\r\n{h}\r\n"),
            &["GET /x []"],
        ),
        last(
            "9112 9.3",
            "HTTP/1.0 does not go on",
            two("GET /x HTTP/1.0\r\n{h}\r\n", "GET /smuggled HTTP/1.0\r\n{h}\r\n"),
            &["GET /x []"],
        ),
        served(
            "9112 9.3",
            "HTTP/1.0 goes on when it asks for it",
            "GET /x HTTP/1.0\r\n{h}connection: keep-alive\r\n\r\n",
            &["GET /x []"],
        ),
        served(
            "9112 9.3.2",
            "requests in a row are answered in their order",
            get("") + &post("content-length: 2\r\n", "hi") + &get(""),
            &["GET /x []", "POST /x [hi]", "GET /x []"],
        ),
        Row {
            answers: vec![vec![200], vec![403], vec![200]],
            ..served(
                "9112 9.3.2",
                "each is judged",
                two(&get(""), &refusal) + &get(""),
                &["GET /x []", "GET /x []"],
            )
        },
        Row {
            answers: vec![vec![200], vec![400]],
            open: false,
            ..served(
                "9112 9.3.2",
                "up to what can't be read",
                get("") + "x\r\n\r\n" + &get(""),
                &["GET /x []"],
            )
        },
        turned("9110 15.5.4", "a refusal leaves the connection as it was", 403, refusal.clone()),
        Row {
            open: false,
            ..turned(
                "9112 9.3",
                "a refusal of a body that was not read ends it, unless the body is read",
                403,
                "POST /denied/x HTTP/1.1\r\n{h}content-length: 1000000\r\n\r\nGET /smuggled HTTP/1.1\r\n{h}\r\n",
            )
        },
        Row {
            answers: vec![vec![100], vec![200]],
            ..served(
                "9110 10.1.1",
                "who waits for 100 gets it",
                post("expect: 100-continue\r\ncontent-length: 5\r\n", ""),
                &["POST /x [hello]"],
            )
        },
        Row {
            open: false,
            ..turned(
                "9110 10.1.1",
                "a refusal is final: nothing is asked for",
                403,
                "POST /denied/x HTTP/1.1\r\n{h}expect: 100-continue\r\ncontent-length: 5\r\n\r\n",
            )
        },
        turned(
            "9110 7.8",
            "another protocol is not spoken",
            501,
            get("connection: upgrade\r\nupgrade: h2c\r\n"),
        ),
        turned(
            "9113 3.1",
            "nor HTTP/2 by its settings",
            501,
            get("connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"),
        ),
        turned("9110 7.6.1", "connection names fields", 400, get("connection: a b\r\n")),
    ]
}

/// What is there, and what is not, in the head that the origin gets.
type Forwarded = (&'static str, &'static str, String, &'static [&'static str], &'static [&'static str]);

pub fn forwarded() -> Vec<Forwarded> {
    vec![
        (
            "9110 7.6.1",
            "what is of one connection stays there",
            get(
                "connection: x-a, keep-alive\r\nx-a: 1\r\nkeep-alive: timeout=5\r\nte: trailers\r\nproxy-connection: close\r\nx-b: 2\r\n",
            ),
            &["x-b: 2"],
            &["x-a", "keep-alive", "te:", "connection"],
        ),
        (
            "9110 7.6.1",
            "also what it names that is another's",
            get("connection: host, content-length\r\n"),
            &["host: api.test"],
            &["content-length"],
        ),
        (
            "9110 11.6.2",
            "who asks is the gateway's affair",
            get("proxy-authorization: Basic x\r\n"),
            &[],
            &["authorization"],
        ),
        (
            "9112 6.1",
            "of two lengths one goes on",
            post("content-length: 6\r\ntransfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
            &["transfer-encoding: chunked"],
            &["content-length"],
        ),
        (
            "9112 6.3",
            "of the same length twice, too",
            post("content-length: 5\r\ncontent-length: 5\r\n", "hello"),
            &["\r\ncontent-length: 5"],
            &["5\r\ncontent-length", "5, 5"],
        ),
        (
            "9112 7.1.2",
            "trailers are announced to nobody",
            post("trailer: x\r\ntransfer-encoding: chunked\r\n", "0\r\nx: y\r\n\r\n"),
            &[],
            &["trailer"],
        ),
        (
            "9110 10.1.1",
            "who expects 100 has had it",
            post("expect: 100-continue\r\ncontent-length: 2\r\n", "hi"),
            &[],
            &["expect"],
        ),
        (
            "9112 3.2.2",
            "the host is the judged one",
            get(
                "x-forwarded-host: other\r\nx-original-url: /other\r\nx-rewrite-url: /other\r\nx-http-method-override: other\r\nforwarded: host=other\r\n",
            ),
            &["host: api.test"],
            &["other"],
        ),
    ]
}
