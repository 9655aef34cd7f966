//! From the file as written to the configuration in force: defaults, relations between keys, bounds.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use policy_core::{Protocol, Target};
use toml::Spanned;

use super::raw::{self, OneOrMore, Raw, TargetProtocol, TlsMode};
use super::{
    Config, ConfigError, CredentialSource, Limits, Listen, Log, Secrets, SecretsKey, ServerTls, TargetConfig,
    TargetTls,
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
        listen: r.listen(raw.listen)?,
        tls: r.server_tls(raw.tls)?,
        limits: r.limits(raw.limits)?,
        control: raw.control.socket.map_or_else(|| state.join("control.sock"), |path| r.path(&path)),
        health: r.health(raw.health)?,
        log: r.log(raw.log)?,
        secrets: r.secrets(raw.secrets, &state)?,
        targets,
        state,
    })
}

struct Resolver<'a> {
    file: &'a Path,
    source: &'a str,
    base: PathBuf,
}

impl Resolver<'_> {
    fn fault(&self, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        ConfigError::at(self.file, self.source, span, message)
    }

    fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    fn existing(&self, path: &Spanned<PathBuf>, key: &str) -> Result<PathBuf, ConfigError> {
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

    fn listen(&self, listen: raw::Listen) -> Result<Listen, ConfigError> {
        let Some(postgres) = listen.postgres else {
            return Ok(Listen { postgres: vec![SocketAddr::from(([127, 0, 0, 1], 6432))] });
        };
        let span = postgres.span();
        let addresses = match postgres.into_inner() {
            OneOrMore::One(address) => vec![address],
            OneOrMore::More(addresses) => addresses,
        };
        let postgres = addresses
            .iter()
            .map(|address| self.socket(address, span.clone(), "listen.postgres"))
            .collect::<Result<_, _>>()?;
        Ok(Listen { postgres })
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
        Ok(ServerTls { files, required: tls.required.unwrap_or(true) })
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

    fn target(&self, raw: raw::Target) -> Result<TargetConfig, ConfigError> {
        let TargetProtocol::Postgres = raw.protocol;
        let name = raw.name.get_ref();
        if name.is_empty() || name.len() > 63 || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            let message =
                "a target's `name` is 1 to 63 bytes without white space: clients type it as database name";
            return Err(self.fault(raw.name.span(), message));
        }
        let (host, port) = self.host_and_port(&raw.address, 5432)?;
        if raw.user.get_ref().is_empty() {
            return Err(self.fault(raw.user.span(), "`user` is empty: name the account on the target"));
        }
        let tls = self.target_tls(raw.tls, &host)?;
        let credential = raw.credential.map(|credential| self.credential(credential)).transpose()?;
        Ok(TargetConfig {
            subject: Arc::new(Target {
                name: name.as_str().into(),
                protocol: Protocol::POSTGRES,
                labels: raw.labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            }),
            database: raw.database.map_or_else(|| name.clone(), Spanned::into_inner),
            user: raw.user.into_inner(),
            host,
            port,
            credential,
            tls,
        })
    }

    /// `host`, `host:port`, `[v6]:port` or `/directory[:port]` of a Unix socket.
    fn host_and_port(&self, address: &Spanned<String>, default: u16) -> Result<(String, u16), ConfigError> {
        let text = address.get_ref().as_str();
        let bad = || {
            self.fault(address.span(), format!("`{text}` is no address of a target"))
                .help("such as \"db.example.org:5432\", \"[::1]:5432\" or \"/run/postgresql\"")
        };
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| bad())?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(bad)?) })
        } else {
            match text.rsplit_once(':') {
                Some((host, _)) if host.contains(':') => return Err(bad()),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let port = match port {
            None => default,
            Some(port) => port.parse().ok().filter(|&port| port != 0).ok_or_else(bad)?,
        };
        if host.is_empty() || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(bad());
        }
        Ok((host.to_owned(), port))
    }

    fn target_tls(&self, raw: raw::TargetTls, host: &str) -> Result<TargetTls, ConfigError> {
        let mode = raw.mode.as_ref().map_or(TlsMode::VerifyFull, |mode| *mode.get_ref());
        if mode != TlsMode::VerifyFull {
            if let Some(ca) = &raw.ca {
                let message = "`ca` is checked only with `mode = \"verify-full\"`";
                return Err(self.fault(ca.span(), message).help("drop `ca`, or drop `mode` to verify"));
            }
            if let Some(name) = &raw.server_name {
                return Err(
                    self.fault(name.span(), "`server_name` is checked only with `mode = \"verify-full\"`")
                );
            }
        }
        match mode {
            TlsMode::VerifyFull => Ok(TargetTls::VerifyFull {
                ca: raw.ca.map(|ca| self.existing(&ca, "ca")).transpose()?,
                server_name: raw.server_name.map_or_else(|| host.to_owned(), Spanned::into_inner),
            }),
            TlsMode::Require => Ok(TargetTls::Require),
            TlsMode::DisableOverNetwork => Ok(TargetTls::Disable),
            TlsMode::Disable if stays_on_this_machine(host) => Ok(TargetTls::Disable),
            TlsMode::Disable => {
                let span = raw.mode.map_or(0..0, |mode| mode.span());
                let message = format!("`disable` would send the credential to `{host}` in the clear");
                Err(self.fault(span, message).help(
                    "use `verify-full`; or, if the network between is trusted, spell it out: `disable-over-network`",
                ))
            }
        }
    }

    fn credential(&self, raw: Spanned<raw::Credential>) -> Result<CredentialSource, ConfigError> {
        let span = raw.span();
        let raw::Credential { env, file, secret } = raw.into_inner();
        match (env, file, secret) {
            (Some(name), None, None) if !name.is_empty() => Ok(CredentialSource::Env(name)),
            (None, Some(path), None) => Ok(CredentialSource::File(self.path(&path))),
            (None, None, Some(name)) if !name.is_empty() => Ok(CredentialSource::Secret(name)),
            _ => Err(self
                .fault(span, "`credential` is exactly one of `env`, `file` or `secret`")
                .help("such as { env = \"SHOP_PASSWORD\" }; a password itself never stands in this file")),
        }
    }
}

fn stays_on_this_machine(host: &str) -> bool {
    host.starts_with('/') || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
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
