//! From a target's configuration to the way there.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_gateway::config::{Leg, Secrets, TargetConfig, TargetTls};
use portcullis_gateway::credential;
use portcullis_gateway::tls::provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor};

use crate::connect::{Address, AnyCertificate, Credential, Target, Tls};
use crate::serve::ServeError;

/// How a target is reached, and what that was read from.
pub(crate) struct Reached {
    pub(crate) target: Arc<Target>,
    /// Its credential, which is looked for in what it says.
    pub(crate) secret: Option<credential::Secret>,
    /// Whom its certificate may come from.
    roots: Vec<TrustAnchor<'static>>,
}

impl Reached {
    /// Whether credential and authorities are those of the other one; the rest is in the configuration.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        let [own, others] =
            [self, other].map(|reached| reached.secret.as_ref().map(credential::Secret::expose));
        own == others && self.roots == other.roots
    }
}

/// Reads what a target's configuration names: credential and authorities.
pub(crate) fn target(config: &TargetConfig, secrets: &Secrets) -> Result<Reached, ServeError> {
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
    // Only targets of this protocol come here.
    let Leg::Postgres { database, tls: wanted } = &config.leg else {
        return Err(ServeError::OtherProtocol(name.clone()));
    };
    let (tls, roots) = tls(config, wanted)?;
    let target = Target {
        name: name.to_string(),
        address: address(config),
        tls,
        user: config.user.clone(),
        database: database.clone(),
        credential: Credential::new(password),
    };
    Ok(Reached { target: Arc::new(target), secret, roots })
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

fn tls(config: &TargetConfig, wanted: &TargetTls) -> Result<(Tls, Vec<TrustAnchor<'static>>), ServeError> {
    let TargetTls::VerifyFull { ca, server_name } = wanted else {
        let tls = if *wanted == TargetTls::Require { unverified(&config.host)? } else { Tls::Off };
        return Ok((tls, Vec::new()));
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
    let anchors = roots.roots.clone();
    let client = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerName::try_from(server_name.clone()).map_err(|error| failed(error.to_string()))?;
    Ok((Tls::VerifyFull { config: Arc::new(client), name: server }, anchors))
}
