//! What holds for every policy and request: the compiled evaluator agrees with the naive one, and the
//! monotonicity that authors rely on.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests state what they expect by failing"
)]

mod common;
mod generate;

use common::Asked;
use generate::{VOCABULARIES, asked, compile, grants, restriction, rule_sets};
use policy_core::reference::{self, Plain};
use policy_core::rule::{HoldKey, RuleSet};
use policy_core::{Effect, Policy, Resource, RuleId, Value, Verb, Verdict};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

/// How much a verdict permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Permission {
    Deny,
    Hold,
    Allow,
}

fn permission(policy: &Policy, asked: &Asked) -> Permission {
    match asked.of(policy).verdict {
        Verdict::Deny(_) => Permission::Deny,
        Verdict::Hold(_) => Permission::Hold,
        Verdict::Allow => Permission::Allow,
    }
}

fn with_rule(sets: &[RuleSet], rule: &policy_core::Rule) -> Vec<RuleSet> {
    let mut sets = sets.to_vec();
    sets[0].rules.push(rule.clone());
    sets
}

fn is_pending(asked: &Asked) -> bool {
    asked.actions.iter().any(|action| {
        action.resource == Resource::Pending
            || action.attributes().iter().any(|attribute| attribute.value == Value::Pending)
    })
}

proptest! {
    #![proptest_config(Config { cases: 256, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_compiled_policy_agrees_with_the_naive_one(sets in rule_sets(), (mut asked, bits) in asked()) {
        let policy = compile(&sets);
        asked.grants = grants(&policy, bits);
        let compiled = Plain::of(&policy, &asked.of(&policy));
        let naive = reference::judge(&sets, &*VOCABULARIES, &asked.request());
        prop_assert_eq!(compiled, Some(naive));
    }

    #[test]
    fn adding_a_restriction_never_permits_more(
        sets in rule_sets(), rule in restriction(), (mut asked, bits) in asked(),
    ) {
        let (before, after) = (compile(&sets), compile(&with_rule(&sets, &rule)));
        asked.grants = grants(&before, bits);
        prop_assert!(permission(&after, &asked) <= permission(&before, &asked));
    }

    #[test]
    fn adding_an_allow_never_denies_more(
        sets in rule_sets(), mut rule in restriction(), (mut asked, bits) in asked(),
    ) {
        rule.effect = Effect::Allow;
        let (before, after) = (compile(&sets), compile(&with_rule(&sets, &rule)));
        asked.grants = grants(&before, bits);
        prop_assert!(permission(&after, &asked) >= permission(&before, &asked));
    }

    /// Opening a session is apart: any hold for principal and target covers it (12). So are parameters
    /// that are pending: they are no fixed facts yet.
    #[test]
    fn adding_a_hold_permits_nothing_new_without_a_grant(
        sets in rule_sets(), mut rule in restriction(), (mut asked, bits) in asked(),
    ) {
        prop_assume!(!is_pending(&asked) && asked.actions.iter().all(|action| action.verb != Verb::CONNECT));
        rule.effect = Effect::Hold(common::requirement(1, common::group("sre")));
        let (before, after) = (compile(&sets), compile(&with_rule(&sets, &rule)));
        asked.grants = grants(&before, bits);
        let allowed = |policy| permission(policy, &asked) == Permission::Allow;
        prop_assert!(allowed(&before) || !allowed(&after));
    }

    #[test]
    fn a_copy_under_a_new_name_changes_only_reasons(
        sets in rule_sets(), which in any::<prop::sample::Index>(), (mut asked, bits) in asked(),
    ) {
        prop_assume!(!sets[0].rules.is_empty());
        let mut copy = sets[0].rules[which.index(sets[0].rules.len())].clone();
        let original = std::mem::replace(&mut copy.id, RuleId("copy".into()));
        let (before, after) = (compile(&sets), compile(&with_rule(&sets, &copy)));
        asked.grants = grants(&before, bits);
        // One vote counts toward every hold whose reviewers include the voter: the copy's too.
        let granted: Vec<HoldKey> =
            asked.grants.iter().filter(|key| key.rule == original).cloned().collect();
        asked.grants.extend(granted.into_iter().map(|key| HoldKey { rule: RuleId("copy".into()), ..key }));
        prop_assert_eq!(permission(&after, &asked), permission(&before, &asked));
        let (one, two) = (asked.of(&before).obligations, asked.of(&after).obligations);
        let column = policy_core::Name::new(["public", "users", "pan"]).unwrap();
        prop_assert_eq!(before.column_mask(&one, &column), after.column_mask(&two, &column));
        prop_assert_eq!(before.value_masks(&one), after.value_masks(&two));
        prop_assert_eq!(before.record(&one), after.record(&two));
    }

    #[test]
    fn order_never_matters(sets in rule_sets(), (mut asked, bits) in asked()) {
        let mut other = sets.clone();
        other.reverse();
        other.iter_mut().for_each(|set| set.rules.reverse());
        let (one, two) = (compile(&sets), compile(&other));
        asked.grants = grants(&one, bits);
        prop_assert_eq!(one.digest(), two.digest());
        prop_assert_eq!(asked.of(&one), asked.of(&two));
    }

    #[test]
    fn a_decision_may_be_reused_while_what_it_depended_on_stays(
        sets in rule_sets(), (mut asked, bits) in asked(), now in prop::option::of(0i64..7 * 86_400),
    ) {
        let policy = compile(&sets);
        asked.grants = grants(&policy, bits);
        let decision = asked.of(&policy);
        if !decision.depends_on.clock {
            asked.now = now;
        }
        if !decision.depends_on.source {
            asked.source = None;
        }
        if !decision.depends_on.grants {
            asked.grants = grants(&policy, !bits);
        }
        prop_assert_eq!(asked.of(&policy), decision);
    }

    #[test]
    fn every_decision_can_be_explained(sets in rule_sets(), (mut asked, bits) in asked()) {
        let policy = compile(&sets);
        asked.grants = grants(&policy, bits);
        let explanation = policy.explain(&asked.request());
        let kind = match explanation {
            policy_core::Explanation::Allow { ref permitted } => {
                prop_assert_eq!(permitted.len(), asked.actions.as_slice().len());
                Permission::Allow
            }
            policy_core::Explanation::Hold { ref by } => {
                prop_assert!(!by.is_empty());
                Permission::Hold
            }
            _ => Permission::Deny,
        };
        prop_assert_eq!(kind, permission(&policy, &asked));
    }
}

/// The properties above say little if the generators seldom reach a verdict, or never leave things open.
#[test]
fn the_generators_reach_every_verdict_and_leave_things_undetermined() {
    const CASES: usize = 2_000;
    let mut runner = TestRunner::deterministic();
    let (mut allowed, mut denied, mut held, mut undetermined, mut observed) = (0, 0, 0, 0, 0);
    for _ in 0..CASES {
        let (sets, (mut asked, bits)) = (rule_sets(), asked()).new_tree(&mut runner).unwrap().current();
        let policy = compile(&sets);
        asked.grants = grants(&policy, bits);
        match permission(&policy, &asked) {
            Permission::Allow => allowed += 1,
            Permission::Deny => denied += 1,
            Permission::Hold => held += 1,
        }
        observed += usize::from(asked.of(&policy).observed.is_some());
        undetermined += usize::from(reference::is_undetermined(&sets, &*VOCABULARIES, &asked.request()));
    }
    println!(
        "{allowed} allowed, {denied} denied, {held} held, {undetermined} undetermined, {observed} observed"
    );
    for verdict in [allowed, denied, held] {
        assert!(verdict * 5 >= CASES, "{allowed} allowed, {denied} denied, {held} held of {CASES}");
    }
    assert!(undetermined * 10 >= CASES, "{undetermined} undetermined of {CASES}");
    assert!(observed * 20 >= CASES, "{observed} observed of {CASES}");
}
