//! What administrators type: `tests/data/ordinary.txt`.

use policy_core::{Slot, Value};

use crate::{has, lines_of, read, shown};

/// The words of the first command, `?` and `…` for holes.
fn first(text: &str) -> Option<String> {
    let reading = read(text);
    let exec = reading.actions.iter().find(|action| action.verb.as_str() == "exec")?;
    let words: Vec<String> = match exec.attribute("argv")? {
        Value::List(words) => words.iter().map(|word| word.to_string()).collect(),
        Value::Open(slots) => slots
            .iter()
            .map(|slot| match slot {
                Slot::Text(text) => text.to_string(),
                Slot::One => "?".into(),
                Slot::Many => "…".into(),
            })
            .collect(),
        _ => return None,
    };
    Some(words.join(" "))
}

#[test]
fn ordinary_commands_are_known() {
    let mut count = 0;
    let mut problems = vec![];
    for (number, line) in lines_of(include_str!("../data/ordinary.txt")) {
        // Where quotes or expansions change the words, they stand behind an arrow.
        let (text, argv) = line.split_once("  → ").unwrap_or((&line, &line));
        let reading = read(text);
        if has(&reading, "unknown") || first(text).as_deref() != Some(argv) {
            problems.push(format!("line {number}: {text}: {}", shown(&reading)));
        }
        count += 1;
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count >= 150, "only {count} commands");
}
