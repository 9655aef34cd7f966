//! A scripted API server with a pod to stream with.
//!
//! It is Python, its standard library only: the wires of two streaming protocols fit into some hundred lines there, none of
//! which are the proxy's own. Nothing of it is on disk but a scratch directory.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::{Access, Kubectl, fresh_token};
use crate::Authority;
use crate::postgres::server_user;

/// The parts, which share one namespace in this order.
const PARTS: [&str; 4] = [
    include_str!("kubelet/websocket.py"),
    include_str!("kubelet/spdy.py"),
    include_str!("kubelet/container.py"),
    include_str!("kubelet/server.py"),
];

const LOADER: &str = "import json, sys
settings = json.loads(sys.stdin.readline())
exec(compile(settings['code'], 'kubelet', 'exec'))
main(settings)";

/// A running one. It ends, and what was executed in its container, when the value is dropped or the process dies.
///
/// Its only pod is [`Kubelet::POD`] in `default`. Commands run for real, as somebody unprivileged where the tests are root's,
/// in [`Kubelet::scratch`]; there is no other separation, so paths in commands are relative ones. Inside, port 7 echoes and
/// port 80 answers HTTP with `from a pod`; any other refuses.
#[derive(Debug)]
pub struct Kubelet {
    /// Where it is and how to get in.
    pub access: Access,
    /// The directory that its commands start in.
    pub scratch: PathBuf,
    port: u16,
    child: Child,
    // Its end is the child's end.
    lease: Option<ChildStdin>,
}

/// A [`Kubelet`] as it is ordered.
#[derive(Debug)]
pub struct KubeletBuilder {
    tls: bool,
    lines: Vec<String>,
    gap: f64,
}

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its target, byte for byte.
    pub path: String,
    /// Its fields in their order.
    pub headers: Vec<(String, String)>,
    /// Of a stream: the protocol that carries it, `websocket` or `SPDY/3.1`.
    pub upgrade: Option<String>,
    /// Of a stream: the protocol that was agreed on, such as `v5.channel.k8s.io`.
    pub protocol: Option<String>,
    /// Of `exec` and `attach`: what ran.
    pub argv: Vec<String>,
    /// Of `exec` and `attach`: how it ended, once it has. A signal is negative.
    pub exit: Option<i64>,
    /// Of `exec` and `attach`: how many bytes arrived for its standard input.
    pub stdin: u64,
    /// Of a terminal: the sizes it was told, columns and rows.
    pub sizes: Vec<(u64, u64)>,
    /// Of `port-forward`: the ports asked for, in their order.
    pub ports: Vec<u64>,
}

impl Kubelet {
    /// The name of its only pod, whose only container is `main`.
    pub const POD: &str = "web";

    /// Starts one with TLS and a token.
    ///
    /// # Panics
    /// When there is no Python 3, or it does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Orders one.
    #[must_use]
    pub fn builder() -> KubeletBuilder {
        let lines = ["one", "two", "three"].map(str::to_owned).to_vec();
        KubeletBuilder { tls: true, lines, gap: 0.2 }
    }

    /// A client straight to it.
    #[must_use]
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(&self.access)
    }

    /// What has arrived so far, in its order, requests that were refused included.
    ///
    /// # Panics
    /// When it can't be asked.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        // On a port of its own, in the clear: this is the test asking, past every proxy.
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the scripted server");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer with a body");
        let all: Vec<serde_json::Value> = serde_json::from_str(body).expect("a list of requests");
        all.iter().map(Seen::read).collect()
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        drop(self.lease.take());
        let _ = self.child.wait();
    }
}

impl KubeletBuilder {
    /// Plain HTTP, where kubectl sends no token, so none is asked for.
    #[must_use]
    pub const fn plain(mut self) -> Self {
        self.tls = false;
        self
    }

    /// The lines of the container's log.
    #[must_use]
    pub fn log(mut self, lines: &[&str]) -> Self {
        self.lines = lines.iter().map(|line| (*line).to_owned()).collect();
        self
    }

    /// How long it waits after each line of a log that is followed: a fifth of a second unless told.
    #[must_use]
    pub fn gap(mut self, gap: std::time::Duration) -> Self {
        self.gap = gap.as_secs_f64();
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// As [`Kubelet::start`].
    #[must_use]
    pub fn start(self) -> Kubelet {
        let authority = self.tls.then(Authority::new);
        let issued = authority.as_ref().map(|authority| authority.issue(&["localhost", "127.0.0.1"]));
        let token = self.tls.then(fresh_token);
        let settings = serde_json::json!({
            "code": PARTS.join("\n"),
            "token": token,
            "certificate": issued.as_ref().map(|issued| &issued.certificate),
            "key": issued.as_ref().map(|issued| &issued.key),
            "lines": self.lines,
            "gap": self.gap,
        });

        let mut child = python()
            .args(["-I", "-c", LOADER])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python 3; on Debian: apt-get install python3");
        let mut lease = child.stdin.take().expect("a piped input");
        writeln!(lease, "{settings}").expect("settings");
        let mut line = String::new();
        let said = child.stdout.take().expect("a piped output");
        BufReader::new(said).read_line(&mut line).expect("a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["ready", port, asking, scratch] = words.as_slice() else {
            panic!("the scripted kubelet did not start: `{}`", line.trim());
        };
        let scheme = if self.tls { "https" } else { "http" };
        let access = Access {
            url: format!("{scheme}://127.0.0.1:{port}"),
            authority: authority.map(|authority| authority.certificate()),
            token,
        };
        let port = asking.parse().expect("a port");
        Kubelet { access, scratch: Path::new(scratch).to_owned(), port, child, lease: Some(lease) }
    }
}

impl Seen {
    fn read(from: &serde_json::Value) -> Self {
        let text = |name: &str| from.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        let list =
            |name: &str| from.get(name).and_then(|value| value.as_array()).cloned().unwrap_or_default();
        let number =
            |value: &serde_json::Value, name: &str| value.get(name).and_then(|n| n.as_u64()).unwrap_or(0);
        Self {
            method: text("method").unwrap_or_default(),
            path: text("path").unwrap_or_default(),
            headers: serde_json::from_value(list("headers").into()).expect("pairs"),
            upgrade: text("upgrade"),
            protocol: text("protocol"),
            argv: serde_json::from_value(list("argv").into()).expect("words"),
            exit: from.get("exit").and_then(serde_json::Value::as_i64),
            stdin: number(from, "stdin"),
            sizes: list("resize")
                .iter()
                .map(|size| (number(size, "Width"), number(size, "Height")))
                .collect(),
            ports: serde_json::from_value(list("ports").into()).expect("numbers"),
        }
    }
}

/// The system's own, because one in somebody's home can be started by nobody else.
fn python() -> Command {
    let system = Path::new("/usr/bin/python3");
    let python = if system.exists() { system } else { Path::new("python3") };
    let Some(user) = server_user() else { return Command::new(python) };
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", user_group(user).trim(), "--clear-groups", "--"]).arg(python);
    command
}

fn user_group(user: &str) -> String {
    let output = Command::new("id").args(["-g", user]).output().expect("`id` of coreutils");
    String::from_utf8(output.stdout).expect("a number")
}
