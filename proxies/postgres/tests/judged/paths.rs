//! The search path decides which relation a name means: what the gateway believes must be what the target does,
//! whichever way it is changed.

use crate::house::{House, Person, say};

const READ: &str = "select item from orders where id = 1";

/// What `orders` must never be read as: nobody may read that schema.
fn reads_only_public(ana: &mut Person, how: &str) {
    let reply = ana.ask(READ);
    assert!(!reply.text().contains("secret"), "{how}: {}", reply.text());
}

/// A call that may not have run, ran earlier, or ran with other arguments than it seems.
#[test]
fn a_path_that_is_set_by_a_call_is_known_only_where_the_call_surely_ran() {
    let house = House::new();
    for script in [
        // Calls that never run.
        &["set search_path = other", "select set_config('search_path', 'public', false) where false"][..],
        &["set search_path = other", "select set_config('search_path', 'public', false) limit 0"],
        &[
            "set search_path = other",
            "select case when false then set_config('search_path', 'public', false) end",
        ],
        &[
            "set search_path = other",
            "select 1 from orders where false and set_config('search_path', 'public', false) = ''",
        ],
        &["set search_path = other", "select coalesce('x', set_config('search_path', 'public', false))"],
        &["set search_path = other", "explain select set_config('search_path', 'public', false)"],
        &["set search_path = other", "prepare s as select set_config('search_path', 'public', false)"],
        &[
            "begin",
            "set search_path = other",
            "declare c cursor for select set_config('search_path', 'public', false)",
        ],
        &[
            "set search_path = other",
            "with q as (select set_config('search_path', 'public', false)) select 1",
        ],
        &[
            "set search_path = other",
            "select set_config('search_path', 'public', false) from pg_class where false",
        ],
        &["set search_path = other", "select set_config('search_path', 'public', false) offset 1"],
        &[
            "set search_path = other",
            "copy (select set_config('search_path', 'public', false) where false) to stdout",
        ],
        // Which of several runs last.
        &[
            "select set_config('search_path', 'public', false) union all select set_config('search_path', 'other', false) union all select set_config('search_path', 'public', false) where false",
        ],
        &[
            "select set_config('search_path', 'other', false), set_config('search_path', 'public', false) where false",
        ],
        // Calls that run later than they are read.
        &[
            "begin",
            "declare c cursor for select set_config('search_path', 'other', false)",
            "set search_path = public",
            "fetch c",
        ],
        &[
            "begin",
            "declare c cursor for select set_config('search_path', 'other', false)",
            "set search_path = public",
            "move c",
        ],
        &[
            "begin",
            "declare c cursor with hold for select set_config('search_path', 'other', false)",
            "set search_path = public",
            "commit",
        ],
        // For good or for this transaction: arguments that the server reads in more ways than one.
        &["select set_config('search_path', 'other', 'fal')"],
        &["select set_config('search_path', 'other', 0::bool)"],
        &["select set_config('search_path', 'other', 1 = 0)"],
        &["select set_config('search_path', 'other', null)"],
        &["select set_config('search_path', 'other', 'FALSE')"],
        &["select set_config('search_path', 'other', ' f ')"],
        &["select set_config(setting_name => 'search_path', new_value => 'other', is_local => false)"],
        &["select set_config(is_local => false, new_value => 'other', setting_name => 'search_path')"],
        &["select set_config(new_value => 'other', setting_name => 'search_path', is_local => false)"],
        &["select set_config('SEARCH_PATH', 'OTHER', false)"],
        &["select set_config('search_path', '\"other\"', false)"],
        &["select set_config('search_path', ' other , public', false)"],
        &["select set_config('search' || '_path', 'other', false)"],
        &["select * from set_config('search_path', 'other', false)"],
        &["select pg_catalog.set_config('search_path', 'other', false)"],
        &["insert into ledger2 select set_config('search_path', 'other', false)"],
    ] {
        let mut ana = house.log_in("ana");
        for sql in script {
            ana.ask(sql);
        }
        reads_only_public(&mut ana, &format!("{script:?}"));
        ana.ask("commit");
        reads_only_public(&mut ana, &format!("{script:?}; commit"));
        ana.ask("rollback");
        reads_only_public(&mut ana, &format!("{script:?}; rollback"));
    }
    // pg_dump and others set it that way, and go on by qualified names or what they set.
    let mut ana = house.log_in("ana");
    assert_eq!(ana.ask("select pg_catalog.set_config('search_path', 'public', false)").rows(), ["public"]);
    assert_eq!(ana.ask(READ).rows(), ["lantern"]);
}

/// What runs behind a name in the middle of a text changes what the rest of the text means.
#[test]
fn what_a_name_runs_changes_what_the_rest_of_the_text_means() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    ana.ask("prepare s as select set_config('search_path', 'other', false)");
    for text in [
        format!("execute s; {READ}"),
        format!("explain analyze execute s; {READ}"),
        format!(
            "begin; declare c cursor for select set_config('search_path', 'other', false); set search_path = public; fetch c; {READ}"
        ),
        format!("select set_config('search_path', 'other', false); {READ}"),
        format!(
            "set search_path = other; select set_config('search_path', 'public', false) where false; {READ}"
        ),
        format!("set search_path = other; explain select set_config('search_path', 'public', false); {READ}"),
    ] {
        let reply = ana.ask(&text);
        assert!(!reply.text().contains("secret"), "{text}: {}", reply.text());
        ana.ask("rollback");
        ana.ask("set search_path = public");
    }
}

/// An execution that stops at its row limit has run, though its command is not complete.
#[test]
fn what_a_suspended_portal_has_changed_counts() {
    let house = House::new();
    for (sql, most) in [
        ("select set_config('search_path', 'other', false)", 1),
        ("select set_config('search_path', 'other', false) from numbers", 1),
        ("select set_config('search_path', x, false) from unnest(array['other', 'public']) x", 1),
    ] {
        let mut ana = house.log_in("ana");
        ana.send(
            &[say::parse("", sql), say::bind("", "", &[], 0), say::execute("", most), say::sync()].concat(),
        );
        let reply = ana.reply();
        assert!(reply.shape().contains('s'), "{sql}: {}", reply.shape());
        reads_only_public(&mut ana, sql);
        // In a pipeline, too.
        ana.ask("set search_path = public");
        let run = crate::common::raw::extended;
        let begun = [say::parse("p", sql), say::bind("p", "p", &[], 0), say::execute("p", most)].concat();
        ana.send(&[begun, run(READ), say::sync()].concat());
        let reply = ana.reply();
        assert!(!reply.text().contains("secret"), "{sql}: {}", reply.text());
        reads_only_public(&mut ana, sql);
    }
}

/// `pg_settings` is a view whose rule calls `set_config`.
#[test]
fn settings_are_not_changed_by_an_update_of_their_view() {
    let house = House::new();
    house.police(&format!(
        "{}\nallow \"tests: updates\" {{ on postgres do update, insert, delete on \"pg_catalog.*\" }}",
        crate::house::POLICY
    ));
    for sql in [
        "update pg_settings set setting = 'other' where name = 'search_path'",
        "with u as (update pg_catalog.pg_settings set setting = 'other' where name = 'search_path' returning 1) select 1",
        "merge into pg_settings using (select 1) x on name = 'search_path' when matched then update set setting = 'other'",
    ] {
        let mut ana = house.log_in("ana");
        ana.ask(sql);
        reads_only_public(&mut ana, sql);
    }
    let mut ana = house.log_in("ana");
    ana.ask("update pg_settings set setting = 'pg_monitor' where name = 'role'");
    assert_ne!(ana.ask("show role").rows(), ["pg_monitor"]);
}

/// A utility statement is analysed when it runs, not when it is bound.
#[test]
fn a_portal_runs_in_the_world_of_its_execution() {
    let house = House::new();
    house.direct("create table other.numbers (n int); insert into other.numbers values (424242)");
    let sql = "copy numbers to stdout";
    let mut ana = house.log_in("ana");
    ana.ask("begin");
    ana.send(&[say::parse("s", sql), say::bind("p", "s", &[], 0), say::sync()].concat());
    assert_eq!(ana.reply().shape(), "1 2 Z(T)");
    ana.ask("set search_path = other");
    ana.send(&[say::execute("p", 0), say::sync()].concat());
    let reply = ana.reply();
    assert!(!reply.text().contains("424242"), "{}", reply.text());
    ana.ask("rollback");
    // The same in one pipeline.
    let mut ana = house.log_in("ana");
    let run = crate::common::raw::extended;
    let bound = [say::parse("s", sql), say::bind("p", "s", &[], 0)].concat();
    ana.send(&[bound, run("set search_path = other"), say::execute("p", 0), say::sync()].concat());
    let reply = ana.reply();
    assert!(!reply.text().contains("424242"), "{}", reply.text());
    // What FETCH and EXECUTE stand for when they run.
    for (before, sql, change) in [
        (
            "declare c cursor for select item from orders",
            "fetch all from c",
            &["close c", "declare c cursor for select email from users"][..],
        ),
        (
            "prepare x as select item from orders where id = 1",
            "execute x",
            &["deallocate x", "prepare x as select email from users where id = 1"],
        ),
    ] {
        for is_described in [false, true] {
            let mut ana = house.log_in("ana");
            ana.ask("begin");
            ana.ask(before);
            let described = if is_described { say::describe('P', "p") } else { Vec::new() };
            ana.send(&[say::parse("s", sql), say::bind("p", "s", &[], 0), described, say::sync()].concat());
            let reply = ana.reply();
            assert_eq!(reply.error(b'C'), "", "{sql}: {}", reply.text());
            for change in change {
                assert_eq!(ana.ask(change).error(b'C'), "", "{change}");
            }
            ana.send(&[say::execute("p", 0), say::sync()].concat());
            let reply = ana.reply();
            assert!(!reply.text().contains("ada@"), "{sql}, {is_described}: {}", reply.text());
        }
    }
}

/// A walk through settings, transactions and savepoints by a generator: wherever it leads, the gateway never
/// takes one schema for the other.
#[test]
fn no_walk_through_settings_and_transactions_leads_to_another_schema() {
    let house = House::new();
    const STEPS: &[&str] = &[
        "set search_path = other",
        "set search_path = public",
        "set local search_path = other",
        "set local search_path = public",
        "reset search_path",
        "begin",
        "begin",
        "commit",
        "rollback",
        "commit and chain",
        "rollback and chain",
        "savepoint a",
        "savepoint b",
        "savepoint \"A\"",
        "rollback to a",
        "rollback to b",
        "release a",
        "release b",
        "select 1/0",
        "select nothing",
        "select set_config('search_path', 'other', false)",
        "select set_config('search_path', 'public', true)",
        "discard all",
        "reset all",
        "prepare s as select set_config('search_path', 'other', false)",
        "execute s",
        "deallocate all",
        "drop table orders",
        "set search_path = other; select 1/0",
        "begin; set search_path = other; savepoint a",
        "set search_path = other; rollback",
        "set local search_path = public; commit",
        "set session characteristics as transaction read only",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % 1_000_003).unwrap() % below
    };
    for _ in 0..12 {
        let mut ana = house.log_in("ana");
        let mut walk: Vec<String> = Vec::new();
        for _ in 0..30 {
            let step = STEPS[next(STEPS.len())];
            walk.push(step.to_owned());
            println!("{step}");
            // Some are sent ahead, some in the extended protocol, some are awaited.
            let (bytes, replies) = match next(4) {
                0 => ([say::query(step), say::query(READ)].concat(), 2),
                1 if !step.contains(';') => (
                    [crate::common::raw::extended(step), crate::common::raw::extended(READ), say::sync()]
                        .concat(),
                    1,
                ),
                2 if !step.contains(';') => (
                    [
                        crate::common::raw::extended(step),
                        say::sync(),
                        crate::common::raw::extended(READ),
                        say::sync(),
                    ]
                    .concat(),
                    2,
                ),
                _ => (say::query(&format!("{step}; {READ}")), 1),
            };
            ana.send(&bytes);
            for _ in 0..replies {
                let reply = ana.reply();
                assert!(!reply.text().contains("secret"), "{walk:#?}: {}", reply.text());
            }
            reads_only_public(&mut ana, &format!("{walk:#?}"));
        }
    }
}
