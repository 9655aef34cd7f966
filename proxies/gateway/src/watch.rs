//! Looks for what other instances and people have changed in the store, and stops sessions when it can't.
//!
//! Two threads: one polls the store and may hang in it, the other only reads the time since the last good poll. Neither
//! takes part in carrying sessions, so a stuck worker can't keep a revocation from being noticed.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use portcullis_evidence::record::{Expired, Revocation as Revoked, Withdrawn};
use portcullis_evidence::{AuditLog, Record, Scope};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::session::{Entry, Registry, StopReason};
use crate::store::{Approval, ApprovalState, Keeper, Revocation, RevocationSubject, Store, StoreError};

/// How often the store is asked for revocations.
const POLL: Duration = Duration::from_millis(200);
/// How often the store is told that this instance lives.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// What is new in the store: revocations after a sequence number, and its version.
pub(crate) type Look = Box<dyn FnMut(u64) -> Result<News, StoreError> + Send>;

pub(crate) struct News {
    revocations: Vec<(u64, Revocation)>,
    version: u64,
}

/// Looks by a connection of its own.
pub(crate) fn looking(mut store: Box<dyn Store>) -> Look {
    Box::new(move |after| Ok(News { revocations: store.revocations(after)?, version: store.version()? }))
}

/// The threads; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    _stop: [mpsc::SyncSender<()>; 2],
    store: Keeper,
    instance: u64,
}

impl Watch {
    pub(crate) fn start(
        mut look: Look,
        store: Keeper,
        registry: Arc<Registry>,
        changes: Arc<watch::Sender<u64>>,
        log: &Arc<AuditLog>,
        clock: Clock,
        instance: u64,
    ) -> Result<Self, std::io::Error> {
        let (stop_poll, poll_stopped) = mpsc::sync_channel(0);
        let (stop_guard, guard_stopped) = mpsc::sync_channel(0);
        let guarded = Arc::clone(&registry);
        let log = Arc::downgrade(log);
        // Revocations from before this instance concern none of its sessions. Looked for before there can be any: one
        // that comes while the thread starts is carried out.
        let after = look(0).map_or(0, |news| news.revocations.last().map_or(0, |(sequence, _)| *sequence));
        registry.confirm(Instant::now());
        let heart = store.clone();
        let poller =
            Poller { look, store: heart, registry, changes, log, clock, instance, after, version: None };
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
    look: Look,
    store: Keeper,
    registry: Arc<Registry>,
    changes: Arc<watch::Sender<u64>>,
    /// Weak, so that the evidence directory is free as soon as the gateway is gone.
    log: Weak<AuditLog>,
    clock: Clock,
    instance: u64,
    /// The last revocation that was carried out.
    after: u64,
    version: Option<u64>,
}

impl Poller {
    fn run(mut self, stopped: &Receiver<()>) {
        let mut heartbeat: Option<Instant> = None;
        loop {
            if heartbeat.is_none_or(|last| last.elapsed() >= HEARTBEAT) {
                heartbeat = Some(Instant::now());
                self.beat();
            }
            let began = Instant::now();
            let now = self.clock.millis();
            self.registry.stop(&StopReason::Expired, |entry| entry.proof.has_expired(now));
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
        let News { revocations, version } = (self.look)(self.after)?;
        for (sequence, revocation) in revocations {
            carry_out(&self.registry, self.log.upgrade().as_deref(), &revocation);
            self.after = sequence;
        }
        if self.version.replace(version) != Some(version) {
            self.changes.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    fn beat(&self) {
        let (instance, now) = (self.instance, self.clock.millis());
        let log = self.log.clone();
        self.store.tell("say that this instance lives", move |store| {
            let withdrawn = store.heartbeat(instance, now)?;
            if withdrawn > 0 {
                tracing::info!(withdrawn, "withdrew what gateways that are gone had held");
            }
            let ended = store.ended_alone(now)?;
            if let Some(log) = log.upgrade() {
                ended.iter().for_each(|approval| tell_end(&log, approval));
            }
            Ok(())
        });
        if let Some(log) = self.log.upgrade().filter(|log| log.poison().is_some()) {
            match log.heal() {
                Ok(()) => tracing::info!("the audit log can be written again"),
                Err(error) => tracing::error!(%error, "the audit log still can't be written"),
            }
        }
    }
}

/// Ends the sessions that a revocation names, and records how many there were.
fn carry_out(registry: &Registry, log: Option<&AuditLog>, revocation: &Revocation) {
    let Revocation { subject, by, reason, at } = revocation;
    let stop = StopReason::Revoked { by: by.as_str().into(), reason: reason.as_str().into() };
    // A user who is revoked and comes back is somebody's decision; the sessions meant are those of then.
    let opened_by = at.div_euclid(1000);
    let is_of = |entry: &Entry, name: &str| {
        // Whoever acts for somebody acts no longer than they do.
        *entry.principal.id == *name || entry.principal.owner.as_deref() == Some(name)
    };
    let ended = registry.stop(&stop, |entry| {
        entry.stop.reached().is_none()
            && match subject {
                RevocationSubject::Session(id) => entry.id == *id,
                RevocationSubject::User(name) => is_of(entry, name) && entry.opened <= opened_by,
                RevocationSubject::Token(number) => entry.proof.token() == Some(*number),
            }
    });
    let (of_session, of_principal, of_token) = match subject {
        RevocationSubject::Session(id) => (Some(id.to_string()), None, None),
        RevocationSubject::User(name) => (None, Some(name.as_str()), None),
        RevocationSubject::Token(number) => (None, None, Some(number.to_string())),
    };
    let record = Record::Revocation(Revoked {
        of_session: of_session.map(Into::into),
        of_principal: of_principal.map(Into::into),
        of_token: of_token.map(Into::into),
        by: by.as_str().into(),
        reason: Some(reason.as_str()).filter(|reason| !reason.is_empty()).map(Into::into),
        sessions: ended as u64,
    });
    if let Some(Err(error)) = log.map(|log| log.append_one(&Scope::gateway(), &record)) {
        tracing::error!(%error, "a revocation could not be recorded");
    }
}

/// Records the end of an approval that no client waited for.
fn tell_end(log: &AuditLog, ended: &Approval) {
    let (approval, command) = (ended.number.to_string(), 0);
    let approval = approval.as_str().into();
    let record = match ended.state {
        ApprovalState::Expired => Record::Expired(Expired { approval, command }),
        _ => Record::Withdrawn(Withdrawn { approval, command, reason: ended.reason.as_str().into() }),
    };
    if let Err(error) = log.append_one(&Scope::gateway(), &record) {
        tracing::error!(%error, number = ended.number, "the end of an approval could not be recorded");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use portcullis_evidence::{LogOptions, SigningKey};

    use super::*;
    use crate::session::{SessionId, Stop};
    use crate::store::Sqlite;

    /// Whether looks succeed, fail, or never return.
    const GOOD: u8 = 0;
    const FAILING: u8 = 1;
    const HANGING: u8 = 2;

    async fn stopped_within_a_second(fault: u8) {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Sqlite::open(&directory.path().join("store.db")).expect("a store");
        let store = Keeper::start(Box::new(store)).expect("a thread");
        let key = SigningKey::load_or_create(directory.path()).expect("a key");
        let log =
            AuditLog::open(&directory.path().join("evidence"), key, LogOptions::default()).expect("a log");
        let log = Arc::new(log);
        let registry = Arc::new(Registry::new());
        let state = Arc::new(AtomicU8::new(GOOD));
        let told = Arc::clone(&state);
        let look: Look = Box::new(move |_| {
            loop {
                match told.load(Ordering::SeqCst) {
                    GOOD => return Ok(News { revocations: Vec::new(), version: 1 }),
                    FAILING => return Err(StoreError::Stopped),
                    _ => thread::park_timeout(Duration::from_millis(50)),
                }
            }
        });
        let changes = Arc::new(watch::Sender::new(0));
        let watch = Watch::start(look, store, Arc::clone(&registry), changes, &log, Clock::system(), 1);
        let _watch = watch.expect("threads");
        let stop = Arc::new(Stop::default());
        registry.insert(Arc::new(Entry {
            id: SessionId(1),
            principal: Arc::new(policy_core::Principal::human("ana", [] as [&str; 0])),
            proof: "password".into(),
            target: Arc::new(policy_core::Target {
                name: "shop".into(),
                protocol: policy_core::Protocol::POSTGRES,
                labels: std::collections::BTreeMap::new(),
            }),
            source: None,
            client: "".into(),
            opened: 0,
            stop: Arc::clone(&stop),
            commands: 0.into(),
            audience: Default::default(),
        }));
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(stop.reached(), None, "all is well");
        state.store(fault, Ordering::SeqCst);
        let since = Instant::now();
        let reason = tokio::time::timeout(Duration::from_secs(3), stop.wait()).await.expect("stopped");
        assert_eq!(*reason, StopReason::StoreLost);
        assert!(since.elapsed() < Duration::from_millis(1000), "{:?}", since.elapsed());
        state.store(GOOD, Ordering::SeqCst);
    }

    /// Whoever opens a session once this has started is revoked by what is stored from then on.
    #[test]
    fn what_is_old_is_looked_for_before_any_session_can_be_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Sqlite::open(&directory.path().join("store.db")).expect("a store");
        let store = Keeper::start(Box::new(store)).expect("a thread");
        let key = SigningKey::load_or_create(directory.path()).expect("a key");
        let log = AuditLog::open(&directory.path().join("evidence"), key, LogOptions::default());
        let log = Arc::new(log.expect("a log"));
        let here = thread::current().id();
        let looked = Arc::new(AtomicU8::new(0));
        let told = Arc::clone(&looked);
        let look: Look = Box::new(move |_| {
            told.fetch_add(u8::from(thread::current().id() == here), Ordering::SeqCst);
            Ok(News { revocations: Vec::new(), version: 1 })
        });
        let (registry, changes) = (Arc::new(Registry::new()), Arc::new(watch::Sender::new(0)));
        let _watch = Watch::start(look, store, registry, changes, &log, Clock::system(), 1).expect("threads");
        assert_eq!(looked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn sessions_stop_while_the_store_fails() {
        stopped_within_a_second(FAILING).await;
    }

    #[tokio::test]
    async fn sessions_stop_while_the_store_hangs() {
        stopped_within_a_second(HANGING).await;
    }
}
