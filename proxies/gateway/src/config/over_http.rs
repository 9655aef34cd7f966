//! Targets that are reached over HTTP: HTTP's own, Kubernetes and MCP.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use toml::Spanned;

use super::raw::{self, TargetProtocol, TlsMode};
use super::resolve::Resolver;
use super::target::stays_on_this_machine;
use super::{AskedBy, ConfigError, HttpLeg, Leg, TargetTls};

/// Whether a target's protocol is spoken over HTTP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    OverHttp,
    ByItself,
}

impl Spoken {
    pub(super) const fn of(protocol: TargetProtocol) -> Self {
        match protocol {
            TargetProtocol::Http | TargetProtocol::Kubernetes | TargetProtocol::Mcp => Self::OverHttp,
            TargetProtocol::Postgres | TargetProtocol::Ssh => Self::ByItself,
        }
    }

    /// How an address is written.
    pub(super) fn example(self, default_port: u16) -> String {
        match (self, default_port) {
            (Self::OverHttp, port) => format!(
                "such as \"https://target.example.org:{port}\", or on this machine \"http://127.0.0.1:9000\""
            ),
            (Self::ByItself, 5432) => {
                "such as \"db.example.org:5432\", \"[::1]:5432\" or \"/run/postgresql\"".to_owned()
            }
            (Self::ByItself, port) => {
                format!("such as \"host.example.org:{port}\" or \"[::1]:{port}\"")
            }
        }
    }
}

/// How an address begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Resolver<'_> {
    /// What an address says of encryption, and the rest of it.
    pub(super) fn scheme<'a>(
        &self,
        address: &'a Spanned<String>,
        spoken: Spoken,
        default_port: u16,
    ) -> Result<(Option<Scheme>, &'a str), ConfigError> {
        let text = address.get_ref().as_str();
        let Some((scheme, rest)) = text.split_once("://") else { return Ok((None, text)) };
        let scheme = match scheme {
            "http" if spoken == Spoken::OverHttp => Scheme::Http,
            "https" if spoken == Spoken::OverHttp => Scheme::Https,
            _ => {
                let message = "this is no address of a target of this protocol";
                return Err(self.hidden_fault(address.span(), message).help(spoken.example(default_port)));
            }
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('/') {
            let message =
                "a target's address is a host: which of its paths are asked for is said by requests";
            // Paths of hooks are secrets.
            return Err(self.hidden_fault(address.span(), message));
        }
        Ok((Some(scheme), rest))
    }

    pub(super) fn http_leg(
        &self,
        raw: &raw::Target,
        host: &str,
        scheme: Option<Scheme>,
    ) -> Result<Leg, ConfigError> {
        let of_ssh = [
            ("host_keys", raw.host_keys.as_ref().map(Spanned::span)),
            ("known_hosts", raw.known_hosts.as_ref().map(Spanned::span)),
            ("host_authorities", raw.host_authorities.as_ref().map(Spanned::span)),
        ];
        self.only_for("ssh", of_ssh)?;
        self.only_for("postgres", [("database", raw.database.as_ref().map(Spanned::span))])?;
        if raw.protocol != TargetProtocol::Http {
            self.only_for("http", [("graphql", raw.graphql.as_ref().map(Spanned::span))])?;
        }
        if raw.protocol != TargetProtocol::Mcp {
            self.only_for("mcp", [("path", raw.path.as_ref().map(Spanned::span))])?;
        }
        if host.starts_with('/') {
            return Err(self.fault(raw.address.span(), "a target over HTTP is a host, not a Unix socket"));
        }
        let (tls, identity) = self.leg_tls(raw, host, scheme)?;
        Ok(Leg::Http(HttpLeg {
            asked_by: self.asked_by(raw)?,
            tls,
            identity,
            header: raw.header.as_ref().map(|header| self.header(header)).transpose()?,
            http2: raw.http2.as_ref().is_some_and(|http2| *http2.get_ref()),
            graphql: self.paths(raw.graphql.as_ref())?,
            path: match &raw.path {
                Some(path) => self.a_path(path)?,
                None => "/mcp".to_owned(),
            },
        }))
    }

    /// Keys that are without effect where nothing is spoken over HTTP.
    pub(super) fn only_for_http(&self, raw: &raw::Target) -> Result<(), ConfigError> {
        let keys = [
            ("hosts", raw.hosts.as_ref().map(Spanned::span)),
            ("prefix", raw.prefix.as_ref().map(Spanned::span)),
            ("listen", raw.listen.as_ref().map(Spanned::span)),
            ("header", raw.header.as_ref().map(Spanned::span)),
            ("http2", raw.http2.as_ref().map(Spanned::span)),
            ("graphql", raw.graphql.as_ref().map(Spanned::span)),
        ];
        self.only_for("http", keys)?;
        self.only_for("mcp", [("path", raw.path.as_ref().map(Spanned::span))])
    }

    fn asked_by(&self, raw: &raw::Target) -> Result<AskedBy, ConfigError> {
        let name = raw.name.get_ref();
        let mut by = AskedBy {
            hosts: match &raw.hosts {
                Some(hosts) => {
                    hosts.get_ref().iter().map(|host| self.a_host(host)).collect::<Result<_, _>>()?
                }
                None => Vec::new(),
            },
            prefix: raw.prefix.as_ref().map(|prefix| self.a_path(prefix)).transpose()?,
            listen: match &raw.listen {
                Some(listen) => self.sockets(listen, "listen")?,
                None => Vec::new(),
            },
        };
        if by == AskedBy::default() {
            if raw.protocol == TargetProtocol::Http {
                by.hosts.push(name.to_ascii_lowercase());
            } else {
                by.prefix = Some(format!("/{name}"));
            }
        }
        Ok(by)
    }

    /// A host as requests name it, without a port: which one they came to says nothing of the target.
    fn a_host(&self, host: &Spanned<String>) -> Result<String, ConfigError> {
        let name = host.get_ref().to_ascii_lowercase();
        let is_v6 = |text: &str| {
            let address = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if is_v6(&name) || (!name.is_empty() && name.bytes().all(is_plain)) {
            return Ok(name);
        }
        let message = format!("`{}` is no host that a request can be for", host.get_ref());
        Err(self
            .fault(host.span(), message)
            .help("a name or an address without a port, such as \"api.example.org\""))
    }

    /// The scheme decides where there is one; without it, this machine is reached in the clear and the network is not.
    fn leg_tls(
        &self,
        raw: &raw::Target,
        host: &str,
        scheme: Option<Scheme>,
    ) -> Result<(TargetTls, Option<(PathBuf, PathBuf)>), ConfigError> {
        let given = raw.tls.as_ref().map(Spanned::get_ref);
        let mode = given.and_then(|tls| tls.mode.as_ref()).map(|mode| *mode.get_ref());
        let clear = match (scheme, mode) {
            (_, Some(mode)) => matches!(mode, TlsMode::Disable | TlsMode::DisableOverNetwork),
            (Some(scheme), None) => scheme == Scheme::Http,
            (None, None) => given.is_none() && stays_on_this_machine(host),
        };
        if clear != (scheme == Some(Scheme::Http)) && scheme.is_some() {
            let message = "`address` and `tls.mode` say different things of encryption";
            return Err(self.fault(raw.address.span(), message));
        }
        if !clear {
            let identity = given.map(|tls| self.identity(tls)).transpose()?.flatten();
            return Ok((self.target_tls(given, host)?, identity));
        }
        if let Some(tls) = &raw.tls
            && mode.is_none()
        {
            return Err(self.fault(tls.span(), "`tls` says how `https://` is spoken"));
        }
        if mode != Some(TlsMode::DisableOverNetwork) && !stays_on_this_machine(host) {
            let message = format!("the credential would be sent to `{host}` in the clear");
            return Err(self.fault(raw.address.span(), message).help(
                "use `https://`; or, if the network between is trusted, spell it out: \
                 `tls = { mode = \"disable-over-network\" }`",
            ));
        }
        Ok((TargetTls::Disable, None))
    }

    fn identity(&self, tls: &raw::TargetTls) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
        match (&tls.certificate, &tls.key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                Ok(Some((self.existing(certificate, "certificate")?, self.existing(key, "key")?)))
            }
            (Some(lone), None) | (None, Some(lone)) => {
                Err(self.fault(lone.span(), "a client certificate is `certificate` and `key`"))
            }
        }
    }

    /// A field that a credential may go into: none that the gateway or the protocol itself speaks by.
    fn header(&self, header: &Spanned<String>) -> Result<String, ConfigError> {
        const OWN: [&str; 19] = [
            "host",
            "connection",
            "keep-alive",
            "proxy-connection",
            "proxy-authenticate",
            "proxy-authorization",
            "content-length",
            "content-type",
            "content-encoding",
            "transfer-encoding",
            "te",
            "upgrade",
            "trailer",
            "expect",
            "accept-encoding",
            "range",
            "if-range",
            "http2-settings",
            "cookie",
        ];
        let name = header.get_ref().to_ascii_lowercase();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty()
            || !name.bytes().all(is_token)
            || OWN.contains(&&*name)
            || name.starts_with("sec-websocket-")
        {
            return Err(self
                .fault(header.span(), format!("`{name}` is no field that a credential goes into"))
                .help("such as \"x-api-key\""));
        }
        Ok(name)
    }

    fn paths(&self, paths: Option<&Spanned<Vec<Spanned<String>>>>) -> Result<Vec<String>, ConfigError> {
        let paths = paths.map(|paths| paths.get_ref().as_slice()).unwrap_or_default();
        paths.iter().map(|path| self.a_path(path)).collect()
    }

    /// A path that has one spelling.
    fn a_path(&self, path: &Spanned<String>) -> Result<String, ConfigError> {
        let text = path.get_ref().as_str();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..");
        let is_path = text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment));
        if !is_path || !text.bytes().all(is_plain) {
            let message = format!("`{text}` is no path of plain segments");
            return Err(self.fault(path.span(), message).help("such as \"/billing\" or \"/api/v2\""));
        }
        Ok(text.to_owned())
    }
}
