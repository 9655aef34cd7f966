//! What the proxy goes by: which requests lead to which target, what clients are shown, and the bounds on them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use policy_core::mask::DetectorsError;
use portcullis_gateway::config::{Config, HttpLeg, TargetConfig};
use portcullis_gateway::credential::{self, CredentialError, Secret};
use portcullis_gateway::finders::Finders;
use portcullis_gateway::listen::Unavailable;
use portcullis_gateway::reload::Change;
use portcullis_gateway::renew::{self, targets_changed};
use portcullis_gateway::throttle::Bounds;
use portcullis_gateway::tls::{
    ClientAuthorities, ClientIdentity, ClientTls, Clients, ServerCertificate, TlsError,
};

use crate::activity::Patience;
use crate::connect::{Credential, Way};
use crate::route::{Routes, Twice};

/// How long a connection is kept that asks for nothing, where the configuration does not say.
const IDLE: Duration = Duration::from_secs(300);

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Nothing says where to listen.
    #[error("no address to listen on for HTTP: set `listen.http`")]
    NoAddress,
    /// An address can't be had.
    #[error("`listen.http`: {0}")]
    Listen(#[from] Unavailable),
    /// The certificate that clients are shown can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// What a target is asked by, or shown, over TLS can't be used.
    #[error("the certificates of the target `{0}`: {1}")]
    TargetTls(Box<str>, #[source] TlsError),
    /// A credential can't be loaded.
    #[error("the credential of the target `{0}`: {1}")]
    Credential(Box<str>, #[source] CredentialError),
    /// A credential is nothing that a header field can hold.
    #[error("the credential of the target `{0}` is more than a line of text")]
    NotACredential(Box<str>),
    /// Two targets are asked for in the same way.
    #[error(transparent)]
    Twice(#[from] Twice),
    /// What is looked for can't be compiled.
    #[error(transparent)]
    Finders(#[from] DetectorsError),
}

/// What is in force.
pub(crate) struct Settings {
    /// By protocol and name: names are unique within a protocol.
    ways: HashMap<String, Arc<Way>>,
    pub(crate) routes: Routes,
    pub(crate) tls: Arc<rustls::ServerConfig>,
    fingerprint: String,
    /// Whether clients may come in the clear from another machine.
    pub(crate) clear: bool,
    pub(crate) bounds: Bounds,
    /// How long a handshake or a request's head may take, and how long a connection or a body may be silent.
    pub(crate) patience: Patience,
    /// The longest body that is read because a rule looks into it, in bytes.
    pub(crate) body_bytes: usize,
}

impl renew::Settings for Settings {
    type Error = ServeError;

    fn of(config: &Config, before: Option<&Self>) -> Result<Self, ServeError> {
        let certificate = ServerCertificate::load(config)?;
        let fingerprint = certificate.fingerprint.clone();
        let authorities = ClientAuthorities::load(config)?;
        let tls = certificate
            .server_config_for(Clients { authorities, alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()] })?;
        let mut ways = HashMap::new();
        for (target, leg) in config.http_targets() {
            let name = format!("{} {}", target.subject.protocol, target.subject.name);
            let way = way(config, target, leg)?;
            let old = before.and_then(|before| before.ways.get(&name)).filter(|old| old.is_as(&way));
            ways.insert(name, old.cloned().unwrap_or_else(|| Arc::new(way)));
        }
        Ok(Self {
            routes: Routes::of(ways.values())?,
            ways,
            tls: Arc::new(tls),
            fingerprint,
            clear: !config.tls.required,
            bounds: config.limits.bounds(),
            patience: Patience {
                first: config.limits.authentication_time,
                next: config.limits.idle_time.unwrap_or(IDLE),
            },
            body_bytes: config.limits.statement_bytes,
        })
    }

    fn changes(&self, before: &Self) -> Vec<Change> {
        let mut changes = targets_changed(&before.ways, &self.ways, Arc::ptr_eq);
        if before.fingerprint != self.fingerprint {
            changes.push(Change { what: "certificate".to_owned(), to: self.fingerprint.clone() });
        }
        changes
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl Settings {
    /// Whether this leads to a target, still and just so.
    pub(crate) fn has(&self, way: &Arc<Way>) -> bool {
        self.ways.values().any(|known| Arc::ptr_eq(known, way))
    }
}

pub(crate) fn way(config: &Config, target: &Arc<TargetConfig>, leg: &HttpLeg) -> Result<Way, ServeError> {
    let name = &target.subject.name;
    let secret = match &target.credential {
        Some(source) => Some(
            credential::load(source, &config.secrets)
                .map_err(|error| ServeError::Credential(name.clone(), error))?,
        ),
        None => None,
    };
    let finders = Finders::new(secret.iter().cloned().collect())?;
    let credential = secret.map(|secret| shown(target, leg, &secret)).transpose()?;
    let of_target = |error| ServeError::TargetTls(name.clone(), error);
    let identity = leg.identity.as_ref().map(|(certificate, key)| ClientIdentity::load(certificate, key));
    let identity = identity.transpose().map_err(of_target)?;
    let identity_digest = identity.as_ref().map(ClientIdentity::digest);
    let tls = match ClientTls::of(&leg.tls, &target.host, identity).map_err(of_target)? {
        Some(tls) => tls,
        None => ClientTls::unchecked(&target.host).map_err(of_target)?,
    };
    Ok(Way::new(Arc::clone(target), leg.clone(), credential, finders, tls, identity_digest))
}

/// The credential as the target takes it: in a field of its own, as a token, or with a user's name by basic authentication.
fn shown(target: &TargetConfig, leg: &HttpLeg, secret: &Secret) -> Result<Credential, ServeError> {
    let unfit = || ServeError::NotACredential(target.subject.name.clone());
    let (field, value) = match (&leg.header, target.user.as_str()) {
        (Some(header), _) => (header.parse::<HeaderName>().map_err(|_| unfit())?, secret.expose().to_vec()),
        (None, "") => (AUTHORIZATION, [b"Bearer ", secret.expose()].concat()),
        (None, user) => {
            let plain = [user.as_bytes(), b":", secret.expose()].concat();
            (AUTHORIZATION, format!("Basic {}", BASE64.encode(plain)).into_bytes())
        }
    };
    let mut value = HeaderValue::from_bytes(&value).map_err(|_| unfit())?;
    value.set_sensitive(true);
    Ok(Credential { field, value })
}
