//! What the target says besides rows, where its words hold a masked value.

use crate::house::{House, say};

/// Everything that the shop's engineers might be allowed besides: what is left is the mask.
pub const OPEN: &str = r#"
policy "open"
default deny
use "postgres/basics"
tag pii = postgres columns "public.users.email", "public.users.ssn", "public.cards.pan"
allow "everything" {
  by group "eng"  on postgres
  do select, insert, update, delete, create, alter, set, truncate, analyze, refresh, reindex, vacuum, cluster, lock, comment,
     listen, notify
}
mask "personal data" { on postgres  columns tagged pii  with redact  unresolved mask  predicates record }
"#;

/// Tables on which constraints are checked late, by masked columns.
const TABLES: &str = "
CREATE TABLE letters (id int, address text REFERENCES users (email) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO letters VALUES (1, 'ada@example.com');
CREATE TABLE people (id int PRIMARY KEY, boss int CHECK (boss < 100), phone text);
CREATE TABLE bosses (id int PRIMARY KEY);
INSERT INTO bosses VALUES (1);
ALTER TABLE people ADD FOREIGN KEY (boss) REFERENCES bosses ON UPDATE CASCADE;
INSERT INTO people VALUES (1, 1, 'canary phone');
DELETE FROM cards; DELETE FROM orders WHERE user_id = 1;
CREATE TABLE labels (id int PRIMARY KEY, label text);
INSERT INTO labels VALUES (1, 'harmless');
";

fn hides(reply: &crate::reply::Reply, how: &str) {
    let text = reply.text().to_lowercase();
    assert!(
        !text.contains("ada@")
            && !text.contains("ada")
            && !text.contains("536-22")
            && !text.contains("canary"),
        "{how}: {}",
        reply.text()
    );
}

#[test]
fn constraints_that_are_checked_late_tell_no_masked_value() {
    let house = House::new();
    house.direct(TABLES);
    let masked = OPEN.replace("\"public.cards.pan\"", "\"public.cards.pan\", \"public.people.phone\"");
    house.police(&masked);
    const GONE: &str = "delete from users where id = 1";
    let run = crate::common::raw::extended;
    for (how, messages, replies) in [
        ("at once", say::query(GONE), 1),
        ("another statement behind it", say::query(&format!("{GONE}; select 1")), 1),
        ("at COMMIT", say::query(&format!("begin; {GONE}; commit")), 1),
        ("at Sync", [run(GONE), say::sync()].concat(), 1),
        ("at Sync, behind another", [run(GONE), run("select 1"), say::sync()].concat(), 1),
        ("by a query behind it", [run(GONE), say::query("select 1")].concat(), 1),
        ("made immediate", say::query(&format!("begin; {GONE}; set constraints all immediate")), 1),
        (
            "made immediate, extended",
            [run("begin"), run(GONE), run("set constraints all immediate"), say::sync()].concat(),
            1,
        ),
        ("cascading", say::query("update bosses set id = 200 where id = 1"), 1),
        ("cascading, extended", [run("update bosses set id = 200 where id = 1"), say::sync()].concat(), 1),
    ] {
        let mut ana = house.log_in("ana");
        ana.send(&messages);
        for _ in 0..replies {
            hides(&ana.reply(), how);
        }
        // It was tried, and failed at the target.
        hides(&ana.ask("rollback"), how);
    }
    assert_eq!(house.direct("select count(*) from users where id = 1"), "1");
}

/// Definitions read rows too, and say so when these don't fit.
#[test]
fn definitions_that_fail_tell_no_masked_value() {
    let house = House::new();
    house.direct(TABLES);
    house.direct("insert into users values (9, 'Twin', 'ADA@example.com', '536-22-8471'); create materialized view copies as select email from users; create unique index on copies (lower(email)) where false");
    house.police(OPEN);
    for sql in [
        "alter table users alter column email type int using email::int",
        "alter table users alter column ssn type date using ssn::date",
        "create unique index on users (lower(email))",
        "create unique index on users (ssn)",
        "alter table users add unique (ssn)",
        "alter table users add exclude (ssn with =)",
        "alter table users add foreign key (email) references labels (label)",
        "create index on users ((email::int))",
        "alter table users add column n int generated always as (ssn::int) stored",
        "alter table users add check (email::int > 0)",
        "alter table users add foreign key (ssn) references labels (label) not valid",
        "alter table users validate constraint users_ssn_fkey",
        "refresh materialized view copies",
        "analyze users",
        "reindex table users",
        "vacuum (verbose) users",
        "select 1 from users where email::int = 1",
        "lock table users",
        "create policy p on users using (email::int = 1)",
        "create statistics on (email::int), name from users",
    ] {
        for is_extended in [false, true] {
            let mut ana = house.log_in("ana");
            let reply = if is_extended { ana.ask_extended(sql) } else { ana.ask(sql) };
            hides(&reply, sql);
        }
    }
}

/// A column whose values are masked reaches no other column, whatever statement would take it there.
#[test]
fn masked_values_are_defined_into_no_other_column() {
    let house = House::new();
    house.direct(TABLES);
    house.police(OPEN);
    for (script, read) in [
        (
            &["alter table users alter column name type text using email"][..],
            "select name from users where id = 1",
        ),
        (
            &["alter table users add column copy text generated always as (email) stored"],
            "select copy from users where id = 1",
        ),
        (
            &["alter table users add column copy2 text generated always as (upper(email)) stored"],
            "select lower(copy2) from users where id = 1",
        ),
        (
            &["prepare p as select email from users", "create table stolen as execute p"],
            "select * from stolen",
        ),
        (&["create table stolen2 as table users"], "select email from stolen2"),
        (&["create view seen as select u.email as e from users u"], "select e from seen"),
        (
            &[
                "create rule r as on update to labels do also update labels set label = (select email from users where id = 1)",
                "update labels set id = 1 where id = 1",
            ],
            "select label from labels",
        ),
        (&["insert into labels select 2, email from users where id = 1"], "select label from labels"),
        (
            &[
                "insert into labels values (1, '') on conflict (id) do update set label = (select email from users where id = 1)",
            ],
            "select label from labels",
        ),
        (&["update users set name = email where id = 1"], "select name from users where id = 1"),
        (
            &["update users set (name, id) = (select email, id from users where id = 1) where id = 1"],
            "select name from users where id = 1",
        ),
        (
            &[
                "merge into labels using users on labels.id = users.id when not matched then insert values (7, users.email)",
            ],
            "select label from labels",
        ),
        (&["create temp table t (x text)", "insert into t select email from users"], "select x from t"),
        (&["create temp table t2 as select email from users"], "select * from t2"),
        (
            &[
                "create function f() returns setof text language sql begin atomic select email from users; end",
            ],
            "select * from f()",
        ),
        (
            &[
                "create table heirs (extra int) inherits (users)",
                "insert into heirs values (50, 'h', 'ada@heir', '536-22-0000')",
            ],
            "select email || '' from heirs",
        ),
        (
            &["create table part (like users including all)", "insert into part select * from users"],
            "select email from part",
        ),
        (&["alter table users rename column email to harmless"], "select harmless from users where id = 1"),
        (&["alter table users rename to people2"], "select harmless || '' from people2 where id = 1"),
    ] {
        let mut ana = house.log_in("ana");
        for sql in script {
            hides_mail(&ana.ask(sql), sql);
        }
        for reply in [ana.ask(read), ana.ask_extended(read), ana.ask(&format!("copy ({read}) to stdout"))] {
            hides_mail(&reply, &format!("{script:?}; {read}"));
        }
    }
}

fn hides_mail(reply: &crate::reply::Reply, how: &str) {
    assert!(!reply.text().to_lowercase().contains("ada@"), "{how}: {}", reply.text());
}

/// A transaction that changes a table's columns shifts what positions mean.
#[test]
fn columns_that_come_or_go_in_an_open_transaction_shift_no_mask() {
    let house = House::new();
    house.police(OPEN);
    let dropped = "alter table orders drop column item";
    let added = "alter table orders add column more int";
    for (change, read) in [
        // id, user_id, item, amount | id, name, email, ssn | …
        (dropped, "select (f || '') from (select * from orders, users, numbers) x(a, b, c, d, e, f, g, h)"),
        (dropped, "select (e || '') from (select * from orders, users) x(a, b, c, d, e, f, g)"),
        (dropped, "select (f || '') from (select * from orders, users) x(a, b, c, d, e, f, g)"),
        (
            added,
            "select (h || '') from (select * from orders, users, numbers) x(a, b, c, d, e, f, g, h, i, j)",
        ),
        (
            added,
            "select (i || '') from (select * from orders, users, numbers) x(a, b, c, d, e, f, g, h, i, j)",
        ),
        (
            added,
            "select (h || '') from (select * from orders, users, cards) x(a, b, c, d, e, f, g, h, i, j, k, l)",
        ),
        (
            added,
            "select (i || '') from (select * from orders, users, cards) x(a, b, c, d, e, f, g, h, i, j, k, l)",
        ),
        (
            dropped,
            "select * from (select 1, 'x', 'y', 'z', 'v', 'w', 'u' union all select * from (select * from orders, users) q) x",
        ),
    ] {
        for is_one in [false, true] {
            let mut ana = house.log_in("ana");
            let reply = if is_one {
                ana.ask(&format!("begin; {change}; {read}"))
            } else {
                ana.ask("begin");
                ana.ask(change);
                ana.ask(read)
            };
            hides_mail(&reply, &format!("{change}; {read}"));
            assert!(!reply.text().contains("536-22"), "{change}; {read}: {}", reply.text());
            ana.ask("rollback");
        }
    }
}

/// What a statement was described as before its names came to mean something else is no description of it.
#[test]
fn a_description_that_is_out_of_date_shows_nothing() {
    let house = House::new();
    house.direct(TABLES);
    house.police(OPEN);
    let mut ana = house.log_in("ana");
    ana.send(&[say::parse("s", "select label from labels"), say::describe('S', "s"), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "1 t T Z(I)");
    ana.ask("begin");
    ana.ask("alter table labels rename to aside");
    ana.ask("alter table users rename column email to label");
    ana.ask("alter table users rename to labels");
    ana.send(&[say::bind("", "s", &[], 0), say::execute("", 0), say::sync()].concat());
    hides_mail(&ana.reply(), "renamed in the transaction");
    ana.ask("rollback");
}

/// A statement that was prepared before its names were changed is judged by what they are now.
#[test]
fn a_prepared_statement_follows_what_its_transaction_changes() {
    let house = House::new();
    house.direct(TABLES);
    let closed = "deny \"tests: users\" { on postgres do select on \"public.users\" }";
    let only = OPEN.replace("do select, insert", "do select on \"public.*\"  do insert");
    house.police(&format!("{only}\n{closed}"));
    for is_sql in [false, true] {
        let mut ana = house.log_in("ana");
        const READ: &str = "select label from labels";
        if is_sql {
            ana.ask(&format!("prepare s as {READ}"));
        } else {
            ana.send(&[say::parse("s", READ), say::sync()].concat());
            assert_eq!(ana.reply().shape(), "1 Z(I)");
        }
        ana.ask("begin");
        for sql in [
            "alter table labels rename to aside",
            "alter table users rename column name to label",
            "alter table users rename to labels",
        ] {
            assert_eq!(ana.ask(sql).error(b'C'), "", "{sql}");
        }
        ana.send(&[say::bind("", "s", &[], 0), say::execute("", 0), say::sync()].concat());
        let reply = ana.reply();
        assert!(!reply.text().contains("Ada Example"), "{}", reply.text());
        ana.ask("rollback");
    }
}
