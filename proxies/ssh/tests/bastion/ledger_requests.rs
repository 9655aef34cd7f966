//! What a client may ask for beside a command: each is judged, refused, or changes nothing.

use std::time::Duration;

use crate::house::House;
use crate::raw::{Line, Message, Peer, number};

async fn peer(house: &House) -> Peer {
    Peer::logged_in(house.address, "ana:web-1", &house.ana).await
}

/// How often the target has started anything.
fn started(house: &House) -> usize {
    house.sshd.log().matches("Starting session: ").count()
}

fn marker(house: &House) -> std::path::PathBuf {
    house.sshd.home.join("marker")
}

async fn pty(peer: &mut Peer, line: Line, columns: u32, rows: u32) {
    peer.request(line, "pty-req", |message| {
        message.string("xterm").number(columns).number(rows).number(0).number(0).string([0])
    })
    .await;
}

#[tokio::test]
async fn nothing_starts_behind_a_denied_exec() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.exec(line, "rm -rf /tmp/nothing").await;
    peer.request(line, "shell", |message| message).await;
    peer.exec(line, &format!("touch {}", marker(&house).display())).await;
    peer.request(line, "subsystem", |message| message.string("sftp")).await;
    peer.data(line, format!("touch {}\n", marker(&house).display()).as_bytes()).await;
    let said = peer.end(line).await;
    assert_eq!((said.status, said.out().as_str()), (Some(126), ""));
    assert!(said.err().contains("platform team"), "{}", said.err());
    assert!(!marker(&house).exists());
    assert_eq!(started(&house), 0);
    // The connection lives on.
    let line = peer.session().await;
    peer.exec(line, "echo in").await;
    assert_eq!(peer.end(line).await.out(), "in\n");
}

#[tokio::test]
async fn a_channel_starts_one_thing() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.exec(line, "cat").await;
    peer.data(line, b"begun\n").await;
    peer.hear(line, |said| said.out().contains("begun")).await;
    peer.exec(line, &format!("touch {}", marker(&house).display())).await;
    peer.request(line, "shell", |message| message).await;
    peer.request(line, "subsystem", |message| message.string("sftp")).await;
    peer.request(line, "env", |message| message.string("LANG").string("C")).await;
    pty(&mut peer, line, 80, 24).await;
    peer.eof(line).await;
    // What comes behind the end counts for nothing either.
    peer.exec(line, &format!("touch {}", marker(&house).display())).await;
    peer.data(line, b"behind the end\n").await;
    let said = peer.end(line).await;
    assert_eq!((said.status, said.out().contains("behind")), (Some(0), false));
    assert!(!marker(&house).exists());
    assert_eq!(started(&house), 1);
}

#[tokio::test]
async fn nothing_starts_on_a_channel_that_is_closed_or_was_never_opened() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    let closed = peer.session().await;
    peer.close(closed).await;
    let touch = format!("touch {}", marker(&house).display());
    for line in [closed, Line { ours: 77, theirs: 77 }, Line { ours: 78, theirs: u32::MAX }] {
        peer.exec(line, &touch).await;
        peer.request(line, "shell", |message| message).await;
        peer.data(line, b"data\n").await;
        peer.eof(line).await;
        peer.close(line).await;
    }
    let line = peer.session().await;
    peer.exec(line, "echo in").await;
    assert_eq!(peer.end(line).await.out(), "in\n");
    assert!(!marker(&house).exists());
    assert_eq!(started(&house), 1);
}

#[tokio::test]
async fn what_is_not_known_is_refused() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    for what in ["break", "root-me@example.com", "xon-xoff", "", "exit-status"] {
        peer.request(line, what, |message| message.number(500)).await;
        let said = peer.hear(line, |said| !said.answers.is_empty()).await;
        assert_eq!(said.answers, [false], "{what}");
    }
    let none = |message: Message| message;
    // Somebody listens there.
    let port = |message: Message| message.string("127.0.0.1").number(house.sshd.port.into());
    let openings: [(&str, &dyn Fn(Message) -> Message); 9] = [
        ("direct-tcpip", &|message| port(port(message))),
        ("direct-streamlocal@openssh.com", &|message| message.string("/run/x").string("").number(0)),
        ("forwarded-tcpip", &|message| port(port(message))),
        ("forwarded-streamlocal@openssh.com", &|message| message.string("/run/x").string("")),
        ("tun@openssh.com", &|message| message.number(1).number(0x7fff_ffff)),
        ("x11", &port),
        ("auth-agent@openssh.com", &none),
        ("root-me@example.com", &none),
        ("", &none),
    ];
    for (what, rest) in openings {
        let open = Message::new(number::CHANNEL_OPEN).string(what).number(40).number(1 << 20).number(32_768);
        peer.send(&rest(open)).await;
        let answer = loop {
            let answer = peer.receive().await.unwrap_or_else(|| panic!("`{what}` ended the connection"));
            if answer[0] >= number::CHANNEL_CONFIRMATION {
                break answer[0];
            }
        };
        assert_eq!(answer, number::CHANNEL_OPEN_FAILURE, "{what}");
    }
    let requests: [(&str, &dyn Fn(Message) -> Message); 5] = [
        ("tcpip-forward", &|message| message.string("127.0.0.1").number(0)),
        ("cancel-tcpip-forward", &|message| message.string("127.0.0.1").number(22)),
        ("streamlocal-forward@openssh.com", &|message| message.string("/tmp/portcullis-x")),
        ("cancel-streamlocal-forward@openssh.com", &|message| message.string("/tmp/portcullis-x")),
        ("root-me@example.com", &none),
    ];
    for (what, rest) in requests {
        peer.send(&rest(Message::new(number::GLOBAL_REQUEST).string(what).flag(true))).await;
        peer.until(number::REQUEST_FAILURE).await;
    }
    assert_eq!(started(&house), 0);
    let judged = house.judged().join("\n");
    let tunnel = format!("local tunnel 127.0.0.1:{}: deny", house.sshd.port);
    for what in [&*tunnel, "local tunnel /run/x: deny", "remote tunnel 127.0.0.1:0: deny"] {
        assert!(judged.contains(what), "{judged}");
    }
}

#[tokio::test]
async fn every_channel_of_a_connection_is_judged() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    let (first, second, third) = (peer.session().await, peer.session().await, peer.session().await);
    peer.exec(first, "cat").await;
    peer.exec(second, "rm x").await;
    assert_eq!(peer.end(second).await.status, Some(126));
    peer.exec(third, "echo restart nginx").await;
    let said = peer.hear(third, |said| said.err().contains("held for approval")).await;
    assert!(said.out().is_empty());
    peer.eof(first).await;
    assert_eq!(peer.end(first).await.status, Some(0));
    let judged = house.judged();
    for line in ["exec cat: allow", "exec rm x: deny", "exec echo restart nginx: hold"] {
        assert!(judged.iter().any(|judged| judged == line), "`{line}` in {judged:?}");
    }
}

#[tokio::test]
async fn signals_and_break_do_not_release_what_is_held() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    peer.exec(line, "echo restart nginx").await;
    peer.hear(line, |said| said.err().contains("held for approval")).await;
    let seen = house.waiting().await;
    for signal in ["TERM", "KILL", "HUP", "USR1", "NOSUCH"] {
        peer.request(line, "signal", |message| message.string(signal)).await;
    }
    peer.request(line, "break", |message| message.number(100)).await;
    peer.exec(line, "echo something else").await;
    peer.request(line, "shell", |message| message).await;
    peer.eof(line).await;
    peer.request(line, "root-me@example.com", |message| message).await;
    // The last of them is answered: all have arrived.
    peer.hear(line, |said| said.answers.last() == Some(&false) && said.answers.len() > 3).await;
    assert_eq!(house.state(seen.number).await, "pending");
    assert_eq!(started(&house), 0);
    house.vote(&seen, true).await;
    assert_eq!(peer.end(line).await.out(), "restart nginx\n");
    // INT is Ctrl-C, which takes it back.
    let line = peer.session().await;
    peer.exec(line, "echo restart nginx").await;
    peer.hear(line, |said| said.err().contains("held for approval")).await;
    let seen = house.waiting().await;
    peer.request(line, "signal", |message| message.string("INT")).await;
    assert_eq!(peer.end(line).await.status, Some(130));
    assert_eq!(house.state(seen.number).await, "withdrawn");
}

#[tokio::test]
async fn variables_that_change_what_runs_are_not_set() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    let line = peer.session().await;
    let dangerous = [
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "BASH_ENV",
        "ENV",
        "PATH",
        "SHELLOPTS",
        "PS4",
        "IFS",
        "BASH_FUNC_ls%%",
    ];
    for name in dangerous {
        peer.request(line, "env", |message| message.string(name).string("/tmp/evil")).await;
    }
    peer.request(line, "env", |message| message.string("LC_ALL").string("C")).await;
    peer.exec(line, "env").await;
    let said = peer.end(line).await;
    assert!(said.out().contains("LC_ALL=C\n") && !said.out().contains("/tmp/evil"), "{}", said.out());
    for name in dangerous {
        assert!(said.err().contains(&format!("the variable {name} is not set")), "{}", said.err());
    }
}

#[tokio::test]
async fn floods_of_window_changes_and_impossible_sizes_do_no_harm() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    for (columns, rows) in [(0, 0), (65_535, 65_535), (u32::MAX, u32::MAX), (80, 24)] {
        let line = peer.session().await;
        pty(&mut peer, line, columns, rows).await;
        peer.exec(line, "stty size; cat").await;
        let said = peer.hear(line, |said| said.out().contains("\r\n")).await;
        assert!(said.out().ends_with("\r\n"), "{columns}x{rows}: {said:?}");
        for turn in 0..5_000_u32 {
            let change =
                Message::new(number::CHANNEL_REQUEST).number(line.theirs).string("window-change").flag(false);
            peer.send(&change.number(turn).number(u32::MAX - turn).number(turn).number(turn)).await;
        }
        peer.data(line, b"beyond\n\x04").await;
        let said = peer.end(line).await;
        assert!(said.out().contains("beyond") && said.status == Some(0), "{said:?}");
    }
}

#[tokio::test]
async fn two_hundred_channels_run_at_once_and_there_is_an_end_to_them() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    let mut lines = Vec::new();
    for number in 0..200 {
        let line = peer.session().await;
        peer.exec(line, &format!("echo number {number}; cat")).await;
        lines.push(line);
        peer.hear(line, |said| said.out().contains(&format!("number {number}\n"))).await;
    }
    for line in &lines {
        peer.data(*line, format!("channel {}\n", line.ours).as_bytes()).await;
        peer.eof(*line).await;
        let said = peer.end(*line).await;
        assert_eq!((said.out(), said.status), (format!("channel {}\n", line.ours), Some(0)));
    }
    let mut opened = 0;
    loop {
        let open = Message::new(number::CHANNEL_OPEN).string("session").number(1000 + opened);
        peer.send(&open.number(1 << 20).number(32_768)).await;
        let answer = loop {
            let answer = peer.receive().await.expect("an answer");
            if (number::CHANNEL_CONFIRMATION..=number::CHANNEL_OPEN_FAILURE).contains(&answer[0]) {
                break answer[0];
            }
        };
        if answer == number::CHANNEL_OPEN_FAILURE {
            break;
        }
        opened += 1;
        assert!(opened <= 300, "channels without end");
    }
    assert!(opened >= 200);
}

#[tokio::test]
async fn the_end_is_told_once_and_after_the_exit_status() {
    let house = House::new().await;
    let mut peer = peer(&house).await;
    for turn in 0..20 {
        let line = peer.session().await;
        peer.exec(line, "echo out; exit 7").await;
        peer.eof(line).await;
        // A client that has read all may close the channel, and hears no more of it.
        let said = peer.hear(line, |said| said.ends > 0).await;
        assert_eq!((said.out().as_str(), said.status), ("out\n", Some(7)), "turn {turn}: {said:?}");
        assert!(said.ends <= 1);
    }
    // One that closes its output and goes on is told so all the same.
    let line = peer.session().await;
    peer.exec(line, "echo out; exec >&- 2>&-; read word; exit 7").await;
    let heard = tokio::time::timeout(Duration::from_secs(5), peer.hear(line, |said| said.ends > 0)).await;
    assert_eq!(heard.expect("an end of output").status, None);
    peer.eof(line).await;
    let said = peer.end(line).await;
    assert_eq!((said.status, said.ends), (Some(7), 0), "{said:?}");
}

#[tokio::test]
async fn input_may_come_all_at_once() {
    let house = House::new().await;
    let client = house.client("ana");
    let file = client.directory().join("input");
    std::fs::write(&file, vec![7; 20 << 20]).unwrap();
    let mut command = client.command("ssh");
    command.args(["box", "wc -c"]).stdin(std::fs::File::open(&file).unwrap());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), (20 << 20).to_string(), "{output:?}");
}
