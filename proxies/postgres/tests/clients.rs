//! Standard clients, unchanged, through a gateway that polices nothing: everything works as without it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use futures_util::{SinkExt as _, StreamExt as _, pin_mut};
use portcullis_testkit::Database;
use tokio_postgres::{AsyncMessage, NoTls};

#[tokio::test]
async fn psql_with_full_verification_and_channel_binding() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    assert_eq!(gateway.psql("SELECT 1 + 1"), "2");
    let bound = common::run(
        gateway
            .program("psql")
            .env("PGCHANNELBINDING", "require")
            .args(["-XAtqc", "SELECT current_database()"]),
    );
    assert_eq!(bound, database.name);
    assert_eq!(
        common::run(gateway.program("psql").env("PGSSLMODE", "disable").args(["-XAtqc", "SELECT 3"])),
        "3"
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_look_alike() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let wrong = common::run(gateway.program("psql").env("PGPASSWORD", "wrong").args(["-c", "SELECT 1"]));
    let unknown = common::run(gateway.program("psql").env("PGUSER", "nobody").args(["-c", "SELECT 1"]));
    assert!(wrong.contains("password authentication failed for user \"ann\""), "{wrong}");
    assert!(unknown.contains("password authentication failed for user \"nobody\""), "{unknown}");
}

#[tokio::test]
async fn an_unknown_target_is_named() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let told = common::run(gateway.program("psql").env("PGDATABASE", "attic").args(["-c", "SELECT 1"]));
    assert!(told.contains("no target is called `attic`"), "{told}");
}

#[tokio::test]
async fn pgbench_in_every_mode() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let made = common::run(gateway.program("pgbench").args(["-i", "-q", "-s", "1"]));
    assert!(made.contains("done in"), "{made}");
    for mode in ["simple", "extended", "prepared"] {
        let told = common::run(gateway.program("pgbench").args(["-M", mode, "-c", "4", "-t", "50"]));
        assert!(told.contains("number of transactions actually processed: 200/200"), "{mode}: {told}");
        assert!(told.contains("number of failed transactions: 0"), "{mode}: {told}");
    }
}

#[tokio::test]
async fn statements_portals_pipelines_and_binary_values() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let mut client = gateway.client().await;
    client
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY, name text, at timestamptz DEFAULT now())")
        .await
        .unwrap();
    let insert = client.prepare("INSERT INTO t (id, name) VALUES ($1, $2)").await.unwrap();
    let inserts = (0..500).map(|id| {
        let (client, insert) = (&client, &insert);
        async move { client.execute(insert, &[&id, &format!("name {id}")]).await }
    });
    // All of them are on their way before the first answer is awaited.
    for done in futures_util::future::join_all(inserts).await {
        assert_eq!(done.unwrap(), 1);
    }
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT id, name FROM t ORDER BY id", &[]).await.unwrap();
    let mut seen = 0;
    loop {
        let rows = transaction.query_portal(&portal, 64).await.unwrap();
        if rows.is_empty() {
            break;
        }
        for row in rows {
            assert_eq!((row.get::<_, i32>(0), row.get::<_, String>(1)), (seen, format!("name {seen}")));
            seen += 1;
        }
    }
    assert_eq!(seen, 500);
    assert!(transaction.execute("INSERT INTO t (id) VALUES (1)", &[]).await.is_err());
    transaction.rollback().await.unwrap();
    assert_eq!(client.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0), 500);
}

#[tokio::test]
async fn copy_both_ways() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let client = gateway.client().await;
    client.batch_execute("CREATE TABLE t (id int, text text)").await.unwrap();
    let sink = client.copy_in("COPY t FROM STDIN").await.unwrap();
    pin_mut!(sink);
    let line = "x".repeat(1_000);
    for id in 0..5_000 {
        sink.send(bytes::Bytes::from(format!("{id}\t{line}\n"))).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 5_000);
    let stream = client.copy_out("COPY t TO STDOUT").await.unwrap();
    pin_mut!(stream);
    let mut bytes = 0;
    while let Some(piece) = stream.next().await {
        bytes += piece.unwrap().len();
    }
    assert!(bytes > 5_000_000, "{bytes}");
    // A COPY that fails in the middle, and one that the client gives up: the session goes on after both.
    let sink = client.copy_in::<_, bytes::Bytes>("COPY t FROM STDIN").await.unwrap();
    pin_mut!(sink);
    sink.send(bytes::Bytes::from_static(b"no number\tx\n")).await.unwrap();
    assert!(sink.finish().await.is_err());
    drop(client.copy_in::<_, bytes::Bytes>("COPY t FROM STDIN").await.unwrap());
    assert_eq!(client.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get::<_, i64>(0), 5_000);
}

#[tokio::test]
async fn notifications_and_notices_arrive() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let (client, mut connection) = gateway.config().connect(NoTls).await.unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = futures_util::future::poll_fn(|cx| connection.poll_message(cx)).await {
            let _ = tell.send(message);
        }
    });
    client.batch_execute("LISTEN news; DO $$ BEGIN RAISE NOTICE 'look'; END $$").await.unwrap();
    assert!(matches!(told.recv().await.unwrap(), AsyncMessage::Notice(notice) if notice.message() == "look"));
    database.direct().await.batch_execute("NOTIFY news, 'it happened'").await.unwrap();
    assert!(
        matches!(told.recv().await.unwrap(), AsyncMessage::Notification(news) if news.payload() == "it happened")
    );
}

#[tokio::test]
async fn a_cancel_request_reaches_the_running_query_and_no_other() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let client = gateway.client().await;
    let direct = database.direct().await;
    let key: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let cancel = client.cancel_token();
    let running = tokio::spawn(async move { client.batch_execute("SELECT pg_sleep(60)").await });
    // Sent once the query is seen running at the target.
    let is_asleep = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
    while direct.query_one(is_asleep, &[&key]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    cancel.cancel_query(NoTls).await.unwrap();
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014");
}
