//! Tunnels: judged by direction, host and port, or refused.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::house::House;
use crate::raw::{Message, Peer};

/// Answers every connection with a line.
fn origin() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(b"from the origin\n"));
        }
    });
    port
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn fetch(port: u16) -> String {
    let mut text = String::new();
    let _ = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| stream.read_to_string(&mut text));
    text
}

fn policy(rest: &str) -> String {
    format!(
        "policy \"tunnels\"\ndefault deny\nallow \"work\" {{ by group \"eng\"  on ssh  do exec }}\n{rest}"
    )
}

#[tokio::test]
async fn a_tunnel_is_refused_unless_it_is_allowed_by_its_port() {
    let origin = origin();
    let house = House::policed(&policy(&format!(
        "allow \"one\" {{ by group \"eng\"  on ssh  do forward  when direction == \"local\" and host == \"127.0.0.1\" and port == {origin} }}\n"
    )))
    .await;
    let client = house.client("ana");
    let local = free_port();
    let forward = format!("{local}:127.0.0.1:{origin}");
    let running = client.start("ssh", &["-L", &forward, "box", "echo ready; cat"]);
    running.until("ready").await;
    assert_eq!(fetch(local), "from the origin\n");
    let other = house.client("ana");
    let local = free_port();
    let forward = format!("{local}:127.0.0.1:{}", house.sshd.port);
    let refused = other.start("ssh", &["-L", &forward, "box", "echo ready; cat"]);
    refused.until("ready").await;
    assert_eq!(fetch(local), "");
    refused.until("administratively prohibited").await;
    let output = client.ssh(&["-W", &format!("127.0.0.1:{origin}"), "box"]).await;
    assert_eq!(output.text(), "from the origin\n");
    let output = client.ssh(&["-W", &format!("localhost:{origin}"), "box"]).await;
    assert_eq!(output.text(), "");
    assert!(
        house.judged().iter().any(|line| line.contains("forward") && line.ends_with("deny")),
        "{:?}",
        house.judged()
    );
}

#[tokio::test]
async fn the_target_listens_only_where_that_is_allowed() {
    let origin = origin();
    let (allowed, refused) = (free_port(), free_port());
    let house = House::policed(&policy(&format!(
        "allow \"one\" {{ by group \"eng\"  on ssh  do forward  when direction == \"remote\" and port == {allowed} }}\n"
    )))
    .await;
    let client = house.client("ana").option("ExitOnForwardFailure yes");
    let forward = format!("127.0.0.1:{allowed}:127.0.0.1:{origin}");
    let running = client.start("ssh", &["-R", &forward, "box", "echo ready; cat"]);
    running.until("ready").await;
    assert_eq!(fetch(allowed), "from the origin\n");
    let forward = format!("127.0.0.1:{refused}:127.0.0.1:{origin}");
    let output = client.ssh(&["-R", &forward, "box", "echo ready"]).await;
    assert_eq!(output.code, Some(255), "{}", output.errors());
    assert!(output.errors().contains("remote port forwarding failed"), "{}", output.errors());
}

#[tokio::test]
async fn each_connection_to_where_the_target_listens_is_an_action_of_its_own() {
    let (origin, listening) = (origin(), free_port());
    let rest = format!(
        "allow \"one\" {{ on ssh  do forward  when direction == \"remote\" and port == {listening} }}\n"
    );
    let house = House::policed(&policy(&rest)).await;
    let client = house.client("ana");
    let forward = format!("127.0.0.1:{listening}:127.0.0.1:{origin}");
    let running = client.start("ssh", &["-R", &forward, "box", "echo ready; cat"]);
    running.until("ready").await;
    assert_eq!(fetch(listening), "from the origin\n");

    let tunnels = || {
        let all = house.judged().into_iter().filter(|line| line.contains("remote tunnel"));
        all.map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(tunnels(), ["allow", "allow"], "asking for the port, and the connection");

    house.police(&policy("allow \"one\" { on ssh  do forward  when port == 1 }\n"));
    assert_eq!(fetch(listening), "");
    let since = tunnels().split_off(2);
    // The first one is judged again, too, if it has not ended by then.
    assert!(!since.is_empty() && since.iter().all(|verdict| verdict == "deny"), "{since:?}");
}

#[tokio::test]
async fn the_agent_and_x11_are_not_forwarded_unless_allowed() {
    let house = House::policed(&policy("")).await;
    // By hand: `ssh` asks for neither unless it has an agent and a display.
    let mut peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
    let line = peer.session().await;
    peer.request(line, "auth-agent-req@openssh.com", |message| message).await;
    let cookie = |message: Message| message.flag(false).string("MIT-MAGIC-COOKIE-1").string("0123").number(0);
    peer.request(line, "x11-req", cookie).await;
    peer.exec(line, "env").await;
    let said = peer.end(line).await;
    assert!(!said.out().contains("SSH_AUTH_SOCK=") && !said.out().contains("DISPLAY="), "{said:?}");
    for what in ["the agent is not forwarded: ", "X11 is not forwarded: "] {
        assert!(said.err().contains(what), "{}", said.err());
    }
}

#[tokio::test]
async fn what_a_tunnel_carries_counts_for_limits_and_is_carried_under_no_mask() {
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = origin.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in origin.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(&[b'x'; 300_000]));
        }
    });
    let open = "allow \"all\" { by group \"eng\"  on ssh  do forward }\n";
    let limit = "limit \"few\" { on ssh  bytes 100_000 per command }\n";
    let mask = "mask \"cards\" { on ssh  values credit_card  with redact }\n";
    let house = House::policed(&policy(open)).await;
    let through =
        async || house.client("ana").ssh(&["-W", &format!("127.0.0.1:{port}"), "box"]).await.stdout.len();
    assert_eq!(through().await, 300_000);
    house.police(&policy(&format!("{open}{limit}")));
    let some = through().await;
    assert!(some <= 100_000, "{some}");
    house.until_evidence_says("\"error\":\"a limit was reached\"").await;
    house.police(&policy(&format!("{open}{mask}")));
    assert_eq!(through().await, 0);
    house.until_evidence_says("\"error\":\"can't be masked\"").await;
}
