//! Fields of a request: what is judged is what the origin sees, and nothing else.

use crate::house::{House, authorization};

const POLICY: &str = r#"
policy "fields"
default deny
allow "rehearsed" { by group "eng"  on http  do delete on "/**"  when header.x-dry-run == "true" }
allow "inside"    { by group "eng"  on http  do get on "/inside"  when header.x-forwarded-for == "10.0.0.1" }
allow "plain"     { by group "eng"  on http  do get, put on "/plain" }
deny  "debugging" { on http  do get on "/plain"  when header.x-debug == "on" }
allow "small"     { by group "eng"  on http  do post on "/orders"  unless body.amount > 1000 }
"#;

/// What the origin saw under this name last.
fn last(house: &House, name: &str) -> Vec<String> {
    let seen = house.origin.seen().pop().unwrap();
    let fields: Vec<(String, String)> = serde_json::from_value(seen["headers"].clone()).unwrap();
    fields.into_iter().filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn what_does_not_go_on_is_not_judged() {
    let house = House::policed(POLICY).await;
    let json = "content-type: application/json\r\n";
    let order = r#"{"amount": 5}"#;
    for (method, path, fields, body, status) in [
        ("DELETE", "/x", "x-dry-run: true\r\n", "", "200"),
        ("DELETE", "/x", "x-dry-run: true\r\nconnection: x-dry-run\r\n", "", "403"),
        ("DELETE", "/x", "connection: keep-alive, X-Dry-Run\r\nx-dry-run: true\r\n", "", "403"),
        ("DELETE", "/x", "x_dry_run: true\r\n", "", "403"),
        ("GET", "/inside", "x-forwarded-for: 10.0.0.1\r\n", "", "403"),
        ("POST", "/orders", json, order, "200"),
        ("POST", "/orders", &format!("{json}connection: content-type\r\n"), order, "403"),
        ("POST", "/orders", &format!("{json}connection: content-length\r\n"), order, "200"),
    ] {
        let before = house.origin.seen().len();
        let answer = house.ask(method, path, fields, body);
        assert_eq!(answer.split(' ').nth(1), Some(status), "{path} {fields:?}: {answer}");
        assert_eq!(house.origin.seen().len() > before, status == "200", "{path} {fields:?}");
    }
}

#[tokio::test]
async fn no_second_spelling_goes_on_beside_what_is_judged() {
    let house = House::policed(POLICY).await;
    for (name, sent) in [
        ("x_debug", false),
        ("X_Remote_User", false),
        ("X_HTTP_Method_Override", false),
        ("remote-user", false),
        ("proxy", false),
        ("x-envoy-original-path", false),
        ("api_key", true),
    ] {
        let answer = house.ask("GET", "/plain", &format!("{name}: on\r\n"), "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{name}: {answer}");
        assert_eq!(!last(&house, name).is_empty(), sent, "{name}");
    }
    assert!(house.ask("GET", "/plain", "x-debug: on\r\n", "").starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn what_is_masked_is_asked_for_whole_and_changed_on_its_conditions_only() {
    let mask = "mask \"cards\" { on http  values credit_card  with redact }\n";
    let house = House::policed(&format!("{POLICY}{mask}")).await;
    for (method, body, name, sent) in [
        ("GET", "", "if-none-match", false),
        ("GET", "", "range", false),
        ("GET", "", "request-range", false),
        ("GET", "", "x-ms-range", false),
        ("GET", "", "a-im", false),
        ("PUT", "x", "if-match", true),
        ("PUT", "x", "if-none-match", true),
        ("PUT", "x", "range", false),
    ] {
        let answer = house.ask(method, "/plain", &format!("{name}: *\r\n"), body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{method} {name}: {answer}");
        assert_eq!(!last(&house, name).is_empty(), sent, "{method} {name}");
    }
}

#[tokio::test]
async fn a_client_does_not_choose_the_ports_that_its_target_is_called_by() {
    let house = House::policed(POLICY).await;
    let own = format!("api.test:{}", house.address.port());
    for (asked, called) in [
        ("api.test", "api.test"),
        ("api.test:1", "api.test"),
        ("api.test:2", "api.test"),
        ("api.test:", "api.test"),
        (&own, &own),
        (&format!("api.test:0{}", house.address.port()), "api.test"),
    ] {
        let request = format!(
            "GET /plain HTTP/1.1\r\nhost: {asked}\r\nconnection: close\r\n{}\r\n",
            authorization("ana")
        );
        let answer = house.send(&request);
        assert!(answer.starts_with("HTTP/1.1 200"), "{asked}: {answer}");
        assert_eq!(last(&house, "host"), [called], "{asked}");
    }
}

#[tokio::test]
async fn what_is_turned_away_unjudged_leaves_evidence() {
    let house = House::policed(POLICY).await;
    let ana = authorization("ana");
    let long = format!("{:x}\r\n{}\r\n0\r\n\r\n", 70_000, "x".repeat(70_000));
    for (request, status, said) in [
        (
            format!("CONNECT api.test:80 HTTP/1.1\r\nhost: api.test:80\r\n{ana}\r\n"),
            "405",
            "this method is not offered",
        ),
        (format!("GET /x HTTP/1.1\r\nhost: nowhere\r\n{ana}\r\n"), "404", "no target has the host"),
        (
            format!("GET /x HTTP/1.1\r\nhost: api.test\r\nupgrade: h2c\r\nconnection: upgrade\r\n{ana}\r\n"),
            "501",
            "only WebSockets are spoken here",
        ),
        (
            format!("GET /x HTTP/1.1\r\nhost: api.test\r\nconnection: a b\r\n{ana}\r\n"),
            "400",
            "names no fields",
        ),
        (
            format!(
                "PUT /plain HTTP/1.1\r\nhost: api.test\r\ncontent-type: a/b\r\ncontent-type: a/c\r\n\
                 content-length: 1\r\n{ana}\r\nx"
            ),
            "400",
            "more than one `content-type`",
        ),
        (
            format!("GET /plain HTTP/1.1\r\nhost: api.test\r\ntransfer-encoding: chunked\r\n{ana}\r\n{long}"),
            "413",
            "of unknown length is bounded",
        ),
        (
            format!(
                "POST /orders HTTP/1.1\r\nhost: api.test\r\ncontent-type: application/json\r\n\
                 transfer-encoding: chunked\r\n{ana}\r\nz\r\n"
            ),
            "400",
            "its body can't be read to the end",
        ),
        (
            format!("GET /plain HTTP/1.1\r\nhost: api.test\r\n{ana}{ana}\r\n"),
            "401",
            "the credentials can't be read",
        ),
    ] {
        assert!(!house.evidence().contains(said), "{said}: too early");
        let answer = house.send(&request);
        assert_eq!(answer.split(' ').nth(1), Some(status), "{said}: {answer}");
        let evidence = house.evidence();
        let record =
            evidence.lines().find(|line| line.contains(said)).unwrap_or_else(|| panic!("{said}: nothing"));
        let is_hers = record.contains("\"claimed\":\"ana\"") || record.contains("\"what\":\"request\"");
        assert!(is_hers || status == "401", "{record}");
    }
    assert!(house.origin.seen().is_empty());
    house.verify();
}
