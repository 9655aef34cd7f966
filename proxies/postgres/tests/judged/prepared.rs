//! PREPARE is judged with its parameters pending, EXECUTE with the values that it gives.

use crate::house::{House, say};

const SET: &str = "select set_config($1, $2, false)";

#[test]
fn what_depends_on_values_is_decided_when_they_are_known() {
    let house = House::new();
    let mut ana = house.log_in("ana");
    assert_eq!(ana.ask(&format!("prepare s(text, text) as {SET}")).shape(), "C Z(I)");
    assert_eq!(ana.ask("execute s('search_path', 'public, other')").rows(), ["public, other"]);
    assert_eq!(ana.ask("execute s('role', 'pg_monitor')").error(b'C'), "42501");
    assert_eq!(ana.ask("execute s('ro' || 'le', 'pg_monitor')").error(b'C'), "42501", "no literal");
    assert_eq!(ana.ask("execute s(null, null)").error(b'C'), "42501");
    // What it sets is followed.
    assert_eq!(ana.ask("execute s('search_path', 'other')").rows(), ["other"]);
    assert_eq!(ana.ask("select item from orders").error(b'C'), "42501");
    assert_eq!(ana.ask("execute s('search_path', 'public')").rows(), ["public"]);
    assert_eq!(ana.ask("select item from orders where id = 1").rows(), ["lantern"]);
    // Bound in the extended protocol, the same statement is judged the same.
    for (name, shape) in [("search_path", "2 D C Z(I)"), ("role", "E(42501) Z(I)")] {
        ana.send(&[say::bind("", "s", &[name, "public"], 0), say::execute("", 0), say::sync()].concat());
        assert_eq!(ana.reply().shape(), shape, "{name}");
    }
    // A type that changes the text on its way in: the target would take the blanks off.
    assert_eq!(ana.ask(&format!("prepare c(char, text) as {SET}")).shape(), "C Z(I)");
    assert_eq!(ana.ask("execute c('search_path', 'public')").error(b'C'), "42501");
    // Everything that does not depend on values is enforced at once, and a hold waits for the execution.
    assert_eq!(ana.ask("prepare d as delete from orders").error(b'C'), "42501");
    assert_eq!(ana.ask("prepare e(int) as delete from orders where id = $1").shape(), "C Z(I)");
    assert_eq!(ana.ask("execute e(3)").shape(), "C Z(I)");
    assert_eq!(house.direct("select count(*) from orders"), "3");
    // Together with another statement it is no mere preparation.
    assert_eq!(ana.ask(&format!("prepare t(text, text) as {SET}; select 1")).error(b'C'), "42501");
}

/// Without a declared type the target takes one from the first place where a parameter stands, and what is written there may
/// cut its value short everywhere else.
#[test]
fn a_parameter_that_stands_twice_is_not_taken_at_its_word() {
    let house = House::new();
    house.police(&format!(
        "{}\nallow \"tests: a role\" {{ on postgres do set_role on \"pg_monitor\" }}",
        crate::house::POLICY
    ));
    let mut ana = house.log_in("ana");
    // So it is: the target sets one letter.
    let both = "select $1::\"char\", set_config('application_name', $1, false)";
    let ask = |sql: &str, values: &[&str]| {
        [say::parse("", sql), say::bind("", "", values, 0), say::execute("", 0), say::sync()].concat()
    };
    ana.send(&ask(both, &["apple"]));
    assert_eq!(ana.reply().rows(), ["a|a"]);
    for (sql, is_known) in [
        ("select set_config($1, $2, false)", true),
        ("select set_config($1, $2::text, false)", true),
        ("select $2::name, set_config($1, $2, false)", false),
        ("select $2::\"char\", set_config($1, $2, false)", false),
        ("select set_config($1, $2::name, false)", false),
    ] {
        ana.send(&ask(sql, &["role", "pg_monitor"]));
        let reply = ana.reply();
        assert_eq!(reply.error(b'C').is_empty(), is_known, "{sql}: {}", reply.text());
        ana.ask("reset role");
    }
    // The same by PREPARE, whose list of types may be shorter than its parameters.
    for (name, sql, code) in [
        ("twice", "prepare twice as select $2::name, set_config($1, $2, false)", "42501"),
        ("short", "prepare short(text) as select $2::name, set_config($1, $2, false)", "42501"),
        ("typed", "prepare typed(text, text) as select $2, set_config($1, $2, false)", ""),
    ] {
        assert_eq!(ana.ask(sql).error(b'C'), "", "{sql}");
        assert_eq!(ana.ask(&format!("execute {name}('role', 'pg_monitor')")).error(b'C'), code, "{sql}");
    }
}
