//! What all sessions of one instance share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use arc_swap::ArcSwap;
use policy_core::mask::MaskKey;
use policy_core::vocabulary::Capability;
use policy_core::{Action, ActionSet, Digest, Principal, Resource, Verb};
use portcullis_evidence::record::{Refused, SessionOpened, Statement as Words};
use portcullis_evidence::recording::Recorder;
use portcullis_evidence::{AuditLog, Record, Scope, Serialized, TextMark};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::watch;

use super::asked::{Asked, Stage, Statement, StatementParts};
use super::desk::Desk;
use super::hold::{Held, HoldNotice};
use super::judged::{Answer, bound, in_words};
use super::live::{DetectorCache, Live};
use super::refusal::Refusal;
use super::session::{Session, evaluate};
use crate::clock::Clock;
use crate::config::{Config, TargetConfig};
use crate::identity::{Identified, IdentitySource, Patient, Proof};
use crate::limits::Limiter;
use crate::policies::Policies;
use crate::reload::Reloading;
use crate::session::{Entry, Registry, SessionId, Stop, StopReason};
use crate::store::{BoundTo, Keeper, SessionRow, Store};
use crate::telemetry::Metrics;
use crate::watch::{Watch, looking};

/// One running instance; cheap to clone.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: ArcSwap<Config>,
    pub(crate) reloading: Reloading,
    pub(crate) clock: Clock,
    pub(crate) policies: Policies,
    pub(crate) identity: Arc<dyn IdentitySource>,
    pub(crate) store: Keeper,
    pub(crate) log: Arc<AuditLog>,
    pub(crate) recorder: Recorder,
    /// Where sessions write.
    pub(crate) desk: Desk,
    pub(crate) registry: Arc<Registry>,
    pub(crate) limiter: Limiter,
    /// Counts up whenever approvals may have changed, here or in another instance.
    pub(crate) changes: Arc<watch::Sender<u64>>,
    /// Commands that wait for approval.
    pub(crate) held: Arc<AtomicUsize>,
    /// Names this instance among those that share the store.
    pub(crate) instance: u64,
    pub(crate) metrics: Metrics,
    pub(super) detectors: DetectorCache,
    mask_key: MaskKey,
    digest_key: hmac::Key,
    _watch: Watch,
}

/// What a gateway is made of. [`Gateway::start`] makes it from a configuration.
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// The time of day.
    pub clock: Clock,
    /// The policy in force.
    pub policies: Policies,
    /// Where accounts come from.
    pub identity: Arc<dyn IdentitySource>,
    /// The store.
    pub store: Keeper,
    /// Another connection to the same store, to look for revocations by.
    pub watched: Box<dyn Store>,
    /// The audit log.
    pub log: Arc<AuditLog>,
    /// Writes recordings.
    pub recorder: Recorder,
    /// Keys the digests of statements; the same for as long as evidence is to be comparable.
    pub digest_key: [u8; 32],
}

/// A client that has proven who it is and wants to reach a target.
#[derive(Debug)]
pub struct Opening<'a> {
    /// Who.
    pub principal: Principal,
    /// What.
    pub target: &'a Arc<TargetConfig>,
    /// Where from.
    pub source: Option<SocketAddr>,
    /// What the client calls itself, untrusted.
    pub client: &'a str,
    /// What proved the principal: `"scram-sha-256".into()` where it lasts as long as the account.
    pub proven_by: Proof,
    /// Whether the client's leg is encrypted.
    pub tls: bool,
}

impl Gateway {
    /// Puts an instance together, and starts the threads that look for revocations.
    ///
    /// # Errors
    /// Where the system has no thread or no randomness to give.
    pub fn assemble(parts: Parts) -> Result<Self, std::io::Error> {
        let registry = Arc::new(Registry::new());
        let changes = Arc::new(watch::Sender::new(0));
        let instance = random()?;
        let desk = Desk::open(Arc::clone(&parts.log), Arc::clone(&registry))?;
        let watch = Watch::start(
            looking(parts.watched),
            parts.store.clone(),
            Arc::clone(&registry),
            Arc::clone(&changes),
            &parts.log,
            parts.clock.clone(),
            instance,
        )?;
        let limiter = Limiter::new(parts.store.clone(), parts.clock.clone());
        let digest_key = hmac::Key::new(hmac::HMAC_SHA256, &parts.digest_key);
        let shared = Shared {
            config: ArcSwap::from_pointee(parts.config),
            reloading: Reloading::default(),
            policies: parts.policies,
            identity: Arc::new(Patient(parts.identity)),
            log: parts.log,
            recorder: parts.recorder,
            desk,
            limiter,
            registry,
            changes,
            held: Arc::new(AtomicUsize::new(0)),
            metrics: Metrics::default(),
            instance,
            detectors: DetectorCache::default(),
            mask_key: MaskKey::new(&derive(&digest_key, "masks")).map_err(std::io::Error::other)?,
            digest_key,
            _watch: watch,
            clock: parts.clock,
            store: parts.store,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.shared.config.load_full()
    }

    /// The policy in force.
    pub fn policies(&self) -> &Policies {
        &self.shared.policies
    }

    /// Where accounts come from.
    pub fn identity(&self) -> &Arc<dyn IdentitySource> {
        &self.shared.identity
    }

    /// The store that instances share.
    pub fn store(&self) -> &Keeper {
        &self.shared.store
    }

    /// The audit log of this instance.
    pub fn log(&self) -> &Arc<AuditLog> {
        &self.shared.log
    }

    /// The live sessions of this instance.
    pub fn sessions(&self) -> &Registry {
        &self.shared.registry
    }

    /// Judges `connect` and registers the session. A hold on `connect` waits here: `notify` is told about it,
    /// and dropping the future withdraws it, where approvals are bound to the session.
    ///
    /// # Errors
    /// The refusal, to be told to the client.
    pub async fn open_session(
        &self,
        opening: Opening<'_>,
        notify: &mut (dyn FnMut(&HoldNotice) + Send),
    ) -> Result<Session, Refusal> {
        let id = SessionId(random().map_err(|error| Refusal::unavailable(error.to_string()))?);
        let principal = Arc::new(opening.principal);
        let target = Arc::clone(&opening.target.subject);
        let entry = Arc::new(Entry {
            id,
            principal: Arc::clone(&principal),
            proof: opening.proven_by,
            target: Arc::clone(&target),
            source: opening.source.map(|source| source.ip()),
            client: opening.client.into(),
            opened: self.shared.clock.seconds(),
            stop: Arc::new(Stop::default()),
            commands: AtomicU64::new(0),
            audience: Default::default(),
        });
        let scope = Scope::session(&id.to_string(), &principal.id, &target.name);
        let ink = self.shared.desk.place(scope);
        // Whose clients may come back is told by the protocol, as it is to rules that say when they are answered.
        let comes_back = self.shared.policies.current().policy.can(&target.protocol, Capability::ComeBack);
        let bound_to = if comes_back { BoundTo::Principal } else { BoundTo::Session };
        let live = Arc::new(Live::new(Arc::clone(&entry), ink, Arc::clone(&self.shared), bound_to));
        // Registered before anything is asked, so that no revocation from here on is missed.
        let registered =
            Registered { entry: Arc::clone(&entry), gateway: Arc::clone(&self.shared), keep: false };
        self.shared.registry.insert(Arc::clone(&entry));
        self.still_there(&entry)?;
        self.still_proven(&entry).await?;

        let source = opening.source.map(|source| source.to_string()).unwrap_or_default();
        let judged = evaluate(&live, &connect(), Stage::Execute, &[])?;
        let connecting = Arc::clone(&judged);
        match &judged.answer {
            Answer::Allow => {}
            Answer::Deny(refusal) => {
                self.refused("policy", Some(&principal.id), Some(&target.name), &source, &refusal.message);
                return Err(refusal.clone());
            }
            Answer::Hold => self.wait_to_connect(&live, judged, notify).await?,
        }
        let row = SessionRow {
            id,
            instance: self.shared.instance,
            principal: principal.id.to_string(),
            target: target.name.to_string(),
            source: source.clone(),
            client: opening.client.to_owned(),
            opened: self.shared.clock.millis(),
        };
        let stored = self.shared.store.ask(move |store| store.open_session(&row)).await;
        stored.map_err(|error| Refusal::unavailable(error.to_string()))?;
        live.write(&Record::SessionOpened(SessionOpened {
            protocol: target.protocol.as_str().into(),
            principal_kind: principal.kind.as_str().into(),
            groups: principal
                .groups
                .as_ref()
                .map(|groups| groups.iter().map(|group| (&**group).into()).collect()),
            owner: principal.owner.as_deref().map(Into::into),
            proven_by: entry.proof.as_str().into(),
            token: entry.proof.token(),
            source: source.into(),
            client: Some(opening.client.into())
                .filter(|client: &std::borrow::Cow<'_, str>| !client.is_empty()),
            tls: opening.tls,
            policy: self.shared.policies.current().policy.digest().to_string().into(),
            rule: None,
        }))?;
        live.begin_recording(&connecting)?;
        if let Some(reason) = entry.stop.reached() {
            return Err(Refusal::stopped(reason));
        }
        self.shared.metrics.sessions_opened.inc();
        registered.keep();
        Ok(Session::new(live))
    }

    /// The target may have been removed since it was looked up, and the sessions with it been ended. From here on this one
    /// would be.
    fn still_there(&self, entry: &Entry) -> Result<(), Refusal> {
        let target = &entry.target;
        match self.shared.config.load().target(&target.protocol, &target.name) {
            Some(_) => Ok(()),
            None => Err(Refusal::stopped(&StopReason::TargetRemoved(target.name.clone()))),
        }
    }

    /// An account, a token or a certificate may have ended since it was looked at, and its revocation been carried out.
    /// From here on the registry hears of it.
    async fn still_proven(&self, entry: &Entry) -> Result<(), Refusal> {
        let who = Identified { principal: (*entry.principal).clone(), proof: entry.proof.clone() };
        match self.shared.identity.still(&who).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Refusal::stopped(&StopReason::Expired)),
            Err(error) => Err(Refusal::unavailable(error.to_string())),
        }
    }

    async fn wait_to_connect(
        &self,
        live: &Arc<Live>,
        judged: Arc<super::judged::Judged>,
        notify: &mut (dyn FnMut(&HoldNotice) + Send),
    ) -> Result<(), Refusal> {
        let target = &live.entry.target;
        let text = format!("connect to {}", target.name);
        let statement = self.statement(StatementParts {
            protocol: &target.protocol,
            raw: &text,
            shown: &text,
            actions: &Arc::new(connect()),
            definitions: &[],
        })?;
        let asked = Asked::new(&statement, Stage::Execute, "connect");
        let mut held = Held::new(Arc::clone(live), judged, &asked, 0)?;
        notify(&held.open().await?);
        held.wait().await?.permit.forward().outcome(super::Outcome::default());
        Ok(())
    }

    /// Records a client that was turned away before it had a session. `stage` says how far it came: `tls`, `startup`,
    /// `authentication`, `target`, `policy`, `capacity`.
    pub fn refused(
        &self,
        stage: &str,
        claimed: Option<&str>,
        wanted: Option<&str>,
        source: &str,
        reason: &str,
    ) {
        self.shared.metrics.clients_refused.inc();
        let record = Record::Refused(Refused {
            stage: stage.into(),
            claimed: claimed.map(Into::into),
            wanted: wanted.map(Into::into),
            source: source.into(),
            reason: reason.into(),
        });
        if let Err(error) = self.shared.log.append_one(&Scope::gateway(), &record) {
            tracing::error!(%error, "a refused client could not be recorded");
        }
    }

    /// Makes a statement that sessions can be asked about.
    ///
    /// # Errors
    /// Where its description can't be written down; it must then be refused.
    pub fn statement(&self, parts: StatementParts<'_>) -> Result<Arc<Statement>, Refusal> {
        let digest = self.digest(&[parts.raw.as_bytes(), parts.definitions]);
        let current = self.shared.policies.current();
        let spelling = current.policy.spelling(parts.protocol);
        let actions =
            parts.actions.iter().take(SHOWN_ACTIONS).map(|action| in_words(action, spelling).into());
        let words = Serialized::new(&Words { digest: digest.into(), actions: actions.collect() })
            .map_err(|error| Refusal::unavailable(format!("the statement can't be recorded: {error}")))?;
        Ok(Arc::new(Statement {
            bound: bound(parts.actions),
            actions: Arc::clone(parts.actions),
            raw: parts.raw.into(),
            shown: parts.shown.into(),
            digest,
            words,
            mark: TextMark::default(),
        }))
    }

    /// Keys the masks' hash transform. The same after a restart, so that equal values stay equal.
    pub fn mask_key(&self) -> &MaskKey {
        &self.shared.mask_key
    }

    /// The digest of some byte strings in order, keyed by this installation's secret.
    pub fn digest(&self, parts: &[&[u8]]) -> Digest {
        self.shared.digest(parts)
    }
}

/// The most actions of a statement that evidence names.
const SHOWN_ACTIONS: usize = 100;

impl Shared {
    pub(crate) fn digest(&self, parts: &[&[u8]]) -> Digest {
        Digest(digest(&self.digest_key, parts))
    }

    pub(super) fn mask_key(&self) -> &MaskKey {
        &self.mask_key
    }
}

/// A key for one purpose.
fn derive(key: &hmac::Key, purpose: &str) -> [u8; 32] {
    digest(key, &[b"derived key", purpose.as_bytes()])
}

fn digest(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        // Lengths keep ["ab", "c"] and ["a", "bc"] apart.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
    digest
}

/// The action of opening a session.
pub(super) fn connect() -> ActionSet {
    ActionSet::new([Action::new(Verb::CONNECT, Resource::None)])
}

fn random() -> Result<u64, std::io::Error> {
    let mut bytes = [0; 8];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| std::io::Error::other("the system has no randomness"))?;
    Ok(u64::from_be_bytes(bytes))
}

/// Takes a session out of the registry again, unless it comes to life.
struct Registered {
    entry: Arc<Entry>,
    gateway: Arc<Shared>,
    keep: bool,
}

impl Registered {
    fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if !self.keep {
            let id = self.entry.id;
            self.gateway.registry.remove(id);
            self.gateway.store.tell("close a session", move |store| store.close_session(id));
        }
    }
}
