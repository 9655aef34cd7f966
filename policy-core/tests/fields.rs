//! Masks of fields (semantics 6): what they come to, and what they can't be.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test states what it expects by failing"
)]

mod common;

use std::sync::Arc;

use common::*;
use policy_core::mask::{Detectors, JsonMasker, MaskKey, Transform};
use policy_core::policy::Opaque;
use policy_core::rule::{FieldMask, Mask, Masked, Predicates, Unresolved};
use policy_core::vocabulary::parse_field;
use policy_core::{Effect, Obligations, Policy, Protocol, Rule};

fn fields(id: &str, fields: &[&str], otherwise: Transform, unresolved: Unresolved) -> Rule {
    let fields = fields.iter().map(|text| parse_field(text).expect("a pattern")).collect();
    let what = Masked::Fields(FieldMask { fields, with: vec![], otherwise });
    rule(id, Effect::Mask(Mask { what, unresolved, predicates: Predicates::Record })).at(on(Protocol::HTTP))
}

fn obligations(policy: &Policy) -> Obligations {
    ask([action("get", "customers")]).at_protocol(Protocol::HTTP).of(policy).obligations
}

fn masked(policy: &Policy, obligations: &Obligations) -> Option<String> {
    let masks = policy.field_masks(obligations)?;
    let (detectors, key) = (Detectors::new(&[]).expect("none"), MaskKey::new(&[7; 32]).expect("a key"));
    let (mut masker, mut out) = (JsonMasker::new(Some(masks)), Vec::new());
    masker.push(&detectors, &key, br#"{"email":"ana@example.com","id":7}"#, &mut out).expect("JSON");
    masker.finish(&detectors, &key, &mut out).expect("all of it");
    Some(String::from_utf8(out).expect("text"))
}

#[test]
fn masks_of_one_field_combine_to_the_stronger() {
    use Transform::{Partial, Redact};
    use Unresolved::{Deny, Mask};
    let lenient = || fields("lenient", &["email"], Partial, Mask);
    let strict = || fields("strict", &["**.email"], Redact, Deny);
    type Case<'a> = (&'a str, Vec<Rule>, Option<&'a str>, &'a str);
    let cases: [Case<'_>; 4] = [
        ("none", vec![allow("a")], None, "None"),
        ("one", vec![lenient()], Some(r#"{"email":"a***@example.com","id":7}"#), "Some(Withhold)"),
        (
            "two",
            vec![lenient(), strict()],
            Some(r#"{"email":"[redacted]","id":7}"#),
            "Some(Deny(RuleIndex(1)))",
        ),
        ("columns and values are none", vec![mask("m", &["a.b.c"], &[], Redact)], None, "None"),
    ];
    for (name, rules, expected, opaque) in cases {
        let policy = policy(rules);
        let obligations = obligations(&policy);
        assert_eq!(masked(&policy, &obligations).as_deref(), expected, "{name}");
        assert_eq!(format!("{:?}", policy.opaque(&obligations)), opaque, "{name}");
        assert!(!policy.masks_columns(&obligations), "{name}");
        assert!(policy.value_masks(&obligations).is_empty(), "{name}");
    }
}

#[test]
fn equal_masks_are_equal_and_one_is_compiled_once() {
    let of = |rules: &[Rule]| {
        let policy = policy(rules.to_vec());
        let obligations = obligations(&policy);
        let masks = policy.field_masks(&obligations).expect("masks");
        if let [_] = rules {
            assert!(Arc::ptr_eq(&masks, &policy.field_masks(&obligations).expect("masks")));
        }
        masks
    };
    let a = fields("a", &["email"], Transform::Hash, Unresolved::Deny);
    let b = fields("b", &["email"], Transform::Hash, Unresolved::Mask);
    let c = fields("c", &["email"], Transform::Redact, Unresolved::Deny);
    assert_eq!(of(std::slice::from_ref(&a)), of(std::slice::from_ref(&b)));
    assert_eq!(of(&[a.clone(), c.clone()]).digest(), of(&[c.clone(), a.clone()]).digest());
    assert_ne!(of(std::slice::from_ref(&a)), of(std::slice::from_ref(&c)));
    assert_ne!(of(&[a.clone(), c.clone()]), of(&[c]));
}

#[test]
fn what_a_policy_does_not_know_masks_everything() {
    let large = policy([allow("a"), allow("b"), fields("m", &["x"], Transform::Hash, Unresolved::Mask)]);
    let obligations = obligations(&large);
    for small in [policy([allow("a")]), policy([allow("a"), allow("b"), allow("c")])] {
        assert_eq!(masked(&small, &obligations).as_deref(), Some("null"));
        assert!(matches!(small.opaque(&obligations), Some(Opaque::Deny(_))));
    }
}

#[test]
fn what_cannot_be_enforced_is_refused() {
    use Unresolved::Deny;
    let compare = |mut rule: Rule| {
        if let Effect::Mask(mask) = &mut rule.effect {
            mask.predicates = Predicates::Deny;
        }
        rule
    };
    let mut unnamed = fields("m", &["a"], Transform::Redact, Deny);
    if let Effect::Mask(Mask { what: Masked::Fields(mask), .. }) = &mut unnamed.effect {
        mask.with.push((policy_core::rule::Pattern { segments: [].into() }, Transform::Hash));
    }
    for (name, rule, expected) in [
        ("no field", fields("m", &[], Transform::Redact, Deny), "a field is missing"),
        ("no segment", unnamed, "exactly one segment"),
        (
            "predicates",
            compare(fields("m", &["a"], Transform::Redact, Deny)),
            "no meaning in a mask of fields",
        ),
        (
            "postgres",
            fields("m", &["a"], Transform::Redact, Deny).at(on(Protocol::POSTGRES)),
            "can't mask fields",
        ),
        ("ssh", fields("m", &["a"], Transform::Redact, Deny).at(on(Protocol::SSH)), "can't mask fields"),
    ] {
        let errors = try_policy([rule]).err().unwrap_or_default();
        let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(said.len() == 1 && said[0].contains(expected), "{name}: {said:?}");
    }
    for protocol in [Protocol::HTTP, Protocol::KUBERNETES, Protocol::MCP] {
        assert!(try_policy([fields("m", &["a"], Transform::Redact, Deny).at(on(protocol))]).is_ok());
    }
}
