//! From a target's configuration to the way there.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_gateway::config::{Leg, Secrets, TargetConfig, TargetTls};
use portcullis_gateway::credential;
use portcullis_gateway::tls::ClientTls;
use rustls::pki_types::TrustAnchor;

use crate::connect::{Address, Credential, Target, Tls};
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

fn tls(config: &TargetConfig, wanted: &TargetTls) -> Result<(Tls, Vec<TrustAnchor<'static>>), ServeError> {
    let failed = |error| ServeError::Authority(config.subject.name.clone(), error);
    Ok(match ClientTls::of(wanted, &config.host, None).map_err(failed)? {
        None => (Tls::Off, Vec::new()),
        Some(ClientTls { config, name, roots }) => (Tls::VerifyFull { config, name }, roots),
    })
}
