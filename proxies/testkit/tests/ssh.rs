//! The fixture itself: OpenSSH's own clients straight at OpenSSH's own server.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by failing")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use portcullis_testkit::ssh::{Client, Key, Kind, Sshd, Wanted};

/// A file that a sensible protocol changes nothing of: every byte, and more than one packet of them.
fn payload() -> Vec<u8> {
    (0..300_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

fn local(client: &Client, name: &str, bytes: &[u8]) -> String {
    let path = client.directory().join(name);
    fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

fn remote(sshd: &Sshd, name: &str) -> String {
    sshd.home.join(name).display().to_string()
}

#[tokio::test]
async fn a_command_runs_as_somebody_unprivileged_in_a_home_of_its_own() {
    let sshd = Sshd::start();
    let output = sshd.client().ssh(&["box", "echo hello; id -un; echo $HOME; echo oops >&2; exit 3"]).await;
    let expected = format!("hello\n{}\n{}\n", sshd.user, sshd.home.display());
    assert_eq!((output.text(), output.errors(), output.code), (expected, "oops\n".to_owned(), Some(3)));
    assert_ne!(sshd.user, "root");
    sshd.logged("Accepted publickey").await;
}

#[tokio::test]
async fn files_go_both_ways_by_sftp_and_by_scp_in_both_modes() {
    let sshd = Sshd::start();
    let client = sshd.client();
    let here = local(&client, "here", &payload());
    let back = client.directory().join("back").display().to_string();
    let there = remote(&sshd, "there");

    let batch = format!("pwd\nput {here} there\nget there {back}\nrm there\n");
    let output = client.sftp(&batch).await.success();
    assert!(output.text().contains(&format!("Remote working directory: {}", sshd.home.display())));
    assert_eq!(fs::read(&back).unwrap(), payload());

    for mode in [&[][..], &["-O"]] {
        fs::remove_file(&back).unwrap();
        let _ = client.scp(&[mode, &[&here, &format!("box:{there}")]].concat()).await.success();
        let _ = client.scp(&[mode, &[&format!("box:{there}"), &back]].concat()).await.success();
        assert_eq!(fs::read(&back).unwrap(), payload(), "{mode:?}");
    }
}

#[tokio::test]
async fn rsync_and_git_run_over_it() {
    let sshd = Sshd::start();
    let client = sshd.client();
    let tree = client.directory().join("tree");
    fs::create_dir_all(tree.join("deep/er")).unwrap();
    fs::write(tree.join("deep/er/file"), payload()).unwrap();
    let from = format!("{}/", tree.display());
    let _ = client.rsync(&["-a", &from, &format!("box:{}", remote(&sshd, "copy"))]).await.success();
    assert_eq!(fs::read(sshd.home.join("copy/deep/er/file")).unwrap(), payload());

    let repository = remote(&sshd, "repository.git");
    let _ = client.ssh(&["box", &format!("git init -q --bare {repository}")]).await.success();
    let url = format!("ssh://box{repository}");
    let clone = client.directory().join("clone").display().to_string();
    let again = client.directory().join("again").display().to_string();
    let _ = client.git(&["clone", "-q", &url, &clone]).await.success();
    fs::write(Path::new(&clone).join("file"), payload()).unwrap();
    for arguments in [
        &["add", "file"][..],
        &["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "one"],
        &["push", "-q", "origin", "HEAD:refs/heads/main"],
    ] {
        let _ = client.git(&[&["-C", clone.as_str()], arguments].concat()).await.success();
    }
    let _ = client.git(&["clone", "-q", "-b", "main", &url, &again]).await.success();
    assert_eq!(fs::read(Path::new(&again).join("file")).unwrap(), payload());
}

#[tokio::test]
async fn a_terminal_can_be_talked_with() {
    let sshd = Sshd::start();
    let session = sshd.client().start("ssh", &["-tt", "box"]);
    session.until("$ ").await;
    session.send(b"tty && echo one $((40 + 2))\r");
    let said = session.until("one 42").await;
    assert!(said.contains("/dev/pts/"), "{said}");
    session.send(b"exit 5\r");
    assert_eq!(session.wait().await.code, Some(5));
}

#[tokio::test]
async fn certificates_of_its_authority_are_let_in_as_far_as_they_say() {
    let (authority, other, key) =
        (Key::generate(Kind::Ed25519), Key::generate(Kind::Ed25519), Key::generate(Kind::Ecdsa));
    let sshd = Sshd::builder().authority(&authority).host_authority(&authority).start();
    let user = Wanted::user(&[&sshd.user]);
    let client = Client::new(sshd.port, &sshd.user).key(&key).host_authority(&authority);
    for (what, by, wanted, expected) in [
        ("good", &authority, user.clone(), Some("hello\n")),
        ("forced", &authority, user.clone().option("force-command=echo forced"), Some("forced\n")),
        ("expired", &authority, user.clone().validity("20200101:20200102"), None),
        ("another's", &other, user.clone(), None),
        ("another principal", &authority, Wanted::user(&["somebody"]), None),
        ("elsewhere", &authority, user.option("source-address=10.1.2.3"), None),
    ] {
        let output = client.clone().certificate(&by.certify(&key, &wanted)).ssh(&["box", "echo hello"]).await;
        let expected = expected.map_or((Some(255), String::new()), |text| (Some(0), text.to_owned()));
        assert_eq!((output.code, output.text()), expected, "{what}: {}", output.errors());
    }
}

#[tokio::test]
async fn a_host_key_that_is_not_known_is_refused() {
    let (one, other) = (Sshd::start(), Sshd::builder().host_key(Kind::Ecdsa).host_key(Kind::Rsa).start());
    assert_eq!(other.host_keys.len(), 2);
    let stranger = Client::new(one.port, &one.user).key(&one.client_key).host_key(&other.host_keys[0]);
    let output = stranger.ssh(&["box", "echo hello"]).await;
    assert_eq!((output.code, output.text()), (Some(255), String::new()));
    assert!(output.errors().contains("Host key verification failed"), "{}", output.errors());
    for algorithm in ["ecdsa-sha2-nistp256", "rsa-sha2-512"] {
        let client = other.client().option(&format!("HostKeyAlgorithms {algorithm}"));
        assert_eq!(client.ssh(&["box", "echo hello"]).await.success().text(), "hello\n");
    }
}

#[tokio::test]
async fn what_takes_too_long_is_killed() {
    let sshd = Sshd::start();
    let output = sshd.client().limit(Duration::from_millis(800)).ssh(&["box", "sleep 600"]).await;
    assert_eq!((output.code, output.signal), (None, Some(9)));
}

#[tokio::test]
async fn nothing_is_left_of_it() {
    let sshd = Sshd::start();
    let (directory, port) = (sshd.directory.clone(), sshd.port);
    let left = sshd.client().ssh(&["box", "nohup sleep 600 >/dev/null 2>&1 & echo $!"]).await.success();
    let left = Path::new("/proc").join(left.text().trim());
    let session = sshd.client().start("ssh", &["box", "sleep 600"]);
    sshd.logged("Starting session: command").await;
    assert!(left.exists() && directory.exists());
    drop(sshd);
    assert!(!directory.exists(), "its directory");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "its port");
    assert_ne!(session.wait().await.code, Some(0));
    // Killed, its process is there until whoever adopted it has asked for its status.
    let state = fs::read_to_string(left.join("stat")).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "what a session left: {state}");
}
