//! Sessions in which nothing happens end, and only those.

use crate::house::{House, say};

const IDLE: &str = "idle_time = \"700ms\"";

#[test]
fn an_idle_session_ends_and_is_told_and_recorded_why() {
    let house = House::with_limits(IDLE);
    let mut ana = house.log_in("ana");
    assert_eq!(ana.ask("select 1").rows(), ["1"]);
    // What waits for a Sync is no work of the target's: nothing is owed.
    ana.send(&[say::parse("", "select 1"), portcullis_testkit::peer::message(b'H', b"")].concat());
    let end = ana.rest();
    assert_eq!(end.error(b'S'), "FATAL", "{}", end.text());
    assert_eq!(end.error(b'C'), "57P05", "{}", end.text());
    assert!(end.error(b'M').contains("idle for 700ms"), "{}", end.error(b'M'));
    house.told("closed the session was idle for 700ms");
}

#[test]
fn an_idle_transaction_ends_without_effect() {
    let house = House::with_limits(IDLE);
    let mut ana = house.log_in("ana");
    assert_eq!(ana.ask("begin").shape(), "C Z(T)");
    assert_eq!(ana.ask("insert into orders values (8, 1, 'kite', 1)").shape(), "C Z(T)");
    assert_eq!(ana.rest().error(b'C'), "57P05");
    assert_eq!(house.direct("select count(*) from orders"), "4");
}

#[test]
fn what_runs_or_waits_for_approval_is_not_idle() {
    let house = House::with_limits(IDLE);
    let mut held = house.log_in("ana");
    held.send(&say::query("insert into ledger values ('held for longer than that')"));
    assert_eq!(held.raw.message().0, b'N', "held");
    let mut ana = house.log_in("ana");
    assert_eq!(ana.ask("select pg_sleep(1.5)").shape(), "T D C Z(I)", "work is no idleness");
    assert_eq!(ana.ask("select 2").rows(), ["2"], "the time counts from its end");
    assert_eq!(ana.rest().error(b'C'), "57P05");
    house.vote(&house.waiting(), true);
    assert_eq!(held.reply().shape(), "C Z(I)", "it was held for twice the time and more");
    assert_eq!(held.ask("select 3").rows(), ["3"], "the time counts from its end");
}

#[test]
fn without_a_limit_nobody_is_idle() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    assert_eq!(ana.ask("select 1").rows(), ["1"]);
    let other = House::with_limits(IDLE);
    assert_eq!(other.log_in("ana").rest().error(b'C'), "57P05");
    assert_eq!(ana.ask("select 2").rows(), ["2"]);
}
