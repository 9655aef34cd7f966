//! Files that a text opens, and the far ends of scp and rsync: `tests/data/files.txt`.

use std::fmt::Write;

use policy_core::{Action, Resource, Value};

use crate::{lines_of, read};

/// All but commands: `write /etc/x`, `env NAME=value`.
fn shown(action: &Action) -> Option<String> {
    let mut text = action.verb.to_string();
    if text == "exec" {
        return None;
    }
    match &action.resource {
        Resource::Named(name) if text == "env" => write!(text, " {}", name.display('/')).unwrap(),
        Resource::Named(name) => write!(text, " /{}", name.display('/')).unwrap(),
        Resource::Tree(tree) => write!(text, " /{}", tree.display('/')).unwrap(),
        Resource::None => {}
        _ => text.push_str(" ?"),
    }
    if let Some(Value::Text(value)) = action.attribute("value") {
        write!(text, "={value}").unwrap();
    }
    Some(text)
}

#[test]
fn files_that_are_opened_are_actions() {
    let mut count = 0;
    for (number, line) in lines_of(include_str!("../data/files.txt")) {
        let (text, expected) = line.split_once("  → ").unwrap();
        let found: Vec<String> = read(text).actions.iter().filter_map(shown).collect();
        let expected: Vec<&str> = expected.split(", ").filter(|action| *action != "-").collect();
        assert_eq!(found, expected, "line {number}: {text}");
        count += 1;
    }
    assert!(count >= 60, "only {count} texts");
}
