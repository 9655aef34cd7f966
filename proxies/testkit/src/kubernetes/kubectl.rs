//! kubectl, and commands in which it is part.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tempfile::TempDir;

use super::Access;
use crate::running::{Output, Running};

/// The oldest kubectl whose streams go over WebSocket and, when told to, over SPDY.
const OLDEST_MINOR: u32 = 31;

/// A real kubectl with a home directory, a configuration and a cache of its own, started in that directory.
#[derive(Debug, Clone)]
pub struct Kubectl {
    environment: Vec<(String, String)>,
    limit: Duration,
    directory: Arc<TempDir>,
}

impl Kubectl {
    /// One that reaches a server as `access` says, in the namespace `default`.
    #[must_use]
    pub fn new(access: &Access) -> Self {
        Self::with_config(&access.kubeconfig("default"))
    }

    /// One that reads this kubeconfig.
    ///
    /// # Panics
    /// When there is no kubectl that will do; the message says how to get one.
    #[must_use]
    pub fn with_config(kubeconfig: &str) -> Self {
        let directory =
            tempfile::Builder::new().prefix("portcullis-kubectl-").tempdir().expect("a directory");
        fs::write(directory.path().join("kubeconfig"), kubeconfig).expect("a configuration");
        fs::create_dir(directory.path().join("bin")).expect("a directory of programs");
        std::os::unix::fs::symlink(program(), directory.path().join("bin/kubectl"))
            .expect("a link to kubectl");
        Self { environment: Vec::new(), limit: Duration::from_secs(60), directory: Arc::new(directory) }
    }

    /// Sets a variable, such as `KUBECTL_REMOTE_COMMAND_WEBSOCKETS`.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Whether streams go over WebSocket, which is its own choice where a server can do both, or over SPDY.
    #[must_use]
    pub fn websockets(self, wanted: bool) -> Self {
        let wanted = if wanted { "true" } else { "false" };
        self.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", wanted).env("KUBECTL_PORT_FORWARD_WEBSOCKETS", wanted)
    }

    /// How long a command may run before it is killed: a minute unless told.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Its home, where its commands start.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs kubectl to its end, nothing on its standard input.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).finish().await
    }

    /// Starts kubectl, its standard input open.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command("kubectl");
        command.args(arguments);
        Running::spawn(command, self.clone(), self.limit)
    }

    /// Starts kubectl at a terminal of its own (by `script` of util-linux), its standard input open. The arguments are quoted
    /// by nobody.
    #[must_use]
    pub fn terminal(&self, arguments: &str) -> Running {
        let mut command = self.command("script");
        command.args(["-qec", &format!("kubectl {arguments}"), "/dev/null"]);
        Running::spawn(command, self.clone(), self.limit)
    }

    /// Runs a line of the shell, in which `kubectl` is this one, to its end.
    pub async fn shell(&self, line: &str) -> Output {
        let mut command = self.command("bash");
        command.args(["-c", line]);
        Running::spawn(command, self.clone(), self.limit).finish().await
    }

    fn command(&self, program: &str) -> Command {
        let home = self.directory();
        let program = if program == "kubectl" { home.join("bin/kubectl") } else { program.into() };
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", home.join("bin").display()))
            .env("HOME", home)
            .env("TMPDIR", home)
            .env("KUBECONFIG", home.join("kubeconfig"))
            .env("TERM", "xterm")
            .env("LC_ALL", "C.UTF-8")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(home);
        command
    }
}

/// `PORTCULLIS_TEST_KUBECTL`, what `scripts/kubectl` has fetched, or one on the PATH that will do.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(named) = std::env::var_os("PORTCULLIS_TEST_KUBECTL") {
            return named.into();
        }
        let fetched = super::cluster::home().join("kubectl");
        let on_the_path = std::env::var_os("PATH").unwrap_or_default();
        let on_the_path = std::env::split_paths(&on_the_path).map(|folder| folder.join("kubectl"));
        let mut all = std::iter::once(fetched).chain(on_the_path);
        all.find(|path| will_do(path))
            .unwrap_or_else(|| panic!("no kubectl from 1.{OLDEST_MINOR} on; scripts/kubectl fetches one"))
    })
}

/// New enough, and not a dispatcher, which asks the server for its version and then runs another.
fn will_do(path: &Path) -> bool {
    let Ok(output) = Command::new(path).args(["version", "--client", "-o", "json"]).output() else {
        return false;
    };
    let Ok(said) = serde_json::from_slice::<serde_json::Value>(&output.stdout) else { return false };
    let version =
        said.pointer("/clientVersion/gitVersion").and_then(serde_json::Value::as_str).unwrap_or_default();
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse().ok());
    !version.contains("dispatcher") && minor.is_some_and(|minor: u32| minor >= OLDEST_MINOR)
}
