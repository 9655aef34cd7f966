//! OpenSSH's `sftp` and OpenSSH's `sftp-server`, the gate and nothing else between them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test states what it expects by failing")]

use std::io::{Read, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Output, Stdio};
use std::sync::Mutex;

use portcullis_ssh::sftp::{Gate, Reply, Step};

const SERVER: &str = "/usr/lib/openssh/sftp-server";

/// What a proxy is: bytes in, and whatever the gate says of them out.
struct Between {
    gate: Gate,
    client: TcpStream,
    target: ChildStdin,
    refuse: fn(&str) -> bool,
    log: Vec<String>,
}

impl Between {
    fn client_sent(&mut self, bytes: &[u8]) {
        self.gate.client_sent(bytes).unwrap();
        self.go_on();
    }

    fn target_sent(&mut self, bytes: &[u8]) {
        self.gate.target_sent(bytes).unwrap();
        self.go_on();
    }

    fn go_on(&mut self) {
        while let Some(reply) = self.gate.reply().unwrap() {
            match reply {
                Reply::Client(bytes) => self.client.write_all(&bytes).unwrap(),
                Reply::Target(bytes) => self.target.write_all(&bytes).unwrap(),
                Reply::Done { .. } => {}
                Reply::Closed(closed) => {
                    self.log.push(format!("closed {} {} {}", closed.path, closed.read, closed.written));
                }
            }
        }
        while let Some(step) = self.gate.step().unwrap() {
            match step {
                Step::Pass(bytes) => self.target.write_all(&bytes).unwrap(),
                Step::Refused(refused) => panic!("{}", refused.reason),
                Step::Ask(ask) => {
                    self.log.push(ask.text.clone());
                    if (self.refuse)(&ask.text) {
                        let answer = self.gate.refuse(ask, "not through this gate");
                        self.client.write_all(&answer).unwrap();
                    } else {
                        let bytes = self.gate.admit(ask);
                        self.target.write_all(&bytes).unwrap();
                    }
                }
            }
        }
    }
}

fn pump(mut from: impl Read, between: &Mutex<Between>, feed: fn(&mut Between, &[u8])) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        feed(&mut between.lock().unwrap(), buffer.get(..count).unwrap_or_default());
    }
}

/// Runs a batch of `sftp` in `directory`; returns what it said and what the gate saw.
fn sftp(directory: &Path, refuse: fn(&str) -> bool, batch: &str) -> (Output, Vec<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let bridge = directory.join("bridge");
    // What `sftp` takes for its ssh: two copies between its streams and ours.
    let port = listener.local_addr().unwrap().port();
    let script = format!("#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{port}\ncat <&3 & cat >&3; kill $!\n");
    std::fs::write(&bridge, script).unwrap();
    std::fs::set_permissions(&bridge, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(directory.join("batch"), batch).unwrap();
    let client = Command::new("sftp")
        .args(["-F", "none", "-b", "batch", "-S", "./bridge", "box"])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (socket, _) = listener.accept().unwrap();
    let mut target = Command::new(SERVER)
        .args(["-d".as_ref(), directory.join("home").as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let answers = target.stdout.take().unwrap();
    let between = Mutex::new(Between {
        gate: Gate::new(),
        client: socket.try_clone().unwrap(),
        target: target.stdin.take().unwrap(),
        refuse,
        log: Vec::new(),
    });
    std::thread::scope(|scope| {
        let answered = scope.spawn(|| pump(answers, &between, Between::target_sent));
        let asked = scope.spawn(|| pump(&socket, &between, Between::client_sent));
        let output = client.wait_with_output().unwrap();
        let _ = socket.shutdown(Shutdown::Both);
        asked.join().unwrap();
        let _ = target.kill();
        let _ = target.wait();
        answered.join().unwrap();
        (output, std::mem::take(&mut between.lock().unwrap().log))
    })
}

#[test]
fn a_session_of_openssh_is_judged_and_works() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let payload: Vec<u8> =
        (0..3_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    std::fs::write(directory.path().join("here"), &payload).unwrap();
    let batch = "put here a/../there\nget ./there back\nmkdir d\nrename there d/moved\nln -s moved d/link\nls -l d\n\
                 chmod 600 d/moved\nln d/moved hard\ndf d\nrm hard\nrm d/link\nrm d/moved\nrmdir d\n";
    let (output, log) = sftp(directory.path(), |_| false, batch);
    assert!(output.status.success(), "{}\n{log:#?}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(directory.path().join("back")).unwrap(), payload);
    assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0, "nothing is left under another name");
    let home = home.display();
    for expected in [
        format!("sftp open {home}/there to write"),
        format!("closed {home}/there 0 3000000"),
        format!("sftp open {home}/there to read"),
        format!("closed {home}/there 3000000 0"),
        format!("sftp mkdir {home}/d"),
        format!("sftp rename {home}/there to {home}/d/moved"),
        format!("sftp symlink {home}/d/link to moved"),
        format!("sftp opendir {home}/d"),
        format!("sftp setstat {home}/d/moved mode 0600"),
        format!("sftp hardlink {home}/hard to {home}/d/moved"),
        format!("sftp statvfs {home}/d"),
        format!("sftp remove {home}/d/link"),
        format!("sftp rmdir {home}/d"),
    ] {
        assert!(log.contains(&expected), "{expected}\n{log:#?}");
    }
}

#[test]
fn a_refused_file_is_refused_and_the_session_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("secret"), "the secret").unwrap();
    std::fs::write(home.join("open"), "for all").unwrap();
    let refuse = |text: &str| text.contains("/secret to read") || text.contains("remove");
    // A dash before a command lets `sftp` go on when it fails.
    let batch = "-get secret stolen\n-get x/../secret stolen\n-rm secret\nget open back\n";
    let (output, log) = sftp(directory.path(), refuse, batch);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{log:#?}");
    // It knows the code of the answer, and shows none of its words.
    assert_eq!(said.matches("Permission denied").count(), 3, "{said}");
    assert!(!directory.path().join("stolen").exists() && home.join("secret").exists());
    assert_eq!(std::fs::read_to_string(directory.path().join("back")).unwrap(), "for all");
}
