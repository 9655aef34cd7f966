//! What a program prints, and peers that stop to take part: masked whatever the splits, bounded, alone in their trouble.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::house::{House, Plan};
use crate::raw::Peer;

const CARD: &str = "4111 1111 1111 1111";

/// The most memory that this process has had, in MiB: the gateway is a part of it.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test]
async fn secrets_are_masked_in_both_streams_however_they_are_split() {
    let house = House::new().await;
    let mut peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
    // From where it looks like the beginning of a card on, no pause lets go of it.
    for split in 9..CARD.len() {
        let (one, two) = CARD.split_at(split);
        let line = peer.session().await;
        let command = format!(
            "printf '%s' 'out {one}'; printf '%s' 'err {one}' >&2; sleep 0.03; printf '%s\\n' '{two}'; printf '%s\\n' '{two}' >&2"
        );
        peer.exec(line, &command).await;
        let said = peer.end(line).await;
        for text in [said.out(), said.err()] {
            assert!(!text.contains("1111 1111"), "split at {split}: {text}");
        }
        assert!(said.out().starts_with("out ") && said.err().contains("err "), "{said:?}");
    }
    // Escape sequences that move nothing, in the middle.
    let line = peer.session().await;
    let hidden = "printf '4111 11\\033[31m11 \\033]0;title\\00711\\033[0m11 1111\\n' | tee /dev/stderr";
    peer.exec(line, hidden).await;
    let said = peer.end(line).await;
    for text in [said.out(), said.err()] {
        let shown: String = text.chars().filter(char::is_ascii_digit).collect();
        assert!(!shown.contains("1111111111"), "{text:?}");
    }
    drop(peer);
    let evidence = house.until_evidence_says("\"event\":\"closed\"").await;
    // The commands themselves hold no card, only its parts.
    let printed: Vec<_> = evidence.lines().filter(|line| line.contains("\"event\":\"output\"")).collect();
    assert!(printed.len() > 20 && printed.iter().all(|line| !line.contains("111")), "{printed:?}");
}

/// A hundred megabytes in `make test-ssh-large`, and less where many other tests run.
#[tokio::test]
async fn a_line_without_an_end_is_carried_in_bounded_memory() {
    let bytes = if crate::is_large() { 100_000_000 } else { 20_000_000 };
    let house = House::new().await;
    let client = house.client("ana");
    let file = client.directory().join("output");
    let mut command = client.command("ssh");
    command.args(["box", &format!("head -c {bytes} /dev/zero | tr '\\0' x")]);
    command.stdin(Stdio::null()).stdout(std::fs::File::create(&file).unwrap());
    let began = Instant::now();
    let status = tokio::task::spawn_blocking(move || command.status().unwrap()).await.unwrap();
    assert!(status.success());
    assert_eq!(std::fs::metadata(&file).unwrap().len(), bytes);
    assert!(peak() < 300, "{} MiB after {:?}", peak(), began.elapsed());
}

#[tokio::test]
async fn one_who_stops_reading_keeps_nobody_waiting_and_no_memory() {
    let house = House::new().await;
    let mut deaf = Vec::new();
    for _ in 0..4 {
        let mut peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
        let line = peer.session().await;
        peer.exec(line, "exec yes").await;
        peer.hear(line, |said| said.stdout.len() > 100_000).await;
        deaf.push(peer);
    }
    for _ in 0..5 {
        let output = house.client("ana").ssh(&["box", "head -c 3000000 /dev/zero | wc -c"]).await.success();
        assert_eq!(output.text().trim(), "3000000");
    }
    assert!(peak() < 300, "{} MiB", peak());
    // And they end like all others.
    let began = Instant::now();
    house.revoke("ana").await;
    while house.evidence().iter().filter(|record| record.contains("\"reason\":\"revoked\"")).count()
        < deaf.len()
    {
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        // A file tells nobody when it grows.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_program_that_stops_reading_keeps_nobody_waiting() {
    let house = House::new().await;
    let mut peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
    let line = peer.session().await;
    peer.exec(line, "echo begun; sleep 60").await;
    peer.hear(line, |said| said.out().contains("begun")).await;
    // All that the target's window holds, and then many small things: none of it may keep the connection from being read.
    for _ in 0..80 {
        peer.data(line, &[b'x'; 32_000]).await;
    }
    for _ in 0..5_000 {
        peer.data(line, b"xyz").await;
    }
    let other = peer.session().await;
    peer.exec(other, "echo in").await;
    let said = peer.hear(other, |said| said.status.is_some()).await;
    assert_eq!(said.out(), "in\n");
    house.revoke("ana").await;
    house.until_evidence_says("\"reason\":\"revoked\"").await;
}

#[tokio::test]
async fn a_client_that_does_not_mind_its_window_is_hung_up_on() {
    let house = House::new().await;
    let other = house.client("ana").start("ssh", &["box", "echo begun; cat"]);
    other.until("begun").await;
    let mut peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
    let line = peer.session().await;
    peer.exec(line, "echo begun; sleep 60").await;
    peer.hear(line, |said| said.out().contains("begun")).await;
    for _ in 0..2_000 {
        peer.data(line, &[b'x'; 32_000]).await;
    }
    peer.hung_up().await;
    assert!(peak() < 200, "{} MiB", peak());
    other.send(b"still here\n");
    other.until("still here").await;
}

#[tokio::test]
async fn a_target_that_dies_ends_its_session_and_no_other() {
    let house = House::new().await;
    let other = house.client("ana").start("ssh", &["box", "echo begun; cat"]);
    other.until("begun").await;
    let mut peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
    let (idle, line) = (peer.session().await, peer.session().await);
    peer.exec(idle, "echo begun; sleep 60").await;
    peer.hear(idle, |said| said.out().contains("begun")).await;
    peer.exec(line, "kill -9 $PPID").await;
    let said = peer.hear(line, |_| false).await;
    assert_eq!((said.out().as_str(), said.status == Some(0)), ("", false), "{said:?}");
    other.send(b"still here\n");
    other.until("still here").await;
    // A new connection finds the target again.
    assert_eq!(house.client("ana").ssh(&["box", "echo in"]).await.success().text(), "in\n");
}

/// A file system of its own that is soon full, until this is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(kib: u32) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k,mode=700"), "portcullis-test"]).arg(at.path());
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn without_room_for_evidence_nothing_is_forwarded() {
    let Some(disk) = SmallDisk::new(192) else {
        // Only root may mount, and not in every container.
        println!("skipped: this user may not mount a small file system");
        return;
    };
    let config = format!("evidence = \"{}\"", disk.0.path().join("evidence").display());
    let house = House::with(Plan { config, ..Plan::default() }).await;
    let mut done = 0;
    let padding = "x".repeat(4000);
    'sessions: for _ in 0..50 {
        let mut peer = Peer::logged_in(house.address, "ana:web-1", &house.ana).await;
        for _ in 0..50 {
            let line = peer.session_or_end().await;
            let Some(line) = line else { break 'sessions };
            peer.exec(line, &format!("echo {done} {padding}")).await;
            let said = peer.hear(line, |_| false).await;
            if said.status != Some(0) {
                break 'sessions;
            }
            done += 1;
        }
    }
    assert!(done > 5, "it worked before");
    let before = house.sshd.log().matches("Starting session: ").count();
    for _ in 0..5 {
        let output = house.client("ana").ssh(&["box", &format!("echo late {padding}")]).await;
        assert_ne!(output.code, Some(0));
        assert!(!output.text().contains("late"));
    }
    assert_eq!(house.sshd.log().matches("Starting session: ").count(), before);
}
