//! Requests that a server behind the proxy might cut or resolve in another way than the proxy: it sees one that was judged, or
//! none. Whatever is not below `/public/` is denied, so nothing else may arrive, in whatever way the server reads it.

use crate::frames::{DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Peer, RST_STREAM, WHOLE, block, frame};
use crate::house::{House, proof};
use crate::messages::Client;
use crate::servers::Server;

const POLICY: &str = r#"
policy "public"
default deny
allow "public" { by group "eng"  on http  do get, post on "/public/**" }
"#;

/// What stands behind every request, on its own connection.
const END: &str = "GET /public/end HTTP/1.1\r\n{h}connection: close\r\n\r\n";
const SMUGGLED: &str = "GET /admin/x HTTP/1.1\r\nhost: api.test\r\nx: ";

/// Bodies that two fields measure, one of them in disguise.
fn framings() -> Vec<String> {
    let mut all = Vec::new();
    for disguise in [
        "transfer-encoding: chunked",
        "tRANSFER-eNCODING: cHUNKED",
        "transfer-encoding:chunked",
        "transfer-encoding:\tchunked",
        "transfer-encoding: chunked ",
        "transfer-encoding : chunked",
        " transfer-encoding: chunked",
        "x: y\r\n transfer-encoding: chunked",
        "x: y\ntransfer-encoding: chunked",
        "x: y\rtransfer-encoding: chunked",
        "transfer-encoding\n: chunked",
        "transfer-encoding:\n chunked",
        "transfer-encoding: \u{b}chunked",
        "transfer-encoding: \u{a0}chunked",
        "transfer-encoding: chunked\0",
        "transfer-encoding: xchunked",
        "transfer-encoding: x, chunked",
        "transfer-encoding: chunked, x",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding: chunked;x",
        "transfer-encoding: identity",
        "transfer-encoding: identity, chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: x",
        "transfer-encoding: x\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        "transfer-encoding:\r\ntransfer-encoding: chunked",
        "transfer_encoding: chunked",
        "transfer-encoding\u{b}: chunked",
        "x-transfer-encoding: chunked",
        "te: chunked",
        "content-encoding: chunked",
    ] {
        // The chunks end before the length does, and behind it.
        let short = format!("0\r\n\r\n{SMUGGLED}");
        all.push(format!("{disguise}\r\ncontent-length: {}\r\n\r\n{short}", short.len()));
        let long = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
        all.push(format!("content-length: 4\r\n{disguise}\r\n\r\n{long}"));
    }
    for lengths in [
        "content-length: 0\r\ncontent-length: {n}",
        "content-length: {n}\r\ncontent-length: 0",
        "content-length: 0, {n}",
        "content-length: {n}, 0",
        "content-length: +{n}",
        "content-length : {n}",
        "content-length:\n{n}",
        "content_length: {n}",
        "content-length: 0\r\n content-length: {n}",
        "content-length: {n}\0",
        "content-length: {n}\u{b}",
        "content-length: {n}.0",
        "content-length: {n}e0",
        "x: y",
    ] {
        let lengths = lengths.replace("{n}", &SMUGGLED.len().to_string());
        all.push(format!("{lengths}\r\n\r\n{SMUGGLED}"));
    }
    for chunks in [
        "0\n\r\n{s}",
        "0;\n\r\n{s}",
        "0;a=\"\r\n\r\n{s}",
        "00000000000000000\r\n\r\n{s}",
        "10000000000000000\r\n\r\n{s}",
        "0x0\r\n\r\n{s}",
        "-0\r\n\r\n{s}",
        "1\r\nab\r\n0\r\n\r\n{s}",
        "1\r\na0\r\n\r\n{s}",
        "0\r\ncontent-length: 50\r\n\r\n{s}",
        "0\r\ntransfer-encoding: chunked\r\n\r\n{s}",
        "0\r\nx\n\r\n{s}",
    ] {
        all.push(format!("transfer-encoding: chunked\r\n\r\n{}", chunks.replace("{s}", SMUGGLED)));
    }
    all
}

/// Targets, and how the server sees those that it sees.
const TARGETS: &[(&str, Option<&str>)] = &[
    ("/public/x", Some("/public/x")),
    ("/%70ublic/%78", Some("/public/x")),
    ("/public/./x", Some("/public/x")),
    ("/admin/../public/x", Some("/public/x")),
    ("/admin/%2e%2e/public/x", Some("/public/x")),
    ("/public/x?y=/../admin&y=2&y", Some("/public/x?y=/../admin&y=2&y")),
    ("/public/x#/../../admin", Some("/public/x")),
    ("/public/..%ef%bc%8fadmin", Some("/public/..%EF%BC%8Fadmin")),
    ("/public/%20x", Some("/public/%20x")),
    ("http://api.test/public/x", Some("/public/x")),
    ("http://api.test/admin", None),
    ("http://other/public/x", None),
    ("http://api.test@other/public/x", None),
    ("http://api.test:80/public/x", None),
    ("/admin", None),
    ("/PUBLIC/x", None),
    ("/public/../admin", None),
    ("/public/x/../../admin", None),
    ("/public/%2e%2e/admin", None),
    ("/public/.%2e/admin", None),
    ("/public/%2E./admin", None),
    ("/public/..%2fadmin", None),
    ("/public/%2e%2e%2fadmin", None),
    ("/public/..;/admin", None),
    ("/public/..;x=1/admin", None),
    ("/public;/../admin", None),
    ("/public/x;/../../admin", None),
    ("/public/..%3b/admin", None),
    ("//admin", None),
    ("//public/x", None),
    ("///public/../admin", None),
    ("/public//../admin", None),
    ("/public//../../admin", None),
    ("/public//x", None),
    ("/public/..//admin", None),
    ("/public/..\\admin", None),
    ("/public\\..\\admin", None),
    ("\\admin", None),
    ("/public/..%5cadmin", None),
    ("/public/%5c../admin", None),
    ("/public/%252e%252e/admin", None),
    ("/public/%252e%252e%252fadmin", None),
    ("/public/%25252e/admin", None),
    ("/public/%%32%65%%32%65/admin", None),
    ("/public/%u002e%u002e/admin", None),
    ("/public/%c0%ae%c0%ae/admin", None),
    ("/public/..%c0%afadmin", None),
    ("/public/x%00/../../admin", None),
    ("/public/x%00", None),
    ("/public/x%0d%0aadmin", None),
    ("/public/x%0a", None),
    ("/public/x%09", None),
    ("/public/x%7f", None),
    ("/public/x\u{e9}", None),
    ("public/x", None),
    ("*", None),
    ("api.test:80", None),
    ("", None),
];

/// Fields by which some frameworks take another request than the line says.
const OVERRIDES: &[&str] = &[
    "x-http-method-override: DELETE",
    "x-http-method: DELETE",
    "x-method-override: DELETE",
    "x-original-url: /admin",
    "x-rewrite-url: /admin",
    "x-forwarded-prefix: /admin",
    "x-forwarded-host: other",
    "forwarded: host=other",
];

/// Parts of requests of HTTP/2: fields, and the body if there is one. Of a name that is here twice the later stands.
type Parts = (&'static [(&'static str, &'static str)], Option<&'static str>);

const FRAMES: &[Parts] = &[
    (
        &[(":method", "POST"), ("content-length", "0")],
        Some("GET /admin/x HTTP/1.1\r\nhost: api.test\r\n\r\n"),
    ),
    (
        &[(":method", "POST"), ("content-length", "5")],
        Some("helloGET /admin/x HTTP/1.1\r\nhost: api.test\r\n\r\n"),
    ),
    (
        &[(":method", "POST"), ("content-length", "0"), ("content-length", "43")],
        Some("GET /admin/x HTTP/1.1\r\n\r\n"),
    ),
    (
        &[(":method", "POST"), ("transfer-encoding", "chunked")],
        Some("0\r\n\r\nGET /admin/x HTTP/1.1\r\n\r\n"),
    ),
    (
        &[(":method", "POST"), ("transfer-encoding ", "chunked")],
        Some("0\r\n\r\nGET /admin/x HTTP/1.1\r\n\r\n"),
    ),
    (
        &[(":method", "POST"), ("x", "y\r\ntransfer-encoding: chunked")],
        Some("0\r\n\r\nGET /admin/x HTTP/1.1\r\n\r\n"),
    ),
    (
        &[(":method", "POST"), ("x", "y\ntransfer-encoding: chunked")],
        Some("0\r\n\r\nGET /admin/x HTTP/1.1\r\n\r\n"),
    ),
    (
        &[(":method", "POST"), ("x: y\r\ntransfer-encoding", "chunked")],
        Some("0\r\n\r\nGET /admin/x HTTP/1.1\r\n\r\n"),
    ),
    (&[("connection", "x")], None),
    (&[("x", "y\r\n\r\nGET /admin/x HTTP/1.1\r\nhost: api.test")], None),
    (&[("x\r\n\r\nGET /admin/x HTTP/1.1\r\nhost", "api.test")], None),
    (&[("x", "y\0\r\n\r\n")], None),
    (&[(":method", "GET /admin/x HTTP/1.1\r\nx:")], None),
    (&[(":method", "GET /admin/x HTTP/1.1")], None),
    (&[(":path", "/public/x HTTP/1.1\r\nhost: api.test\r\n\r\nGET /admin/x")], None),
    (&[(":path", "/public/x HTTP/1.1")], None),
    (&[(":path", "/public/x\t")], None),
    (&[(":path", "/public/../admin")], None),
    (&[(":path", "/public/..%2fadmin")], None),
    (&[(":path", "//admin")], None),
    (&[(":path", "http://api.test/admin")], None),
    (&[(":scheme", "http://api.test/admin?")], None),
    (&[(":scheme", "http\r\nx: y")], None),
    (&[(":authority", "api.test\r\nx: y")], None),
    (&[(":authority", "api.test/admin")], None),
    (&[(":authority", "api.test@other")], None),
    (&[("host", "other")], None),
    (&[(":authority", "other"), ("host", "api.test")], None),
];

/// How the paths of framings begin.
const FRAMED: &str = "/public/framing-";

/// All of them before one server.
fn smuggle(mut server: Server) {
    let house = House::before(server.port, POLICY, "1m");
    let mut wrong = Vec::new();
    let mut reached = 0;
    for (number, framing) in framings().into_iter().enumerate() {
        // A path of its own: what a slow server says of an earlier one is not taken for a second request.
        let path = format!("{FRAMED}{number}");
        let request = format!("POST {path} HTTP/1.1\r\n{{h}}{framing}");
        send(&house, &request);
        reached += note_of(&path, &mut wrong, &request, &mut server);
    }
    assert!(reached > 5, "those that mean one thing go through: {reached}");
    let mut talk = Talk { house: &house, client: None };
    for (target, expected) in TARGETS {
        let request = format!("GET {target} HTTP/1.1\r\n{{h}}\r\n");
        talk.ask(&request);
        note(&mut wrong, &request, &mut server, Some(*expected));
    }
    for field in OVERRIDES {
        let request = format!("GET /public/x HTTP/1.1\r\n{{h}}{field}\r\n\r\n");
        talk.ask(&request);
        note(&mut wrong, &request, &mut server, Some(Some("/public/x")));
    }
    for parts in FRAMES {
        frames(&house, parts);
        note(&mut wrong, &format!("{parts:?}"), &mut server, None);
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    let seen = house.admitted();
    assert!(seen.iter().all(|action| action.contains(" /public/")), "{seen:?}");
}

/// Requests on one connection for as long as it goes on: who asks is proven once.
struct Talk<'a> {
    house: &'a House,
    client: Option<Client>,
}

impl Talk<'_> {
    fn ask(&mut self, request: &str) {
        let mut client = self.client.take().unwrap_or_else(|| Client::new(self.house.raw()));
        client.send(request);
        let answer = client.answer(false).unwrap_or_else(|| panic!("no answer to {request:?}"));
        self.client = Some(client).filter(|_| !answer.head.contains("connection: close"));
    }
}

/// Sends it, another behind it, and waits for the end.
fn send(house: &House, request: &str) {
    let mut client = Client::new(house.raw());
    client.send(&(request.to_owned() + END));
    while client.answer(false).is_some() {}
}

fn frames(house: &House, (changes, body): &Parts) {
    let proof = proof();
    let mut fields = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "api.test"),
        (":path", "/public/x"),
        ("authorization", &proof),
    ];
    for change in *changes {
        match fields.iter_mut().find(|(name, _)| *name == change.0 && name.starts_with(':')) {
            Some(field) => *field = *change,
            None => fields.push(*change),
        }
    }
    let mut peer = Peer::begun(house.raw());
    peer.send(&frame(HEADERS, if body.is_some() { END_HEADERS } else { WHOLE }, 1, &block(&fields)));
    if let Some(body) = body {
        peer.send(&frame(DATA, END_STREAM, 1, body.as_bytes()));
    }
    peer.until(|frame| {
        frame.kind == GOAWAY || (frame.stream == 1 && matches!(frame.kind, HEADERS | RST_STREAM))
    });
}

/// What is wrong with what the server saw; how many requests it saw beside the one behind.
/// The same of a framing: only what has its path counts, or is where none should be.
fn note_of(path: &str, wrong: &mut Vec<String>, sent: &str, server: &mut Server) -> usize {
    let mut seen = server.take();
    seen.retain(|seen| {
        seen.target == path || !seen.target.starts_with(FRAMED) && seen.target != "/public/end"
    });
    let is_wrong = seen.len() > 1 || seen.iter().any(|seen| seen.method != "POST" || seen.target != path);
    if is_wrong {
        wrong.push(format!("{sent:?}\n  at most one expected, it saw {seen:?}"));
    }
    seen.len()
}

fn note(wrong: &mut Vec<String>, sent: &str, server: &mut Server, expected: Option<Option<&str>>) -> usize {
    let mut seen = server.take();
    seen.retain(|seen| seen.target != "/public/end" && !seen.target.starts_with(FRAMED));
    let is_wrong = seen.len() > 1
        || seen
            .iter()
            .any(|seen| !matches!(&*seen.method, "GET" | "POST") || !seen.path.starts_with("/public/"))
        || expected.is_some_and(|expected| seen.first().map(|seen| &*seen.target) != expected);
    if is_wrong {
        wrong.push(format!("{sent:?}\n  {expected:?} expected, it saw {seen:?}"));
    }
    seen.len()
}

#[test]
fn nginx_sees_what_was_judged() {
    smuggle(Server::nginx());
}

#[test]
fn the_server_of_python_sees_what_was_judged() {
    smuggle(Server::python());
}

/// With `make test-http-origins`.
#[test]
fn node_sees_what_was_judged() {
    if let Some(server) = Server::node() {
        smuggle(server);
    }
}

/// With `make test-http-origins`.
#[test]
fn gunicorn_sees_what_was_judged() {
    if let Some(server) = Server::gunicorn() {
        smuggle(server);
    }
}
