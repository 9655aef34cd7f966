//! A decision allocates nothing when nothing matches, nor when as much matches as it holds inline.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests state what they expect by failing"
)]

mod common;

use allocation_counter::measure;
use common::*;
use policy_core::mask::Transform;
use policy_core::rule::{Comparison, Expr, Fact, Literal};
use policy_core::{Action, Policy, Value};

/// Rules of every kind and in every table of the index, with every kind of condition.
fn large() -> Policy {
    let mut rules = vec![
        allow("reads").by(group("eng")).does(&["select"], &["public.*"]),
        mask("m", &["**.pan"], &[], Transform::Redact).does(&["select"], &["cards.*"]),
        limit("l", 10).does(&["delete"], &[]),
        deny("unfiltered").does(&["delete"], &[]).when(not(Expr::Holds(attribute("filtered")))),
        deny("night").does(&["drop"], &[]).when(Expr::Compare(
            Fact::Hour,
            Comparison::Less,
            Literal::Integer(6),
        )),
        deny("setting").does(&["set"], &[]).when(Expr::Matches(attribute("value"), "^on$".into())),
        deny("outside").does(&["set"], &[]).when(Expr::Like(Fact::Source, word("192.*"))),
    ];
    for number in 0..300 {
        rules.push(deny(&format!("t{number}")).does(&["alter"], &[&format!("public.t{number}")]));
        rules.push(deny(&format!("g{number}")).does(&["select"], &[&format!("s{number}_*.*")]));
        rules.push(allow(&format!("b{number}")).by(group(&format!("g{number}"))).does(&["insert"], &[]));
    }
    policy(rules)
}

#[test]
fn nothing_is_allocated_when_nothing_matches() {
    assert_ne!(measure(|| drop(Box::new(1))).count_total, 0, "allocations are counted");
    let policy = large();
    let text = |text: &str| Value::Text(text.into());
    for action in [
        action("alter", "public.orders"),
        action("select", "audit.log"),
        action("insert", "public.orders"),
        action("set", "x").with("value", text("maybe on")),
        action("set", "x").with("value", text("off")),
        action("drop", "public.orders"),
        action("frobnicate", "public.orders"),
        Action::unknown(),
    ] {
        let mut asked = ask([action.clone()]);
        asked.now = Some(43_200);
        asked.source = "10.0.0.1".parse().ok();
        let allocated = measure(|| assert!(!asked.of(&policy).is_allow()));
        assert_eq!(allocated.count_total, 0, "{action:?}");
    }
}

#[test]
fn nothing_is_allocated_when_a_few_rules_match() {
    let policy = large();
    for action in
        [action("select", "public.orders"), action("delete", "public.orders"), action("alter", "public.t7")]
    {
        let asked = ask([action.clone()]);
        let allocated = measure(|| drop(std::hint::black_box(asked.of(&policy))));
        assert_eq!(allocated.count_total, 0, "{action:?}");
    }
}
