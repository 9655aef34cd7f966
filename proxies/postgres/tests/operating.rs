//! What operators do to the real program: which addresses it serves, and what it takes up while it runs.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by it"
)]

mod process;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use portcullis_evidence::{Record, entries};
use portcullis_gateway::control::Client as Control;
use portcullis_testkit::{Authority, Database, Postgres};
use process::{House, PASSWORD, free_port};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

/// What the log says of a configuration that was taken up, and of one that was not.
const TAKEN_UP: &str = "the configuration was taken up";
const NOT_TAKEN_UP: &str = "nothing was changed";

/// What is made of a configuration that was right.
type Fault = Box<dyn Fn(String) -> String>;

const OPEN: &str = r#"
policy "open"
default deny
use "postgres/basics"
allow "the tables" { on postgres  do select, insert, update, delete on "*.*" }
"#;

/// A `[[target]]` on the run's server.
fn target(name: &str, database: &str, user: &str, credential: &str) -> String {
    let port = Postgres::shared().port;
    format!(
        "[[target]]\nname = {name:?}\nprotocol = \"postgres\"\naddress = \"127.0.0.1:{port}\"\ndatabase = {database:?}\n\
         user = {user:?}\ncredential = {{ file = {credential:?} }}\ntls = {{ mode = \"disable\" }}\n"
    )
}

/// A session on a target.
async fn session(house: &House, target: &str) -> Result<Client, tokio_postgres::Error> {
    Ok(watched(house, target).await?.0)
}

/// A session on a target, and what its client is told at the end.
async fn watched(
    house: &House,
    target: &str,
) -> Result<(Client, JoinHandle<Result<(), tokio_postgres::Error>>), tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(house.port).user("ann").password(PASSWORD).dbname(target);
    let (client, connection) = config.connect(NoTls).await?;
    Ok((client, tokio::spawn(connection)))
}

/// The rows of a table that each database has of its own.
async fn mark(client: &Client) -> Result<i32, tokio_postgres::Error> {
    Ok(client.query_one("SELECT id FROM mark", &[]).await?.get(0))
}

async fn marked(database: &Database, id: i32) {
    let sql = format!("CREATE TABLE mark (id int); INSERT INTO mark VALUES ({id})");
    database.direct().await.batch_execute(&sql).await.unwrap();
}

fn private(house: &House, name: &str, text: &str) {
    let path = house.folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

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

#[tokio::test]
async fn targets_are_taken_up_while_sessions_run() {
    let house = House::new(OPEN).await;
    let (second, third) = (Database::create().await, Database::create().await);
    for (database, id) in [(&house.database, 1), (&second, 2), (&third, 3)] {
        marked(database, id).await;
    }
    let mut gateway = house.start();
    let (before, before_ended) = watched(&house, "shop").await.unwrap();
    assert_eq!(mark(&before).await.unwrap(), 1);
    assert!(session(&house, "other").await.is_err());

    // One that is new, and one that is somewhere else from now on.
    let other = target("other", &second.name, Postgres::SUPERUSER, "credential");
    house.edit(|text| {
        text.replace(
            &format!("database = {:?}", house.database.name),
            &format!("database = {:?}", third.name),
        ) + &other
    });
    gateway.reload();
    house.logged(TAKEN_UP, 1);
    let other = session(&house, "other").await.unwrap();
    assert_eq!(mark(&other).await.unwrap(), 2);
    let (after, after_ended) = watched(&house, "shop").await.unwrap();
    assert_eq!(mark(&after).await.unwrap(), 3, "new sessions go where it is now");
    assert_eq!(mark(&before).await.unwrap(), 1, "and those that were there stay");
    before.batch_execute("INSERT INTO mark VALUES (4)").await.unwrap();

    // One is gone: its sessions end and are told why, the others' go on.
    house.edit(|text| {
        let start = text.find("[[target]]\nname = \"shop\"").unwrap();
        let end = text.find("[[target]]\nname = \"other\"").unwrap();
        text[..start].to_owned() + &text[end..]
    });
    gateway.reload();
    house.logged(TAKEN_UP, 2);
    for ended in [before_ended, after_ended] {
        let said = ended.await.unwrap().expect_err("it ends");
        let said = said.as_db_error().unwrap_or_else(|| panic!("{said}")).message().to_owned();
        assert!(said.contains("the target `shop` was removed"), "{said}");
    }
    let Err(error) = session(&house, "shop").await else { panic!("nobody is let in") };
    assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("3D000"), "{error}");
    assert_eq!(mark(&other).await.unwrap(), 2);
    drop((before, after, other));
    gateway.stop();
    let mut said = Vec::new();
    for entry in entries(&house.evidence).unwrap() {
        match entry.unwrap().record {
            Record::ConfigChanged(changed) => said.push(format!("{}: {}", changed.what, changed.to)),
            Record::SessionClosed(closed) if closed.reason.contains("removed") => {
                said.push("closed".to_owned())
            }
            _ => {}
        }
    }
    said.sort();
    let expected =
        ["closed", "closed", "target other: added", "target shop: changed", "target shop: removed"];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_rotated_credential_is_taken_up() {
    let house = House::new(OPEN).await;
    marked(&house.database, 1).await;
    let role = format!("rotated_{}", house.database.name);
    house
        .direct(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'the first of them'; GRANT SELECT ON mark TO {role}"
        ))
        .await;
    private(&house, "rotated", "the first of them");
    let other = target("other", &house.database.name, &role, "rotated");
    house.edit(|text| text + &other);
    let gateway = house.start();
    let before = session(&house, "other").await.unwrap();
    house.direct(&format!("ALTER ROLE {role} PASSWORD 'the second of them'")).await;
    private(&house, "rotated", "the second of them");
    assert!(session(&house, "other").await.is_err(), "the old one is of no use any more");
    gateway.reload();
    house.logged(TAKEN_UP, 1);
    assert_eq!(mark(&session(&house, "other").await.unwrap()).await.unwrap(), 1);
    assert_eq!(mark(&before).await.unwrap(), 1);
    drop(before);
    drop(gateway);
    house.direct(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test]
async fn a_new_certificate_is_shown_from_the_next_client_on() {
    let house = House::new(OPEN).await;
    let issue = || {
        let authority = Authority::new();
        let issued = authority.issue(&["localhost"]);
        private(&house, "server.crt", &issued.certificate);
        private(&house, "server.key", &issued.key);
        private(&house, "authority.crt", &authority.certificate());
    };
    issue();
    house.edit(|text| text.replace("[tls]\n", "[tls]\ncertificate = \"server.crt\"\nkey = \"server.key\"\n"));
    let gateway = house.start();
    let ask = || {
        let mut psql = house.database.server.program("psql");
        psql.args([
            "-XAtq",
            "-h",
            "localhost",
            "-p",
            &house.port.to_string(),
            "-U",
            "ann",
            "shop",
            "-c",
            "SELECT 7",
        ]);
        psql.env("PGPASSWORD", PASSWORD).env("PGSSLMODE", "verify-full").env("PGHOSTADDR", "127.0.0.1");
        psql.env("PGSSLROOTCERT", house.folder.path().join("authority.crt"));
        let output = psql.output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned()
    };
    assert_eq!(ask(), "7");
    let before = house.client().await;
    issue();
    let said = ask();
    assert!(said.contains("SSL error"), "the new authority has not issued the old one: {said}");
    gateway.reload();
    house.logged(TAKEN_UP, 1);
    assert_eq!(ask(), "7");
    assert!(before.simple_query("SELECT 1").await.is_ok());
}

#[tokio::test]
async fn what_needs_a_restart_is_named() {
    let house = House::new(OPEN).await;
    let gateway = house.start();
    let other = free_port();
    house.edit(|text| {
        let text = text.replace(&format!("127.0.0.1:{}", house.port), &format!("127.0.0.1:{other}"));
        format!(
            "workers = 7\nstate = \"elsewhere\"\n{}",
            text.replace("evidence = ", "evidence = \"elsewhere\" # ")
        )
    });
    gateway.reload();
    house.logged(TAKEN_UP, 1);
    for key in ["listen.postgres", "workers", "state", "evidence"] {
        house.logged(&format!("`{key}` was changed, which needs a restart"), 1);
    }
    assert_eq!(ask("127.0.0.1", house.port).await.unwrap(), 7);
    assert!(ask("127.0.0.1", other).await.is_err());
    assert!(!house.folder.path().join("elsewhere").exists());
}

#[tokio::test]
async fn a_configuration_that_does_not_load_changes_nothing() {
    let house = House::new(OPEN).await;
    marked(&house.database, 1).await;
    let gateway = house.start();
    let before = session(&house, "shop").await.unwrap();
    let control = Control::new(house.folder.path().join("portcullis.toml.socket"));
    let good = fs::read_to_string(house.folder.path().join("portcullis.toml")).unwrap();
    // With each fault comes something that is right, and must not come into force either.
    let added = target("other", &house.database.name, Postgres::SUPERUSER, "credential");
    let deny = OPEN.to_owned() + "deny \"all\" { on postgres  do select }";
    let faults: [(&str, &str, Fault); 5] = [
        (&deny, "unknown field", Box::new(|text| "nonsense = 1\n".to_owned() + &text)),
        ("allow { on postgers }", "postgers", Box::new(|text| text)),
        (&deny, "credential of target `third`", Box::new(|text| text + &target("third", "x", "x", "absent"))),
        (
            &deny,
            "certificate",
            Box::new(|text| {
                text.replace("[tls]\n", "[tls]\ncertificate = \"all.policy\"\nkey = \"credential\"\n")
            }),
        ),
        (
            &deny,
            "ca.pem",
            Box::new(|text| text.replacen("tls = { mode = \"disable\" }", "tls = { ca = \"ca.pem\" }", 1)),
        ),
    ];
    private(&house, "ca.pem", "nobody");
    for (number, (policy, words, fault)) in faults.iter().enumerate() {
        fs::write(house.folder.path().join("all.policy"), policy).unwrap();
        house.edit(|_| fault(good.clone() + &added));
        gateway.reload();
        house.logged(NOT_TAKEN_UP, number + 1);
        house.logged(words, 1);
        let status = control.status().await.unwrap();
        assert!(
            status.reload_fault.as_ref().is_some_and(|fault| fault.contains(words)),
            "{words}: {status:?}"
        );
        assert_eq!(status.policy.generation, 1, "{words}");
        assert_eq!(mark(&before).await.unwrap(), 1, "{words}");
        assert_eq!(mark(&session(&house, "shop").await.unwrap()).await.unwrap(), 1, "{words}");
        assert!(session(&house, "other").await.is_err(), "{words}");
    }
    // Mended, it is taken up, and the fault is forgotten.
    fs::write(house.folder.path().join("all.policy"), OPEN).unwrap();
    house.edit(|_| good.clone() + &added);
    gateway.reload();
    house.logged(TAKEN_UP, 1);
    assert_eq!(mark(&session(&house, "other").await.unwrap()).await.unwrap(), 1);
    assert_eq!(control.status().await.unwrap().reload_fault, None);
}
