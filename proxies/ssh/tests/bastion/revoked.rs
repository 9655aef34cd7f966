//! A revocation reaches whatever runs within a second: tunnels, transfers, waits, beginnings, and connections on which nothing is.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::bold::{Asked, Bold};
use crate::house::{House, Plan};
use crate::raw::{Line, Peer};

const POLICY: &str = r#"
policy "work"
default deny
allow "work"     { by group "eng"  on ssh  do exec, forward, read, list }
hold  "restarts" { by group "eng"  on ssh  do exec  when argv is ["restart"]  until 1 of group "sre" approve within 10m }
"#;

const SECOND: Duration = Duration::from_secs(1);

/// Revokes, and waits for the end.
async fn within_a_second<T>(house: &House, end: impl Future<Output = T>) -> T {
    house.revoke("ana").await;
    let began = Instant::now();
    let ended = end.await;
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    ended
}

/// The same of a channel, which says why before the connection does: `ssh` shows one of the two.
async fn is_told_within_a_second(house: &House, peer: &mut Peer, line: Line) {
    let said = within_a_second(house, peer.end(line)).await.err();
    let is_told = said.lines().any(|line| {
        line.starts_with("portcullis: session revoked by ") && line.ends_with(": left the company")
    });
    assert!(is_told, "{said}");
}

async fn peer(house: &House) -> Peer {
    Peer::logged_in(house.address, "ana:web-1", &house.ana).await
}

/// Until the connection is over.
async fn gone(mut peer: Peer) {
    while peer.receive().await.is_some() {}
}

#[tokio::test]
async fn a_revocation_ends_an_open_tunnel() {
    let house = House::policed(POLICY).await;
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("127.0.0.1:{}", origin.local_addr().unwrap().port());
    let running = house.client("ana").start("ssh", &["-W", &at, "box"]);
    let (mut far, _) = tokio::task::spawn_blocking(move || origin.accept().unwrap()).await.unwrap();
    let _ = within_a_second(&house, running.wait()).await;
    far.set_read_timeout(Some(SECOND)).unwrap();
    assert_eq!(far.read(&mut [0]).unwrap(), 0);
    house.until_evidence_says("\"error\":\"stopped\"").await;
}

#[tokio::test]
async fn a_revocation_ends_a_connection_on_which_only_the_target_opens_channels() {
    let house = House::policed(POLICY).await;
    let mut peer = peer(&house).await;
    let port = peer.ask("tcpip-forward", |message| message.string("127.0.0.1").number(0)).await.unwrap();
    let port = u32::from_be_bytes(port.try_into().unwrap());
    let mut far = TcpStream::connect(("127.0.0.1", port.try_into().unwrap())).unwrap();
    peer.take("forwarded-tcpip").await;
    within_a_second(&house, gone(peer)).await;
    far.set_read_timeout(Some(SECOND)).unwrap();
    assert_eq!(far.read(&mut [0]).unwrap(), 0);
}

#[tokio::test]
async fn a_revocation_ends_a_transfer_and_says_why() {
    let house = House::policed(POLICY).await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.request(line, "subsystem", |message| message.string("sftp")).await;
    // Its version, 3, which the target answers.
    peer.data(line, &[0, 0, 0, 5, 1, 0, 0, 0, 3]).await;
    peer.hear(line, |said| !said.stdout.is_empty()).await;
    is_told_within_a_second(&house, &mut peer, line).await;
}

#[tokio::test]
async fn a_revocation_ends_a_wait_and_says_why() {
    let house = House::policed(POLICY).await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.exec(line, "restart").await;
    peer.hear(line, |said| said.err().contains("held for approval")).await;
    let seen = house.waiting().await;
    is_told_within_a_second(&house, &mut peer, line).await;
    assert_eq!(house.state(seen.number).await, "withdrawn");
}

#[tokio::test]
async fn a_revocation_ends_a_command_and_says_why() {
    let house = House::policed(POLICY).await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.exec(line, "echo begun; sleep 60").await;
    peer.hear(line, |said| said.out().contains("begun")).await;
    is_told_within_a_second(&house, &mut peer, line).await;
    house.until_evidence_says("\"error\":\"stopped\"").await;
}

#[tokio::test]
async fn a_revocation_ends_what_a_target_never_starts() {
    let mut target = Bold::start().await;
    let house = target.house(POLICY).await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.exec(line, "true").await;
    assert!(matches!(target.leg().await.asked().await, Asked::Exec(_)));
    within_a_second(&house, gone(peer)).await;
}

#[tokio::test]
async fn a_revocation_ends_a_connection_whose_target_says_nothing_and_says_why() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let target_port = Some(silent.local_addr().unwrap().port());
    let house = House::with(Plan { policy: Some(POLICY.to_owned()), target_port, ..Plan::default() }).await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.exec(line, "true").await;
    let (_connected, _) = tokio::task::spawn_blocking(move || silent.accept().unwrap()).await.unwrap();
    is_told_within_a_second(&house, &mut peer, line).await;
}
