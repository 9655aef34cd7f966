//! How long a client is kept waiting for a hold.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test states what it expects by failing"
)]

use std::time::Duration;

use policy_core::Policy;
use policy_core::rule::{Effect, Requirement, RuleSet};
use policy_lang::{Environment, Source, format, load};

fn rules(text: &str) -> RuleSet {
    match load(&[Source::new("a.policy", text)], &Environment::default()) {
        Ok(loaded) => loaded.rules,
        Err(diagnostics) => panic!("{}", diagnostics.render(policy_lang::Style::Plain)),
    }
}

fn requirement(within: &str, clause: &str) -> Requirement {
    let text = format!(
        "hold \"x\" {{ on http  do post  until 1 of group \"sre\" approve within {within}  {clause} }}"
    );
    match &rules(&text).rules[0].effect {
        Effect::Hold(requirement) => requirement.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_client_is_kept_as_long_as_the_rule_says_and_a_minute_otherwise() {
    for (within, clause, expected) in [
        ("15m", "answer after 5s", 5),
        ("15m", "answer after 10m", 600),
        ("15m", "answer after 15m", 900),
        ("15m", "", 60),
        ("20s", "", 20),
    ] {
        let answer = requirement(within, clause).answer_after();
        assert_eq!(answer, Duration::from_secs(expected), "{within} {clause}");
    }
}

#[test]
fn the_clause_is_part_of_the_requirement_and_is_laid_out_like_any_other() {
    let text = "hold \"x\" {\n  on http\n do post\n until 1 of group \"sre\" approve within 5m\n answer after 30s\n}\n";
    let laid_out = format(&Source::new("a.policy", text)).unwrap();
    assert!(laid_out.contains("\n  answer after 30s\n"), "{laid_out}");
    assert_eq!(rules(text), rules(&laid_out));
    let vocabularies = Environment::default().vocabularies;
    let digest = |text: &str| Policy::compile([&rules(text)], &vocabularies).unwrap().digest();
    assert_ne!(digest(text), digest(&text.replace("30s", "31s")));
    assert_ne!(digest(text), digest(&text.replace("answer after 30s", "")));
}
