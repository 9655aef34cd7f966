//! How a request brings an operation, and how it could bring another one than it seems to.

use policy_core::{Resource, Value};
use policy_normalize::http::{Body, Fields, Parts, Target, graphql};

use crate::{policy, request, shown};

const JSON: &str = "application/json";

#[test]
fn an_operation_is_found_where_a_server_finds_it() {
    let policy = policy(r#"deny "x" { on http do query when arguments.id == "" }"#);
    for (method, target, media_type, body, expected) in [
        ("POST", "/g", JSON, r#"{"query":"{a}"}"#, "post /g; query a"),
        ("POST", "/g", "application/graphql", "{a}", "post /g; query a"),
        ("POST", "/g?x=1", JSON, r#"{"query":"{a}"}"#, "post /g; query a"),
        (
            "POST",
            "/g",
            JSON,
            r#"{"query":"{a}","variables":null,"operationName":null,"extensions":null}"#,
            "post /g; query a",
        ),
        ("POST", "/g", JSON, r#"{"query":"{a}","operationName":""}"#, "post /g; query a"),
        ("POST", "/g", JSON, r#"{"query":"{a}","extensions":{"tracing":true}}"#, "post /g; query a"),
        ("POST", "/g", JSON, r#"[{"query":"{a}"},{"query":"mutation{b}"}]"#, "post /g; query a; mutate b"),
        ("GET", "/g?query=%7Ba%7D", "", "", "get /g; query a"),
        ("GET", "/g?query={a}", "", "", "get /g; query a"),
        ("HEAD", "/g?query=%7Ba%7D", "", "", "head /g; query a"),
        ("GET", "/g?query=mutation%7Ba%7D", "", "", "get /g; mutate a"),
        ("GET", "/g?query=query+A{a}query+B{b}&operationName=B", "", "", "get /g; query b"),
        ("GET", "/g?query=query($i:ID){a(id:$i)}&variables=%7B%22i%22:5%7D", "", "", "get /g; query a id=5"),
        ("OPTIONS", "/g", "", "", "options /g"),
        // Nothing to run, or something that is stored elsewhere.
        ("POST", "/g", "", "", "post /g; unknown"),
        ("GET", "/g", "", "", "get /g; unknown"),
        ("POST", "/g", JSON, "{}", "post /g; unknown"),
        ("POST", "/g", JSON, "[]", "post /g; unknown"),
        ("POST", "/g", JSON, r#""{a}""#, "post /g; unknown"),
        ("POST", "/g", JSON, r#"{"query":null}"#, "post /g; unknown"),
        ("POST", "/g", JSON, r#"{"query":["{a}"]}"#, "post /g; unknown"),
        (
            "POST",
            "/g",
            JSON,
            r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}"#,
            "post /g; unknown",
        ),
        (
            "POST",
            "/g",
            JSON,
            r#"{"query":"{a}","extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}"#,
            "post /g; unknown",
        ),
        ("POST", "/g", JSON, r#"{"query":"{a}","extensions":{"PersistedQuery":{}}}"#, "post /g; unknown"),
        ("POST", "/g", JSON, r#"{"query":"{a}","documentId":"x"}"#, "post /g; unknown"),
        ("POST", "/g", JSON, r#"{"query":"{a}","id":"x"}"#, "post /g; unknown"),
        ("GET", "/g?extensions={%22persistedQuery%22:{}}", "", "", "get /g; unknown"),
        ("GET", "/g?query={a}&extensions={%22persistedQuery%22:{}}", "", "", "get /g; unknown"),
        ("GET", "/g?query={a}&documentId=x", "", "", "get /g; unknown"),
        ("POST", "/g?documentId=x", JSON, r#"{"query":"{a}"}"#, "post /g; unknown"),
        // Two texts, of which a server takes one.
        ("POST", "/g?query={b}", JSON, r#"{"query":"{a}"}"#, "post /g; unknown"),
        ("POST", "/g?Query={b}", JSON, r#"{"query":"{a}"}"#, "post /g; unknown"),
        (
            "POST",
            "/g?operationName=B",
            JSON,
            r#"{"query":"query A{a} query B{b}","operationName":"A"}"#,
            "post /g; unknown",
        ),
        ("POST", "/g", JSON, r#"{"query":"{a}","query":"{b}"}"#, "post /g; unknown"),
        ("POST", "/g", JSON, r#"{"query":"{a}","Query":"{b}"}"#, "post /g; unknown"),
        ("GET", "/g?query={a}&query={b}", "", "", "get /g; unknown"),
        ("GET", "/g?query={a};query={b}", "", "", "get /g; unknown"),
        ("GET", "/g?query={a}", JSON, r#"{"query":"{b}"}"#, "get /g; unknown"),
        ("GET", "/g?query={a}&variables=[1]", "", "", "get /g; unknown"),
        ("GET", "/g?query={a}&variables={", "", "", "get /g; unknown"),
        // One that is not understood is not made good by another that is.
        ("POST", "/g", JSON, r#"[{"query":"{a}"},{"query":"{"}]"#, "post /g; unknown"),
        ("POST", "/g", JSON, r#"[{"query":"{a}"},[{"query":"{b}"}]]"#, "post /g; unknown"),
        // Not read as what they say they are.
        ("POST", "/g", "text/plain", r#"{"query":"{a}"}"#, "post /g; unknown"),
        ("POST", "/g", "multipart/form-data", "x", "post /g; unknown"),
        ("POST", "/g", "application/x-www-form-urlencoded", "query={a}", "post /g; unknown"),
        ("POST", "/g", "application/graphql", r#"{"query":"{a}"}"#, "post /g; unknown"),
        ("PUT", "/g", JSON, r#"{"query":"{a}"}"#, "put /g; unknown"),
        ("QUERY", "/g", JSON, r#"{"query":"{a}"}"#, "unknown"),
        ("POST", "/a//g", JSON, r#"{"query":"{a}"}"#, "unknown; query a"),
    ] {
        let found = request(method, target, media_type, body.as_bytes(), &policy);
        let found: Vec<String> = found.iter().map(shown).collect();
        assert_eq!(found.join("; "), expected, "{method} {target} {body}");
    }
}

#[test]
fn an_upgrade_and_a_body_that_was_not_read_are_unknown() {
    let policy = policy("");
    let target = Target::parse("/g?query={a}").unwrap();
    let unread = Target::parse("/g").unwrap();
    for (method, upgrade, target, media_type, body) in [
        ("GET", true, &target, "", Some(&Body::None)),
        ("OPTIONS", true, &target, "", Some(&Body::None)),
        ("POST", false, &unread, JSON, None),
        ("GET", false, &target, JSON, None),
    ] {
        let parts = Parts { method, upgrade, host: "h", target, headers: &[], media_type, size: None, body };
        let found = graphql::actions(&parts, b"", &Fields::of(&policy));
        assert!(found.iter().any(|action| action.verb.as_str() == "unknown"), "{method} {upgrade}");
    }
}

#[test]
fn each_field_says_where_it_was_asked_for() {
    let policy =
        policy(r#"deny "x" { on http do query when header.x-team == "dev" or header.x-none == "" }"#);
    let found = request("POST", "/g", JSON, br#"{"query":"query Q{a}"}"#, &policy);
    let field = &found.as_slice()[1];
    assert_eq!(field.resource, Resource::named(["a"]));
    let text = |text: &str| Some(Value::Text(text.into()));
    assert_eq!(field.attribute("host").cloned(), text("api.example"));
    assert_eq!(field.attribute("operation").cloned(), text("Q"));
    assert_eq!(field.attribute("header.x-team").cloned(), text("ops"));
    assert_eq!(field.attribute("header.x-none").cloned(), Some(Value::Absent));
    let found = request("POST", "/g", JSON, br#"{"query":"{a}"}"#, &policy);
    assert_eq!(found.as_slice()[1].attribute("operation"), Some(&Value::Absent));
}
