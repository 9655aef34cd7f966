//! JSON on its way to the client: masked by the names of fields and by content, byte for byte the same otherwise, at once.

use std::io::{BufRead as _, BufReader, Write as _};
use std::time::{Duration, SystemTime};

use crate::house::{House, authorization};

const POLICY: &str = r#"
policy "json"
default deny
allow "all" { by group "eng"  on http  do get, post on "/**" }
mask "personal data" {
  on http  do post, get on "/customers/**", "/events/**"
  fields "**.email", "card.pan"  with last(4) for "card.pan", redact otherwise
}
mask "cards" { on http  do post on "/text/**"  values credit_card  with redact }
"#;

/// What the origin is made to say under this type, as the client gets it.
fn said(house: &House, path: &str, media_type: &str, text: &str) -> String {
    let fields = format!("x-coding: identity\r\nx-type: {media_type}\r\ncontent-type: text/plain\r\n");
    let answer = house.ask("POST", path, &fields, text);
    // What can't be shown from its first byte on ends the connection.
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return answer };
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return format!("{} {body}", head.split(' ').nth(1).unwrap());
    }
    let (mut rest, mut whole) = (body, String::new());
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&more[..size]);
        rest = &more[(size + 2).min(more.len())..];
    }
    format!("{} {whole}", head.split(' ').nth(1).unwrap())
}

#[tokio::test]
async fn fields_are_masked_wherever_they_are() {
    let house = House::policed(POLICY).await;
    let json = "application/json";
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str, &str)] = &[
        ("by key anywhere", json, r#"{"a": [{"email" : "ana@example.com", "n": 1.50e+1}]}"#, r#"{"a": [{"email" : "[redacted]", "n": 1.50e+1}]}"#),
        ("by path", json, r#"{"card":{"pan":"4111111111111111"},"pan":"4111"}"#, r#"{"card":{"pan":"************1111"},"pan":"4111"}"#),
        ("a key that is spelled with an escape", json, r#"{"\u0065mail":"x"}"#, r#"{"\u0065mail":"[redacted]"}"#),
        ("both of two keys", json, r#"{"email":"x","email":"y"}"#, r#"{"email":"[redacted]","email":"[redacted]"}"#),
        ("a type that can't hold it", json, r#"{"email":7}"#, r#"{"email":null}"#),
        ("a line each", "application/x-ndjson", "{\"email\":\"x\"}\n{\"email\":\"y\"}\n", "{\"email\":\"[redacted]\"}\n{\"email\":\"[redacted]\"}\n"),
        ("events", "text/event-stream", "event: new\ndata: {\"email\":\"x\"}\n\n", "event: new\ndata: {\"email\":\"[redacted]\"}\n\n"),
    ];
    for (name, media_type, origin, shown) in cases {
        assert_eq!(said(&house, "/customers/1", media_type, origin), format!("200 {shown}"), "{name}");
    }
}

/// What is not shown is not recorded when it is sent, either: a Secret as it is made, say.
#[tokio::test]
async fn fields_are_masked_in_recordings_of_what_is_sent() {
    let house = House::policed(&format!("{POLICY}\nrecord all {{ on http }}")).await;
    let long = "x".repeat(20_000);
    let bodies = [
        ("application/json", format!(r#"{{"email":"ana@example.com","note":"{long}","n":1}}"#)),
        ("application/json", r#"{"email":"ana@example.com","#.into()),
        ("application/json-patch+json", r#"[{"op":"add","path":"/email","value":"ana@example.com"}]"#.into()),
        ("text/plain", "ana@example.com".into()),
        ("application/json; charset=utf-7", r#"{"note":"ana@example.com"}"#.into()),
    ];
    for (media_type, body) in &bodies {
        house.ask("POST", "/customers/1", &format!("content-type: {media_type}\r\n"), body);
    }
    // A connection each, and a recording.
    let events = house.until_recordings_end(bodies.len()).await.join("\n");
    assert!(events.contains("[redacted]") && !events.contains("ana@example.com"), "{events:.2000}");
    let arrived =
        house.origin.seen().iter().filter(|seen| seen.to_string().contains("ana@example.com")).count();
    assert_eq!(arrived, bodies.len(), "the target gets all of it");
}

#[tokio::test]
async fn what_has_no_fields_is_not_shown_where_they_are_masked() {
    let house = House::policed(POLICY).await;
    for (media_type, text) in [
        ("text/html", "<p>ana@example.com</p>"),
        ("application/octet-stream", "ana@example.com"),
        ("text/plain", "ana@example.com"),
        ("application/json", "{\"email\" ana@example.com}"),
        ("application/json", "<p>ana@example.com</p>"),
        ("text/event-stream", "data: ana@example.com\n\n"),
    ] {
        let answer = said(&house, "/customers/1", media_type, text);
        assert!(!answer.contains("ana@"), "{media_type}: {answer}");
    }
    // Nothing at all is nothing to look into.
    assert_eq!(said(&house, "/customers/1", "text/html", ""), "200 ");
    // Who masks by content looks into any text.
    assert_eq!(said(&house, "/text/1", "text/html", "<p>ana@example.com</p>"), "200 <p>ana@example.com</p>");
}

#[tokio::test]
async fn values_are_found_however_json_spells_them() {
    let house = House::policed(POLICY).await;
    for (origin, shown) in [
        (r#"{"n":"\u0034111 1111 1111 1111"}"#, r#"{"n":"[redacted]"}"#),
        (r#"{"n":4111111111111111}"#, r#"{"n":null}"#),
        (r#"{"n":"a \"quoted\" 4111 1111 1111 1111 card"}"#, r#"{"n":"a \"quoted\" [redacted] card"}"#),
    ] {
        assert_eq!(said(&house, "/text/1", "application/json", origin), format!("200 {shown}"));
    }
}

/// An event, or a line of a watch, is passed on as it comes: the quickest of thirty within 5 ms of when the origin sent it, masked.
#[tokio::test]
async fn what_streams_goes_on_streaming() {
    let house = House::policed(POLICY).await;
    for media_type in ["text/event-stream", "application/json"] {
        let mut stream = house.raw();
        let request = format!(
            "GET /events/1 HTTP/1.1\r\nhost: api.test\r\naccept: {media_type}\r\n{}\r\n",
            authorization("ana")
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut late = Vec::new();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let Some(at) = line.find("{\"at\": ") else { continue };
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            let event: serde_json::Value = serde_json::from_str(&line[at..]).unwrap();
            assert_eq!(event["email"], "[redacted]");
            let sent = Duration::from_secs_f64(event["at"].as_f64().unwrap());
            late.push(now.saturating_sub(sent));
            if event["number"] == 29 {
                break;
            }
        }
        late.sort();
        assert_eq!(late.len(), 30, "{media_type}");
        assert!(late[0] < Duration::from_millis(5), "{media_type}: {late:?}");
    }
}
