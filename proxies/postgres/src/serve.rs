//! From a gateway to a listening proxy.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use policy_core::{Name, Protocol};
use portcullis_gateway::config::{Secrets, TargetConfig, TargetTls};
use portcullis_gateway::credential::{self, CredentialError};
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::tls::{ServerCertificate, TlsError, provider};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::catalogue::Live;
use crate::command::shown::Shown;
use crate::connect::{Address, AnyCertificate, Credential, Target, Tls};
use crate::guard::{Dialer, Finders, Guarded, Judging, StoredPins};
use crate::listen::Unavailable;
use crate::server::Server;
use crate::settings::{Limits, ServerTls, Settings};
use crate::wire::frontend::Caps;

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No address is configured.
    #[error("`listen.postgres` is empty: name an address, such as \"127.0.0.1:6432\"")]
    NoAddress,
    /// An address can't be had.
    #[error("`listen.postgres`: {0}")]
    Listen(#[from] Unavailable),
    /// The certificate can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A target's credential can't be loaded.
    #[error("the credential of target `{0}`: {1}")]
    Credential(Box<str>, #[source] CredentialError),
    /// A target's certificate authority can't be used.
    #[error("the certificates that target `{0}` is checked against (`{1}`) can't be used: {2}")]
    Authority(Box<str>, Box<str>, Box<str>),
    /// A target's password is no text.
    #[error("the credential of target `{0}` is not UTF-8 text")]
    NotText(Box<str>),
    /// What is looked for can't be compiled.
    #[error("the detectors can't be compiled: {0}")]
    Detectors(#[from] policy_core::mask::DetectorsError),
    /// The store can't answer.
    #[error(transparent)]
    Store(#[from] portcullis_gateway::store::StoreError),
}

/// A proxy that has its addresses; see [`Proxy::run`].
pub struct Proxy {
    server: Server<Judging>,
    guarded: Vec<Arc<Guarded>>,
    gateway: Gateway,
    /// The fingerprint of the certificate that clients are shown.
    pub fingerprint: String,
}

/// Takes the addresses, and gets everything ready that sessions need.
///
/// # Errors
/// See [`ServeError`]. Nothing has been served then.
pub async fn serve(gateway: &Gateway) -> Result<Proxy, ServeError> {
    let config = gateway.config();
    if config.listen.postgres.is_empty() {
        return Err(ServeError::NoAddress);
    }
    let certificate = ServerCertificate::load(config)?;
    let fingerprint = certificate.fingerprint.clone();
    let own = certificate.chain.first().cloned();
    let tls = certificate.server_config()?;
    let tls = own.map(|own| ServerTls::new(tls, &own));

    let mut targets = HashMap::new();
    let mut judged = HashMap::new();
    let mut guarded = Vec::new();
    for target in config.targets.iter().filter(|target| target.subject.protocol == Protocol::POSTGRES) {
        let name = target.subject.name.to_string();
        let (reached, guard) = one(gateway, target).await?;
        guarded.push(Arc::clone(&guard));
        targets.insert(name.clone(), reached);
        judged.insert(name, (Arc::clone(target), guard));
    }
    let limits = Limits {
        sessions: config.limits.connections,
        sessions_a_source: config.limits.connections_per_address,
        login: config.limits.authentication_time,
        idle: config.limits.idle_time,
        caps: Caps { statement: config.limits.statement_bytes, ..Limits::default().caps },
        workers: config.workers.get(),
        ..Limits::default()
    };
    let settings = Settings {
        listen: config.listen.postgres.clone(),
        tls,
        allow_plaintext: !config.tls.required,
        identity: Arc::clone(gateway.identity()),
        targets,
        limits,
    };
    let server = Server::bind(settings, Judging::new(gateway.clone(), judged))?;
    Ok(Proxy { server, guarded, gateway: gateway.clone(), fingerprint })
}

impl Proxy {
    /// Where it listens.
    ///
    /// # Errors
    /// Those of `getsockname`.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.server.addresses()
    }

    /// Serves until it is dropped.
    ///
    /// # Errors
    /// Where a worker can't be started.
    pub async fn run(self) -> io::Result<()> {
        tokio::spawn(follow(self.gateway, self.guarded.clone()));
        for guarded in self.guarded {
            tokio::spawn(async move { guarded.tend().await });
        }
        self.server.serve().await
    }
}

/// One target: how it is reached, and how it is guarded.
async fn one(
    gateway: &Gateway,
    config: &Arc<TargetConfig>,
) -> Result<(Arc<Target>, Arc<Guarded>), ServeError> {
    let name = &config.subject.name;
    let (target, secret) = target(config, &gateway.config().secrets)?;
    let target = Arc::new(target);
    let key = gateway.mask_key().clone();
    let secrets = secret.iter().flat_map(credential::Secret::spellings).collect();
    let finders = Finders::new(secrets, key.clone())?;
    let pins = StoredPins::read(gateway.store(), name).await?;
    let live = Live::new(Dialer::new(Arc::clone(&target)), Box::new(pins));
    let shown = Shown::new(key.clone())?;
    let guarded = Guarded::new(gateway.clone(), live, finders, shown, key);
    guarded.name_columns(named_columns(gateway));
    Ok((target, Arc::new(guarded)))
}

/// How a target is reached, and its credential, which is looked for in what it says.
pub(crate) fn target(
    config: &TargetConfig,
    secrets: &Secrets,
) -> Result<(Target, Option<credential::Secret>), ServeError> {
    let name = &config.subject.name;
    let secret = match &config.credential {
        Some(source) => Some(
            credential::load(source, secrets).map_err(|error| ServeError::Credential(name.clone(), error))?,
        ),
        None => None,
    };
    let password = match &secret {
        Some(secret) => {
            std::str::from_utf8(secret.expose()).map_err(|_| ServeError::NotText(name.clone()))?
        }
        None => "",
    };
    let target = Target {
        name: name.to_string(),
        address: address(config),
        tls: tls(config)?,
        user: config.user.clone(),
        database: config.database.clone(),
        credential: Credential::new(password),
    };
    Ok((target, secret))
}

fn named_columns(gateway: &Gateway) -> Vec<Name> {
    gateway.policies().current().policy.masked_columns().collect()
}

/// Tells the targets which columns are named, whenever another policy comes into force.
async fn follow(gateway: Gateway, guarded: Vec<Arc<Guarded>>) {
    let mut changes = gateway.policies().changes();
    while changes.changed().await.is_ok() {
        for guarded in &guarded {
            guarded.name_columns(named_columns(&gateway));
        }
    }
}

fn address(config: &TargetConfig) -> Address {
    if config.host.starts_with('/') {
        Address::Unix(PathBuf::from(format!("{}/.s.PGSQL.{}", config.host, config.port)))
    } else {
        Address::Tcp { host: config.host.clone(), port: config.port }
    }
}

fn unverified(host: &str) -> Result<Tls, ServeError> {
    let failed = |error: String| ServeError::Authority(host.into(), "none".into(), error.into());
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider())))
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
    Ok(Tls::VerifyFull { config: Arc::new(config), name })
}

fn tls(config: &TargetConfig) -> Result<Tls, ServeError> {
    let TargetTls::VerifyFull { ca, server_name } = &config.tls else {
        return Ok(match config.tls {
            TargetTls::Require => unverified(&config.host)?,
            _ => Tls::Off,
        });
    };
    let name = config.subject.name.clone();
    let place: Box<str> = match ca {
        Some(file) => file.display().to_string().into(),
        None => "the system's roots".into(),
    };
    let failed = |error: String| ServeError::Authority(name.clone(), place.clone(), error.into());
    let mut roots = rustls::RootCertStore::empty();
    match ca {
        Some(file) => {
            for certificate in
                CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?
            {
                let certificate = certificate.map_err(|error| failed(error.to_string()))?;
                roots.add(certificate).map_err(|error| failed(error.to_string()))?;
            }
        }
        None => {
            let native = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(native.certs);
        }
    }
    if roots.is_empty() {
        return Err(failed("there is no certificate in it".to_owned()));
    }
    let client = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerName::try_from(server_name.clone()).map_err(|error| failed(error.to_string()))?;
    Ok(Tls::VerifyFull { config: Arc::new(client), name: server })
}
