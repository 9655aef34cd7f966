//! A real OpenSSH server, and the real OpenSSH clients.
//!
//! Unlike PostgreSQL a server is up in a few milliseconds, so each [`Sshd`] is a test's own: its keys, its log, its
//! options. It never runs as root: as whoever runs the tests or, for root, as somebody who can do less, and an sshd
//! that isn't root's lets in nobody but its own user: [`Sshd::user`].
//!
//! Passwords can't be had from it: it would have to read `/etc/shadow` or ask PAM, both as root. Targets with
//! passwords are scripted ones.
//!
//! Of an account's home as the system knows it nothing is read or written: `HOME` is [`Sshd::home`], where sftp starts too.
//! Commands start there where the account's shell is bash, which reads a file there first; with other shells
//! they start in the account's own home, so a portable test uses absolute paths.

mod account;
mod client;
mod keys;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use account::Account;

pub use crate::running::{Output, Running};
pub use client::Client;
pub use keys::{Certificate, Key, Kind, Wanted};

/// A running `sshd` of Debian's openssh-server. It ends, and what its sessions started with it, when the value is dropped
/// or the process dies.
#[derive(Debug)]
pub struct Sshd {
    /// The TCP port on 127.0.0.1.
    pub port: u16,
    /// The only user it lets in.
    pub user: String,
    /// Its host keys' public halves, as lines of OpenSSH, in the order they were asked for.
    pub host_keys: Vec<String>,
    /// A key that lets [`Sshd::user`] in.
    pub client_key: Key,
    /// Everything it has, gone when it ends.
    pub directory: PathBuf,
    /// An empty directory that its user may write to: `HOME` of its sessions.
    pub home: PathBuf,
    supervisor: Child,
    // Closed first of all when the value goes: that is what ends the supervisor.
    lease: Option<ChildStdin>,
}

/// An [`Sshd`] as it is ordered.
#[derive(Debug, Default)]
pub struct Builder {
    kinds: Vec<Kind>,
    authorities: Vec<String>,
    authorized: Vec<String>,
    host_authority: Option<Key>,
    options: Vec<String>,
    level: Option<String>,
}

impl Sshd {
    /// Starts one with an Ed25519 host key.
    ///
    /// # Panics
    /// When no `sshd` is installed, or it does not start; the message says which.
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Orders one.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The clients, with a key that is let in and the host keys known.
    #[must_use]
    pub fn client(&self) -> Client {
        let client = Client::new(self.port, &self.user).key(&self.client_key);
        self.host_keys.iter().fold(client, |client, key| client.host_key(key))
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.join("log")).expect("its log")).into_owned()
    }

    /// Waits until it has logged `text`.
    ///
    /// # Panics
    /// When it hasn't within 20 seconds.
    pub async fn logged(&self, text: &str) {
        let limit = Instant::now() + Duration::from_secs(20);
        while !self.log().contains(text) {
            assert!(Instant::now() < limit, "`{text}` is not in the log:\n{}", self.log());
            // A file tells nobody when it grows.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        drop(self.lease.take());
        let _ = self.supervisor.wait();
    }
}

impl Builder {
    /// One more host key. Without any it has one of Ed25519.
    #[must_use]
    pub fn host_key(mut self, kind: Kind) -> Self {
        self.kinds.push(kind);
        self
    }

    /// Has its host keys certified by `authority` under the name [`Client::HOST`].
    #[must_use]
    pub fn host_authority(mut self, authority: &Key) -> Self {
        self.host_authority = Some(authority.clone());
        self
    }

    /// An authority whose user certificates are let in (`TrustedUserCAKeys`), if they name the user as a principal.
    #[must_use]
    pub fn authority(mut self, authority: &Key) -> Self {
        self.authorities.push(authority.public.clone());
        self
    }

    /// One more line of `authorized_keys`: a public key, options before it if need be.
    #[must_use]
    pub fn authorize(mut self, line: &str) -> Self {
        self.authorized.push(line.to_owned());
        self
    }

    /// A line of `sshd_config`, which takes precedence over the kit's own.
    #[must_use]
    pub fn option(mut self, line: &str) -> Self {
        self.options.push(line.to_owned());
        self
    }

    /// How much it logs, as `LogLevel` takes it: `VERBOSE` unless told, `DEBUG3` says all.
    #[must_use]
    pub fn log_level(mut self, level: &str) -> Self {
        self.level = Some(level.to_owned());
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// As [`Sshd::start`].
    #[must_use]
    pub fn start(mut self) -> Sshd {
        if self.kinds.is_empty() {
            self.kinds.push(Kind::Ed25519);
        }
        let client_key = Key::generate(Kind::Ed25519);
        self.authorized.push(client_key.public.clone());
        let account = Account::choose();
        // Between finding a free port and listening on it somebody else may take it.
        let mut said = String::new();
        for _ in 0..20 {
            let directory =
                tempfile::Builder::new().prefix("portcullis-sshd-").tempdir().expect("a directory");
            let directory = directory.keep();
            let host_keys = self.furnish(&directory);
            match launch(&directory, &account) {
                Ok((port, supervisor, lease)) => {
                    let (user, home, lease) = (account.name, directory.join("home"), Some(lease));
                    return Sshd { port, user, host_keys, client_key, directory, home, supervisor, lease };
                }
                Err(line) if line.contains("Cannot bind any address") => said = line,
                Err(line) => panic!("sshd did not start: `{line}`"),
            }
        }
        panic!("sshd found no free port: `{said}`");
    }

    /// Writes all that it reads, and returns its host keys.
    fn furnish(&self, directory: &Path) -> Vec<String> {
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions of our own file");
        };
        let write =
            |name: &str, text: &str| fs::write(directory.join(name), text).expect("a file of the kit");
        mode(directory, 0o755);
        for name in ["home", "host"] {
            fs::create_dir(directory.join(name)).expect("a directory of the kit");
        }
        mode(&directory.join("host"), 0o700);

        let mut host_keys = Vec::new();
        let mut config = self.options.iter().map(|line| format!("{line}\n")).collect::<String>();
        for (number, kind) in self.kinds.iter().enumerate() {
            let key = Key::generate(*kind);
            let path = directory.join(format!("host/{number}"));
            fs::copy(&key.path, &path).expect("a copy of the host key");
            mode(&path, 0o600);
            config += &format!("HostKey {}\n", path.display());
            if let Some(authority) = &self.host_authority {
                let certificate = authority.certify(&key, &Wanted::host(&[Client::HOST]));
                write(&format!("host/{number}-cert.pub"), &certificate.text);
                config += &format!("HostCertificate {}-cert.pub\n", path.display());
            }
            host_keys.push(key.public);
        }
        write("authorized_keys", &(self.authorized.join("\n") + "\n"));
        if !self.authorities.is_empty() {
            write("authorities", &(self.authorities.join("\n") + "\n"));
            config += &format!("TrustedUserCAKeys {}/authorities\n", directory.display());
        }
        config += &include_str!("sshd_config")
            .replace("DIRECTORY", &directory.display().to_string())
            .replace("SFTP_SERVER", &sftp_server().display().to_string())
            .replace("LEVEL", self.level.as_deref().unwrap_or("VERBOSE"));
        write("sshd_config", &config);
        write("supervise.sh", include_str!("supervise.sh"));
        write("log", "");
        for name in ["home/.bashrc", "home/.bash_profile"] {
            write(name, "cd \"$HOME\"; PS1='$ '; unset HISTFILE\n");
        }
        host_keys
    }
}

fn launch(directory: &Path, account: &Account) -> Result<(u16, Child, ChildStdin), String> {
    let port = free_port();
    let mut supervisor = Command::new("setsid")
        .arg("sh")
        .args([&directory.join("supervise.sh"), directory, &program()])
        .arg(port.to_string())
        .arg(if account.is_another() { &account.name } else { "" })
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(directory.join("supervisor.log")).expect("the log"))
        .spawn()
        .expect("`setsid` of util-linux");
    let mut line = String::new();
    let said = supervisor.stdout.take().expect("a piped output");
    BufReader::new(said).read_line(&mut line).expect("a line from the supervisor");
    let lease = supervisor.stdin.take().expect("a piped input");
    if line.trim() == "ready" {
        return Ok((port, supervisor, lease));
    }
    drop(lease);
    let _ = supervisor.wait();
    Err(line.trim().to_owned())
}

/// The server, which wants to be called by its full path: `PORTCULLIS_TEST_SSHD`, or where distributions keep it.
fn program() -> PathBuf {
    let named = std::env::var_os("PORTCULLIS_TEST_SSHD").map(PathBuf::from);
    let usual = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"].map(PathBuf::from);
    let mut usual = usual.into_iter().filter(|path| path.exists());
    named.or_else(|| usual.next()).expect("an sshd; on Debian: apt-get install openssh-server")
}

fn sftp_server() -> PathBuf {
    let usual =
        ["/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server"];
    usual.map(PathBuf::from).into_iter().find(|path| path.exists()).expect("an `sftp-server` beside sshd")
}

fn free_port() -> u16 {
    let probe = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    probe.local_addr().expect("its address").port()
}
