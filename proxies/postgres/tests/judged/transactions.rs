//! Definitions that the session's own open transaction has made: known to it, and to nobody else.

use crate::house::{House, Person, say};

/// Engineers may migrate, without asking anybody.
fn policy() -> String {
    format!(
        "{}\n{}",
        crate::house::POLICY.replace("do    create, alter on \"public.*\"", "do alter on \"public.held\""),
        "allow \"tests: migrations\" { by group \"eng\"  on postgres\n\
         do create, alter, select, insert, update, delete on \"public.*\", \"pg_temp.*\", \"fresh.*\" }\n\
         allow \"tests: a schema\" { by group \"eng\"  on postgres  do create on \"fresh\" }"
    )
}

fn house() -> House {
    let house = House::new();
    house.police(&policy());
    house
}

/// What a client gets: rows, or the code of the error, or the shape of an answer without rows.
fn told(ana: &mut Person, sql: &str) -> String {
    let reply = ana.ask(sql);
    let rows = reply.rows();
    match reply.error(b'C') {
        code if !code.is_empty() => code,
        _ if rows.is_empty() => "ok".into(),
        _ => rows.join(" "),
    }
}

/// Runs statements one by one, each with what it comes to; a transaction that is left open is rolled back.
fn check(ana: &mut Person, story: &[(&str, &str)]) {
    for (sql, expected) in story {
        assert_eq!(told(ana, sql), *expected, "{sql}, in {story:#?}");
    }
    ana.ask("rollback");
}

/// Nothing of these shows an address, whatever is said.
fn hides(ana: &mut Person, story: &[&str]) {
    for sql in story {
        let reply = ana.ask(sql);
        let text = reply.text().to_lowercase();
        assert!(!text.contains("ada@") && !text.contains("536-22"), "{sql}: {text}, in {story:#?}");
    }
    ana.ask("rollback");
}

#[test]
fn a_transaction_uses_the_tables_that_it_has_made() {
    let house = house();
    let mut ana = house.log_in("ana");
    check(
        &mut ana,
        &[
            ("begin", "ok"),
            ("create table x (n int primary key, note text)", "ok"),
            ("insert into x values (1, 'a'), (2, 'b')", "ok"),
            ("create index on x (note)", "ok"),
            ("select n, upper(note) from x where n = 1", "1|A"),
            ("select * from public.x order by n", "1|a 2|b"),
            ("update x set note = 'c' where n = 2", "ok"),
            ("alter table x add column more text default 'm'", "ok"),
            ("select upper(more), * from x where n = 2", "M|2|c|m"),
            ("insert into x (n, more) select n + 10, more from x returning n, more", "11|m 12|m"),
            ("delete from x where n > 10", "ok"),
            ("create table y as select n, note as said from x", "ok"),
            ("select x.n, y.said from x join y using (n) where x.n = 1", "1|a"),
            ("select n, note into z from x", "ok"),
            ("select count(*) from z", "2"),
            ("commit", "ok"),
            ("select n, more from x where n = 1", "1|m"),
            ("select said from y where n = 1", "a"),
        ],
    );
    // All of it in one message, in a block of its own or in none.
    for sql in [
        "begin; create table q (a int, b text); insert into q values (7, 'seven'); select a, upper(b) from q; commit",
        "create table r (a int, b text); create index on r (a); insert into r values (7, 'seven'); select a, upper(b) from r",
        "create temp table s (a int, b text); insert into s values (7, 'seven'); select * from s where upper(b) = 'SEVEN'",
    ] {
        let rows = ana.ask(sql).rows().join(" ").to_lowercase();
        assert_eq!(rows, "7|seven", "{sql}");
    }
    assert_eq!(told(&mut ana, "select a, b from q"), "7|seven");
    // A column of a table that was there before.
    check(
        &mut ana,
        &[
            ("begin", "ok"),
            ("alter table orders add column weight int default 3, alter column item set default 'x'", "ok"),
            ("update orders set weight = 5 where id = 1", "ok"),
            ("select weight * 2, item from orders where id = 1", "10|lantern"),
            ("create index on orders (weight)", "ok"),
            ("select weight from orders where id = 1", "5"),
        ],
    );
    // A schema.
    check(
        &mut ana,
        &[
            ("begin", "ok"),
            ("create schema fresh", "ok"),
            ("create table fresh.t (a int)", "ok"),
            ("insert into fresh.t values (4)", "ok"),
            ("select a + 1 from fresh.t", "5"),
        ],
    );
    // What is there already is what it was; what is not is made.
    check(
        &mut ana,
        &[
            ("begin", "ok"),
            ("create table if not exists orders (nothing int)", "ok"),
            ("select item from orders where id = 1", "lantern"),
            ("create table if not exists brandnew (a int)", "ok"),
            ("insert into brandnew values (1)", "ok"),
            ("select a + 1 from brandnew", "2"),
        ],
    );
}

#[test]
fn the_extended_protocol_uses_them_too() {
    let house = house();
    let mut ana = house.log_in("ana");
    let run = crate::common::raw::extended;
    ana.send(
        &[
            run("begin"),
            run("create table x (n int, note text)"),
            run("insert into x values (1, 'a')"),
            say::parse("s", "select n, upper(note) from x where n = $1"),
            say::bind("", "s", &["1"], 0),
            say::describe('P', ""),
            say::execute("", 0),
            say::sync(),
        ]
        .concat(),
    );
    let reply = ana.reply();
    assert_eq!(reply.rows(), ["1|A"], "{}", reply.text());
    // A statement that was prepared before its table had this column means what it means by then.
    ana.send(&[say::parse("later", "select note from x"), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "1 Z(T)");
    assert_eq!(told(&mut ana, "commit"), "ok");
    ana.send(
        &[say::bind("", "later", &[], 0), say::describe('P', ""), say::execute("", 0), say::sync()].concat(),
    );
    assert_eq!(ana.reply().rows(), ["a"]);
}

#[test]
fn what_is_rolled_back_is_not_there() {
    let house = house();
    let mut ana = house.log_in("ana");
    check(
        &mut ana,
        &[
            ("begin", "ok"),
            ("create table a (n int)", "ok"),
            ("savepoint s", "ok"),
            ("create table b (n int)", "ok"),
            ("insert into b values (1)", "ok"),
            ("rollback to s", "ok"),
            ("insert into a values (2)", "ok"),
            ("select n from a", "2"),
            ("release s", "ok"),
            ("savepoint s", "ok"),
            ("create table c (n int)", "ok"),
            ("release s", "ok"),
            ("insert into c values (3)", "ok"),
            ("select n from c", "3"),
            ("savepoint t", "ok"),
            // The target refuses it, and the client goes back.
            ("create table a (n int)", "42P07"),
            ("rollback to t", "ok"),
            ("select n from a", "2"),
            ("create table b (other text)", "ok"),
            ("select upper(other) from b", "ok"),
        ],
    );
    // After the end nothing of it is known, so the target is asked by nobody.
    check(&mut ana, &[("begin", "ok"), ("select n from a", "42501")]);
    check(&mut ana, &[("select n from b", "42501")]);
    check(
        &mut ana,
        &[
            ("begin", "ok"),
            ("savepoint s", "ok"),
            ("create table b (n int)", "ok"),
            ("rollback to s", "ok"),
            ("select n from b", "42501"),
        ],
    );
    // The failure of one statement takes the table of another with it.
    assert_eq!(told(&mut ana, "create table d (n int); select 1/0"), "22012");
    assert_eq!(told(&mut ana, "select n from d"), "42501");
    assert_eq!(told(&mut ana, "begin; create table e (n int); rollback; select n from e"), "42501");
    ana.ask("rollback");
}

#[test]
fn temporary_tables_last_as_long_as_their_session() {
    let house = house();
    let mut ana = house.log_in("ana");
    check(
        &mut ana,
        &[
            ("create temp table t (n int, note text)", "ok"),
            ("insert into t values (1, 'a')", "ok"),
            ("select n, upper(note) from t", "1|A"),
            ("select note from pg_temp.t", "a"),
            ("alter table t add column m int default 2", "ok"),
            ("select m + n from t", "3"),
            ("begin", "ok"),
            ("create temp table u on commit drop as select n from t", "ok"),
            ("select n from u", "1"),
            ("commit", "ok"),
            ("select n from u", "42501"),
            ("begin", "ok"),
            ("create temporary table u (k text)", "ok"),
            ("select upper(k) from u", "ok"),
            ("rollback", "ok"),
            ("select k from u", "42501"),
            ("select note from t", "a"),
            ("create temp table v (n int); select 1/0", "22012"),
            ("select n from v", "42501"),
            ("discard temp", "ok"),
            ("select note from t", "42501"),
        ],
    );
    // Another session has none of them.
    let mut other = house.log_in("ana");
    check(&mut ana, &[("create temp table w (n int)", "ok"), ("select n from w", "ok")]);
    check(&mut other, &[("select n from w", "42501")]);
}

#[test]
fn no_new_definition_shows_what_is_masked() {
    let house = house();
    house.direct("create table kin (email text); create table far (email text); alter table kin inherit far");
    let mut ana = house.log_in("ana");
    // Names that are taken by a table of the transaction's own, in the way of the search path.
    for story in [
        &["begin", "create temp table users (id int, email text)", "select upper(email) from users"][..],
        &["begin; create temp table users (id int, email text); rollback; select upper(email) from users"],
        &[
            "begin",
            "savepoint s",
            "create temp table users (id int, mail text, email text)",
            "rollback to s",
            "select upper(email) from users",
            "select * from users",
        ],
        &[
            "create temp table users (id int, email text)",
            "select upper(email) from users",
            "drop table pg_temp.users",
            "discard temp",
            "select upper(email) from users",
        ],
        &[
            "create table if not exists public.users (id int, harmless text)",
            "select upper(email) from public.users",
        ],
        &[
            "begin",
            "create table if not exists users (id int, email text)",
            "select upper(email) from users",
            "select users from users",
        ],
        // Data that is masked goes nowhere.
        &[
            "begin",
            "create table copied as select email as harmless from users",
            "select harmless from copied",
        ],
        &["begin", "create table x (e text)", "insert into x select email from users", "select e from x"],
        &[
            "begin",
            "create temp table x (e text)",
            "insert into x select lower(email) from users",
            "select e from x",
        ],
        &[
            "begin",
            "alter table users add column copy text",
            "update users set copy = email where id = 1",
            "select copy from users",
        ],
        &[
            "begin",
            "alter table users add column copy text generated always as (email) stored",
            "select upper(copy) from users",
        ],
        &["begin", "create view w as select email as harmless from users", "select upper(harmless) from w"],
        &["begin; create table x (e text); insert into x select email from users; select e from x"],
        // Children and partitions.
        &[
            "begin",
            "create table child () inherits (users)",
            "alter table child add column more text",
            "select upper(email) from child",
            "select upper(email) from users",
        ],
        &[
            "begin",
            "create table parent (email text, ssn text, id int, name text)",
            "alter table users inherit parent",
            "select upper(email) from parent",
        ],
        &[
            "begin",
            "alter table users inherit kin",
            "select upper(email) from kin",
            "select upper(email) from far",
        ],
        // Other names for the same.
        &[
            "begin",
            "alter table users rename to u2",
            "select upper(email) from public.u2",
            "select email from u2",
            "select u2 from public.u2",
        ],
        &["begin; alter table users rename to u2; select upper(email) from public.u2"],
        &[
            "begin",
            "alter table users rename column email to mail",
            "select upper(mail) from users",
            "select mail from public.users",
        ],
        &[
            "begin",
            "alter table users rename column name to spare",
            "alter table public.users rename column email to name",
            "select upper(name) from public.users",
        ],
        &[
            "begin",
            "alter table orders rename to o2",
            "alter table users rename to orders",
            "select upper(email) from public.orders",
        ],
        &[
            "begin",
            "create table holder (name text, email text)",
            "alter table holder rename to h2",
            "alter table users rename to holder",
            "select upper(email) from holder",
            "select upper(email) from public.holder",
        ],
    ] {
        hides(&mut ana, story);
        ana.ask("discard temp");
    }
    // What was prepared before a rename means something else after it.
    ana.send(
        &[say::parse("before", "select upper(name) from public.users where id = 1"), say::sync()].concat(),
    );
    assert_eq!(ana.reply().shape(), "1 Z(I)");
    ana.ask("begin");
    ana.ask("alter table users rename column name to spare");
    assert_eq!(told(&mut ana, "alter table public.users rename column email to name"), "ok");
    ana.send(&[say::bind("", "before", &[], 0), say::execute("", 0), say::sync()].concat());
    let text = ana.reply().text().to_lowercase();
    assert!(!text.contains("ada@"), "{text}");
    ana.ask("rollback");
    // Sent ahead of the answer to what came before.
    ana.send(
        &[
            say::query("select 1"),
            say::query("begin; alter table users rename column name to spare"),
            say::query("alter table public.users rename column email to name"),
            say::query("select upper(name) from public.users where id = 1"),
        ]
        .concat(),
    );
    for _ in 0..4 {
        let text = ana.reply().text().to_lowercase();
        assert!(!text.contains("ada@"), "{text}");
    }
}

/// A name of the policy's covers a new table as it would once committed.
#[test]
fn a_new_table_is_masked_by_its_name() {
    let house = House::new();
    house.police(&format!(
        "{}\nmask \"tests: notes\" {{ on postgres  columns \"public.*.secret\"  with redact }}",
        policy()
    ));
    let mut ana = house.log_in("ana");
    check(
        &mut ana,
        &[
            ("begin", "ok"),
            ("create table x (n int, secret text)", "ok"),
            ("insert into x values (1, 'word')", "ok"),
            ("select n, secret, upper(secret) from x", "1|[redacted]|[redacted]"),
            ("create table y as select secret as open from x", "42501"),
        ],
    );
}
