//! Servers that people run, each before it starts to answer once a test, each writing down what it was asked.

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::messages::Client;

/// A server, until this is dropped.
pub struct Server {
    pub port: u16,
    child: Child,
    directory: tempfile::TempDir,
    read: usize,
    marks: usize,
}

/// A request as a server understood it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// As it was sent.
    pub target: String,
    /// As the server resolves it: decoded, dots and slashes included.
    pub path: String,
}

fn origins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/origins")
}

/// Where `scripts/test-http-origins` has put what does not come with `make test`.
fn installed() -> Option<PathBuf> {
    std::env::var_os("PORTCULLIS_HTTP_ORIGINS").map(PathBuf::from)
}

impl Server {
    pub fn nginx() -> Self {
        Self::start(|directory, port| {
            let mut text = format!(
                "daemon off;\nmaster_process off;\npid {0}/pid;\nevents {{}}\nhttp {{\n\
                 log_format seen escape=json '{{\"method\":\"$request_method\",\"target\":\"$request_uri\",\"path\":\"$uri\"}}';\n\
                 access_log {0}/log seen;\nkeepalive_timeout 60s;\n",
                directory.display()
            );
            for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
                writeln!(text, "{kind}_temp_path {}/{kind};", directory.display()).unwrap();
            }
            writeln!(
                text,
                "server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"ok\\n\"; }} }}\n}}"
            )
            .unwrap();
            std::fs::write(directory.join("nginx.conf"), text).unwrap();
            let mut command = Command::new("/usr/sbin/nginx");
            command.arg("-p").arg(directory).arg("-e").arg(directory.join("error"));
            command.arg("-c").arg(directory.join("nginx.conf"));
            command
        })
    }

    pub fn python() -> Self {
        Self::start(|directory, _| {
            let mut command = Command::new("python3");
            command.arg(origins().join("stdlib.py")).current_dir(directory);
            command
        })
    }

    /// Where it is installed.
    pub fn node() -> Option<Self> {
        installed()?;
        Some(Self::start(|_, _| {
            let mut command = Command::new("node");
            command.arg(origins().join("node.mjs"));
            command
        }))
    }

    /// Where it is installed. A thread a connection, so that connections are kept.
    pub fn gunicorn() -> Option<Self> {
        let program = installed()?.join("python/bin/gunicorn");
        Some(Self::start(|directory, port| {
            let mut command = Command::new(program);
            command.args([
                "--worker-class",
                "gthread",
                "--threads",
                "4",
                "--keep-alive",
                "60",
                "--log-level",
                "error",
            ]);
            command.arg("--bind").arg(format!("127.0.0.1:{port}")).arg("--chdir").arg(origins());
            command.arg("--worker-tmp-dir").arg(directory).arg("wsgi");
            command
        }))
    }

    fn start(command: impl FnOnce(&Path, u16) -> Command) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("log"), "").unwrap();
        // Free a moment ago: none of them says which port it chose.
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut command = command(directory.path(), port);
        command.env("ORIGIN_LOG", directory.path().join("log")).env("ORIGIN_PORT", port.to_string());
        command.env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut server = Self { port, child, directory, read: 0, marks: 0 };
        server.wait();
        server
    }

    /// Until it listens, which it tells nobody.
    fn wait(&mut self) {
        let limit = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "the server ended");
            assert!(Instant::now() < limit, "the server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it was asked since this was called last: it has answered a request of its own behind them.
    pub fn take(&mut self) -> Vec<Seen> {
        self.marks += 1;
        let mark = format!("/mark/{}", self.marks);
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut client = Client::new(stream);
        client.send(&format!("GET {mark} HTTP/1.1\r\nhost: origin\r\nconnection: close\r\n\r\n"));
        assert!(client.answer(false).is_some(), "the server answers no more");
        let text = std::fs::read_to_string(self.directory.path().join("log")).unwrap();
        let new = &text[self.read..];
        // The last line may still be on its way.
        let new = &new[..new.rfind('\n').map_or(0, |end| end + 1)];
        self.read += new.len();
        let seen = new.lines().map(|line| {
            let value: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let text = |name: &str| value[name].as_str().unwrap().to_owned();
            Seen { method: text("method"), target: text("target"), path: text("path") }
        });
        seen.filter(|seen| !seen.target.starts_with("/mark/")).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have started others: gunicorn ends its own when it is told to.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
