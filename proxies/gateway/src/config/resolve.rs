//! From the file as written to the configuration in force: defaults, relations between keys, bounds.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use policy_core::Protocol;
use toml::Spanned;

use super::raw::{self, OneOrMore, Raw};
use super::{
    Config, ConfigError, CredentialSource, Leg, Limits, Listen, Log, Secrets, SecretsKey, ServerTls, Ssh,
    TargetConfig,
};

pub(super) fn resolve(file: &Path, source: &str, raw: Raw) -> Result<Config, ConfigError> {
    let base = file.parent().unwrap_or(Path::new("")).to_owned();
    let r = Resolver { file, source, base };
    let state = r.path(raw.state.as_deref().unwrap_or(Path::new("state")));
    let targets = r.targets(raw.target.unwrap_or_default())?;
    Ok(Config {
        file: file.to_owned(),
        evidence: raw.evidence.map_or_else(|| state.join("evidence"), |path| r.path(&path)),
        policies: r.policies(raw.policies)?,
        workers: r.workers(raw.workers)?,
        listen: r.listen(raw.listen, &targets)?,
        tls: r.server_tls(raw.tls)?,
        limits: r.limits(raw.limits)?,
        control: raw.control.socket.map_or_else(|| state.join("control.sock"), |path| r.path(&path)),
        health: r.health(raw.health)?,
        log: r.log(raw.log)?,
        secrets: r.secrets(raw.secrets, &state)?,
        ssh: r.ssh(raw.ssh)?,
        targets,
        state,
    })
}

pub(super) struct Resolver<'a> {
    file: &'a Path,
    source: &'a str,
    base: PathBuf,
}

impl Resolver<'_> {
    pub(super) fn fault(&self, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        ConfigError::at(self.file, self.source, span, message)
    }

    /// The same where a password may stand.
    pub(super) fn hidden_fault(&self, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        ConfigError::hidden_at(self.file, self.source, span, message)
    }

    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    pub(super) fn existing(&self, path: &Spanned<PathBuf>, key: &str) -> Result<PathBuf, ConfigError> {
        let full = self.path(path.get_ref());
        if full.is_file() {
            return Ok(full);
        }
        let message = format!("`{key}` names `{}`, which is not a file", full.display());
        Err(self.fault(path.span(), message).help("paths are relative to the configuration file"))
    }

    fn within(
        &self,
        value: Option<Spanned<usize>>,
        key: &str,
        default: usize,
        allowed: RangeInclusive<usize>,
    ) -> Result<usize, ConfigError> {
        let Some(value) = value else { return Ok(default) };
        if allowed.contains(value.get_ref()) {
            return Ok(*value.get_ref());
        }
        let (least, most) = (allowed.start(), allowed.end());
        Err(self.fault(value.span(), format!("`{key}` is a number from {least} to {most}")))
    }

    fn duration(&self, value: &Spanned<String>, key: &str) -> Result<Duration, ConfigError> {
        parse_duration(value.get_ref()).filter(|duration| !duration.is_zero()).ok_or_else(|| {
            self.fault(
                value.span(),
                format!("`{key}` is a time such as \"500ms\", \"10s\", \"5m\" or \"1h\""),
            )
        })
    }

    fn policies(&self, policies: Spanned<Vec<Spanned<PathBuf>>>) -> Result<Vec<PathBuf>, ConfigError> {
        if policies.get_ref().is_empty() {
            let message = "`policies` is empty: without a policy nothing is allowed";
            return Err(self.fault(policies.span(), message).help("name at least one policy file"));
        }
        // Whether they exist is the loader's question: its answer comes with the policy's own diagnostics.
        Ok(policies.get_ref().iter().map(|path| self.path(path.get_ref())).collect())
    }

    fn workers(&self, workers: Option<Spanned<usize>>) -> Result<NonZeroUsize, ConfigError> {
        let default = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(16);
        let workers = self.within(workers, "workers", default, 1..=256)?;
        Ok(NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN))
    }

    /// A protocol without targets listens nowhere, unless the file says where.
    fn listen(&self, listen: raw::Listen, targets: &[Arc<TargetConfig>]) -> Result<Listen, ConfigError> {
        let has = |protocol| targets.iter().any(|target| target.subject.protocol == protocol);
        let default = |port| vec![SocketAddr::from(([127, 0, 0, 1], port))];
        Ok(Listen {
            postgres: match listen.postgres {
                Some(postgres) => self.sockets(&postgres, "listen.postgres")?,
                None if has(Protocol::POSTGRES) => default(6432),
                None => Vec::new(),
            },
            ssh: match listen.ssh {
                Some(ssh) => self.sockets(&ssh, "listen.ssh")?,
                None if has(Protocol::SSH) => default(2222),
                None => Vec::new(),
            },
            http: self.listen_http(listen.http.as_ref(), targets)?,
        })
    }

    /// Where HTTP is spoken: what all such targets share, and the addresses that lead to one alone.
    fn listen_http(
        &self,
        shared: Option<&Spanned<OneOrMore>>,
        targets: &[Arc<TargetConfig>],
    ) -> Result<Vec<SocketAddr>, ConfigError> {
        let asked_by = || {
            targets.iter().filter_map(|target| match &target.leg {
                Leg::Http(leg) => Some((target, &leg.asked_by)),
                Leg::Postgres { .. } | Leg::Ssh { .. } => None,
            })
        };
        let mut all = match shared {
            Some(shared) => self.sockets(shared, "listen.http")?,
            None if asked_by().any(|(_, by)| !by.hosts.is_empty() || by.prefix.is_some()) => {
                vec![SocketAddr::from(([127, 0, 0, 1], 8080))]
            }
            None => Vec::new(),
        };
        for (target, by) in asked_by() {
            for address in &by.listen {
                if address.port() != 0 && all.contains(address) {
                    let message = format!(
                        "`{address}` leads to `{}` alone, and is listened on for others, too",
                        target.subject.name
                    );
                    return Err(ConfigError::whole(self.file, message));
                }
                all.push(*address);
            }
        }
        Ok(all)
    }

    pub(super) fn sockets(
        &self,
        addresses: &Spanned<OneOrMore>,
        key: &str,
    ) -> Result<Vec<SocketAddr>, ConfigError> {
        let span = addresses.span();
        let addresses = match addresses.get_ref() {
            OneOrMore::One(address) => std::slice::from_ref(address),
            OneOrMore::More(addresses) => addresses,
        };
        addresses.iter().map(|address| self.socket(address, span.clone(), key)).collect()
    }

    fn ssh(&self, ssh: raw::Ssh) -> Result<Ssh, ConfigError> {
        let existing = |key: &str, file: &Spanned<PathBuf>| self.existing(file, key);
        Ok(Ssh {
            host_key: ssh.host_key.map(|file| existing("ssh.host_key", &file)).transpose()?,
            user_authorities: ssh
                .user_authorities
                .iter()
                .map(|file| existing("ssh.user_authorities", file))
                .collect::<Result<_, _>>()?,
        })
    }

    fn socket(&self, address: &str, span: Range<usize>, key: &str) -> Result<SocketAddr, ConfigError> {
        address.parse().map_err(|_| {
            let message = format!("`{key}` is an IP address and a port");
            self.fault(span, message).help("such as \"127.0.0.1:6432\", \"0.0.0.0:6432\" or \"[::1]:6432\"")
        })
    }

    fn server_tls(&self, tls: raw::ServerTls) -> Result<ServerTls, ConfigError> {
        let files = match (&tls.certificate, &tls.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                Some((self.existing(certificate, "tls.certificate")?, self.existing(key, "tls.key")?))
            }
            (Some(lone), None) => {
                return Err(self.fault(lone.span(), "`tls.certificate` needs `tls.key` beside it"));
            }
            (None, Some(lone)) => {
                return Err(self.fault(lone.span(), "`tls.key` needs `tls.certificate` beside it"));
            }
        };
        let client_authorities =
            tls.client_authorities.map(|file| self.existing(&file, "tls.client_authorities")).transpose()?;
        Ok(ServerTls { files, required: tls.required.unwrap_or(true), client_authorities })
    }

    fn limits(&self, limits: raw::Limits) -> Result<Limits, ConfigError> {
        let authentication_time = limits
            .authentication_time
            .map(|time| self.duration(&time, "limits.authentication_time"))
            .transpose()?
            .unwrap_or(Duration::from_secs(10));
        Ok(Limits {
            connections: self.within(limits.connections, "limits.connections", 1000, 1..=100_000)?,
            connections_per_address: self.within(
                limits.connections_per_address,
                "limits.connections_per_address",
                200,
                1..=100_000,
            )?,
            authentication_time,
            idle_time: limits.idle_time.map(|time| self.duration(&time, "limits.idle_time")).transpose()?,
            statement_bytes: self.within(
                limits.statement_bytes,
                "limits.statement_bytes",
                1 << 20,
                1024..=64 << 20,
            )?,
            held_commands: self.within(limits.held_commands, "limits.held_commands", 100, 1..=10_000)?,
            held_per_principal: self.within(
                limits.held_per_principal,
                "limits.held_per_principal",
                10,
                1..=10_000,
            )?,
        })
    }

    fn health(&self, health: raw::Health) -> Result<Option<SocketAddr>, ConfigError> {
        let Some(listen) = health.listen else { return Ok(None) };
        let address = self.socket(listen.get_ref(), listen.span(), "health.listen")?;
        if !address.ip().is_loopback() {
            let message = "`health.listen` is a loopback address: it answers anyone, without encryption";
            return Err(self.fault(listen.span(), message).help("such as \"127.0.0.1:9464\""));
        }
        Ok(Some(address))
    }

    fn log(&self, log: raw::Log) -> Result<Log, ConfigError> {
        let level = match log.level {
            None => "info".to_owned(),
            Some(level) => {
                if !is_filter(level.get_ref()) {
                    let message =
                        "`log.level` is `error`, `warn`, `info`, `debug` or `trace`, by module if wanted";
                    return Err(self
                        .fault(level.span(), message)
                        .help("such as \"info,portcullis_gateway=debug\""));
                }
                level.into_inner()
            }
        };
        let rotate_bytes = match log.rotate_bytes {
            None => 100 << 20,
            Some(bytes) if *bytes.get_ref() >= 4096 => bytes.into_inner(),
            Some(bytes) => return Err(self.fault(bytes.span(), "`log.rotate_bytes` is at least 4096")),
        };
        Ok(Log {
            format: log.format.unwrap_or_default(),
            level,
            file: log.file.map(|path| self.path(&path)),
            rotate_bytes,
            keep: self.within(log.keep, "log.keep", 5, 1..=1000)?,
        })
    }

    fn secrets(&self, secrets: raw::Secrets, state: &Path) -> Result<Secrets, ConfigError> {
        let key = match (secrets.key_file, secrets.key_env) {
            (Some(_), Some(env)) => {
                let message =
                    "`secrets.key_env` and `secrets.key_file` are both given: which one holds the key?";
                return Err(self.fault(env.span(), message));
            }
            (Some(file), None) => SecretsKey::File(self.path(&file)),
            (None, Some(env)) => SecretsKey::Env(env.into_inner()),
            (None, None) => SecretsKey::File(state.join("secrets.key")),
        };
        Ok(Secrets {
            file: secrets.file.map_or_else(|| state.join("secrets.sealed"), |file| self.path(&file)),
            key,
        })
    }

    fn targets(&self, raw: Vec<Spanned<raw::Target>>) -> Result<Vec<Arc<TargetConfig>>, ConfigError> {
        let mut targets: Vec<Arc<TargetConfig>> = Vec::with_capacity(raw.len());
        if raw.is_empty() {
            let message = "no `[[target]]`: there is nothing to guard";
            return Err(ConfigError::whole(self.file, message).help("`portcullis init` writes an example"));
        }
        for target in raw {
            let target = target.into_inner();
            let span = target.name.span();
            let target = self.target(target)?;
            if targets.iter().any(|other| {
                other.subject.name == target.subject.name && other.subject.protocol == target.subject.protocol
            }) {
                return Err(self.fault(span, format!("two targets are named `{}`", target.subject.name)));
            }
            targets.push(Arc::new(target));
        }
        Ok(targets)
    }

    pub(super) fn credential(&self, raw: Spanned<raw::Credential>) -> Result<CredentialSource, ConfigError> {
        let span = raw.span();
        let raw::Credential { env, file, secret } = raw.into_inner();
        match (env, file, secret) {
            (Some(name), None, None) if is_variable(&name) => Ok(CredentialSource::Env(name)),
            // Somebody may have put the password itself there.
            (Some(_), None, None) => Err(self
                .hidden_fault(span, "`env` is the name of an environment variable")
                .help("it has letters, digits and `_`; a password itself never stands in this file")),
            (None, Some(path), None) => Ok(CredentialSource::File(self.path(&path))),
            (None, None, Some(name)) if !name.is_empty() => Ok(CredentialSource::Secret(name)),
            _ => Err(self
                .hidden_fault(span, "`credential` is exactly one of `env`, `file` or `secret`")
                .help("such as { env = \"SHOP_PASSWORD\" }; a password itself never stands in this file")),
        }
    }
}

/// Whether a text is a name that shells can give to a variable (POSIX, Base Definitions, section 3.216).
fn is_variable(name: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(is_of_name) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// Whether a text is a level, or a list of `module=level` with at most a bare level among them. tracing-subscriber
/// itself would take a misspelt level for the name of a module.
fn is_filter(text: &str) -> bool {
    let bare = text.split(',').filter(|directive| !directive.contains('='));
    text.parse::<tracing_subscriber::filter::Targets>().is_ok()
        && bare.clone().all(|level| level.trim().parse::<tracing_subscriber::filter::LevelFilter>().is_ok())
}

/// A whole number and one of `ms`, `s`, `m`, `h`.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}
