//! `portcullis explain` of what is asked over HTTP: APIs, clusters, tools of agents.

#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "a test states what it expects by failing")]

mod common;

use common::Folder;

/// A folder with an API below a prefix, a cluster and an MCP server, under the sample policies.
fn folder() -> Folder {
    let folder = Folder::new();
    let sample = |name: &str| format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"));
    let policies =
        ["api/policies/api.policy", "cluster/policies/cluster.policy", "agents/policies/agents.policy"];
    let policies = policies.map(sample);
    let target = |name: &str, protocol: &str, more: &str| {
        format!(
            "[[target]]\nname = \"{name}\"\nprotocol = \"{protocol}\"\naddress = \"http://127.0.0.1:1\"\n\
             labels = {{ env = \"prod\" }}\n{more}\n"
        )
    };
    let text = format!(
        "policies = {policies:?}\n[listen]\nhttp = \"127.0.0.1:8080\"\n{}{}{}",
        target("api", "http", "prefix = \"/api\"\ngraphql = [\"/graphql\"]"),
        target("prod", "kubernetes", ""),
        target("files", "mcp", ""),
    );
    folder.write("portcullis.toml", text);
    folder
}

/// The target and what is asked of it, the exit code, and what is said among other things.
type Case = (&'static str, &'static [&'static str], i32, &'static [&'static str]);

fn check(folder: &Folder, who: &[&str], cases: &[Case]) {
    for (target, asked, code, parts) in cases {
        let ran = folder.run(&[&["explain", "--at", target], who, asked].concat());
        let said = format!("{}{}", ran.out, ran.err);
        assert_eq!(ran.code, *code, "{asked:?}\n{said}");
        for part in *parts {
            assert!(said.contains(part), "{asked:?}: no `{part}` in\n{said}");
        }
    }
}

const ANA: [&str; 4] = ["--as", "ana", "--group", "eng"];

#[test]
fn masks_of_fields_are_named() {
    let folder = folder();
    check(
        &folder,
        &ANA,
        &[
            (
                "api",
                &["GET /customers/1"],
                0,
                &[
                    "masks     fields **.email, **.card.pan: last(4) for **.pan, redact otherwise, by `customers`",
                    "an answer that has no fields is not shown",
                    "credit_card redact",
                ],
            ),
            (
                "prod",
                &["GET /api/v1/namespaces/default/secrets/db"],
                0,
                &[
                    "**.annotations.'kubectl.kubernetes.io/last-applied-configuration'",
                    "redact for **.annotations.*, null otherwise, by `kubernetes secrets`",
                ],
            ),
        ],
    );
    let orders = folder.run(&[&["explain", "--at", "api"], &ANA[..], &["GET /orders/7"]].concat());
    assert!(orders.code == 0 && !orders.out.contains("  masks "), "{orders:?}");
    let document = folder.json(&[&["explain", "--at", "api"], &ANA[..], &["GET /customers/1"]].concat());
    assert_eq!(
        document["statements"][0]["masked_fields"],
        serde_json::json!([{
            "rule": "customers",
            "fields": ["**.email", "**.card.pan"],
            "with": [{ "field": "**.pan", "mask": "last(4)" }],
            "otherwise": "redact",
            "unresolved": "deny",
        }])
    );
}
