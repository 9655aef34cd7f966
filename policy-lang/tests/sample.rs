//! The sample of the language, whole.

#![allow(clippy::panic, reason = "a test states what it expects by failing")]

use policy_lang::{Environment, Source, load};

const SAMPLE: &str = include_str!("data/production.policy");

#[test]
fn the_whole_sample_loads_for_every_protocol() {
    let loaded = load(&[Source::new("production.policy", SAMPLE)], &Environment::default());
    let loaded = loaded.unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(&*loaded.rules.name, "production");
    let own = SAMPLE.lines().filter(|line| {
        ["allow", "deny", "hold", "mask", "limit", "record"].iter().any(|kind| line.starts_with(kind))
    });
    assert!(loaded.rules.rules.len() >= own.count());
    assert_eq!(loaded.tests.len(), 1);
    // What loads compiles: the two agree about names, types and what can be enforced.
    let compiled = policy_core::Policy::compile([&loaded.rules], &Environment::default().vocabularies);
    assert!(compiled.is_ok(), "{compiled:?}");
}
