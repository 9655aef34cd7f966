//! Targets: from the file as written to what is reached, and how.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use policy_core::{Protocol, Target};
use toml::Spanned;

use super::over_http::{Scheme, Spoken};
use super::raw::{self, TargetProtocol, TlsMode};
use super::resolve::Resolver;
use super::{ConfigError, Leg, TargetConfig, TargetTls};

impl Resolver<'_> {
    pub(super) fn target(&self, raw: raw::Target) -> Result<TargetConfig, ConfigError> {
        let name = raw.name.get_ref();
        if name.is_empty() || name.len() > 63 || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            let message = "a target's `name` is 1 to 63 bytes without white space: clients type it";
            return Err(self.fault(raw.name.span(), message));
        }
        let (protocol, default_port) = match raw.protocol {
            TargetProtocol::Postgres => (Protocol::POSTGRES, 5432),
            TargetProtocol::Ssh => (Protocol::SSH, 22),
            TargetProtocol::Http => (Protocol::HTTP, 443),
            TargetProtocol::Kubernetes => (Protocol::KUBERNETES, 6443),
            TargetProtocol::Mcp => (Protocol::MCP, 443),
        };
        let over_http = Spoken::of(raw.protocol);
        self.check_is_host_alone(&raw.address, over_http, default_port)?;
        let (scheme, address) = self.scheme(&raw.address, over_http, default_port)?;
        let example = || over_http.example(default_port);
        let default_port = if scheme == Some(Scheme::Http) { 80 } else { default_port };
        let (host, port) = self.host_and_port(address, &raw.address, default_port, example)?;
        let user = match &raw.user {
            Some(user) if user.get_ref().is_empty() => {
                return Err(self.fault(user.span(), "`user` is empty: name the account on the target"));
            }
            Some(user) => user.get_ref().clone(),
            None if over_http == Spoken::OverHttp => String::new(),
            None => {
                let message = format!("`user` is missing: which account does the gateway have on `{name}`?");
                return Err(self.fault(raw.name.span(), message));
            }
        };
        let leg = match raw.protocol {
            TargetProtocol::Postgres => self.postgres_leg(&raw, &host)?,
            TargetProtocol::Ssh => self.ssh_leg(&raw, &host)?,
            TargetProtocol::Http | TargetProtocol::Kubernetes | TargetProtocol::Mcp => {
                self.http_leg(&raw, &host, scheme)?
            }
        };
        let credential = raw.credential.map(|credential| self.credential(credential)).transpose()?;
        Ok(TargetConfig {
            subject: Arc::new(Target {
                name: raw.name.get_ref().as_str().into(),
                protocol,
                labels: raw.labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
            }),
            user,
            host,
            port,
            credential,
            leg,
        })
    }

    /// Nothing of an address like `postgres://user:password@host`, or of `host=db password=…`, is shown: the password would stand in
    /// the log.
    fn check_is_host_alone(
        &self,
        address: &Spanned<String>,
        spoken: Spoken,
        default_port: u16,
    ) -> Result<(), ConfigError> {
        let text = address.get_ref();
        if text.starts_with('/') || !text.contains(['@', '?', '=', ';']) {
            return Ok(());
        }
        let message = "`address` is a host and a port: accounts and passwords do not stand in it";
        Err(self.hidden_fault(address.span(), message).help(spoken.example(default_port)))
    }

    fn postgres_leg(&self, raw: &raw::Target, host: &str) -> Result<Leg, ConfigError> {
        let of_ssh = [
            ("host_keys", raw.host_keys.as_ref().map(Spanned::span)),
            ("known_hosts", raw.known_hosts.as_ref().map(Spanned::span)),
            ("host_authorities", raw.host_authorities.as_ref().map(Spanned::span)),
        ];
        self.only_for("ssh", of_ssh)?;
        self.only_for_http(raw)?;
        let database = raw.database.as_ref().unwrap_or(&raw.name).get_ref().clone();
        let tls = raw.tls.as_ref().map(Spanned::get_ref);
        if let Some(identity) = tls.and_then(|tls| tls.certificate.as_ref().or(tls.key.as_ref())) {
            return Err(self.fault(identity.span(), "a client certificate is for targets over HTTP"));
        }
        Ok(Leg::Postgres { database, tls: self.target_tls(tls, host)? })
    }

    fn ssh_leg(&self, raw: &raw::Target, host: &str) -> Result<Leg, ConfigError> {
        let of_postgres = [
            ("database", raw.database.as_ref().map(Spanned::span)),
            ("tls", raw.tls.as_ref().map(Spanned::span)),
        ];
        self.only_for("postgres", of_postgres)?;
        self.only_for_http(raw)?;
        if host.starts_with('/') {
            return Err(self.fault(raw.address.span(), "an SSH target is a host, not a Unix socket"));
        }
        let host_keys = self.public_keys(raw.host_keys.as_ref(), "host_keys")?;
        let host_authorities = self.public_keys(raw.host_authorities.as_ref(), "host_authorities")?;
        let known_hosts =
            raw.known_hosts.as_ref().map(|file| self.existing(file, "known_hosts")).transpose()?;
        if host_keys.is_empty() && host_authorities.is_empty() && known_hosts.is_none() {
            let message = format!("nothing says which host key `{}` has", raw.name.get_ref());
            let port = raw.address.get_ref().rsplit_once(':').map_or("22", |(_, port)| port);
            return Err(self.fault(raw.name.span(), message).help(format!(
                "compare what `ssh-keyscan -p {port} {host}` prints with the target's own /etc/ssh/*.pub, and give it as \
                 `host_keys = [\"ssh-ed25519 AAAA…\"]`, or name a `known_hosts` file or `host_authorities`"
            )));
        }
        Ok(Leg::Ssh { host_keys, host_authorities, known_hosts })
    }

    /// A key of another protocol's targets would be without effect, so it is a mistake.
    pub(super) fn only_for<const N: usize>(
        &self,
        protocol: &str,
        keys: [(&str, Option<Range<usize>>); N],
    ) -> Result<(), ConfigError> {
        for (key, span) in keys {
            if let Some(span) = span {
                return Err(
                    self.fault(span, format!("`{key}` is for targets with `protocol = \"{protocol}\"`"))
                );
            }
        }
        Ok(())
    }

    /// Public keys as OpenSSH writes them: the algorithm, and the key in base64. Whether the key itself makes sense is
    /// said by whoever uses it.
    fn public_keys(
        &self,
        keys: Option<&Spanned<Vec<Spanned<String>>>>,
        name: &str,
    ) -> Result<Vec<String>, ConfigError> {
        let keys = keys.map(|keys| keys.get_ref().as_slice()).unwrap_or_default();
        let read = |key: &Spanned<String>| {
            let mut words = key.get_ref().split_ascii_whitespace();
            match (words.next(), words.next()) {
                (Some(algorithm), Some(blob))
                    if blob.starts_with("AAAA") && !algorithm.starts_with("AAAA") =>
                {
                    Ok(format!("{algorithm} {blob}"))
                }
                _ => Err(self
                    .fault(key.span(), format!("`{name}` holds public keys as OpenSSH writes them"))
                    .help("such as \"ssh-ed25519 AAAAC3Nza…\": a line of a `.pub` file")),
            }
        };
        keys.iter().map(read).collect()
    }

    /// `host`, `host:port`, `[v6]:port` or `/directory[:port]` of a Unix socket.
    fn host_and_port(
        &self,
        text: &str,
        address: &Spanned<String>,
        default: u16,
        example: impl Fn() -> String,
    ) -> Result<(String, u16), ConfigError> {
        // What is not understood may have a password in it.
        let bad = || self.hidden_fault(address.span(), "this is no address of a target").help(example());
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

    pub(super) fn target_tls(
        &self,
        raw: Option<&raw::TargetTls>,
        host: &str,
    ) -> Result<TargetTls, ConfigError> {
        let nothing = raw::TargetTls::default();
        let raw = raw.unwrap_or(&nothing);
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
                ca: raw.ca.as_ref().map(|ca| self.existing(ca, "ca")).transpose()?,
                server_name: raw
                    .server_name
                    .as_ref()
                    .map_or_else(|| host.to_owned(), |name| name.get_ref().clone()),
            }),
            TlsMode::Require => Ok(TargetTls::Require),
            TlsMode::DisableOverNetwork => Ok(TargetTls::Disable),
            TlsMode::Disable if stays_on_this_machine(host) => Ok(TargetTls::Disable),
            TlsMode::Disable => {
                let span = raw.mode.as_ref().map_or(0..0, Spanned::span);
                let message = format!("`disable` would send the credential to `{host}` in the clear");
                Err(self.fault(span, message).help(
                    "use `verify-full`; or, if the network between is trusted, spell it out: `disable-over-network`",
                ))
            }
        }
    }
}

impl TargetConfig {
    /// Whether what is sent to it stays on this machine.
    pub fn is_local(&self) -> bool {
        stays_on_this_machine(&self.host)
    }
}

/// Whether what is sent there stays on this machine: a directory of Unix sockets, `localhost`, or a loopback address without
/// brackets. No name is looked up.
pub fn stays_on_this_machine(host: &str) -> bool {
    host.starts_with('/') || host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
