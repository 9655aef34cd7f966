//! What a proxy goes by, and how a changed configuration takes its place while it serves.

use std::collections::HashMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;

use crate::config::Config;
use crate::enforce::Gateway;
use crate::listen::{Listeners, Unavailable};
use crate::process::Serving;
use crate::reload::{Change, Commit, Fault, Preparing, Reload};
use crate::throttle::{Bounds, Full, Place, Throttle};
use crate::workers::{self, Connections};

/// All that a proxy reads from a configuration.
pub trait Settings: Send + Sync + Sized + 'static {
    /// Why a configuration can't be used.
    type Error: Error + Send + Sync + 'static;

    /// Reads it, with nothing of it in force yet. What has not changed since `before` should stay what it is.
    ///
    /// # Errors
    /// Where anything that it names can't be used.
    fn of(config: &Config, before: Option<&Self>) -> Result<Self, Self::Error>;

    /// What has changed, for evidence.
    fn changes(&self, before: &Self) -> Vec<Change>;

    /// What clients know the proxy by: the fingerprint of its certificate or host key.
    fn fingerprint(&self) -> &str;
}

/// A proxy, got ready: its settings in force, its place in reloads.
pub struct Ready<S> {
    settings: Arc<ArcSwap<S>>,
    renewing: Arc<Renewing<S>>,
}

impl<S: Settings> Ready<S> {
    /// Reads the configuration in force, and takes part in reloads from here on.
    ///
    /// # Errors
    /// Where it can't be used.
    pub fn of(gateway: &Gateway) -> Result<Self, S::Error> {
        let settings = Arc::new(ArcSwap::from_pointee(S::of(&gateway.config(), None)?));
        let renewing = Arc::new(Renewing { settings: Arc::clone(&settings) });
        let part: Arc<dyn Reload> = Arc::clone(&renewing) as Arc<dyn Reload>;
        gateway.on_reload(Arc::downgrade(&part) as Weak<dyn Reload>);
        Ok(Self { settings, renewing })
    }

    /// What is in force, now and later.
    pub fn settings(&self) -> Arc<ArcSwap<S>> {
        Arc::clone(&self.settings)
    }

    /// Takes the addresses; what is returned serves.
    ///
    /// # Errors
    /// Where one of them can't be had.
    pub fn serve<C: Connections>(
        self,
        what: &'static str,
        addresses: &[SocketAddr],
        workers: usize,
        connections: Arc<C>,
    ) -> Result<Serving, Unavailable> {
        let listeners = Listeners::bind(addresses)?;
        let addresses = listeners.addresses().unwrap_or_default();
        let fingerprint = self.settings.load().fingerprint().to_owned();
        let run = Box::pin(async move {
            // Takes part in reloads for as long as it serves.
            let _renewing = self.renewing;
            workers::serve(listeners, connections, workers).await
        });
        Ok(Serving { what, addresses, fingerprint, run })
    }
}

struct Renewing<S> {
    settings: Arc<ArcSwap<S>>,
}

impl<S: Settings> Reload for Renewing<S> {
    fn prepare(self: Arc<Self>, next: Arc<Config>) -> Preparing {
        Box::pin(async move {
            let before = self.settings.load_full();
            let settings = S::of(&next, Some(&before)).map_err(|error| Box::new(error) as Fault)?;
            let commit: Commit = Box::new(move || {
                let changes = settings.changes(&before);
                self.settings.store(Arc::new(settings));
                changes
            });
            Ok(commit)
        })
    }
}

/// What has become of targets that are known by a name; `same` says which stayed as they were.
pub fn targets_changed<W>(
    before: &HashMap<String, W>,
    now: &HashMap<String, W>,
    same: impl Fn(&W, &W) -> bool,
) -> Vec<Change> {
    let change = |name: &str, to: &str| Change { what: format!("target {name}"), to: to.to_owned() };
    let mut changes = Vec::new();
    for (name, way) in now {
        match before.get(name) {
            None => changes.push(change(name, "added")),
            Some(old) if !same(old, way) => changes.push(change(name, "changed")),
            Some(_) => {}
        }
    }
    changes.extend(before.keys().filter(|name| !now.contains_key(*name)).map(|name| change(name, "removed")));
    changes
}

impl Gateway {
    /// A place for a connection from `source`.
    ///
    /// # Errors
    /// Where there is none, which is recorded.
    pub fn place(
        &self,
        throttle: &Arc<Throttle>,
        source: SocketAddr,
        bounds: &Bounds,
    ) -> Result<Place, Full> {
        throttle.enter(source.ip(), bounds).inspect_err(|full| {
            tracing::warn!(%source, reason = %full, "a client was turned away");
            self.refused(full.stage(), None, None, &source.to_string(), &full.to_string());
        })
    }
}
