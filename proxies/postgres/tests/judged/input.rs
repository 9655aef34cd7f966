//! Data that a client streams in is on its recording, masked, up to the cap.

use portcullis_evidence::recording::Event;
use portcullis_testkit::peer::message;

use crate::house::{House, say};

fn data(text: &str) -> Vec<u8> {
    message(b'd', text.as_bytes())
}

fn done() -> Vec<u8> {
    message(b'c', b"")
}

#[test]
fn what_is_copied_in_is_recorded_as_evidence_may_have_it() {
    let mut house = House::new();
    let mut ana = house.log_in("ana");
    let orders = "copy orders (id, user_id, item, amount) from stdin";
    ana.send(
        &[
            say::query(orders),
            // Cut where it hides a card's number, if pieces were looked at by themselves.
            data("10\t1\tcard 4111 1111"),
            data(" 1111 1111\t3\n11\t1\tpl"),
            data("ain\t4\n"),
            done(),
        ]
        .concat(),
    );
    assert_eq!(ana.reply().shape(), "G C Z(I)");
    // In the extended protocol.
    ana.send(
        &[crate::common::raw::extended(orders), data("12\t1\textended\t5"), done(), say::sync()].concat(),
    );
    assert_eq!(ana.reply().shape(), "1 2 G C Z(I)");
    // Values for columns that the policy tags are counted only.
    let user = data("7\tNew Name\tnew@example.com\t111-22-3333\n");
    ana.send(&[say::query("copy users from stdin"), user, done()].concat());
    assert_eq!(ana.reply().shape(), "G C Z(I)");
    // What is past the cap is counted.
    let numbers: String = (1000..2200).map(|n| format!("{n}\n")).collect();
    ana.send(&[say::query("copy numbers from stdin"), data(&numbers), done()].concat());
    assert_eq!(ana.reply().shape(), "G C Z(I)");
    // What the client gives up was said all the same.
    let given_up = message(b'f', b"no\0");
    ana.send(&[say::query("copy numbers from stdin"), data("31\nnonsense"), given_up].concat());
    assert_eq!(ana.reply().shape(), "G E(57014) Z(I)");
    drop(ana);
    house.restart();
    let events = house.recorded();
    let input: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::Input { text, .. } => Some(text.to_string()),
            Event::RowsOmitted { rows, .. } => Some(format!("({rows} more)")),
            _ => None,
        })
        .collect();
    assert_eq!(
        input[..6],
        ["10\t1\tcard [redacted]\t3", "11\t1\tplain\t4", "12\t1\textended\t5", "(1 more)", "1000", "1001"]
    );
    assert_eq!(input.len(), 4 + 1000 + 1 + 2);
    assert_eq!(input[1003..], ["1999", "(200 more)", "31", "nonsense"]);
    assert!(!format!("{events:?}").contains("new@example.com"));
}
