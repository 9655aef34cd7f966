//! Rows and bytes are counted before they pass, over all sessions of a user.

use crate::house::{House, say};

fn policy(limit: &str) -> String {
    crate::house::POLICY.replace("rows 10_000 per principal per hour", limit)
}

#[test]
fn a_limit_counts_across_sessions_and_ends_the_one_that_reaches_it() {
    let house = House::new();
    house.police(&policy("rows 100 per principal per hour"));
    let (mut one, mut two) = (house.log_in("ana"), house.log_in("ana"));
    assert_eq!(one.ask("select n from numbers limit 40").rows().len(), 40);
    // A portal in pieces, each piece counted.
    two.send(
        &[
            say::parse("", "select n from numbers"),
            say::bind("", "", &[], 0),
            say::execute("", 10),
            say::execute("", 10),
            say::sync(),
        ]
        .concat(),
    );
    assert_eq!(two.reply().rows().len(), 20);
    one.send(&say::query("select n from numbers"));
    let end = one.rest();
    let passed = end.rows().len();
    // What another session has reserved is lost to this one: the bound may be reached a little early, never late.
    assert!((30..=40).contains(&passed), "{passed}");
    assert_eq!(end.error(b'C'), "53400", "{}", end.text());
    assert!(end.error(b'M').contains("bulk reads"), "{}", end.error(b'M'));
    house.told("limit bulk reads");
    house.told("outcome Failed Some(");
    two.send(&say::query("copy numbers to stdout"));
    let copied = two.rest();
    assert!(copied.copied().lines().count() + passed <= 40, "{}", copied.text());
    assert_eq!(copied.error(b'C'), "53400");
    let mut carl = house.log_in("carl");
    assert_eq!(
        carl.ask("select n from numbers limit 60").rows().len(),
        60,
        "another user has a count of their own"
    );
}

#[test]
fn bytes_and_rows_per_command_are_counted() {
    let house = House::new();
    house.police(&policy("bytes 1_000 per command"));
    let mut ana = house.log_in("ana");
    assert_eq!(ana.ask("select repeat('x', 400)").rows().len(), 1);
    assert_eq!(ana.ask("select repeat('x', 900)").rows().len(), 1, "each command for itself");
    ana.send(&say::query("select repeat('x', 600) from numbers"));
    let end = ana.rest();
    assert_eq!((end.rows().len(), end.error(b'C')), (1, "53400".into()));

    house.police(&policy("rows 25 per command"));
    let mut ana = house.log_in("ana");
    for _ in 0..3 {
        assert_eq!(ana.ask_extended("select n from numbers limit 25").rows().len(), 25);
    }
    // Ten rows at a time is still one command.
    let piece = || say::execute("", 10);
    ana.send(
        &[say::parse("", "select n from numbers"), say::bind("", "", &[], 0), piece(), piece(), piece()]
            .concat(),
    );
    ana.send(&say::sync());
    let end = ana.rest();
    assert_eq!((end.rows().len(), end.error(b'C')), (25, "53400".into()));
}
