//! Rules about people who watch, and about what is typed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test states what it expects by failing"
)]

use std::time::Duration;

use policy_core::rule::{Effect, Mode, Requirement, RuleSet};
use policy_lang::{Environment, Source, format, load};

fn rules(text: &str) -> RuleSet {
    match load(&[Source::new("a.policy", text)], &Environment::default()) {
        Ok(loaded) => loaded.rules,
        Err(diagnostics) => panic!("{}", diagnostics.render(policy_lang::Style::Plain)),
    }
}

fn requirement(text: &str) -> Requirement {
    let rules = rules(text);
    match &rules.rules[0].effect {
        Effect::Hold(requirement) => requirement.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn watchers_are_demanded_beside_votes_or_alone() {
    let both = requirement(
        "hold \"x\" { on ssh  do shell  until 2 of group \"sre\" approve within 5m  while 1 of group \"sec\" watches }",
    );
    assert_eq!(both.within, Duration::from_secs(300));
    assert_eq!(both.approve.as_ref().unwrap().count.get(), 2);
    assert_eq!(both.watch.as_ref().unwrap().count.get(), 1);
    let alone = requirement("hold \"x\" { on ssh  do shell  while 1 of group \"sec\" watches }");
    assert_eq!((alone.approve, alone.within), (None, Duration::from_secs(600)));
    let plain = requirement("hold \"x\" { on ssh  do shell  until 1 of group \"sre\" approve within 5m }");
    assert_eq!(plain.watch, None);
}

#[test]
fn the_clause_is_laid_out_like_any_other_and_round_trips_as_json() {
    let text = "hold \"x\" {\n  on ssh\n do shell\n until 1 of group \"sre\" approve within 5m\n while 1 of group \"sec\" or group \"dba\" watches\n}\n";
    let laid_out = format(&Source::new("a.policy", text)).unwrap();
    assert!(laid_out.contains("  while 1 of group \"sec\" or group \"dba\" watches\n"), "{laid_out}");
    let (before, after) = (rules(text), rules(&laid_out));
    assert_eq!(before, after);
    let json = serde_json::to_string(&before).unwrap();
    assert_eq!(serde_json::from_str::<RuleSet>(&json).unwrap(), before);
}

#[test]
fn what_is_typed_is_denied_observed_or_warned_of() {
    for (mode, expected) in [("", Mode::Enforce), ("mode observe", Mode::Observe), ("mode warn", Mode::Warn)]
    {
        let rules = rules(&format!("deny \"x\" {{ on ssh  do typed  when argv is [\"rm\", **]  {mode} }}"));
        assert_eq!(rules.rules[0].mode, expected);
    }
}
