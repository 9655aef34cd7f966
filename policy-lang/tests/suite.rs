//! Inline tests are run, and say which rules and clauses they cover.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test states what it expects by failing"
)]

use policy_core::{Action, ActionSet, Policy, Protocol, Resource, Value, Verb};
use policy_lang::suite::{Normaliser, SuiteReport, run};
use policy_lang::{Environment, Source, load};

/// Understands two statements.
struct Toy;

impl Normaliser for Toy {
    fn normalise(&self, protocol: &Protocol, text: &str, _: &Policy) -> Result<ActionSet, String> {
        assert_eq!(*protocol, Protocol::POSTGRES);
        let orders = || Resource::named(["public", "orders"]);
        match text {
            "drop table orders" => Ok(ActionSet::new([Action::new(Verb::new("drop"), orders())])),
            "delete from orders" => Ok(ActionSet::new([
                Action::new(Verb::new("delete"), orders()).with("filtered", Value::Bool(false))
            ])),
            _ => Err("not a statement".to_owned()),
        }
    }
}

fn outcome(text: &str) -> SuiteReport {
    let environment = Environment::default();
    let loaded =
        load(&[Source::new("a.policy", text)], &environment).unwrap_or_else(|problems| panic!("{problems}"));
    run(&loaded.tests, &loaded.rules, &environment.vocabularies, &Toy).unwrap()
}

const POLICY: &str = r#"
tag pii = postgres columns "public.users.email"
allow "work" { by group "eng"  on postgres  do select, delete, create on "public.*" }
deny "ddl" { on postgres where env == "prod"  do drop, truncate }
deny "all of it" { on postgres  do delete  when not filtered }
hold "schema" { by group "eng"  on postgres  do create  until 1 of group "leads" approve within 5m }
mask "personal" { on postgres  columns tagged pii  with redact  unless group "fraud" }
limit "bulk" { on postgres  rows 10 per principal per hour }
deny "nights" { on postgres  do create  when weekday == "sat" and hour < 6 }
deny "agents" { by agent  on postgres  do delete }
"#;

fn with(test: &str) -> SuiteReport {
    outcome(&format!("{POLICY}\ntest \"t\" {{ {test} }}"))
}

const ANA: &str = "as user \"ana\" in group \"eng\"  at postgres \"shop\" with env = \"prod\"";

#[test]
fn expectations_that_hold_pass() {
    for test in [
        "run \"drop table orders\"  expect deny by \"ddl\"",
        "run \"drop table orders\"  expect deny",
        "run \"delete from orders\"  expect deny by \"all of it\"",
        "do select on \"public.orders\"  expect allow by \"work\"",
        "do select on \"public.orders\"  expect allow  expect limit by \"bulk\"",
        "do select on \"other.orders\"  expect deny by default",
        "do create on \"public.t\" with object = \"table\"  time mon 9  expect hold by \"schema\"",
        "do create on \"public.t\"  time mon 9  granted \"schema\"  expect allow",
        "do create on \"public.t\"  granted \"schema\"  expect deny by \"nights\"",
        "do create on \"public.t\"  time sat 3  granted \"schema\"  expect deny by \"nights\"",
        "do create on \"public.t\"  time sat 7  granted \"schema\"  expect allow",
        "do select on \"public.users\" with reads = [\"public.users.email\"]  expect mask by \"personal\"",
        "do delete on \"public.t\" with filtered = true  do select on \"public.t\"  expect allow by \"work\"",
    ] {
        let report = with(&format!("{ANA} {test}"));
        assert!(report.passed(), "{test}: {:?}", report.results);
    }
    let agent = "as agent \"bot\" of \"ana\" in group \"eng\"  at postgres \"shop\"  do delete on \"public.t\" with filtered = true  expect deny by \"agents\"";
    assert!(with(agent).passed());
}

#[test]
fn expectations_that_do_not_hold_fail_and_say_what_came_instead() {
    for (test, message) in [
        ("run \"drop table orders\"  expect allow", "expected allow, got deny by `ddl`"),
        (
            "run \"drop table orders\"  expect deny by \"all of it\"",
            "expected deny by `all of it`, got deny by `ddl`",
        ),
        ("do select on \"public.orders\"  expect deny", "expected deny, got allow"),
        ("do select on \"public.orders\"  expect hold by \"schema\"", "expected hold by `schema`, got allow"),
        (
            "do insert on \"public.orders\"  expect allow",
            "expected allow, got deny by default: no rule permits `insert on public.orders`",
        ),
        ("do select on \"other.t\"  expect deny by \"ddl\"", "got deny by default"),
        (
            "do select on \"public.users\" with reads = [\"public.users.id\"]  expect mask by \"personal\"",
            "nothing of the sort applies",
        ),
        ("do create on \"public.t\"  time mon 9  expect allow by \"work\"", "got hold by `schema`"),
        ("run \"selec\"  expect deny", "the text can't be read: not a statement"),
    ] {
        let report = with(&format!("{ANA} {test}"));
        let failures = report.results[0].failures.join("; ");
        assert!(failures.contains(message), "{test}: {failures}");
        assert_eq!(report.results[0].place, "a.policy:12");
    }
}

#[test]
fn coverage_names_rules_and_clauses_whose_removal_no_test_would_notice() {
    let report = outcome(&format!(
        "{POLICY}
         test \"drop\" {{ {ANA} run \"drop table orders\"  expect deny by \"ddl\" }}
         test \"drop elsewhere\" {{ as user \"ana\"  at postgres \"shop\" with env = \"dev\"  run \"drop table orders\"  expect deny by default }}"
    ));
    assert!(report.passed());
    let of = |name: &str| report.coverage.iter().find(|rule| rule.rule == name).unwrap();
    assert!(of("ddl").matched);
    assert_eq!(of("ddl").uncovered().collect::<Vec<_>>(), ["do"], "no test does anything else");
    assert!(!of("nights").matched);
    assert_eq!(of("nights").place.as_deref(), Some("a.policy:9"));
}

#[test]
fn s18_tests_say_whom_an_agent_acts_for() {
    let policy = r#"
set core = group "eng" and not group "interns"
allow "agents of the core" { by agent on behalf of core  on postgres  do select }
allow "ana's agents" { by agent on behalf of user "ana"  on postgres  do delete }
deny "not for contractors" { by agent on behalf of group "contractors"  on postgres }
"#;
    for (actor, verb, expected) in [
        (
            "agent \"bot\" on behalf of user \"ben\" in group \"eng\"",
            "select",
            "allow by \"agents of the core\"",
        ),
        (
            "agent \"bot\" on behalf of user \"ben\" in group \"eng\", \"interns\"",
            "select",
            "deny by default",
        ),
        ("agent \"bot\" in group \"eng\" on behalf of user \"ben\"", "select", "deny by default"),
        ("agent \"bot\" of \"ben\" in group \"eng\"", "select", "deny by default"),
        ("agent \"bot\" of \"ana\"", "delete", "allow by \"ana's agents\""),
        (
            "agent \"bot\" on behalf of user \"ana\" with region = \"eu\"",
            "delete",
            "allow by \"ana's agents\"",
        ),
        (
            "agent \"bot\" on behalf of user \"ana\" in group \"contractors\"",
            "delete",
            "deny by \"not for contractors\"",
        ),
        ("user \"ana\" in group \"eng\"", "select", "deny by default"),
    ] {
        let test = format!(
            "{policy}\ntest \"t\" {{ as {actor}  at postgres \"shop\"  do {verb} on \"public.t\"  expect {expected} }}"
        );
        let report = outcome(&test);
        assert!(report.passed(), "{actor} {verb}: {report:?}");
    }
}
