//! What a gateway is told before it listens.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_gateway::identity::IdentitySource;
use portcullis_gateway::throttle::Bounds;

use crate::connect::Target;
use crate::wire::frontend::Caps;

/// A PostgreSQL gateway's settings.
pub struct Settings {
    /// Where it listens; port 0 takes a free one. An IPv6 address takes IPv6 alone.
    pub listen: Vec<SocketAddr>,
    /// Its certificate; without one, clients can't use TLS.
    pub tls: Option<ServerTls>,
    /// Whether clients without TLS are let in.
    pub allow_plaintext: bool,
    /// Who may log in.
    pub identity: Arc<dyn IdentitySource>,
    /// The targets, by the database name that clients ask for.
    pub targets: HashMap<String, Arc<Target>>,
    /// How much of everything.
    pub limits: Limits,
}

/// The gateway's certificate and key.
#[derive(Clone)]
pub struct ServerTls {
    /// With its ALPN protocols set to [`ServerTls::ALPN`] alone.
    pub(crate) config: Arc<rustls::ServerConfig>,
    /// The certificate's hash, for channel binding.
    pub(crate) binding: Option<Arc<[u8]>>,
}

impl ServerTls {
    /// The only protocol that a client may negotiate.
    pub const ALPN: &[u8] = b"postgresql";

    /// Takes `config` for the chain whose first certificate is `certificate`, and sets its protocols.
    pub fn new(
        mut config: rustls::ServerConfig,
        certificate: &rustls::pki_types::CertificateDer<'_>,
    ) -> Self {
        config.alpn_protocols = vec![Self::ALPN.to_vec()];
        let binding = crate::endpoint::hash(certificate).map(Arc::from);
        Self { config: Arc::new(config), binding }
    }
}

/// Bounds on what clients can take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How many are let in.
    pub bounds: Bounds,
    /// How long a client may take to prove itself.
    pub login: Duration,
    /// How long a session may be idle before it ends: no byte from its client, nothing running, nothing held.
    /// `None` is for ever.
    pub idle: Option<Duration>,
    /// The longest messages that are assembled.
    pub caps: Caps,
    /// Threads that run sessions.
    pub workers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bounds: Bounds::default(),
            login: Duration::from_secs(15),
            idle: None,
            caps: Caps { statement: 1 << 20, bind: 16 << 20 },
            workers: 1,
        }
    }
}
