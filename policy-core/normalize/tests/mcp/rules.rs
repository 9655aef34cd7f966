//! Rules over messages, as authors write them.

use policy_core::{ActionSet, Principal, Protocol, Request, Target, Verdict};
use policy_normalize::mcp::Side;

use crate::{policy, read};

const RULES: &str = r#"
allow "reading"  { on mcp do initialize, ping, list }
allow "tools"    { on mcp do call on "read_*", "admin/*", "transfer" }
deny  "large"    { on mcp do call on "transfer" when arguments.amount > 1000 }
deny  "unpinned" { on mcp do call when not pinned }
deny  "admin"    { on mcp do call on "admin/*" }
allow "docs"     { on mcp do read on "file:///srv/docs/*" }
allow "no"       { on mcp do answer on "elicitation/create" when action == "decline" }
"#;

#[test]
fn rules_say_what_they_read_like() {
    let policy = policy(RULES);
    let target =
        Target { name: "tools".into(), protocol: Protocol::MCP, labels: vec![].into_iter().collect() };
    let principal = Principal::human("ana", ["eng"]);
    let call = |name: &str, arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
        )
    };
    let uri = |uri: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{{"uri":"{uri}"}}}}"#)
    };
    let answer = |action: &str| format!(r#"{{"jsonrpc":"2.0","id":8,"result":{{"action":"{action}"}}}}"#);
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned();
    for (message, allowed) in [
        (ping.clone(), true),
        (call("read_file", "{}"), true),
        // Not pinned, or not known to be.
        (call("read_other", "{}"), false),
        (call("write_file", "{}"), false),
        (call("admin/x", "{}"), false),
        (uri("file:///srv/docs/a/b.txt"), true),
        (uri("file:///srv/docs/../x"), false),
        (uri("file:///srv/other"), false),
        (answer("decline"), true),
        (answer("accept"), false),
        (format!("[{ping},{}]", call("write_file", "{}")), false),
        (format!("[{ping},{}]", call("read_file", "{}")), true),
    ] {
        let actions = read(Side::Client, message.as_bytes(), &policy).actions();
        assert_eq!(is_allowed(&policy, &target, &principal, &actions), allowed, "{message}");
    }
}

/// An answer to what nobody is known to have asked may be an answer to anything.
#[test]
fn an_answer_to_no_known_question_meets_a_deny_of_any() {
    let policy = policy(
        r#"allow "answers" { on mcp do answer }
           deny  "words"   { on mcp do answer on "elicitation/create" }"#,
    );
    let target =
        Target { name: "tools".into(), protocol: Protocol::MCP, labels: vec![].into_iter().collect() };
    let principal = Principal::human("ana", ["eng"]);
    for (id, allowed) in [(7, true), (8, false), (9, false)] {
        let message = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        let actions = read(Side::Client, message.as_bytes(), &policy).actions();
        assert_eq!(is_allowed(&policy, &target, &principal, &actions), allowed, "{id}");
    }
}

#[test]
fn an_amount_is_limited_however_it_is_written() {
    let policy = policy(
        r#"allow "tools" { on mcp do call on "transfer" }
           deny  "large" { on mcp do call on "transfer" when arguments.amount > 1000 }"#,
    );
    let target =
        Target { name: "tools".into(), protocol: Protocol::MCP, labels: vec![].into_iter().collect() };
    let principal = Principal::human("ana", ["eng"]);
    for (arguments, allowed) in [
        (r#"{"amount":1000}"#, true),
        (r#"{"amount":1001}"#, false),
        (r#"{"amount":"1001"}"#, false),
        (r#"{"amount":1e9}"#, false),
        (r#"{"amount":[1001]}"#, false),
        (r#"{"amount":1,"Amount":1001}"#, false),
        (r#"{"\u0061mount":1001}"#, false),
        // There is none: the comparison does not hold.
        ("{}", true),
    ] {
        let message = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"transfer","arguments":{arguments}}}}}"#
        );
        let actions = read(Side::Client, message.as_bytes(), &policy).actions();
        assert_eq!(is_allowed(&policy, &target, &principal, &actions), allowed, "{arguments}");
    }
}

fn is_allowed(
    policy: &policy_core::Policy,
    target: &Target,
    principal: &Principal,
    actions: &ActionSet,
) -> bool {
    let request = Request { principal, target, actions, source: None, now: None, grants: &[] };
    policy.evaluate(&request).verdict == Verdict::Allow
}
