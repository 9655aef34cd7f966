//! Names and settings: what stands behind them decides, as the target itself sees it.

use crate::house::{House, Person, say};

const READ: &str = "select item from orders where id = 1";
const MAIL: &str = "select email from users where id = 1";

fn hides(reply: &crate::reply::Reply) {
    assert_eq!(reply.rows().len(), 1, "{}", reply.text());
    assert!(!reply.text().contains("ada@"), "{}", reply.text());
}

#[test]
fn statements_and_cursors_are_judged_as_what_they_stand_for() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    // SQL's own PREPARE and EXECUTE.
    assert_eq!(ana.ask(&format!("prepare mail as {MAIL}")).shape(), "C Z(I)");
    hides(&ana.ask("execute mail"));
    hides(&ana.ask_extended("execute mail"));
    assert_eq!(ana.ask("prepare gone as delete from orders").error(b'C'), "42501");
    assert_eq!(ana.ask("execute gone").error(b'C'), "26000", "never made");
    // The same statement by the wire.
    ana.send(&[say::bind("", "mail", &[], 0), say::execute("", 0), say::sync()].concat());
    hides(&ana.reply());
    // A statement of the wire, by SQL.
    ana.send(&[say::parse("wire", MAIL), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "1 Z(I)");
    hides(&ana.ask("execute wire"));
    // EXPLAIN ANALYZE, and a COPY's query.
    assert!(!ana.ask("explain analyze execute wire").text().contains("ada@"));

    // Cursors, by SQL and by the wire.
    assert_eq!(ana.ask("begin").shape(), "C Z(T)");
    assert_eq!(ana.ask(&format!("declare c cursor for {MAIL}")).shape(), "C Z(T)");
    hides(&ana.ask("fetch 1 from c"));
    ana.ask("move absolute 0 in c");
    hides(&ana.ask_extended("fetch all from c"));
    ana.ask("move absolute 0 in c");
    ana.send(&[say::describe('P', "c"), say::execute("c", 0), say::sync()].concat());
    hides(&ana.reply());
    assert_eq!(ana.ask("declare d cursor for select * from other.orders").error(b'C'), "42501");
    ana.ask("rollback");
    assert_eq!(ana.ask("begin").shape(), "C Z(T)");
    assert_eq!(ana.ask("fetch 1 from d").error(b'C'), "26000");
    ana.ask("rollback");

    // A Parse that fails leaves what stood there, and what stood there is what runs.
    ana.send(&[say::parse("s", READ), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "1 Z(I)");
    ana.send(&[say::parse("s", MAIL), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "E(42P05) Z(I)", "a name that is taken");
    ana.send(&[say::bind("", "s", &[], 0), say::execute("", 0), say::sync()].concat());
    assert_eq!(ana.reply().rows(), ["lantern"]);
    ana.send(&[say::parse("", READ), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "1 Z(I)");
    ana.send(&[say::parse("", "delete from orders"), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "E(42501) Z(I)");
    // The refused text never came to the target. Whatever the unnamed statement is there, it is not that.
    ana.send(&[say::bind("", "", &[], 0), say::execute("", 0), say::sync()].concat());
    let after = ana.reply();
    assert!(after.rows() == ["lantern"] || after.error(b'C') == "26000", "{}", after.text());
    // Closed, it stands for nothing.
    ana.send(&[say::close('S', "s"), say::bind("", "s", &[], 0), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "3 E(26000) Z(I)");
    assert_eq!(ana.ask("deallocate wire").shape(), "C Z(I)");
    assert_eq!(ana.ask("execute wire").error(b'C'), "26000");
    assert_eq!(ana.ask("discard all").shape(), "C Z(I)");
    assert_eq!(ana.ask("execute mail").error(b'C'), "26000");

    // What is bound decides.
    let set = |name: &str| {
        [
            say::parse("", "select set_config($1, $2, false)"),
            say::bind("", "", &[name, "public"], 0),
            say::execute("", 0),
            say::sync(),
        ]
        .concat()
    };
    ana.send(&set("search_path"));
    assert_eq!(ana.reply().rows(), ["public"]);
    ana.send(&set("role"));
    assert_eq!(ana.reply().shape(), "1 E(42501) Z(I)");
    // A policy that changed meanwhile decides about what was prepared before.
    ana.send(&[say::parse("later", READ), say::sync()].concat());
    ana.reply();
    house.police(
        &crate::house::POLICY
            .replace("select, insert, update, delete on \"public.*\"", "select on \"public.users\""),
    );
    ana.send(&[say::bind("", "later", &[], 0), say::execute("", 0), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "E(42501) Z(I)");
}

#[test]
fn the_search_path_is_followed_as_the_target_follows_it() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    let read = "select item from orders where id = 1";
    let sees = |ana: &mut Person, expected: &str| {
        let reply = ana.ask(read);
        let got = if reply.error(b'C').is_empty() { reply.rows().join(" ") } else { reply.error(b'C') };
        assert_eq!(got, expected, "{}", reply.text());
    };
    sees(&mut ana, "lantern");
    for (change, inside, after) in [
        (&["set search_path = other, public"][..], None, "42501"),
        (&["reset search_path"], None, "lantern"),
        (&["begin", "set search_path = other", "rollback"], None, "lantern"),
        (&["begin", "set search_path = other", "commit"], None, "42501"),
        (&["set search_path to default"], None, "lantern"),
        (&["begin", "savepoint s", "set search_path = other", "rollback to s"], Some("lantern"), "lantern"),
        (&["begin", "set local search_path = other", "commit"], None, "lantern"),
        (&["begin", "set local search_path = other"], Some("42501"), "lantern"),
        (&["begin", "savepoint s", "set search_path = other", "release s"], Some("42501"), "lantern"),
        (&["begin; set search_path = other; rollback"], None, "lantern"),
        (&["select set_config('search_path', 'other', false)"], None, "42501"),
        (&["discard all"], None, "lantern"),
        // The second statement fails at the target, and takes the first with it.
        (&["set search_path = other; select 1/0"], None, "lantern"),
    ] {
        for sql in change {
            ana.ask(sql);
        }
        if let Some(inside) = inside {
            sees(&mut ana, inside);
            ana.ask("rollback");
        }
        sees(&mut ana, after);
    }
    // Sent ahead: what comes behind waits for what came before.
    ana.send(&[say::query("set search_path = other"), say::query(read)].concat());
    assert_eq!((ana.reply().shape(), ana.reply().shape()), ("C Z(I)".into(), "E(42501) Z(I)".into()));
    ana.send(&[say::query("reset search_path"), say::query(read)].concat());
    assert_eq!((ana.reply().shape(), ana.reply().rows().join("")), ("C Z(I)".into(), "lantern".into()));
    let run = crate::common::raw::extended;
    ana.send(&[run("set search_path = other"), run(read), say::sync()].concat());
    assert_eq!(ana.reply().error(b'C'), "42501");
    sees(&mut ana, "lantern");
    ana.send(&[run("set search_path = other"), say::sync(), run(read), say::sync()].concat());
    assert_eq!((ana.reply().shape(), ana.reply().error(b'C')), ("1 2 C Z(I)".into(), "42501".into()));
    // A statement that was prepared before means what it means when it is bound.
    ana.ask("reset search_path");
    ana.send(&[say::parse("s", read), say::sync()].concat());
    ana.reply();
    ana.ask("set search_path = other");
    ana.send(&[say::bind("", "s", &[], 0), say::execute("", 0), say::sync()].concat());
    assert_eq!(ana.reply().error(b'C'), "42501");
    // Another's path at the start is not known until it is set.
    let mut other = house.log_in_with(&[("user", "ana"), ("database", "shop"), ("search_path", "other")]);
    sees(&mut other, "42501");
    assert_eq!(other.ask("select item from public.orders where id = 1").rows(), ["lantern"]);
    assert_eq!(other.ask("set search_path = public").shape(), "C Z(I)");
    sees(&mut other, "lantern");
}

/// The target tells names apart by their first 63 bytes, whatever follows.
#[test]
fn names_that_the_target_would_cut_short_stand_for_nothing_else() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    let name = "a".repeat(63);
    let longer = |end: &str| format!("{name}{end}");
    // A harmless statement, dropped at the target under a name that only the target takes for the same.
    ana.send(&[say::parse(&name, READ), say::describe('S', &name), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "1 t T Z(I)");
    ana.send(&[say::close('S', &longer("x")), say::sync()].concat());
    ana.reply();
    ana.send(&[say::parse(&longer("y"), MAIL), say::sync()].concat());
    ana.reply();
    for statement in [name.clone(), longer("y"), longer("z")] {
        ana.send(&[say::bind("", &statement, &[], 0), say::execute("", 0), say::sync()].concat());
        let reply = ana.reply();
        assert!(!reply.text().contains("ada@"), "{statement}: {}", reply.text());
    }
    // The same with portals, and by SQL.
    ana.send(
        &[
            say::parse("item", READ),
            say::parse("mail", MAIL),
            say::bind(&name, "item", &[], 0),
            say::describe('P', &name),
            say::close('P', &longer("x")),
            say::bind(&longer("y"), "mail", &[], 0),
            say::execute(&name, 0),
            say::sync(),
        ]
        .concat(),
    );
    let reply = ana.reply();
    assert!(!reply.text().contains("ada@"), "{}", reply.text());
    ana.ask("deallocate all");
    ana.ask(&format!("prepare {name} as {READ}"));
    ana.ask(&format!("deallocate {}", longer("x")));
    ana.ask(&format!("prepare {} as {MAIL}", longer("y")));
    for sql in [format!("execute {name}"), format!("execute {}", longer("y"))] {
        let reply = ana.ask(&sql);
        assert!(!reply.text().contains("ada@"), "{sql}: {}", reply.text());
    }
    ana.send(&[say::bind("", &name, &[], 0), say::execute("", 0), say::sync()].concat());
    let reply = ana.reply();
    assert!(!reply.text().contains("ada@"), "{}", reply.text());
}

#[test]
fn definitions_that_change_past_the_gateway_keep_their_masks() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    hides(&ana.ask(MAIL));
    house.direct("create view seen as select id, email as harmless from users");
    hides(&ana.ask("select harmless from seen where id = 1"));
    hides(&ana.ask("select lower(harmless) from seen where id = 1"));
    house.direct("alter table users rename column email to mail");
    for sql in ["select mail from users where id = 1", "select upper(mail) from users where id = 1"] {
        let reply = ana.ask(sql);
        assert!(!reply.text().to_lowercase().contains("ada@"), "{sql}: {}", reply.text());
    }
    house.direct("alter table users rename to people");
    for sql in ["select mail from people where id = 1", "select p from people p where id = 1"] {
        let reply = ana.ask(sql);
        assert!(!reply.text().contains("ada@"), "{sql}: {}", reply.text());
    }
}

#[test]
fn what_comes_later_can_t_change_what_was_judged() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    // Arguments of EXECUTE and bound values are judged as if they stood in the text.
    let set = "select set_config($1, $2, false)";
    ana.send(&[say::parse("wire", set), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "1 Z(I)");
    assert_eq!(ana.ask("execute wire('role', 'pg_monitor')").error(b'C'), "42501");
    ana.send(&[say::bind("", "wire", &["role", "pg_monitor"], 0), say::execute("", 0), say::sync()].concat());
    assert_eq!(ana.reply().error(b'C'), "42501");
    assert_eq!(ana.ask(&format!("prepare sql(text, text) as {set}")).shape(), "C Z(I)");
    assert_eq!(ana.ask("execute sql('role', 'pg_monitor')").error(b'C'), "42501");
    // A cursor that returns binary values in the simple protocol.
    ana.ask("begin");
    assert_eq!(ana.ask(&format!("declare b binary cursor for {MAIL}")).shape(), "C Z(T)");
    hides(&ana.ask("fetch all from b"));
    ana.ask("rollback");
    // Settings and definitions that changed between PREPARE and a Bind of the same statement.
    assert_eq!(ana.ask(&format!("prepare mail as {MAIL}")).shape(), "C Z(I)");
    assert_eq!(ana.ask("set search_path = public, other").shape(), "C Z(I)");
    ana.send(&[say::bind("", "mail", &[], 0), say::execute("", 0), say::sync()].concat());
    hides(&ana.reply());
    hides(&ana.ask("execute mail"));
    // A portal that was bound under a policy that has since been tightened.
    ana.ask("begin");
    ana.send(&[say::parse("item", READ), say::bind("p", "item", &[], 0), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "1 2 Z(T)");
    let tighter = format!(
        "{}\ndeny \"tests: closed\" {{ on postgres do select on \"public.orders\" }}",
        crate::house::POLICY
    );
    house.police(&tighter);
    ana.send(&[say::execute("p", 0), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "E(42501) Z(E)");
    // What an open transaction makes is known to it; what may be another's new name is not, and may have triggers.
    ana.ask("rollback");
    house.police(&format!(
        "{}\nallow \"tests: tables\" {{ on postgres do create, insert on \"public.fresh\" }}",
        crate::house::POLICY.replace("do    create, alter on", "do    alter on")
    ));
    assert_eq!(ana.ask("begin").shape(), "C Z(T)");
    assert_eq!(ana.ask("create table fresh (n int)").shape(), "C Z(T)");
    assert_eq!(ana.ask("insert into fresh values (1)").shape(), "C Z(T)");
    assert_eq!(ana.ask("create table fresh (n int) inherits (orders)").shape(), "E(42501) Z(E)");
    assert_eq!(ana.ask("rollback").shape(), "C Z(I)");
    house.police(
        "policy \"tables\" default deny use \"postgres/basics\" allow \"tests: tables\" { on postgres \
         do create, alter, insert on \"public.fresh\", \"public.aside\" }",
    );
    assert_eq!(ana.ask("create table fresh (n int)").shape(), "C Z(I)");
    assert_eq!(
        ana.ask("insert into fresh values (1)").shape(),
        "C Z(I)",
        "once it is there for all, it is known"
    );
    assert_eq!(ana.ask("begin").shape(), "C Z(T)");
    assert_eq!(ana.ask("alter table fresh rename to aside").shape(), "C Z(T)");
    assert_eq!(ana.ask("insert into public.aside values (1)").shape(), "E(42501) Z(E)");
    assert_eq!(ana.ask("rollback").shape(), "C Z(I)");
}

/// A command that is being decided on while what came before it fails: the target reads on to the next Sync.
#[test]
fn a_failure_ahead_of_a_command_that_is_decided_on_takes_it_along() {
    let house = House::new();
    let run = crate::common::raw::extended;
    for behind in [READ, "select item from other.orders", "execute gone"] {
        let mut ana = house.log_in("ana");
        ana.ask("begin");
        // Whatever is behind it has to wait for what becomes of the search path.
        ana.send(
            &[
                run("set search_path = public"),
                run("rollback to nowhere"),
                say::sync(),
                run(behind),
                say::sync(),
            ]
            .concat(),
        );
        assert_eq!(ana.reply().shape(), "1 2 C 1 2 E(3B001) Z(E)", "{behind}");
        assert!(ana.reply().shape().ends_with("Z(E)"), "{behind}");
        ana.ask("rollback");
        ana.ask("begin");
        ana.send(
            &[run("rollback to nowhere"), say::parse("", "execute gone"), run(behind), say::sync()].concat(),
        );
        assert!(ana.reply().shape().ends_with("E(3B001) Z(E)"), "{behind}");
        assert_eq!(ana.ask("rollback").shape(), "C Z(I)");
        assert_eq!(ana.ask(READ).rows(), ["lantern"]);
    }
}

/// Names that SQL makes count as those of the wire do.
#[test]
fn names_made_by_sql_are_bounded() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    let most = portcullis_postgres::command::names::MOST;
    let mut refused = 0;
    for batch in 0..=(most / 500) {
        let all: Vec<String> = (0..500).map(|n| format!("prepare p{batch}_{n} as select 1")).collect();
        refused += usize::from(!ana.ask(&all.join(";")).error(b'C').is_empty());
    }
    assert!(refused > 0, "{most} names and more");
    // What is given back may be used again.
    assert_eq!(ana.ask("discard all").shape(), "C Z(I)");
    assert_eq!(ana.ask("prepare p as select 1").shape(), "C Z(I)");
}

/// What names stand for is bounded in bytes, whoever makes them.
#[test]
fn what_names_stand_for_is_bounded_in_bytes() {
    let house = House::new();
    let long = format!("select 1 /* {} */", "x".repeat(900_000));
    let value = "x".repeat(900_000);
    let by_wire = |name: &str| [say::parse(name, &long), say::sync()].concat();
    let by_sql = |name: &str| say::query(&format!("prepare {name} as {long}"));
    let by_bind = |name: &str| [say::bind(name, "keeps", &[&value], 0), say::sync()].concat();
    let by_cursor = |name: &str| say::query(&format!("declare {name} cursor for {long}"));
    type Make<'a> = &'a dyn Fn(&str) -> Vec<u8>;
    for (make, is_portal) in
        [(&by_wire as Make<'_>, false), (&by_sql, false), (&by_bind, true), (&by_cursor, true)]
    {
        let mut ana = house.log_in("ana");
        ana.send(&[say::parse("keeps", "select $1::text"), say::sync()].concat());
        assert_eq!(ana.reply().shape(), "1 Z(I)");
        ana.ask("begin");
        let mut made = 0;
        let refused = loop {
            ana.send(&make(&format!("n{made}")));
            let reply = ana.reply();
            if !reply.error(b'C').is_empty() {
                break reply;
            }
            made += 1;
            assert!(made < 20, "without end");
        };
        assert_eq!(refused.error(b'C'), "54000", "{}", refused.text());
        assert!(made >= 5, "{made} are too few");
        // What is given back may be used again: portals end with their transaction.
        ana.ask("rollback");
        if !is_portal {
            assert_eq!(ana.ask("deallocate n0").shape(), "C Z(I)");
        }
        ana.ask("begin");
        ana.send(&make("again"));
        let again = ana.reply();
        assert_eq!(again.error(b'C'), "", "{}", again.text());
    }
    // The unnamed statement is one, however often it is replaced.
    let mut ana = house.log_in("ana");
    for _ in 0..20 {
        ana.send(&by_wire(""));
        assert_eq!(ana.reply().shape(), "1 Z(I)");
    }
}
