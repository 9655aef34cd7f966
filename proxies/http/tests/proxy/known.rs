//! Requests that are understood by what was understood before: in one session, one after the other.

use crate::house::{House, Origin, authorization};
use crate::tokens::Kept;

const POLICY: &str = r#"
policy "known"
default deny
allow "reads"  { by group "eng"  on http  do get on "/x" }
allow "texts"  { by group "eng"  on http  do put on "/x"  when media_type == "text/plain" and size < 3 }
deny  "hosts"  { on http  do get  when host == "blocked.test" }
deny  "debug"  { on http  do get  when header.x-debug == "on" }
deny  "forced" { on http  do get  when query.force == "true" }
"#;
const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test]
async fn what_means_something_else_is_not_taken_for_what_was_understood() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let origin = Origin::run("python3", "origin.py", &[]);
    let target = format!("address = \"127.0.0.1:{}\"\nlisten = \"127.0.0.1:{port}\"\n", origin.port);
    let house = House::before(origin, POLICY, &target).await;
    let mut kept = Kept::to_port(&house, port);
    let mut ask = |line: &str, host: &str, fields: &[u8], body: &str| {
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let head = format!("{line} HTTP/1.1\r\nhost: {host}\r\n{}{length}", authorization("ana"));
        kept.send(&[head.as_bytes(), fields, b"\r\n", body.as_bytes()].concat()).unwrap()
    };
    let text = &b"content-type: text/plain\r\n"[..];
    let json = &b"content-type: application/json\r\n"[..];
    // What may pass goes first, and once more at the end.
    for _ in 0..2 {
        assert_eq!(ask("GET /x", "api.test", b"", ""), "200");
        assert_eq!(ask("PUT /x", "api.test", text, "12"), "200");
        for (name, line, host, fields, body) in [
            ("a method", "DELETE /x", "api.test", &b""[..], ""),
            ("an upgrade", "GET /x", "api.test", UPGRADE.as_bytes(), ""),
            ("a host", "GET /x", "blocked.test", b"", ""),
            ("a path", "GET /y", "api.test", b"", ""),
            ("a query", "GET /x?force=true", "api.test", b"", ""),
            ("a field", "GET /x", "api.test", b"x-debug: on\r\n", ""),
            ("a field that is no text", "GET /x", "api.test", b"x-other: \xff\r\n", ""),
            ("a type", "PUT /x", "api.test", json, "12"),
            ("a length", "PUT /x", "api.test", text, "123"),
        ] {
            assert_eq!(ask(line, host, fields, body), "403", "{name}");
        }
    }
    // What a policy looks at that comes later was not looked at.
    house
        .repolice(&format!("{POLICY}deny \"tried\" {{ on http  do get  when query.try == \"true\" }}"))
        .await;
    assert_eq!(ask("GET /x", "api.test", b"", ""), "200");
    assert_eq!(ask("GET /x?try=true", "api.test", b"", ""), "403");
}
