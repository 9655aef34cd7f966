//! From a gateway to a listening proxy.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use policy_core::mask::DetectorsError;
use portcullis_gateway::config::Config;
use portcullis_gateway::credential::CredentialError;
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::listen::{Listeners, Unavailable};
use portcullis_gateway::process::{Serving, Starting};
use portcullis_gateway::reload::{Change, Commit, Fault, Preparing, Reload};
use portcullis_gateway::throttle::Throttle;
use portcullis_gateway::workers;

use crate::server::Server;
use crate::settings::Settings;

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Nothing says where to listen.
    #[error("no address to listen on for HTTP: set `listen.http`")]
    NoAddress,
    /// An address can't be had.
    #[error(transparent)]
    Listen(#[from] Unavailable),
    /// A credential can't be loaded.
    #[error("the credential of the target `{0}`: {1}")]
    Credential(Box<str>, #[source] CredentialError),
    /// A credential is nothing that a header field can hold.
    #[error("the credential of the target `{0}` is more than a line of text")]
    NotACredential(Box<str>),
    /// A target of another protocol.
    #[error("the target `{0}` does not speak HTTP")]
    OtherProtocol(Box<str>),
    /// Two targets have one name for clients.
    #[error("two targets have the host `{0}`")]
    TwoOfAHost(String),
    /// What is looked for can't be compiled.
    #[error(transparent)]
    Finders(#[from] DetectorsError),
}

/// Gets the proxy ready, for [`portcullis_gateway::process::run`].
pub fn start(gateway: &Gateway) -> Starting<'_> {
    Box::pin(async move { Ok(serve(gateway)?) })
}

/// Takes the addresses, and gets everything ready that requests need. Within a tokio runtime only.
///
/// # Errors
/// See [`ServeError`]. Nothing has been served then.
pub fn serve(gateway: &Gateway) -> Result<Serving, ServeError> {
    let config = gateway.config();
    if config.listen.http.is_empty() {
        return Err(ServeError::NoAddress);
    }
    let settings = Arc::new(ArcSwap::from_pointee(Settings::of(&config)?));
    let listeners = Listeners::bind(&config.listen.http)?;
    let addresses = listeners.addresses().unwrap_or_default();
    let server = Arc::new(Server {
        gateway: gateway.clone(),
        settings: Arc::clone(&settings),
        throttle: Arc::<Throttle>::default(),
    });
    let renewing = Arc::new(Renewing { settings });
    let part: Arc<dyn Reload> = Arc::clone(&renewing) as Arc<dyn Reload>;
    gateway.on_reload(Arc::downgrade(&part) as Weak<dyn Reload>);
    let count = config.workers.get();
    let run = Box::pin(async move {
        // Takes part in reloads for as long as it serves.
        let _renewing = renewing;
        workers::serve(listeners, server, count).await
    });
    Ok(Serving { what: "HTTP", addresses, fingerprint: String::new(), run })
}

/// Replaces where a running proxy leads its clients, from their next connection on.
struct Renewing {
    settings: Arc<ArcSwap<Settings>>,
}

impl Reload for Renewing {
    fn prepare(self: Arc<Self>, next: Arc<Config>) -> Preparing {
        Box::pin(async move {
            let before = self.settings.load_full();
            let settings = Settings::of(&next).map_err(|error| Box::new(error) as Fault)?;
            let commit: Commit = Box::new(move || {
                let changes = changes(&before, &settings);
                self.settings.store(Arc::new(settings));
                changes
            });
            Ok(commit)
        })
    }
}

fn changes(before: &Settings, now: &Settings) -> Vec<Change> {
    let change = |host: &str, to: &str| Change { what: format!("host {host}"), to: to.to_owned() };
    let mut changes = Vec::new();
    for (host, way) in &now.ways {
        match before.ways.get(host) {
            None => changes.push(change(host, "added")),
            Some(old) if old.config != way.config || old.credential != way.credential => {
                changes.push(change(host, "changed"));
            }
            Some(_) => {}
        }
    }
    let gone = before.ways.keys().filter(|host| !now.ways.contains_key(*host));
    changes.extend(gone.map(|host| change(host, "removed")));
    changes
}
