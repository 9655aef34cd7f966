//! Texts that are too much: they are unknown, soon, and overflow nothing.

use std::time::{Duration, Instant};

use policy_normalize::shell::{self, Environment, Limits};

use crate::{has, read};

/// Reads on a thread whose stack is as small as a runtime's worker's.
fn is_bounded(name: &str, text: String) {
    let name = name.to_owned();
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let started = Instant::now();
    let known = thread.spawn(move || !has(&read(&text), "unknown")).unwrap().join().unwrap();
    // Generous: tests run unoptimised, beside others.
    assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
    assert!(!known, "{name} is known");
}

#[test]
fn monsters_are_unknown_soon() {
    let deep =
        |open: &str, close: &str, count: usize| format!("{}true{}", open.repeat(count), close.repeat(count));
    for (name, text) in [
        ("large", "true;".repeat(20_000)),
        ("many commands", (0..6_000).map(|number| format!("c{number};")).collect()),
        ("subshells", deep("(", ")", 10_000)),
        ("groups", deep("{ ", ";}", 10_000)),
        ("substitutions", deep("$(", ")", 20_000)),
        ("quoted substitutions", deep("\"$(", ")\"", 10_000)),
        ("backticks", "`".repeat(30_001)),
        ("escaped backticks", {
            let mut text = "true".to_owned();
            for _ in 0..10 {
                text = format!("`echo {}`", text.replace('\\', "\\\\").replace('`', "\\`"));
                if text.len() > 30_000 {
                    break;
                }
            }
            text
        }),
        ("parameters", format!("echo {}{}", "${a:-".repeat(10_000), "}".repeat(10_000))),
        ("ifs", deep("if true;then ", ";fi", 3_000)),
        ("cases", deep("case x in x) ", ";;esac", 3_000)),
        ("functions", format!("{}true{}", "f(){ ".repeat(5_000), ";}".repeat(5_000))),
        ("arithmetic", format!("echo $(({}1{}", "$((".repeat(8_000), "))".repeat(8_001))),
        ("negations of nothing", "! ".repeat(30_000)),
        ("braces", "echo {a,b}".to_owned() + &"{a,b}".repeat(40)),
        ("nested braces", format!("echo {}a{}", "{x,".repeat(10_000), "}".repeat(10_000))),
        ("numbers", "echo {1..1000000}".into()),
        ("many numbers", "echo {1..999999999}{1..999999999}".into()),
        ("doubling", format!("a=xxxxxxxx;{}$a", "a=$a$a;".repeat(60))),
        ("doubling words", format!("a='x x x x';{}echo $a", "a=\"$a $a\";".repeat(40))),
        ("recursion", "f(){ f; }; f".into()),
        ("a fork bomb", ":(){ :|:& };:".into()),
        ("two that call each other", "f(){ g;g; }; g(){ f;f; }; f".into()),
        (
            "loops in loops",
            format!("{}a=$b;b=$c;c=$d{};$a", "while read a;do ".repeat(30), ";done".repeat(30)),
        ),
        (
            "known loops in loops",
            format!("{}echo $i{}", "for i in 1 2 3 4 5 6 7 8 9;do ".repeat(20), ";done".repeat(20)),
        ),
        ("shells in shells", {
            let mut text = "true".to_owned();
            for _ in 0..12 {
                text = format!("sh -c {}", shell::quote(&[text]));
                if text.len() > 60_000 {
                    break;
                }
            }
            format!("{text}; $x")
        }),
        ("evals", format!("{}true", "eval ".repeat(10_000))),
        ("wrappers", format!("{}true", "env ".repeat(10_000))),
        ("here-documents", (0..2_000).map(|number| format!("cat <<E{number};")).collect::<String>() + "\n"),
        ("a here-document without an end", format!("cat <<E\n{}", "x\n".repeat(20_000))),
        ("subshells with many variables", (0..4_000).map(|number| format!("a{number}=1;(b=1);")).collect()),
        ("the text that exhausts another parser", "<<E$[\t\t\n".into()),
        ("an unclosed quote", "echo '".into()),
        ("stars", format!("{} x", "*?[".repeat(15_000))),
        ("zero", "echo a\0b".into()),
        ("escape", "echo \u{1b}[2J".into()),
        ("carriage return", "echo a\r\nrm b".into()),
        ("a control character of another set", "echo \u{9b}2J".into()),
    ] {
        is_bounded(name, text);
    }
}

#[test]
fn limits_hold_for_each_kind() {
    let tight = Limits { bytes: 40, nesting: 4, tokens: 60, actions: 3, expanded: 200, steps: 200 };
    let environment = Environment { home: None, limits: tight };
    assert!(!has(&shell::read("ls a; ls b", &environment), "unknown"));
    for text in [
        "echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "((((ls))))",
        "( ( ( (ls) ) ) )",
        "a;b;c;d;e",
        "echo {1..90}",
        "a b c d e f g h i j k l m n o p q r s t",
    ] {
        assert!(has(&shell::read(text, &environment), "unknown"), "{text}");
    }
}

#[test]
fn a_text_without_commands_does_nothing() {
    for text in ["", " ", "\n\n", "# a comment", "a=1", "\t# x\n", "a=1 b=2"] {
        let reading = read(text);
        assert!(has(&reading, "noop") && reading.actions.as_slice().len() == 1, "{text:?}: {reading:?}");
    }
}
