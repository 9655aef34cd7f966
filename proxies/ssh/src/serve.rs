//! From a gateway to a listening proxy, and how a changed configuration is taken up.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use portcullis_gateway::config::Config;
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::listen::Listeners;
use portcullis_gateway::process::{Serving, Starting};
use portcullis_gateway::reload::{Change, Commit, Fault, Preparing, Reload};
use portcullis_gateway::workers;

use crate::connect::Way;
use crate::server::Server;
use crate::settings::{ServeError, Settings};

/// Gets the proxy ready, for [`portcullis_gateway::process::run`].
pub fn start(gateway: &Gateway) -> Starting<'_> {
    Box::pin(async move { Ok(serve(gateway)?) })
}

/// Takes the addresses, and gets everything ready that sessions need. Within a tokio runtime only.
///
/// # Errors
/// See [`ServeError`]. Nothing has been served then.
pub fn serve(gateway: &Gateway) -> Result<Serving, ServeError> {
    let config = gateway.config();
    if config.listen.ssh.is_empty() {
        return Err(ServeError::NoAddress);
    }
    let settings = Settings::of(&config, None)?;
    let fingerprint = settings.fingerprint.clone();
    let settings = Arc::new(ArcSwap::from_pointee(settings));
    let listeners = Listeners::bind(&config.listen.ssh)?;
    let addresses = listeners.addresses().unwrap_or_default();
    let server = Arc::new(Server {
        gateway: gateway.clone(),
        settings: Arc::clone(&settings),
        throttle: Arc::default(),
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
    Ok(Serving { what: "SSH", addresses, fingerprint, run })
}

/// Replaces what a running proxy shows its clients and where it leads them.
struct Renewing {
    settings: Arc<ArcSwap<Settings>>,
}

impl Reload for Renewing {
    fn prepare(self: Arc<Self>, next: Arc<Config>) -> Preparing {
        Box::pin(async move {
            let before = self.settings.load_full();
            let settings = Settings::of(&next, Some(&before)).map_err(|error| Box::new(error) as Fault)?;
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
    let change = |name: &str, to: &str| Change { what: format!("target {name}"), to: to.to_owned() };
    let mut changes = Vec::new();
    if before.fingerprint != now.fingerprint {
        changes.push(Change { what: "SSH host key".to_owned(), to: now.fingerprint.clone() });
    }
    let (before, now): (&HashMap<String, Arc<Way>>, _) = (&before.ways, &now.ways);
    for (name, way) in now {
        match before.get(name) {
            None => changes.push(change(name, "added")),
            Some(old) if !Arc::ptr_eq(old, way) => changes.push(change(name, "changed")),
            Some(_) => {}
        }
    }
    changes.extend(before.keys().filter(|name| !now.contains_key(*name)).map(|name| change(name, "removed")));
    changes
}
