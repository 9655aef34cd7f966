//! The same commands over two ways to one server, and what differs.
//!
//! Commands are data ([`Commands`]): lines of the shell in which `kubectl` reaches the server by one [`Way`]. All of them run
//! over the first way, one after the other, then over the second; each way has a namespace of its own, so that both find the
//! same state. What can't be the same twice is made alike before comparing (see [`normalise`]).

mod commands;
mod normal;

use std::fmt;
use std::path::Path;
use std::time::Duration;

pub use commands::{Command, Commands, Kind};
pub use normal::normalise;

use super::{Access, Kubectl};
use crate::running::Output;

/// How long one command may run.
const LIMIT: Duration = Duration::from_secs(40);

/// A way to the server under comparison.
#[derive(Debug, Clone)]
pub struct Way {
    kubectl: Kubectl,
    namespace: String,
    url: String,
}

/// What one command did, over each of two ways.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The command that did not do the same.
    pub command: Command,
    /// What it did over the first way, made alike.
    pub first: Outcome,
    /// What it did over the second.
    pub second: Outcome,
}

/// What there is to compare of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The exit status; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it said, as far as its [`Kind`] compares it.
    pub said: String,
    /// Its errors and warnings, likewise.
    pub errors: String,
}

impl Way {
    /// A way in a namespace of its own, made by `admin` with its own clients. Nobody removes it: it goes with the cluster.
    /// The name is taken out of all that is said, so it is one that nothing else has in it, as long as the other way's.
    ///
    /// # Panics
    /// When the namespace can't be made.
    pub async fn fresh(access: &Access, admin: &Access, namespace: &str) -> Self {
        let _ = Kubectl::new(admin).run(&["create", "namespace", namespace]).await.success();
        Self::new(access, namespace)
    }

    /// A way in a namespace that is there.
    #[must_use]
    pub fn new(access: &Access, namespace: &str) -> Self {
        Self::with_config(&access.kubeconfig(namespace), namespace, &access.url)
    }

    /// A way by somebody else's kubeconfig, whose context is in `namespace` and whose server is `url`.
    #[must_use]
    pub fn with_config(kubeconfig: &str, namespace: &str, url: &str) -> Self {
        let kubectl = Kubectl::with_config(kubeconfig).env("NS", namespace).limit(LIMIT);
        Self { kubectl, namespace: namespace.to_owned(), url: url.to_owned() }
    }

    /// Sets a variable for its commands, such as `KUBECTL_REMOTE_COMMAND_WEBSOCKETS`.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.kubectl = self.kubectl.env(name, value);
        self
    }

    async fn run_all(&self, commands: &Commands, files: &Path) -> Vec<Outcome> {
        let kubectl = self.kubectl.clone().env("FILES", &files.display().to_string());
        let mut outcomes = Vec::new();
        for command in commands.iter() {
            let output = kubectl.shell(&command.line).await;
            outcomes.push(self.outcome(command.kind, &output));
        }
        outcomes
    }

    fn outcome(&self, kind: Kind, output: &Output) -> Outcome {
        let home = self.kubectl.directory().display().to_string();
        let alike =
            |text: &str| {
                let text = text
                    .replace(&self.namespace, "NAMESPACE")
                    .replace(&self.url, "SERVER")
                    .replace(&home, "HOME");
                normalise(&text.replace(
                    self.url.split_once("://").map_or(self.url.as_str(), |(_, host)| host),
                    "SERVER",
                ))
            };
        let said = alike(&output.text());
        let said = match kind {
            Kind::Text => said,
            Kind::Sorted => sorted(&said),
            Kind::Json => {
                serde_json::from_str(&said).map_or(said, |value: serde_json::Value| format!("{value:#}"))
            }
            Kind::Status => String::new(),
        };
        let errors = if kind == Kind::Status { String::new() } else { sorted(&alike(&output.errors())) };
        Outcome { code: output.code, said, errors }
    }
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Runs all commands over both ways, and returns those that did not do the same. `files` is where `$FILES` in a command
/// leads.
///
/// # Panics
/// When a command can't be started, or did not end over the first way as it says it does: it would compare one failure with
/// another.
pub async fn compare(commands: &Commands, files: &Path, first: &Way, second: &Way) -> Vec<Difference> {
    let left = first.run_all(commands, files).await;
    let wrong: String = commands
        .iter()
        .zip(&left)
        .filter(|(command, outcome)| outcome.code != Some(command.code))
        .map(|(command, outcome)| format!("line {}: {}\n{outcome}\n", command.number, command.line))
        .collect();
    assert!(wrong.is_empty(), "over the first way these ended otherwise than they say:\n{wrong}");
    let right = second.run_all(commands, files).await;
    let pairs = commands.iter().zip(left.into_iter().zip(right));
    pairs
        .filter(|(_, (first, second))| first != second)
        .map(|(command, (first, second))| Difference { command: command.clone(), first, second })
        .collect()
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "status {:?}", self.code)?;
        write!(f, "{}\n{}", self.said, self.errors)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "line {}: {}", self.command.number, self.command.line)?;
        let (first, second) = (self.first.to_string(), self.second.to_string());
        let (left, right): (Vec<&str>, Vec<&str>) = (first.lines().collect(), second.lines().collect());
        for line in left.iter().filter(|line| !right.contains(line)) {
            writeln!(f, "  - {line}")?;
        }
        for line in right.iter().filter(|line| !left.contains(line)) {
            writeln!(f, "  + {line}")?;
        }
        Ok(())
    }
}
