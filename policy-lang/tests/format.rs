//! Formatting keeps meaning and comments, and is done after one time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test states what it expects by failing"
)]

use policy_lang::{Source, format};
use proptest::prelude::*;

fn formatted(text: &str) -> String {
    format(&Source::new("a.policy", text)).unwrap_or_else(|diagnostics| panic!("{diagnostics}\n{text}"))
}

#[test]
fn clauses_are_aligned_and_short_blocks_stay_on_their_line() {
    let text = "\u{feff}policy   \"p\"\r\n\r\n\r\n\r\nallow \"x\"{\n\n by group \"eng\"   and not(group \"a\"or user \"b\")\n   on postgres where env==\"prod\" // prod only\n  // what\n do select,insert on \"public.*\"\n}\nmask \"m\" { on postgres columns \"a.b.c\" with last( 4 ) for \"*.c\" , redact otherwise }\nlimit \"l\" {on postgres rows 1_0 per principal per hour}   // at the end\n// last";
    let expected = r#"policy "p"

allow "x" {
  by group "eng" and not (group "a" or user "b")
  on postgres where env == "prod"  // prod only
  // what
  do select, insert on "public.*"
}
mask "m" { on postgres  columns "a.b.c"  with last(4) for "*.c", redact otherwise }
limit "l" { on postgres  rows 1_0 per principal per hour }  // at the end
// last
"#;
    assert_eq!(formatted(text), expected);
}

#[test]
fn on_behalf_of_is_no_clause() {
    let text =
        "allow \"a\" { by agent   on\nbehalf of(group \"eng\"or user \"ana\")\n on postgres\n do select }\n";
    let expected = "allow \"a\" {\n  by agent on behalf of (group \"eng\" or user \"ana\")\n  on postgres\n  do select\n}\n";
    assert_eq!(formatted(text), expected);
    assert_eq!(formatted(expected), expected);
}

#[test]
fn long_lists_are_broken_and_comments_inside_them_stay() {
    let text = format!(
        "tag t = postgres columns {} // here\n , \"z.z.z\"\ndeny \"d\" {{ on postgres do drop, // why\n // and\n truncate say \"no\" }}",
        ["\"public.some_table.some_column\""; 8].join(", ")
    );
    let once = formatted(&text);
    assert!(once.lines().all(|line| line.chars().count() <= 101), "{once}");
    for comment in ["// here", "// why", "// and"] {
        assert_eq!(once.matches(comment).count(), 1, "{once}");
    }
    assert_eq!(formatted(&once), once);
}

#[test]
fn what_ships_is_formatted() {
    for name in policy_lang::shipped::names() {
        let text = policy_lang::shipped::find(name).unwrap();
        assert!(
            formatted(text) == text,
            "{name} is not laid out as the formatter would:\n{}",
            formatted(text)
        );
    }
}

#[test]
fn what_cannot_be_read_is_not_formatted() {
    let error = format(&Source::new("a.policy", "deny \"x\" { on }")).unwrap_err();
    assert_eq!(error.errors(), 1);
}

/// Clauses as an author might write them; names need not mean anything here.
const PIECES: &[&str] = &[
    "by group \"eng\" or user \"a\\\"b\" and not oncall",
    "on postgres \"shop\", \"crm\" where env == \"prod\" and tier in [\"a\", \"b\"], ssh",
    "do select, insert, update, delete on \"public.*\", \"sales.*\"",
    "do begin",
    "when not filtered and (limit > 10_000 or object like \"t*\")",
    "when argv is [\"systemctl\", *, **]",
    "unless group \"fraud\" or claim.region == \"eu\" or target.env != \"dev\"",
    "until 2 of oncall approve within 15m",
    "answer after 30s",
    "in transaction",
    "justify",
    "reveal",
    "columns tagged pii, \"a.b.c\"",
    "values jwt, email",
    "fields \"a.*.b\", \"**.'x.y'\"",
    "with last(4) for \"*.pan\", \"*.iban\", redact otherwise",
    "unresolved deny",
    "predicates record",
    "rows 10_000 per principal per hour",
    "say \"no // comment, { no brace\"",
    "mode observe",
];

/// White space and comments between any two tokens.
fn gap() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(" ".to_owned()),
        2 => Just("\n".to_owned()),
        1 => Just("\n\n\n".to_owned()),
        1 => Just("\t \r\n ".to_owned()),
        1 => Just(" // a comment\n".to_owned()),
        1 => Just("\n// a comment of its own  \n\n".to_owned()),
    ]
}

fn policy() -> impl Strategy<Value = String> {
    let clause = proptest::sample::select(PIECES);
    let rule = (
        proptest::sample::select(&["allow", "deny", "hold", "mask"][..]),
        proptest::collection::vec(clause, 0..5),
    )
        .prop_map(|(kind, clauses)| format!("{kind} \"name\" {{ {} }}", clauses.join(" ")));
    let item = prop_oneof![
        4 => rule,
        1 => Just("set oncall = group \"sre\" or group \"dba\"".to_owned()),
        1 => Just("tag pii = postgres columns \"a.b.c\", \"d.e.f\"".to_owned()),
        1 => Just("default deny".to_owned()),
        1 => Just("record all strict { do insert }".to_owned()),
        1 => Just("test \"t\" { as user \"ana\" in group \"eng\" at postgres \"shop\" with env = \"prod\" run \"drop table a\" expect deny by \"x\" }".to_owned()),
    ];
    let words = proptest::collection::vec(item, 0..5).prop_map(|items| pieces(&items.join("\n")));
    words.prop_flat_map(|words| {
        let count = words.len() + 1;
        (Just(words), proptest::collection::vec(gap(), count)).prop_map(|(words, gaps)| {
            let mut text = gaps[0].clone();
            for (word, gap) in words.iter().zip(&gaps[1..]) {
                text.push_str(word);
                text.push_str(gap);
            }
            text
        })
    })
}

/// Splits a text where white space may be put, quoted texts kept whole.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        if !quoted && (c.is_whitespace() || matches!(c, ',' | '(' | ')' | '[' | ']' | '{' | '}')) {
            pieces.push(if c.is_whitespace() { String::new() } else { c.to_string() });
            pieces.push(String::new());
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        pieces.last_mut().unwrap().push(c);
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn formatting_is_idempotent_and_keeps_the_tree_and_comments(text in policy()) {
        let source = Source::new("a.policy", &*text);
        let tree = policy_lang::ast::File::read(&source).unwrap();
        let once = formatted(&text);
        let again = Source::new("a.policy", &*once);
        prop_assert_eq!(&policy_lang::ast::File::read(&again).unwrap(), &tree, "{}", once);
        prop_assert_eq!(once.matches("// a comment").count(), text.matches("// a comment").count(), "{}", once);
        prop_assert_eq!(formatted(&once), once);
    }

    #[test]
    fn no_text_panics(text in "(\\PC|[ \\n\"{}()\\[\\],=]){0,80}") {
        let source = Source::new("a.policy", &*text);
        let loaded = policy_lang::load(std::slice::from_ref(&source), &policy_lang::Environment::default());
        if let Err(diagnostics) = loaded {
            let _ = diagnostics.render(policy_lang::Style::Coloured);
            let _ = diagnostics.reports();
        }
        let _ = format(&source);
    }
}
