//! Who is let in, and who is not.

use portcullis_testkit::ssh::{Client, Key, Kind, Wanted};

use crate::house::{House, PASSWORD, Plan};
use crate::raw::{Message, Peer, number};
use crate::scripted::{Asks, CREDENTIAL, Scripted};

fn by_authority(config: &str) -> Plan {
    Plan { config: config.to_owned(), ..Plan::default() }
}

#[tokio::test]
async fn a_password_lets_in_by_keyboard_interactive_and_a_wrong_one_does_not() {
    let house = House::new().await;
    let client = house.client("ana").without_keys();
    let output = client.clone().password(PASSWORD).ssh(&["box", "echo in"]).await.success();
    assert_eq!(output.text(), "in\n");
    let output = client.password("wrong horse").ssh(&["box", "echo in"]).await;
    assert_ne!(output.code, Some(0));
    let log = house.until_evidence_says("authentication").await;
    assert!(log.contains("\"claimed\":\"ana\"") && log.contains("nobody was proven"), "{log}");
}

#[tokio::test]
async fn a_key_of_somebody_else_lets_nobody_in() {
    let house = House::new().await;
    let other = Key::generate(Kind::Ed25519);
    for (user, key) in [("ana", &other), ("ben", &house.ana), ("nobody", &house.ana), ("", &house.ana)] {
        let client =
            Client::new(house.address.port(), &format!("{user}:web-1")).key(key).host_key(&house.host_key);
        let output = client.option("BatchMode yes").ssh(&["box", "echo in"]).await;
        assert_eq!((output.code, output.text().as_str()), (Some(255), ""), "{user}: {}", output.errors());
    }
}

#[tokio::test]
async fn a_disabled_account_is_not_let_in() {
    let house = House::new().await;
    house.disable("ana").await;
    for client in [house.client("ana"), house.client("ana").without_keys().password(PASSWORD)] {
        assert_ne!(client.ssh(&["box", "echo in"]).await.code, Some(0));
    }
}

#[tokio::test]
async fn an_unknown_target_and_none_are_told_apart_from_a_refusal() {
    let house = House::new().await;
    for (user, words) in [("ana:db-9", "no target is called `db-9`"), ("ana", "no target was named")] {
        let client = Client::new(house.address.port(), user).key(&house.ana).host_key(&house.host_key);
        let output = client.ssh(&["box", "echo in"]).await;
        assert_eq!(output.code, Some(126));
        assert!(output.errors().contains(words), "{}", output.errors());
    }
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_lets_in_and_no_other() {
    let (authority, other) = (Key::generate(Kind::Ed25519), Key::generate(Kind::Ed25519));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("# people\n{} people\n", authority.public)).unwrap();
    let config = format!("[ssh]\nuser_authorities = [\"{}\"]", file.path().display());
    let house = House::with(by_authority(&config)).await;
    let key = Key::generate(Kind::Ed25519);
    let with = |authority: &Key, wanted: Wanted| {
        let certificate = authority.certify(&key, &wanted);
        Client::new(house.address.port(), "ana:web-1")
            .key(&key)
            .certificate(&certificate)
            .host_key(&house.host_key)
    };
    let output = with(&authority, Wanted::user(&["ana"])).ssh(&["box", "echo in"]).await.success();
    assert_eq!(output.text(), "in\n");
    assert!(house.until_evidence_says("\"proven_by\":\"certificate\"").await.contains("session_opened"));
    for (who, wanted) in [
        (&other, Wanted::user(&["ana"])),
        (&authority, Wanted::user(&["ben"])),
        (&authority, Wanted::user(&[])),
        (&authority, Wanted::host(&["ana"])),
        (&authority, Wanted::user(&["ana"]).validity("20200101:20200102")),
        (&authority, Wanted::user(&["ana"]).validity("20990101:20990102")),
        (&authority, Wanted::user(&["ana"]).option("source-address=10.0.0.0/8")),
    ] {
        let output = with(who, wanted.clone()).ssh(&["box", "echo in"]).await;
        assert_ne!(output.code, Some(0), "{wanted:?}");
    }
    let output = with(&authority, Wanted::user(&["ana"]).option("source-address=127.0.0.0/8"));
    let _ = output.ssh(&["box", "true"]).await.success();
    let forced = with(&authority, Wanted::user(&["ana"]).option("force-command=echo forced"));
    assert_eq!(forced.ssh(&["box", "echo in"]).await.success().text(), "forced\n");
    let plain = with(&authority, Wanted::user(&["ana"]).option("no-pty"));
    let output = plain.ssh(&["-tt", "box", "echo in"]).await;
    assert_eq!(output.code, Some(126), "{}", output.errors());
}

/// A comma is a character of a name like any other: `ana,ben` is neither of them. `ssh-keygen` can't write such a certificate.
#[tokio::test]
async fn a_comma_in_a_principal_makes_nobody_of_it() {
    use russh::keys::ssh_key::certificate::{Builder, CertType};

    let authority = Key::generate(Kind::Ed25519);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{} people\n", authority.public)).unwrap();
    let config = format!("[ssh]\nuser_authorities = [\"{}\"]", file.path().display());
    let house = House::with(by_authority(&config)).await;
    let key = Key::generate(Kind::Ed25519);
    let (signer, subject) = (
        russh::keys::decode_secret_key(&authority.private, None).unwrap(),
        russh::keys::decode_secret_key(&key.private, None).unwrap(),
    );
    for (principal, expected) in [("ana", true), ("ana,ben", false), ("ben,ana", false), ("ana,", false)] {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let mut builder =
            Builder::new(vec![7; 32], subject.public_key().key_data().clone(), now - 60, now + 600).unwrap();
        builder.cert_type(CertType::User).unwrap().key_id("x").unwrap();
        builder.valid_principal(principal).unwrap();
        let text = builder.sign(&signer).unwrap().to_openssh().unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("cert.pub"), text).unwrap();
        let client = Client::new(house.address.port(), "ana:web-1")
            .key(&key)
            .option(&format!("CertificateFile {}", directory.path().join("cert.pub").display()))
            .host_key(&house.host_key);
        let output = client.ssh(&["box", "echo in"]).await;
        assert_eq!(output.code == Some(0), expected, "{principal}: {}", output.errors());
    }
}

#[tokio::test]
async fn the_gateway_logs_in_with_a_certificate_of_its_own_that_lasts_minutes() {
    let house = House::with(Plan { by_authority: true, ..Plan::default() }).await;
    let output = house.client("ana").ssh(&["box", "echo in"]).await.success();
    assert_eq!(output.text(), "in\n");
    house.sshd.logged("of ana").await;
    let log = house.sshd.log();
    assert!(log.contains("ED25519-CERT") && log.contains("portcullis session"), "{log}");
}

#[tokio::test]
async fn a_target_with_another_host_key_is_refused() {
    let other = Key::generate(Kind::Ed25519);
    let house = House::with(Plan { pinned: Some(other.public.clone()), ..Plan::default() }).await;
    let output = house.client("ana").ssh(&["box", "echo in"]).await;
    assert_eq!(output.code, Some(255));
    assert!(output.errors().contains("another host key"), "{}", output.errors());
    assert!(!house.sshd.log().contains("Accepted"), "nothing was proven to it");
}

#[tokio::test]
async fn a_target_that_is_down_is_told() {
    let dead = House::with(Plan { target_port: Some(1), ..Plan::default() }).await;
    let output = dead.client("ana").ssh(&["box", "echo in"]).await;
    assert_eq!(output.code, Some(255));
    assert!(
        output.errors().contains("is not ready") && output.errors().contains("does not answer"),
        "{}",
        output.errors()
    );
}

/// A house in front of a scripted target.
async fn before(target: &Scripted) -> House {
    let (password, pinned) = (Some(CREDENTIAL.to_owned()), Some(target.host_key.clone()));
    House::with(Plan { password, pinned, target_port: Some(target.address.port()), ..Plan::default() }).await
}

#[tokio::test]
async fn the_credential_goes_to_its_target_and_does_not_come_back() {
    for asks in [Asks::ForPassword, Asks::ByKeyboard] {
        let target = Scripted::start(asks).await;
        let house = before(&target).await;
        let output = house.client("ana").ssh(&["box", "who am i"]).await.success();
        assert!(output.text().starts_with("you showed me "), "{}", output.text());
        for shown in [output.text(), output.errors(), house.until_evidence_says("\"event\":\"exit\"").await] {
            assert!(!shown.contains(CREDENTIAL) && !shown.contains("YS1wYXNzd29yZC1v"), "{shown}");
        }
    }
}

#[tokio::test]
async fn the_key_that_lets_the_gateway_in_is_shown_to_nobody() {
    let house = House::new().await;
    let key = house.sshd.home.join("found");
    std::fs::write(&key, &house.sshd.client_key.private).unwrap();
    let secret: Vec<&str> =
        house.sshd.client_key.private.lines().filter(|line| !line.starts_with("-----")).skip(1).collect();
    for options in [&["-T"][..], &["-tt"]] {
        let arguments = [options, &["box", "cat found"]].concat();
        let output = house.client("ana").ssh(&arguments).await.success();
        assert!(output.text().contains("PRIVATE KEY"), "{}", output.text());
        assert!(
            secret.len() > 2 && !secret.iter().any(|line| output.text().contains(line)),
            "{}",
            output.text()
        );
    }
}

#[tokio::test]
async fn a_target_that_asks_for_more_than_the_password_gets_nothing() {
    let target = Scripted::start(Asks::TooMuch).await;
    let house = before(&target).await;
    let output = house.client("ana").ssh(&["box", "true"]).await;
    assert_eq!(output.code, Some(255));
    assert!(output.errors().contains("refuses the gateway's credential"), "{}", output.errors());
}

#[tokio::test]
async fn connections_that_were_opened_before_give_an_address_no_more_guesses() {
    let house = House::new().await;
    let mut guessing = Vec::new();
    for _ in 0..25 {
        guessing.push(Peer::encrypted(house.address).await);
    }
    let mut last = Peer::encrypted(house.address).await;
    for peer in &mut guessing {
        assert_eq!(guess(peer, "a wrong password").await, number::AUTH_FAILURE);
    }
    assert_eq!(
        guess(&mut last, PASSWORD).await,
        number::AUTH_FAILURE,
        "a right guess after too many wrong ones"
    );
}

/// The answer to ana's password, by keyboard-interactive (RFC 4256).
async fn guess(peer: &mut Peer, password: &str) -> u8 {
    const INFO_REQUEST: u8 = 60;
    const INFO_RESPONSE: u8 = 61;
    peer.ask_for_authentication().await;
    let request = Message::new(number::AUTH_REQUEST).string("ana:web-1").string("ssh-connection");
    peer.send(&request.string("keyboard-interactive").string("").string("")).await;
    peer.until(INFO_REQUEST).await;
    peer.send(&Message::new(INFO_RESPONSE).number(1).string(password)).await;
    peer.receive().await.unwrap()[0]
}
