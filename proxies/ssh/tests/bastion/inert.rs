//! What the gateway tells people: words that quote somebody do nothing but be read.

use crate::house::House;
use crate::raw::Peer;

/// Sets a title, clears the screen, rings, goes back to the line's beginning, and begins a sequence in one character.
const ACTS: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\u{8}\u{9b}31m\u{7f}";

fn check(told: &str, words: &str) {
    assert!(told.contains(words), "`{words}` in {told:?}");
    assert!(told.contains("owned"), "{told:?}");
    assert!(!told.chars().any(|c| c.is_control() && c != '\n'), "{told:?}");
}

#[tokio::test]
async fn words_that_quote_somebody_are_inert() {
    let house = House::new().await;
    // The name of a target, as the client says it.
    let mut peer = Peer::logged_in(house.address, &format!("ana:web{ACTS}"), &house.ana).await;
    let line = peer.session().await;
    peer.exec(line, "true").await;
    check(&peer.end(line).await.err(), "no target is called");
    // A variable's name.
    let mut peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
    let line = peer.session().await;
    peer.request(line, "env", |message| message.string(format!("V{ACTS}")).string("x")).await;
    peer.exec(line, "true").await;
    check(&peer.end(line).await.err(), "is not set");
    // A reviewer's reason.
    let line = peer.session().await;
    peer.exec(line, "echo restart nginx").await;
    peer.hear(line, |said| said.err().contains("held for approval")).await;
    let _ = house.control_as("ben").vote(&house.waiting().await, false, ACTS).await.unwrap();
    check(&peer.end(line).await.err(), "refused by ben");
}
