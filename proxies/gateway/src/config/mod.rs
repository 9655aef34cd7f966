//! One TOML file: what the gateway listens on, guards and keeps.
//!
//! The file as written (`raw`) and the configuration in force ([`Config`]) are two types. Everything that can
//! be wrong is found while one becomes the other; nothing later asks whether a setting makes sense.

mod error;
mod fixed;
mod over_http;
mod raw;
mod resolve;
mod target;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use error::ConfigError;
pub use raw::LogFormat;
pub use target::stays_on_this_machine;

use crate::throttle::Bounds;

/// The configuration in force. All paths are absolute or relative to the working directory, never to the file.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// Holds the store, generated keys and the control socket; mode 0700.
    pub state: PathBuf,
    /// Holds the audit log and recordings of this instance.
    pub evidence: PathBuf,
    /// Policy files; at least one.
    pub policies: Vec<PathBuf>,
    /// Worker threads that carry sessions.
    pub workers: NonZeroUsize,
    /// Where clients connect.
    pub listen: Listen,
    /// How clients are met.
    pub tls: ServerTls,
    /// What is bounded before any policy is asked.
    pub limits: Limits,
    /// Unix socket of the control API.
    pub control: PathBuf,
    /// Loopback listener of `/health` and `/metrics`.
    pub health: Option<SocketAddr>,
    /// How the gateway speaks about itself.
    pub log: Log,
    /// The encrypted secrets file.
    pub secrets: Secrets,
    /// What concerns SSH clients alone.
    pub ssh: Ssh,
    /// What is guarded, by name; names are unique within a protocol.
    pub targets: Vec<Arc<TargetConfig>>,
}

/// Addresses by protocol.
#[derive(Clone, Debug)]
pub struct Listen {
    /// PostgreSQL clients; none without such targets, unless the file names some.
    pub postgres: Vec<SocketAddr>,
    /// SSH clients; the same.
    pub ssh: Vec<SocketAddr>,
    /// HTTP clients; the same.
    pub http: Vec<SocketAddr>,
}

/// The certificate shown to clients.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// PEM chain and PEM key; `None` is generated and kept in the state directory.
    pub files: Option<(PathBuf, PathBuf)>,
    /// Whether a client that asks for no encryption is refused (the default).
    pub required: bool,
    /// PEM certificates of the authorities whose certificates HTTP clients may prove themselves by.
    pub client_authorities: Option<PathBuf>,
}

/// Bounds on clients, before any policy is asked.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub connections: usize,
    /// Connections at a time from one address.
    pub connections_per_address: usize,
    /// From accept to proven identity.
    pub authentication_time: Duration,
    /// How long a session may be idle before it ends: its client silent, nothing running, nothing held. `None` is for ever.
    pub idle_time: Option<Duration>,
    /// The longest statement or parameter list taken, in bytes.
    pub statement_bytes: usize,
    /// Held commands at a time; more are refused. As many approvals that outlive their connection may wait.
    pub held_commands: usize,
    /// Of one principal: approvals that outlive their connection, and clients that wait for them.
    pub held_per_principal: usize,
}

impl Limits {
    /// What of them is counted before anybody is let in.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            connections: self.connections,
            connections_a_source: self.connections_per_address,
            ..Bounds::default()
        }
    }
}

/// Logging.
#[derive(Clone, Debug)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// A filter as tracing-subscriber spells it, such as `info,portcullis=debug`.
    pub level: String,
    /// `None` is standard error.
    pub file: Option<PathBuf>,
    /// Size at which the file is rotated.
    pub rotate_bytes: u64,
    /// Rotated files kept.
    pub keep: usize,
}

/// SSH clients.
#[derive(Clone, Debug, Default)]
pub struct Ssh {
    /// The gateway's host key (OpenSSH's private key format, without a passphrase); `None` is generated and kept in the
    /// state directory.
    pub host_key: Option<PathBuf>,
    /// Files of authorities, a public key a line, whose user certificates are accepted.
    pub user_authorities: Vec<PathBuf>,
}

/// Where secrets are, and the key that opens them.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// The sealed file.
    pub file: PathBuf,
    /// Its key.
    pub key: SecretsKey,
}

/// Where the key of the secrets file is.
#[derive(Clone, Debug)]
pub enum SecretsKey {
    /// A file, mode 0600.
    File(PathBuf),
    /// An environment variable holding the key in base64.
    Env(String),
}

/// One guarded system: what policies see of it, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetConfig {
    /// Name, protocol and labels.
    pub subject: Arc<policy_core::Target>,
    /// Host name, IP address or directory of a Unix socket.
    pub host: String,
    /// TCP port, or the number in the Unix socket's name.
    pub port: u16,
    /// The account on the target; empty for an HTTP target that takes a token.
    pub user: String,
    /// Where its credential is; `None` for accounts that need none, and for SSH targets that trust the gateway's own
    /// authority.
    pub credential: Option<CredentialSource>,
    /// What only its protocol has.
    pub leg: Leg,
}

/// What only one protocol's targets have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leg {
    /// PostgreSQL.
    Postgres {
        /// The database on the target; the target's name unless given.
        database: String,
        /// How the leg is protected.
        tls: TargetTls,
    },
    /// SSH.
    Ssh {
        /// The host keys that the target may show, in OpenSSH's text form (`ssh-ed25519 AAAA…`).
        host_keys: Vec<String>,
        /// The authorities whose host certificates it may show, in the same form.
        host_authorities: Vec<String>,
        /// A file of OpenSSH's `known_hosts` format that names the target.
        known_hosts: Option<PathBuf>,
    },
    /// HTTP, and what is spoken over it: Kubernetes, MCP.
    Http(HttpLeg),
}

/// A target that is reached over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLeg {
    /// How clients ask for it.
    pub asked_by: AskedBy,
    /// How the leg is protected.
    pub tls: TargetTls,
    /// A PEM chain and its key that the target is shown.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The field that the credential goes into as it is; `None` is `authorization`, as a token or, with a user, basic.
    pub header: Option<String>,
    /// Whether HTTP/2 is spoken without asking; over TLS both sides agree on it by themselves.
    pub http2: bool,
    /// The paths at which GraphQL is spoken.
    pub graphql: Vec<String>,
    /// The one path at which an MCP server is asked: `/mcp` where nothing is said. Of no meaning to other targets.
    pub path: String,
}

/// How clients ask for a target that is reached over HTTP. Any of them leads there.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AskedBy {
    /// By these hosts, in lower case; an HTTP target's own name, where nothing else is given.
    pub hosts: Vec<String>,
    /// By paths below this one, which begins with a slash and does not end with one. It is taken off before anything is judged or
    /// sent. That of a Kubernetes or MCP target is its name, where nothing else is given.
    pub prefix: Option<String>,
    /// At these addresses.
    pub listen: Vec<SocketAddr>,
}

/// Where a target's credential comes from. Never the credential itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// An environment variable.
    Env(String),
    /// A file that group and others can't read; one trailing newline is dropped.
    File(PathBuf),
    /// A name in the secrets file.
    Secret(String),
}

/// How the leg to a target is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetTls {
    /// Encrypted, the certificate checked against `ca` (the system's roots if `None`) and the name.
    VerifyFull {
        /// PEM certificates that are trusted.
        ca: Option<PathBuf>,
        /// The name expected in the certificate; the host unless given.
        server_name: String,
    },
    /// Encrypted, the certificate not checked: no protection against an active attacker.
    Require,
    /// Not encrypted: loopback, a Unix socket, or spelled out.
    Disable,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Where it can't be read, isn't TOML, has an unknown key or a value that can't work. The first fault is reported.
    pub fn load(file: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let file = file.as_ref();
        let source = std::fs::read_to_string(file).map_err(|error| ConfigError::unreadable(file, &error))?;
        Self::parse(file, &source)
    }

    /// Checks a configuration's text; `file` names it in errors and is what relative paths start from.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(file: &Path, source: &str) -> Result<Self, ConfigError> {
        let raw = toml::from_str(source).map_err(|error| ConfigError::syntax(file, source, &error))?;
        resolve::resolve(file, source, raw)
    }

    /// A commented configuration to start from.
    pub const fn example() -> &'static str {
        include_str!("example.toml")
    }

    /// The targets that are reached over HTTP, whatever is spoken over it.
    pub fn http_targets(&self) -> impl Iterator<Item = (&Arc<TargetConfig>, &HttpLeg)> {
        self.targets.iter().filter_map(|target| match &target.leg {
            Leg::Http(leg) => Some((target, leg)),
            Leg::Postgres { .. } | Leg::Ssh { .. } => None,
        })
    }

    /// The targets of a protocol.
    pub fn targets_of<'a>(
        &'a self,
        protocol: &policy_core::Protocol,
    ) -> impl Iterator<Item = &'a Arc<TargetConfig>> + use<'a> {
        let protocol = protocol.clone();
        self.targets.iter().filter(move |target| target.subject.protocol == protocol)
    }

    /// The target of this name and protocol.
    pub fn target(&self, protocol: &policy_core::Protocol, name: &str) -> Option<&Arc<TargetConfig>> {
        self.targets
            .iter()
            .find(|target| &*target.subject.name == name && target.subject.protocol == *protocol)
    }
}
