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

#[test]
fn commands_are_spelled_as_their_protocol_has_them() {
    let folder = folder();
    const CALL: &str =
        r#"{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read_file"}}"#;
    check(
        &folder,
        &ANA,
        &[
            ("api", &["POST /orders {\"amount\": 5}"], 0, &["body.amount = 5", "rule `order` permits"]),
            ("api", &["POST /orders {\"amount\": 5000}"], 1, &["denied"]),
            (
                "api",
                &["POST /orders {\"amount\": "],
                1,
                &["unknown: what it does can't be told", "no JSON text"],
            ),
            ("api", &["POST /graphql {\"query\": \"{ me }\"}"], 1, &["query me"]),
            // However the path is spelled that the gateway knows.
            ("api", &["POST /graphql/ {\"query\": \"{ me }\"}"], 1, &["query me"]),
            ("api", &["POST /GraphQL {\"query\": \"{ me }\"}"], 1, &["query me"]),
            ("api", &["POST /%67raphql {\"query\": \"{ me }\"}"], 1, &["query me"]),
            // In what the target would read otherwise nothing is known.
            (
                "api",
                &["-H", "content-type: application/json; charset=utf-7", "POST /orders {\"amount\": 5}"],
                1,
                &["body.amount = undetermined", "in other characters than UTF-8"],
            ),
            (
                "api",
                &["-H", "content-encoding: gzip", "POST /orders {\"amount\": 5}"],
                1,
                &["body.amount = undetermined", "it is encoded"],
            ),
            (
                "api",
                &["-H", "content-type: a/b", "-H", "content-type: a/c", "POST /orders {\"amount\": 5}"],
                2,
                &["more than one `content-type`"],
            ),
            ("api", &["-H", "content-type: a/b", "GET /orders/7"], 0, &["media_type = \"\""]),
            ("api", &["GET /orders/7"], 0, &["-H 'name: value' gives some"]),
            ("api", &["-H", "Host: API.test:8443", "GET /orders/7"], 0, &["host = \"api.test\""]),
            ("api", &["GET /orders/7 HTTP/1.1\r\nHost: api.test\r\n\r\n"], 0, &["host = \"api.test\""]),
            (
                "api",
                &["-H", "content-type: text/plain", "POST /orders x"],
                1,
                &["media_type = \"text/plain\""],
            ),
            // As clients write it, which is not as it is judged.
            (
                "api",
                &["GET /api/orders/7"],
                1,
                &["`/api` is the prefix by which clients name this target", "Was 'GET /orders/7' meant?"],
            ),
            (
                "prod",
                &["GET /prod/api/v1/pods"],
                1,
                &["`/prod` is the prefix", "Was 'GET /api/v1/pods' meant?"],
            ),
            ("prod", &["GET /api/v1/namespaces/default/pods"], 0, &["rule `look` permits"]),
            ("files", &[CALL], 1, &["pinned = undetermined", "unless --pinned yes or --pinned no says"]),
            ("soon", &["--label", "env=prod", "GET /orders/7"], 1, &["it is read as SQL", "--protocol http"]),
            ("soon", &["--label", "env=prod", "--protocol", "http", "GET /orders/7"], 0, &["get /orders/7"]),
            ("files", &["--pinned", "yes", CALL], 0, &["pinned = true", "rule `read` permits"]),
            ("files", &["--pinned", "no", CALL], 1, &["pinned = false", "rule `changed tools`"]),
            ("files", &["--do", "call on \"read_file\" with pinned = true"], 0, &["rule `read` permits"]),
            ("files", &["--do", "call on \"read_file\" with pinned = false"], 1, &["rule `changed tools`"]),
        ],
    );
}

#[test]
fn what_is_no_command_is_told_how_to_be_one() {
    let folder = folder();
    check(
        &folder,
        &ANA,
        &[
            ("api", &["get /orders/7"], 2, &["methods are in capitals", "help: 'GET /orders/7'"]),
            (
                "api",
                &["curl https://localhost:8080/api/orders/7"],
                2,
                &["`curl` is a program", "'GET /orders/7'"],
            ),
            ("api", &["GET https://localhost:8080/api/orders/7"], 2, &["is a URL", "'GET /orders/7'"]),
            ("api", &["GET"], 2, &["it has no path"]),
            ("api", &["orders please"], 2, &["it begins with no method"]),
            ("api", &["GET orders"], 2, &["begins with `/`"]),
            ("api", &["-H", "x-dry-run", "GET /orders"], 2, &["no header field", "-H 'x-dry-run: true'"]),
            (
                "prod",
                &["kubectl get pods"],
                2,
                &["`kubectl` is a program", "'GET /api/v1/namespaces/default/pods'"],
            ),
            (
                "files",
                &["tools/call read_file"],
                2,
                &["no message of JSON-RPC", "\"method\": \"tools/call\""],
            ),
            ("files", &["{\"method\": \"ping\"}"], 2, &["it has no \"jsonrpc\": \"2.0\""]),
            ("files", &["-H", "a: b", "{}"], 2, &["a command of mcp has no header fields"]),
            ("api", &["--pinned", "yes", "GET /orders"], 2, &["a command of http calls no tools"]),
            ("api", &["--do", "reed on \"/a\""], 2, &["post on \"/orders\" with \"body.amount\" = 5"]),
            ("prod", &["--do", "reed on \"/a\""], 2, &["get on \"secrets\" with namespace = \"default\""]),
            ("files", &["--do", "reed on \"/a\""], 2, &["call on \"read_file\" with pinned = true"]),
        ],
    );
}

/// What the ways out above show is taken.
#[test]
fn the_examples_are_understood() {
    let folder = folder();
    for (target, protocol, actions) in [
        ("api", "http", &["get on \"/orders/7\"", "post on \"/orders\" with \"body.amount\" = 5"][..]),
        (
            "prod",
            "kubernetes",
            &[
                "get on \"secrets\" with namespace = \"default\"",
                "create on \"pods/exec\" with argv = [\"ls\"], shell = false",
            ],
        ),
        (
            "files",
            "mcp",
            &[
                "call on \"read_file\" with pinned = true, \"arguments.path\" = \"/srv/plan.md\"",
                "read on \"file:///srv/a\"",
            ],
        ),
        (
            "db",
            "postgres",
            &["select on \"public.orders\"", "delete on \"public.orders\" with filtered = false"],
        ),
        ("host", "ssh", &["read on \"/srv/www/**\"", "shell", "forward with host = \"db-1\", port = 5432"]),
    ] {
        let wrong = folder.run(
            &[&["explain", "--at", target, "--protocol", protocol], &ANA[..], &["--do", "reed on \"/a\""]]
                .concat(),
        );
        for action in actions {
            assert!(wrong.err.contains(action), "no `{action}` in\n{}", wrong.err);
            let ran = folder.run(
                &[&["explain", "--at", target, "--protocol", protocol], &ANA[..], &["--do", action]].concat(),
            );
            assert!(ran.code < 2, "{action}: {ran:?}");
        }
    }
    let help = folder.run(&["explain", "--help"]).out;
    for example in [
        "'GET /orders/7'",
        "'GET /api/v1/namespaces/default/pods'",
        r#"    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file"}}'"#,
        "the `prefix`",
    ] {
        assert!(help.contains(example), "no {example} in\n{help}");
    }
}

#[test]
fn an_agent_acts_for_somebody() {
    let folder = folder();
    const SMALL: [&str; 2] = ["--do", "call on \"pay\" with pinned = true, \"arguments.amount\" = 10"];
    const BOT: [&str; 4] = ["--as", "bot", "--group", "bots"];
    // Without users: what the command line says.
    for (who, code, part) in [
        (
            &["--on-behalf-of", "ana", "--owner-group", "eng"][..],
            0,
            "bot (bots), on behalf of ana (eng), at files",
        ),
        (&["--on-behalf-of", "eve", "--owner-group", "sales"], 1, "denied"),
        (&["--on-behalf-of", "ana"], 1, "no --owner-group was given"),
        (&[], 1, "bot (bots) at files"),
    ] {
        let ran = folder.run(&[&["explain", "--at", "files"], &BOT[..], who, &SMALL].concat());
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.out.contains(part), "no `{part}` in\n{}", ran.out);
    }
    // With them: what the store says.
    for (name, more) in [
        ("ana", &["--group", "eng"][..]),
        ("eve", &["--group", "sales"]),
        ("bot", &["--group", "bots", "--kind", "agent"]),
        ("own", &["--group", "bots", "--kind", "agent", "--owner", "eve"]),
    ] {
        let add = [&["user", "add", name], more].concat();
        let added = folder.run_with(&[("PORTCULLIS_PASSWORD", "correct horse battery")], &add);
        assert_eq!(added.code, 0, "{added:?}");
    }
    for (who, code, part) in [
        (&["--as", "bot", "--on-behalf-of", "ana"][..], 0, "bot (bots), on behalf of ana (eng), at files"),
        (&["--as", "bot", "--on-behalf-of", "eve"], 1, "on behalf of eve (sales)"),
        (&["--as", "bot"], 1, "only a token lets in that says for whom it acts"),
        (&["--as", "own"], 1, "own (bots), on behalf of eve (sales), at files"),
        (&["--as", "own", "--on-behalf-of", "ana"], 3, "own acts for eve, not for ana"),
        (&["--as", "bot", "--on-behalf-of", "own"], 3, "own is an agent itself"),
        (&["--as", "ana", "--on-behalf-of", "eve"], 3, "only an agent acts on behalf of somebody"),
    ] {
        let ran = folder.run(&[&["explain", "--at", "files"], who, &SMALL].concat());
        assert_eq!(ran.code, code, "{who:?} {ran:?}");
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains(part), "{who:?}: no `{part}` in\n{said}");
    }
}
