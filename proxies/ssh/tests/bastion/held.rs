//! What waits for approval: what the approval is for, what is kept meanwhile, and that waiting is not idleness.

use portcullis_gateway::control::ApprovalView;

use crate::house::{House, Plan};
use crate::raw::{Line, Message, Peer, number};

async fn peer(house: &House) -> Peer {
    Peer::logged_in(house.address, "ana:web-1", &house.ana).await
}

/// A command that waits, with this variable set.
async fn held(peer: &mut Peer, locale: &str) -> Line {
    let line = peer.session().await;
    peer.request(line, "env", |message| message.string("LC_ALL").string(locale)).await;
    peer.exec(line, "echo restart").await;
    peer.hear(line, |said| said.err().contains("held for approval")).await;
    line
}

#[tokio::test]
async fn an_approval_is_for_the_variables_of_its_channel() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    let ben = house.control_as("ben");
    let one = held(&mut peer, "C").await;
    let of_one = house.waiting().await;
    held(&mut peer, "POSIX").await;
    let waiting = ben.approvals(false).await.unwrap();
    let of_other = waiting.iter().find(|seen| seen.number != of_one.number).expect("another that waits");
    // Somebody has read the one, and answers the other.
    let mistaken = ApprovalView { number: of_other.number, ..of_one.clone() };
    assert!(ben.vote(&mistaken, true, "as seen").await.is_err());
    house.vote(&of_one, true).await;
    assert_eq!(peer.end(one).await.out(), "restart\n");
    assert_eq!(house.state(of_other.number).await, "pending");
}

/// More than is kept, in one way or another, of a client that keeps no window.
#[derive(Clone, Copy, Debug)]
enum Flood {
    Bytes,
    Messages,
    /// Ends and sizes, which have no bytes.
    Ends,
}

impl Flood {
    async fn send(self, peer: &mut Peer, line: Line) {
        let resize = Message::new(number::CHANNEL_REQUEST).number(line.theirs).string("window-change");
        let resize = resize.flag(false).number(80).number(24).number(0).number(0);
        match self {
            Self::Bytes => {
                for _ in 0..160 {
                    peer.data(line, &[b'x'; 32_000]).await;
                }
            }
            Self::Messages => {
                for _ in 0..16_500 {
                    peer.data(line, &[b'x'; 64]).await;
                }
            }
            Self::Ends => {
                for _ in 0..8_500 {
                    peer.eof(line).await;
                    peer.send(&resize).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn what_comes_while_a_command_is_held_is_kept_up_to_a_bound() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    for flood in [Flood::Bytes, Flood::Messages, Flood::Ends] {
        let line = held(&mut peer, "C").await;
        let seen = house.waiting().await;
        flood.send(&mut peer, line).await;
        let said = peer.end(line).await;
        assert_eq!(said.status, Some(126), "{flood:?}: {said:?}");
        assert!(said.err().contains("more input came while it waited than is kept"), "{}", said.err());
        assert_eq!(house.state(seen.number).await, "withdrawn");
    }
}

#[tokio::test]
async fn what_waits_for_approval_is_not_idle() {
    let config = "[limits]\nidle_time = \"1s\"\n".to_owned();
    let house = House::with(Plan { config, ..Plan::default() }).await;
    let mut waits = peer(&house).await;
    let line = held(&mut waits, "C").await;
    // Another, which begins to be idle later and ends of it.
    let mut idles = peer(&house).await;
    let idle = idles.session().await;
    idles.exec(idle, "echo begun; sleep 60").await;
    idles.hear(idle, |said| said.out().contains("begun")).await;
    let farewell = idles.until(number::DISCONNECT).await;
    assert!(String::from_utf8_lossy(&farewell).contains("idle for too long"));
    house.vote(&house.waiting().await, true).await;
    assert_eq!(waits.end(line).await.status, Some(0));
}
