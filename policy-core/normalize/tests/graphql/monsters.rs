//! Documents that are too much: they are unknown, soon, and overflow nothing.

use std::time::{Duration, Instant};

use policy_core::Value;
use policy_normalize::http::graphql::{MAX_BATCH, MAX_DEPTH, MAX_FIELDS, MAX_NAME, MAX_TEXT, MAX_VALUE};

use crate::{policy, post, request};

const LOOKS_AT_ARGUMENTS: &str =
    r#"deny "x" { on http do query when arguments.a == "" or arguments.b == "" }"#;

/// Reads on a thread whose stack is as small as a runtime's worker's: the number of fields, none where it is unknown.
fn fields(name: &str, text: String, variables: &str) -> Option<usize> {
    let (thread, variables) = (std::thread::Builder::new().stack_size(2 << 20), variables.to_owned());
    let started = Instant::now();
    let read = move || post(&text, None, &variables, &policy(LOOKS_AT_ARGUMENTS));
    let found = thread.spawn(read).unwrap().join().unwrap();
    // Generous: tests run unoptimised, beside others.
    assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
    (!found.iter().any(|action| action.verb.as_str() == "unknown")).then_some(found.len())
}

fn nested(levels: usize) -> String {
    format!("{}a{}", "{a".repeat(levels), "}".repeat(levels))
}

/// Fragments that each hold the next twice, below `below`.
fn doubling(levels: usize, below: impl Fn(usize) -> String) -> String {
    let fragments: String =
        (0..levels).map(|level| format!("fragment F{level} on T {{ {} }} ", below(level + 1))).collect();
    format!("{{ ...F0 }} {fragments} fragment F{levels} on T {{ x }}")
}

#[test]
fn monsters_are_unknown_soon() {
    for (name, text) in [
        ("long", format!("{{ a }} # {}", "x".repeat(MAX_TEXT))),
        ("many tokens", format!("{{ {} }}", "a ".repeat(30_000))),
        ("many fields", format!("{{ {} }}", (0..=MAX_FIELDS).map(|n| format!("f{n} ")).collect::<String>())),
        ("deep fields", nested(60_000)),
        ("fields just too deep", nested(MAX_DEPTH + 1)),
        ("deep lists", format!("{{ a(x: {}{}) }}", "[".repeat(60_000), "]".repeat(60_000))),
        ("lists without an end", format!("{{ a(x: {}", "[".repeat(60_000))),
        ("deep objects", format!("{{ a(x: {}1{}) }}", "{a:".repeat(30_000), "}".repeat(30_000))),
        ("deep types", format!("query Q($x: {}Int{}) {{ a }}", "[".repeat(60_000), "]".repeat(60_000))),
        ("deep defaults", format!("query Q($x: T = {}{}) {{ a }}", "[".repeat(60_000), "]".repeat(60_000))),
        ("deep inline fragments", format!("{{ {}a{} }}", "...{".repeat(20_000), "}".repeat(20_000))),
        ("fields that double", doubling(40, |next| format!("a {{ ...F{next} }} b {{ ...F{next} }}"))),
        ("a tower of fragments", doubling(1_000, |next| format!("a {{ ...F{next} }}"))),
        (
            "aliases",
            format!("{{ {} }}", (0..=MAX_FIELDS).map(|n| format!("x{n}: a(a: {n}) ")).collect::<String>()),
        ),
        ("strings", "\"".repeat(100_000)),
        ("block strings", "\"\"\"".repeat(30_001)),
        ("closed brackets", "}".repeat(100_000)),
        ("brackets in strings", format!("{{ a(x: \"{}\") {} }}", "}".repeat(5_000), "{a".repeat(5_000))),
        ("bad characters", "\u{fffd}".repeat(40_000)),
        ("dots", ".".repeat(100_000)),
    ] {
        assert_eq!(fields(name, text, "{}"), None, "{name}");
    }
}

#[test]
fn what_is_just_not_too_much_is_known() {
    for (name, text, count) in [
        ("deep", nested(MAX_DEPTH), MAX_DEPTH),
        (
            "wide",
            format!("{{ {} }}", (0..MAX_FIELDS).map(|n| format!("f{n} ")).collect::<String>()),
            MAX_FIELDS,
        ),
        ("fragments that double", doubling(500, |next| format!("...F{next} ...F{next}")), 1),
        (
            "fragments that double around fields",
            doubling(500, |next| format!("a {{ y }} ...F{next} ... {{ ...F{next} }}")),
            3,
        ),
        ("one field again and again", format!("{{ {} }}", "a ".repeat(5_000)), 1),
    ] {
        assert_eq!(fields(name, text, "{}"), Some(count), "{name}");
    }
}

/// A large variable is not copied wherever it is used.
#[test]
fn a_large_variable_costs_once() {
    let uses: String = (0..1_000).map(|n| format!("f{n}(a: $v) ")).collect();
    let large = format!(r#"{{"v":{{"x":"{}"}}}}"#, "x".repeat(1_000_000));
    assert_eq!(fields("a large variable", format!("query Q($v: T) {{ {uses} }}"), &large), Some(1_000));
}

/// What each field below repeats is short.
#[test]
fn what_is_repeated_is_short() {
    let below: String = (0..900).map(|n| format!("f{n} ")).collect();
    let name = "n".repeat(MAX_NAME);
    let long = format!("n{name}");
    assert_eq!(fields("a name", format!("{{ {name} {{ {below} }} }}"), "{}"), Some(901));
    for text in [
        format!("{{ {long} {{ {below} }} }}"),
        format!("query {long} {{ {below} }}"),
        format!("{{ f(a: {long}) {{ {below} }} }}"),
    ] {
        assert_eq!(fields("a long name", text, "{}"), None);
    }
    let long = "x".repeat(MAX_VALUE + 1);
    let policy = policy(LOOKS_AT_ARGUMENTS);
    for (document, variables) in [
        (format!("{{ f(a: \"{long}\") {{ x }} }}"), "{}".to_owned()),
        ("query Q($v: T) { f(a: $v) { x } }".to_owned(), format!("{{\"v\":\"{long}\"}}")),
    ] {
        for action in post(&document, None, &variables, &policy) {
            assert_eq!(action.attribute("arguments.a"), Some(&Value::Undetermined));
        }
    }
}

/// What operations of a batch may select they share.
#[test]
fn a_batch_gets_no_more_than_one_operation() {
    let policy = policy("");
    let is_known = |count: usize, each: usize| {
        let operation = |at: usize| {
            let fields: String = (0..each).map(|n| format!("f{at}x{n} ")).collect();
            format!(r#"{{"query":"{{{fields}}}"}}"#)
        };
        let batch: Vec<String> = (0..count).map(operation).collect();
        let body = format!("[{}]", batch.join(","));
        let found = request("POST", "/g", "application/json", body.as_bytes(), &policy);
        !found.iter().any(|action| action.verb.as_str() == "unknown")
    };
    assert!(is_known(MAX_BATCH, 2));
    assert!(!is_known(MAX_BATCH + 1, 1));
    assert!(!is_known(MAX_BATCH, 1 + MAX_FIELDS / MAX_BATCH));
}
