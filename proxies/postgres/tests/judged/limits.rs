//! Rows and bytes are counted before they pass, over all sessions of a user; what goes beyond fails its command alone.

use portcullis_testkit::peer::message;

use crate::house::{House, Person, say};
use crate::reply::Reply;

/// What the target has answered in full before the first row has passed, and what it is still busy with then.
const SMALL: &str = "select n from numbers";
const BIG: &str = "select a.n from numbers a, numbers b, numbers c";

fn policy(limit: &str) -> String {
    crate::house::POLICY.replace("rows 10_000 per principal per hour", limit)
}

/// A house in which a command may return 25 rows.
fn strict() -> House {
    let house = House::new();
    house.police(&policy("rows 25 per command"));
    house
}

/// 25 rows, then an error, then this.
fn cut(reply: &Reply, before: &str, then: &str) {
    let row = if before.ends_with('H') { " d" } else { " D" };
    assert_eq!(
        reply.shape(),
        format!("{before}{} E(53400){then}", row.repeat(25)).trim_start(),
        "{}",
        reply.text()
    );
    assert!(reply.error(b'M').contains("bulk reads"), "{}", reply.error(b'M'));
}

fn goes_on(person: &mut Person) {
    assert_eq!(person.ask("select 7").rows(), ["7"]);
    assert_eq!(person.ask_extended("select 8").rows(), ["8"]);
}

#[test]
fn a_limit_counts_across_sessions_and_fails_the_command_that_reaches_it() {
    let house = House::new();
    house.police(&policy("rows 100 per principal per hour"));
    let (mut one, mut two) = (house.log_in("ana"), house.log_in("ana"));
    assert_eq!(one.ask("select n from numbers limit 40").rows().len(), 40);
    // A portal in pieces, each piece counted.
    two.send(
        &[
            say::parse("", SMALL),
            say::bind("", "", &[], 0),
            say::execute("", 10),
            say::execute("", 10),
            say::sync(),
        ]
        .concat(),
    );
    assert_eq!(two.reply().rows().len(), 20);
    let end = one.ask(SMALL);
    let passed = end.rows().len();
    // What another session has reserved is lost to this one: the bound may be reached a little early, never late.
    assert!((30..=40).contains(&passed), "{passed}");
    assert_eq!(end.error(b'C'), "53400", "{}", end.text());
    assert!(end.error(b'M').contains("bulk reads"), "{}", end.error(b'M'));
    let hint = end.error(b'H');
    assert!(hint.contains("`bulk reads`") && hint.contains("free again at 20"), "{hint}");
    house.told("limit bulk reads");
    house.told("made Cancel");
    house.told("outcome Failed Some(");
    let copied = two.ask("copy numbers to stdout");
    assert!(copied.copied().lines().count() + passed <= 40, "{}", copied.text());
    assert_eq!(copied.error(b'C'), "53400");
    // Statements without rows go on; those with rows are at an end for both.
    assert_eq!(two.ask("set application_name = 'x'").shape(), "C Z(I)");
    assert_eq!(one.ask("select 1").shape(), "T E(53400) Z(I)");
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
    let end = ana.ask("select repeat('x', 600) from numbers");
    assert_eq!((end.rows().len(), end.error(b'C')), (1, "53400".into()));
    house.police(&policy("rows 25 per command"));
    for _ in 0..3 {
        assert_eq!(ana.ask_extended("select n from numbers limit 25").rows().len(), 25);
    }
}

#[test]
fn in_the_simple_protocol_the_session_goes_on() {
    let house = strict();
    let mut ana = house.log_in("ana");
    for sql in [SMALL, BIG, "select n from numbers; select 1"] {
        cut(&ana.ask(sql), "T", " Z(I)");
        goes_on(&mut ana);
    }
    for sql in ["copy numbers to stdout", &format!("copy ({BIG}) to stdout")] {
        cut(&ana.ask(sql), "H", " Z(I)");
        goes_on(&mut ana);
    }
    let busy = "select count(*) from pg_stat_activity where query like '%from numbers a%' and state = 'active' \
                and pid <> pg_backend_pid()";
    house.becomes(busy, "0");
}

#[test]
fn in_the_extended_protocol_the_session_goes_on() {
    let house = strict();
    let mut ana = house.log_in("ana");
    for sql in [SMALL, BIG] {
        cut(&ana.ask_extended(sql), "1 2", " Z(I)");
        goes_on(&mut ana);
        // Without a Sync behind it: what follows up to the next one falls with it.
        let flush = message(b'H', b"");
        ana.send(&[say::parse("", sql), say::bind("", "", &[], 0), say::execute("", 0), flush].concat());
        cut(&Reply(ana.raw.until(b'E')), "1 2", "");
        ana.send(&[say::parse("", "select 9"), say::bind("", "", &[], 0), say::execute("", 0)].concat());
        assert_eq!(ana.raw_reply_to_sync(), "Z(I)");
        goes_on(&mut ana);
    }
    cut(&ana.ask_extended("copy numbers to stdout"), "1 2 H", " Z(I)");
    goes_on(&mut ana);
}

#[test]
fn a_portal_in_pieces_is_one_command() {
    let house = strict();
    let mut ana = house.log_in("ana");
    let pieces = |count: usize| {
        [say::parse("", SMALL), say::bind("", "", &[], 0), say::execute("", 10).repeat(count), say::sync()]
            .concat()
    };
    ana.send(&pieces(3));
    let reply = ana.reply();
    let ten = " D".repeat(10);
    assert_eq!(reply.shape(), format!("1 2{ten} s{ten} s{} E(53400) Z(I)", " D".repeat(5)));
    goes_on(&mut ana);
    // One at a time, in a block.
    assert_eq!(ana.ask("begin").shape(), "C Z(T)");
    ana.send(&pieces(2));
    assert_eq!(ana.reply().rows().len(), 20);
    ana.send(&[say::execute("", 10), say::sync()].concat());
    assert_eq!(ana.reply().shape(), format!("{}E(53400) Z(E)", "D ".repeat(5)));
    assert_eq!(ana.ask("rollback").shape(), "C Z(I)");
    goes_on(&mut ana);
}

#[test]
fn a_transaction_fails_with_the_command() {
    let house = strict();
    let mut ana = house.log_in("ana");
    for (number, sql) in
        [SMALL, BIG, "insert into numbers select n from numbers returning n"].iter().enumerate()
    {
        for extended in [false, true] {
            assert_eq!(ana.ask("begin").shape(), "C Z(T)");
            let insert = format!("insert into orders values ({}, 1, 'kite', 1)", 10 + number);
            assert_eq!(ana.ask(&insert).shape(), "C Z(T)");
            if extended {
                cut(&ana.ask_extended(sql), "1 2", " Z(E)");
            } else {
                cut(&ana.ask(sql), "T", " Z(E)");
            }
            assert_eq!(ana.ask("select 1").error(b'C'), "25P02");
            assert_eq!(ana.ask("commit").shape(), "C Z(I)");
            assert_eq!(house.direct("select count(*) from orders"), "4", "{sql}");
            goes_on(&mut ana);
        }
    }
    assert_eq!(house.direct("select count(*) from numbers"), "300");
    house.told("made Abort");
}

#[test]
fn a_cursor_is_counted_as_it_is_read() {
    let house = strict();
    let mut ana = house.log_in("ana");
    for (sql, fetch) in [(SMALL, "fetch 100 from c"), (SMALL, "fetch all from c"), (BIG, "fetch 5000 from c")]
    {
        assert_eq!(ana.ask("begin").shape(), "C Z(T)");
        assert_eq!(ana.ask(&format!("declare c cursor for {sql}")).shape(), "C Z(T)");
        assert_eq!(ana.ask("fetch 20 from c").rows().len(), 20);
        cut(&ana.ask(fetch), "T", " Z(E)");
        assert_eq!(ana.ask("rollback").shape(), "C Z(I)");
        goes_on(&mut ana);
    }
}

#[test]
fn a_pipeline_goes_on_behind_the_next_sync() {
    let house = strict();
    let mut ana = house.log_in("ana");
    for sql in [SMALL, BIG] {
        let one = |sql: &str| [crate::common::raw::extended(sql), say::sync()].concat();
        ana.send(&[one(sql), one("select 2"), one("select 3")].concat());
        cut(&ana.reply(), "1 2", " Z(I)");
        for value in ["2", "3"] {
            // A cancel that comes late may hit what runs then; it is an error like any other.
            let reply = ana.reply();
            assert!(reply.rows() == [value] || reply.error(b'C') == "57014", "{}", reply.text());
            assert!(reply.shape().ends_with("Z(I)"), "{}", reply.shape());
        }
        goes_on(&mut ana);
    }
}

#[test]
fn what_can_not_be_taken_back_ends_the_session() {
    let house = strict();
    // The target has finished all of it, and committed, before a cancel could reach it.
    let write = "insert into numbers select n from numbers where n < 100 returning n";
    let behind = [
        say::parse("", SMALL),
        say::bind("", "", &[], 0),
        say::execute("", 0),
        say::parse("later", "select 1"),
        say::sync(),
    ]
    .concat();
    for bytes in [say::query(write), say::query(&format!("{SMALL}; insert into ledger2 values (1)")), behind]
    {
        let mut ana = house.log_in("ana");
        ana.send(&bytes);
        let end = ana.rest();
        let errors: Vec<_> = end.0.iter().filter(|(tag, _)| *tag == b'E').collect();
        assert_eq!(errors.len(), 2, "{}", end.text());
        assert_eq!(end.error(b'C'), "53400");
        assert!(String::from_utf8_lossy(&errors[1].1).contains("FATAL"), "{}", end.text());
        assert!(end.rows().len() == 25, "{}", end.shape());
    }
    house.told("closed the target had finished");
}

#[test]
fn a_held_command_falls_with_one_before_it() {
    let house = House::new();
    let rule = "until 1 of oncall approve within 15m\n}\nhold \"tests: in haste\"";
    assert!(crate::house::POLICY.contains(rule));
    let patient = rule.replace("15m", "15m  in transaction");
    house.police(&policy("rows 25 per command").replace(rule, &patient));
    let mut ana = house.log_in("ana");
    // Held before the first of its rows, or its error, comes.
    let fails = "select n / (n - 5) from pg_sleep(1), numbers where n = 5";
    let big = &BIG.replace("from", "from pg_sleep(1),");
    for (sql, before) in
        [(fails, "1 2 E(22012)".to_owned()), (big, format!("1 2{} E(53400)", " D".repeat(25)))]
    {
        let insert = crate::common::raw::extended("insert into ledger values ('never')");
        ana.send(&[crate::common::raw::extended(sql), insert].concat());
        let mut replies = ana.raw.until(b'N');
        replies.extend(ana.raw.until(b'E'));
        assert_eq!(Reply(replies).shape(), before);
        house.vote(&house.waiting(), true);
        assert_eq!(ana.raw_reply_to_sync(), "Z(I)");
        assert_eq!(house.direct("select count(*) from ledger"), "0");
        goes_on(&mut ana);
    }
}
