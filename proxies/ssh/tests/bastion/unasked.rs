//! What a target begins by itself: only what its client was granted is taken.

use crate::bold::{AWAITED, Asked, Bold, Leg, Opens};
use crate::house::House;
use crate::raw::{Message, Peer};

/// All of it is permitted, to whoever asks.
const POLICY: &str = r#"
policy "lent"
default deny
allow "work" { by group "eng"  on ssh  do exec, forward, agent_forward, x11 }
"#;

/// A client, and the target's end of its connection.
async fn connected(target: &mut Bold, house: &House) -> (Peer, Leg) {
    let peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
    (peer, target.leg().await)
}

/// Starts something on a channel for which `wishes` were asked.
async fn started(peer: &mut Peer, leg: &mut Leg, wishes: &[&str]) {
    let line = peer.session().await;
    for wish in wishes {
        let cookie = |message: Message| match *wish {
            "x11-req" => message.flag(false).string("MIT-MAGIC-COOKIE-1").string("0123").number(0),
            _ => message,
        };
        peer.request(line, wish, cookie).await;
    }
    peer.exec(line, "true").await;
    assert!(matches!(leg.asked().await, Asked::Exec(_)));
}

/// The client takes what the target opens, and hears what comes through.
async fn is_taken(peer: &mut Peer, leg: &Leg, what: Opens<'_>, kind: &str) {
    let (channel, line) = tokio::join!(leg.opens(what), peer.take(kind));
    channel.unwrap_or_else(|| panic!("{what:?} is refused")).data(&b"hello"[..]).await.unwrap();
    peer.hear(line, |said| said.out() == "hello").await;
}

async fn is_refused(leg: &Leg, what: Opens<'_>) {
    assert!(leg.opens(what).await.is_none(), "{what:?} is taken");
}

#[tokio::test]
async fn nothing_that_a_target_opens_unasked_is_taken() {
    let mut target = Bold::start().await;
    let house = target.house(POLICY).await;
    let (mut peer, mut leg) = connected(&mut target, &house).await;
    started(&mut peer, &mut leg, &[]).await;
    for what in [
        Opens::Session,
        Opens::Direct,
        Opens::DirectSocket,
        Opens::Port("127.0.0.1", 4000),
        Opens::Path("/run/x"),
        Opens::Agent,
        Opens::X11,
    ] {
        is_refused(&leg, what).await;
    }
}

#[tokio::test]
async fn a_target_gets_the_agent_and_x11_of_those_who_lent_them_only() {
    let mut target = Bold::start().await;
    let house = target.house(POLICY).await;
    let (mut one, mut leg_of_one) = connected(&mut target, &house).await;
    let (mut other, mut leg_of_other) = connected(&mut target, &house).await;
    started(&mut one, &mut leg_of_one, &["auth-agent-req@openssh.com"]).await;
    started(&mut other, &mut leg_of_other, &["x11-req"]).await;
    is_taken(&mut one, &leg_of_one, Opens::Agent, "auth-agent@openssh.com").await;
    is_taken(&mut other, &leg_of_other, Opens::X11, "x11").await;
    is_refused(&leg_of_one, Opens::X11).await;
    is_refused(&leg_of_other, Opens::Agent).await;
    // Under another policy they are lent anew, or not at all; what it refuses is not lent by asking.
    house.police(&POLICY.replace(", agent_forward, x11", ""));
    is_refused(&leg_of_one, Opens::Agent).await;
    is_refused(&leg_of_other, Opens::X11).await;
    started(&mut one, &mut leg_of_one, &["auth-agent-req@openssh.com", "x11-req"]).await;
    is_refused(&leg_of_one, Opens::Agent).await;
    is_refused(&leg_of_one, Opens::X11).await;
}

#[tokio::test]
async fn a_target_brings_connections_only_from_where_this_client_has_it_listen() {
    let mut target = Bold::start().await;
    let house = target.house(POLICY).await;
    let (mut one, leg_of_one) = connected(&mut target, &house).await;
    let (mut other, leg_of_other) = connected(&mut target, &house).await;
    for (peer, port, path) in [(&mut one, 4000, "/run/one"), (&mut other, 5000, "/run/other")] {
        let asked = peer.ask("tcpip-forward", |message| message.string("127.0.0.1").number(port)).await;
        assert!(asked.is_some());
        let asked = peer.ask("streamlocal-forward@openssh.com", |message| message.string(path)).await;
        assert!(asked.is_some());
    }
    is_taken(&mut one, &leg_of_one, Opens::Port("127.0.0.1", 4000), "forwarded-tcpip").await;
    is_taken(&mut one, &leg_of_one, Opens::Path("/run/one"), "forwarded-streamlocal@openssh.com").await;
    for what in [
        Opens::Port("127.0.0.1", 4001),
        Opens::Port("127.0.0.1", 4000 + 65_536),
        Opens::Port("localhost", 4000),
        Opens::Port("127.0.0.1", 5000),
        Opens::Path("/run/other"),
        Opens::Path("/run//one"),
    ] {
        is_refused(&leg_of_one, what).await;
    }
    is_refused(&leg_of_other, Opens::Port("127.0.0.1", 4000)).await;
    is_refused(&leg_of_other, Opens::Path("/run/one")).await;
}

#[tokio::test]
async fn where_the_target_listens_no_more_no_connection_is_taken_from() {
    let mut target = Bold::start().await;
    let house = target.house(POLICY).await;
    let (mut peer, mut leg) = connected(&mut target, &house).await;
    let port = |message: Message| message.string("127.0.0.1").number(4000);
    let path = |message: Message| message.string("/run/one");
    assert!(peer.ask("tcpip-forward", port).await.is_some());
    assert!(peer.ask("streamlocal-forward@openssh.com", path).await.is_some());
    assert!(peer.ask("cancel-tcpip-forward", port).await.is_some());
    assert_eq!(leg.asked().await, Asked::Cancel("127.0.0.1:4000".to_owned()));
    is_refused(&leg, Opens::Port("127.0.0.1", 4000)).await;
    // The other goes on, to its own end.
    is_taken(&mut peer, &leg, Opens::Path("/run/one"), "forwarded-streamlocal@openssh.com").await;
    assert!(peer.ask("cancel-streamlocal-forward@openssh.com", path).await.is_some());
    assert_eq!(leg.asked().await, Asked::Cancel("/run/one".to_owned()));
    is_refused(&leg, Opens::Path("/run/one")).await;
    // What was ended, or never begun, has no second end.
    assert!(peer.ask("cancel-tcpip-forward", port).await.is_none());
}

#[tokio::test]
async fn a_connection_that_comes_as_soon_as_the_target_listens_is_taken() {
    let mut target = Bold::start().await;
    let house = target.house(POLICY).await;
    let (mut peer, _leg) = connected(&mut target, &house).await;
    for port in 4000..4020 {
        assert!(peer.ask("tcpip-forward", |message| message.string(AWAITED).number(port)).await.is_some());
        peer.take("forwarded-tcpip").await;
    }
}

#[tokio::test]
async fn a_target_opens_no_more_channels_than_there_is_room_for() {
    let mut target = Bold::start().await;
    let house = target.house(POLICY).await;
    let (mut peer, leg) = connected(&mut target, &house).await;
    assert!(peer.ask("tcpip-forward", |message| message.string("127.0.0.1").number(4000)).await.is_some());
    for _ in 0..300 {
        let handle = leg.handle.clone();
        tokio::spawn(
            async move { handle.channel_open_forwarded_tcpip("127.0.0.1", 4000, "192.0.2.1", 1).await },
        );
    }
    // The client answers none of them.
    for _ in 0..300 {
        peer.until(crate::raw::number::CHANNEL_OPEN).await;
    }
    is_refused(&leg, Opens::Port("127.0.0.1", 4000)).await;
}
