//! The fixture itself: plain kubectl straight at the scripted server, over each of the protocols that carry streams.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test states what it expects by failing")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use portcullis_testkit::Running;
use portcullis_testkit::kubernetes::{Kubectl, Kubelet, Seen};

/// More than any frame or buffer holds, and every byte.
fn payload() -> Vec<u8> {
    (0..300_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

/// Both kinds of server, with a client of each kind for it.
fn ways() -> Vec<(Kubelet, Kubectl, &'static str)> {
    let mut ways = Vec::new();
    for tls in [true, false] {
        for (websockets, upgrade) in [(true, "websocket"), (false, "SPDY/3.1")] {
            let kubelet = if tls { Kubelet::start() } else { Kubelet::builder().plain().start() };
            let kubectl = kubelet.kubectl().websockets(websockets);
            ways.push((kubelet, kubectl, upgrade));
        }
    }
    ways
}

fn streams(kubelet: &Kubelet) -> Vec<Seen> {
    kubelet.seen().into_iter().filter(|seen| seen.upgrade.is_some()).collect()
}

#[tokio::test]
async fn a_log_is_printed_and_followed_line_by_line() {
    let lines = ["first", "second", "third", "fourth"];
    let kubelet = Kubelet::builder().log(&lines).gap(Duration::from_millis(400)).start();
    let kubectl = kubelet.kubectl();
    assert_eq!(kubectl.run(&["logs", "web"]).await.success().text(), "first\nsecond\nthird\nfourth\n");
    assert_eq!(kubectl.run(&["logs", "web", "--tail", "1"]).await.success().text(), "fourth\n");

    let running = kubectl.start(&["logs", "-f", "web"]);
    running.until("first").await;
    let begun = Instant::now();
    assert!(!running.so_far().contains("fourth"), "{}", running.so_far());
    assert_eq!(running.wait().await.success().text(), "first\nsecond\nthird\nfourth\n");
    assert!(begun.elapsed() > Duration::from_millis(700), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_command_runs_with_its_streams_and_its_status() {
    for (kubelet, kubectl, upgrade) in ways() {
        let output =
            kubectl.run(&["exec", "web", "--", "sh", "-c", "echo out; echo err >&2; pwd; exit 3"]).await;
        assert_eq!(output.text(), format!("out\n{}\n", kubelet.scratch.display()), "{upgrade}");
        assert_eq!(output.errors(), "err\ncommand terminated with exit code 3\n", "{upgrade}");
        assert_eq!(output.code, Some(3), "{upgrade}");

        let missing = kubectl.run(&["exec", "web", "--", "/nothing"]).await;
        assert_eq!((missing.code, missing.text()), (Some(1), String::new()), "{upgrade}");
        assert!(missing.errors().contains("error executing command in container"), "{}", missing.errors());

        let running = kubectl.start(&["exec", "-i", "web", "--", "cat"]);
        running.send(&payload());
        assert_eq!(running.finish().await.success().stdout, payload(), "{upgrade}");

        let seen = streams(&kubelet);
        assert!(seen.iter().all(|one| one.upgrade.as_deref() == Some(upgrade)), "{seen:?}");
        assert_eq!(seen[0].argv, ["sh", "-c", "echo out; echo err >&2; pwd; exit 3"]);
        assert_eq!((seen[0].exit, seen[2].stdin), (Some(3), 300_000));
        let (method, protocol) =
            if upgrade == "websocket" { ("GET", "v5.channel.k8s.io") } else { ("POST", "v4.channel.k8s.io") };
        assert_eq!((seen[0].method.as_str(), seen[0].protocol.as_deref()), (method, Some(protocol)));
    }
}

#[tokio::test]
async fn a_terminal_has_a_size_and_can_be_talked_with() {
    for (kubelet, kubectl, upgrade) in ways() {
        let session = kubectl.terminal("exec -it web -- sh");
        session.send(b"stty size; tty\r");
        session.until("/dev/pts/").await;
        session.send(b"echo one $((40 + 2))\r");
        session.until("one 42").await;
        session.send(b"exit 5\r");
        assert_eq!(session.wait().await.code, Some(5), "{upgrade}");
        assert!(!streams(&kubelet)[0].sizes.is_empty(), "{upgrade}");
    }
}

#[tokio::test]
async fn the_container_s_own_process_can_be_attached_to() {
    for (_kubelet, kubectl, upgrade) in ways() {
        let session = kubectl.start(&["attach", "-i", "web"]);
        session.until("attached").await;
        session.send(b"typed\n");
        session.until("typed").await;
        assert_eq!(session.finish().await.success().text(), "attached\ntyped\n", "{upgrade}");
    }
}

#[tokio::test]
async fn files_go_both_ways() {
    for (kubelet, kubectl, upgrade) in ways() {
        let at = |name: &str| kubectl.directory().join(name);
        fs::write(at("here"), payload()).unwrap();
        let _ = kubectl.run(&["cp", "here", "web:there"]).await.success();
        assert_eq!(fs::read(kubelet.scratch.join("there")).unwrap(), payload(), "{upgrade}");
        let _ = kubectl.run(&["cp", "web:there", "back"]).await.success();
        assert_eq!(fs::read(at("back")).unwrap(), payload(), "{upgrade}");
    }
}

#[tokio::test]
async fn ports_are_forwarded_several_at_once() {
    for (kubelet, kubectl, upgrade) in ways() {
        let running = kubectl.start(&["port-forward", "pod/web", "0:80", "0:7", "0:81"]);
        running.until("-> 81\nForwarding from [::1]").await;
        let [page, echo, refused] = [80, 7, 81].map(|port| forwarded(&running, port));

        let mut connection = TcpStream::connect(page).unwrap();
        connection.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert!(rest(&mut connection).ends_with(b"from a pod"), "{upgrade}");

        let mut one = TcpStream::connect(&echo).unwrap();
        let mut other = TcpStream::connect(&echo).unwrap();
        let writing = {
            let mut one = one.try_clone().unwrap();
            std::thread::spawn(move || {
                one.write_all(&payload()).unwrap();
                one.shutdown(Shutdown::Write).unwrap();
            })
        };
        other.write_all(b"beside it").unwrap();
        other.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut other), b"beside it", "{upgrade}");
        assert_eq!(rest(&mut one), payload(), "{upgrade}");
        writing.join().unwrap();

        assert_eq!(rest(&mut TcpStream::connect(&refused).unwrap()), b"", "{upgrade}");
        running.until("connection refused").await;
        let seen = streams(&kubelet);
        let protocol =
            if upgrade == "websocket" { "SPDY/3.1+portforward.k8s.io" } else { "portforward.k8s.io" };
        assert_eq!(seen[0].protocol.as_deref(), Some(protocol));
        assert_eq!(seen.iter().flat_map(|one| one.ports.clone()).collect::<Vec<_>>(), [80, 7, 7, 81]);
    }
}

fn forwarded(running: &Running, port: u16) -> String {
    let said = running.so_far();
    let line = said
        .lines()
        .find(|line| line.starts_with("Forwarding from 127") && line.ends_with(&format!("-> {port}")));
    line.unwrap_or_else(|| panic!("{said}")).split(' ').nth(2).unwrap().to_owned()
}

fn rest(from: &mut TcpStream) -> Vec<u8> {
    from.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut bytes = Vec::new();
    match from.read_to_end(&mut bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("still open: {bytes:?}"),
        // A reset is an end too.
        _ => bytes,
    }
}

#[tokio::test]
async fn who_has_no_token_gets_nothing_and_is_seen() {
    let kubelet = Kubelet::start();
    let mut stranger = kubelet.access.clone();
    stranger.token = Some("guessed".to_owned());
    for arguments in [&["get", "pods"][..], &["exec", "web", "--", "true"], &["logs", "web"]] {
        let output = Kubectl::new(&stranger).run(arguments).await;
        assert_eq!((output.code, output.text()), (Some(1), String::new()), "{arguments:?}");
        assert!(output.errors().contains("You must be logged in"), "{}", output.errors());
    }
    let seen = kubelet.seen();
    let guessed = ("Authorization".to_owned(), "Bearer guessed".to_owned());
    assert!(!seen.is_empty() && seen.iter().all(|one| one.headers.contains(&guessed)), "{seen:?}");
}

#[tokio::test]
async fn nothing_is_left_of_it() {
    let kubelet = Kubelet::start();
    let (scratch, url) = (kubelet.scratch.clone(), kubelet.access.url.clone());
    let session = kubelet.kubectl().start(&["exec", "web", "--", "sh", "-c", "echo at $$; exec sleep 600"]);
    let said = session.until("at ").await;
    let pid = said.trim().strip_prefix("at ").unwrap().to_owned();
    let running = Path::new("/proc").join(&pid);
    assert!(running.exists() && scratch.exists());
    drop(kubelet);
    assert!(!scratch.exists(), "its directory");
    assert!(TcpStream::connect(url.strip_prefix("https://").unwrap()).is_err(), "its port");
    assert_ne!(session.wait().await.code, Some(0));
    // Killed, its process is there until whoever adopted it has asked for its status.
    let state = fs::read_to_string(running.join("stat")).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "what ran in it: {state}");
}
