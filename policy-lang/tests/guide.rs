//! Every block of the guide, and every policy in the README, is a policy that loads, laid out as the formatter would.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test states what it expects by failing")]

use policy_lang::{Environment, Source, format, load};

const GUIDE: &str = include_str!("../../docs/LANGUAGE.md");
const README: &str = include_str!("../../README.md");

#[test]
fn every_block_loads() {
    let mut blocks = 0;
    for (index, block) in blocks_of(GUIDE) {
        let text = block.strip_prefix("policy\n").unwrap_or_else(|| panic!("block {index} is no policy"));
        check(&format!("block {index} of the guide"), text);
        blocks += 1;
    }
    assert!(blocks >= 6);
}

#[test]
fn every_policy_in_the_readme_loads() {
    let policies: Vec<_> = blocks_of(README)
        .filter_map(|(index, block)| Some((index, block.strip_prefix("policy\n")?)))
        .collect();
    assert!(!policies.is_empty());
    for (index, text) in policies {
        check(&format!("block {index} of the README"), text);
    }
}

/// What stands between fences, each with its number.
fn blocks_of(page: &str) -> impl Iterator<Item = (usize, &str)> {
    page.split("```").enumerate().filter(|(index, _)| index % 2 == 1)
}

#[track_caller]
fn check(name: &str, text: &str) {
    let source = Source::new(name, text);
    let environment = Environment::default();
    let loaded =
        load(std::slice::from_ref(&source), &environment).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(
        loaded.warnings.iter().all(|warning| warning.message.contains("never used")),
        "{}",
        loaded.warnings
    );
    assert_eq!(format(&source).unwrap(), text);
}

#[test]
fn every_clause_transform_and_detector_is_in_the_guide() {
    for word in [
        "by",
        "on",
        "do",
        "when",
        "unless",
        "mode observe",
        "say",
        "until",
        "answer after",
        "in transaction",
        "justify",
        "reveal",
        "columns",
        "values",
        "fields",
        "with",
        "unresolved",
        "predicates",
        "rows",
        "commands",
        "bytes",
        "null",
        "redact",
        "hash",
        "first",
        "last",
        "partial",
        "credit_card",
        "email",
        "ssn",
        "iban",
        "phone",
        "jwt",
        "aws_key",
        "private_key",
        "authorization",
        "strict",
        "granted",
        "hour",
        "weekday",
        "source",
    ] {
        assert!(GUIDE.contains(word), "{word}");
    }
}
