//! Attempts to get the values of masked columns past the masks of a real server's results.
//!
//! Every masked column holds a canary. Whatever a statement shows, whether it was refused or masked, none of
//! them may be in it, as it is or in a form that the server can compute.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by it"
)]

mod support;

use std::sync::Arc;

use policy_core::mask::Transform;
use policy_core::rule::Unresolved;
use portcullis_postgres::catalogue::Live;
use portcullis_testkit::Database;
use support::{Door, Kept, Session, policy};

const EMAIL: &str = "canary.mail@hidden.test";
const SSN: &str = "917-65-4320";
const NOTE: &str = "canary note of the child";
/// A whole number that no plan or size would show by accident.
const AGE: &str = "73519264";

const SCHEMA: &str = "
CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, ssn varchar(20), age int, name text,
  mail_lower text GENERATED ALWAYS AS (lower(email)) STORED);
INSERT INTO users VALUES (1, 'canary.mail@hidden.test', '917-65-4320', 73519264, 'Visible Name');
CREATE TABLE plain (id int PRIMARY KEY, label text, user_id int REFERENCES users);
INSERT INTO plain VALUES (1, 'visible label', 1);
CREATE VIEW v AS SELECT id, email AS contact, name FROM users;
CREATE VIEW vv AS SELECT contact AS c2, name FROM v;
CREATE VIEW computed AS SELECT id, upper(email) || '' AS shout FROM users;
CREATE VIEW both_ways AS SELECT email FROM users UNION ALL SELECT label FROM plain;
CREATE MATERIALIZED VIEW m AS SELECT id, email FROM users;
CREATE TABLE base (id int, note text);
CREATE TABLE child () INHERITS (base);
INSERT INTO child VALUES (1, 'canary note of the child');
CREATE TABLE parted (id int, email text) PARTITION BY LIST (id);
CREATE TABLE parted_one PARTITION OF parted FOR VALUES IN (1);
INSERT INTO parted VALUES (1, 'canary.mail@hidden.test');
CREATE TABLE target (id int, email text);
CREATE FUNCTION tell(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'got %', $1; RETURN true; END $$;
CREATE FUNCTION explode(text) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN RAISE EXCEPTION 'bad %', $1 USING HINT = $1, DETAIL = $1, TABLE = $1; END $$;
ANALYZE users;
";

fn columns() -> Vec<(&'static str, Transform)> {
    vec![
        ("public.users.email", Transform::Partial),
        ("public.users.ssn", Transform::Last(4)),
        ("public.users.age", Transform::Redact),
        ("public.child.note", Transform::Redact),
        ("public.parted.email", Transform::Redact),
    ]
}

async fn guarded(database: &Database, unresolved: Unresolved) -> Session {
    database.direct().await.batch_execute(SCHEMA).await.expect("the schema");
    let door = Door::to(database);
    let live = Arc::new(Live::new(door.clone(), Box::new(Kept::default())));
    live.refresh().await.expect("a snapshot");
    Session::open(&door, policy(&columns(), unresolved), live).await
}

/// The canaries, as they are and in forms that the server can compute of them.
fn canaries() -> Vec<String> {
    let mut all = Vec::new();
    for canary in [EMAIL, SSN, NOTE, AGE] {
        all.push(canary.to_owned());
        all.push(canary.to_uppercase());
        all.push(canary.chars().rev().collect());
        all.push(canary.bytes().map(|byte| format!("{byte:02x}")).collect());
        // What follows and precedes the part that a partial form may show.
        all.push(canary.chars().take(canary.len() - 5).collect());
    }
    all.push("canary.mail".into());
    all.push("Y2FuYXJ5".into());
    all
}

#[track_caller]
fn assert_none(sql: &str, shown: &[u8]) {
    for canary in canaries() {
        assert!(
            memchr::memmem::find(shown, canary.as_bytes()).is_none(),
            "`{canary}` came through `{sql}`: {}",
            shown.escape_ascii()
        );
    }
}

/// Attempts to read. None needs to work; none may show anything.
#[rustfmt::skip]
const READS: &[&str] = &[
    // As it is, by any name.
    "SELECT * FROM users",
    "SELECT email FROM users",
    "SELECT u.email AS harmless, u.name FROM users u",
    "SELECT e FROM users AS x(i, e, s)",
    "TABLE users",
    "SELECT (u).email FROM users u",
    "SELECT (SELECT email FROM users LIMIT 1)",
    "SELECT e FROM (SELECT email AS e FROM users) q",
    "WITH q AS (SELECT email AS e FROM users) SELECT * FROM q",
    "WITH RECURSIVE r(e, n) AS (SELECT email, 1 FROM users UNION ALL SELECT e, n + 1 FROM r WHERE n < 3) SELECT e FROM r",
    "SELECT q.e FROM plain, LATERAL (SELECT email AS e FROM users WHERE users.id = plain.user_id) q",
    "SELECT a.email FROM users a JOIN users b USING (email)",
    "SELECT email FROM users a NATURAL JOIN users b",
    "SELECT j.email FROM (users a JOIN users b USING (email)) AS j(email)",
    "SELECT j.email FROM users a JOIN users b USING (email) AS j",
    // By names that the server makes up, which must be those that it makes up.
    "SELECT q.text FROM (SELECT (email || '')::varchar::text, (name || '')::text::varchar FROM users) q",
    "SELECT q.\"case\" FROM (SELECT CASE WHEN false THEN '' ELSE (email || '')::text END, (name || '')::text AS x FROM users) q",
    "SELECT q.text FROM (SELECT (CASE WHEN false THEN '' ELSE (email || '')::varchar END)::text, CASE WHEN false THEN '' ELSE (name || '')::text END FROM users) q",
    "SELECT q.e FROM (SELECT (SELECT email AS e FROM users UNION ALL SELECT '' WHERE false), (SELECT name AS f FROM users) FROM users) q",
    "SELECT q.column1 FROM (SELECT (VALUES (u.email)), name FROM users u) q",
    "SELECT q.\"nullif\" FROM (SELECT nullif(email, ''), name AS x FROM users) q",
    "SELECT q.xmlforest FROM (SELECT xmlforest(email), name FROM users) q",
    // By columns that several functions make together.
    "SELECT x.q FROM users u, LATERAL ROWS FROM (json_to_record('{\"a\": \"1\"}') AS (a text), unnest(ARRAY[u.email])) WITH ORDINALITY AS x(p, q, r)",
    "SELECT x.q FROM users u, LATERAL ROWS FROM (json_to_record('{\"a\": \"1\"}') AS (a text), unnest(ARRAY[u.email])) AS x(p, q)",
    "SELECT x.p FROM users u, LATERAL ROWS FROM (unnest(ARRAY[u.email]), json_to_record('{\"a\": \"1\"}') AS (a text)) AS x(p, q)",
    "SELECT x.* FROM users u, LATERAL ROWS FROM (json_to_record('{\"a\": \"1\"}') AS (a text), unnest(ARRAY[u.email])) WITH ORDINALITY AS x",
    "SELECT x.a FROM users u, LATERAL unnest(ARRAY[u.email]) WITH ORDINALITY AS x(a, b)",
    "WITH RECURSIVE r(n, v, w) AS (SELECT 1, 'x', (SELECT email FROM users) UNION ALL SELECT n + 1, w, v FROM r WHERE n < 3) SELECT v FROM r",
    "WITH RECURSIVE r(n, v) AS (SELECT 1, email FROM users UNION ALL SELECT n + 1, v FROM r WHERE n < 3) SEARCH DEPTH FIRST BY v SET o SELECT o FROM r",
    "WITH RECURSIVE r(n, v) AS (SELECT 1, email FROM users UNION ALL SELECT n + 1, v FROM r WHERE n < 3) CYCLE v SET c USING p SELECT p FROM r",
    // Where the server names no table.
    "SELECT email FROM users UNION SELECT 'x'",
    "SELECT 'x' UNION ALL SELECT email FROM users",
    "SELECT label FROM plain EXCEPT SELECT email FROM users",
    "SELECT email FROM users INTERSECT SELECT email FROM users",
    "VALUES ((SELECT email FROM users LIMIT 1))",
    "SELECT CASE WHEN true THEN email ELSE '' END FROM users",
    "SELECT coalesce(email, '') FROM users",
    "SELECT nullif(email, '') FROM users",
    "SELECT greatest(email, '') FROM users",
    "SELECT email::varchar(200) FROM users",
    "SELECT email::bytea FROM users",
    "SELECT CAST(ssn AS text) FROM users",
    "SELECT email COLLATE \"C\" FROM users",
    // Computed from it.
    "SELECT email || '' FROM users",
    "SELECT concat(email, ssn) FROM users",
    "SELECT format('%s', email) FROM users",
    "SELECT substr(email, 1, 18) FROM users",
    "SELECT left(ssn, 7) AS ssn FROM users",
    "SELECT right(ssn, 7) AS ssn FROM users",
    "SELECT reverse(email), upper(email), initcap(email) FROM users",
    "SELECT encode(email::bytea, 'hex'), encode(email::bytea, 'base64') FROM users",
    "SELECT md5(email) FROM users",
    "SELECT age + 0, age::text, -age, to_char(age, 'FM99999999') FROM users",
    "SELECT string_to_array(email, 'zz') FROM users",
    "SELECT unnest(ARRAY[email]) FROM users",
    "SELECT regexp_split_to_table(email, 'zz') FROM users",
    "SELECT * FROM users u, unnest(ARRAY[u.email]) x",
    "SELECT * FROM users u, LATERAL regexp_matches(u.email, '.*') x",
    "SELECT generate_series(age, age) FROM users",
    // Aggregates and windows.
    "SELECT min(email), max(age), sum(age), avg(age) FROM users",
    "SELECT string_agg(email, ','), array_agg(email), json_agg(email), jsonb_agg(ssn) FROM users",
    "SELECT json_object_agg(name, email) FROM users",
    "SELECT xmlagg(xmlelement(name e, email)) FROM users",
    "SELECT lag(email, 0) OVER (), first_value(ssn) OVER (), ntile(age) OVER () FROM users",
    "SELECT mode() WITHIN GROUP (ORDER BY email), percentile_disc(0.5) WITHIN GROUP (ORDER BY age) FROM users",
    "SELECT max(email) FILTER (WHERE true) FROM users GROUP BY id",
    // The row as a whole.
    "SELECT users FROM users",
    "SELECT u FROM users u",
    "SELECT ROW(u.*) FROM users u",
    "SELECT ROW(email, ssn) FROM users",
    "SELECT row_to_json(u) FROM users u",
    "SELECT to_jsonb(u), to_json(u.email) FROM users u",
    "SELECT to_jsonb(u) ->> 'email' FROM users u",
    "SELECT jsonb_build_object('a', email), json_build_array(ssn) FROM users",
    "SELECT jsonb_each_text(to_jsonb(u)) FROM users u",
    "SELECT * FROM users u, jsonb_each_text(to_jsonb(u))",
    "SELECT * FROM users u, jsonb_to_record(to_jsonb(u)) AS x(email text)",
    "SELECT array_agg(u) FROM users u",
    "SELECT hstore FROM (SELECT u::text AS hstore FROM users u) q",
    "SELECT u::text FROM users u",
    "SELECT xmlforest(email, ssn) FROM users",
    "SELECT query_to_xml('SELECT email FROM users', true, false, '')",
    "SELECT table_to_xml('users', true, false, '')",
    "SELECT database_to_xml(true, false, '')",
    "SELECT cursor_to_xml('c', 1, true, false, '')",
    // Generated from it.
    "SELECT mail_lower FROM users",
    "SELECT mail_lower FROM users UNION SELECT ''",
    // Views.
    "SELECT * FROM v",
    "SELECT contact FROM v",
    "SELECT c2 FROM vv",
    "SELECT c2 || '' FROM vv",
    "SELECT shout FROM computed",
    "SELECT * FROM both_ways",
    "SELECT v FROM v",
    "SELECT to_jsonb(vv) FROM vv",
    "SELECT email FROM m",
    "SELECT email FROM m UNION SELECT ''",
    // Relatives.
    "SELECT note FROM base",
    "SELECT note FROM child",
    "SELECT base FROM base",
    "SELECT note FROM base UNION SELECT ''",
    "SELECT email FROM parted",
    "SELECT email FROM parted_one",
    "SELECT email FROM parted_one UNION SELECT ''",
    // What the server keeps about it.
    "SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE tablename = 'users'",
    "SELECT * FROM pg_stats WHERE tablename = 'users'",
    "SELECT stavalues1 FROM pg_statistic",
    "SELECT to_jsonb(s) FROM pg_statistic s",
    "SELECT s FROM pg_stats s WHERE tablename = 'users'",
    // Copies to the client.
    "COPY users TO STDOUT",
    "COPY users TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)",
    "COPY users TO STDOUT (FORMAT binary)",
    "COPY users (email) TO STDOUT",
    "COPY (SELECT email FROM users) TO STDOUT",
    "COPY (SELECT email || '' FROM users) TO STDOUT (FORMAT csv, DELIMITER '@', QUOTE '.')",
    "COPY (SELECT age, u FROM users u) TO STDOUT (FORMAT binary)",
    "COPY (SELECT * FROM v) TO STDOUT",
    "COPY (UPDATE users SET name = name RETURNING email) TO STDOUT",
    "COPY parted_one TO STDOUT",
    // By what fails, and what is told.
    "SELECT email::int FROM users",
    "SELECT email::date FROM users",
    "SELECT email::regclass FROM users",
    "SELECT to_regclass(email) FROM users",
    "SELECT email::json FROM users",
    "SELECT 1 FROM users WHERE email::int = 1",
    "SELECT 1 FROM users WHERE tell(email)",
    "SELECT 1 FROM users WHERE explode(email)",
    "SELECT 1 FROM users ORDER BY ('{' || email)::json ->> 'a'",
    "SELECT current_setting(email) FROM users",
    "SELECT setseed(age) FROM users",
    "SELECT lo_get(age::oid) FROM users",
    "SELECT make_date(age, 1, 1) FROM users",
    "SELECT chr(age) FROM users",
    "SELECT 1 / (age - 73519264) FROM users",
    "SELECT shout::int FROM computed",
    "SELECT count(*) FROM computed WHERE shout::int > 0",
    "INSERT INTO users (id, email) VALUES (2, 'canary.mail@hidden.test') ON CONFLICT (id) DO NOTHING",
    "INSERT INTO users (id, email) SELECT 3, label FROM plain RETURNING (SELECT email FROM users WHERE id = 1)",
    "UPDATE users SET id = NULL",
    "UPDATE users SET age = age WHERE id = 1 RETURNING *",
    "UPDATE users SET name = name RETURNING email || ''",
    "DELETE FROM users WHERE id = 99 RETURNING email",
    "INSERT INTO plain (id, user_id) VALUES (1, 77)",
    "SELECT set_config('application_name', email, false) FROM users",
    "SELECT pg_notify('ch', email) FROM users",
    "EXPLAIN (ANALYZE, VERBOSE) SELECT email FROM users",
    "EXPLAIN SELECT * FROM users WHERE email = (SELECT email FROM users LIMIT 1)",
];

/// Attempts to put the values where no mask follows.
#[rustfmt::skip]
const WRITES: &[&str] = &[
    "CREATE TABLE stolen AS SELECT email FROM users",
    "SELECT email INTO stolen FROM users",
    "INSERT INTO target SELECT id, email FROM users",
    "INSERT INTO plain (id, label) SELECT 9, contact FROM v",
    "UPDATE plain SET label = (SELECT email FROM users LIMIT 1)",
    "UPDATE plain SET label = users.email FROM users",
    "WITH w AS (INSERT INTO target SELECT id, ssn FROM users RETURNING 1) SELECT * FROM w",
    "MERGE INTO plain USING users ON plain.id = users.id WHEN MATCHED THEN UPDATE SET label = users.email",
    "CREATE VIEW leak AS SELECT email FROM users",
    "CREATE MATERIALIZED VIEW leak AS SELECT upper(email) FROM users",
    "INSERT INTO plain (id, label) VALUES (8, (SELECT most_common_vals::text FROM pg_stats LIMIT 1))",
    "UPDATE plain SET label = note FROM base",
    "UPDATE plain SET label = mail_lower FROM users",
    "COPY (SELECT email FROM users) TO '/tmp/portcullis-leak'",
];

#[tokio::test]
async fn no_read_shows_a_canary() {
    for unresolved in [Unresolved::Deny, Unresolved::Mask] {
        let database = Database::create().await;
        let mut session = guarded(&database, unresolved).await;
        let mut refused = 0;
        for sql in READS {
            let shown = session.run(sql).await;
            refused += usize::from(shown.refused);
            assert_none(sql, &shown.bytes);
        }
        assert!(
            refused * 8 < READS.len(),
            "{refused} of {} were refused: masks are hardly tried",
            READS.len()
        );
    }
}

/// The extended protocol, in both formats, with a description and without one.
#[tokio::test]
async fn no_execute_shows_a_canary() {
    let database = Database::create().await;
    let mut session = guarded(&database, Unresolved::Mask).await;
    for (binary, describe) in [(false, false), (false, true), (true, false), (true, true)] {
        for sql in READS.iter().filter(|sql| !sql.starts_with("COPY")) {
            let shown = session.execute(sql, binary, describe).await;
            assert_none(sql, &shown.bytes);
        }
        let shown = session.execute("SELECT name, email FROM users WHERE id = 1", binary, describe).await;
        // Without a description the type of a masked column is not known, and nothing is sure to fit it.
        let email = describe.then(|| "c***@hidden.test".to_owned());
        assert_eq!(shown.rows, [[Some("Visible Name".to_owned()), email]], "{binary} {describe}");
    }
}

/// Values that are found by their content, in columns that no mask names.
#[tokio::test]
async fn values_are_found_wherever_they_are() {
    use policy_core::mask::{Detector, Detectors};
    let database = Database::create().await;
    let mut session = guarded(&database, Unresolved::Deny).await;
    session.policy = Arc::new(policy(&[], Unresolved::Deny));
    let rules = [(Detector::CreditCard, Transform::Last(4)), (Detector::Email, Transform::Redact)];
    session.look_for(Detectors::new(&rules).expect("detectors"));
    let direct = database.direct().await;
    let made = "CREATE TABLE anything (t text, j jsonb, n numeric, b bytea, a text[]);
        INSERT INTO anything VALUES ('card 4111111111111111', '{\"x\": \"4111111111111111\", \"n\": 4111111111111111}',
        4111111111111111, '4111111111111111', '{4111111111111111}')";
    direct.batch_execute(made).await.expect("a table");
    session.live.look().await.expect("a look");
    for sql in [
        "TABLE anything",
        "SELECT x FROM anything x",
        "COPY anything (t, j, n, a) TO STDOUT",
        "COPY anything TO STDOUT (FORMAT csv)",
        "COPY anything TO STDOUT (FORMAT binary)",
        "SELECT t::int FROM anything",
        "SELECT 1 FROM anything WHERE tell(t)",
        "SELECT 1 AS \"4111111111111111\"",
    ] {
        let mut all = vec![session.run(sql).await];
        if !sql.starts_with("COPY") {
            all.push(session.execute(sql, true, true).await);
            all.push(session.execute(sql, true, false).await);
            all.push(session.execute(sql, false, false).await);
        }
        for shown in all {
            let bytes = &shown.bytes;
            assert!(memchr::memmem::find(bytes, b"4111111111").is_none(), "{sql}: {}", bytes.escape_ascii());
            let numeric = [0x10, 0x0f, 0x04, 0x57, 0x04, 0x57];
            assert!(memchr::memmem::find(bytes, &numeric).is_none(), "{sql}: {}", bytes.escape_ascii());
        }
    }
}

/// What is not masked must come through, or the test above proves nothing.
#[tokio::test]
async fn what_is_not_masked_comes_through() {
    let database = Database::create().await;
    let mut session = guarded(&database, Unresolved::Deny).await;
    #[rustfmt::skip]
    let cases: &[(&str, &str)] = &[
        ("SELECT name FROM users", "Visible Name"),
        ("SELECT * FROM users", "Visible Name"),
        ("SELECT name || '!' FROM users", "Visible Name!"),
        ("SELECT name FROM users UNION SELECT label FROM plain", "visible label"),
        ("SELECT name FROM v", "Visible Name"),
        ("SELECT name FROM vv", "Visible Name"),
        ("SELECT upper(label) FROM plain", "VISIBLE LABEL"),
        ("SELECT row_to_json(p) FROM plain p", "visible label"),
        ("SELECT id FROM base", "1"),
        ("WITH q AS (SELECT name FROM users) SELECT coalesce(name, '') FROM q", "Visible Name"),
        ("COPY users TO STDOUT", "Visible Name"),
        ("COPY plain TO STDOUT (FORMAT csv)", "visible label"),
        ("COPY users TO STDOUT", "c***@hidden.test\t*******4320\t\\N\tVisible Name"),
        ("COPY users (name, ssn) TO STDOUT (FORMAT csv)", "Visible Name,*******4320"),
        ("COPY users (name, email) TO STDOUT (FORMAT binary)", "c***@hidden.test"),
        ("COPY (SELECT name, ssn FROM users) TO STDOUT (FORMAT csv)", "Visible Name,[redacted]"),
        ("UPDATE plain SET label = label RETURNING label", "visible label"),
        ("SELECT count(*) FROM users", "1"),
        ("SELECT relname FROM pg_class WHERE relname = 'users'", "users"),
        ("SELECT label::int FROM plain", "invalid input syntax for type integer: \"visible label\""),
    ];
    for (sql, expected) in cases {
        let shown = session.run(sql).await;
        assert!(!shown.refused, "`{sql}` was refused");
        assert!(
            memchr::memmem::find(&shown.bytes, expected.as_bytes()).is_some(),
            "`{expected}` did not come through `{sql}`: {}",
            shown.bytes.escape_ascii()
        );
    }
}

#[tokio::test]
async fn a_column_as_it_is_keeps_its_form() {
    let database = Database::create().await;
    let mut session = guarded(&database, Unresolved::Deny).await;
    #[rustfmt::skip]
    let cases: &[(&str, &[Option<&str>])] = &[
        ("SELECT email, ssn, age FROM users", &[Some("c***@hidden.test"), Some("*******4320"), None]),
        ("SELECT u.email AS e FROM (SELECT * FROM users) u", &[Some("c***@hidden.test")]),
        ("UPDATE users SET name = name RETURNING ssn", &[Some("*******4320")]),
        ("SELECT left(ssn, 4) FROM users", &[Some("[redacted]")]),
        ("SELECT age + 1 FROM users", &[None]),
        ("SELECT mail_lower FROM users", &[Some("[redacted]")]),
    ];
    for (sql, expected) in cases {
        let shown = session.run(sql).await;
        let expected: Vec<Option<String>> = expected.iter().map(|value| value.map(str::to_owned)).collect();
        assert_eq!(shown.rows, [expected], "{sql}");
    }
}

#[tokio::test]
async fn masked_data_is_written_nowhere() {
    let database = Database::create().await;
    let mut session = guarded(&database, Unresolved::Mask).await;
    for sql in WRITES {
        assert!(session.run(sql).await.refused, "`{sql}` was not refused");
    }
}

/// The whole table again without a policy: the canaries do come through, so the attempts are real ones.
#[tokio::test]
async fn without_masks_the_attempts_succeed() {
    let database = Database::create().await;
    let mut session = guarded(&database, Unresolved::Mask).await;
    session.policy = Arc::new(policy(&[], Unresolved::Mask));
    let mut shown_by = 0;
    for sql in READS {
        let shown = session.run(sql).await;
        shown_by += usize::from(
            canaries().iter().any(|canary| memchr::memmem::find(&shown.bytes, canary.as_bytes()).is_some()),
        );
    }
    assert!(shown_by * 4 >= READS.len() * 3, "only {shown_by} of {} attempts show anything", READS.len());
}

#[tokio::test]
async fn cursors_and_prepared_statements_are_masked_by_where_rows_come_from() {
    let database = Database::create().await;
    let mut session = guarded(&database, Unresolved::Mask).await;
    for sql in [
        "BEGIN",
        "DECLARE c CURSOR FOR SELECT email, name FROM users",
        "FETCH ALL FROM c",
        "DECLARE d CURSOR FOR SELECT email || '', name FROM users",
        "FETCH ALL FROM d",
        "COMMIT",
        "PREPARE p AS SELECT ssn FROM users",
        "EXECUTE p",
        "PREPARE q AS SELECT upper(email) FROM users",
        "EXECUTE q",
    ] {
        let shown = session.run(sql).await;
        assert_none(sql, &shown.bytes);
    }
}

#[tokio::test]
async fn masks_follow_renames() {
    let database = Database::create().await;
    let mut session = guarded(&database, Unresolved::Deny).await;
    let pinned = columns().iter().filter_map(|(name, _)| policy_core::Name::new(name.split('.'))).collect();
    session.live.name_columns(pinned);
    let direct = database.direct().await;
    direct.batch_execute("ALTER TABLE users RENAME COLUMN email TO plain_text").await.expect("a rename");
    direct.batch_execute("ALTER TABLE users RENAME TO people").await.expect("a rename");
    for before in [true, false] {
        for sql in [
            "SELECT plain_text FROM people",
            "SELECT plain_text || '' FROM people",
            "SELECT * FROM people",
            "SELECT c2 FROM vv",
            "COPY people TO STDOUT",
        ] {
            let shown = session.run(sql).await;
            assert_none(sql, &shown.bytes);
        }
        if before {
            session.live.look().await.expect("a look");
        }
    }
    let shown = session.run("SELECT plain_text, name FROM people").await;
    assert_eq!(shown.rows, [[Some("c***@hidden.test".to_owned()), Some("Visible Name".to_owned())]]);
}

#[tokio::test]
async fn what_a_transaction_defines_is_not_trusted_before_it_is_seen() {
    let database = Database::create().await;
    let mut session = guarded(&database, Unresolved::Deny).await;
    for transaction in [
        &[
            "BEGIN",
            "ALTER TABLE users RENAME TO aside",
            "ALTER TABLE plain RENAME TO users",
            "ALTER TABLE aside RENAME TO plain",
            "SELECT email FROM plain UNION SELECT ''",
            "SELECT email FROM public.plain UNION SELECT ''",
            "SELECT * FROM plain",
            "COPY plain TO STDOUT",
            "ROLLBACK",
        ][..],
        &[
            "BEGIN",
            "ALTER TABLE child NO INHERIT base",
            "CREATE TABLE other (id int, note text)",
            "ALTER TABLE child INHERIT other",
            "SELECT note FROM other",
            "SELECT note FROM other UNION SELECT ''",
            "SELECT note FROM public.other UNION SELECT ''",
            "ROLLBACK",
        ],
        &[
            "BEGIN",
            "ALTER TABLE users RENAME COLUMN name TO n2",
            "ALTER TABLE users RENAME COLUMN email TO name",
            "SELECT name FROM users",
            "SELECT name FROM users UNION SELECT ''",
            "SELECT name FROM public.users UNION SELECT ''",
            "ROLLBACK",
        ],
    ] {
        for sql in transaction {
            let shown = session.run(sql).await;
            assert_none(sql, &shown.bytes);
        }
    }
}

#[tokio::test]
async fn a_view_that_somebody_else_makes_is_followed_once_it_is_seen() {
    let database = Database::create().await;
    let mut session = guarded(&database, Unresolved::Deny).await;
    let direct = database.direct().await;
    direct.batch_execute("CREATE VIEW fresh AS SELECT ssn AS s, name FROM users").await.expect("a view");
    for sql in ["SELECT s FROM fresh", "SELECT s || '' FROM fresh"] {
        assert_none(sql, &session.run(sql).await.bytes);
    }
    session.live.look().await.expect("a look");
    for sql in ["SELECT s FROM fresh", "SELECT s || '' FROM fresh"] {
        assert_none(sql, &session.run(sql).await.bytes);
    }
    let shown = session.run("SELECT name FROM fresh").await;
    assert_eq!(shown.rows, [[Some("Visible Name".to_owned())]]);
}
