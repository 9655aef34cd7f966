//! What the proxy goes by: targets by the host that clients ask for, and the bounds on clients.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::header::HeaderValue;
use policy_core::Protocol;
use portcullis_gateway::config::{Config, Leg, TargetConfig};
use portcullis_gateway::credential::{self, Secret};
use portcullis_gateway::finders::Finders;
use portcullis_gateway::throttle::Bounds;

use crate::connect::Way;
use crate::serve::ServeError;

/// What is in force.
pub(crate) struct Settings {
    /// By host.
    pub(crate) ways: HashMap<String, Arc<Way>>,
    pub(crate) bounds: Bounds,
    /// How long a request's head may take.
    pub(crate) head: Duration,
    /// The longest body that is read because a rule looks into it, in bytes.
    pub(crate) body_bytes: usize,
}

impl Settings {
    /// Reads all that a configuration names.
    pub(crate) fn of(config: &Config) -> Result<Self, ServeError> {
        let mut ways = HashMap::new();
        for target in config.targets_of(&Protocol::HTTP) {
            let way = Arc::new(way(config, target)?);
            for host in &way.hosts {
                if ways.insert(host.clone(), Arc::clone(&way)).is_some() {
                    return Err(ServeError::TwoOfAHost(host.clone()));
                }
            }
        }
        Ok(Self {
            ways,
            bounds: config.limits.bounds(),
            head: config.limits.authentication_time,
            body_bytes: config.limits.statement_bytes,
        })
    }
}

fn way(config: &Config, target: &Arc<TargetConfig>) -> Result<Way, ServeError> {
    let name = &target.subject.name;
    // Only targets of this protocol come here.
    let Leg::Http { hosts } = &target.leg else { return Err(ServeError::OtherProtocol(name.clone())) };
    let secret = match &target.credential {
        Some(source) => Some(
            credential::load(source, &config.secrets)
                .map_err(|error| ServeError::Credential(name.clone(), error))?,
        ),
        None => None,
    };
    let finders = Finders::new(secret.iter().flat_map(Secret::spellings).collect())?;
    let credential = secret.map(|secret| shown(target, &secret)).transpose()?;
    Ok(Way::new(Arc::clone(target), hosts.clone(), credential, finders))
}

/// The credential as the target takes it: a token, or with a user's name basic authentication.
fn shown(target: &TargetConfig, secret: &Secret) -> Result<HeaderValue, ServeError> {
    let value = match target.user.as_str() {
        "" => [b"Bearer ", secret.expose()].concat(),
        user => {
            let plain = [user.as_bytes(), b":", secret.expose()].concat();
            format!("Basic {}", BASE64.encode(plain)).into_bytes()
        }
    };
    let mut value = HeaderValue::from_bytes(&value)
        .map_err(|_| ServeError::NotACredential(target.subject.name.clone()))?;
    value.set_sensitive(true);
    Ok(value)
}
