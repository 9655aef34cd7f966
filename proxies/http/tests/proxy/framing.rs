//! Messages that one server would cut where another does not: each is refused, or seen by the origin as it was judged.

use crate::house::{House, authorization};

const POLICY: &str = r#"
policy "any"
default deny
allow "all"    { by group "eng"  on http  do get, post, put, delete on "/**" }
deny  "admin"  { on http  do get, post on "/admin/**" }
"#;

#[tokio::test]
async fn a_message_of_two_lengths_smuggles_nothing() {
    let house = House::policed(POLICY).await;
    let smuggled = "GET /admin/x HTTP/1.1\r\nhost: api.test\r\nx: ";
    for fields in [
        "content-length: 6\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 6\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 6, 5\r\n",
        "content-length: +6\r\n",
        "content-length: 0x6\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding : chunked\r\n",
        " transfer-encoding: chunked\r\n",
        "x: y\r\n transfer-encoding: chunked\r\n",
        "transfer-encoding:\u{b}chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
    ] {
        let request = format!(
            "POST /x HTTP/1.1\r\nhost: api.test\r\n{}{fields}\r\n0\r\n\r\n{smuggled}",
            authorization("ana")
        );
        let answer = house.send(&request);
        for seen in house.origin.seen() {
            assert_eq!(seen["path"], "/x", "{fields:?}: {answer}\n{seen}");
            assert!(!seen["body"].as_str().unwrap().contains("admin"), "{fields:?}: {seen}");
        }
    }
}

#[tokio::test]
async fn one_request_names_one_host() {
    let house = House::policed(POLICY).await;
    let ana = authorization("ana");
    for (request, status) in [
        (format!("GET /x HTTP/1.1\r\n{ana}connection: close\r\n\r\n"), "400"),
        (
            format!("GET /x HTTP/1.1\r\nhost: api.test\r\nhost: other\r\n{ana}connection: close\r\n\r\n"),
            "400",
        ),
        (format!("GET http://other/x HTTP/1.1\r\nhost: api.test\r\n{ana}connection: close\r\n\r\n"), "400"),
        (
            format!("GET http://api.test/x HTTP/1.1\r\nhost: api.test\r\n{ana}connection: close\r\n\r\n"),
            "200",
        ),
        (format!("GET /x HTTP/1.1\r\nhost: api.test@other\r\n{ana}connection: close\r\n\r\n"), "400"),
        (format!("GET /x HTTP/1.1\r\nhost: nowhere\r\n{ana}connection: close\r\n\r\n"), "404"),
        (format!("GET /x HTTP/1.1\r\nhost: API.test:80\r\n{ana}connection: close\r\n\r\n"), "200"),
        (
            format!("CONNECT api.test:80 HTTP/1.1\r\nhost: api.test:80\r\n{ana}connection: close\r\n\r\n"),
            "405",
        ),
        (format!("TRACE /x HTTP/1.1\r\nhost: api.test\r\n{ana}connection: close\r\n\r\n"), "405"),
        (
            format!(
                "GET /x HTTP/1.1\r\nhost: api.test\r\nupgrade: h2c\r\nconnection: upgrade, close\r\n{ana}\r\n"
            ),
            "501",
        ),
        (format!("PURGE /x HTTP/1.1\r\nhost: api.test\r\n{ana}connection: close\r\n\r\n"), "403"),
        (
            format!("GET /x HTTP/1.0\r\nhost: api.test\r\ntransfer-encoding: chunked\r\n{ana}\r\n0\r\n\r\n"),
            "400",
        ),
    ] {
        let answer = house.send(&request);
        assert!(answer.split(' ').nth(1) == Some(status), "{request}\n{answer}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_each_judged() {
    let house = House::policed(POLICY).await;
    let one = |path: &str, close: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: api.test\r\n{}{close}\r\n", authorization("ana"))
    };
    let answer =
        house.send(&[one("/a", ""), one("/admin/x", ""), one("/b", "connection: close\r\n")].concat());
    let statuses: Vec<&str> = answer
        .split("HTTP/1.1 ")
        .filter_map(|part| part.split(' ').next())
        .filter(|status| status.len() == 3)
        .collect();
    assert_eq!(statuses, ["200", "403", "200"], "{answer}");
}
