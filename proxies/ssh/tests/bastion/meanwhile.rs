//! What another policy finds half-way: a file that is about to open, a copy that has begun, output that was not recorded.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use portcullis_evidence::recording::Event;

use crate::house::House;
use crate::raw::{Message, Peer};

const POLICY: &str = r#"
policy "work"
default deny
allow "work" { by group "eng"  on ssh  do exec, forward, read, list }
"#;

async fn in_time<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("{what}"))
}

async fn peer(house: &House) -> Peer {
    Peer::logged_in(house.address, "ana:web-1", &house.ana).await
}

#[tokio::test]
async fn a_file_that_opens_under_another_policy_is_not_read() {
    let house = House::policed(POLICY).await;
    let pipe = house.sshd.home.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::set_permissions(&pipe, fs::Permissions::from_mode(0o666)).unwrap();
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.request(line, "subsystem", |message| message.string("sftp")).await;
    let packet = |message: Message| Message(Vec::new()).string(message.0).0;
    peer.data(line, &packet(Message::new(1).number(3))).await;
    peer.hear(line, |said| !said.stdout.is_empty()).await;
    // It opens once somebody writes to it.
    peer.data(line, &packet(Message::new(3).number(1).string("pipe").number(1).number(0))).await;
    house.until_evidence_says("pipe").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    house.police(&POLICY.replace(" read,", ""));
    tokio::time::sleep(Duration::from_millis(300)).await;
    std::thread::spawn(move || fs::write(pipe, "forbidden by now"));
    let said = in_time("nothing is said", peer.hear(line, |said| said.stdout.len() > 4)).await;
    if !said.closed {
        let read = Message::new(5).number(2).string(&said.stdout[13..]);
        peer.data(line, &packet(read.number(0).number(0).number(100))).await;
        panic!("it is open: {}", peer.hear(line, |said| said.stdout.len() > 10).await.out());
    }
    assert!(said.err().contains("the policy has changed"), "{said:?}");
}

#[tokio::test]
async fn a_file_under_copy_is_not_masked_by_a_policy_that_comes_meanwhile() {
    let house = House::policed(POLICY).await;
    fs::write(house.sshd.home.join("cards"), "4111 1111 1111 1111\n").unwrap();
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.exec(line, "scp -f cards").await;
    peer.data(line, &[0]).await;
    peer.hear(line, |said| said.out().ends_with("cards\n")).await;
    house.police(&format!(
        "{POLICY}\nmask \"cards\" {{ on ssh  do read  values credit_card  with redact }}\n"
    ));
    tokio::time::sleep(Duration::from_millis(300)).await;
    peer.data(line, &[0]).await;
    let said = in_time("it goes on", peer.hear(line, |said| said.stdout.len() > 3)).await;
    assert!(said.err().contains("a file transfer can't"), "{said:?}");
}

#[tokio::test]
async fn what_another_policy_records_is_recorded_from_then_on() {
    let house = House::policed(&format!("{POLICY}\nrecord decisions {{ on ssh  do exec }}\n")).await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.exec(line, "cat").await;
    peer.data(line, b"before\n").await;
    peer.hear(line, |said| said.out().contains("before")).await;
    house.police(&format!("{POLICY}\nrecord all {{ on ssh  do exec }}\n"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    peer.data(line, b"afterwards\n").await;
    peer.hear(line, |said| said.out().contains("afterwards")).await;
    peer.eof(line).await;
    peer.end(line).await;
    drop(peer);
    house.until_evidence_says("\"complete\":true").await;
    let recorded = house.recorded();
    let is_output =
        |event: &Event<'_>| matches!(event, Event::Output { text, .. } if text.contains("afterwards"));
    assert!(recorded.iter().any(is_output), "{recorded:?}");
}

#[tokio::test]
async fn what_another_policy_masks_is_masked_in_recorded_input_from_then_on() {
    let recorded = format!("{POLICY}\nrecord all {{ on ssh  do exec }}\n");
    let house = House::policed(&recorded).await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.exec(line, "cat").await;
    peer.data(line, b"before\n").await;
    peer.hear(line, |said| said.out().contains("before")).await;
    house.police(&format!(
        "{recorded}\nmask \"cards\" {{ on ssh  do exec  values credit_card  with redact }}\n"
    ));
    tokio::time::sleep(Duration::from_millis(300)).await;
    peer.data(line, b"4111 1111 1111 1111 and more\n").await;
    peer.eof(line).await;
    let said = peer.end(line).await;
    assert!(said.out().contains("[redacted] and more"), "{said:?}");
    drop(peer);
    house.until_evidence_says("\"complete\":true").await;
    let all: Vec<String> = house.recorded().iter().map(|event| format!("{event:?}")).collect();
    assert!(all.iter().any(|event| event.starts_with("Input") && event.contains("and more")), "{all:?}");
    assert!(!all.iter().any(|event| event.contains("4111")), "{all:?}");
}
