//! What ends with its connection, and what a changed policy ends.

use std::time::{Duration, Instant};

use crate::house::House;
use crate::raw::Peer;

#[tokio::test]
async fn a_revoked_client_that_never_reads_leaves_a_sealed_recording() {
    let house = House::new().await;
    let mut peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
    let line = peer.session().await;
    peer.exec(line, "exec yes").await;
    peer.hear(line, |said| said.stdout.len() > 100_000).await;
    house.revoke("ana").await;
    let began = Instant::now();
    while !house.evidence().iter().any(|record| record.contains("\"complete\":true")) {
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", house.evidence());
        // A file tells nobody when it grows.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn leaving_withdraws_a_held_tunnel() {
    let policy = r#"
        policy "tunnels"
        default deny
        set oncall = group "sre"
        allow "work" { by group "eng"  on ssh  do exec }
        hold  "tunnels" { by group "eng"  on ssh  do forward  until 1 of oncall approve within 10m }
    "#;
    let house = House::policed(policy).await;
    let running = house.client("ana").start("ssh", &["-W", "127.0.0.1:1", "box"]);
    house.until_evidence_says("\"held\"").await;
    let seen = house.waiting().await;
    running.kill();
    drop(running);
    let began = Instant::now();
    while house.state(seen.number).await != "withdrawn" {
        assert!(began.elapsed() < Duration::from_secs(5), "{}", house.state(seen.number).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_same_policy_again_ends_nothing_and_another_ends_transfers() {
    let house = House::new().await;
    let approved = house.client("ana").start("ssh", &["box", "echo restart; sleep 60"]);
    approved.until("held for approval").await;
    house.vote(&house.waiting().await, true).await;
    approved.until("restart\n").await;
    std::fs::write(house.sshd.home.join("file"), "x").unwrap();
    let transfer = house.client("ana").start("sftp", &["box"]);
    transfer.send(b"ls -l\n");
    transfer.until("file").await;
    house.police(crate::house::POLICY);
    transfer.send(b"get file /dev/null\n");
    transfer.until("Fetching").await;
    assert!(!approved.has_ended() && !transfer.has_ended());
}

#[tokio::test]
async fn another_policy_ends_a_transfer_that_is_under_way_and_a_tunnel_that_it_forbids() {
    use std::io::Write as _;

    let open = r#"
        policy "open"
        default deny
        use "ssh/basics"
        allow "work" { by group "eng"  on ssh  do exec, forward, read, list }
    "#;
    let house = House::policed(open).await;
    std::fs::write(house.sshd.home.join("large"), vec![b'x'; 4_000_000]).unwrap();
    let slow = house.client("ana").start("sftp", &["-l", "800", "box"]);
    slow.send(b"get large /dev/null\n");
    slow.until("Fetching").await;
    let origin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = origin.local_addr().unwrap().port();
    let tunnel = house.client("ana").start("ssh", &["-W", &format!("127.0.0.1:{port}"), "box"]);
    let (mut far_end, _) = tokio::task::spawn_blocking(move || origin.accept().unwrap()).await.unwrap();
    far_end.write_all(b"from afar\n").unwrap();
    tunnel.until("from afar").await;
    house.police(&open.replace("forward, read, list", "list"));
    let (transfer, tunnel) = tokio::join!(slow.wait(), tunnel.wait());
    assert!(transfer.errors().contains("the policy has changed"), "{}", transfer.errors());
    assert_ne!(transfer.code, Some(0));
    assert_eq!(tunnel.text(), "from afar\n");
    house.until_evidence_says("\"error\":\"the policy has changed\"").await;
}
