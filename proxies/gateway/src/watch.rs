//! Looks for what other instances and people have changed in the store, and stops sessions when it can't.
//!
//! Two threads: one polls the store and may hang in it, the other only reads the time since the last good poll. Neither
//! takes part in carrying sessions, so a stuck worker can't keep a revocation from being noticed.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use portcullis_evidence::record::Revocation as Revoked;
use portcullis_evidence::{AuditLog, Record, Scope};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::session::{Registry, StopReason};
use crate::store::{Keeper, Revocation, RevocationSubject, Store, StoreError};

/// How often the store is asked for revocations.
const POLL: Duration = Duration::from_millis(200);
/// How often the store is told that this instance lives.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// The threads; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    _stop: [mpsc::SyncSender<()>; 2],
    store: Keeper,
    instance: u64,
}

impl Watch {
    pub(crate) fn start(
        watched: Box<dyn Store>,
        store: Keeper,
        registry: Arc<Registry>,
        changes: Arc<watch::Sender<u64>>,
        log: Arc<AuditLog>,
        clock: Clock,
        instance: u64,
    ) -> Result<Self, std::io::Error> {
        let (stop_poll, poll_stopped) = mpsc::sync_channel(0);
        let (stop_guard, guard_stopped) = mpsc::sync_channel(0);
        let guarded = Arc::clone(&registry);
        registry.confirm(Instant::now());
        let heart = store.clone();
        let poller = Poller {
            watched,
            store: heart,
            registry,
            changes,
            log,
            clock,
            instance,
            after: 0,
            version: None,
        };
        thread::Builder::new().name("revocations".into()).spawn(move || poller.run(&poll_stopped))?;
        thread::Builder::new().name("watchdog".into()).spawn(move || guard(&guarded, &guard_stopped))?;
        Ok(Self { _stop: [stop_poll, stop_guard], store, instance })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let instance = self.instance;
        self.store.tell("say farewell", move |store| store.farewell(instance));
    }
}

/// Stops all sessions while revocations can't be confirmed.
fn guard(registry: &Registry, stopped: &Receiver<()>) {
    let mut lost = false;
    while stopped.recv_timeout(Registry::TICK) == Err(RecvTimeoutError::Timeout) {
        let confirmed = registry.is_confirmed(Instant::now());
        if !confirmed {
            let ended = registry.stop(&StopReason::StoreLost, |_| true);
            if !lost || ended > 0 {
                tracing::error!(ended, "the store can't be asked for revocations: sessions are stopped");
            }
        }
        lost = !confirmed;
    }
}

struct Poller {
    watched: Box<dyn Store>,
    store: Keeper,
    registry: Arc<Registry>,
    changes: Arc<watch::Sender<u64>>,
    log: Arc<AuditLog>,
    clock: Clock,
    instance: u64,
    /// The last revocation that was carried out.
    after: u64,
    version: Option<u64>,
}

impl Poller {
    fn run(mut self, stopped: &Receiver<()>) {
        // Revocations from before this instance concern none of its sessions.
        let first = self.watched.revocations(0).map(|all| all.last().map_or(0, |(sequence, _)| *sequence));
        self.after = first.unwrap_or(0);
        let mut heartbeat: Option<Instant> = None;
        loop {
            if heartbeat.is_none_or(|last| last.elapsed() >= HEARTBEAT) {
                heartbeat = Some(Instant::now());
                self.beat();
            }
            let began = Instant::now();
            match self.look() {
                Ok(()) => self.registry.confirm(began),
                Err(error) => tracing::error!(%error, "the store can't be asked for revocations"),
            }
            if stopped.recv_timeout(POLL) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    fn look(&mut self) -> Result<(), StoreError> {
        for (sequence, revocation) in self.watched.revocations(self.after)? {
            carry_out(&self.registry, &self.log, &revocation);
            self.after = sequence;
        }
        let version = self.watched.version()?;
        if self.version.replace(version) != Some(version) {
            self.changes.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    fn beat(&self) {
        let (instance, now) = (self.instance, self.clock.millis());
        self.store.tell("say that this instance lives", move |store| {
            let withdrawn = store.heartbeat(instance, now)?;
            if withdrawn > 0 {
                tracing::info!(withdrawn, "withdrew what gateways that are gone had held");
            }
            Ok(())
        });
        if self.log.poison().is_some() {
            match self.log.heal() {
                Ok(()) => tracing::info!("the audit log can be written again"),
                Err(error) => tracing::error!(%error, "the audit log still can't be written"),
            }
        }
    }
}

/// Ends the sessions that a revocation names, and records how many there were.
pub(crate) fn carry_out(registry: &Registry, log: &AuditLog, revocation: &Revocation) -> usize {
    let Revocation { subject, by, reason, at } = revocation;
    let stop = StopReason::Revoked { by: by.as_str().into(), reason: reason.as_str().into() };
    // A user who is revoked and comes back is somebody's decision; the sessions meant are those of then.
    let opened_by = at.div_euclid(1000);
    let ended = registry.stop(&stop, |entry| {
        entry.stop.reached().is_none()
            && match subject {
                RevocationSubject::Session(id) => entry.id == *id,
                RevocationSubject::User(name) => *entry.principal.id == **name && entry.opened <= opened_by,
            }
    });
    let (of_session, of_principal) = match subject {
        RevocationSubject::Session(id) => (Some(id.to_string()), None),
        RevocationSubject::User(name) => (None, Some(name.as_str())),
    };
    let record = Record::Revocation(Revoked {
        of_session: of_session.map(Into::into),
        of_principal: of_principal.map(Into::into),
        by: by.as_str().into(),
        reason: Some(reason.as_str()).filter(|reason| !reason.is_empty()).map(Into::into),
        sessions: ended as u64,
    });
    if let Err(error) = log.append_one(&Scope::gateway(), &record) {
        tracing::error!(%error, "a revocation could not be recorded");
    }
    ended
}
