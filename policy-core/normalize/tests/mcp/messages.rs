//! What each message does: `messages.txt`.

use std::fmt::Write as _;

use policy_normalize::mcp::Side;

use crate::{policy, read, shown};

const LOOKS_AT_ARGUMENTS: &str =
    r#"deny "x" { on mcp do call, prompt when arguments.amount > 0 or arguments."to.iban" == "" }"#;

/// A table's lines come in pairs: a message behind `>` (a client's) or `<` (a server's), and what its elements do behind `=`.
#[test]
fn messages_do_what_they_say() {
    let policy = policy(LOOKS_AT_ARGUMENTS);
    let (mut count, mut problems) = (0, String::new());
    let mut lines =
        include_str!("messages.txt").lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    while let Some(line) = lines.next() {
        let (side, message) = match line.split_at(2) {
            ("> ", message) => (Side::Client, message),
            ("< ", message) => (Side::Server, message),
            _ => panic!("no message: {line}"),
        };
        let expected =
            lines.next().and_then(|line| line.strip_prefix("= ")).unwrap_or_else(|| panic!("{line}"));
        let text = message.replace("{J", r#"{"jsonrpc":"2.0""#).replace('⏎', "\n").replace('␀', "\0");
        let found = read(side, text.as_bytes(), &policy);
        let elements: Vec<String> = found
            .elements
            .iter()
            .map(|element| element.actions.iter().map(shown).collect::<Vec<_>>().join("; "))
            .collect();
        let found = elements.join(" | ");
        if found != expected {
            let _ = writeln!(problems, "{line}\n= {found}");
        }
        count += 1;
    }
    assert!(problems.is_empty(), "{problems}");
    assert!(count >= 60, "only {count} messages");
}

#[test]
fn an_answer_can_name_its_request() {
    let policy = policy("");
    for (message, id, method) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Some("1"), Some("ping")),
        (r#"{"jsonrpc":"2.0","id":"a\u0062\"","method":"x"}"#, Some(r#""ab\"""#), Some("x")),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, None, Some("ping")),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            None,
            Some("notifications/initialized"),
        ),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, None, Some("ping")),
        (r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, Some("7"), None),
        ("{", None, None),
    ] {
        let found = read(Side::Client, message.as_bytes(), &policy);
        assert!(!found.batch);
        assert_eq!(found.elements.len(), 1);
        let element = &found.elements[0];
        assert_eq!((element.id.as_deref(), element.method.as_deref()), (id, method), "{message}");
    }
    assert!(read(Side::Client, b"[1,2]", &policy).batch);
}
