//! Snapshots of a real server's catalogue.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by it"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use policy_core::Name;
use policy_normalize::sql::{Catalogue as _, Lookup, RelationKind, TypeKind, Volatility};
use portcullis_postgres::catalogue::{Live, Overlay};
use portcullis_testkit::Database;
use support::{Door, Kept};

async fn live(database: &Database, schema: &str) -> Arc<Live<Door>> {
    database.direct().await.batch_execute(schema).await.expect("the schema");
    Arc::new(Live::new(Door::to(database), Box::new(Kept::default())))
}

fn name(text: &str) -> Name {
    Name::new(text.split('.')).unwrap()
}

#[tokio::test]
async fn a_snapshot_holds_what_statements_mean() {
    let database = Database::create().await;
    let live = live(
        &database,
        "CREATE SCHEMA app;
         CREATE TABLE app.\"Odd.Name\" (a int, gone int, \"B b\" varchar(12), c char(3)[], g text GENERATED ALWAYS AS (\"B b\") STORED);
         ALTER TABLE app.\"Odd.Name\" DROP COLUMN gone;
         CREATE VIEW app.w AS SELECT \"B b\" FROM app.\"Odd.Name\";
         CREATE MATERIALIZED VIEW app.mv AS SELECT 1 AS one;
         CREATE SEQUENCE app.s;
         CREATE TYPE app.mood AS ENUM ('up', 'down');
         CREATE DOMAIN app.even AS int CHECK (VALUE % 2 = 0);
         CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE FUNCTION app.i(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
         CREATE TRIGGER t BEFORE INSERT OR TRUNCATE ON app.\"Odd.Name\" EXECUTE FUNCTION app.f();
         CREATE TABLE app.p (k int PRIMARY KEY) PARTITION BY RANGE (k);
         CREATE TABLE app.p1 PARTITION OF app.p FOR VALUES FROM (0) TO (9);
         CREATE TABLE app.ruled (a int);
         CREATE RULE r AS ON INSERT TO app.ruled DO INSTEAD NOTHING;",
    )
    .await;
    assert!(live.current().is_none(), "nothing is known before the first load");
    let known = live.refresh().await.unwrap();
    let snapshot = &known.snapshot;
    let Lookup::Found(odd) = snapshot.relation("app", "Odd.Name") else { panic!("the table") };
    let columns: Vec<(&str, i16, u32)> =
        odd.columns.iter().map(|c| (&*c.name, c.attnum, c.type_oid)).collect();
    assert_eq!(columns, [("a", 1, 23), ("B b", 3, 1043), ("c", 4, 1014), ("g", 5, 25)]);
    assert_eq!(odd.kind, RelationKind::Table);
    let [trigger] = odd.triggers.as_slice() else { panic!("one trigger") };
    assert_eq!((trigger.function.clone(), trigger.insert, trigger.truncate), (name("app.f"), true, true));
    assert!(!trigger.update && !trigger.delete);
    let oid = odd.identity.oid.unwrap();
    let details = snapshot.details(oid).unwrap();
    assert!(details.triggers);
    assert_eq!((details.limits[&3], details.limits[&4]), (12, 3));
    let overlay = Overlay::default();
    assert!(known.directory(&overlay).is_generated(oid, 5));
    assert!(!known.directory(&overlay).is_generated(oid, 3));

    let Lookup::Found(view) = snapshot.relation("app", "w") else { panic!("the view") };
    let RelationKind::View(definition) = &view.kind else { panic!("a view") };
    assert!(definition.contains("FROM app.\"Odd.Name\""), "{definition}");
    let kind = |relation| match snapshot.relation("app", relation) {
        Lookup::Found(found) => found.kind.clone(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(kind("mv"), RelationKind::Materialized(_)));
    assert_eq!(kind("s"), RelationKind::Sequence);
    assert!(snapshot.find("app", "ruled").unwrap().rewritten);
    assert!(!view.rewritten, "a view's own rule rewrites nothing");
    let (parent, part) = (snapshot.find("app", "p").unwrap(), snapshot.find("app", "p1").unwrap());
    assert_eq!(parent.family, [part.identity.oid.unwrap()]);
    assert_eq!(part.family, [parent.identity.oid.unwrap()]);

    assert_eq!(snapshot.type_kind("app", "mood"), Lookup::Found(TypeKind::Enum));
    assert_eq!(snapshot.type_kind("app", "even"), Lookup::Found(TypeKind::Domain));
    let Lookup::Found([function]) = snapshot.functions("app", "i") else { panic!("the function") };
    assert_eq!((function.volatility, function.builtin), (Volatility::Immutable, false));
    let Lookup::Found([now]) = snapshot.functions("pg_catalog", "now") else { panic!("now") };
    assert!(now.builtin);
    assert!(matches!(snapshot.relation("app", "odd.name"), Lookup::Absent));
    assert_eq!(snapshot.schema("app"), Lookup::Found(()));
    assert_eq!(snapshot.schema("nosuch"), Lookup::Absent);
    assert_eq!((&*snapshot.role, snapshot.search_path.len()), ("testkit", 2));
}

#[tokio::test]
async fn a_role_s_own_search_path_is_what_a_session_starts_with() {
    let database = Database::create().await;
    let setting = format!("ALTER DATABASE {} SET search_path = app, \"Odd\"", database.name);
    let live = live(&database, &setting).await;
    let known = live.refresh().await.unwrap();
    assert_eq!(known.snapshot.search_path, [Box::from("app"), Box::from("Odd")]);
}

#[tokio::test]
async fn looks_are_cheap_until_something_changes() {
    let database = Database::create().await;
    let live = live(&database, "CREATE TABLE t (a int)").await;
    let generation = live.refresh().await.unwrap().snapshot.generation;
    live.look().await.unwrap();
    assert_eq!(live.current().unwrap().snapshot.generation, generation);
    let direct = database.direct().await;
    for change in [
        "ALTER TABLE t RENAME COLUMN a TO b",
        "CREATE VIEW v AS SELECT b FROM t",
        "CREATE OR REPLACE VIEW v AS SELECT b + 1 AS b FROM t",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE TABLE c () INHERITS (t)",
        "ALTER TABLE c NO INHERIT t",
        "DROP VIEW v",
    ] {
        let before = live.current().unwrap().snapshot.generation;
        direct.batch_execute(change).await.unwrap();
        live.look().await.unwrap();
        assert_eq!(live.current().unwrap().snapshot.generation, before + 1, "{change}");
    }
}

#[tokio::test]
async fn waiters_share_a_load_that_began_after_they_asked() {
    let database = Database::create().await;
    let live = live(&database, "CREATE TABLE t (a int)").await;
    live.refresh().await.unwrap();
    let before = live.current().unwrap().snapshot.generation;
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let live = live.clone();
            tokio::spawn(async move { live.refresh().await.unwrap().snapshot.generation })
        })
        .collect();
    let mut last = 0;
    for waiter in waiting {
        last = last.max(waiter.await.unwrap());
    }
    assert!(last > before && last <= before + 2, "{before} {last}");
}

#[tokio::test]
async fn a_definition_behind_a_lock_stays_unknown() {
    let database = Database::create().await;
    let live = live(
        &database,
        "CREATE TABLE t (a int); CREATE VIEW locked AS SELECT a FROM t; CREATE VIEW free AS SELECT 1 AS a",
    )
    .await;
    let mut direct = database.direct().await;
    let transaction = direct.transaction().await.unwrap();
    transaction.batch_execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let known = live.refresh().await.unwrap();
    let definition = |relation| match &known.snapshot.find("public", relation).unwrap().kind {
        RelationKind::View(definition) => definition.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(definition("locked"), "");
    assert!(definition("free").contains("SELECT 1"));
    transaction.rollback().await.unwrap();
}

#[tokio::test]
async fn what_the_target_does_not_confirm_is_not_in_force() {
    let database = Database::create().await;
    let live = live(&database, "CREATE TABLE t (a int)").await;
    live.refresh().await.unwrap();
    assert!(live.current().is_some());
    tokio::time::pause();
    tokio::time::advance(portcullis_postgres::catalogue::live::MAX_AGE + Duration::from_millis(1)).await;
    assert!(live.current().is_none());
    tokio::time::resume();
    live.look().await.unwrap();
    assert!(live.current().is_some());
}

#[tokio::test]
async fn pins_survive_renames_and_restarts() {
    let database = Database::create().await;
    database.direct().await.batch_execute("CREATE TABLE t (a int, b int)").await.unwrap();
    let kept = Kept::default();
    let live = Live::new(Door::to(&database), Box::new(kept.clone()));
    live.name_columns(vec![name("public.t.a"), name("public.nosuch.a"), name("public.t")]);
    live.refresh().await.unwrap();
    assert_eq!(kept.0.lock().unwrap().len(), 1);
    let direct = database.direct().await;
    direct.batch_execute("ALTER TABLE t RENAME COLUMN a TO z; ALTER TABLE t RENAME TO u").await.unwrap();
    // Another process, later.
    let live = Live::new(Door::to(&database), Box::new(kept.clone()));
    live.name_columns(vec![name("public.t.a")]);
    let known = live.refresh().await.unwrap();
    let relation = known.snapshot.find("public", "u").unwrap();
    let overlay = Overlay::default();
    let names = known.directory(&overlay).names(&relation.identity, "z", Some(1));
    assert!(names.contains(&name("public.t.a")) && names.contains(&name("public.u.z")), "{names:?}");
    assert_eq!(kept.0.lock().unwrap().len(), 1);
    // A new table takes the old name: it is masked as well, the old one stays so.
    direct.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    live.refresh().await.unwrap();
    assert_eq!(kept.0.lock().unwrap().len(), 2);
}
