//! Column masks judged by where data flows (semantics 6 and 7).

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test states what it expects by failing"
)]

use policy_core::mask::Transform;
use policy_core::rule::{Fallback, Mask, Masked, Mode, Pattern, Predicates, RuleSet, Scope, Unresolved};
use policy_core::{
    Action, ActionSet, Breach, Denial, Effect, Lineage, Name, Policy, Principal, Protocol, Request, Resource,
    Rule, RuleId, Sources, Target, Verb, Verdict, vocabulary,
};

fn policy(unresolved: Unresolved, predicates: Predicates) -> Policy {
    let segments = |text: &str| Pattern { segments: text.split('.').map(Box::from).collect() };
    let mask = Mask {
        what: Masked::Columns {
            columns: vec![segments("public.users.email")],
            with: vec![],
            otherwise: Transform::Redact,
        },
        unresolved,
        predicates,
    };
    let rule = |id: &str, effect| Rule {
        id: RuleId(id.into()),
        mode: Mode::Enforce,
        scope: Scope {
            on: vec![policy_core::rule::Selector {
                protocol: Protocol::POSTGRES,
                names: vec![],
                labels: None,
            }],
            ..Scope::default()
        },
        effect,
        say: None,
        place: None,
    };
    let rules = RuleSet {
        name: "test".into(),
        fallback: Fallback::Deny,
        rules: vec![rule("allow", Effect::Allow), rule("mask", Effect::Mask(mask))],
    };
    Policy::compile([&rules], &vocabulary::shipped()).expect("the policy compiles")
}

fn breach(policy: &Policy, lineage: Lineage) -> Option<Breach> {
    let action = Action::new(Verb::new("select"), Resource::named(["public", "users"]));
    let actions = ActionSet::new([action]).with_lineage(lineage);
    let principal = Principal::human("ana", ["eng"]);
    let target = Target { name: "shop".into(), protocol: Protocol::POSTGRES, labels: Default::default() };
    let request = Request {
        principal: &principal,
        target: &target,
        actions: &actions,
        source: None,
        now: None,
        grants: &[],
    };
    match policy.evaluate(&request).verdict {
        Verdict::Allow => None,
        Verdict::Deny(Denial::Masked { by, breach }) => {
            assert_eq!(policy.rule_id(by).map(|id| &*id.0), Some("mask"));
            Some(breach)
        }
        other => panic!("{other:?}"),
    }
}

fn column(text: &str) -> Sources {
    Sources { columns: vec![Name::new(text.split('.')).expect("a name")], ..Sources::default() }
}

fn whole(text: &str) -> Sources {
    Sources { relations: vec![Name::new(text.split('.')).expect("a name")], ..Sources::default() }
}

fn unknown() -> Sources {
    Sources { unknown: true, ..Sources::default() }
}

#[test]
fn s07_masked_data_stays_masked() {
    let policy = policy(Unresolved::Mask, Predicates::Record);
    for (written, expected) in [
        (Sources::default(), None),
        (column("public.users.name"), None),
        (column("public.users.email"), Some(Breach::Written)),
        (whole("public.users"), Some(Breach::Written)),
        (whole("public.orders"), None),
        (unknown(), Some(Breach::Written)),
    ] {
        let lineage = Lineage { written: written.clone(), ..Lineage::default() };
        assert_eq!(breach(&policy, lineage), expected, "{written:?}");
    }
}

#[test]
fn s06_what_is_unresolved_is_denied_unless_the_rule_masks_it() {
    for (unresolved, shown, expected) in [
        (Unresolved::Deny, unknown(), Some(Breach::Untraced)),
        (Unresolved::Mask, unknown(), None),
        // Known sources are masked on their way, not refused.
        (Unresolved::Deny, column("public.users.email"), None),
        (Unresolved::Deny, whole("public.users"), None),
    ] {
        let lineage = Lineage { shown: shown.clone(), ..Lineage::default() };
        let policy = policy(unresolved, Predicates::Record);
        assert_eq!(breach(&policy, lineage), expected, "{unresolved:?} {shown:?}");
    }
}

#[test]
fn s06_predicates_are_recorded_unless_the_rule_denies_them() {
    for (predicates, used, expected) in [
        (Predicates::Record, column("public.users.email"), None),
        (Predicates::Deny, column("public.users.email"), Some(Breach::Predicate)),
        (Predicates::Deny, column("public.users.name"), None),
        (Predicates::Deny, unknown(), Some(Breach::Predicate)),
    ] {
        let lineage = Lineage { predicates: used.clone(), ..Lineage::default() };
        let policy = policy(Unresolved::Deny, predicates);
        assert_eq!(breach(&policy, lineage), expected, "{predicates:?} {used:?}");
    }
}
