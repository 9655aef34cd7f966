//! The fixture itself: one server, a database a test.

use portcullis_testkit::Database;

#[tokio::test]
async fn a_database_is_fresh_and_writable() {
    let database = Database::create().await;
    let client = database.direct().await;
    client.batch_execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1)").await.unwrap();
    let row = client.query_one("SELECT count(*) FROM t", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
}

#[tokio::test]
async fn two_databases_share_one_server_and_nothing_else() {
    let (one, two) = (Database::create().await, Database::create().await);
    assert_eq!(one.server.port, two.server.port);
    one.direct().await.batch_execute("CREATE TABLE only_here (a int)").await.unwrap();
    assert!(two.direct().await.batch_execute("SELECT * FROM only_here").await.is_err());
}
