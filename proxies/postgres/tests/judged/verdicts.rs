//! What passes, what is masked and what is refused, in every way that a statement can be sent.

use crate::house::{House, say};

const CARDS: &str = "select u.email, c.pan from users u join cards c on c.user_id = u.id order by c.id";

/// Whether nothing of the secrets is in there. A result that nobody can describe can't be typed, and is all NULL.
fn is_masked(rows: &[String]) {
    assert!(!rows.is_empty(), "no rows");
    for row in rows {
        assert!(row.starts_with("[redacted]") || row == "NULL|NULL", "{row}");
        for secret in ["example.com", "example.org", "4111 1111", "5555 5555", "3782 8"] {
            assert!(!row.contains(secret), "{row}");
        }
    }
}

#[test]
fn every_protocol_gets_the_same_verdict() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    for ask in [crate::house::Person::ask, crate::house::Person::ask_extended] {
        let read = ask(&mut ana, "select item from orders where id = 1");
        assert_eq!(read.rows(), ["lantern"], "{}", read.text());
        is_masked(&ask(&mut ana, CARDS).rows());

        let refused = ask(&mut ana, "drop table orders");
        assert_eq!(refused.shape(), "E(42501) Z(I)");
        assert_eq!(refused.error(b'M'), "Destructive DDL goes through a migration: go/migrate");
        assert!(refused.error(b'H').contains("destructive ddl"), "{}", refused.error(b'H'));
        assert_eq!(ask(&mut ana, "delete from orders").error(b'C'), "42501");
        assert_eq!(ask(&mut ana, "select 1").rows(), ["1"], "the session goes on");
    }
    // A slip of the pen is refused, and not as something that it is not.
    let slip = ana.ask("select item from ordrs");
    assert_eq!(slip.error(b'C'), "42501");
    assert!(slip.error(b'M').contains("not known to the gateway"), "{}", slip.text());
    assert!(slip.error(b'H').contains("could not be determined"), "{}", slip.text());
    assert_eq!(house.direct("select count(*) from orders"), "4");
    let mut ben = house.log_in("ben");
    assert_eq!(ben.ask("select item from orders").error(b'C'), "42501");
    let mut carl = house.log_in("carl");
    assert_eq!(carl.ask("select email from users where id = 1").rows(), ["ada@example.com"]);

    // Described or not, by statement or by portal, whole or in pieces, as text or binary: masked.
    ana.send(&[say::parse("cards", CARDS), say::describe('S', "cards"), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "1 t T Z(I)");
    for format in [0, 1] {
        ana.send(
            &[
                say::bind("", "cards", &[], format),
                say::describe('P', ""),
                say::execute("", 1),
                say::execute("", 1),
                say::execute("", 1),
                say::execute("", 1),
                say::sync(),
            ]
            .concat(),
        );
        let reply = ana.reply();
        assert_eq!(reply.shape(), "2 T D s D s D s C Z(I)");
        is_masked(&reply.rows());
    }
    ana.send(&[say::parse("", CARDS), say::bind("", "", &[], 1), say::execute("", 0), say::sync()].concat());
    is_masked(&ana.reply().rows());
    // A portal that outlives a Sync in a transaction.
    let begin = [say::parse("", "begin"), say::bind("", "", &[], 0), say::execute("", 0)].concat();
    ana.send(&[begin, say::bind("open", "cards", &[], 0), say::execute("open", 1), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "1 2 C 2 D s Z(T)");
    ana.send(&[say::execute("open", 1), say::sync(), say::execute("open", 5), say::sync()].concat());
    is_masked(&ana.reply().rows());
    is_masked(&ana.reply().rows());
    assert_eq!(ana.ask("commit").shape(), "C Z(I)");

    // COPY, whole rows, other names.
    let copied = ana.ask("copy (select email, pan from users u join cards c on c.user_id = u.id) to stdout");
    assert_eq!(copied.copied().lines().count(), 3, "{}", copied.text());
    assert!(copied.copied().contains("[redacted]") && !copied.copied().contains("4111 1111"));
    assert!(!copied.copied().contains("example"), "{}", copied.text());
    for leak in [
        "select row_to_json(u) from users u",
        "select u from users u",
        "select string_agg(email, ',') from users",
        "with x(y) as (select email from users) select y || '!' from x",
        "select address from contacts",
        "insert into users values (9, 'N', 'new@example.com', '1') returning email",
        "select 'a' union all select email from users",
    ] {
        let reply = ana.ask(leak);
        assert!(!reply.text().contains("@example"), "{leak}: {}", reply.text());
    }
}

#[test]
fn several_statements_pass_together_or_not_at_all() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    let insert = "insert into orders values (7, 1, 'kite', 1)";
    assert_eq!(ana.ask(&format!("select 1; {insert}; delete from orders")).shape(), "E(42501) Z(I)");
    assert_eq!(house.direct("select count(*) from orders"), "4");
    assert_eq!(ana.ask("select 1; select item from orders where id = 1").shape(), "T D C T D C Z(I)");
    is_masked(&ana.ask("select 1 as n limit 0; select email from users").rows());

    // A refusal inside a transaction ends it, however it was sent.
    let no_row = |house: &House| assert_eq!(house.direct("select count(*) from orders"), "4");
    assert_eq!(ana.ask("begin").shape(), "C Z(T)");
    assert_eq!(ana.ask(insert).shape(), "C Z(T)");
    assert_eq!(ana.ask("delete from orders").shape(), "E(42501) Z(E)");
    assert_eq!(ana.ask("select 1").error(b'C'), "25P02");
    assert_eq!(ana.ask("commit").shape(), "C Z(I)");
    no_row(&house);

    let run = |sql: &str| crate::common::raw::extended(sql);
    for sql in ["begin", insert] {
        assert!(ana.ask_extended(sql).shape().ends_with("Z(T)"));
    }
    assert_eq!(ana.ask_extended("drop table users").shape(), "E(42501) Z(E)");
    assert_eq!(ana.ask_extended("commit").shape(), "1 2 C Z(I)");
    no_row(&house);

    ana.send(&[run(insert), run("drop table users"), run(insert), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "1 2 C E(42501) Z(I)");
    no_row(&house);
    ana.send(&[run("begin"), run(insert), run("drop table users"), run("commit"), say::sync()].concat());
    assert!(ana.reply().shape().ends_with("E(42501) Z(E)"));
    assert_eq!(ana.ask("rollback").shape(), "C Z(I)");
    no_row(&house);
    ana.send(
        &[say::query("begin"), say::query(insert), say::query("drop table users"), say::query("commit")]
            .concat(),
    );
    let shapes: Vec<_> = (0..4).map(|_| ana.reply().shape()).collect();
    assert_eq!(shapes, ["C Z(T)", "C Z(T)", "E(42501) Z(E)", "C Z(I)"]);
    no_row(&house);
}

#[test]
fn what_hides_behind_a_statement_is_judged() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    for hidden in [
        "with gone as (delete from orders returning *) select * from gone",
        "explain analyze delete from orders",
        "do $$ begin delete from orders; end $$",
        "call something()",
        "select bump()",
        "select pg_terminate_backend(pg_backend_pid())",
        "select query_to_xml('delete from orders', true, true, '')",
        "select set_config('role', 'pg_monitor', false)",
        "select lo_create(0)",
        "select pg_read_file('PG_VERSION')",
        "set role pg_monitor",
        "set session authorization pg_monitor",
        "set local role pg_monitor",
        "copy orders to program 'cat'",
        "copy orders from program 'echo'",
        "create function f() returns int language sql as 'select 1'",
        "create extension dblink",
        "load 'auto_explain'",
        "lock table orders",
        "prepare transaction 'x'",
        "alter role testkit superuser",
        "select * from pg_stat_activity",
        "select * from pg_stats",
        "select * from other.orders",
        "vacuum",
        "listen x; notify x",
        "merge into orders o using users u on o.id = u.id when matched then delete",
        "insert into orders values (1, 1, 'x', 1) on conflict (id) do update set item = bump()::text",
        "DR/* */OP TABLE orders",
        "d/**/elete from orders",
        "delete from U&\"\\006frders\"",
        "select 1; -- \n drop table orders",
        "select $a$;$a$; drop table \"orders\"",
        "select E'\\'; select '; drop table orders; --'",
        "/* /* nested */ ; */ drop table orders",
        "create table copy_of as select email from users",
        "select email into copy_of from users",
        "create view seen as select email from users",
        "selec 1",
    ] {
        let simple = ana.ask(hidden);
        let code = simple.error(b'C');
        // What the gateway can't read or finds nothing under is refused with another code, by itself too.
        assert!(["42501", "42601", "0A000"].contains(&&*code), "{hidden}: {}", simple.text());
        assert!(simple.shape().ends_with("Z(I)"), "{hidden}: {}", simple.shape());
        if !hidden.contains(';') {
            let extended = ana.ask_extended(hidden);
            assert_eq!(extended.error(b'C'), code, "{hidden}");
        }
    }
    assert_eq!(house.direct("select count(*) from orders"), "4");
    assert_eq!(house.direct("select to_regclass('copy_of') is null"), "t");
    // A function call by OID, past the parser.
    ana.send(&portcullis_testkit::peer::message(b'F', &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    assert_eq!(ana.reply().shape(), "E(0A000) Z(I)");
    // Pinned settings can't be changed at the start either.
    for (key, value) in [("options", "-c role=pg_monitor"), ("standard_conforming_strings", "off")] {
        let mut raw = portcullis_testkit::peer::Raw::connect(house.address);
        raw.send(&portcullis_testkit::peer::startup(&[("user", "ana"), ("database", "shop"), (key, value)]));
        let first = raw.message();
        if first.0 == b'R' {
            continue_login(&mut raw, first);
        }
        let text = String::from_utf8_lossy(&raw.rest()).into_owned();
        assert!(!text.contains("server_version"), "{key}: {text}");
    }
    assert_eq!(ana.ask("select 1").rows(), ["1"]);
}

/// A client whose settings are refused only once it has proved its password.
fn continue_login(raw: &mut portcullis_testkit::peer::Raw, challenge: (u8, Vec<u8>)) {
    use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
    assert_eq!(challenge.0, b'R');
    let password = crate::common::PASSWORD.as_bytes();
    let mut scram = ScramSha256::new(password, ChannelBinding::unsupported());
    raw.send(&crate::common::raw::initial("SCRAM-SHA-256", scram.message()));
    scram.update(&raw.message().1[4..]).unwrap();
    raw.send(&portcullis_testkit::peer::message(b'p', scram.message()));
}

/// Drivers describe the portal that they bind first, and bind the statement again without asking.
#[test]
fn a_statement_is_masked_in_its_own_types_once_a_portal_of_it_was_described() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    let bound = |described: bool| {
        let describe = if described { say::describe('P', "") } else { Vec::new() };
        [say::bind("", "cards", &[], 0), describe, say::execute("", 0), say::sync()].concat()
    };
    ana.send(&[say::parse("cards", CARDS), bound(true)].concat());
    let first = ana.reply().rows();
    is_masked(&first);
    ana.send(&bound(false));
    let again = ana.reply().rows();
    assert_eq!(again, first);
    assert!(again.iter().all(|row| row.starts_with("[redacted]")), "{again:?}");
}

/// What a transaction makes is known by name at once: migrations alter what they have just created.
#[test]
fn a_transaction_may_work_on_what_it_makes() {
    let house = House::new();
    house.police(
        "policy \"made\" default deny use \"postgres/basics\" allow \"tests: tables\" { by group \"eng\" on postgres \
         do create, alter, drop, comment on \"public.*\", \"public.*.*\"  do insert on \"public.*\" }",
    );
    let mut ana = house.log_in("ana");
    for sql in [
        "drop table if exists made, made_too",
        "begin",
        "create table made (id int primary key, note text)",
        "create table made_too (id int references made)",
        "comment on column made.note is 'what'",
        "alter table made add column more int",
        "create index made_by_note on made (note)",
        "insert into made values (1, 'x', 2)",
        "commit",
        "drop table if exists made_too, made",
    ] {
        assert!(ana.ask(sql).shape().starts_with("C Z"), "{sql}: {}", ana.ask("select 1").text());
    }
}

/// Whatever a policy permits: a text means what it was judged as.
#[test]
fn pinned_settings_are_refused_and_the_session_lives_on() {
    let house = House::new();
    house.police("policy \"open\" default allow");
    let mut ana = house.log_in("ana");
    for sql in ["set standard_conforming_strings = off", "set names 'SJIS'", "set client_encoding to latin1"]
    {
        let refused = ana.ask(sql);
        assert_eq!(refused.shape(), "E(0A000) Z(I)", "{sql}");
        assert!(refused.error(b'M').contains("may not be changed"), "{}", refused.text());
    }
    assert_eq!(ana.ask("set standard_conforming_strings = on").shape(), "C Z(I)");
    assert_eq!(ana.ask("select 'a\\b'").rows(), ["a\\b"]);
}

/// A server newer than the grammar may understand what the grammar does not.
#[test]
fn what_is_not_in_the_grammar_is_unknown() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    const TYPO: &str = "selec item from orders";
    for ask in [crate::house::Person::ask, crate::house::Person::ask_extended] {
        let refused = ask(&mut ana, TYPO);
        assert_eq!(refused.shape(), "E(42601) Z(I)");
        assert_eq!(refused.error(b'M'), "syntax error at or near \"selec\"");
        assert!(refused.error(b'H').contains("nothing was sent"), "{}", refused.text());
    }
    assert_eq!(ana.ask("begin").shape(), "C Z(T)");
    assert_eq!(ana.ask(TYPO).shape(), "E(42601) Z(E)");
    assert_eq!(ana.ask("rollback").shape(), "C Z(I)");

    // A rule that names it covers it; columns that are masked it may show all the same.
    let unknown = "allow \"tests: unknown\" { by group \"eng\"  on postgres  do unknown }";
    house.police(&format!("{}{unknown}", crate::house::POLICY));
    assert!(ana.ask(TYPO).error(b'H').contains("nothing was sent"));

    house.police(&format!("policy \"open\" default allow {unknown}"));
    ana.send(&[say::parse("kept", "select 1"), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "1 Z(I)");
    for ask in [crate::house::Person::ask, crate::house::Person::ask_extended] {
        let answered = ask(&mut ana, TYPO);
        assert_eq!(answered.error(b'C'), "42601");
        assert_eq!(answered.error(b'P'), "1", "the target's own words: {}", answered.text());
    }
    ana.send(&[say::bind("", "kept", &[], 0), say::execute("", 0), say::sync()].concat());
    assert_eq!(ana.reply().rows(), ["1"], "nothing of it ran, so names stand");
}
