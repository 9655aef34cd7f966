//! Every message that can carry data is looked through by the running gateway, not by the masks alone.

use crate::house::{House, say};

const CARD: &str = "4111 1111 1111 1111";

fn hides(reply: &crate::reply::Reply, how: &str) {
    assert!(!reply.text().contains("1111 1111"), "{how}: {}", reply.text());
    assert!(!reply.text().contains("ada@"), "{how}: {}", reply.text());
}

#[test]
fn settings_names_notices_and_errors_are_looked_through() {
    let house = House::new();
    house.direct(
        "create function tell(t text) returns int language plpgsql as $$ begin raise notice 'got %', t; return 1; end $$;
         create function fail(t text) returns int language plpgsql as $$ begin raise exception 'got %', t; end $$;
         create function shout() returns int language sql as $$ select tell(email) from public.users where id = 1 $$;
         create function ring() returns void language sql as $$ select pg_notify('bell', email) from public.users where id = 1 $$",
    );
    house.police(&format!(
        "{}\nallow \"tests: functions\" {{ on postgres do call on \"public.*\"  do listen, notify }}",
        crate::house::POLICY
    ));
    for sql in [
        format!("set application_name = '{CARD}'"),
        format!("select 1 as \"{CARD}\""),
        format!("select tell('{CARD}')"),
        format!("select fail('{CARD}')"),
        "select shout()".to_owned(),
        "select shout() from orders".to_owned(),
    ] {
        for is_extended in [false, true] {
            let mut ana = house.log_in("ana");
            let reply = if is_extended { ana.ask_extended(&sql) } else { ana.ask(&sql) };
            assert!(reply.0.iter().any(|(tag, _)| b"CE".contains(tag)), "{sql}: {}", reply.shape());
            hides(&reply, &sql);
        }
    }
    // At the end of a transaction, to somebody for whom no column is masked.
    house.direct(
        "create function late() returns trigger language plpgsql as
         $$ begin raise exception 'got %', (select pan from public.cards where id = 1); end $$;
         create constraint trigger late after insert on numbers deferrable initially deferred
         for each row execute function late()",
    );
    house.police(&format!(
        "{}\nallow \"tests: late\" {{ on postgres do call on \"public.*\"  do listen, notify  do insert on \"public.numbers\" }}",
        crate::house::POLICY
    ));
    let mut carl = house.log_in("carl");
    let reply = carl.ask_extended("insert into numbers values (1)");
    assert_eq!(reply.shape(), "1 2 C E(P0001) Z(I)", "{}", reply.text());
    hides(&reply, "at Sync");
    // A notification, to a session that has read nothing yet and to one that has.
    for before in ["select 1", "select email from users"] {
        let mut ana = house.log_in("ana");
        ana.ask(before);
        assert_eq!(ana.ask("listen bell").shape(), "C Z(I)");
        house.direct("select ring()");
        let mut told = ana.ask("select 1");
        while !told.0.iter().any(|(tag, _)| *tag == b'A') {
            told = ana.ask("select 1");
        }
        hides(&told, before);
    }
}

/// What a target says of a statement that has not run is looked through as that statement's own decision says.
#[test]
fn what_is_said_before_anything_ran_is_looked_through() {
    let house = House::new();
    let named = format!("select 1 as \"{CARD}\"");
    for messages in [
        vec![say::parse("", &named), say::describe('S', "")],
        vec![say::parse("", &named), say::bind("", "", &[], 0), say::describe('P', "")],
        vec![say::parse("", &format!("select 1 + '{CARD}'"))],
        vec![say::parse("", "select $1::int"), say::bind("", "", &[CARD], 0)],
    ] {
        let mut ana = house.log_in("ana");
        ana.send(&[messages.concat(), say::sync()].concat());
        let reply = ana.reply();
        assert!(reply.0.iter().any(|(tag, _)| b"TE".contains(tag)), "{}", reply.shape());
        hides(&reply, &reply.shape());
    }
}

/// What is looked for is what the policy of the moment says.
#[test]
fn a_policy_that_looks_for_something_else_is_followed_at_once() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    const READ: &str = "select '10.1.2.3 ada@example.com'";
    assert!(ana.ask(READ).text().contains("ada@"), "nothing looks for addresses yet");
    house.police(&crate::house::POLICY.replace("credit_card, aws_key", "credit_card, email, aws_key"));
    hides(&ana.ask(READ), "simple");
    hides(&ana.ask_extended(READ), "extended");
}

/// A vote is for the definitions that it was asked for.
#[test]
fn what_was_approved_over_other_definitions_is_not_released() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    ana.send(&say::query("insert into ledger select name from contacts"));
    let seen = loop {
        if let Some(message) = Some(ana.raw.message()).filter(|(tag, _)| *tag == b'N') {
            drop(message);
            break house.waiting();
        }
    };
    house
        .direct("create or replace view contacts as select item as name, lower(item) as address from orders");
    // A second session makes the gateway look: a name that it does not know yet.
    house.direct("create table looked (n int)");
    let mut other = house.log_in("ana");
    assert_eq!(other.ask("select n from looked").error(b'C'), "");
    house.vote(&seen, true);
    let reply = ana.reply();
    assert!(!reply.error(b'C').is_empty(), "{}", reply.text());
    assert_eq!(house.direct("select count(*) from ledger"), "0");
}
