//! The numbered semantics of the policy language, as far as the engine decides them: one test or more
//! a number, named after it.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests state what they expect by failing"
)]

mod common;

use common::*;
use policy_core::approval::{Ballot, Petition, Standing, Status, Vote};
use policy_core::mask::{Detector, Transform};
use policy_core::policy::{Problem, Untraced};
use policy_core::rule::{
    Comparison, Do, Element, Expr, Fact, Fallback, Literal, Mask, Masked, Mode, Predicates, Quorum,
    Requirement, RuleId, Selector, Unresolved,
};
use policy_core::{
    Action, ActionSet, Effect, Explanation, Name, Policy, Principal, PrincipalKind, Protocol, Resource, Rule,
    Target, Value, Verb, Verdict, vocabulary,
};

// 1 ------------------------------------------------------------------------------------------------

#[test]
fn s01_sets_of_actions() {
    let policy = policy([
        allow("reads").does(&["select"], &["public.*"]),
        deny("drops").does(&["drop"], &[]),
        // Both clauses hold for some action, but not for the same one.
        deny("secret reads").does(&["select"], &["secret.*"]).when(Expr::Compare(
            attribute("limit"),
            Comparison::Greater,
            Literal::Integer(10),
        )),
    ]);
    let small = action("select", "secret.keys").with("limit", Value::Integer(1));
    let large = action("select", "public.orders").with("limit", Value::Integer(100));
    assert_eq!(ask([small, large]).verdict(&policy), "deny: nothing permits 0");
    let read = action("select", "public.orders");
    assert_eq!(ask([read.clone()]).verdict(&policy), "allow");
    assert_eq!(ask([read, action("drop", "public.orders")]).verdict(&policy), "deny by drops");
}

#[test]
fn s01_there_is_no_command_without_actions() {
    let everything = policy([allow("all").does(&["select", "noop"], &[])]);
    assert_eq!(ask([]).verdict(&everything), "deny: nothing permits 0");
    assert_eq!(ask([Action::new(Verb::NOOP, Resource::None)]).verdict(&everything), "allow");
}

#[test]
fn s01_a_verb_that_the_vocabulary_lacks_is_unknown() {
    let policy = policy([allow("all"), deny("everything else").by(group("interns"))]);
    assert_eq!(ask([action("frobnicate", "public.orders")]).verdict(&policy), "deny: nothing permits 0");
    let mut intern = ask([action("frobnicate", "public.orders")]);
    intern.principal = Principal::human("ivo", ["interns"]);
    assert_eq!(intern.verdict(&policy), "deny by everything else");
}

// 2 ------------------------------------------------------------------------------------------------

#[test]
fn s02_deny_beats_hold_beats_allow() {
    let rules = [
        allow("a").does(&["update", "delete", "drop"], &[]),
        hold("h").does(&["delete", "drop"], &[]),
        deny("d").does(&["drop"], &[]),
    ];
    let policy = policy(rules);
    assert_eq!(ask([action("update", "public.t")]).verdict(&policy), "allow");
    assert_eq!(ask([action("delete", "public.t")]).verdict(&policy), "hold by h");
    assert_eq!(ask([action("drop", "public.t")]).verdict(&policy), "deny by d");
    assert_eq!(ask([action("drop", "public.t")]).granting(&policy, &["h"]).verdict(&policy), "deny by d");
}

#[test]
fn s02_what_nothing_covers_is_denied_before_anyone_is_asked() {
    let policy = policy([hold("h").does(&["alter"], &[])]);
    let both = || ask([action("alter", "public.t"), action("select", "public.t")]);
    assert_eq!(both().verdict(&policy), "deny: nothing permits 1");
    assert_eq!(both().granting(&policy, &["h"]).verdict(&policy), "deny: nothing permits 1");
    assert_eq!(ask([action("alter", "public.t")]).verdict(&policy), "hold by h");
    assert_eq!(ask([action("alter", "public.t")]).granting(&policy, &["h"]).verdict(&policy), "allow");
}

#[test]
fn s02_every_matching_hold_must_be_satisfied() {
    let policy = policy([hold("h1").does(&["alter"], &[]), hold("h2").does(&["alter"], &["public.*"])]);
    let alter = || ask([action("alter", "public.t")]);
    assert_eq!(alter().verdict(&policy), "hold by h1, h2");
    assert_eq!(alter().granting(&policy, &["h1"]).verdict(&policy), "hold by h2");
    let granted = alter().granting(&policy, &["h1", "h2"]);
    assert_eq!(granted.verdict(&policy), "allow");
    assert_eq!(granted.of(&policy).granted.len(), 2, "both grants are consumed");
}

#[test]
fn s02_a_grant_for_another_requirement_does_not_count() {
    let strict = rule("h", Effect::Hold(requirement(2, group("sre")))).does(&["alter"], &[]);
    let before = policy([hold("h").does(&["alter"], &[])]);
    let after = policy([strict]);
    let granted = ask([action("alter", "public.t")]).granting(&before, &["h"]);
    assert_eq!(granted.verdict(&before), "allow");
    assert_eq!(granted.verdict(&after), "hold by h");
    assert!(after.hold(&granted.grants[0]).is_none() && before.hold(&granted.grants[0]).is_some());
}

#[test]
fn s02_order_never_matters_across_files_too() {
    let a = set(Fallback::Deny, [allow("a").does(&["select"], &[]), deny("b").does(&["drop"], &[])]);
    let b = set(Fallback::Deny, [hold("c").does(&["drop", "alter"], &[])]);
    let one = Policy::compile([&a, &b], &vocabulary::shipped()).unwrap();
    let two = Policy::compile([&b, &a], &vocabulary::shipped()).unwrap();
    assert_eq!(one.digest(), two.digest());
    for verb in ["select", "drop", "alter"] {
        let asked = ask([action(verb, "public.t")]);
        assert_eq!(asked.of(&one), asked.of(&two));
    }
}

// 3 ------------------------------------------------------------------------------------------------

#[test]
fn s03_default_allow_never_covers_unknown() {
    let open = permissive([]);
    assert_eq!(ask([action("drop", "public.t")]).verdict(&open), "allow");
    assert_eq!(ask([Action::unknown()]).verdict(&open), "deny: nothing permits 0");
    assert_eq!(ask([action("select", "public.t")]).verdict(&policy([])), "deny: nothing permits 0");
}

#[test]
fn s03_default_allow_holds_only_if_all_files_say_so() {
    let open = set(Fallback::Allow, []);
    let closed = set(Fallback::Deny, []);
    let asked = ask([action("select", "public.t")]);
    for (sets, expected) in [
        (vec![&open, &open], "allow"),
        (vec![&open, &closed], "deny: nothing permits 0"),
        (vec![], "deny: nothing permits 0"),
    ] {
        let policy = Policy::compile(sets, &vocabulary::shipped()).unwrap();
        assert_eq!(asked.verdict(&policy), expected);
    }
}

#[test]
fn s03_unknown_is_covered_only_by_a_rule_that_names_it() {
    let unknown = || ask([Action::unknown()]);
    assert_eq!(unknown().verdict(&policy([allow("a")])), "deny: nothing permits 0");
    assert_eq!(unknown().verdict(&policy([hold("h")])), "deny: nothing permits 0");
    assert_eq!(unknown().verdict(&policy([allow("a").does(&["unknown"], &[])])), "allow");
    assert_eq!(unknown().verdict(&policy([hold("h").does(&["unknown"], &[])])), "hold by h");
    let named = || allow("a").does(&["unknown"], &[]);
    assert_eq!(unknown().verdict(&policy([named(), deny("d")])), "deny by d");
    assert_eq!(unknown().verdict(&policy([named(), hold("h")])), "hold by h");
    assert_eq!(unknown().verdict(&policy([named(), deny("d").does(&["drop"], &[])])), "allow");
}

// 4 ------------------------------------------------------------------------------------------------

#[test]
fn s04_absent_groups_are_undetermined_and_an_empty_list_is_false() {
    let select = || ask([action("select", "public.t")]);
    let empty = || {
        let mut asked = select();
        asked.principal.groups = Some([].into());
        asked
    };
    let allowed = policy([allow("a").by(group("eng"))]);
    assert_eq!(select().verdict(&allowed), "allow");
    assert_eq!(select().no_groups().verdict(&allowed), "deny: nothing permits 0");
    assert_eq!(empty().verdict(&allowed), "deny: nothing permits 0");
    let denied = policy([allow("a"), deny("d").by(group("interns"))]);
    assert_eq!(select().verdict(&denied), "allow");
    assert_eq!(select().no_groups().verdict(&denied), "deny by d");
    assert_eq!(empty().verdict(&denied), "allow");
    let excepted = policy([allow("a"), deny("d").unless(group("eng"))]);
    assert_eq!(select().verdict(&excepted), "allow");
    assert_eq!(select().no_groups().verdict(&excepted), "deny by d");
}

#[test]
fn s04_a_missing_or_bad_attribute_restricts() {
    let unfiltered = policy([
        allow("a").does(&["delete"], &[]),
        deny("d").does(&["delete"], &[]).when(not(Expr::Holds(attribute("filtered")))),
    ]);
    let delete = |value: Option<Value>| {
        let action = action("delete", "public.t");
        ask([value.map_or(action.clone(), |value| action.with("filtered", value))]).verdict(&unfiltered)
    };
    assert_eq!(delete(Some(Value::Bool(true))), "allow");
    assert_eq!(delete(Some(Value::Bool(false))), "deny by d");
    assert_eq!(delete(None), "deny by d");
    assert_eq!(delete(Some(Value::Undetermined)), "deny by d");
    assert_eq!(delete(Some(Value::Text("yes".into()))), "deny by d");
    let covered = policy([allow("a").does(&["delete"], &[]).when(Expr::Holds(attribute("filtered")))]);
    assert_eq!(ask([action("delete", "public.t")]).verdict(&covered), "deny: nothing permits 0");
}

#[test]
fn s04_false_dominates_a_conjunction() {
    // `by` is undetermined, `do` is false: the deny can't match whatever the groups turn out to be.
    let policy = policy([allow("a"), deny("d").by(group("interns")).does(&["drop"], &[])]);
    assert_eq!(ask([action("select", "public.t")]).no_groups().verdict(&policy), "allow");
    assert_eq!(ask([action("drop", "public.t")]).no_groups().verdict(&policy), "deny by d");
}

#[test]
fn s04_an_undetermined_resource_restricts() {
    let policy = policy([
        allow("a").does(&["select"], &["public.*"]),
        allow("b").does(&["delete"], &[]),
        deny("literal").does(&["delete"], &["public.orders"]),
    ]);
    assert_eq!(ask([action("select", "?")]).verdict(&policy), "deny: nothing permits 0");
    assert_eq!(ask([action("delete", "?")]).verdict(&policy), "deny by literal");
    assert_eq!(ask([action("delete", "public.items")]).verdict(&policy), "allow");
}

#[test]
fn s04_a_tree_is_restricted_by_what_lies_below_it_and_covered_only_as_a_whole() {
    let policy = policy([
        allow("app").does(&["delete"], &["app.**"]),
        allow("one level").does(&["delete"], &["logs.*"]),
        deny("keys").does(&["delete"], &["**.keys"]).unless(Expr::Holds(attribute("filtered"))),
    ]);
    let delete = |root: &str| Action::new(Verb::new("delete"), Resource::Tree(tree(root)));
    let filtered = |root: &str| ask([delete(root).with("filtered", Value::Bool(true))]).verdict(&policy);
    assert_eq!(filtered("app"), "allow");
    assert_eq!(filtered("app.pages"), "allow");
    assert_eq!(filtered("logs"), "deny: nothing permits 0");
    assert_eq!(filtered("apple"), "deny: nothing permits 0");
    assert_eq!(ask([delete("app")]).verdict(&policy), "deny by keys");
}

#[test]
fn s04_undetermined_obligations_apply() {
    let policy = policy([
        allow("a"),
        mask("m", &["public.users.email"], &[], Transform::Redact).by(group("support")),
        limit("l", 10).by(group("support")),
        record("r", true, true).by(group("support")),
        hold("h").by(group("support")).does(&["drop"], &[]),
    ]);
    let known = ask([action("select", "public.users")]).of(&policy);
    assert_eq!(known.obligations, Default::default());
    let unsure = ask([action("select", "public.users")]).no_groups().of(&policy).obligations;
    assert_eq!((unsure.masks.len(), unsure.limits.len(), unsure.records.len()), (1, 1, 1));
    assert_eq!(ask([action("drop", "public.users")]).no_groups().verdict(&policy), "hold by h");
}

#[test]
fn s04_a_missing_label_restricts_and_a_hold_covers_only_what_is_certain() {
    let prod = Selector { labels: Some(label_is("env", "prod")), ..on(Protocol::POSTGRES) };
    let denied = policy([allow("a"), deny("d").at(prod.clone()).does(&["drop"], &[])]);
    let held = policy([hold("h").at(prod).does(&["drop"], &[])]);
    let mut bare = ask([action("drop", "public.t")]);
    bare.target.labels.clear();
    assert_eq!(bare.verdict(&denied), "deny by d");
    assert_eq!(bare.verdict(&held), "deny: nothing permits 0");
    let mut staging = ask([action("drop", "public.t")]);
    staging.target.labels.insert("env".into(), "staging".into());
    assert_eq!(staging.verdict(&denied), "allow");
}

#[test]
fn s04_an_unknown_time_or_address_restricts() {
    let night = Expr::Compare(Fact::Hour, Comparison::Less, Literal::Integer(6));
    let outside = not(Expr::In(Fact::Source, vec![Literal::Text("10.0.0.0/8".into())]));
    let policy = policy([allow("a"), deny("night").when(night), deny("outside").when(outside)]);
    let at = |now: Option<i64>, source: &str| {
        let mut asked = ask([action("select", "public.t")]);
        asked.now = now;
        asked.source = source.parse().ok();
        asked.verdict(&policy)
    };
    assert_eq!(at(Some(12 * 3600), "10.1.2.3"), "allow");
    assert_eq!(at(Some(12 * 3600), "::ffff:10.1.2.3"), "allow");
    assert_eq!(at(Some(3 * 3600), "10.1.2.3"), "deny by night");
    assert_eq!(at(None, "10.1.2.3"), "deny by night");
    assert_eq!(at(Some(12 * 3600), "192.0.2.1"), "deny by outside");
    assert_eq!(at(Some(12 * 3600), "unknown"), "deny by outside");
}

// 5 ------------------------------------------------------------------------------------------------

fn problems(rules: impl IntoIterator<Item = Rule>) -> Vec<String> {
    try_policy(rules).expect_err("an error").iter().map(|error| error.problem.to_string()).collect()
}

#[test]
fn s05_unknown_names_are_errors_with_suggestions() {
    let errors = try_policy([deny("d").does(&["trunctate"], &[])]).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].problem.suggestion(), Some("truncate"));
    assert_eq!(
        errors[0].to_string(),
        "rule `d`, do: postgres has no verb `trunctate`; did you mean `truncate`?"
    );
    assert_eq!(
        problems([deny("d").at(on(Protocol::new("postgers")))]),
        ["there is no protocol `postgers`; did you mean `postgres`?"]
    );
    assert_eq!(
        problems([deny("d").does(&["delete"], &[]).when(Expr::Holds(attribute("filterd")))]),
        ["`delete` on postgres has no attribute `filterd`; did you mean `filtered`?"]
    );
}

#[test]
fn s05_an_attribute_must_be_on_every_verb_that_the_rule_can_match() {
    let unfiltered = || not(Expr::Holds(attribute("filtered")));
    assert!(try_policy([deny("d").does(&["delete", "update"], &[]).when(unfiltered())]).is_ok());
    assert_eq!(
        problems([deny("d").does(&["delete", "insert"], &[]).when(unfiltered())]),
        ["`insert` on postgres has no attribute `filtered`; it has writes"]
    );
    assert_eq!(problems([deny("d").when(unfiltered())]).len(), 1, "a rule without `do` matches every verb");
}

#[test]
fn s05_types_are_checked() {
    let when = |condition| problems([deny("d").does(&["delete"], &[]).when(condition)]);
    let compare = |name, comparison, literal| Expr::Compare(attribute(name), comparison, literal);
    for (condition, expected) in [
        (compare("filtered", Comparison::Equal, Literal::Integer(1)), "filtered is a truth value"),
        (compare("filtered", Comparison::Less, Literal::Bool(true)), "an order needs a whole number"),
        (Expr::Holds(attribute("reads")), "reads is a list of names"),
        (Expr::Matches(attribute("reads"), "x".into()), "a regular expression needs a text"),
        (Expr::Shape(attribute("reads"), vec![Element::AnyNumber]), "a shape needs a list of texts"),
        (Expr::In(attribute("reads"), vec![Literal::Integer(1)]), "reads is never 1"),
        (Expr::In(attribute("reads"), vec![Literal::Text("a..b".into())]), "empty segment"),
        (Expr::In(Fact::Weekday, vec![Literal::Text("monday".into())]), "mon, tue"),
        (Expr::In(Fact::Source, vec![Literal::Text("10.0.0.0/99".into())]), "a network such as"),
        (Expr::In(Fact::Hour, vec![Literal::Integer(24)]), "from 0 to 23"),
    ] {
        let found = when(condition);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn s05_what_a_clause_cannot_look_at_is_an_error() {
    let attribute_in_by = deny("d").does(&["delete"], &[]).by(Expr::Holds(attribute("filtered")));
    assert!(problems([attribute_in_by])[0].contains("`by` is about who asks"));
    let group_in_on = Selector { labels: Some(group("eng")), ..on(Protocol::POSTGRES) };
    assert!(problems([deny("d").at(group_in_on)])[0].contains("`on` is about the target"));
    let hour = Expr::Compare(Fact::Hour, Comparison::Less, Literal::Integer(6));
    let reviewers = rule("h", Effect::Hold(requirement(1, hour)));
    assert!(problems([reviewers])[0].contains("`until` is about the reviewer"));
}

#[test]
fn s05_obligations_that_a_protocol_cannot_enforce_are_errors() {
    let mut ssh = mask("m", &["public.users.email"], &[], Transform::Redact);
    ssh.scope.on = vec![on(Protocol::SSH)];
    assert_eq!(
        problems([ssh]),
        ["ssh can't mask columns, so this rule would not be enforced there; name protocols that can"]
    );
    assert_eq!(
        problems([limit("l", 5).everywhere()]).len(),
        4,
        "every protocol but postgres can't count rows"
    );
    assert!(try_policy([record("r", true, true).everywhere().does(&["insert", "create"], &[])]).is_ok());
}

#[test]
fn s05_rules_that_could_never_match_are_errors() {
    assert_eq!(
        problems([deny("d").does(&["select"], &["orders"])]),
        ["`select` acts on names of 2 segments, which `orders` never matches"]
    );
    assert!(try_policy([deny("d").does(&["select"], &["**.orders"])]).is_ok());
    assert_eq!(
        problems([deny("d").does(&["begin"], &["public.*"])]),
        ["`begin` acts on nothing that has a name, so `on` can't narrow it"]
    );
    assert!(problems([deny("d").does(&[], &["public.*"])])[0].contains("a verb is missing"));
}

#[test]
fn s05_depth_regexes_and_names_are_bounded() {
    let nested = |depth: usize| (0..depth).fold(group("eng"), |inner, _| not(inner));
    assert!(try_policy([deny("d").by(nested(63))]).is_ok());
    assert_eq!(problems([deny("d").by(nested(64))]), [Problem::TooDeep.to_string()]);
    let regex =
        |text: &str| deny("d").does(&["set"], &[]).when(Expr::Matches(attribute("value"), text.into()));
    assert!(try_policy([regex("^(a|b)+$")]).is_ok());
    assert!(problems([regex("(unclosed")])[0].contains("can't be used"));
    assert!(problems([regex("(a{500}){500}")])[0].contains("can't be used"));
    let duplicated = try_policy([deny("d"), allow("d")]).unwrap_err();
    assert!(matches!(duplicated[..], [ref one] if one.problem == Problem::DuplicateRule { first: None }));
}

#[test]
fn s05_every_error_is_found_in_one_run() {
    let errors = problems([
        deny("a").does(&["dorp", "selct"], &[]),
        deny("b").at(on(Protocol::new("oracle"))),
        deny("c").does(&["delete"], &[]).when(Expr::All(vec![
            Expr::Holds(attribute("nope")),
            Expr::Matches(attribute("nor this"), "x".into()),
        ])),
    ]);
    assert_eq!(errors.len(), 5, "{errors:?}");
}

// 6 ------------------------------------------------------------------------------------------------

fn column(text: &str) -> Name {
    Name::new(text.split('.')).unwrap()
}

#[test]
fn s06_obligations_accumulate() {
    let policy = policy([
        allow("a"),
        limit("l1", 100),
        limit("l2", 10).does(&["select"], &[]),
        limit("l3", 1).does(&["delete"], &[]),
        record("r1", true, false),
        record("r2", false, true).does(&["select"], &[]),
    ]);
    let decision = ask([action("select", "public.t")]).of(&policy);
    let counts: Vec<u64> = policy.limits(&decision.obligations).map(|(_, limit)| limit.count).collect();
    assert_eq!(counts, [100, 10]);
    let record = policy.record(&decision.obligations).unwrap();
    assert!(record.results && record.strict);
}

#[test]
fn s06_masks_combine_to_the_stronger_whatever_the_order() {
    let first = mask("m1", &["public.cards.*"], &[("**.pan", Transform::Last(4))], Transform::Redact);
    let second = mask("m2", &["**.pan"], &[("public.**", Transform::Last(2))], Transform::Hash);
    let third =
        mask("m3", &["**.cvc"], &[("**.cvc", Transform::Null), ("**", Transform::Hash)], Transform::Partial);
    let read = ask([action("select", "public.cards")]);
    for rules in [[first.clone(), second.clone(), third.clone()], [third, second, first]] {
        let policy = policy(rules.into_iter().chain([allow("a")]));
        let obligations = read.of(&policy).obligations;
        let masked = |name: &str| policy.column_mask(&obligations, &column(name));
        assert_eq!(masked("public.cards.pan"), Some(Transform::Last(2)));
        assert_eq!(masked("public.cards.holder"), Some(Transform::Redact));
        assert_eq!(masked("public.cards.cvc"), Some(Transform::Null));
        assert_eq!(masked("archive.cards.pan"), Some(Transform::Hash));
        assert_eq!(masked("public.orders.id"), None);
    }
}

#[test]
fn s06_what_cannot_be_traced_is_denied_unless_every_mask_says_otherwise() {
    let masked = |id: &str, unresolved, predicates| {
        let mut rule = mask(id, &["**.pan"], &[("**.pan", Transform::Last(4))], Transform::Hash);
        if let Effect::Mask(Mask { unresolved: u, predicates: p, .. }) = &mut rule.effect {
            (*u, *p) = (unresolved, predicates);
        }
        rule
    };
    let lenient = masked("m1", Unresolved::Mask, Predicates::Record);
    let strict = masked("m2", Unresolved::Deny, Predicates::Deny);
    let pan = column("public.cards.pan");
    let read = ask([action("select", "public.cards")]);

    let one = policy([allow("a"), lenient.clone()]);
    let obligations = read.of(&one).obligations;
    assert_eq!(one.untraced(&obligations), Some(Untraced::Mask(Transform::Hash)));
    assert_eq!(one.predicate_denied(&obligations, &pan), None);

    let both = policy([allow("a"), lenient, strict]);
    let obligations = read.of(&both).obligations;
    assert!(
        matches!(both.untraced(&obligations), Some(Untraced::Deny(by)) if both.rule_id(by).unwrap().0 == "m2".into())
    );
    assert!(both.predicate_denied(&obligations, &pan).is_some());
    assert_eq!(both.predicate_denied(&obligations, &column("public.cards.id")), None);
}

#[test]
fn s06_detectors_combine_too() {
    let values = |id: &str, detectors: Vec<Detector>, with| {
        let what = Masked::Values { detectors, with };
        rule(id, Effect::Mask(Mask { what, unresolved: Unresolved::Deny, predicates: Predicates::Record }))
    };
    let policy = policy([
        allow("a"),
        values("m1", vec![Detector::CreditCard, Detector::Email], Transform::Partial),
        values("m2", vec![Detector::CreditCard], Transform::Hash),
    ]);
    let obligations = ask([action("select", "public.t")]).of(&policy).obligations;
    assert_eq!(
        policy.value_masks(&obligations),
        [(Detector::CreditCard, Transform::Hash), (Detector::Email, Transform::Partial)]
    );
    assert!(!policy.masks_columns(&obligations));
}

#[test]
fn s06_refused_and_held_commands_have_their_obligations_too() {
    let policy = policy([deny("d").does(&["drop"], &[]), record("r", false, true)]);
    let refused = ask([action("drop", "public.t")]).of(&policy);
    assert_eq!(refused.obligations.records.len(), 1);
}

// 8 ------------------------------------------------------------------------------------------------

#[test]
fn s08_observed_rules_take_no_part_in_the_enforced_decision() {
    let asked = ask([action("select", "public.t")]);
    for (watched, expected) in [
        (deny("w").watched(), "deny by w"),
        (hold("w").watched(), "hold by w"),
        (deny("w").does(&["select"], &[]).watched(), "deny by w"),
    ] {
        let policy = policy([allow("a"), watched]);
        let decision = asked.of(&policy);
        assert_eq!(verdict(&policy, &decision.verdict), "allow");
        assert_eq!(verdict(&policy, &decision.observed.unwrap().verdict), expected);
    }
    let widening = policy([allow("w").watched()]);
    let decision = asked.of(&widening);
    assert_eq!(verdict(&widening, &decision.verdict), "deny: nothing permits 0");
    assert_eq!(verdict(&widening, &decision.observed.unwrap().verdict), "allow");
    let idle = policy([allow("a"), deny("w").does(&["drop"], &[]).watched()]);
    assert_eq!(asked.of(&idle).observed, None);
}

#[test]
fn s08_evidence_is_masked_by_both_decisions() {
    let policy = policy([
        allow("a"),
        mask("m1", &["**.pan"], &[], Transform::Hash),
        mask("m2", &["**.email"], &[], Transform::Redact).watched(),
    ]);
    let decision = ask([action("select", "public.users")]).of(&policy);
    let email = column("public.users.email");
    assert_eq!(policy.column_mask(&decision.obligations, &email), None);
    assert_eq!(policy.column_mask(decision.evidence_obligations(), &email), Some(Transform::Redact));
    let pan = column("public.users.pan");
    assert_eq!(policy.column_mask(decision.evidence_obligations(), &pan), Some(Transform::Hash));
}

// 9 ------------------------------------------------------------------------------------------------

#[test]
fn s09_conditions_on_pending_parameters_are_deferred() {
    let large = || Expr::Compare(attribute("limit"), Comparison::Greater, Literal::Integer(10));
    let policy = policy([
        allow("a").does(&["select"], &[]).when(Expr::Compare(
            attribute("limit"),
            Comparison::LessOrEqual,
            Literal::Integer(100),
        )),
        deny("d").does(&["select"], &["secret.*"]).when(large()),
        hold("h").does(&["select"], &["public.*"]).when(large()),
        deny("always").does(&["select"], &["locked.*"]),
    ]);
    let select = |table: &str, limit| ask([action("select", table).with("limit", limit)]);
    for table in ["secret.t", "public.t"] {
        let prepared = select(table, Value::Pending).of(&policy);
        assert_eq!(verdict(&policy, &prepared.verdict), "allow", "{table}");
        assert!(prepared.depends_on.parameters, "{table}");
    }
    assert_eq!(select("secret.t", Value::Integer(50)).verdict(&policy), "deny by d");
    assert_eq!(select("public.t", Value::Integer(50)).verdict(&policy), "hold by h");
    assert_eq!(select("public.t", Value::Integer(5)).verdict(&policy), "allow");
    assert_eq!(select("other.t", Value::Integer(500)).verdict(&policy), "deny: nothing permits 0");
    assert_eq!(
        select("locked.t", Value::Pending).verdict(&policy),
        "deny by always",
        "all others are enforced"
    );
    assert!(!select("public.t", Value::Integer(5)).of(&policy).depends_on.parameters);
}

#[test]
fn s09_what_holds_whatever_is_bound_is_not_deferred() {
    let policy = policy([
        allow("a").does(&["delete"], &[]),
        deny("d").does(&["delete"], &[]).when(Expr::Any(vec![
            Expr::Holds(attribute("filtered")),
            not(Expr::Holds(attribute("filtered"))),
            group("interns"),
        ])),
    ]);
    let delete = ask([action("delete", "public.t").with("filtered", Value::Pending)]);
    assert_eq!(delete.verdict(&policy), "allow", "each condition is deferred by itself");
    assert_eq!(delete.no_groups().verdict(&policy), "deny by d", "undetermined whatever is bound");
}

#[test]
fn s09_a_pending_resource_is_deferred() {
    let policy = policy([
        allow("a").does(&["delete"], &["public.*"]),
        deny("d").does(&["delete"], &["public.orders"]),
    ]);
    let decision = ask([action("delete", "$")]).of(&policy);
    assert_eq!(verdict(&policy, &decision.verdict), "allow");
    assert!(decision.depends_on.parameters);
}

// 12 -----------------------------------------------------------------------------------------------

#[test]
fn s12_connecting_is_covered_by_any_allow_or_hold_for_principal_and_target() {
    let connect = || ask([Action::new(Verb::CONNECT, Resource::None)]);
    let shop = Selector { names: vec![word("shop")], ..on(Protocol::POSTGRES) };
    let other = Selector { names: vec![word("other")], ..on(Protocol::POSTGRES) };
    let filtered = Expr::Holds(attribute("filtered"));
    for (covering, expected) in [
        (allow("r").by(group("eng")).does(&["delete"], &["public.*"]).when(filtered), "allow"),
        (hold("r").does(&["drop"], &[]), "allow"),
        (hold("r"), "allow"),
        (allow("r").at(shop).does(&["select"], &[]), "allow"),
        (allow("r").at(other).does(&["select"], &[]), "deny: nothing permits 0"),
        (allow("r").at(on(Protocol::SSH)), "deny: nothing permits 0"),
        (allow("r").by(group("dba")).does(&["select"], &[]), "deny: nothing permits 0"),
        (deny("r").does(&["drop"], &[]), "deny: nothing permits 0"),
        (hold("r").does(&["connect"], &[]), "hold by r"),
    ] {
        assert_eq!(connect().verdict(&policy([covering.clone()])), expected, "{covering:?}");
    }
    let closed = policy([allow("a"), deny("d").by(group("eng"))]);
    assert_eq!(connect().verdict(&closed), "deny by d");
    let narrow = policy([allow("a"), deny("d").does(&["drop"], &[])]);
    assert_eq!(connect().verdict(&narrow), "allow");
}

#[test]
fn s12_a_terminal_is_covered_by_its_channels_exec_or_shell() {
    let action = |verb| Action::new(Verb::new(verb), Resource::None);
    for (actions, covering, expected) in [
        (vec!["shell", "pty"], allow("r").at(on(Protocol::SSH)).does(&["shell"], &[]), "allow"),
        (vec!["pty", "exec"], allow("r").at(on(Protocol::SSH)).does(&["exec"], &[]), "allow"),
        (vec!["shell", "pty"], hold("r").at(on(Protocol::SSH)).does(&["shell"], &[]), "hold by r"),
        (
            vec!["shell", "pty"],
            allow("r").at(on(Protocol::SSH)).does(&["exec"], &[]),
            "deny: nothing permits 0",
        ),
        (vec!["pty"], allow("r").at(on(Protocol::SSH)).does(&["shell"], &[]), "deny: nothing permits 0"),
    ] {
        let asked = ask(actions.iter().map(|verb| action(verb))).at_protocol(Protocol::SSH);
        assert_eq!(asked.verdict(&policy([covering.clone()])), expected, "{actions:?} {covering:?}");
    }
    let refused =
        policy([allow("a").at(on(Protocol::SSH)), deny("d").at(on(Protocol::SSH)).does(&["pty"], &[])]);
    let asked = ask(["shell", "pty"].map(action)).at_protocol(Protocol::SSH);
    assert_eq!(asked.verdict(&refused), "deny by d");
}

// 14 -----------------------------------------------------------------------------------------------

struct Case {
    policy: Policy,
    requester: Principal,
    owner: Option<Principal>,
}

fn person(id: &str, person: Option<&str>) -> Principal {
    Principal { person: person.map(Into::into), ..Principal::human(id, ["sre"]) }
}

impl Case {
    fn new(quorum: u16) -> Self {
        let held = rule("h", Effect::Hold(requirement(quorum, group("sre"))));
        Self { policy: policy([held]), requester: person("ana", Some("p-ana")), owner: None }
    }

    fn status(&self, votes: &[(&Principal, Ballot, i64)], now: i64) -> Status {
        let (hold, _) = self.policy.rules().next().unwrap();
        let petition = self.petition();
        let votes: Vec<Vote<'_>> =
            votes.iter().map(|&(voter, ballot, cast)| Vote { voter, ballot, cast }).collect();
        self.policy.approval_status(hold, &petition, &votes, &[], now).unwrap()
    }

    fn petition(&self) -> Petition<'_> {
        Petition {
            requester: &self.requester,
            owner: self.owner.as_ref(),
            opened: 1_000,
            justification: None,
        }
    }

    fn standing(&self, voter: &Principal) -> Standing {
        let (hold, _) = self.policy.rules().next().unwrap();
        self.policy.standing(hold, &self.petition(), voter).unwrap()
    }
}

fn pending(approvals: usize, quorum: usize) -> Status {
    Status::Pending { approvals, quorum, justification_missing: false, watching: 0, watchers: 0 }
}

#[test]
fn s14_a_quorum_is_of_distinct_persons() {
    let case = Case::new(2);
    let (bo, cy) = (person("bo", Some("p-bo")), person("cy", None));
    let bo_too = person("bo-admin", Some("p-bo"));
    assert_eq!(case.status(&[], 1_001), pending(0, 2));
    assert_eq!(case.status(&[(&bo, Ballot::Approve, 1_001)], 1_002), pending(1, 2));
    let twice =
        [(&bo, Ballot::Approve, 1_001), (&bo, Ballot::Approve, 1_002), (&bo_too, Ballot::Approve, 1_003)];
    assert_eq!(case.status(&twice, 1_004), pending(1, 2));
    let both = [(&bo, Ballot::Approve, 1_001), (&cy, Ballot::Approve, 1_002)];
    assert_eq!(
        case.status(&both, 1_003),
        Status::Approved { by: vec!["bo".into(), "cy".into()], watched_by: vec![] }
    );
}

#[test]
fn s14_nobody_votes_on_their_own_behalf() {
    let mut case = Case::new(1);
    for own in [person("ana", Some("p-ana")), person("ana-admin", Some("p-ana")), person("p-ana", None)] {
        assert_eq!(case.standing(&own), Standing::OwnRequest, "{own:?}");
        assert_eq!(case.status(&[(&own, Ballot::Approve, 1_001)], 1_002), pending(0, 1));
    }
    let bo = person("bo", Some("p-bo"));
    assert_eq!(case.standing(&bo), Standing::Eligible);

    case.requester =
        Principal { kind: PrincipalKind::Agent, owner: Some("bo".into()), ..person("bot", None) };
    case.owner = Some(bo.clone());
    let other_bot =
        Principal { kind: PrincipalKind::Agent, owner: Some("bo".into()), ..person("bot2", None) };
    for own in [bo, person("bo-admin", Some("p-bo")), other_bot] {
        assert_eq!(case.standing(&own), Standing::OwnRequest, "{own:?}");
    }
    assert_eq!(case.standing(&person("ana", Some("p-ana"))), Standing::Eligible);
}

#[test]
fn s14_votes_are_recounted_against_current_groups() {
    let case = Case::new(1);
    let mut bo = person("bo", None);
    assert!(matches!(case.status(&[(&bo, Ballot::Approve, 1_001)], 1_002), Status::Approved { .. }));
    bo.groups = Some([].into());
    assert_eq!(case.status(&[(&bo, Ballot::Approve, 1_001)], 1_002), pending(0, 1));
    assert_eq!(case.status(&[(&bo, Ballot::Refuse, 1_001)], 1_002), pending(0, 1));
    bo.groups = None;
    assert_eq!(
        case.status(&[(&bo, Ballot::Approve, 1_001)], 1_002),
        pending(0, 1),
        "undetermined is no reviewer"
    );
    assert_eq!(case.standing(&bo), Standing::NotAReviewer);
}

#[test]
fn s14_a_refusal_refuses_and_time_runs_out() {
    let case = Case::new(1);
    let (bo, cy) = (person("bo", None), person("cy", None));
    let mixed = [(&bo, Ballot::Approve, 1_001), (&cy, Ballot::Refuse, 1_002)];
    assert_eq!(case.status(&mixed, 1_003), Status::Refused { by: "cy".into() });
    assert_eq!(case.status(&[], 1_899), pending(0, 1));
    assert_eq!(case.status(&[], 1_900), Status::Expired);
    assert_eq!(
        case.status(&[(&bo, Ballot::Approve, 1_901)], 1_899),
        pending(0, 1),
        "a vote from after expiry"
    );
    assert_eq!(case.status(&[(&bo, Ballot::Approve, 999)], 1_899), pending(0, 1), "a vote from before");
    assert_eq!(case.status(&[(&bo, Ballot::Approve, 1_001)], 1_900), Status::Expired);
    assert_eq!(case.status(&mixed, 5_000), Status::Refused { by: "cy".into() });
}

#[test]
fn s14_a_justification_is_needed_where_the_rule_asks_for_one() {
    let mut demanded = requirement(1, group("sre"));
    demanded.justify = true;
    let policy = policy([rule("h", Effect::Hold(demanded))]);
    let (hold, _) = policy.rules().next().unwrap();
    let (ana, bo) = (person("ana", None), person("bo", None));
    let votes = [Vote { voter: &bo, ballot: Ballot::Approve, cast: 1 }];
    let status = |justification| {
        let petition = Petition { requester: &ana, owner: None, opened: 0, justification };
        policy.approval_status(hold, &petition, &votes, &[], 2).unwrap()
    };
    let missing =
        Status::Pending { approvals: 1, quorum: 1, justification_missing: true, watching: 0, watchers: 0 };
    assert_eq!(status(None), missing);
    assert_eq!(status(Some("  ")), missing);
    assert_eq!(status(Some("ticket 7")), Status::Approved { by: vec!["bo".into()], watched_by: vec![] });
}

// 15 -----------------------------------------------------------------------------------------------

#[test]
fn s15_patterns_know_segments() {
    let policy = policy([
        allow("one").does(&["select"], &["public.*"]),
        allow("tree").does(&["create"], &["lab.**"]),
        allow("quoted").does(&["delete"], &["\"Public\".\"Orders\""]),
    ]);
    for (verb, resource, expected) in [
        ("select", Resource::named(["public", "orders"]), "allow"),
        ("select", Resource::named(["public", "a.b"]), "allow"),
        ("select", Resource::named(["public.a", "b"]), "deny: nothing permits 0"),
        ("select", Resource::named(["Public", "orders"]), "deny: nothing permits 0"),
        ("create", Resource::named(["lab"]), "allow"),
        ("create", Resource::named(["lab", "t", "index"]), "allow"),
        ("create", Resource::named(["labs", "t"]), "deny: nothing permits 0"),
        ("delete", Resource::named(["Public", "Orders"]), "allow"),
        ("delete", Resource::named(["public", "orders"]), "deny: nothing permits 0"),
        ("select", Resource::Undetermined, "deny: nothing permits 0"),
        ("select", Resource::None, "deny: nothing permits 0"),
    ] {
        let asked = ask([Action::new(Verb::new(verb), resource.clone())]);
        assert_eq!(asked.verdict(&policy), expected, "{verb} on {resource:?}");
    }
}

#[test]
fn s15_columns_in_conditions_are_names_too() {
    let reads = |columns: &[&str]| {
        let joined = columns.iter().map(|name| column(name).as_joined().into()).collect();
        ask([action("select", "public.users").with("reads", Value::List(joined))])
    };
    let text = policy([
        allow("a"),
        deny("d")
            .does(&["select"], &[])
            .when(Expr::In(attribute("reads"), vec![Literal::Text("Public.Users.SSN".into())])),
    ]);
    let like = policy([
        allow("a"),
        deny("d").does(&["select"], &[]).when(Expr::Like(attribute("reads"), pattern("**.ssn"))),
    ]);
    for policy in [text, like] {
        assert_eq!(reads(&["public.users.id", "public.users.ssn"]).verdict(&policy), "deny by d");
        assert_eq!(reads(&["public.users.id"]).verdict(&policy), "allow");
        assert_eq!(reads(&[]).verdict(&policy), "allow");
        assert_eq!(
            ask([action("select", "public.users")]).verdict(&policy),
            "deny by d",
            "absent is undetermined"
        );
    }
}

#[test]
fn s15_a_column_without_its_table_is_an_error() {
    let bare = || vec![Literal::Text("ssn".into())];
    let rule = || deny("d").does(&["select"], &[]);
    assert_eq!(
        problems([rule().when(Expr::In(attribute("reads"), bare()))]),
        ["reads holds names of 3 segments, which `ssn` never matches; `**.name` is one in any table"]
    );
    assert_eq!(problems([rule().when(Expr::Like(attribute("reads"), pattern("users.ssn")))]).len(), 1);
}

#[test]
fn s15_regular_expressions_search_in_linear_time() {
    let policy = policy([
        allow("a").does(&["set"], &[]),
        deny("d").does(&["set"], &[]).when(Expr::Matches(attribute("value"), "^(a+)+$".into())),
    ]);
    let value =
        |text: String| ask([action("set", "x").with("value", Value::Text(text.into()))]).verdict(&policy);
    assert_eq!(value("a".repeat(100_000) + "!"), "allow");
    assert_eq!(value("a".repeat(100_000)), "deny by d");
}

#[test]
fn s15_shapes_of_argument_lists() {
    let shape = vec![Element::One("systemctl".into()), Element::One("status".into()), Element::AnyOne];
    let policy = policy([allow("a")
        .at(on(Protocol::SSH))
        .does(&["exec"], &[])
        .when(Expr::Shape(attribute("argv"), shape))]);
    let exec = |argv: &[&str]| {
        let argv = argv.iter().map(|argument| Box::from(*argument)).collect();
        let mut asked = ask([action("exec", "").with("argv", Value::List(argv))]);
        asked.target = Target { name: "web".into(), protocol: Protocol::SSH, labels: Default::default() };
        asked.verdict(&policy)
    };
    assert_eq!(exec(&["systemctl", "status", "nginx"]), "allow");
    assert_eq!(exec(&["systemctl", "stop", "nginx"]), "deny: nothing permits 0");
    assert_eq!(exec(&["systemctl", "status", "nginx", "--no-pager"]), "deny: nothing permits 0");
}

// 16 -----------------------------------------------------------------------------------------------

#[test]
fn s16_forbidden_says_rule_clauses_and_action() {
    let policy = policy([
        allow("a"),
        deny("destructive ddl").does(&["drop", "truncate"], &[]).unless(group("dba")).say("Use a migration"),
    ]);
    let asked = ask([action("select", "public.t"), action("drop", "public.orders")]);
    let explanation = policy.explain(&asked.request());
    let Explanation::Forbidden { by } = &explanation else { panic!("{explanation:?}") };
    assert_eq!(by.rule, "destructive ddl");
    assert_eq!(by.action, "`drop` on `public.orders`");
    assert_eq!(by.say.as_deref(), Some("Use a migration"));
    assert_eq!(
        explanation.to_string(),
        "forbidden by rule `destructive ddl`, which matches `drop` on `public.orders`: `on postgres`, \
         `do drop, truncate`, `unless group \"dba\"`"
    );
}

#[test]
fn s16_not_permitted_says_the_nearest_allow_and_its_failing_clause() {
    let policy = policy([
        allow("engineers write").by(group("eng")).does(&["insert", "update"], &["public.*"]),
        allow("auditors read").by(group("audit")).does(&["select"], &["audit.*"]),
        allow("elsewhere").at(on(Protocol::SSH)).does(&["exec"], &[]),
    ]);
    let why = |action| policy.explain(&ask([action]).request()).to_string();
    assert_eq!(
        why(action("insert", "audit.log")),
        "not permitted: no rule allows `insert` on `audit.log`; the nearest, rule `engineers write`, does not apply \
         because of `do insert, update on \"public.*\"`"
    );
    assert_eq!(
        why(action("select", "audit.log")),
        "not permitted: no rule allows `select` on `audit.log`; the nearest, rule `auditors read`, does not apply \
         because of `by group \"audit\"`"
    );
    assert_eq!(why(action("drop", "public.t")), "not permitted: no rule allows `drop` on `public.t`");
    assert_eq!(
        why(Action::unknown()),
        "not permitted: no rule allows `unknown` on a resource that could not be determined"
    );
    let unsure = policy.explain(&ask([action("select", "audit.log")]).no_groups().request()).to_string();
    assert!(unsure.contains("can't be told to apply: `by group \"audit\"`"), "{unsure}");
}

#[test]
fn s16_held_and_allowed_are_explained_too() {
    let policy = policy([hold("h").does(&["alter"], &[]), allow("a").does(&["select"], &[])]);
    let alter = || ask([action("select", "public.t"), action("alter", "public.t")]);
    assert_eq!(
        policy.explain(&alter().request()).to_string(),
        "held by rule `h`, which matches `alter` on `public.t`: `on postgres`, `do alter`"
    );
    assert_eq!(
        policy.explain(&alter().granting(&policy, &["h"]).request()).to_string(),
        "allowed: `select` on `public.t` by rule `a`; `alter` on `public.t` by rule `h`"
    );
    assert_eq!(
        permissive([]).explain(&ask([action("begin", "")]).request()).to_string(),
        "allowed: `begin` by default"
    );
}

#[test]
fn s16_what_a_decision_depended_on_is_said() {
    let early = Expr::Compare(Fact::Hour, Comparison::Less, Literal::Integer(6));
    let policy = policy([
        allow("a").does(&["select", "drop"], &[]),
        deny("d").does(&["drop"], &[]).when(early),
        hold("h").does(&["alter"], &[]),
    ]);
    assert!(ask([action("select", "public.t")]).of(&policy).depends_on.is_none());
    assert!(ask([action("drop", "public.t")]).of(&policy).depends_on.clock);
    assert!(ask([action("alter", "public.t")]).of(&policy).depends_on.grants);
}

fn watched_shell() -> Rule {
    let watch = Quorum { count: std::num::NonZeroU16::MIN, of: group("sec") };
    let demand = Requirement { approve: None, watch: Some(watch), ..requirement(1, group("sre")) };
    let mut rule = rule("h", Effect::Hold(demand));
    rule.scope.on = vec![on(Protocol::SSH)];
    rule.scope.does = Some(vec![Do { verbs: vec![Verb::new("shell")], resources: vec![] }]);
    rule
}

#[test]
fn s14_watchers_are_counted_like_votes_and_nobody_watches_for_themself() {
    let policy = policy([watched_shell()]);
    let (hold, _) = policy.rules().next().unwrap();
    let ana = person("ana", Some("p-ana"));
    let petition = Petition { requester: &ana, owner: None, opened: 1_000, justification: None };
    let sec = |id: &str, person: Option<&str>| Principal {
        person: person.map(Into::into),
        ..Principal::human(id, ["sec"])
    };
    let status =
        |watchers: &[&Principal]| policy.approval_status(hold, &petition, &[], watchers, 1_001).unwrap();
    let waiting =
        Status::Pending { approvals: 0, quorum: 0, justification_missing: false, watching: 0, watchers: 1 };
    assert_eq!(status(&[]), waiting);
    let own = [sec("ana", None), sec("ana-admin", Some("p-ana")), sec("p-ana", None)];
    assert_eq!(status(&own.iter().collect::<Vec<_>>()), waiting, "all of these are ana");
    assert_eq!(status(&[&person("bo", None)]), waiting, "a reviewer of something else");
    let cat = sec("cat", None);
    assert_eq!(status(&[&cat]), Status::Approved { by: vec![], watched_by: vec!["cat".into()] });
    // A vote is no watch, and no vote was asked for.
    assert_eq!(policy.standing(hold, &petition, &cat), Some(Standing::NotAReviewer));
}

#[test]
fn a_demand_for_watchers_is_part_of_what_a_grant_is_for() {
    let key = |rule: Rule| {
        let policy = policy([rule]);
        policy.hold_key(policy.rules().next().unwrap().0).unwrap().clone()
    };
    let mut other = watched_shell();
    let Effect::Hold(demand) = &mut other.effect else { panic!("a hold") };
    demand.watch = Some(Quorum { count: std::num::NonZeroU16::MIN, of: group("dba") });
    assert_ne!(key(watched_shell()), key(other));
}

#[test]
fn what_is_typed_needs_no_cover_and_is_refused_only_by_rules_that_name_it() {
    let typed = |argv: &[&str]| {
        let argv = Value::List(argv.iter().map(|word| (*word).into()).collect());
        ActionSet::new([Action::new(Verb::TYPED, Resource::None).with("argv", argv)])
    };
    let unread = ActionSet::new([Action::new(Verb::TYPED, Resource::None)]);
    let mut named = deny("named");
    named.scope.on = vec![on(Protocol::SSH)];
    named.scope.does = Some(vec![Do { verbs: vec![Verb::TYPED], resources: vec![] }]);
    named.scope.when =
        Some(Expr::Shape(attribute("argv"), vec![Element::One("rm".into()), Element::AnyNumber]));
    let mut everything = deny("everything");
    everything.scope.on = vec![on(Protocol::SSH)];
    let mut warned = named.clone();
    warned.id = RuleId("warned".into());
    warned.mode = Mode::Warn;
    let decide = |rules: Vec<Rule>, actions: &ActionSet| {
        let policy = policy(rules);
        let asked = ask(actions.iter().cloned()).at_protocol(Protocol::SSH);
        asked.of(&policy)
    };
    assert!(decide(vec![], &typed(&["rm", "x"])).is_allow(), "no rule at all");
    assert!(decide(vec![everything], &typed(&["rm", "x"])).is_allow(), "a rule about all that is done");
    assert!(!decide(vec![named.clone()], &typed(&["rm", "x"])).is_allow());
    assert!(decide(vec![named.clone()], &typed(&["ls"])).is_allow());
    assert!(!decide(vec![named], &unread).is_allow(), "what can't be read is undetermined, which restricts");
    let told = decide(vec![warned], &typed(&["rm", "x"]));
    assert!(told.is_allow() && told.warned.len() == 1);
    assert!(matches!(told.observed.unwrap().verdict, Verdict::Deny(_)));
}

// 18 -----------------------------------------------------------------------------------------------

fn agent(owner: Option<&str>, owner_groups: Option<&[&str]>) -> Principal {
    Principal {
        kind: PrincipalKind::Agent,
        owner: owner.map(Into::into),
        owner_groups: owner_groups.map(|groups| groups.iter().map(|group| Box::from(*group)).collect()),
        ..Principal::human("bot", ["bots"])
    }
}

fn on_behalf_of(owner: Expr) -> Expr {
    Expr::OnBehalfOf(Box::new(owner))
}

#[test]
fn s18_an_agent_is_judged_by_whom_it_acts_for() {
    let ana = || Expr::User(word("ana"));
    let both = || Expr::All(vec![ana(), group("eng")]);
    for (owner, asks, allowing, denying) in [
        (ana(), agent(Some("ana"), Some(&["eng"])), true, true),
        (ana(), agent(Some("ben"), Some(&["eng"])), false, false),
        (group("eng"), agent(Some("ana"), Some(&["eng"])), true, true),
        (group("eng"), agent(Some("ana"), Some(&[])), false, false),
        (both(), agent(Some("ana"), Some(&["eng"])), true, true),
        (both(), agent(Some("ana"), Some(&["sre"])), false, false),
        (not(group("eng")), agent(Some("ana"), Some(&["sre"])), true, true),
        // Its own name and groups are not its owner's.
        (group("bots"), agent(Some("ana"), Some(&["eng"])), false, false),
        (Expr::User(word("bot")), agent(Some("ana"), Some(&["eng"])), false, false),
        // What is not known restricts.
        (ana(), agent(None, None), false, true),
        (group("eng"), agent(Some("ana"), None), false, true),
        (not(group("eng")), agent(Some("ana"), None), false, true),
        (both(), agent(Some("ben"), None), false, false),
        // Only an agent acts for somebody.
        (ana(), Principal::human("ana", ["eng"]), false, false),
        (not(ana()), Principal::human("ben", ["eng"]), false, false),
    ] {
        let allowed = policy([allow_select().by(on_behalf_of(owner.clone()))]);
        let denied = policy([allow_select(), deny("d").by(on_behalf_of(owner.clone()))]);
        let mut asked = ask([action("select", "public.t")]);
        asked.principal = asks.clone();
        assert_eq!(asked.verdict(&allowed) == "allow", allowing, "allow: {owner:?} {asks:?}");
        assert_eq!(asked.verdict(&denied) == "deny by d", denying, "deny: {owner:?} {asks:?}");
    }
}

fn allow_select() -> Rule {
    allow("a").does(&["select"], &[])
}

#[test]
fn s18_of_an_owner_only_name_and_groups_are_known() {
    let claim = Expr::Compare(Fact::Claim("team".into()), Comparison::Equal, Literal::Text("core".into()));
    let kind = Expr::Kind(PrincipalKind::Human);
    let again = on_behalf_of(group("eng"));
    for inner in
        [claim, kind, again, not(Expr::Kind(PrincipalKind::Agent)), Expr::Holds(attribute("filtered"))]
    {
        let rule = allow_select().by(on_behalf_of(inner.clone()));
        let errors = try_policy([rule]).expect_err("misplaced");
        let misplaced = |error: &policy_core::CompileError| matches!(&error.problem, Problem::Misplaced { reason, .. } if reason.contains("only the name"));
        assert!(errors.iter().any(misplaced), "{inner:?}: {errors:?}");
    }
}
