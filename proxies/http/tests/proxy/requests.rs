//! Requests: judged by what they ask for, refused, held, sent on as they were judged.

use std::process::Command;

use crate::house::{House, PASSWORD, TOKEN, authorization};

const POLICY: &str = r#"
policy "api"
default deny
allow "reads"  { by group "eng"  on http  do get, head on "/items/**" }
allow "orders" { by group "eng"  on http  do post on "/orders"  unless body.amount > 1000 }
hold  "large"  { by group "eng"  on http  do post on "/orders"  when body.amount > 1000  until 1 of group "sre" approve within 1m }
deny  "forced" { on http  do get on "/items/**"  when query.force == "true" }
deny  "secret" { on http  do get on "/**/secret/**"  say "secrets stay here" }
"#;

#[tokio::test]
async fn curl_gets_what_it_may_and_a_problem_otherwise() {
    let house = House::policed(POLICY).await;
    let curl = |arguments: &[&str]| {
        let resolve = format!("api.test:{}:127.0.0.1", house.address.port());
        let output = Command::new("curl")
            .args(["-sS", "--noproxy", "*", "-w", "\n%{http_code} %{content_type}", "--resolve", &resolve])
            .args(arguments)
            .output()
            .expect("curl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let at = |path: &str| format!("http://api.test:{}{path}", house.address.port());
    let user = format!("ana:{PASSWORD}");
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let allowed = curl(&[version, "-u", &user, &at("/items/1?page=2")]);
        assert!(
            allowed.contains("\"path\": \"/items/1?page=2\"") && allowed.ends_with("200 text/plain"),
            "{allowed}"
        );
        let denied = curl(&[version, "-u", &user, &at("/items/secret/1")]);
        assert!(denied.contains("secrets stay here") && denied.contains("\"rule\": \"secret\""), "{denied}");
        assert!(denied.ends_with("403 application/problem+json"), "{denied}");
        let nowhere = curl(&[version, "-u", &user, &at("/other")]);
        assert!(nowhere.contains("no rule permits `get /other`"), "{nowhere}");
        assert!(curl(&[version, &at("/items/1")]).contains("401 application/problem+json"));
        assert!(curl(&[version, "-u", "ana:wrong", &at("/items/1")]).contains("401 "));
    }
}

#[tokio::test]
async fn whoever_is_not_understood_is_told_what_was_not() {
    let house = House::policed(POLICY).await;
    let json = "content-type: application/json\r\n";
    for (method, path, fields, body, why) in [
        ("PURGE", "/items/1", "", "", "the method is none of HTTP's own"),
        ("GET", "/items/a%2fb", "", "", "servers do not agree on the path"),
        // Asked again, it is told again.
        ("GET", "/items/a%2fb", "", "", "servers do not agree on the path"),
        ("GET", "/items/1", "x-name: caf\u{e9}\r\n", "", "the field `x-name` is no text"),
        (
            "POST",
            "/orders",
            "content-type: application/json\r\ncontent-encoding: gzip\r\n",
            "x",
            "nothing is known of the body: it is encoded",
        ),
        ("POST", "/orders", json, "{\"amount\": 1,}", "the body is no JSON text that means one thing"),
        ("POST", "/orders", json, &"7".repeat(70_000), "the body is longer than is looked into"),
    ] {
        let answer = house.ask(method, path, fields, body);
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains(why), "{method} {path}: {answer}");
    }
    let plain = house.ask("GET", "/other", "", "");
    assert!(plain.contains("no rule permits `get /other`\""), "{plain}");
}

#[tokio::test]
async fn whoever_sends_an_object_that_is_not_looked_into_is_told() {
    let allow = "allow \"pods\" { by group \"eng\"  on kubernetes  do create on \"pods\"  unless object.\"spec.hostNetwork\" }";
    let policy =
        format!("policy \"cluster\"\ndefault deny\nallow \"in\" {{ on kubernetes  do connect }}\n{allow}\n");
    let house = House::policed(&policy).await;
    house.reconfigure(|text| text.replacen("protocol = \"http\"", "protocol = \"kubernetes\"", 1)).await;
    let create = |media_type: &str, body: &str| {
        let fields = format!("content-type: {media_type}\r\n");
        house.ask("POST", "/api/v1/namespaces/default/pods", &fields, body)
    };
    let protobuf = create("application/vnd.kubernetes.protobuf", "k8s\0...");
    assert!(
        protobuf.contains("it is sent as `application/vnd.kubernetes.protobuf`, and not as JSON"),
        "{protobuf}"
    );
    let json = create("application/json", "{\"spec\": {\"hostNetwork\": true}}");
    assert!(json.contains("no rule permits `create pods`") && !json.contains("nothing is known"), "{json}");
    let plain = create("application/json", "{\"spec\": {\"hostNetwork\": false}}");
    assert!(plain.starts_with("HTTP/1.1 200 "), "{plain}");
}

#[tokio::test]
async fn the_path_that_is_judged_is_the_one_that_the_origin_sees() {
    let house = House::policed(POLICY).await;
    for (asked, seen) in [
        ("/items/a/../b", Some("/items/b")),
        ("/items/%61/%2e%2e/b", Some("/items/b")),
        ("/items/%7Ea", Some("/items/~a")),
        ("/items/x%20y", Some("/items/x%20y")),
        ("/items/%73ecret/x", None),
        ("/items/../items/secret/x", None),
        ("/items//secret/x", None),
        ("/items/a%2fsecret", None),
        ("/items;x/secret", None),
        ("/items/a\\b", None),
        ("/items/%252e%252e/secret", None),
        ("/other/../items/1", Some("/items/1")),
    ] {
        let before = house.origin.seen().len();
        let answer = house.ask("GET", asked, "", "");
        match seen {
            Some(seen) => assert!(answer.contains(&format!("\"path\": \"{seen}\"")), "{asked}: {answer}"),
            None => {
                assert!(answer.starts_with("HTTP/1.1 403"), "{asked}: {answer}");
                assert_eq!(house.origin.seen().len(), before, "{asked}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_is_judged_by_its_fields() {
    let house = House::policed(POLICY).await;
    let json = "content-type: application/json\r\n";
    let small = house.ask("POST", "/orders", json, r#"{"amount": 5}"#);
    assert!(small.contains(r#"\"amount\": 5"#), "{small}");
    for (body, why) in [
        (r#"{"amount": 5, "amount": 5000}"#, "a key twice"),
        (r#"{"amount": "5000"}"#, "no number"),
        (r#"[{"amount": 5000}]"#, "a batch"),
        ("{", "no JSON"),
    ] {
        let answer = house.ask("POST", "/orders", json, body);
        assert!(answer.starts_with("HTTP/1.1 403"), "{why}: {answer}");
    }
    let long = format!("{{\"amount\": 5, \"pad\": \"{}\"}}", "x".repeat(70_000));
    assert!(house.ask("POST", "/orders", json, &long).starts_with("HTTP/1.1 403"), "too long to be read");
    // Many servers put both together.
    let beside = house.ask("POST", "/orders?amount=5000", json, "{}");
    assert!(beside.starts_with("HTTP/1.1 403"), "{beside}");
    let other = house.ask("POST", "/orders", "content-type: text/plain\r\n", r#"{"amount": 5}"#);
    assert!(other.starts_with("HTTP/1.1 403"), "{other}");
    assert_eq!(house.origin.seen().len(), 1);
}

#[tokio::test]
async fn a_query_is_judged_by_what_servers_make_of_it() {
    let house = House::policed(POLICY).await;
    for (query, status) in [
        ("force=false", "200"),
        ("forced=true&page=2", "200"),
        ("force=true", "403"),
        ("%66orce=true", "403"),
        ("force=false&force=true", "403"),
        ("Force=true", "403"),
        ("force[]=true", "403"),
        ("force%5B0%5D=true", "403"),
        ("+force=true", "403"),
        ("force%00=true", "403"),
        ("force=false;force=true", "403"),
    ] {
        let answer = house.ask("GET", &format!("/items/1?{query}"), "", "");
        assert_eq!(answer.split(' ').nth(1), Some(status), "{query}: {answer}");
    }
    assert_eq!(house.origin.seen().len(), 2);
}

/// What is read here as UTF-8 means something else to a target that is told of other characters, or of a coding.
#[tokio::test]
async fn a_body_is_read_as_its_target_reads_it() {
    let house = House::policed(POLICY).await;
    let order = r#"{"amount": 5}"#;
    for (fields, status) in [
        ("content-type: application/json\r\n", "200"),
        ("content-type: application/json; charset=UTF-8\r\n", "200"),
        ("content-type: application/json\r\ncontent-encoding: identity\r\n", "200"),
        ("content-type: application/json; charset=utf-7\r\n", "403"),
        ("content-type: application/json; charset=ibm037\r\n", "403"),
        ("content-type: application/json; charset=utf-8; charset=utf-16\r\n", "403"),
        ("content-type: application/json; x=charset=utf-16\r\n", "403"),
        ("content-type: application/json; x=\"; charset=utf-16\"\r\n", "403"),
        ("content-type: application/json\r\ncontent-encoding: deflate\r\n", "403"),
        ("content-type: application/json\r\ncontent-encoding: identity\r\ncontent-encoding: br\r\n", "403"),
    ] {
        let before = house.origin.seen().len();
        let answer = house.ask("POST", "/orders", fields, order);
        assert_eq!(answer.split(' ').nth(1), Some(status), "{fields}: {answer}");
        assert_eq!(house.origin.seen().len() > before, status == "200", "{fields}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_is_sent_once_it_is_approved() {
    let house = std::sync::Arc::new(House::policed(POLICY).await);
    for approve in [true, false] {
        let asking = std::sync::Arc::clone(&house);
        let asked = tokio::task::spawn_blocking(move || {
            asking.ask("POST", "/orders", "content-type: application/json\r\n", r#"{"amount": 5000}"#)
        });
        let seen = house.waiting().await;
        assert_eq!(seen.actions, ["post /orders"]);
        house.vote(&seen, approve).await;
        let answer = asked.await.unwrap();
        let expected = if approve { "HTTP/1.1 200" } else { "HTTP/1.1 403" };
        assert!(answer.starts_with(expected), "{answer}");
    }
    assert_eq!(house.origin.seen().len(), 1);
}

#[tokio::test]
async fn the_origin_gets_its_credential_and_nothing_of_the_clients() {
    let house = House::policed(POLICY).await;
    let fields = "x-forwarded-for: 1.2.3.4\r\nimpersonate-user: admin\r\nx-http-method-override: DELETE\r\n\
                  x-secret: 1\r\nx-request-id: 7\r\nproxy-authorization: Basic x\r\n";
    let request = format!(
        "GET /items/1 HTTP/1.1\r\nhost: api.test\r\nconnection: close, x-secret\r\n{}{fields}\r\n",
        authorization("ana")
    );
    assert!(house.send(&request).starts_with("HTTP/1.1 200"));
    let seen = &house.origin.seen()[0];
    let headers: Vec<(String, String)> = serde_json::from_value(seen["headers"].clone()).unwrap();
    let of = |name: &str| -> Vec<&str> {
        let all = headers.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        all.map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(of("authorization"), [format!("Bearer {TOKEN}")]);
    assert_eq!(of("host"), ["api.test"]);
    assert_eq!(of("x-request-id"), ["7"]);
    for gone in [
        "x-forwarded-for",
        "impersonate-user",
        "x-http-method-override",
        "x-secret",
        "proxy-authorization",
        "connection",
    ] {
        assert!(of(gone).is_empty(), "{gone}: {headers:?}");
    }
    assert!(!house.evidence().contains(TOKEN));
}

#[tokio::test]
async fn every_request_is_recorded_before_it_is_sent() {
    let house = House::policed(POLICY).await;
    house.ask("GET", "/items/1", "", "");
    house.ask("GET", "/items/secret/1", "", "");
    let evidence = house.evidence();
    for part in [
        "\"actions\":[\"get /items/1\"]",
        "\"decision\":\"allow\"",
        "\"actions\":[\"get /items/secret/1\"]",
        "\"decision\":\"deny\"",
        "\"protocol\":\"http\"",
    ] {
        assert!(evidence.contains(part), "{part} is not in\n{evidence}");
    }
}

#[tokio::test]
async fn an_address_that_guesses_too_often_is_not_let_in() {
    let get =
        |user: &str| format!("GET /items/1 HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n{user}\r\n");
    let wrong = "authorization: Basic YW5hOndyb25n\r\n";
    // What can't be read is a guess, too.
    for guess in [wrong, &wrong.repeat(2)] {
        let house = House::policed(POLICY).await;
        for _ in 0..20 {
            assert!(house.send(&get(guess)).starts_with("HTTP/1.1 401"));
        }
        assert!(!house.send(&get(&authorization("ana"))).starts_with("HTTP/1.1 200"), "{guess}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_leaves_its_approval_waiting() {
    use std::io::Write as _;

    let house = House::policed(POLICY).await;
    let mut stream = house.raw();
    let body = r#"{"amount": 5000}"#;
    let request = format!(
        "POST /orders HTTP/1.1\r\nhost: api.test\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        authorization("ana"),
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let seen = house.waiting().await;
    drop(stream);
    assert!(seen.waiting);
    house.until_held(0).await;
    let left = house.approval(seen.number).await;
    assert_eq!((left.state.as_str(), left.waiting), ("pending", false));
    assert!(house.origin.seen().is_empty());
}
