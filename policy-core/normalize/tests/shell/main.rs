//! The reading of command lines: tables of texts, real shells, and inputs that are too much.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect by failing"
)]

mod differential;
mod files;
mod monsters;
mod ordinary;
mod quoting;
mod spellings;

use policy_core::{Action, Slot, Value};
use policy_normalize::shell::{self, Environment, Reading};

/// An account whose home is known.
fn read(text: &str) -> Reading {
    shell::read(text, &Environment { home: Some("/home/ana"), ..Environment::default() })
}

/// A table's line breaks are written as `⏎`.
fn lines_of(table: &'static str) -> impl Iterator<Item = (usize, String)> {
    let kept = |line: &&str| !line.is_empty() && !line.starts_with("# ");
    let numbered = table.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(move |(_, line)| kept(line)).map(|(number, line)| (number, line.replace('⏎', "\n")))
}

fn has(reading: &Reading, verb: &str) -> bool {
    reading.actions.iter().any(|action| action.verb.as_str() == verb)
}

/// Whether this action runs these words, or may.
fn may_run(action: &Action, argv: &[&str]) -> bool {
    action.verb.as_str() == "exec"
        && match action.attribute("argv") {
            Some(Value::List(words)) => words.iter().map(|word| &**word).eq(argv.iter().copied()),
            Some(Value::Open(slots)) => fits(slots, argv),
            _ => false,
        }
}

fn fits(slots: &[Slot], argv: &[&str]) -> bool {
    match (slots, argv) {
        ([], []) => true,
        ([Slot::Text(text), slots @ ..], [word, argv @ ..]) => **text == **word && fits(slots, argv),
        ([Slot::One, slots @ ..], [_, argv @ ..]) => fits(slots, argv),
        ([Slot::Many, slots @ ..], _) => (0..=argv.len()).any(|skip| fits(slots, &argv[skip..])),
        _ => false,
    }
}

/// The actions in a line.
fn shown(reading: &Reading) -> String {
    let words = |value: Option<&Value>| match value {
        Some(Value::List(words)) => {
            words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" ")
        }
        Some(Value::Open(slots)) => slots
            .iter()
            .map(|slot| match slot {
                Slot::Text(text) => format!("{text:?}"),
                Slot::One => "?".into(),
                Slot::Many => "…".into(),
            })
            .collect::<Vec<_>>()
            .join(" "),
        _ => String::new(),
    };
    let actions =
        reading.actions.iter().map(|action| format!("{} {}", action.verb, words(action.attribute("argv"))));
    actions.collect::<Vec<_>>().join("; ")
}
