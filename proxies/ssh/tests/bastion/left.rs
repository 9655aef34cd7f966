//! Whoever leaves while something waits, or reads late.

use std::time::Duration;

use crate::bold::{Bold, Opens};
use crate::house::{House, Plan};
use crate::raw::{Line, Message, Peer, number};

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

/// A tunnel of the target's to the client.
async fn tunnel(target: &mut Bold, house: &House) -> (Peer, Line, russh::Channel<russh::server::Msg>) {
    let mut peer = peer(house).await;
    let leg = target.leg().await;
    assert!(peer.ask("tcpip-forward", |message| message.string("127.0.0.1").number(4000)).await.is_some());
    let (channel, line) =
        tokio::join!(leg.opens(Opens::Port("127.0.0.1", 4000)), peer.take("forwarded-tcpip"));
    (peer, line, channel.expect("a channel"))
}

#[tokio::test]
async fn a_target_that_closes_a_tunnel_behind_its_end_closes_it() {
    let mut target = Bold::start().await;
    let house = target.house(POLICY).await;
    let (mut peer, line, channel) = tunnel(&mut target, &house).await;
    channel.data(&b"last words"[..]).await.unwrap();
    channel.eof().await.unwrap();
    channel.close().await.unwrap();
    let said = in_time("the client is never told", peer.end(line)).await;
    assert_eq!((said.out().as_str(), said.ends), ("last words", 1));
    house.until_evidence_says("\"bytes\":10").await;
}

#[tokio::test]
async fn a_client_that_closes_a_tunnel_behind_its_end_closes_it() {
    let mut target = Bold::start().await;
    let house = target.house(POLICY).await;
    let (mut peer, line, mut channel) = tunnel(&mut target, &house).await;
    peer.data(line, b"last words").await;
    peer.eof(line).await;
    peer.close(line).await;
    let mut heard = Vec::new();
    in_time("the target is never told", async {
        while let Some(message) = channel.wait().await {
            match message {
                russh::ChannelMsg::Data { data } => heard.extend_from_slice(&data),
                russh::ChannelMsg::Close => return,
                _ => {}
            }
        }
    })
    .await;
    assert_eq!(heard, b"last words");
}

#[tokio::test]
async fn a_client_that_closes_while_its_input_waits_ends_what_runs() {
    let house = House::policed(POLICY).await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.exec(line, "echo begun; sleep 300").await;
    peer.hear(line, |said| said.out().contains("begun")).await;
    for _ in 0..80 {
        peer.data(line, &[b'x'; 32_000]).await;
    }
    peer.close(line).await;
    house.until_evidence_says("\"error\":\"client gone\"").await;
}

#[tokio::test]
async fn sizes_and_signals_without_end_do_not_stop_who_reads_late() {
    let house = House::policed(&POLICY.replace("exec,", "exec, pty,")).await;
    let mut peer = peer(&house).await;
    let line = Line { ours: 700, theirs: 0 };
    let open = Message::new(number::CHANNEL_OPEN).string("session").number(line.ours);
    peer.send(&open.number(1000).number(32_768)).await;
    let answer = peer.until(number::CHANNEL_CONFIRMATION).await;
    let line = Line { theirs: u32::from_be_bytes(answer[5..9].try_into().unwrap()), ..line };
    peer.exec(line, "head -c 9000000 /dev/zero").await;
    peer.hear(line, |said| !said.stdout.is_empty()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for columns in 0..30_000 {
        let request =
            Message::new(number::CHANNEL_REQUEST).number(line.theirs).string("window-change").flag(false);
        let size = request.number(columns).number(columns % 7).number(0).number(0);
        let signal = Message::new(number::CHANNEL_REQUEST).number(line.theirs).string("signal").flag(false);
        in_time("the client is not read", async {
            peer.send(&size).await;
            peer.send(&signal.string("CHLD")).await;
        })
        .await;
    }
    const WINDOW_ADJUST: u8 = 93;
    peer.send(&Message::new(WINDOW_ADJUST).number(line.theirs).number(1 << 30)).await;
    let said = in_time("it never goes on", peer.hear(line, |said| said.stdout.len() >= 8_000_000)).await;
    assert!(said.stdout.len() >= 8_000_000, "{}", said.stdout.len());
}

/// What this process takes now, in MiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

#[tokio::test]
async fn many_channels_that_nobody_reads_take_no_more_than_few() {
    let house = House::policed(POLICY).await;
    let mut peer = peer(&house).await;
    let before = resident();
    let mut lines = Vec::new();
    for _ in 0..250 {
        lines.push(peer.session().await);
    }
    for _ in 0..64 {
        for line in &lines {
            peer.data(*line, &[b'x'; 32_000]).await;
        }
    }
    let more = resident() - before;
    assert!(more < 150, "{more} MiB");
    peer.hung_up().await;
}

#[tokio::test]
async fn what_many_programs_print_for_nobody_takes_no_more_than_few() {
    let house = House::with(Plan {
        sshd: vec!["MaxSessions 300".to_owned()],
        policy: Some(POLICY.to_owned()),
        ..Plan::default()
    })
    .await;
    let mut peer = peer(&house).await;
    let before = resident();
    for ours in 700..780 {
        let open = Message::new(number::CHANNEL_OPEN).string("session").number(ours);
        peer.send(&open.number(0).number(32_768)).await;
        let answer = peer.until(number::CHANNEL_CONFIRMATION).await;
        let line = Line { ours, theirs: u32::from_be_bytes(answer[5..9].try_into().unwrap()) };
        peer.exec(line, "head -c 1900000 /dev/zero; sleep 60").await;
    }
    // Memory tells nobody when it has grown.
    let mut more = resident() - before;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = resident() - before;
        if now <= more {
            break;
        }
        more = now;
    }
    assert!(more < 80, "{more} MiB");
}
