//! The file as its author wrote it: every key, its type, nothing checked yet.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) state: Option<PathBuf>,
    pub(super) evidence: Option<PathBuf>,
    pub(super) policies: Spanned<Vec<Spanned<PathBuf>>>,
    pub(super) workers: Option<Spanned<usize>>,
    #[serde(default)]
    pub(super) listen: Listen,
    #[serde(default)]
    pub(super) tls: ServerTls,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) control: Control,
    #[serde(default)]
    pub(super) health: Health,
    #[serde(default)]
    pub(super) log: Log,
    #[serde(default)]
    pub(super) secrets: Secrets,
    #[serde(default)]
    pub(super) ssh: Ssh,
    pub(super) target: Option<Vec<Spanned<Target>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "a section [listen]")]
pub(super) struct Listen {
    pub(super) postgres: Option<Spanned<OneOrMore>>,
    pub(super) ssh: Option<Spanned<OneOrMore>>,
    pub(super) http: Option<Spanned<OneOrMore>>,
}

/// One address, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an address such as \"127.0.0.1:6432\", or a list of them")]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "a section [tls]")]
pub(super) struct ServerTls {
    pub(super) certificate: Option<Spanned<PathBuf>>,
    pub(super) key: Option<Spanned<PathBuf>>,
    pub(super) required: Option<bool>,
    pub(super) client_authorities: Option<Spanned<PathBuf>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "a section [limits]")]
pub(super) struct Limits {
    pub(super) connections: Option<Spanned<usize>>,
    pub(super) connections_per_address: Option<Spanned<usize>>,
    pub(super) authentication_time: Option<Spanned<String>>,
    pub(super) idle_time: Option<Spanned<String>>,
    pub(super) statement_bytes: Option<Spanned<usize>>,
    pub(super) held_commands: Option<Spanned<usize>>,
    pub(super) held_per_principal: Option<Spanned<usize>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "a section [control]")]
pub(super) struct Control {
    pub(super) socket: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "a section [health]")]
pub(super) struct Health {
    pub(super) listen: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "a section [log]")]
pub(super) struct Log {
    pub(super) format: Option<LogFormat>,
    pub(super) level: Option<Spanned<String>>,
    pub(super) file: Option<PathBuf>,
    pub(super) rotate_bytes: Option<Spanned<u64>>,
    pub(super) keep: Option<Spanned<usize>>,
}

/// How log lines look.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Readable on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// Readable.
    Pretty,
    /// One JSON object a line.
    Json,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "a section [secrets]")]
pub(super) struct Secrets {
    pub(super) file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) key_env: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "a section [ssh]")]
pub(super) struct Ssh {
    pub(super) host_key: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) user_authorities: Vec<Spanned<PathBuf>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section [[target]], in two brackets")]
pub(super) struct Target {
    pub(super) name: Spanned<String>,
    pub(super) protocol: TargetProtocol,
    pub(super) address: Spanned<String>,
    pub(super) database: Option<Spanned<String>>,
    pub(super) user: Option<Spanned<String>>,
    pub(super) hosts: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) prefix: Option<Spanned<String>>,
    pub(super) listen: Option<Spanned<OneOrMore>>,
    pub(super) header: Option<Spanned<String>>,
    pub(super) http2: Option<Spanned<bool>>,
    pub(super) graphql: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) path: Option<Spanned<String>>,
    pub(super) credential: Option<Spanned<Credential>>,
    pub(super) tls: Option<Spanned<TargetTls>>,
    pub(super) host_keys: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) known_hosts: Option<Spanned<PathBuf>>,
    pub(super) host_authorities: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum TargetProtocol {
    Postgres,
    Ssh,
    Http,
    Kubernetes,
    Mcp,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a credential as { secret = \"NAME\" }, { env = \"VARIABLE\" } or { file = \"PATH\" }"
)]
pub(super) struct Credential {
    pub(super) env: Option<String>,
    pub(super) file: Option<PathBuf>,
    pub(super) secret: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, expecting = "a table such as { ca = \"ca.crt\" }")]
pub(super) struct TargetTls {
    pub(super) mode: Option<Spanned<TlsMode>>,
    pub(super) ca: Option<Spanned<PathBuf>>,
    pub(super) server_name: Option<Spanned<String>>,
    pub(super) certificate: Option<Spanned<PathBuf>>,
    pub(super) key: Option<Spanned<PathBuf>>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TlsMode {
    VerifyFull,
    Require,
    Disable,
    DisableOverNetwork,
}
