//! What a client can do to the connection itself. Refused means that nothing of it reaches the target.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::raw::{extended, log_in, query, shape, sync};
use portcullis_testkit::Database;
use portcullis_testkit::peer::{Raw, message, startup};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

fn hello() -> Vec<u8> {
    startup(&[("user", common::USER), ("database", "shop")])
}

#[tokio::test]
async fn bytes_stuffed_behind_the_request_for_tls_are_never_read_as_a_session() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let mut raw = Raw::connect(gateway.address);
    raw.send(&[&SSL_REQUEST[..], &hello()].concat());
    let said = raw.rest();
    // Nothing, or the `S` and then a failed handshake: in no case the beginning of a login.
    assert!(!said.contains(&b'R'), "{said:?}");
    let mut raw = Raw::connect(gateway.address);
    raw.send(&[&GSS_REQUEST[..], &hello()].concat());
    assert_eq!(raw.rest(), b"", "not even an answer");
}

#[tokio::test]
async fn gss_is_declined_and_each_question_is_asked_once() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let mut raw = Raw::connect(gateway.address);
    raw.send(&GSS_REQUEST);
    assert_eq!(raw.read(1), b"N");
    raw.send(&hello());
    log_in(&mut raw);
    let mut raw = Raw::connect(gateway.address);
    raw.send(&GSS_REQUEST);
    assert_eq!(raw.read(1), b"N");
    raw.send(&GSS_REQUEST);
    assert_eq!(raw.rest(), b"");
}

#[tokio::test]
async fn clients_without_tls_are_refused_unless_allowed() {
    let database = Database::create().await;
    let (mut settings, authority) = common::settings(common::target(&database));
    settings.allow_plaintext = false;
    let gateway = common::start(settings, &authority, portcullis_postgres::Unpoliced);
    let mut raw = Raw::connect(gateway.address);
    raw.send(&hello());
    let said = String::from_utf8_lossy(&raw.rest()).into_owned();
    assert!(said.contains("this gateway takes connections by TLS only"), "{said}");
    assert_eq!(gateway.psql("SELECT 'by TLS'"), "by TLS");
}

#[tokio::test]
async fn first_packets_with_impossible_lengths_end_the_connection() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    for length in [0, 3, 4, 7, 10_005, 0x7fff_ffff, u32::MAX] {
        let mut raw = Raw::connect(gateway.address);
        raw.send(&length.to_be_bytes());
        raw.send(&[0; 8]);
        assert_eq!(raw.rest(), b"", "{length}");
    }
}

#[tokio::test]
async fn duplicate_keys_roles_and_replication_are_refused_at_the_start() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    for (pairs, words) in [
        (&[("user", "ann"), ("user", "bob")][..], "`user` is given twice"),
        (&[("user", "ann"), ("database", "shop"), ("role", "postgres")], "`role` can't be set"),
        (&[("user", "ann"), ("database", "shop"), ("options", "-c role=postgres")], "`role` can't be set"),
        (&[("user", "ann"), ("replication", "database")], "replication is not supported"),
        (&[("user", "ann"), ("client_encoding", "SJIS")], "pinned to UTF8"),
    ] {
        let mut raw = Raw::connect(gateway.address);
        raw.send(&startup(pairs));
        let said = String::from_utf8_lossy(&raw.rest()).into_owned();
        assert!(said.contains(words), "{pairs:?}: {said}");
    }
}

#[tokio::test]
async fn newer_protocols_are_negotiated_and_get_longer_keys() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let key_of = |minor: u8| {
        let mut packet = hello();
        packet[7] = minor;
        let mut raw = Raw::connect(gateway.address);
        raw.send(&packet);
        if minor > 2 {
            assert_eq!(raw.message(), (b'v', b"\0\x03\0\x02\0\0\0\0".to_vec()));
        }
        log_in(&mut raw).into_iter().find(|(tag, _)| *tag == b'K').unwrap().1
    };
    assert_eq!(key_of(0).len(), 8);
    assert_eq!(key_of(2).len(), 36);
    assert_eq!(key_of(9).len(), 36);
}

#[tokio::test]
async fn settings_chosen_at_the_start_arrive() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let said = common::run(
        gateway
            .program("psql")
            .env("PGOPTIONS", "-c search_path=pg_temp,public -c statement_timeout=77s")
            .env("PGAPPNAME", "a test")
            .args(["-XAtqc", "SELECT current_setting('search_path'), current_setting('statement_timeout'), current_setting('application_name')"]),
    );
    assert_eq!(said, "pg_temp,public|77s|a test");
}

#[tokio::test]
async fn messages_that_no_client_may_send_end_the_session() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let one = |bytes: &[u8]| {
        let mut raw = common::raw::session(&gateway);
        raw.send(bytes);
        String::from_utf8_lossy(&raw.rest()).into_owned()
    };
    for (bytes, words) in [
        (&b"Q\0\0\0\0"[..], "message length 0"),
        (b"Q\0\0\0\x03", "message length 3"),
        (b"Q\x7f\xff\xff\xff", "longer than"),
        (b"d\xff\xff\xff\xff", "longer than"),
        (b"S\0\0\0\x05x", "longer than"),
        (b"p\0\0\0\x05\0", "unknown message type 0x70"),
        (b"R\0\0\0\x08\0\0\0\0", "unknown message type 0x52"),
        (b"\0\0\0\x08\0\x03\0\0", "unknown message type 0x00"),
        (&hello(), "unknown message type 0x00"),
        (b"f\0\0\0\x06xx", "string without its terminating zero byte"),
    ] {
        let said = one(bytes);
        assert!(said.contains("FATAL") && said.contains(words), "{bytes:?}: {said}");
    }
}

#[tokio::test]
async fn a_forged_cancel_request_is_dropped_without_a_word() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let direct = database.direct().await;
    let mut raw = Raw::connect(gateway.address);
    raw.send(&hello());
    let key = log_in(&mut raw).into_iter().find(|(tag, _)| *tag == b'K').unwrap().1;
    raw.send(&query("SELECT pg_sleep(1)"));
    let asleep =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    while direct.query_one(asleep, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    let (process, secret) = key.split_at(4);
    let guess: Vec<u8> = secret.iter().map(|byte| !byte).collect();
    let other = u32::from_be_bytes(process.try_into().unwrap()).wrapping_add(1).to_be_bytes();
    for (process, secret) in [
        (process, &guess[..]),
        (&other[..], secret),
        (process, &secret[..3]),
        (process, &[secret, &[0]].concat()[..]),
        (process, &[0; 256][..]),
        (process, &[0; 257][..]),
    ] {
        let mut forged = Raw::connect(gateway.address);
        let length = u32::try_from(12 + secret.len()).unwrap().to_be_bytes();
        forged.send(&[&length[..], &[4, 210, 22, 46], process, secret].concat());
        assert_eq!(forged.rest(), b"");
    }
    assert_eq!(shape(&raw.until(b'Z')), "T D C Z(I)", "the sleep went on to its end");
}

#[tokio::test]
async fn every_message_split_at_every_byte_means_the_same() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let mut raw = common::raw::session(&gateway);
    raw.send(&query("CREATE TABLE t (a int)"));
    assert_eq!(shape(&raw.until(b'Z')), "C Z(I)");
    let script = [
        query("SELECT 1; SELECT 2"),
        extended("SELECT 'x'"),
        message(b'D', b"P\0"),
        message(b'C', b"S\0"),
        message(b'H', b""),
        sync(),
        extended("SELECT nonsense"),
        extended("SELECT 4"),
        sync(),
        query("COPY t FROM STDIN"),
        message(b'd', b"1\n2\n"),
        message(b'd', b"3\n"),
        message(b'c', b""),
        query("COPY t TO STDOUT"),
    ]
    .concat();
    let expected = "T D C T D C Z(I) 1 2 D C T 3 Z(I) E Z(I) G C Z(I) H d d d c C Z(I)";
    for cut in 1..script.len() {
        raw.send(&query("TRUNCATE t"));
        assert_eq!(shape(&raw.until(b'Z')), "C Z(I)");
        let (first, second) = script.split_at(cut);
        raw.send(first);
        // Long enough for the gateway to be woken by the first part alone, most of the time.
        std::thread::yield_now();
        raw.send(second);
        let said: Vec<_> = (0..5).map(|_| shape(&raw.until(b'Z'))).collect();
        assert_eq!(said.join(" "), expected, "cut at {cut}");
    }
    for byte in &script {
        raw.send(&[*byte]);
    }
    let said: Vec<_> = (0..5).map(|_| shape(&raw.until(b'Z'))).collect();
    assert_eq!(
        said.join(" "),
        expected.replace("d d d", "d d d d d d"),
        "byte by byte, into a table with three rows"
    );
}

#[tokio::test]
async fn a_session_that_changes_how_its_text_is_read_ends() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    for change in [
        "SET standard_conforming_strings = off",
        "SET client_encoding = 'SJIS'",
        "SELECT set_config('client_encoding', 'GBK', false)",
    ] {
        let mut raw = common::raw::session(&gateway);
        raw.send(&query(change));
        let said = String::from_utf8_lossy(&raw.rest()).into_owned();
        assert!(said.contains("may not be changed"), "{change}: {said}");
    }
}

#[tokio::test]
async fn a_row_of_a_hundred_megabytes_passes_through_a_small_buffer() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let said = common::run(gateway.program("psql").args([
        "-XAtq",
        "-c",
        "SELECT repeat('x', 100000000)",
        "-o",
        "/dev/null",
    ]));
    assert_eq!(said, "");
    let said = gateway.psql("SELECT length(repeat('x', 1000))");
    assert_eq!(said, "1000");
}

#[tokio::test]
async fn both_directions_flow_while_neither_end_reads_all() {
    // The target sends a notice for every row of a COPY that the client has not finished sending, and the client
    // reads none of them before it has: both sockets fill, and neither direction may wait for the other.
    let database = Database::create().await;
    database
        .direct()
        .await
        .batch_execute(
            "CREATE TABLE t (a text);
             CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE NOTICE '%', repeat('n', 1000); RETURN NEW; END $$;
             CREATE TRIGGER shout BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION shout();",
        )
        .await
        .unwrap();
    let gateway = common::plain(&database);
    let mut raw = common::raw::session(&gateway);
    raw.send(&query("COPY t FROM STDIN"));
    assert_eq!(shape(&raw.until(b'G')), "G");
    let line = message(b'd', format!("{}\n", "x".repeat(1_000)).as_bytes());
    let rows = 1_500;
    raw.send(&line.repeat(rows));
    raw.send(&message(b'c', b""));
    let said = raw.until(b'Z');
    assert_eq!(said.iter().filter(|(tag, _)| *tag == b'N').count(), rows);
    assert!(shape(&said).ends_with("C Z(I)"));
}

#[tokio::test]
async fn a_client_that_sends_without_ever_reading_is_held_back() {
    let database = Database::create().await;
    let gateway = common::plain(&database);
    let mut raw = common::raw::session(&gateway);
    // More replies owed than the ledger takes, in one pipeline.
    let count = 20_000;
    let pipeline = extended("SELECT 1").repeat(count);
    let mut writer = raw.split();
    let sending = std::thread::spawn(move || {
        writer.send(&pipeline);
        writer.send(&sync());
    });
    let said = raw.until(b'Z');
    assert_eq!(said.len(), count * 4 + 1);
    sending.join().unwrap();
}
