//! What operators do to the real program: which addresses it serves, and what it takes up while it runs.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by it"
)]

mod process;

use process::{House, PASSWORD, free_port};
use tokio_postgres::NoTls;

const OPEN: &str = r#"
policy "open"
default deny
use "postgres/basics"
allow "the tables" { on postgres  do select, insert, update, delete on "*.*" }
"#;

/// The first column of the first row, by way of this host and port.
async fn ask(host: &str, port: u16) -> Result<i32, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config.host(host).port(port).user("ann").password(PASSWORD).dbname("shop");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client.query_one("SELECT 7", &[]).await?.get(0))
}

#[tokio::test]
async fn every_address_is_served() {
    let house = House::new(OPEN).await;
    let other = free_port();
    // Both families on one port, and a port more.
    let listen = format!(r#"["127.0.0.1:{0}", "[::]:{0}", "127.0.0.1:{other}"]"#, house.port);
    house.edit(|text| text.replace(&format!("\"127.0.0.1:{}\"", house.port), &listen));
    let _gateway = house.start();
    for (host, port) in [("127.0.0.1", house.port), ("::1", house.port), ("127.0.0.1", other)] {
        assert_eq!(ask(host, port).await.unwrap_or_else(|error| panic!("{host} {port}: {error}")), 7);
    }
}

#[tokio::test]
async fn an_address_that_can_not_be_had_is_named_with_its_key_and_nothing_is_served() {
    let house = House::new(OPEN).await;
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = taken.local_addr().map(|address| (address, taken)).unwrap();
    for second in [taken.0.to_string(), "203.0.113.7:6432".to_owned()] {
        let listen = format!(r#"["127.0.0.1:{}", "{second}"]"#, house.port);
        house.edit(|text| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            let line = lines.iter_mut().find(|line| line.starts_with("postgres = ")).unwrap();
            *line = format!("postgres = {listen}");
            lines.join("\n")
        });
        let ended = house.fail();
        assert_eq!(ended.code, Some(3), "{}", ended.said);
        assert!(ended.said.contains("`listen.postgres`") && ended.said.contains(&second), "{}", ended.said);
    }
}
