//! What an insider, a peer or a target tried, and what came of it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use crate::house::House;
use crate::raw::{Line, Message, Peer, number};

/// An SFTP packet of this type.
fn packet(kind: u8, rest: Message) -> Vec<u8> {
    let body = [&[kind], &rest.0[..]].concat();
    Message(Vec::new()).string(body).0
}

/// A file transfer, greeted.
async fn sftp(peer: &mut Peer) -> Line {
    let line = peer.session().await;
    peer.request(line, "subsystem", |message| message.string("sftp")).await;
    peer.data(line, &packet(1, Message(Vec::new()).number(3))).await;
    peer.hear(line, |said| !said.stdout.is_empty()).await;
    line
}

const FILES: &str = r#"
    policy "files"
    default deny
    allow "work" { by group "eng"  on ssh  do exec, read, write, append, list, forward }
"#;

const CLOSED: &str = r#"
    policy "closed"
    default deny
    allow "little" { by group "eng"  on ssh  do exec, list }
"#;

#[tokio::test]
async fn an_open_file_is_not_read_on_under_a_tightened_policy() {
    let house = House::policed(FILES).await;
    std::fs::write(house.sshd.home.join("export"), "one\ntwo\n").unwrap();
    let mut peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
    let line = sftp(&mut peer).await;
    let open = Message(Vec::new()).number(1).string("export").number(1).number(0);
    peer.data(line, &packet(3, open)).await;
    let said = peer.hear(line, |said| !said.stdout.is_empty()).await.stdout;
    assert_eq!(said[4], 102, "a handle: {said:?}");
    let handle = &said[13..];
    let read = |id: u32, offset: u32| {
        packet(5, Message(Vec::new()).number(id).string(handle).number(0).number(offset).number(4))
    };
    peer.data(line, &read(2, 0)).await;
    let said = peer.hear(line, |said| !said.stdout.is_empty()).await;
    assert!(said.out().contains("one"), "{said:?}");
    house.police(CLOSED);
    peer.data(line, &read(3, 4)).await;
    let said = peer.hear(line, |said| !said.stdout.is_empty()).await;
    assert!(!said.out().contains("two"), "{said:?}");
}

#[tokio::test]
async fn a_tunnel_does_not_go_on_under_a_tightened_policy() {
    let house = House::policed(FILES).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let running = house.client("ana").start("ssh", &["-W", &format!("127.0.0.1:{port}"), "box"]);
    let (mut far, _) = listener.accept().unwrap();
    far.write_all(b"begun\n").unwrap();
    running.until("begun").await;
    house.police(CLOSED);
    far.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert!(matches!(far.read(&mut [0; 16]), Ok(0)), "the tunnel goes on");
    running.kill();
}

#[tokio::test]
async fn a_port_that_is_none_is_not_left_to_the_target() {
    let house = House::policed(FILES).await;
    let mut peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
    // Programs that keep 16 bits of it connect to port 22.
    let open =
        Message::new(number::CHANNEL_OPEN).string("direct-tcpip").number(0).number(1 << 20).number(32_768);
    peer.send(&open.string("127.0.0.1").number(65_536 + 22).string("127.0.0.1").number(1)).await;
    peer.until(92).await;
    let judged = house.judged();
    assert!(!judged.iter().any(|line| line.contains("65558") && line.ends_with("allow")), "{judged:?}");
}
