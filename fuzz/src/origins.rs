//! Servers that people run, asked how they read what would be sent to them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Runs a program in this folder until nobody holds the other end of its input, and leaves nothing: a fuzzer does not tell its
/// children that it ends.
const KEPT: &str = "\"$@\" < /dev/null & read -r _; kill $!; wait; rm -rf \"$PWD\"";

const NGINX: &str = "daemon off; master_process off; pid pid; error_log stderr crit; events {} http { access_log off; \
    keepalive_requests 1000000000; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; \
    uwsgi_temp_path uwsgi; scgi_temp_path scgi; server { listen unix:socket; \
    location / { default_type text/plain; return 200 \"$uri\"; } } }";

/// How a server reads a target.
pub struct Read {
    pub path: String,
    /// The pairs of its query, where the server reads them.
    pub query: Option<Vec<(String, String)>>,
}

/// A server, until this is dropped or its process ends.
pub struct Origin {
    pub name: &'static str,
    socket: PathBuf,
    kept: Option<BufReader<UnixStream>>,
    input: Option<ChildStdin>,
    child: Child,
}

impl Origin {
    /// nginx, Python's `http.server` and Node's `http`.
    pub fn all() -> [Self; 3] {
        [
            Self::run("nginx", NGINX, &["/usr/sbin/nginx", "-p", ".", "-c", "script"]),
            Self::run("Python", include_str!("origins/origin.py"), &["python3", "script", "socket"]),
            Self::run("Node", include_str!("origins/origin.js"), &["node", "script", "socket"]),
        ]
    }

    fn run(name: &'static str, script: &str, command: &[&str]) -> Self {
        let directory = std::env::temp_dir().join(format!("portcullis-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        std::fs::write(directory.join("script"), script).expect("a script");
        let mut shell = Command::new("sh");
        shell.args(["-c", KEPT, "sh"]).args(command).current_dir(&directory);
        shell.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = shell.spawn().expect("a shell");
        let input = child.stdin.take();
        let socket = directory.join("socket");
        let limit = Instant::now() + Duration::from_secs(30);
        // None of them says when it listens.
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < limit, "{name} does not listen: `make packages-test` installs it");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { name, socket, kept: None, input, child }
    }

    /// How it reads a target; `None` where it refuses the request.
    pub fn read(&mut self, target: &str) -> Option<Read> {
        let mut stream = self.kept.take().unwrap_or_else(|| self.connect());
        write!(stream.get_mut(), "GET {target} HTTP/1.1\r\nhost: origin\r\n\r\n").ok()?;
        let (is_read, content) = answer(&mut stream)?;
        if !is_read {
            return None;
        }
        self.kept = Some(stream);
        if self.name == "nginx" {
            return Some(Read { path: content, query: None });
        }
        let answer: Value = serde_json::from_str(&content).expect("JSON");
        let query = serde_json::from_value(answer["query"].clone()).expect("pairs");
        Some(Read { path: answer["path"].as_str().expect("a path").to_owned(), query: Some(query) })
    }

    fn connect(&self) -> BufReader<UnixStream> {
        let stream =
            UnixStream::connect(&self.socket).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time");
        BufReader::new(stream)
    }
}

/// Whether it was a 200, and what came with it.
fn answer(stream: &mut BufReader<UnixStream>) -> Option<(bool, String)> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let is_read = line.starts_with("HTTP/1.1 200 ");
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().ok()?
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).ok()?;
    Some((is_read, String::from_utf8_lossy(&content).into_owned()))
}

impl Drop for Origin {
    fn drop(&mut self) {
        // Its shell ends it for that, and itself.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
