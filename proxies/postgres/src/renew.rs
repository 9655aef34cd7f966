//! The proxy's part in taking up another configuration while it serves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use portcullis_gateway::config::Config;
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::reload::{Change, Commit, Fault, Preparing, Reload};
use portcullis_gateway::renew::targets_changed;
use tokio::sync::mpsc;

use crate::guard::{Doors, Guarded};
use crate::serve::{Served, Way, Ways, named_columns, only_doors};
use crate::server::Switch;

/// What is in force, to see what has changed.
struct Now {
    ways: Ways,
    fingerprint: String,
}

/// Replaces what a running proxy shows its clients and where it leads them.
pub(crate) struct Renewing {
    gateway: Gateway,
    switch: Switch,
    doors: Arc<Doors>,
    now: Mutex<Now>,
    tend: mpsc::UnboundedSender<Weak<Guarded>>,
}

impl Renewing {
    pub(crate) fn new(
        gateway: Gateway,
        switch: Switch,
        doors: Arc<Doors>,
        (ways, fingerprint): (Ways, String),
        tend: mpsc::UnboundedSender<Weak<Guarded>>,
    ) -> Arc<Self> {
        Arc::new(Self { gateway, switch, doors, now: Mutex::new(Now { ways, fingerprint }), tend })
    }

    /// Itself, for as long as it lives.
    pub(crate) fn part(self: &Arc<Self>) -> Weak<dyn Reload> {
        let this: Arc<dyn Reload> = Arc::clone(self) as Arc<dyn Reload>;
        Arc::downgrade(&this)
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // It is replaced as a whole, so a panic elsewhere leaves it usable.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, served: Served) -> Vec<Change> {
        let Served { settings, ways, fingerprint } = served;
        let now = Now { ways: ways.clone(), fingerprint };
        let changes = changes(&self.now(), &now);
        let before = std::mem::replace(&mut *self.now(), now).ways;
        for (name, way) in &ways {
            let is_new =
                before.get(name).is_none_or(|old| !Arc::ptr_eq(&old.door.guarded, &way.door.guarded));
            if is_new {
                // The policy has changed since it was made.
                way.door.guarded.name_columns(named_columns(&self.gateway));
                let _ = self.tend.send(Arc::downgrade(&way.door.guarded));
            }
        }
        // Whoever comes between the two finds no door to the way that was found, and is told to connect again.
        self.doors.put(only_doors(&ways));
        self.switch.put(settings);
        changes
    }
}

impl Reload for Renewing {
    fn prepare(self: Arc<Self>, next: Arc<Config>) -> Preparing {
        Box::pin(async move {
            let before = self.now().ways.clone();
            let served =
                Served::of(&self.gateway, &next, &before).await.map_err(|error| Box::new(error) as Fault)?;
            let commit: Commit = Box::new(move || self.commit(served));
            Ok(commit)
        })
    }
}

fn changes(before: &Now, now: &Now) -> Vec<Change> {
    let same = |old: &Way, way: &Way| Arc::ptr_eq(&old.door.reached, &way.door.reached);
    let mut changes = targets_changed(&before.ways, &now.ways, same);
    if before.fingerprint != now.fingerprint {
        changes.push(Change { what: "certificate".to_owned(), to: now.fingerprint.clone() });
    }
    changes
}
