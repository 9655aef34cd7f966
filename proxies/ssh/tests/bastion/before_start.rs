//! What comes before something runs: names of terminals, variables, input, a target that talks before it answers.

use crate::bold::{Asked, Bold, Opens};
use crate::house::House;
use crate::raw::{Message, Peer, Said};

async fn peer(house: &House) -> Peer {
    Peer::logged_in(house.address, "ana:web-1", &house.ana).await
}

#[tokio::test]
async fn a_terminals_type_is_a_name_that_nothing_reads_otherwise() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    let (longest, too_long) = ("x".repeat(64), "x".repeat(65));
    for (term, expected) in [
        ("xterm-256color", true),
        (&longest, true),
        (&too_long, false),
        ("xterm\u{1b}[31m", false),
        ("xterm\r\n", false),
        ("../../tmp/x", false),
        ("x;id", false),
        ("\u{445}term", false),
    ] {
        let line = peer.session().await;
        let pty =
            |message: Message| message.string(term).number(80).number(24).number(0).number(0).string([0]);
        peer.request(line, "pty-req", pty).await;
        peer.exec(line, "printenv TERM").await;
        let said = peer.end(line).await;
        if expected {
            assert_eq!((said.status, said.out()), (Some(0), format!("{term}\r\n")), "{said:?}");
        } else {
            assert_eq!((said.status, said.out()), (Some(126), String::new()), "{term:?}: {said:?}");
            assert!(said.err().contains("the terminal's type is no name of one"), "{}", said.err());
        }
    }
}

/// What comes of a channel that is prepared so, and then runs something.
async fn prepared(house: &House, prepare: impl AsyncFnOnce(&mut Peer, crate::raw::Line)) -> Said {
    let mut peer = peer(house).await;
    let line = peer.session().await;
    prepare(&mut peer, line).await;
    peer.exec(line, "true").await;
    peer.end(line).await
}

#[tokio::test]
async fn variables_are_bounded_in_number_and_size() {
    let house = House::policed(
        "policy \"any\"\ndefault deny\nallow \"work\" { by group \"eng\"  on ssh  do exec  do env on \"*\" }\n",
    )
    .await;
    // With a name of four bytes.
    let most = (32 << 10) - 4;
    for (count, bytes, expected) in [(128, 1, 0), (129, 1, 126), (1, most, 0), (1, most + 1, 126)] {
        let said = prepared(&house, async |peer: &mut Peer, line| {
            for number in 0..count {
                let (name, value) = (format!("V{number:03}"), "x".repeat(bytes));
                peer.request(line, "env", |message| message.string(name).string(value)).await;
            }
        })
        .await;
        assert_eq!(said.status, Some(expected), "{count} of {bytes}: {}", said.err());
        let is_told = said.err().contains("more variables are set than are taken");
        assert_eq!(is_told, expected == 126, "{count} of {bytes}: {}", said.err());
    }
}

#[tokio::test]
async fn input_before_a_start_is_kept_up_to_a_bound() {
    let house = House::new().await;
    // Of one that keeps no window, and of one that tells its end again and again.
    for (count, message) in [(160, Some([b'x'; 32_000])), (16_500, None)] {
        let said = prepared(&house, async |peer: &mut Peer, line| {
            for _ in 0..count {
                match &message {
                    Some(bytes) => peer.data(line, bytes).await,
                    None => peer.eof(line).await,
                }
            }
        })
        .await;
        assert_eq!(said.status, Some(126), "{said:?}");
        assert!(said.err().contains("more input came before a command than is kept"), "{}", said.err());
    }
}

#[tokio::test]
async fn a_target_that_talks_instead_of_answering_is_left() {
    let mut target = Bold::start().await;
    let house = target.house(crate::house::POLICY).await;
    let mut peer = peer(&house).await;
    let mut leg = target.leg().await;
    for (messages, expected) in [(64, true), (65, false)] {
        let line = peer.session().await;
        peer.exec(line, "true").await;
        let Asked::Exec(id) = leg.asked().await else { panic!("no exec") };
        for _ in 0..messages {
            leg.handle.data(id, "x").await.unwrap();
        }
        leg.handle.channel_success(id).await.unwrap();
        let _ = leg.handle.exit_status_request(id, 0).await;
        let _ = leg.handle.close(id).await;
        let said = peer.end(line).await;
        if expected {
            assert_eq!((said.status, said.out()), (Some(0), "x".repeat(64)), "{said:?}");
        } else {
            assert_eq!((said.status, said.out()), (Some(255), String::new()), "{said:?}");
            assert!(said.err().contains("the target does not answer"), "{}", said.err());
        }
    }
}

#[tokio::test]
async fn what_was_granted_to_a_command_that_does_not_run_is_lent_to_nobody() {
    let mut target = Bold::start().await;
    let policy =
        "policy \"lent\"\ndefault deny\nallow \"agent\" { on ssh  do agent_forward  do env on \"LANG\" }\n";
    let house = target.house(policy).await;
    let mut peer = peer(&house).await;
    let leg = target.leg().await;
    let line = peer.session().await;
    peer.request(line, "env", |message| message.string("LANG").string("C")).await;
    peer.request(line, "auth-agent-req@openssh.com", |message| message).await;
    peer.exec(line, "true").await;
    assert_eq!(peer.end(line).await.status, Some(126));
    assert!(leg.opens(Opens::Agent).await.is_none());
    for command in [1, 2] {
        let unused = format!(
            "\"command\":{command},\"result\":\"failed\",\"bytes\":0,\"error\":\"what it was for did not run\""
        );
        house.until_evidence_says(&unused).await;
    }
}

#[tokio::test]
async fn requests_bring_no_more_than_a_bound() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.exec(line, "echo begun; sleep 60").await;
    peer.hear(line, |said| said.out().contains("begun")).await;
    // Signals need no window. This one is none, and its name is as long as a packet holds.
    let long = "x".repeat(200 << 10);
    for _ in 0..60 {
        peer.request(line, "signal", |message| message.string(&long)).await;
    }
    peer.hung_up().await;
}
