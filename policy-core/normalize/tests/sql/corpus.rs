//! The pure-Rust grammar against PostgreSQL's: it may be unknown, it never finds less.

use policy_core::{Action, Resource, Value, Verb};
use policy_normalize::sql::{Environment, Grammar, Postgres, Sqlparser, Statement, redact_literals};
use proptest::prelude::*;

use crate::shop::{Shop, show_action};

/// Statements that `sqlparser` accepts and misreads, or once did.
const TRAPS: &[&str] = &[
    "SELECT * FROM ONLY users",
    "SELECT * FROM ONLY (users)",
    "COPY users FROM STDIN; DROP TABLE users; SELECT 1",
    "SELECT 1 UNION ALL TABLE users",
    "CREATE TABLE x AS TABLE users",
    "COPY users TO STDOUT",
    "VACUUM users",
    "GRANT SELECT ON users TO bob",
    "SELECT U&\"ssn\" FROM users",
    "SELECT U&'a' FROM users",
    "SELECT * FROM users WHERE a = 'x\\'; DELETE FROM users; --'",
    "SELECT 'a' -- '\n, ssn FROM users",
    "SELECT /* /* */ 1 -- */ , ssn FROM users */ 2",
    "SELECT $$ ' $$, ssn FROM users -- '",
    "WITH x AS (DELETE FROM users RETURNING *) SELECT 1",
    "SELECT ssn INTO t FROM users",
    "SELECT u.leak FROM users u",
    "INSERT INTO log (id) VALUES (1)",
    "INSERT INTO ruled VALUES (1)",
    "SELECT 'x'::code, code 'x', CAST('x' AS code)",
    "SELECT 1 OPERATOR(app.+) 2",
    "DELETE FROM users USING cards",
    "UPDATE users SET org = leak()",
    "SELECT \"a\"\"b\" FROM \"users\"",
    "SELECT * FROM users FOR UPDATE",
    "SELECT * FROM leak()",
    "SELECT * FROM users, (SELECT pan FROM cards) c WHERE EXISTS (SELECT 1 FROM app.items)",
    "SELECT nextval('users_id_seq')",
    "EXPLAIN ANALYZE DELETE FROM users",
    "SELECT (SELECT max(id) FROM cards)",
    "SELECT * FROM users ORDER BY (SELECT title FROM app.items LIMIT 1)",
    "SELECT count(*) FILTER (WHERE id IN (SELECT id FROM cards)) OVER (PARTITION BY (SELECT 1 FROM app.items)) FROM users",
    "SELECT id FROM users LIMIT (SELECT max(id) FROM cards) OFFSET (SELECT 1 FROM app.items)",
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM cards) THEN 1 ELSE (SELECT 2 FROM app.items) END",
    "INSERT INTO app.items (id) SELECT id FROM users RETURNING (SELECT pan FROM cards LIMIT 1)",
    "UPDATE app.items SET title = (SELECT pan FROM cards LIMIT 1) FROM users WHERE users.id = items.id RETURNING 1",
    "DELETE FROM app.items USING users u WHERE u.id = (SELECT user_id FROM cards LIMIT 1)",
    "SELECT * FROM users NATURAL JOIN cards",
    "SELECT * FROM users a JOIN (cards b JOIN app.items c ON true) ON (SELECT true FROM orders LIMIT 1)",
    "SELECT id BETWEEN (SELECT 1 FROM cards) AND 3 FROM users GROUP BY id, (SELECT 1 FROM app.items) HAVING (SELECT true FROM orders)",
    "SELECT coalesce((SELECT 1 FROM cards), 2), nullif((SELECT 1 FROM app.items), 3)",
    "SELECT id IN (SELECT 1 FROM cards), id = (SELECT 1 FROM app.items), NOT EXISTS (SELECT 1 FROM orders) FROM users",
    "SELECT DISTINCT ON ((SELECT 1 FROM cards)) id FROM users",
    "VALUES ((SELECT ssn FROM users))",
    "SELECT 1 EXCEPT SELECT 2 FROM users INTERSECT SELECT 3 FROM cards",
];

fn parse(grammar: &dyn Grammar, text: &str) -> Option<Vec<Statement>> {
    let shop = Shop::new();
    let mut environment = Environment::new(["$user", "public"], &shop);
    environment.role = Some("ana".into());
    grammar.parse(text, &environment).ok()
}

/// Whether an action says no less than another: nothing undetermined in it excludes what the other says.
fn covers(coarse: &Action, exact: &Action) -> bool {
    coarse.verb == exact.verb
        && (coarse.resource == exact.resource || coarse.resource == Resource::Undetermined)
        && exact.attributes().iter().all(|attribute| match coarse.attribute(&attribute.name) {
            None | Some(Value::Undetermined) => true,
            Some(value) => *value == attribute.value,
        })
}

/// How many statements of a text the pure-Rust grammar understood; fails where it found less than PostgreSQL's.
fn compare(text: &str) -> Result<usize, String> {
    let (Some(exact), Some(coarse)) = (parse(&Postgres::new(), text), parse(&Sqlparser::new(), text)) else {
        return Ok(0);
    };
    let is_unknown =
        |statement: &Statement| statement.actions.iter().any(|action| action.verb == Verb::UNKNOWN);
    if exact.len() != coarse.len() {
        // Only what is denied as a whole may be split differently.
        return if coarse.iter().any(is_unknown) { Ok(0) } else { Err(format!("split differently: {text}")) };
    }
    let mut understood = 0;
    for (exact, coarse) in exact.iter().zip(&coarse) {
        if is_unknown(coarse) {
            continue;
        }
        understood += 1;
        for action in &exact.actions {
            if *action != Action::new(Verb::NOOP, Resource::None)
                && !coarse.actions.iter().any(|other| covers(other, action))
            {
                let found: Vec<String> = coarse.actions.iter().map(show_action).collect();
                return Err(format!("{text}\n  lacks {}\n  found {found:?}", show_action(action)));
            }
        }
    }
    Ok(understood)
}

fn statements(file: &str) -> Vec<String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    let table = std::fs::read_to_string(path).unwrap();
    table.lines().filter_map(|line| line.strip_prefix("> ")).map(str::to_owned).collect()
}

#[test]
fn the_pure_rust_grammar_never_finds_less() {
    let mut texts: Vec<String> = TRAPS.iter().map(|text| (*text).to_owned()).collect();
    texts.extend(statements("lineage.txt"));
    texts.extend(statements("hidden.txt"));
    let mut understood = 0;
    for text in &texts {
        understood += compare(text).unwrap_or_else(|less| panic!("{less}"));
    }
    // It would be no use if it understood nothing.
    assert!(understood * 3 > texts.len(), "{understood} of {}", texts.len());
}

const WORDS: &[&str] = &[
    "SELECT",
    "SELECT *",
    "SELECT 1",
    "FROM",
    "FROM users",
    "FROM users u",
    "WHERE",
    "INSERT INTO",
    "INSERT INTO users",
    "UPDATE users SET org =",
    "DELETE FROM users",
    "VALUES",
    "WITH w AS",
    "JOIN cards ON",
    "LEFT JOIN",
    "USING (id)",
    "USING",
    "NATURAL JOIN",
    "UNION ALL",
    "EXCEPT",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "OFFSET",
    "RETURNING",
    "CASE WHEN",
    "THEN",
    "END",
    "ELSE",
    "NOT",
    "AND",
    "OR",
    "IN",
    "EXISTS",
    "BETWEEN",
    "IS NULL",
    "TABLE",
    "ONLY",
    "LATERAL",
    "AS",
    "users",
    "cards",
    "app.items",
    "email",
    "ssn",
    "id",
    "leak()",
    "leak(",
    "now()",
    "*",
    "(",
    ")",
    "(",
    ")",
    "(SELECT id FROM cards)",
    ",",
    ".",
    ";",
    "=",
    "+",
    "||",
    "::",
    "int",
    "code",
    "mood",
    "1",
    "'x'",
    "$1",
    "\"users\"",
    "true",
    "u.leak",
    "nextval('s')",
    "INTO",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn it_never_finds_less_in_token_soup(words in prop::collection::vec(prop::sample::select(WORDS), 1..16)) {
        let text = words.join(" ");
        compare(&text).map_err(TestCaseError::fail)?;
    }

    /// Our lexer, which the limits and the redaction rely on, sees the literals that the server's sees: what is left
    /// of a text without them parses, into the same kinds of statements.
    #[test]
    fn a_redacted_text_holds_no_literal(words in prop::collection::vec(prop::sample::select(LITERALS), 1..8)) {
        let text = format!("SELECT {}", words.join(", "));
        prop_assume!(parse(&Postgres::new(), &text).is_some());
        let redacted = redact_literals(&text, |_| false);
        prop_assert!(!redacted.contains("secret") && !redacted.contains('7'), "{redacted}");
    }
}

const LITERALS: &[&str] = &[
    "'secret'",
    "E'se\\'secret'",
    "e'\\\\', 'secret'",
    "$$secret'$$",
    "$a$ $$secret $a$",
    "U&'secret\\0041'",
    "N'secret'",
    "B'1'",
    "x'77'",
    "77",
    "7.7e7",
    "0x77",
    "'a' -- 'secret'\n'secret'",
    "/* ' */ 'secret'",
    "\"it's\"",
    "'' 'secret'",
    "a.b",
    "''''",
    "'secret''secret'",
    "$1",
    "-7",
    "a[7]",
    "'a'\n\n'secret'",
    "E'a'\n'\\'secret'",
    "a -- secret\n",
    "/* 7 /* */ */ 7",
];
