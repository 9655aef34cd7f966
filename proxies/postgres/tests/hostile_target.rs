//! Targets that do not keep the protocol, or mean harm: the gateway neither hangs, nor grows, nor lets it through.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_postgres::connect::{Address, Credential, Target, Tls};
use portcullis_postgres::{Server, Unpoliced};
use portcullis_testkit::peer::{FakeServer, Raw, message};
use portcullis_testkit::{Authority, Postgres};

const OK: &[u8] = b"R\0\0\0\x08\0\0\0\0";
const READY: &[u8] = b"Z\0\0\0\x05I";

/// What a client is told when the target plays `script`, after its startup packet was read, and where `say` is then
/// what the client says.
fn told(say: &[u8], script: impl FnOnce(&mut Raw) + Send + 'static) -> String {
    let fake = FakeServer::once(|mut raw| {
        let length = u32::from_be_bytes(raw.read(4).try_into().unwrap());
        let _ = raw.read(length as usize - 4);
        script(&mut raw);
        // Whatever else the gateway says; a target that went on for ever would fail the test by its time limit.
        let _ = raw.rest();
    });
    let gateway = gateway(&fake, Tls::Off);
    let mut raw = Raw::connect(gateway.address);
    raw.send(&portcullis_testkit::peer::startup(&[("user", common::USER), ("database", "shop")]));
    common::raw::prove(&mut raw);
    raw.send(say);
    let said = String::from_utf8_lossy(&raw.rest()).into_owned();
    drop(raw);
    fake.finish();
    said
}

fn gateway(fake: &FakeServer, tls: Tls) -> common::Gateway {
    let target = Target {
        name: "shop".to_owned(),
        address: Address::Tcp { host: "127.0.0.1".to_owned(), port: fake.address.port() },
        tls,
        user: "service".to_owned(),
        database: "db".to_owned(),
        credential: Credential::new("hidden-credential-of-the-target"),
    };
    let (settings, authority) = common::settings(target);
    common::start(settings, &authority, Unpoliced)
}

#[test]
fn a_huge_iteration_count_costs_nothing() {
    let said = told(b"", |raw| {
        raw.send(&message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"));
        let (_, first) = raw.message();
        let text = String::from_utf8_lossy(&first).into_owned();
        let nonce = text.split_once("r=").unwrap().1;
        let challenge = format!("\0\0\0\x0br={nonce}more,s=c2FsdHNhbHQ=,i=4000000000");
        raw.send(&message(b'R', challenge.as_bytes()));
    });
    assert!(said.contains("does not answer as a PostgreSQL server should"), "{said}");
}

#[test]
fn a_huge_nonce_is_not_read() {
    let said = told(b"", |raw| {
        raw.send(&message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"));
        let _ = raw.message();
        raw.send(&message(b'R', &[b"\0\0\0\x0br=".as_slice(), &[b'x'; 1 << 20]].concat()));
    });
    assert!(said.contains("does not answer as a PostgreSQL server should"), "{said}");
}

#[test]
fn a_target_that_does_not_prove_itself_gets_no_session() {
    let said = told(b"", |raw| {
        raw.send(&message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"));
        let _ = raw.message();
        raw.send(&[OK, READY].concat());
    });
    assert!(said.contains("does not answer as a PostgreSQL server should"), "{said}");
}

#[test]
fn the_password_is_never_sent_in_the_clear_without_tls() {
    let said = told(b"", |raw| {
        raw.send(&message(b'R', b"\0\0\0\x03"));
        assert_eq!(raw.rest(), b"", "no password");
    });
    assert!(said.contains("does not answer as a PostgreSQL server should"), "{said}");
}

#[test]
fn settings_without_end_end() {
    let said = told(b"", |raw| {
        raw.send(OK);
        raw.send(&message(b'S', b"a\0b\0").repeat(100_000));
    });
    assert!(said.contains("does not answer as a PostgreSQL server should"), "{said}");
}

#[test]
fn an_error_without_a_code_is_an_error_and_its_words_stay_here() {
    let said = told(b"", |raw| {
        raw.send(&message(b'E', b"Mrole \"service\" is not welcome\0\0"));
    });
    assert!(said.contains("target `shop` refused the gateway's connection"), "{said}");
    assert!(!said.contains("service"), "{said}");
}

#[test]
fn another_encoding_than_the_pinned_one_is_refused() {
    let said = told(b"", |raw| {
        raw.send(OK);
        raw.send(&message(b'S', b"client_encoding\0SJIS\0"));
    });
    assert!(said.contains("target `shop`"), "{said}");
}

#[test]
fn keys_too_short_or_too_long_are_refused() {
    for length in [0, 3, 257] {
        let said = told(b"", move |raw| {
            raw.send(OK);
            raw.send(&message(b'K', &vec![0; 4 + length]));
        });
        assert!(said.contains("target `shop`"), "{length}: {said}");
    }
}

#[test]
fn messages_that_nothing_asked_for_end_the_session() {
    for unasked in [
        message(b'D', b"\0\x01\0\0\0\x06secret"),
        message(b'C', b"SELECT 1\0"),
        message(b'T', b"\0\0"),
        message(b'd', b"secret"),
        message(b'G', b"\0\0\0"),
        message(b'1', b""),
        READY.to_vec(),
        message(b'R', b"\0\0\0\x03"),
        message(b'K', b"12345678"),
        message(b'V', b"\0\0\0\x06secret"),
        message(b'W', b"\0\0\0"),
        message(b'v', b"\0\x03\0\0\0\0\0\0"),
        message(b'?', b"secret"),
        b"D\0\0\0\0".to_vec(),
        b"D\0\0\0\x03".to_vec(),
        b"D\x7f\xff\xff\xff".to_vec(),
        b"D\xff\xff\xff\xff".to_vec(),
        b"Z\0\0\0\x06II".to_vec(),
    ] {
        let bytes = [OK, READY, &unasked].concat();
        let said = told(b"", move |raw| raw.send(&bytes));
        assert!(said.contains("the target sent what the gateway can't let through"), "{unasked:?}: {said}");
        assert!(!said.contains("secret"), "{unasked:?}: {said}");
    }
}

#[test]
fn an_impossible_transaction_state_ends_the_session() {
    let query = message(b'Q', b"SELECT 1\0");
    let said = told(&query, |raw| {
        raw.send(&[OK, READY].concat());
        let _ = raw.message();
        raw.send(b"Z\0\0\0\x05X");
    });
    assert!(said.contains("the target sent what the gateway can't let through"), "{said}");
}

#[test]
fn plain_bytes_behind_the_answer_to_the_request_for_tls_are_not_a_session() {
    let fake = FakeServer::once(|mut raw| {
        let _ = raw.read(8);
        raw.send(&[b"S", OK, READY].concat());
        let said = raw.rest();
        assert!(!said.windows(7).any(|window| window == b"service"), "no startup packet in plain text");
    });
    let authority = Authority::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.certificate()).unwrap();
    let gateway = gateway(&fake, common::verify_full(&file.path().to_path_buf(), "localhost"));
    let said = gateway.psql("SELECT 1");
    assert!(said.contains("can't be reached by a TLS connection that the gateway trusts"), "{said}");
    fake.finish();
}

#[test]
fn a_target_that_declines_tls_is_not_spoken_to() {
    let fake = FakeServer::once(|mut raw| {
        let _ = raw.read(8);
        raw.send(b"N");
        assert_eq!(raw.rest(), b"");
    });
    let authority = Authority::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.certificate()).unwrap();
    let gateway = gateway(&fake, common::verify_full(&file.path().to_path_buf(), "localhost"));
    let said = gateway.psql("SELECT 1");
    assert!(said.contains("can't be reached by a TLS connection that the gateway trusts"), "{said}");
    fake.finish();
}

#[tokio::test]
async fn a_certificate_for_another_name_or_from_another_authority_is_not_trusted() {
    let database = portcullis_testkit::Database::create().await;
    let stranger = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(stranger.path(), Authority::new().certificate()).unwrap();
    for tls in [
        common::verify_full(&database.server.authority, "elsewhere.example"),
        common::verify_full(&stranger.path().to_path_buf(), "localhost"),
    ] {
        let (settings, authority) = common::settings(Target { tls, ..common::target(&database) });
        let gateway = common::start(settings, &authority, Unpoliced);
        let said = gateway.psql("SELECT 1");
        assert!(said.contains("can't be reached by a TLS connection that the gateway trusts"), "{said}");
    }
}

#[tokio::test]
async fn every_way_of_proving_the_credential_works() {
    let database = portcullis_testkit::Database::create().await;
    let tls = || common::verify_full(&database.server.authority, "localhost");
    let socket = || Address::Unix(database.server.sockets.join(format!(".s.PGSQL.{}", database.server.port)));
    for user in ["scram_user", "md5_user", "cleartext_user", Postgres::SUPERUSER] {
        let mut targets = Vec::new();
        if database.server.has_tls {
            targets.push(Target { tls: tls(), user: user.to_owned(), ..common::target(&database) });
        }
        if user != "cleartext_user" {
            targets.push(Target { tls: Tls::Off, user: user.to_owned(), ..common::target(&database) });
            targets.push(Target { address: socket(), user: user.to_owned(), ..common::target(&database) });
        }
        for target in targets {
            let shown = format!("{target:?}");
            assert!(!shown.contains(&database.server.password), "the credential stays hidden");
            let (settings, authority) = common::settings(target);
            let gateway = common::start(settings, &authority, Unpoliced);
            assert_eq!(gateway.psql("SELECT current_user"), user, "{shown}");
        }
    }
}

#[tokio::test]
async fn a_target_that_is_down_is_named() {
    let database = portcullis_testkit::Database::create().await;
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: free };
    let (settings, authority) = common::settings(Target { address, ..common::target(&database) });
    let gateway = common::start(settings, &authority, Unpoliced);
    let said = gateway.psql("SELECT 1");
    assert!(said.contains("target `shop` can't be reached"), "{said}");
}

#[tokio::test]
async fn two_gateways_on_one_port_are_an_error_with_a_reason() {
    let database = portcullis_testkit::Database::create().await;
    let first = common::plain(&database);
    let (mut settings, _) = common::settings(common::target(&database));
    settings.listen = vec![first.address];
    settings.targets = HashMap::from([("shop".to_owned(), Arc::new(common::target(&database)))]);
    let error = Server::bind(settings, Unpoliced).err().expect("a refusal");
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse);
}
