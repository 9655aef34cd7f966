//! The transport and the login, message by message: whatever comes in whatever state, nothing is opened before somebody has
//! proven who they are, and nobody else notices.

use std::time::Duration;

use portcullis_testkit::ssh::{Key, Kind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::{House, Plan};
use crate::raw::{Message, Peer, number};

/// Where a client stands when it sends what it may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeted,
    Offered,
    Agreed,
    Encrypted,
    Served,
    Asked,
    RekeyOffered,
    RekeyAgreed,
}

impl State {
    const ALL: [Self; 8] = [
        Self::Greeted,
        Self::Offered,
        Self::Agreed,
        Self::Encrypted,
        Self::Served,
        Self::Asked,
        Self::RekeyOffered,
        Self::RekeyAgreed,
    ];

    async fn reach(self, house: &House) -> Peer {
        let mut peer = match self {
            Self::RekeyOffered | Self::RekeyAgreed => {
                Peer::logged_in(house.address, "ana:web-1", &house.ana).await
            }
            Self::Greeted | Self::Offered | Self::Agreed => Peer::greet(house.address).await,
            Self::Encrypted | Self::Served | Self::Asked => Peer::encrypted(house.address).await,
        };
        match self {
            Self::Greeted | Self::Encrypted => {}
            Self::Offered | Self::RekeyOffered => peer.offer().await,
            Self::Agreed | Self::RekeyAgreed => {
                peer.offer().await;
                peer.agree().await;
            }
            Self::Served => peer.ask_for_authentication().await,
            Self::Asked => {
                peer.ask_for_authentication().await;
                let ask = Message::new(number::AUTH_REQUEST).string("ana:web-1").string("ssh-connection");
                peer.send(&ask.string("keyboard-interactive").string("").string("")).await;
                peer.until(number::AUTH_INFO_REQUEST).await;
            }
        }
        peer
    }

    /// Whether the client has proven who it is.
    fn is_proven(self) -> bool {
        matches!(self, Self::RekeyOffered | Self::RekeyAgreed)
    }
}

/// What may stand in a message of any number: nothing, what opens a session channel, a login without a proof, noise.
fn bodies() -> [Message; 4] {
    let open = Message(Vec::new()).string("session").number(0).number(1 << 20).number(32_768);
    let none = Message(Vec::new()).string("ana:web-1").string("ssh-connection").string("none");
    [Message(Vec::new()), open, none, Message(vec![0xff; 64])]
}

#[tokio::test]
async fn no_message_in_any_state_opens_anything_before_somebody_is_proven() {
    let house = House::new().await;
    // What goes on beside it all.
    let beside = house.client("ana").start("ssh", &["box", "echo begun; cat"]);
    beside.until("begun").await;
    for state in State::ALL {
        for number in 0..=u8::MAX {
            // Each number with one of the bodies; those that mean something with all.
            let means_something = [1..=7, 20..=21, 30..=34, 50..=66, 80..=82, 90..=100];
            let chosen =
                if means_something.iter().any(|range| range.contains(&number)) { 0..4 } else { 0..1 };
            for body in &bodies()[chosen] {
                let mut peer = state.reach(&house).await;
                peer.send(&Message([&[number], &body.0[..]].concat())).await;
                // And what would make use of it, had it changed anything.
                peer.send(&Message([&[number::CHANNEL_OPEN], &bodies()[1].0[..]].concat())).await;
                for answer in peer.rest().await {
                    let opens = answer[0] == number::CHANNEL_CONFIRMATION
                        || answer[0] == number::AUTH_SUCCESS
                        || (answer[0] >= number::GLOBAL_REQUEST && !state.is_proven());
                    assert!(!opens, "{state:?}: {} for {number} {:?}", answer[0], body.0);
                }
            }
        }
    }
    beside.send(b"still here\n");
    beside.until("still here").await;
    let opened = house.evidence().iter().filter(|record| record.contains("session_opened")).count();
    let proven = 2 * (256 + 3 * 45);
    assert!(opened <= 1 + proven, "{opened} sessions");
    assert!(house.judged().iter().all(|line| !line.contains("refused")), "nothing was asked for");
}

/// Terrapin (CVE-2023-48795): with strict key exchange nothing may stand between the messages of the first one.
#[tokio::test]
async fn strict_key_exchange_is_announced_and_holds() {
    let house = House::new().await;
    for (before, between) in [(false, false), (true, false), (false, true)] {
        let mut peer = Peer::greet(house.address).await;
        if before {
            peer.send(&Message::new(number::IGNORE).string("")).await;
        }
        peer.offer_or_end().await;
        assert!(before || peer.offered().contains("kex-strict-s-v00@openssh.com"));
        if between {
            peer.send(&Message::new(number::IGNORE).string("")).await;
        }
        peer.send(&Message::new(number::ECDH_INIT).string([9; 32])).await;
        let answered = peer.rest().await.iter().any(|answer| answer[0] == number::ECDH_REPLY);
        assert_eq!(answered, !before && !between, "before {before}, between {between}");
    }
    // The control: without it, as older clients are, the same is no fault.
    let mut peer = Peer::greet(house.address).await;
    peer.strict = false;
    peer.offer().await;
    peer.send(&Message::new(number::IGNORE).string("")).await;
    peer.agree().await;
}

#[tokio::test]
async fn a_key_that_is_offered_proves_nothing() {
    let house = House::new().await;
    let other = Key::generate(Kind::Ed25519);
    let asked = async |make: &dyn Fn(&Peer) -> Message| {
        let mut peer = Peer::encrypted(house.address).await;
        peer.ask_for_authentication().await;
        peer.send(&make(&peer)).await;
        let answer = peer.receive().await.map(|answer| answer[0]);
        peer.send(&Message([&[number::CHANNEL_OPEN], &bodies()[1].0[..]].concat())).await;
        assert!(peer.rest().await.iter().all(|answer| answer[0] < number::GLOBAL_REQUEST));
        answer
    };
    let user = "ana:web-1";
    // Offered: it may be proven, and that is all.
    assert_eq!(asked(&|peer| peer.proof(user, &house.ana, false)).await, Some(number::AUTH_INFO_REQUEST));
    // Proven for somebody else's session, by somebody else's key, or not at all.
    let borrowed = Peer::encrypted(house.address).await.proof(user, &house.ana, true);
    for wrong in [
        &(|_: &Peer| borrowed.clone()) as &dyn Fn(&Peer) -> Message,
        &|peer: &Peer| {
            let mut proof = peer.proof(user, &house.ana, true);
            *proof.0.last_mut().unwrap() ^= 1;
            proof
        },
        &|peer: &Peer| peer.proof(user, &other, true),
        &|peer: &Peer| peer.proof("ben:web-1", &house.ana, true),
        &|peer: &Peer| {
            // ana's key beside a signature of another's.
            let mut mixed = peer.proof(user, &house.ana, true);
            let signature = peer.proof(user, &other, true).0.split_off(mixed.0.len() - 64);
            mixed.0.truncate(mixed.0.len() - 64);
            mixed.0.extend(signature);
            mixed
        },
    ] {
        let answer = asked(wrong).await;
        assert!(matches!(answer, None | Some(number::AUTH_FAILURE | number::DISCONNECT)), "{answer:?}");
    }
}

#[tokio::test]
async fn peers_that_say_nothing_or_too_much_are_hung_up_on() {
    let config = "[limits]\nauthentication_time = \"1s\"\n".to_owned();
    let house = House::with(Plan { config, ..Plan::default() }).await;
    let endless = "x".repeat(1 << 20);
    for words in ["", "SSH-", "GET / HTTP/1.1\r\n\r\n", "SSH-1.5-old\r\n", &endless] {
        let mut stream = TcpStream::connect(house.address).await.unwrap();
        let _ = stream.write_all(words.as_bytes()).await;
        let mut said = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut said)).await;
        assert!(read.is_ok(), "{:?} is still listened to", &words[..words.len().min(20)]);
        assert!(said.len() < 4096);
    }
    // A packet that is said to be as long as can be, and never comes.
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(b"SSH-2.0-x\r\n\xff\xff\xff\xff").await.unwrap();
    let mut said = Vec::new();
    let _ =
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut said)).await.expect("an end");
    let output = house.client("ana").ssh(&["box", "echo in"]).await.success();
    assert_eq!(output.text(), "in\n");
}

#[tokio::test]
async fn keys_are_renewed_while_a_command_is_held_and_while_bytes_flow() {
    let house = House::new().await;
    let mut peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
    let held = peer.session().await;
    peer.exec(held, "echo restart nginx").await;
    peer.hear(held, |said| said.err().contains("held for approval")).await;
    let seen = house.waiting().await;
    for _ in 0..3 {
        peer.exchange().await;
    }
    assert_eq!(house.state(seen.number).await, "pending");
    house.vote(&seen, true).await;
    let said = peer.end(held).await;
    assert_eq!((said.out().as_str(), said.status), ("restart nginx\n", Some(0)));
    let flowing = peer.session().await;
    peer.exec(flowing, "cat").await;
    for turn in 0..3 {
        peer.data(flowing, format!("turn {turn}\n").as_bytes()).await;
        peer.hear(flowing, |said| said.out().contains(&format!("turn {turn}"))).await;
        peer.exchange().await;
    }
    peer.eof(flowing).await;
    assert_eq!(peer.end(flowing).await.status, Some(0));
}
