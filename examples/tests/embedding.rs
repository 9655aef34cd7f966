//! The embedding example, run as its reader would run it, against a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test states what it expects by failing"
)]

use std::process::Command;

use portcullis_testkit::{Database, Postgres};

/// Runs the service on one statement: what it prints, or what it refuses with.
fn ask(database: &Database, statement: &str) -> Result<String, String> {
    let address = format!(
        "host=127.0.0.1 port={} user={} password={} dbname={}",
        database.server.port,
        Postgres::SUPERUSER,
        database.server.password,
        database.name
    );
    let output = Command::new(env!("CARGO_BIN_EXE_embedding")).args([&address, statement]).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[tokio::test]
async fn sql_is_judged_before_it_runs_and_its_rows_are_masked() {
    let database = Database::create().await;
    let direct = database.direct().await;
    direct.batch_execute(include_str!("../shop/shop.sql")).await.unwrap();
    direct
        .batch_execute("UPDATE orders SET item = 'paid with 4111 1111 1111 1111' WHERE id = 2")
        .await
        .unwrap();

    // By column, whatever the statement calls it or makes of it.
    let shown = "select u.name, upper(u.email) as harmless from users u where u.id = 1 limit 1";
    assert_eq!(ask(&database, shown), Ok("Ada Example | [redacted]\n".to_owned()));
    let both = "select u.ssn as name, coalesce(o.item, u.email) from users u, orders o limit 1";
    assert_eq!(ask(&database, both), Ok("[redacted] | [redacted]\n".to_owned()));
    // By value, where no column says so.
    let text = "select id, item, amount, null from orders where id in (1, 2) order by id";
    assert_eq!(
        ask(&database, text),
        Ok("1 | lantern | 39.90 | NULL\n2 | paid with ***************1111 | 12.00 | NULL\n".to_owned())
    );

    for (statement, why) in [
        ("select name from users", "everybody at once"),
        ("select name from users limit 101", "limit > 100"),
        ("select name from users union all select ssn from users", "everybody at once"),
        ("select id from users where ssn like '5%' limit 1", "personal data"),
        ("select * from users where id = 1 limit 1", "refused"),
        ("select address from contacts", "not permitted"),
        ("with d as (delete from orders returning id) select id from d", "delete"),
        ("select 1; drop table orders", "one statement"),
    ] {
        let refused = ask(&database, statement).unwrap_err();
        assert!(refused.contains(why), "{statement}: {refused}");
    }
    let left: i64 = direct.query_one("SELECT count(*) FROM orders", &[]).await.unwrap().get(0);
    assert_eq!(left, 4);
}

#[test]
fn it_takes_less_than_sixty_lines_of_code() {
    let code = include_str!("../embedding/main.rs").lines().map(str::trim);
    let count = code.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
    assert!(count < 60, "{count}");
}
