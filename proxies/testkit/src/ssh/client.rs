//! The OpenSSH clients and what runs over them, kept apart from whoever runs the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::keys::{Certificate, Key};
use crate::running::{Output, Running};

/// `ssh`, `scp`, `sftp`, `rsync` and `git`, which all reach one server under the name [`Client::HOST`].
///
/// No configuration, agent, known host or home directory but its own is read. Nothing is asked on a terminal: what
/// would be, fails.
#[derive(Debug, Clone)]
pub struct Client {
    port: u16,
    user: String,
    keys: Vec<Key>,
    certificates: Vec<Certificate>,
    known_hosts: Vec<String>,
    options: Vec<String>,
    password: Option<String>,
    limit: Duration,
    directory: Arc<TempDir>,
}

impl Client {
    /// What commands call the server: `ssh box`, `scp box:file .`, `ssh://box/path`.
    pub const HOST: &str = "box";

    /// Clients of whoever listens on this port of 127.0.0.1, as `user`, which may hold any character. Without a key, a host
    /// key or a password they get nowhere.
    #[must_use]
    pub fn new(port: u16, user: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("portcullis-client-").tempdir().expect("a directory");
        Self {
            port,
            user: user.to_owned(),
            keys: Vec::new(),
            certificates: Vec::new(),
            known_hosts: Vec::new(),
            options: Vec::new(),
            password: None,
            limit: Duration::from_secs(60),
            directory: Arc::new(directory),
        }
    }

    /// Offers a key, after those already offered.
    #[must_use]
    pub fn key(mut self, key: &Key) -> Self {
        self.keys.push(key.clone());
        self
    }

    /// Offers no key and no certificate.
    #[must_use]
    pub fn without_keys(mut self) -> Self {
        self.keys.clear();
        self.certificates.clear();
        self
    }

    /// Offers a certificate, whose key has to be offered too.
    #[must_use]
    pub fn certificate(mut self, certificate: &Certificate) -> Self {
        self.certificates.push(certificate.clone());
        self
    }

    /// Knows the server by a key, given as a line of OpenSSH.
    #[must_use]
    pub fn host_key(mut self, public: &str) -> Self {
        self.known_hosts.push(format!("{} {public}", Self::HOST));
        self
    }

    /// Knows the server by any host certificate of this authority.
    #[must_use]
    pub fn host_authority(mut self, authority: &Key) -> Self {
        self.known_hosts.push(format!("@cert-authority {} {}", Self::HOST, authority.public));
        self
    }

    /// A line of `ssh_config`, which takes precedence over the kit's own.
    #[must_use]
    pub fn option(mut self, line: &str) -> Self {
        self.options.push(line.to_owned());
        self
    }

    /// Answers whatever is asked for with this, by means of `sshpass`.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// How long a program may run before it is killed: a minute unless told.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The client's own directory, which is the home directory of its programs.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs `ssh` to its end: options, [`Client::HOST`], a command.
    pub async fn ssh(&self, arguments: &[&str]) -> Output {
        self.run("ssh", arguments).await
    }

    /// Runs `scp` to its end, over SFTP; with `-O` over the legacy protocol.
    pub async fn scp(&self, arguments: &[&str]) -> Output {
        self.run("scp", arguments).await
    }

    /// Runs a batch of `sftp`'s commands, a line each, to its end or the first that fails.
    pub async fn sftp(&self, batch: &str) -> Output {
        let running = self.start("sftp", &["-b", "-", Self::HOST]);
        running.send(batch.as_bytes());
        running.send(b"\n");
        running.finish().await
    }

    /// Runs `rsync` to its end.
    pub async fn rsync(&self, arguments: &[&str]) -> Output {
        self.run("rsync", arguments).await
    }

    /// Runs `git` to its end, without anybody's configuration but the repository's.
    pub async fn git(&self, arguments: &[&str]) -> Output {
        self.run("git", arguments).await
    }

    /// Runs one of the five, nothing on its standard input, to its end.
    pub async fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.start(program, arguments).finish().await
    }

    /// Starts one of the five, its standard input open: a session to talk with.
    #[must_use]
    pub fn start(&self, program: &str, arguments: &[&str]) -> Running {
        let mut command = self.command(program);
        command.args(arguments);
        Running::spawn(command, self.clone(), self.limit)
    }

    /// One of the five as a command, ready but for its arguments.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let config = self.write_config();
        let mut command = if let Some(password) = &self.password {
            let mut command = Command::new("sshpass");
            command.arg("-e").arg(program).env("SSHPASS", password);
            command
        } else {
            Command::new(program)
        };
        let ssh = format!("ssh -F {}", config.display());
        match program {
            "rsync" => command.env("RSYNC_RSH", ssh),
            "git" => command.env("GIT_SSH_COMMAND", ssh),
            _ => command.arg("-F").arg(config),
        };
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("GIT_") && key != "GIT_SSH_COMMAND" {
                command.env_remove(key);
            }
        }
        command
            .env("HOME", self.directory())
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("TERM", "xterm-256color")
            .env_remove("SSH_AUTH_SOCK")
            .env_remove("SSH_ASKPASS")
            .env_remove("DISPLAY");
        command
    }

    /// A file for `-F`, which also keeps the system's own from being read. Each command has its own, so that a copy of the
    /// client with other options disturbs nobody.
    fn write_config(&self) -> PathBuf {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let known_hosts = self.directory().join(format!("known_hosts.{number}"));
        fs::write(&known_hosts, self.known_hosts.join("\n") + "\n").expect("a file of known hosts");

        let mut lines = self.options.clone();
        lines.extend(self.keys.iter().map(|key| format!("IdentityFile {}", key.path.display())));
        if self.keys.is_empty() {
            lines.push("IdentityFile none".to_owned());
        }
        lines.extend(self.certificates.iter().map(|one| format!("CertificateFile {}", one.path.display())));
        lines.extend([
            format!("User {}", self.user),
            format!("Port {}", self.port),
            format!("HostKeyAlias {}", Self::HOST),
            format!("UserKnownHostsFile {}", known_hosts.display()),
            format!("BatchMode {}", if self.password.is_some() { "no" } else { "yes" }),
            include_str!("ssh_config").to_owned(),
        ]);
        let path = self.directory().join(format!("config.{number}"));
        fs::write(&path, lines.join("\n")).expect("a configuration");
        path
    }
}
