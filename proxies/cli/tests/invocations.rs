//! Invocations, what they print, and their exit codes: a table.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::Folder;

/// Arguments, exit code, what standard output and standard error say among other things.
type Case = (&'static [&'static str], i32, &'static [&'static str], &'static [&'static str]);

fn check(folder: &Folder, cases: &[Case]) {
    for (arguments, code, out, err) in cases {
        let ran = folder.run(arguments);
        assert_eq!(ran.code, *code, "{arguments:?}\n{}\n{}", ran.out, ran.err);
        for part in *out {
            assert!(ran.out.contains(part), "{arguments:?}: no `{part}` in\n{}", ran.out);
        }
        for part in *err {
            assert!(ran.err.contains(part), "{arguments:?}: no `{part}` in\n{}", ran.err);
        }
        assert!(
            !ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'),
            "{arguments:?}: colour\n{}",
            ran.out
        );
    }
}

#[test]
fn with_a_fresh_configuration() {
    let folder = Folder::initialised();
    folder.write("wrong.policy", "deny   \"x\" { on   postgress }\n");
    folder.write("garbage.policy", [0xff, 0xfe, 0x00]);
    folder.write(
        "failing.policy",
        concat!(
            "test \"it is allowed\" {\n",
            "  as user \"ana\" in group \"eng\"  at postgres \"shop\" with env = \"prod\"\n",
            "  run \"select 1 from a\"\n  expect allow\n}\n"
        ),
    );
    check(
        &folder,
        &[
            (&["check"], 0, &["policies/production.policy: 7 rules, 4 tests, no problems"], &[]),
            (&["check", "wrong.policy"], 1, &["wrong.policy:1", "did you mean `postgres`?", "1 error"], &[]),
            (&["check", "garbage.policy"], 3, &[], &["`garbage.policy`", "help:"]),
            (&["check", "absent.policy"], 3, &[], &["`absent.policy`", "No such file"]),
            (&["fmt", "--check"], 0, &["1 file already in the canonical layout"], &[]),
            (&["fmt", "--check", "wrong.policy"], 1, &["would change wrong.policy"], &[]),
            (&["test"], 0, &["ok     engineers read", "4 tests: 4 passed", "coverage: "], &[]),
            (
                &["test", "failing.policy"],
                1,
                &["FAILED it is allowed (failing.policy:1)", "expected allow"],
                &[],
            ),
            (&["test", "wrong.policy"], 3, &[], &["the policy has 1 error", "wrong.policy:1"]),
            (&["user", "list"], 0, &["no local users", "user add"], &[]),
            (&["user", "remove", "eve"], 3, &[], &["there is no local user `eve`", "user list"]),
            (&["secret", "list"], 0, &["no secrets"], &[]),
            (&["secret", "remove", "shop"], 5, &[], &["there is no secret `shop`"]),
            (&["sessions"], 4, &[], &["no gateway listens on", "portcullis serve"]),
            (&["approvals"], 4, &[], &["no gateway listens on"]),
            (&["revoke", "00000000000000ff"], 4, &[], &["no gateway listens on"]),
            (&["verify"], 5, &[], &["can't read the evidence", "evidence`"]),
            (&["replay", "00000000000000ff"], 5, &[], &["can't read the evidence"]),
            (&["init"], 5, &[], &["`portcullis.toml` exists already, and nothing was changed"]),
            (&["completions", "bash"], 0, &["_portcullis()"], &[]),
            (&["completions", "zsh"], 0, &["#compdef portcullis"], &[]),
        ],
    );
}

/// What the first policy says of SSH is right once the signs are off.
#[test]
fn the_first_policy_for_ssh_works_uncommented() {
    let folder = Folder::initialised();
    let policy = folder.read("policies/production.policy");
    let (head, tail) = policy.split_once("take the signs off these.\n").expect("a part for SSH");
    let (ssh, rest) = tail.split_once("\nlimit ").expect("more behind it");
    let ssh: String =
        ssh.lines().map(|line| line.strip_prefix("// ").unwrap_or(line).to_owned() + "\n").collect();
    folder
        .write("policies/production.policy", format!("{head}take the signs off these.\n{ssh}\nlimit {rest}"));
    check(
        &folder,
        &[
            (&["check"], 0, &["12 rules, 5 tests, no problems"], &[]),
            (&["test"], 0, &["ok     a shell waits", "5 tests: 5 passed"], &[]),
            (&["fmt", "--check"], 0, &["1 file already in the canonical layout"], &[]),
        ],
    );
}

/// The sample policies do what they say of themselves, alone and as one policy.
#[test]
fn the_samples_pass_their_own_tests() {
    let folder = Folder::new();
    let sample = |name: &str| format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"));
    let (shop, web) = (sample("shop/policies/production.policy"), sample("web/policies/web.policy"));
    let api = sample("api/policies/api.policy");
    let agents = sample("agents/policies/agents.policy");
    let cluster = sample("cluster/policies/cluster.policy");
    let all = [&*shop, &*web, &*api, &*cluster, &*agents];
    for files in all.iter().map(std::slice::from_ref).chain([&all[..]]) {
        let ran = folder.run(&[&["test"][..], files].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        let ran = folder.run(&[&["check"][..], files].concat());
        assert!(ran.code == 0 && ran.out.contains("no problems"), "{ran:?}");
    }
}

#[test]
fn explanations() {
    let folder = Folder::initialised();
    const ANA: [&str; 7] = ["explain", "--as", "ana", "--group", "eng", "--at", "shop"];
    for (text, code, parts) in [
        (
            "drop table orders",
            1,
            &[
                "ana (eng) at shop (env=prod)",
                "drop public.orders",
                "denied",
                "rule `destructive ddl` (policies/production.policy:15:1)",
                "says      Destructive DDL goes through a migration",
            ][..],
        ),
        ("select item from orders", 0, &["allowed", "rule `engineers work` permits", "100000 rows per"]),
        (
            "alter table orders add note text",
            1,
            &["held until it is approved", "rule `schema change`", "on disk before"],
        ),
        (
            "select * from other.orders",
            1,
            &["nothing permits `select` on `other.orders`", "nearest", "does not hold"],
        ),
        (
            "select 1; delete from orders",
            1,
            &["together  denied", "filtered = false", "rule `unfiltered writes`"],
        ),
        ("selec 1", 1, &["nothing permits `unknown`", "PostgreSQL's grammar says: syntax error"]),
        ("select '\u{1b}]0;evil\u{7}' from orders", 0, &["\\u{1b}]0;evil\\u{7}"]),
    ] {
        let ran = folder.run(&[&ANA[..], &[text]].concat());
        assert_eq!(ran.code, code, "{text}\n{ran:?}");
        for part in parts {
            assert!(ran.out.contains(part), "{text}: no `{part}` in\n{}", ran.out);
        }
        assert!(!ran.out.contains('\u{1b}') && !ran.out.contains('\u{7}'), "{text}: acts on the terminal");
    }
}

#[test]
fn what_has_no_text_is_asked_as_an_action() {
    let folder = Folder::initialised();
    std::fs::write(
        folder.path().join("ssh.policy"),
        r#"
        allow "site" { by group "eng"  on ssh  do read on "/srv/www/**" }
        deny  "keys" { on ssh  do read on "/**/keys/**" }
        deny  "tunnels" { on ssh  do forward when port == 5432 }
        "#,
    )
    .unwrap();
    let ask = |text: &str| {
        let at = ["--at", "web-1", "--protocol", "ssh", "--policy", "ssh.policy", "--do", text];
        folder.run(&[&["explain", "--as", "ana", "--group", "eng"], &at[..]].concat())
    };
    for (text, code, part) in [
        ("read on \"/srv/www/x\"", 0, "`read` on `/srv/www/x`"),
        ("read on \"/etc/passwd\"", 1, "do read on \"/srv/www/**\""),
        ("read on \"/srv/**\"", 1, "read /srv/**"),
        ("forward with host = \"db\", port = 5432", 1, "rule `tunnels`"),
        ("reed on \"/srv/x\"", 2, "did you mean `read`"),
        ("read on \"/srv/*\"", 2, "or to all below one"),
        ("read on \"/srv/x\" } deny \"x\" {", 2, "is no action of ssh"),
    ] {
        let ran = ask(text);
        let said = format!("{}{}", ran.out, ran.err);
        assert_eq!(ran.code, code, "{text}\n{said}");
        assert!(said.contains(part), "{text}: no `{part}` in\n{said}");
    }
}

#[test]
fn texts_of_requests_run_in_tests_as_explain_reads_them() {
    let folder = Folder::new();
    let policy = r#"
        allow "order" { by group "eng"  on http  do post on "/orders"  when header.x-tenant == "a" }
        deny "large" { on http  do post on "/orders"  when body.amount > 1000 }
        deny "kill pods" { on kubernetes  do delete on "pods"  when namespace == "shop" }
        allow "pods" { on kubernetes  do get, delete on "pods" }
        allow "small" { on mcp  do call on "pay"  unless arguments.amount > 1000 }
        test "small" { as user "ana" in group "eng"  at http "api"
          run "POST /orders\nX-Tenant: a\n\n{\"amount\": 5}"  expect allow by "order" }
        test "large" { as user "ana" in group "eng"  at http "api"
          run "POST /orders {\"amount\": 5000}"  expect deny by "large" }
        test "not theirs" { as user "ana" in group "eng"  at http "api"
          run "POST /orders {\"amount\": 5}"  expect deny by default }
        test "pods stay" { as user "ana"  at kubernetes "c"
          run "DELETE /api/v1/namespaces/shop/pods/web-1"  expect deny by "kill pods" }
        test "others go" { as user "ana"  at kubernetes "c"
          run "DELETE /api/v1/namespaces/dev/pods/web-1"  expect allow by "pods" }
        test "pays" { as user "ana"  at mcp "files"
          run "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"pay\",\"arguments\":{\"amount\":5}}}"
          expect allow by "small" }
    "#;
    folder.write("api.policy", policy);
    let ran = folder.run(&["test", "api.policy"]);
    assert!(ran.code == 0 && ran.out.contains("6 tests: 6 passed"), "{ran:?}");
    folder.write(
        "api.policy",
        policy.replace("run \"DELETE /api/v1/namespaces/dev/pods/web-1\"", "run \"DELETE\""),
    );
    let ran = folder.run(&["test", "api.policy"]);
    assert!(ran.code == 1 && ran.out.contains("write a method and a path"), "{ran:?}");
}

#[test]
fn a_target_that_is_not_configured_is_not_known() {
    let folder = Folder::initialised();
    let ask = ["explain", "--as", "ana", "--group", "eng", "--at", "shpo", "select 1"];
    let ran = folder.run(&ask);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("not known: no target `shpo` is configured in `portcullis.toml`"), "{ran:?}");
    assert!(ran.err.contains("there are `shop`"), "{ran:?}");
    assert_eq!(folder.json(&ask)["verdict"], "not known");
    // One that is to be configured is asked about by what it will be like.
    let ran = folder.run(&[&ask[..], &["--label", "env=prod"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn the_doctor_names_a_group_that_nobody_has() {
    let folder = Folder::initialised();
    let doctor = folder.run(&["doctor"]);
    assert!(!doctor.out.contains("no local user has"), "there are no users yet: {}", doctor.out);
    let added = folder
        .run_with(&[("PORTCULLIS_PASSWORD", "correct horse")], &["user", "add", "ana", "--group", "eng"]);
    assert_eq!(added.code, 0, "{added:?}");
    let doctor = folder.run(&["doctor"]);
    for (group, is_missing) in [("dba", true), ("sre", true), ("eng", false)] {
        let words = format!("the group `{group}`, which no local user has");
        assert_eq!(doctor.out.contains(&words), is_missing, "{group}: {}", doctor.out);
    }
}

#[test]
fn explained_masks_follow_the_data() {
    let folder = Folder::new();
    let policy = folder.write("p.policy", concat!(
        "tag pii = postgres columns \"public.users.email\", \"public.cards.pan\"\n",
        "allow \"read\" { on postgres  do select on \"public.*\" }\n",
        "mask \"personal\" { on postgres  columns tagged pii  with last(4) for \"*.pan\", redact otherwise }\n",
    ));
    let document = folder.json(&[
        "explain",
        "--as",
        "ana",
        "--at",
        "shop",
        "--policy",
        policy.to_str().expect("text"),
        "select u.email as harmless, c.pan, u.name from users u join cards c on c.id = u.id",
    ]);
    assert_eq!(document["verdict"], "allow", "{document:#}");
    let masked = document["statements"][0]["masked_columns"].as_array().expect("a list");
    let shown: Vec<String> =
        masked.iter().map(|mask| format!("{} {} {}", mask["column"], mask["from"], mask["mask"])).collect();
    assert_eq!(
        shown,
        [r#""harmless" ["public.users.email"] "redact""#, r#""pan" ["public.cards.pan"] "last(4)""#,]
    );
    assert!(document["notes"].as_array().is_some_and(|notes| notes.len() == 3), "groups, labels, catalogue");
}

#[test]
fn without_a_configuration() {
    let folder = Folder::new();
    for arguments in [&["check"][..], &["test"], &["sessions"], &["serve"], &["doctor"], &["user", "list"]] {
        let ran = folder.run(arguments);
        assert_eq!(ran.code, 3, "{arguments:?} {ran:?}");
        assert!(
            ran.err.contains("there is no configuration") && ran.err.contains("portcullis init"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_wrong_configuration_names_file_key_and_line() {
    let folder = Folder::initialised();
    let text = folder.read("portcullis.toml").replace("required = true", "requird = true");
    folder.write("portcullis.toml", text);
    for arguments in [&["check"][..], &["serve"], &["serve", "--dry-run"], &["sessions"]] {
        let ran = folder.run(arguments);
        assert_eq!(ran.code, 3, "{arguments:?} {ran:?}");
        for part in ["portcullis.toml:", "requird", "did you mean `required`?"] {
            assert!(ran.err.contains(part), "{arguments:?}: no `{part}` in {}", ran.err);
        }
    }
    // For scripts, the way out is apart.
    let ran = folder.run(&["check", "--json"]);
    let document: serde_json::Value = serde_json::from_str(&ran.err).expect("a document");
    assert_eq!(document["help"], "did you mean `required`?");
    assert!(document["error"].as_str().is_some_and(|error| !error.contains("did you mean")), "{document}");
    let ran = folder.run(&["doctor"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("PROBLEM  configuration") && ran.out.contains("requird"), "{ran:?}");
    assert!(ran.out.contains("mend: did you mean `required`?"), "{ran:?}");
    let ran = folder.run(&["check", "--config", "nowhere.toml"]);
    assert!(ran.code == 3 && ran.err.contains("nowhere.toml"), "{ran:?}");
    folder.write("garbage.toml", [0xff, 0, 0x1b]);
    let ran = folder.run(&["check", "--config", "garbage.toml"]);
    assert!(ran.code == 3 && ran.err.contains("garbage.toml") && !ran.err.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn what_is_misspelt_is_suggested() {
    let folder = Folder::new();
    for (arguments, part) in [
        (&["aprove", "3"][..], "approve"),
        (&["check", "--jsno"], "--json"),
        (&["user", "ad", "x"], "add"),
        (&["explain", "x"], "--as <USER>"),
        (&["approve", "three", "--as", "ben"], "no number: `portcullis approvals` lists what waits"),
        (&["approvals", "x"], "no number: `portcullis approvals` lists what waits"),
        (&["token", "revoke", "x"], "no number: `portcullis token list` lists tokens"),
        (&["replay", "1", "--command", "x"], "no number: `portcullis replay SESSION --events`"),
        (&["init", "--listen", "localhost"], "no address and port: write one such as 127.0.0.1:6432"),
        (&["explain", "x", "--as", "a", "--at", "b", "--from", "x"], "no IP address: write one such as"),
        (&["revoke"], "SESSION"),
        (&["revoke", "zzz"], "that is no session's id"),
        (&["replay", "zzz"], "that is no session's id"),
        (&["replay", "00000000000000000"], "that is no session's id"),
        (&["revoke", "1", "--user", "ana"], "cannot be used with"),
    ] {
        let ran = folder.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?} {ran:?}");
        assert!(ran.err.contains(part), "{arguments:?}: no `{part}` in {}", ran.err);
    }
}

#[test]
fn the_first_target_may_be_one_over_http() {
    let folder = Folder::new();
    const CONFIG: &str = "--config=guard/portcullis.toml";
    check(
        &folder,
        &[
            (
                &["init", "guard", "--http", "http://127.0.0.1:1", "--name", "shop"],
                0,
                &[
                    "wrote guard/portcullis.toml",
                    "portcullis secret set shop ",
                    "TOKEN=$(portcullis token create --user YOU --expires 8h)",
                    "curl --cacert guard/state/server.crt --oauth2-bearer \"$TOKEN\" https://localhost:8080/shop/ ",
                ],
                &[],
            ),
            (&["check", CONFIG], 0, &["6 rules, 4 tests, no problems"], &[]),
            (&["test", CONFIG], 0, &["4 tests: 4 passed"], &[]),
            (&["fmt", "--check", CONFIG], 0, &["already in the canonical layout"], &[]),
            (&["init", "x", "--http", "http://10.0.0.1"], 3, &[], &["in the clear", "help: use `https://`"]),
            (&["init", "x", "--http", "https://h/path"], 3, &[], &["a target's address is a host"]),
            (
                &["init", "x", "--http", "ftp://h"],
                3,
                &[],
                &["no address of a target", "https://target.example.org:443"],
            ),
            (&["init", "x", "--http", "https://h", "--role", "app"], 2, &[], &["cannot be used with"]),
            (&["init", "x", "--name", "a"], 2, &[], &["--http <URL>"]),
            (&["init", "x", "--http", "https://h", "--name", "a/b"], 2, &[], &["can't begin a path"]),
        ],
    );
    assert!(!folder.path().join("x").exists(), "what is refused writes nothing");
    let explain = [&["explain", CONFIG, "--as", "ana", "--group", "eng", "--at", "shop"][..]].concat();
    for (request, code, part) in [
        ("GET /orders/7", 0, "rule `engineers read` permits"),
        ("POST /orders {}", 1, "held until it is approved"),
        ("DELETE /orders/7", 1, "rule `deleting`"),
    ] {
        let ran = folder.run(&[&explain[..], &[request]].concat());
        assert!(ran.code == code && ran.out.contains(part), "{request}: {ran:?}");
    }
    // What is commented out works with the signs off.
    let policy = folder.read("guard/policies/production.policy");
    let signs_off: String = policy
        .lines()
        .map(|line| line.strip_prefix("// ").filter(|_| is_rule(line)).unwrap_or(line).to_owned() + "\n")
        .collect();
    folder.write("guard/policies/production.policy", signs_off);
    check(&folder, &[(&["check", CONFIG], 0, &["7 rules, 4 tests, no problems"], &[])]);
}

/// Whether a line of the first policy is of a rule that is commented out.
fn is_rule(line: &str) -> bool {
    ["// mask", "//   ", "// }"].iter().any(|start| line.starts_with(start))
}

#[test]
fn the_configuration_may_be_named_by_a_variable() {
    let folder = Folder::initialised();
    std::fs::rename(folder.path().join("portcullis.toml"), folder.path().join("other.toml")).expect("moved");
    let with = |file: &str, arguments: &[&str]| folder.run_with(&[("PORTCULLIS_CONFIG", file)], arguments);
    assert_eq!(with("other.toml", &["check"]).code, 0);
    assert_eq!(with("", &["check"]).code, 3, "an empty one names nothing");
    assert!(with("nowhere.toml", &["check"]).err.contains("nowhere.toml"));
    assert_eq!(with("nowhere.toml", &["check", "--config", "other.toml"]).code, 0, "the option goes first");
    // It is no part of what has to be typed.
    let usage = with("other.toml", &["user", "remove"]).err;
    assert!(usage.contains("Usage: portcullis user remove") && !usage.contains("--config"), "{usage}");
    assert!(with("", &["check", "--help"]).out.contains("$PORTCULLIS_CONFIG"));
}

#[test]
fn ssh_config_says_where_the_gateway_is_reached() {
    let folder = Folder::new();
    folder.write("p.policy", "policy \"p\"\ndefault deny\n");
    folder.write("key", "k");
    folder.mode("key", 0o600);
    let config = concat!(
        "policies = [\"p.policy\"]\n[listen]\nssh = \"127.0.0.1:2222\"\n[[target]]\nname = \"web\"\nprotocol = \"ssh\"\n",
        "address = \"10.0.0.1:22\"\nuser = \"deploy\"\ncredential = { file = \"key\" }\nhost_keys = [\"ssh-ed25519 ",
        "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\"]\n"
    );
    folder.write("portcullis.toml", config);
    check(
        &folder,
        &[
            (&["ssh-config", "--as", "ana"], 0, &["HostName 127.0.0.1\n  Port 2222\n  User ana:web\n"], &[]),
            (
                &["ssh-config", "--as", "ana", "--gateway", "gw.test"],
                0,
                &["HostName gw.test\n  Port 2222\n"],
                &[],
            ),
            (
                &["ssh-config", "--as", "ana", "--gateway", "gw.test:22"],
                0,
                &["HostName gw.test\n  Port 22\n"],
                &[],
            ),
            (&["ssh-config", "--as", "ana", "--gateway", "[::1]:22"], 0, &["HostName ::1\n  Port 22\n"], &[]),
            (
                &["ssh-config", "--as", "ana", "--gateway", "gw test"],
                2,
                &[],
                &["` test` is no part", "help:"],
            ),
            (
                &["ssh-config", "--as", "ana", "--gateway", "https://gw"],
                2,
                &[],
                &["`https://` is no part", "help:"],
            ),
        ],
    );
}
