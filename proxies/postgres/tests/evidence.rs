//! What the real program leaves behind: in the audit log, in recordings, in its own log, when its disk is full, when it
//! is killed, and when it is started twice.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by it"
)]

mod process;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use portcullis_evidence::read::{self, Command};
use portcullis_evidence::recording::{self, Event, Reader};
use portcullis_evidence::{Record, VerifyOptions, entries, verify};
use process::{House, everything_in};

const OPEN: &str = r#"
policy "open"
default deny
use "postgres/basics"
allow "the tables" { on postgres  do select, insert, update, delete on "*.*" }
"#;

fn commands(evidence: &Path) -> Vec<Command> {
    read::commands(evidence, |_| true).expect("the log can be read")
}

/// The events of all recordings.
fn recorded(evidence: &Path) -> Vec<Event<'static>> {
    let sessions = recording::sessions(evidence).expect("the recordings can be listed");
    let files = sessions.iter().filter_map(|session| recording::find(evidence, session));
    files.flat_map(|file| Reader::open(&file).expect("a recording")).map(|played| played.event).collect()
}

#[tokio::test]
async fn a_recorded_session_can_be_replayed_with_its_rows() {
    let policy = OPEN.to_owned() + "record all { do select }";
    let house = House::new(&policy).await;
    house.direct("CREATE TABLE t (id int, label text); INSERT INTO t SELECT n, 'label ' || n FROM generate_series(1, 1500) n").await;
    let mut gateway = house.start();
    let client = house.client().await;
    client.simple_query("INSERT INTO t VALUES (0, 'before')").await.expect("admitted");
    client.simple_query("SELECT id, label AS named FROM t WHERE id < 3 ORDER BY id").await.expect("admitted");
    let rows = client.query("SELECT id, label FROM t WHERE id < $1", &[&3_i32]).await.expect("admitted");
    assert_eq!(rows.len(), 3);
    client.simple_query("SELECT id FROM t").await.expect("admitted");
    client.simple_query("SELECT 1 / 0").await.expect_err("the target fails");
    client.simple_query("DROP TABLE t").await.expect_err("denied");
    let copied = client.copy_out("COPY (SELECT label FROM t WHERE id = 2) TO STDOUT").await;
    drop(copied);
    drop(client);
    gateway.stop();

    let report = verify(&house.evidence, &VerifyOptions::default()).expect("readable");
    assert!(report.is_intact() && report.recordings == 1, "{report:?}");
    let events = recorded(&house.evidence);
    assert!(
        matches!(events.first(), Some(Event::Opened { principal, .. }) if principal == "ann"),
        "{:?}",
        events[0]
    );
    assert!(matches!(events.last(), Some(Event::Closed { .. })));
    let texts: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Command { text, via, .. } => Some((via.as_ref(), text.as_ref())),
            _ => None,
        })
        .collect();
    assert!(
        !texts.iter().any(|(_, text)| text.contains("INSERT")),
        "recorded from the first command asked for: {texts:?}"
    );
    assert!(texts.contains(&("query", "DROP TABLE t")), "and of all that follow: {texts:?}");
    let rows = |of: u64| -> Vec<Vec<Option<String>>> {
        events
            .iter()
            .filter_map(|event| match event {
                Event::Row { command, values } if *command == of => {
                    Some(values.iter().map(|value| value.as_deref().map(str::to_owned)).collect())
                }
                _ => None,
            })
            .collect()
    };
    let number = |wanted: &str, how: &str| {
        events
            .iter()
            .find_map(|event| match event {
                Event::Command { command, text, via, .. } if text.starts_with(wanted) && via == how => {
                    Some(*command)
                }
                _ => None,
            })
            .unwrap_or_else(|| panic!("`{wanted}` by {how} in {events:?}"))
    };
    let first = number("SELECT id, label AS named", "query");
    let cell = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows(first),
        [[cell("0"), cell("before")], [cell("1"), cell("label 1")], [cell("2"), cell("label 2")]]
    );
    assert!(events.iter().any(
        |event| matches!(event, Event::Columns { command, names } if *command == first && names[1] == "named")
    ));
    let bound = number("SELECT id, label FROM t WHERE id <", "bind");
    assert_eq!(rows(bound).len(), 3, "{events:?}");
    assert_eq!(rows(bound)[0][0], cell("(4 bytes)"), "binary values are counted");
    assert!(events.iter().any(
        |event| matches!(event, Event::Columns { command, names } if *command == bound && names[1] == "label")
    ));
    let long = number("SELECT id FROM t", "query");
    assert_eq!(rows(long).len(), 1000);
    assert!(events.contains(&Event::RowsOmitted { command: long, rows: 501 }));
    assert!(events.iter().any(|event| matches!(event, Event::Message { text, .. } if text.contains("division by zero") && text.contains("22012"))));
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Outcome { error: Some(code), .. } if code == "22012"))
    );
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Outcome { command, rows: Some(3), .. } if *command == first))
    );
}

/// Neither what is masked in results nor what is sent for masked columns is in evidence, however it comes.
#[tokio::test]
async fn masked_values_are_not_in_evidence() {
    let canaries = ["canary-one@hidden.test", "917-65-4320", "4556 7375 8689 9855", "canary-two@hidden.test"];
    let [email, ssn, card, bound] = canaries;
    let policy = OPEN.to_owned()
        + r#"
mask "people" { on postgres  columns "public.people.email", "public.people.ssn"  with redact  unresolved deny  predicates record }
mask "cards" { on postgres  values credit_card  with redact }
record all { do select, insert, update, delete }
"#;
    let house = House::new(&policy).await;
    house.direct("CREATE TABLE people (id int, email text UNIQUE, ssn text, note text)").await;
    let mut gateway = house.start();
    let client = house.client().await;
    let mut shown = Vec::new();
    client
        .batch_execute(&format!("INSERT INTO people VALUES (1, '{email}', '{ssn}', 'card {card}')"))
        .await
        .expect("admitted");
    client
        .execute("INSERT INTO people VALUES (2, $1, $2, $3)", &[&bound, &ssn, &card])
        .await
        .expect("admitted");
    client.execute("UPDATE people SET ssn = $1 WHERE id = 2", &[&ssn]).await.expect("admitted");
    for sql in
        ["SELECT * FROM people", "SELECT email AS x, upper(ssn), note FROM people", "COPY people TO STDOUT"]
    {
        shown.push(format!("{:?}", client.simple_query(sql).await));
    }
    for row in client.query("SELECT email, ssn, note FROM people ORDER BY id", &[]).await.expect("admitted") {
        shown.push(format!("{:?}", (0..3).map(|at| row.get::<_, Option<String>>(at)).collect::<Vec<_>>()));
    }
    // The target's own words quote values.
    let sql = format!("INSERT INTO people VALUES (3, '{email}', '', '')");
    shown.push(format!("{:?}", client.batch_execute(&sql).await.expect_err("a duplicate")));
    shown.push(format!("{:?}", client.simple_query("SELECT email::int FROM people").await));
    shown.push(format!(
        "{:?}",
        client.query(&format!("SELECT id FROM people WHERE email = '{email}'"), &[]).await
    ));
    drop(client);
    gateway.stop();

    assert!(shown[0].contains("card [redacted]"), "masked, not refused: {}", shown[0]);
    let events = recorded(&house.evidence);
    assert!(
        events.iter().filter(|event| matches!(event, Event::Row { .. })).count() >= 6,
        "rows are recorded: {events:?}"
    );
    assert!(commands(&house.evidence).len() >= 8);
    let kept = everything_in(house.folder.path());
    for canary in canaries {
        for (what, text) in shown
            .iter()
            .map(|text| ("the client's eyes", text.as_str()))
            .chain([("a recording", format!("{events:?}").as_str())])
        {
            assert!(!text.contains(canary), "`{canary}` in {what}: {text}");
        }
        for (path, bytes) in &kept {
            assert!(
                memchr::memmem::find(bytes, canary.as_bytes()).is_none(),
                "`{canary}` in {}",
                path.display()
            );
        }
    }
}

/// The target's credential is in no log line, error, evidence file or client byte, even where the target says it.
#[tokio::test]
async fn the_credential_of_a_target_is_nowhere() {
    let house = House::new(&(OPEN.to_owned() + "record all { do select, insert }")).await;
    let canary = house.database.server.password.clone();
    assert!(canary.len() >= 16);
    house.direct(&format!("CREATE TABLE leaked (word text, row_id int); INSERT INTO leaked VALUES ('before {canary} after', 1), ('{canary}', 2)")).await;
    let mut gateway = house.start();
    let client = house.client().await;
    let mut shown = Vec::new();
    for sql in [
        "SELECT word FROM leaked",
        "SELECT word::int FROM leaked",
        "SELECT * FROM pg_catalog.pg_settings WHERE name = 'primary_conninfo'",
        "COPY leaked TO STDOUT",
        "SELECT json_agg(leaked) FROM leaked",
        "SELECT array_agg(word) FROM leaked",
    ] {
        shown.push(format!("{:?}", client.simple_query(sql).await));
    }
    for row in client.query("SELECT word FROM leaked ORDER BY row_id", &[]).await.expect("admitted") {
        shown.push(row.get::<_, String>(0));
    }
    assert!(
        shown[0].contains("before ") && shown[0].contains(" after"),
        "redacted, not refused: {}",
        shown[0]
    );
    let wrong = house.connect("ann", "wrong password").await.map(drop).expect_err("refused");
    shown.push(format!("{wrong:?}"));
    drop(client);
    gateway.stop();

    let events = format!("{:?}", recorded(&house.evidence));
    assert!(events.contains("before ") && events.contains("leaked"), "rows are recorded: {events}");
    shown.push(events);
    for text in &shown {
        assert!(!text.contains(&canary), "{text}");
    }
    for (path, bytes) in everything_in(house.folder.path()) {
        // The file that the gateway reads it from.
        if path != house.credential {
            assert!(memchr::memmem::find(&bytes, canary.as_bytes()).is_none(), "in {}", path.display());
        }
    }
}

#[tokio::test]
async fn two_gateways_on_one_directory_or_one_port_are_told_apart() {
    let house = House::new(OPEN).await;
    let mut gateway = house.start();
    let second = house.run_again(house.evidence.to_str().expect("text"), process::free_port());
    assert_eq!(second.code, Some(3), "{}", second.said);
    assert!(
        second.said.contains("evidence directory") && second.said.contains("is used by process"),
        "{}",
        second.said
    );
    let third = house.run_again("other-evidence", house.port);
    assert_eq!(third.code, Some(3), "{}", third.said);
    let address = format!("127.0.0.1:{}", house.port);
    assert!(third.said.contains("can't listen on") && third.said.contains(&address), "{}", third.said);
    house.client().await.simple_query("SELECT 1").await.expect("the first still serves");
    gateway.stop();
}

/// The evidence is on a file system that fills up: what can't be recorded is not sent.
#[tokio::test]
async fn without_evidence_nothing_is_forwarded() {
    let house = House::new(OPEN).await;
    house.direct("CREATE TABLE t (id int PRIMARY KEY)").await;
    let Some(mut gateway) = house.start_on_a_small_disk(192) else {
        eprintln!("skipped: this user may not make a mount namespace");
        return;
    };
    let client = house.client().await;
    let padding = "x".repeat(2000);
    let mut done = 0;
    let error = loop {
        assert!(done < 10_000, "the file system never fills up");
        let sql = format!("INSERT INTO t VALUES ({done}) /* {padding} */");
        match client.simple_query(&sql).await {
            Ok(_) => done += 1,
            Err(error) => break error,
        }
    };
    assert!(done > 5, "it worked before: {error:?}");
    // The one that failed may have been sent, if it was its outcome that found no room; whatever comes after is not.
    for number in 20_000..20_020 {
        let sql = format!("INSERT INTO t VALUES ({number}) /* {padding} */");
        assert!(client.simple_query(&sql).await.is_err(), "number {number}");
        if let Ok(other) = house.connect("ann", process::PASSWORD).await {
            assert!(other.simple_query(&sql).await.is_err(), "number {number} in another session");
        }
    }
    gateway.stop();
    let evidence = gateway.kept_evidence.clone().expect("a copy");
    let rows = house.ids().await;
    assert!(rows.iter().all(|id| *id < 20_000) && rows.len() <= done + 1, "{} rows of {done}", rows.len());
    let known: HashSet<i32> = commands(&evidence).iter().filter_map(inserted).collect();
    assert!(rows.iter().all(|id| known.contains(id)), "{rows:?} are not all in {known:?}");
}

/// kill -9 under eight clients: every row in the database has its intent in the log, and the log is whole.
#[tokio::test]
async fn every_effect_has_its_intent_after_kill_9() {
    let kills: usize =
        std::env::var("PORTCULLIS_KILLS").ok().map_or(6, |kills| kills.parse().expect("a number"));
    let house = Arc::new(House::new(&(OPEN.to_owned() + "record all { do insert }")).await);
    house.direct("CREATE TABLE t (id int PRIMARY KEY)").await;
    let next = Arc::new(AtomicU32::new(1));
    let mut acknowledged = 0;
    for kill in 0..kills {
        let mut gateway = house.start();
        let report = verify(&house.evidence, &VerifyOptions::default()).expect("readable");
        assert!(report.is_intact(), "after kill {kill}: {:?}", report.findings);
        let done = Arc::new(AtomicU32::new(0));
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let (house, next, done) = (Arc::clone(&house), Arc::clone(&next), Arc::clone(&done));
                tokio::spawn(async move {
                    // The kill may come while it logs in.
                    let Ok(client) = house.connect("ann", process::PASSWORD).await else { return };
                    loop {
                        let id = next.fetch_add(1, Ordering::Relaxed);
                        if client.simple_query(&format!("INSERT INTO t VALUES ({id})")).await.is_err() {
                            return;
                        }
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let enough = u32::try_from(8 + kill * 13 % 97).expect("small");
        let working = async {
            while done.load(Ordering::Relaxed) < enough {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), working).await.expect("clients get on");
        gateway.kill();
        for client in clients {
            client.await.expect("a client");
        }
        acknowledged += done.load(Ordering::Relaxed);
    }
    let mut gateway = house.start();
    gateway.stop();
    let report = verify(&house.evidence, &VerifyOptions::default()).expect("readable");
    assert!(report.is_intact(), "{:?}", report.findings);
    let rows = house.ids().await;
    assert!(rows.len() >= acknowledged as usize, "{} rows, {acknowledged} acknowledged", rows.len());
    let known: HashSet<i32> = commands(&house.evidence).iter().filter_map(inserted).collect();
    let lost: Vec<_> = rows.iter().filter(|id| !known.contains(id)).collect();
    assert!(lost.is_empty(), "rows without an intent: {lost:?}");
    let starts = entries(&house.evidence)
        .expect("readable")
        .filter(|entry| matches!(entry.as_ref().expect("a record").record, Record::GatewayStarted(_)));
    assert_eq!(starts.count(), kills + 1);
}

/// The id that an `INSERT INTO t VALUES (id)` was to insert.
fn inserted(command: &Command) -> Option<i32> {
    let rest = command.text.as_deref()?.strip_prefix("INSERT INTO t VALUES (")?;
    rest.split(')').next()?.parse().ok()
}
