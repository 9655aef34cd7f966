//! Requests without bodies: `tests/data/kubernetes.txt`.

use policy_normalize::http::Target;
use policy_normalize::kubernetes::Fields;

use crate::{actions, all};

#[test]
fn requests_are_what_the_api_server_sees() {
    let (mut count, mut wrong) = (0, vec![]);
    for line in include_str!("../data/kubernetes.txt").lines() {
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        let (request, expected) = line.split_once("  → ").unwrap();
        let (method, target) = request.split_once(' ').unwrap();
        let (target, media_type) = target.split_once(' ').unwrap_or((target, ""));
        let found = all(&actions(method, target, media_type, "", &Fields::default()));
        if found != expected {
            wrong.push(format!("{request}  → {found}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{} are read otherwise:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 150, "only {count} requests");
}

/// Escapes that need not be there change nothing, and what is sent on does what was judged.
#[test]
fn spelled_otherwise_a_request_does_the_same() {
    let lines = include_str!("../data/kubernetes.txt").lines().filter(|line| line.contains("  → "));
    for request in lines.filter_map(|line| line.split("  → ").next()) {
        let (method, target) = request.split_once(' ').unwrap();
        let (target, media_type) = target.split_once(' ').unwrap_or((target, ""));
        let done = actions(method, target, media_type, "", &Fields::default());
        let sent = Target::parse(target).unwrap().sent;
        for spelled in [sent, escaped(target)] {
            let again = actions(method, &spelled, media_type, "", &Fields::default());
            assert_eq!(again, done, "{request} as {spelled}");
        }
    }
}

/// Every letter and digit that is no part of an escape, escaped.
fn escaped(target: &str) -> String {
    let mut text = String::new();
    let mut left = 0;
    for character in target.chars() {
        if left > 0 || !character.is_ascii_alphanumeric() {
            left = if character == '%' { 2 } else { left.max(1) - 1 };
            text.push(character);
        } else {
            text.push_str(&format!("%{:02x}", u32::from(character)));
        }
    }
    text
}
