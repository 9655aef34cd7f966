//! The commands that talk to a running gateway and to a real PostgreSQL, from `init` to a tampered log.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::{Folder, Ran};
use portcullis_testkit::{Database, Postgres};

const ANA: &str = "correct horse battery staple";
const BEN: &str = "staple battery horse correct";

/// A gateway made and run by nothing but the command line.
struct Gateway {
    folder: Folder,
    database: Database,
    port: u16,
    serving: Child,
}

impl Gateway {
    /// `role` is the one that the gateway has at the target.
    fn prepared(database: &Database, role: &str, port: u16) -> Folder {
        let folder = Folder::new();
        let target = format!("127.0.0.1:{}", database.server.port);
        let listen = format!("127.0.0.1:{port}");
        let init =
            ["init", "--target", &target, "--database", &database.name, "--role", role, "--listen", &listen];
        assert_eq!(folder.run(&init).code, 0);
        // The example's health port may be another test's.
        let health = "listen = \"127.0.0.1:9464\"     # /health and /metrics; loopback addresses only";
        let config = folder.read("portcullis.toml");
        assert!(config.contains(health), "{config}");
        folder.write("portcullis.toml", config.replace(health, ""));
        let stored = folder.feed(database.server.password.as_bytes(), &["secret", "set", &database.name]);
        assert_eq!(stored.code, 0, "{stored:?}");
        for (name, password, group) in [("ana", ANA, "eng"), ("ben", BEN, "sre")] {
            let added = folder
                .run_with(&[("PORTCULLIS_PASSWORD", password)], &["user", "add", name, "--group", group]);
            assert_eq!(added.code, 0, "{added:?}");
        }
        folder
    }

    async fn start() -> Self {
        let database = Database::create().await;
        let setup = "CREATE TABLE orders (id int, item text); INSERT INTO orders VALUES (1, 'rope'); \
                     GRANT ALL ON orders TO scram_user; ALTER TABLE orders OWNER TO scram_user; \
                     GRANT ALL ON SCHEMA public TO scram_user";
        database.direct().await.batch_execute(setup).await.expect("set up");
        let port = free_port();
        let folder = Self::prepared(&database, "scram_user", port);
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let serving = folder.command(&["serve"]).stderr(log).spawn().expect("serving");
        let gateway = Self { folder, database, port, serving };
        let listening = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        gateway.until("it listens", || {
            (listening() && gateway.folder.run(&["sessions"]).code == 0).then_some(())
        });
        gateway
    }

    /// Looks again and again, for half a minute at most.
    fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "not within 30 s: {what}\n{}", self.folder.read("log"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn psql(&self) -> std::process::Command {
        let mut psql = self.database.server.program("psql");
        psql.args(["-X", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "ana", &self.database.name]);
        psql.env("PGPASSWORD", ANA).env("PGSSLMODE", "require");
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        psql
    }

    fn vote(&self, way: &str, number: u64, voter: &str, password: &str) -> Ran {
        let arguments = [way, &number.to_string(), "--as", voter, "--reason", "seen"];
        self.folder.run_with(&[("PORTCULLIS_PASSWORD", password)], &arguments)
    }

    fn pending(&self) -> serde_json::Value {
        self.until("an approval", || self.folder.json(&["approvals"]).as_array()?.first().cloned())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.serving.kill();
        let _ = self.serving.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test]
async fn from_init_to_a_tampered_log() {
    let gateway = Gateway::start().await;
    let folder = &gateway.folder;

    // A held command goes on once it is approved; nobody approves their own, or with a wrong password.
    let held = gateway.psql().args(["-c", "alter table orders add column note text"]).spawn().expect("psql");
    let approval = gateway.pending();
    let number = approval["number"].as_u64().expect("a number");
    assert_eq!(approval["command"], "alter table orders add column note text");
    let shown = folder.run(&["approvals", &number.to_string()]);
    assert!(shown.code == 0 && shown.out.contains("`schema change`, which needs 1 of "), "{shown:?}");
    let own = gateway.vote("approve", number, "ana", ANA);
    assert_eq!(own.code, 4, "{own:?}");
    let wrong = gateway.vote("approve", number, "ben", ANA);
    assert!(wrong.code == 4 && wrong.err.contains("wrong"), "{wrong:?}");
    let approved = gateway.vote("approve", number, "ben", BEN);
    assert!(approved.code == 0 && approved.out.contains("approved"), "{approved:?}");
    assert!(held.wait_with_output().expect("psql").status.success());
    let none = folder.run(&["approvals"]);
    assert_eq!(none.out, "nothing waits for approval\n", "{none:?}");
    assert_eq!(folder.run(&["approvals", "99"]).code, 4);

    // A refused one fails, with the reviewer's words.
    let held = gateway.psql().args(["-c", "alter table orders add column more text"]).spawn().expect("psql");
    let number = gateway.pending()["number"].as_u64().expect("a number");
    let refused = gateway.vote("refuse", number, "ben", BEN);
    assert!(refused.code == 0 && refused.out.contains("refused"), "{refused:?}");
    let output = held.wait_with_output().expect("psql");
    assert!(!output.status.success());
    let all = folder.json(&["approvals", "--all"]);
    assert_eq!((&all[0]["state"], &all[1]["state"]), (&"refused".into(), &"consumed".into()), "{all:#}");

    // A session is listed, revoked, and replayed.
    let mut session = gateway.psql().spawn().expect("psql");
    let mut keyboard = session.stdin.take().expect("piped");
    keyboard.write_all(b"select item from orders where id = 1;\n").expect("typed");
    let id = gateway.until("a session", || {
        folder.json(&["sessions"]).as_array()?.first()?["id"].as_str().map(str::to_owned)
    });
    gateway.until("its command in the log", || {
        folder.run(&["replay", &id]).out.contains("select item from orders").then_some(())
    });
    let revoked = folder.run(&["revoke", &id, "--reason", "lunch"]);
    assert_eq!((revoked.code, revoked.out), (0, format!("revoked session {id}\n")));
    gateway.until("the end of the session", || {
        (folder.json(&["sessions"]) == serde_json::json!([])).then_some(())
    });
    // If the end came while psql was reading rows, it has left already.
    let _ = keyboard.write_all(b"select 'still' || '_here';\n");
    drop(keyboard);
    let output = session.wait_with_output().expect("psql");
    assert!(!output.status.success(), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("still_here"), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("lunch"), "{output:?}");
    assert!(folder.run(&["replay"]).out.contains(&id));
    assert_eq!(folder.run(&["revoke", &id]).code, 4);
    assert_eq!(folder.run(&["replay", "00000000000000ff"]).code, 5);

    // What a `record all` rule matches is replayed with its rows, masked.
    let insert = "insert into orders (id, item) values (9, 'card 4111 1111 1111 1111') returning id, item";
    let output = gateway.psql().args(["-c", insert]).output().expect("psql");
    assert!(output.status.success(), "{output:?}");
    let id = gateway.until("its recording", || {
        let sessions = folder.json(&["replay"]);
        let sessions = sessions.as_array()?;
        let recorded = sessions.iter().rev().find(|session| session["recorded"] == true)?;
        recorded["id"].as_str().map(str::to_owned)
    });
    let played = gateway.until("the end of its recording", || {
        let played = folder.run(&["replay", &id, "--rows"]);
        played.out.contains("closed:").then_some(played)
    });
    assert!(played.out.contains("insert into orders") && played.out.contains("done, 1 row"), "{played:?}");
    assert!(played.out.contains("id | item") && played.out.contains("9 | card [redacted]"), "{played:?}");
    assert!(!played.out.contains("4111"), "{played:?}");
    assert!(!folder.run(&["replay", &id]).out.contains("9 | card"));

    // What can't be used is not taken up, and said; what can is.
    let policy = folder.read("policies/production.policy");
    folder.write("policies/production.policy", format!("{policy}\nallow {{ on postgers }}"));
    let refused = folder.run(&["reload"]);
    assert!(refused.code == 3 && refused.err.contains("nothing was changed"), "{refused:?}");
    // Once for each of the two mistakes.
    assert_eq!(refused.err.matches("error:").count(), 2, "{refused:?}");
    folder.write("policies/production.policy", policy);
    let reloaded = folder.run(&["reload"]);
    assert!(reloaded.code == 0 && reloaded.out.starts_with("reloaded: policy `"), "{reloaded:?}");
    assert!(!reloaded.err.contains("restart"), "{reloaded:?}");
    let config = folder.read("portcullis.toml");
    folder.write("portcullis.toml", format!("workers = 3\n{config}"));
    let reloaded = folder.run(&["reload"]);
    assert!(reloaded.err.contains("`workers` was changed, which needs a restart"), "{reloaded:?}");

    // Who only looked whether the port is open was not turned away.
    let log = folder.read("log");
    assert!(!log.contains("end of file") && !log.contains("was rejected"), "{log}");

    // A user is locked out.
    let locked = folder.run(&["revoke", "--user", "ana"]);
    assert!(locked.code == 0 && locked.out.contains("ana is locked out"), "{locked:?}");
    let turned_away = gateway.psql().args(["-c", "select 1"]).output().expect("psql");
    assert!(!turned_away.status.success());

    // The doctor finds a running gateway, and nothing that would not work.
    let doctor = folder.run(&["doctor"]);
    assert_eq!(doctor.code, 0, "{doctor:?}");
    for part in [
        "neither superuser nor close to it",
        "core dumps are off",
        "while the gateway runs",
        "the log is intact",
    ] {
        assert!(doctor.out.contains(part), "no `{part}` in\n{}", doctor.out);
    }

    // The evidence verifies; a changed copy does not, and the answer says where.
    let verified = folder.run(&["verify"]);
    assert!(verified.code == 0 && verified.out.starts_with("intact: "), "{verified:?}");
    assert_eq!(folder.json(&["verify"])["ok"], true);
    let segment = "evidence/audit-00000001.ndjson";
    std::fs::create_dir(folder.path().join("copy")).expect("made");
    let text = folder.read(segment);
    assert!(text.contains("\"hold\""));
    folder.write("copy/audit-00000001.ndjson", text.replacen("\"hold\"", "\"allow\"", 1));
    folder.write("copy/checkpoint.json", folder.read("evidence/checkpoint.json"));
    let tampered = folder.run(&["verify", "copy"]);
    assert!(tampered.code == 1 && tampered.out.contains("NOT intact"), "{tampered:?}");
    assert!(tampered.out.contains("audit-00000001.ndjson, line "), "{tampered:?}");
    assert_eq!(folder.run(&["verify", "--key", "portcullis.toml"]).code, 5);

    // A second gateway on the same port or evidence does not start, and says why.
    let second = folder.run(&["serve"]);
    assert!(second.code == 3 && second.err.contains("process "), "{second:?}");
}

#[tokio::test]
async fn a_session_is_watched_and_ended_by_a_reviewer() {
    let gateway = Gateway::start().await;
    let folder = &gateway.folder;
    let mut session = gateway.psql().spawn().expect("psql");
    let mut keyboard = session.stdin.take().expect("piped");
    let id = gateway.until("a session", || {
        folder.json(&["sessions"]).as_array()?.first()?["id"].as_str().map(str::to_owned)
    });
    let own = folder.run_with(&[("PORTCULLIS_PASSWORD", ANA)], &["watch", &id, "--as", "ana"]);
    assert!(own.code == 4 && own.err.contains("their own session"), "{own:?}");

    let seen = std::fs::File::create(folder.path().join("seen")).expect("a file");
    let mut watch = folder.command(&["watch", &id, "--as", "ben"]);
    let mut watching = watch.env("PORTCULLIS_PASSWORD", BEN).stdout(seen).spawn().expect("watching");
    gateway.until("the header", || {
        folder.read("seen").contains(&format!("watching session {id} of ana")).then_some(())
    });
    keyboard.write_all(b"select item from orders where id = 1;\n").expect("typed");
    gateway.until("what happens", || folder.read("seen").contains("select item from orders").then_some(()));

    let end = ["watch", &id, "--as", "ben", "--end", "--reason", "that was enough"];
    let ended = folder.run_with(&[("PORTCULLIS_PASSWORD", BEN)], &end);
    assert_eq!((ended.code, ended.out), (0, format!("ended session {id}\n")));
    assert!(watching.wait().expect("waited").success());
    assert!(folder.read("seen").contains("over: the session is over"), "{}", folder.read("seen"));
    let _ = keyboard.write_all(b"select 1;\n");
    drop(keyboard);
    let output = session.wait_with_output().expect("psql");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("revoked by ben: that was enough"), "{output:?}");
}

#[tokio::test]
async fn the_doctor_names_a_role_that_is_too_strong() {
    let database = Database::create().await;
    let folder = Gateway::prepared(&database, Postgres::SUPERUSER, free_port());
    let doctor = folder.run(&["doctor"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(doctor.out.contains("is superuser") && doctor.out.contains("mend:"), "{}", doctor.out);
    // The wrong password, and a file that others can read.
    assert_eq!(folder.feed(b"wrong", &["secret", "set", &database.name]).code, 0);
    folder.mode("state/secrets.sealed", 0o644);
    let doctor = folder.run(&["doctor"]);
    for part in ["authentication failed", "secrets.sealed` has mode 644", "chmod go-rwx"] {
        assert!(doctor.out.contains(part), "no `{part}` in\n{}", doctor.out);
    }
    assert!(!doctor.out.contains(&database.server.password));
}

#[tokio::test]
async fn a_dry_run_serves_nothing() {
    let database = Database::create().await;
    let port = free_port();
    let folder = Gateway::prepared(&database, "scram_user", port);
    let ran = folder.run(&["serve", "--dry-run"]);
    assert!(ran.code == 0 && ran.out.contains("can be served"), "{ran:?}");
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).expect("free again");
    let ran = folder.run(&["serve", "--dry-run"]);
    assert!(ran.code == 3 && ran.err.contains(&port.to_string()), "{ran:?}");
    let doctor = folder.run(&["doctor"]);
    assert!(doctor.code == 1 && doctor.out.contains("another program listens"), "{doctor:?}");
    drop(taken);
}
