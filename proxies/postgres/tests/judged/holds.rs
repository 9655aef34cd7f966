//! A command that waits: however it was sent, and whatever ends the wait.

use portcullis_testkit::peer::message;

use crate::house::{House, POLICY, Person, say};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Simple,
    Extended,
    /// With a command of its own transaction before it and one behind it.
    Pipelined,
    Copy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Approved,
    Refused,
    Expired,
    Cancelled,
    ClientGone,
    Revoked,
    PolicyTightened,
    GatewayRestarted,
}

const SENT: [Sent; 4] = [Sent::Simple, Sent::Extended, Sent::Pipelined, Sent::Copy];
const EVENTS: [Event; 8] = [
    Event::Approved,
    Event::Refused,
    Event::Expired,
    Event::Cancelled,
    Event::ClientGone,
    Event::Revoked,
    Event::PolicyTightened,
    Event::GatewayRestarted,
];

#[test]
fn whatever_ends_a_wait_ends_it_right() {
    let mut house = House::new();
    for event in EVENTS {
        for sent in SENT {
            println!("{sent:?}, {event:?}");
            one(&mut house, sent, event);
        }
    }
}

fn one(house: &mut House, sent: Sent, event: Event) {
    let table = if event == Event::Expired { "hasty" } else { "ledger" };
    let note = format!("{sent:?} {event:?}");
    let mut ana = house.log_in("ana");
    send(&mut ana, sent, table, &note);
    // What came before it has run; the notice says what to do.
    let mut told = String::new();
    if sent == Sent::Pipelined {
        let before = ana.reply();
        assert_eq!(before.shape(), "1 2 D C Z(I)", "{note}");
        told = before.text();
    }
    if !told.contains("portcullis approve") {
        let (tag, notice) = ana.raw.message();
        assert_eq!(tag, b'N', "{note}");
        told = String::from_utf8_lossy(&notice).into_owned();
    }
    let waiting = house.waiting();
    let number = waiting.number;
    assert!(told.contains(&format!("portcullis approve {number}")), "{note}: {told}");
    let count = format!("select count(*) from {table} where note = '{note}'");
    assert_eq!(house.direct(&count), "0", "{note}: it ran before it was approved");

    let mut end = None;
    match event {
        Event::Approved => house.vote(&waiting, true),
        Event::Refused => house.vote(&waiting, false),
        Event::Expired => {}
        Event::Cancelled => ana.cancel(),
        Event::ClientGone => {
            drop(ana);
            house.told(&format!("withdrawn {number}: client gone"));
            assert_eq!(house.direct(&count), "0", "{note}");
            return;
        }
        Event::Revoked => {
            house.revoke("ana");
            end = Some(("57P01", "left the company", "revoked"));
        }
        Event::PolicyTightened => {
            house.police(&format!(
                "{POLICY}\ndeny \"tests: closed\" {{ on postgres do insert on \"public.ledger\" }}"
            ));
        }
        Event::GatewayRestarted => {
            house.restart();
            end = Some(("57P01", "the gateway is stopping", "revoked"));
        }
    }
    if let Some((code, says, recorded)) = end {
        let last = ana.rest();
        assert_eq!(last.error(b'C'), code, "{note}: {}", last.text());
        assert!(last.error(b'M').contains(says), "{note}: {}", last.text());
        house.told(&format!("withdrawn {number}: {recorded}"));
        assert_eq!(house.state(number), "withdrawn", "{note}");
        assert_eq!(house.direct(&count), "0", "{note}");
        return;
    }
    if event == Event::Approved && sent == Sent::Copy {
        assert_eq!(ana.raw.message().0, b'G', "{note}: the target reads data");
        ana.send(&copy_data(&note));
    }
    let answer = ana.reply();
    let (expected, record, state) = match event {
        Event::Approved => ("", format!("released {number}"), "consumed"),
        Event::Refused => ("42501", format!("vote {number}"), "refused"),
        Event::Expired => ("42501", format!("expired {number}"), "expired"),
        Event::Cancelled => ("57014", format!("withdrawn {number}: cancelled"), "withdrawn"),
        _ => ("42501", format!("withdrawn {number}: policy changed"), "refused"),
    };
    assert_eq!(answer.error(b'C'), expected, "{note}: {}", answer.text());
    assert!(answer.shape().ends_with("Z(I)"), "{note}: {}", answer.shape());
    house.told(&format!("held {number}"));
    house.told(&record);
    assert_eq!(house.state(number), state, "{note}");
    let happened = if event == Event::Approved { "1" } else { "0" };
    assert_eq!(house.direct(&count), happened, "{note}");
    if sent == Sent::Pipelined {
        assert_eq!(ana.reply().rows(), ["behind"], "{note}: what came behind it goes on");
    }
    if event == Event::PolicyTightened {
        house.police(POLICY);
    }
    if sent == Sent::Copy && event != Event::Approved {
        // Data that comes all the same goes nowhere.
        ana.send(&copy_data(&note));
        assert_eq!(house.direct(&count), "0", "{note}");
    }
    assert_eq!(ana.ask("select 1").rows(), ["1"], "{note}: the session goes on");
}

fn send(ana: &mut Person, sent: Sent, table: &str, note: &str) {
    let insert = format!("insert into {table} values ('{note}')");
    let run = crate::common::raw::extended;
    ana.send(&match sent {
        Sent::Simple => say::query(&insert),
        Sent::Extended => [run(&insert), say::sync()].concat(),
        Sent::Pipelined => [
            run("select 'before'"),
            say::sync(),
            run(&insert),
            say::sync(),
            run("select 'behind'"),
            say::sync(),
        ]
        .concat(),
        Sent::Copy => say::query(&format!("copy {table} from stdin")),
    });
}

fn copy_data(note: &str) -> Vec<u8> {
    [message(b'd', format!("{note}\n").as_bytes()), message(b'c', b"")].concat()
}

/// Where a rule asks why, the client says so by a setting, which follows the transaction like any other.
#[test]
fn a_rule_that_asks_why_is_told_by_a_setting() {
    let house = House::new();
    let rule = "until 1 of oncall approve within 15m\n}\nhold \"tests: in haste\"";
    assert!(POLICY.contains(rule));
    house.police(&POLICY.replace(rule, &rule.replace("15m", "15m  justify")));
    let mut ana = house.log_in("ana");
    let insert = "insert into ledger values ('why')";
    let mute = ana.ask(insert);
    assert!(mute.text().contains("SET portcullis.justification"), "{}", mute.text());
    ana.ask("begin");
    ana.ask("set local portcullis.justification = 'gone with its transaction'");
    ana.ask("rollback");
    assert!(ana.ask(insert).text().contains("asks for a justification"));

    assert_eq!(ana.ask("set portcullis.justification = 'ticket 42'").shape(), "C Z(I)");
    ana.send(&crate::common::raw::query(insert));
    let (tag, _) = ana.raw.message();
    assert_eq!(tag, b'N');
    let seen = house.waiting();
    assert_eq!(seen.justification.as_deref(), Some("ticket 42"));
    house.vote(&seen, true);
    assert!(ana.reply().shape().ends_with("C Z(I)"));
    assert_eq!(house.direct("select count(*) from ledger where note = 'why'"), "1");
}
