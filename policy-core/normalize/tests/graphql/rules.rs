//! Rules over fields, as authors write them.

use policy_core::{ActionSet, Principal, Protocol, Request, Target, Verdict};

use crate::{policy, post};

const RULES: &str = r#"
allow "user"     { on http do query on "user/**" }
allow "health"   { on http do query on "__typename" }
deny  "ssn"      { on http do query, mutate, subscribe on "user/ssn", "**/secret" }
allow "changes"  { on http do mutate }
deny  "deletion" { on http do mutate on "deleteUser" }
deny  "large"    { on http do mutate on "pay" when arguments.amount > 1000 }
deny  "batches"  { on http do query on "user/orders" when arguments.first > 100 }
deny  "nightly"  { on http do query when operation == "Nightly" }
"#;

#[test]
fn rules_say_what_they_read_like() {
    let policy = policy(RULES);
    let target =
        Target { name: "api".into(), protocol: Protocol::HTTP, labels: vec![].into_iter().collect() };
    let principal = Principal::human("ana", ["eng"]);
    for (document, variables, allowed) in [
        ("{ user { name orders(first: 5) { total } } }", "{}", true),
        ("{ user { ssn } }", "{}", false),
        ("{ a: user { b: ssn } }", "{}", false),
        ("{ user { ...F } } fragment F on Admin { name: ssn @skip(if: true) }", "{}", false),
        ("{ user { a { b { secret } } } }", "{}", false),
        ("{ __typename }", "{}", true),
        ("{ user { __typename name } }", "{}", true),
        ("{ __schema { types { name } } }", "{}", false),
        ("{ user { name } users { name } }", "{}", false),
        ("{ user { orders(first: 500) { total } } }", "{}", false),
        ("query Q($n: Int) { user { orders(first: $n) { total } } }", r#"{"n":500}"#, false),
        ("query Q($n: Int) { user { orders(first: $n) { total } } }", r#"{"n":50}"#, true),
        ("query Q($n: Int = 500) { user { orders(first: $n) { total } } }", "{}", false),
        ("query Nightly { user { name } }", "{}", false),
        ("mutation { updateUser { name } }", "{}", true),
        ("mutation { deleteUser(id: 5) }", "{}", false),
        ("mutation { updateUser: deleteUser(id: 5) }", "{}", false),
        ("mutation { pay(amount: 10) }", "{}", true),
        ("mutation { pay(amount: 10) b: pay(amount: 1001) }", "{}", false),
        ("mutation { pay(amount: 1.0e9) }", "{}", false),
        ("mutation { pay(amount: [1001]) }", "{}", false),
        ("subscription { user { name } }", "{}", false),
        ("{ user { name } ", "{}", false),
    ] {
        let actions = ActionSet::new(post(document, None, variables, &policy));
        let request = Request {
            principal: &principal,
            target: &target,
            actions: &actions,
            source: None,
            now: None,
            grants: &[],
        };
        let verdict = policy.evaluate(&request).verdict;
        assert_eq!(verdict == Verdict::Allow, allowed, "{document}: {verdict:?}");
    }
}
