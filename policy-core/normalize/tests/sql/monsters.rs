//! Texts that mean to overflow a stack, eat all memory or take forever. Each is refused or normalised, soon.

use std::time::{Duration, Instant};

use policy_normalize::sql::{Environment, Grammar, NoCatalogue, Postgres, Rejected};
use proptest::prelude::*;

/// A megabyte of one thing after another, or as deep as the limits allow.
fn monsters(size: usize) -> Vec<(&'static str, String)> {
    let times = |unit: &str| size / unit.len();
    let nested = |open: &str, middle: &str, close: &str, depth: usize| {
        format!("SELECT {}{middle}{}", open.repeat(depth), close.repeat(depth))
    };
    let mut monsters = vec![
        ("sum", format!("SELECT 1{}", "+1".repeat(times("+1")))),
        ("or", format!("SELECT 1 WHERE a{}", " OR a".repeat(times(" OR a")))),
        ("and of not", format!("SELECT 1 WHERE a{}", " AND NOT a".repeat(times(" AND NOT a")))),
        ("not", format!("SELECT {} a", "NOT ".repeat(times("NOT ")))),
        ("minus", format!("SELECT {}1", "- ".repeat(times("- ")))),
        ("casts", format!("SELECT 1{}", "::int".repeat(times("::int")))),
        ("concatenation", format!("SELECT a{} FROM t", "||a".repeat(times("||a")))),
        ("unions", format!("SELECT 1{}", " UNION SELECT 1".repeat(times(" UNION SELECT 1")))),
        ("joins", format!("SELECT 1 FROM a{}", " NATURAL JOIN a".repeat(times(" NATURAL JOIN a")))),
        ("cross joins", format!("SELECT * FROM a{}", ", a".repeat(times(", a")))),
        ("values", format!("VALUES (1){}", ",(1)".repeat(times(",(1)")))),
        ("in list", format!("SELECT 1 WHERE a IN (1{})", ",1".repeat(times(",1")))),
        ("columns", format!("SELECT a{} FROM t", ",a".repeat(times(",a")))),
        ("distinct columns", format!("SELECT concat(a{}) FROM t", numbered(",a", size))),
        ("many tables", format!("SELECT x{} FROM a{}", numbered(",x", size / 2), numbered(",t", size / 2))),
        ("statements", ";SELECT 1".repeat(times(";SELECT 1"))),
        ("semicolons", ";".repeat(size)),
        ("subscripts", format!("SELECT a{} FROM t", "[1]".repeat(times("[1]")))),
        ("fields", format!("SELECT (a){} FROM t", ".b".repeat(times(".b")))),
        ("collations", format!("SELECT a{}", " COLLATE b".repeat(times(" COLLATE b")))),
        ("is null", format!("SELECT a{}", " IS NULL".repeat(times(" IS NULL")))),
        ("cases", format!("SELECT {}1{}", "CASE WHEN a THEN ".repeat(size / 30), " END".repeat(size / 30))),
        ("prefixed cases", format!("SELECT {}1", "- CASE WHEN a THEN ".repeat(size / 30))),
        (
            "ctes",
            format!(
                "WITH a AS (SELECT 1){} SELECT 1",
                ", a AS (SELECT 1)".repeat(times(", a AS (SELECT 1)"))
            ),
        ),
        ("comments", "/*".repeat(times("/*"))),
        ("open quote", format!("SELECT '{}", "''".repeat(times("''")))),
        ("a long literal", format!("SELECT '{}'", "x".repeat(size))),
        ("dollars", "$a$".repeat(times("$a$")) + "x"),
        (
            "assignments",
            format!("UPDATE t SET ({}b) = (SELECT {}1)", "a,".repeat(size / 8), "1,".repeat(size / 8)),
        ),
        (
            "nested assignments",
            format!(
                "{}SELECT 1{}",
                "WITH a AS (UPDATE t SET (a, b, c) = (".repeat(size / 50),
                ") RETURNING 1) SELECT 1".repeat(size / 50)
            ),
        ),
    ];
    for depth in [40, 100, 200, 400, size / 10] {
        monsters.push(("brackets", nested("(", "1", ")", depth)));
        monsters.push(("calls", nested("f(", "a", ")", depth)));
        monsters.push(("sub-queries", nested("(SELECT ", "1", ")", depth)));
        monsters.push(("arrays", nested("ARRAY[", "1", "]", depth)));
        monsters.push(("from", nested("* FROM (SELECT ", "1", ") a", depth)));
        monsters.push(("exists", nested("1 WHERE EXISTS (SELECT ", "1", ")", depth)));
        let recursive = "(WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM r, ";
        monsters.push(("recursion", nested(recursive, "t", ") SELECT * FROM r)", depth)));
        monsters.push(("with", nested("(WITH a AS (SELECT ", "1", ") SELECT * FROM a)", depth)));
        monsters.push(("chain", format!("SELECT 1{}", "+1".repeat(depth))));
        monsters.push(("unions", format!("SELECT 1{}", " UNION SELECT 1".repeat(depth))));
        monsters.push(("joins", format!("SELECT * FROM a{}", " JOIN a USING (b)".repeat(depth))));
        monsters.push(("nots", format!("SELECT {}a", "NOT ".repeat(depth))));
    }
    monsters
}

fn numbered(prefix: &str, size: usize) -> String {
    (0..size / (prefix.len() + 5)).map(|number| format!("{prefix}{number}")).collect()
}

/// Runs on a thread with the default stack of 2 MiB, as a careless embedder would.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn no_text_overflows_a_stack_or_takes_long() {
    on_a_small_stack(|| {
        let environment = Environment::new(["public"], &NoCatalogue);
        for (name, text) in monsters(1_000_000) {
            let begun = Instant::now();
            let result = Postgres::new().parse(&text, &environment);
            // Debug builds on a busy machine; without the caps these take minutes or the process.
            assert!(begun.elapsed() < Duration::from_secs(20), "{name} took {:?}", begun.elapsed());
            if let Ok(statements) = result {
                assert!(statements.iter().all(|statement| !statement.actions.is_empty()), "{name}");
            }
        }
    });
}

#[test]
fn each_limit_is_named() {
    let environment = Environment::new(["public"], &NoCatalogue);
    let parse = |text: &str| Postgres::new().parse(text, &environment);
    assert!(matches!(parse(&" ".repeat((1 << 20) + 1)), Err(Rejected::TooLong { .. })));
    assert!(matches!(parse(&"a,".repeat(150_000)), Err(Rejected::TooManyTokens { .. })));
    assert!(matches!(parse(&"(".repeat(600)), Err(Rejected::TooDeep { .. })));
    assert!(matches!(parse("SELEC 1"), Err(Rejected::Syntax { .. })));
    assert!(matches!(parse("SELECT 'a\0b'"), Err(Rejected::Syntax { .. })));
}

#[test]
fn what_people_write_is_within_the_limits() {
    let environment = Environment::new(["public"], &NoCatalogue);
    let wide = format!("SELECT 1 FROM t WHERE a = 1{}", " OR (a = 1 AND b = 2)".repeat(2_000));
    let list = format!("SELECT 1 FROM t WHERE a IN (1{})", ", 1".repeat(20_000));
    let rows = format!("INSERT INTO t VALUES (1, 'a'){}", ", (1, 'a')".repeat(20_000));
    let deep = format!("SELECT {}1{}", "coalesce(".repeat(100), ")".repeat(100));
    let chain = format!("SELECT a{} FROM t", " || a".repeat(150));
    let unions = format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(300));
    for text in [wide, list, rows, deep, chain, unions] {
        let parsed = Postgres::new().parse(&text, &environment);
        assert!(parsed.is_ok(), "{:?}: {}…", parsed.err(), &text[..60]);
    }
}

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "INSERT INTO",
    "UPDATE",
    "DELETE",
    "SET",
    "VALUES",
    "WITH",
    "AS",
    "RECURSIVE",
    "JOIN",
    "ON",
    "USING",
    "NATURAL",
    "UNION",
    "ALL",
    "EXCEPT",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "RETURNING",
    "MERGE INTO",
    "WHEN",
    "MATCHED",
    "THEN",
    "CASE",
    "END",
    "ELSE",
    "NOT",
    "AND",
    "OR",
    "IN",
    "EXISTS",
    "BETWEEN",
    "IS NULL",
    "CREATE",
    "TABLE",
    "VIEW",
    "FUNCTION",
    "DROP",
    "ALTER",
    "COPY",
    "TO",
    "STDOUT",
    "STDIN",
    "PROGRAM",
    "EXPLAIN",
    "ANALYZE",
    "PREPARE",
    "EXECUTE",
    "DECLARE",
    "CURSOR",
    "FOR",
    "FETCH",
    "GRANT",
    "DO",
    "CALL",
    "BEGIN",
    "COMMIT",
    "LATERAL",
    "ONLY",
    "OVER",
    "PARTITION BY",
    "FILTER",
    "ARRAY",
    "ROW",
    "users",
    "u",
    "email",
    "ssn",
    "public",
    "t",
    "*",
    "(",
    ")",
    "(",
    ")",
    ",",
    ".",
    ";",
    "=",
    "+",
    "||",
    "::",
    "int",
    "1",
    "'x'",
    "$1",
    "$$y$$",
    "\"Q\"",
    "E'\\''",
    "U&\"x\"",
    "[",
    "]",
    "nextval",
    "--\n",
    "/*",
    "*/",
    "'",
    "\"",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    /// Soup of tokens: nothing panics, and whatever is accepted has actions.
    #[test]
    fn token_soup(words in prop::collection::vec(prop::sample::select(WORDS), 0..24)) {
        let text = words.join(" ");
        let environment = Environment::new(["public"], &NoCatalogue);
        if let Ok(statements) = Postgres::new().parse(&text, &environment) {
            prop_assert!(!statements.is_empty());
            for statement in statements {
                prop_assert!(!statement.actions.is_empty());
                prop_assert!(text.get(statement.span.clone()).is_some());
            }
        }
    }

    /// Any text at all.
    #[test]
    fn any_text(text in "\\PC{0,60}") {
        let _ = Postgres::new().parse(&text, &Environment::unknown());
    }
}
