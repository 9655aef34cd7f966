//! Sessions that end from this side: revoked, or drained.

use std::time::{Duration, Instant};

use crate::house::{House, say};

const ASLEEP: &str = "select count(*) from pg_stat_activity where query like 'select pg_sleep%'";

#[test]
fn a_revoked_session_ends_its_running_query_within_a_second() {
    let house = House::new();
    let (mut ana, mut carl) = (house.log_in("ana"), house.log_in("carl"));
    ana.send(&say::query("select pg_sleep(60)"));
    house.becomes(&format!("{ASLEEP} and state = 'active'"), "1");
    let began = Instant::now();
    house.revoke("ana");
    let end = ana.rest();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(end.error(b'C'), "57P01", "{}", end.text());
    assert!(end.error(b'M').contains("left the company"), "{}", end.error(b'M'));
    // Its backend was told to stop, and has.
    house.becomes(ASLEEP, "0");
    assert!(began.elapsed() < Duration::from_secs(5), "the target's query went on");
    assert_eq!(carl.ask("select 1").rows(), ["1"], "others go on");
}

#[test]
fn draining_lets_sessions_finish_and_takes_no_new_ones() {
    let mut house = House::new();
    let mut ana = house.log_in("ana");
    assert_eq!(ana.ask("begin").shape(), "C Z(T)");
    assert_eq!(ana.ask("insert into orders values (8, 1, 'kite', 1)").shape(), "C Z(T)");
    house.stop_accepting();
    assert!(std::net::TcpStream::connect(house.address).is_err(), "nobody new");
    assert_eq!(ana.ask("select count(*) from orders").rows(), ["5"], "who is here goes on");
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| house.drain(Duration::from_secs(20)));
        assert_eq!(ana.ask("commit").shape(), "C Z(I)");
        assert!(!draining.is_finished(), "it waits for the session");
        ana.send(&portcullis_testkit::peer::message(b'X', b""));
        assert!(ana.rest().0.is_empty());
        draining.join().unwrap();
    });
    assert_eq!(house.direct("select count(*) from orders"), "5");
    assert!(house.gateway().sessions().is_empty());
}

#[test]
fn a_session_that_outlives_the_drain_is_ended_and_told_why() {
    let mut house = House::new();
    let mut ana = house.log_in("ana");
    assert_eq!(ana.ask("select 1").rows(), ["1"]);
    house.stop_accepting();
    house.drain(Duration::ZERO);
    let end = ana.rest();
    assert_eq!((end.error(b'C'), end.error(b'M')), ("57P01".into(), "the gateway is stopping".into()));
}
