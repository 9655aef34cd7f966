//! Messages that are too much: they are unknown, soon, and overflow nothing.

use std::time::{Duration, Instant};

use policy_normalize::mcp::{List, MAX_BATCH, Side, tools};

use crate::{policy, read};

#[test]
fn monsters_are_unknown_soon() {
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let call = |arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","arguments":{arguments}}}}}"#
        )
    };
    let answers: Vec<String> = (0..1_000).map(|number| format!(r#""k{number}":{{}}"#)).collect();
    let uris: Vec<String> = (0..1_000).map(|number| format!(r#""db://{number}""#)).collect();
    for (name, text) in [
        ("brackets", "[".repeat(1_000_000)),
        ("objects", r#"{"a":"#.repeat(200_000)),
        ("deep arguments", call(&format!("{}{}", r#"{"a":"#.repeat(100), "1".to_owned() + &"}".repeat(100)))),
        ("a large batch", format!("[{}]", vec![ping; MAX_BATCH + 1].join(","))),
        ("a huge batch", format!("[{}]", vec![ping; 20_000].join(","))),
        (
            "many answers",
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"inputResponses":{{{}}}}}}}"#,
                answers.join(",")
            ),
        ),
        (
            "many subscriptions",
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"notifications":{{"resourceSubscriptions":[{}]}}}}}}"#,
                uris.join(",")
            ),
        ),
        ("a string without an end", format!("\"{}", "a".repeat(1_000_000))),
    ] {
        let thread = std::thread::Builder::new().stack_size(1 << 20);
        let started = Instant::now();
        let verbs = thread
            .spawn(move || {
                let _ = (tools(text.as_bytes()), List::Tools.filtered(text.as_bytes(), |_| true));
                let found = read(Side::Client, text.as_bytes(), &policy("")).actions();
                found.iter().map(|action| action.verb.to_string()).collect::<Vec<_>>()
            })
            .unwrap()
            .join()
            .unwrap();
        // Generous: tests run unoptimised, beside others.
        assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
        assert_eq!(verbs, ["unknown"], "{name}");
    }
}

#[test]
fn what_is_just_not_too_much_is_known() {
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let batch = format!("[{}]", vec![ping; MAX_BATCH].join(","));
    let found = read(Side::Client, batch.as_bytes(), &policy(""));
    assert_eq!(found.elements.len(), MAX_BATCH);
    assert!(found.actions().iter().all(|action| action.verb.as_str() == "ping"));
}
