//! From a gateway to a listening proxy.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use policy_core::{Name, Protocol};
use portcullis_gateway::config::{Config, TargetConfig};
use portcullis_gateway::credential::CredentialError;
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::listen::Unavailable;
use portcullis_gateway::process::{Serving, Starting};
use portcullis_gateway::tls::{ServerCertificate, TlsError};
use tokio::sync::mpsc;

use crate::catalogue::Live;
use crate::command::shown::Shown;
use crate::guard::{Dialer, Door, Doors, Finders, Guarded, Judging, StoredPins};
use crate::reach::{self, Reached};
use crate::renew::Renewing;
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
    #[error("the certificates that target `{0}` is checked against can't be used: {1}")]
    Authority(Box<str>, #[source] TlsError),
    /// A target's password is no text.
    #[error("the credential of target `{0}` is not UTF-8 text")]
    NotText(Box<str>),
    /// A target speaks another protocol.
    #[error("the target `{0}` is none of PostgreSQL's")]
    OtherProtocol(Box<str>),
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
    gateway: Gateway,
    /// Takes part in reloads for as long as the proxy runs.
    renewing: Arc<Renewing>,
    /// Targets that were taken up, to be tended.
    taken_up: mpsc::UnboundedReceiver<Weak<Guarded>>,
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
    let Served { settings, ways, fingerprint } = Served::of(gateway, &config, &HashMap::new()).await?;
    let doors = Arc::new(Doors::default());
    doors.put(only_doors(&ways));
    let server = Server::bind(settings, Judging::new(gateway.clone(), Arc::clone(&doors)))?;
    let (tend, taken_up) = mpsc::unbounded_channel();
    for way in ways.values() {
        let _ = tend.send(Arc::downgrade(&way.door.guarded));
    }
    let renewing = Renewing::new(gateway.clone(), server.switch(), doors, (ways, fingerprint.clone()), tend);
    gateway.on_reload(renewing.part());
    Ok(Proxy { server, gateway: gateway.clone(), renewing, taken_up, fingerprint })
}

impl Proxy {
    /// Where it listens, in the order of the configuration.
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
        let _renewing = self.renewing;
        tokio::spawn(follow(self.gateway, self.taken_up));
        self.server.serve().await
    }
}

/// Gets the proxy ready, for [`portcullis_gateway::process::run`].
pub fn start(gateway: &Gateway) -> Starting<'_> {
    Box::pin(async move {
        let proxy = serve(gateway).await?;
        Ok(Serving {
            what: "PostgreSQL",
            addresses: proxy.addresses()?,
            fingerprint: proxy.fingerprint.clone(),
            run: Box::pin(proxy.run()),
        })
    })
}

/// What a configuration comes to, with nothing of it in force yet.
pub(crate) struct Served {
    pub(crate) settings: Settings,
    pub(crate) ways: Ways,
    pub(crate) fingerprint: String,
}

/// The targets by name, each with what its way there was read from.
pub(crate) type Ways = HashMap<String, Way>;

/// A target, and what it must be compared with to know whether it has changed.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) door: Door,
    reached: Arc<Reached>,
}

impl Served {
    /// Reads all that a configuration names. What has not changed since `before` stays what it is.
    pub(crate) async fn of(gateway: &Gateway, config: &Config, before: &Ways) -> Result<Self, ServeError> {
        let certificate = ServerCertificate::load(config)?;
        let fingerprint = certificate.fingerprint.clone();
        let own = certificate.chain.first().cloned();
        let tls = certificate.server_config()?;
        let tls = own.map(|own| ServerTls::new(tls, &own));
        let mut ways = Ways::new();
        for target in config.targets_of(&Protocol::POSTGRES) {
            let name = target.subject.name.to_string();
            let way = way(gateway, config, target, before.get(&name)).await?;
            ways.insert(name, way);
        }
        let limits = Limits {
            bounds: config.limits.bounds(),
            login: config.limits.authentication_time,
            idle: config.limits.idle_time,
            caps: Caps { statement: config.limits.statement_bytes, ..Limits::default().caps },
            workers: config.workers.get(),
        };
        let settings = Settings {
            listen: config.listen.postgres.clone(),
            tls,
            allow_plaintext: !config.tls.required,
            identity: Arc::clone(gateway.identity()),
            targets: ways.iter().map(|(name, way)| (name.clone(), Arc::clone(&way.door.reached))).collect(),
            limits,
        };
        Ok(Self { settings, ways, fingerprint })
    }
}

/// The doors alone.
pub(crate) fn only_doors(ways: &Ways) -> HashMap<String, Door> {
    ways.iter().map(|(name, way)| (name.clone(), way.door.clone())).collect()
}

/// One target: how it is reached, and how it is guarded.
async fn way(
    gateway: &Gateway,
    config: &Config,
    target: &Arc<TargetConfig>,
    before: Option<&Way>,
) -> Result<Way, ServeError> {
    let name = &target.subject.name;
    let reached = reach::target(target, &config.secrets)?;
    if let Some(before) = before
        && *before.door.config == **target
        && before.reached.is_as(&reached)
    {
        return Ok(before.clone());
    }
    let key = gateway.mask_key().clone();
    let secrets = reached.secret.iter().cloned().collect();
    let finders = Finders::new(secrets, key.clone())?;
    let pins = StoredPins::read(gateway.store(), name).await?;
    let live = Live::new(Dialer::new(Arc::clone(&reached.target)), Box::new(pins));
    let shown = Shown::new(key.clone())?;
    let guarded = Guarded::new(gateway.clone(), live, finders, shown, key);
    guarded.name_columns(named_columns(gateway));
    let door =
        Door { config: Arc::clone(target), reached: Arc::clone(&reached.target), guarded: Arc::new(guarded) };
    Ok(Way { door, reached: Arc::new(reached) })
}

/// The columns that the policy in force names without wildcards.
pub(crate) fn named_columns(gateway: &Gateway) -> Vec<Name> {
    gateway.policies().current().policy.masked_columns().collect()
}

/// Tends the targets that are taken up, and tells them which columns are named whenever another policy comes into force.
async fn follow(gateway: Gateway, mut taken_up: mpsc::UnboundedReceiver<Weak<Guarded>>) {
    let mut changes = gateway.policies().changes();
    let mut all: Vec<Weak<Guarded>> = Vec::new();
    loop {
        tokio::select! {
            Some(guarded) = taken_up.recv() => {
                all.retain(|guarded| guarded.strong_count() > 0);
                tokio::spawn(Guarded::tend(Weak::clone(&guarded)));
                all.push(guarded);
            }
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
        for guarded in all.iter().filter_map(Weak::upgrade) {
            guarded.name_columns(named_columns(&gateway));
        }
    }
}
