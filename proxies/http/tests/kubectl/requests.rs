//! Requests by the real `kubectl`: in which form answers are asked for, and as whom.

use portcullis_testkit::kubernetes::{Access, Kubelet, Seen};

use crate::house::{House, OPEN, house};

const MASKED: &str = r#"
policy "cluster"
default allow
allow "what nobody knows" { by group "eng"  on kubernetes  do unknown }
mask "cards" { on kubernetes  values credit_card  with redact }
"#;

/// The fields that arrive of those that `curl` sends for ana.
async fn arrives(kubelet: &Kubelet, house: &House, path: &str, fields: &[&str]) -> Seen {
    let Access { url, token, .. } = &house.access;
    let fields: String = fields.iter().map(|field| format!("-H '{field}' ")).collect();
    let line = format!(
        "curl --http1.1 -sk -m 3 -H 'authorization: Bearer {}' {fields} '{url}{path}'",
        token.as_deref().unwrap()
    );
    let said = house.kubectl().shell(&line).await;
    let seen = kubelet.seen().into_iter().rev().find(|seen| seen.path == path);
    seen.unwrap_or_else(|| panic!("{path}: {} {}", said.text(), said.errors()))
}

fn values<'s>(seen: &'s Seen, field: &str) -> Vec<&'s str> {
    seen.headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(field))
        .map(|(_, value)| &**value)
        .collect()
}

#[tokio::test]
async fn nobody_acts_as_somebody_else() {
    let (kubelet, house) = house(OPEN).await;
    let kubectl = house.kubectl();
    for line in [
        &["--as", "admin", "get", "pods"][..],
        &["--as", "admin", "--as-group", "system:masters", "exec", "web", "--", "id"],
    ] {
        let refused = kubectl.run(line).await;
        assert_eq!(refused.code, Some(1), "{line:?}");
        let said = refused.errors();
        assert!(said.contains("Forbidden") && said.contains("somebody else"), "{line:?}: {said}");
    }
    for seen in kubelet.seen() {
        assert!(!seen.path.contains("pods"), "{seen:?}");
        let is_believed = |name: &str| name.to_ascii_lowercase().starts_with("impersonate");
        assert!(seen.headers.iter().all(|(name, _)| !is_believed(name)), "{seen:?}");
    }
    house.until_said("somebody else").await;
}

#[tokio::test]
async fn answers_are_asked_for_in_a_form_that_can_be_read() {
    const PODS: &str = "/api/v1/namespaces/default/pods";
    const ACCEPT: &str =
        "accept: application/vnd.kubernetes.protobuf;as=Table, application/cbor, application/json;as=Table";
    const OPENAPI: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let (kubelet, masked) = house(MASKED).await;
    let seen = arrives(&kubelet, &masked, PODS, &[ACCEPT]).await;
    assert_eq!(values(&seen, "accept"), ["application/json;as=Table"]);
    let seen = arrives(&kubelet, &masked, "/openapi/v2", &[&format!("accept: {OPENAPI}")]).await;
    assert_eq!(values(&seen, "accept"), [OPENAPI], "kubectl reads no other");
    let (kubelet, open) = house(OPEN).await;
    let seen = arrives(&kubelet, &open, PODS, &[ACCEPT]).await;
    assert_eq!(values(&seen, "accept"), [&ACCEPT[8..]], "nothing is looked for by a rule");
}

#[tokio::test]
async fn nobody_tells_the_cluster_who_they_are() {
    const UPGRADE: &[&str] = &[
        "connection: upgrade",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-protocol: base64url.bearer.authorization.k8s.io.Z3Vlc3NlZA, v4.channel.k8s.io",
        "sec-websocket-extensions: permessage-deflate",
        "x-remote-user: admin",
        "x-remote-group: system:masters",
    ];
    const EXEC: &str = "/api/v1/namespaces/default/pods/web/exec?command=true&stdout=true";
    let (kubelet, house) = house(OPEN).await;
    for (path, more) in [
        ("/api", vec!["impersonate-user: admin", "x-remote-user: admin", "x-remote-extra-a: b"]),
        (EXEC, [&["upgrade: websocket"], UPGRADE].concat()),
        ("/version", [&["upgrade: websocket"], UPGRADE].concat()),
        (EXEC, [&["upgrade: SPDY/3.1", "x-stream-protocol-version: v4.channel.k8s.io"], UPGRADE].concat()),
    ] {
        let seen = arrives(&kubelet, &house, path, &more).await;
        let names: Vec<String> = seen.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        let is_believed = |name: &String| name.starts_with("x-remote") || name.starts_with("impersonate");
        assert!(!names.iter().any(is_believed), "{path}: {names:?}");
        assert_eq!(values(&seen, "authorization").len(), 1, "{path}");
        if more.contains(&"upgrade: websocket") {
            assert!(values(&seen, "sec-websocket-extensions").is_empty(), "{path}");
            assert!(
                values(&seen, "sec-websocket-protocol").iter().all(|one| *one == "v4.channel.k8s.io"),
                "{path}"
            );
        }
    }
}
