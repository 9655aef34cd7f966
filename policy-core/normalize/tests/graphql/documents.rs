//! What each document selects: `documents.txt`.

use std::fmt::Write as _;

use crate::{policy, post, shown};

const LOOKS_AT_ARGUMENTS: &str =
    r#"deny "x" { on http do query, mutate when arguments.id == "" or arguments."input.amount" > 0 }"#;

/// A table's lines come in pairs: a document behind `>`, with an operation's name and variables behind `▸`, and the fields it selects
/// behind `=`, in the order of the alphabet.
#[test]
fn documents_select_what_they_say() {
    let policy = policy(LOOKS_AT_ARGUMENTS);
    let (mut count, mut problems) = (0, String::new());
    let mut lines =
        include_str!("documents.txt").lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    while let Some(line) = lines.next() {
        let mut parts = line.strip_prefix("> ").unwrap_or_else(|| panic!("no document: {line}")).split(" ▸ ");
        let document = parts.next().unwrap().replace('⏎', "\n").replace('␍', "\r").replace('␀', "\0");
        let operation = parts.next().filter(|name| *name != "-");
        let variables = parts.next().unwrap_or("null");
        let expected =
            lines.next().and_then(|line| line.strip_prefix("= ")).unwrap_or_else(|| panic!("{line}"));
        let mut found: Vec<String> =
            post(&document, operation, variables, &policy).iter().map(shown).collect();
        found.sort();
        let found = found.join("; ");
        if found != expected {
            let _ = writeln!(problems, "{line}\n= {found}");
        }
        count += 1;
    }
    assert!(problems.is_empty(), "{problems}");
    assert!(count >= 60, "only {count} documents");
}
