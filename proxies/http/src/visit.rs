//! One client's connection: who it has proven to be, and its sessions, one a principal and target.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex as Sync, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use policy_core::{Principal, Protocol};
use portcullis_gateway::enforce::{Gateway, Opening, Refusal, RefusalKind, Session, Tape};
use portcullis_gateway::identity::{Identified, Proof};
use portcullis_gateway::session::Stop;
use portcullis_gateway::throttle::{Attempt, Full, Place};
use rustls_pki_types::CertificateDer;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use crate::activity::Activity;
use crate::connect::Way;
use crate::dialect::{LookedAt, Looking};
use crate::known::Known;
use crate::login::{self, Proven, Refused, Shown};
use crate::settings::Settings;
use crate::traffic::Traffic;
use crate::tunnel::Tunnel;

/// The most accounts, and the most sessions, of one connection.
const MOST: usize = 64;

/// How long an account is taken for what it was.
const FRESH: Duration = Duration::from_secs(2);

/// How long an answer may go on once its session was stopped. It ends by itself when its client takes more of it.
const GRACE: Duration = Duration::from_millis(500);

/// A principal, what proved it, and a target, whose name is its own within its protocol. What one token opened does not serve
/// another.
type Pair = (Box<str>, Proof, (Protocol, Box<str>));

/// A connection.
pub(crate) struct Visit {
    pub(crate) gateway: Gateway,
    settings: Arc<ArcSwap<Settings>>,
    pub(crate) arrival: Arrival,
    /// By the digest of what was shown: the same is not proven twice.
    proven: Sync<HashMap<[u8; 32], Remembered>>,
    sessions: Sync<HashMap<Pair, Seat>>,
    /// What the connection has turned into.
    tunnel: Sync<Option<Tunnel>>,
    pub(crate) looking: Arc<Looking>,
    pub(crate) activity: Arc<Activity>,
}

/// How a client came.
pub(crate) struct Arrival {
    pub(crate) source: SocketAddr,
    pub(crate) came_to: SocketAddr,
    pub(crate) is_encrypted: bool,
    /// The certificate that TLS has verified, where it was shown one.
    pub(crate) certificate: Option<CertificateDer<'static>>,
    pub(crate) place: Place,
}

/// A session, or the place where one is being opened: who else asks for it waits.
type Slot = Arc<Mutex<Option<Arc<Open>>>>;

/// A slot, and when it was last asked for.
struct Seat {
    slot: Slot,
    used: Instant,
}

impl Seat {
    /// Whether no request goes by it.
    fn is_idle(&self) -> bool {
        let is_alone = Arc::strong_count(&self.slot) == 1;
        is_alone
            && self
                .slot
                .try_lock()
                .is_ok_and(|open| open.as_ref().is_none_or(|it| Arc::strong_count(it) == 1))
    }
}

/// Somebody who was proven, as the account was at a time.
#[derive(Clone)]
struct Remembered {
    proven: Proven,
    at: Instant,
}

/// One principal's session with one target.
pub(crate) struct Open {
    who: Arc<Identified>,
    /// The principal, and whom an agent acts for.
    pub(crate) whose: Box<str>,
    /// What it leads to: a target that has been changed is another.
    way: Arc<Way>,
    /// Judges; one request at a time.
    pub(crate) session: Mutex<Session>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) tape: Tape,
    pub(crate) known: Known,
    pub(crate) traffic: Traffic,
    /// Held by each answer on its way, too.
    pub(crate) answers: Arc<()>,
    watch: AbortHandle,
}

impl Visit {
    pub(crate) fn new(
        gateway: Gateway,
        settings: Arc<ArcSwap<Settings>>,
        looking: Arc<Looking>,
        arrival: Arrival,
    ) -> Self {
        let (proven, sessions, tunnel) = Default::default();
        let activity = Activity::new();
        Self { gateway, settings, arrival, proven, sessions, tunnel, looking, activity }
    }

    /// What is in force now. A connection may be older than it: what was removed is not reached by one from before.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// What the policy in force looks at.
    pub(crate) fn looked_at(&self) -> Arc<LookedAt> {
        self.looking.at(&self.gateway.policies().current())
    }

    /// Who sends a request that shows this.
    pub(crate) async fn who(&self, shown: Result<Shown<'_>, Refused>) -> Result<Arc<Identified>, Refused> {
        let shown = match shown {
            // Shown twice, or at too great length: a guess like another.
            Err(Refused::Unproven { .. }) => {
                return Err(self.guessed(self.attempt().await?, None, "the credentials can't be read"));
            }
            shown => shown?,
        };
        let digest = shown.key();
        let known = self.known().get(&digest).cloned();
        if let Some(Remembered { proven, at }) = known {
            if at.elapsed() < FRESH {
                return Ok(proven.who);
            }
            let now = proven.still(&**self.gateway.identity()).await?;
            return match now {
                Some(proven) => Ok(self.know(digest, proven)),
                None => {
                    self.known().remove(&digest);
                    Err(Refused::Unproven { claimed: None })
                }
            };
        }
        let attempt = self.attempt().await?;
        match login::prove(&**self.gateway.identity(), shown).await {
            Err(Refused::Unproven { claimed }) => {
                Err(self.guessed(attempt, claimed, "the credentials prove nobody"))
            }
            proven => Ok(self.know(digest, proven?)),
        }
    }

    /// An attempt to prove something, where one may still fail.
    async fn attempt(&self) -> Result<Attempt<'_>, Refused> {
        Ok(self.arrival.place.attempt().await.ok_or(Full::Failures)?)
    }

    fn guessed(&self, attempt: Attempt<'_>, claimed: Option<Box<str>>, why: &str) -> Refused {
        attempt.failed();
        let source = self.arrival.source.to_string();
        tracing::info!(source, claimed, why, "somebody is not let in");
        self.gateway.refused("authentication", claimed.as_deref(), None, &source, why);
        Refused::Unproven { claimed }
    }

    fn know(&self, digest: [u8; 32], proven: Proven) -> Arc<Identified> {
        let mut known = self.known();
        if known.len() >= MOST {
            known.clear();
        }
        let who = Arc::clone(&proven.who);
        known.insert(digest, Remembered { proven, at: Instant::now() });
        who
    }

    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], Remembered>> {
        // Every change is one call, so a panic elsewhere leaves it whole.
        self.proven.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of this principal with this target; opened, which may be held, where there is none yet.
    pub(crate) async fn session(&self, who: &Arc<Identified>, way: &Arc<Way>) -> Result<Arc<Open>, Refusal> {
        let Identified { principal, proof } = &**who;
        let subject = &way.config.subject;
        let target = (subject.protocol.clone(), subject.name.clone());
        let slot = self.slot((principal.id.clone(), proof.clone(), target))?;
        let mut slot = slot.lock().await;
        if let Some(open) = &*slot {
            if open.stop.reached().is_none() && open.who == *who && Arc::ptr_eq(&open.way, way) {
                return Ok(Arc::clone(open));
            }
            // It was stopped, or the account or the target is not what it was.
            *slot = None;
        }
        // Whoever was sent away does not come back by what is remembered, to this target or another.
        self.still_there(who).await?;
        let opening = Opening {
            principal: principal.clone(),
            target: &way.config,
            source: Some(self.arrival.source),
            client: "",
            proven_by: proof.clone(),
            tls: self.arrival.is_encrypted,
        };
        let session = self.gateway.open_session(opening, &mut |_| {}).await?;
        let answers = Arc::new(());
        let ending = cut(Arc::clone(session.stop()), Arc::clone(&answers), Arc::clone(&self.activity));
        let open = Arc::new(Open {
            answers,
            watch: tokio::spawn(ending).abort_handle(),
            who: Arc::clone(who),
            whose: whose(principal),
            way: Arc::clone(way),
            stop: Arc::clone(session.stop()),
            tape: session.tape(),
            known: Known::default(),
            traffic: Traffic::default(),
            session: Mutex::new(session),
        });
        *slot = Some(Arc::clone(&open));
        Ok(open)
    }

    /// The place of a session. Where there are as many as may be, the one that was idle longest ends.
    fn slot(&self, name: Pair) -> Result<Slot, Refusal> {
        let mut sessions = self.sessions();
        if sessions.len() >= MOST && !sessions.contains_key(&name) {
            // Whoever would use one of them waits for the lock.
            let idle = sessions.iter().filter(|(_, seat)| seat.is_idle());
            let Some(longest) = idle.min_by_key(|(_, seat)| seat.used).map(|(name, _)| name.clone()) else {
                return Err(Refusal {
                    kind: RefusalKind::Unavailable,
                    rule: None,
                    message: format!("{MOST} sessions of this connection are in use").into(),
                    hint: "wait for an answer, or use another connection".into(),
                });
            };
            sessions.remove(&longest);
        }
        let new = || Seat { slot: Slot::default(), used: Instant::now() };
        let seat = sessions.entry(name).or_insert_with(new);
        seat.used = Instant::now();
        Ok(Arc::clone(&seat.slot))
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Pair, Seat>> {
        // Every change is one call, so a panic elsewhere leaves it whole.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the connection turn into something else, once the answer that says so is sent.
    pub(crate) fn turn_into(&self, tunnel: Tunnel) {
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
    }

    /// What the connection has turned into.
    pub(crate) fn take_tunnel(&self) -> Option<Tunnel> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the account is as it is remembered.
    async fn still_there(&self, who: &Identified) -> Result<(), Refusal> {
        let now = self.gateway.identity().still(who).await;
        if matches!(&now, Ok(Some(now)) if now == who) {
            return Ok(());
        }
        self.known().clear();
        Err(Refusal {
            kind: RefusalKind::Stopped,
            rule: None,
            message: "the account is not what it was when it was proven".into(),
            hint: "connect again, if you may".into(),
        })
    }

    /// Notes that the connection is over.
    pub(crate) async fn end(&self, reason: &str) {
        let sessions = std::mem::take(&mut *self.sessions());
        for Seat { slot, .. } in sessions.into_values() {
            if let Some(open) = slot.lock().await.take() {
                open.session.lock().await.ended(open.traffic.closing(reason));
            }
        }
    }
}

/// Names whose a session is; agents of one name that act for different people are two.
fn whose(Principal { id, owner, .. }: &Principal) -> Box<str> {
    // No name has this in it.
    owner.as_deref().map_or_else(|| id.clone(), |owner| format!("{id}\0{owner}").into())
}

/// Ends the connection where an answer does not end with its session: whoever reads nothing is asked for nothing more, and hears of no end.
async fn cut(stop: Arc<Stop>, answers: Arc<()>, activity: Arc<Activity>) {
    stop.wait().await;
    tokio::time::sleep(GRACE).await;
    // The session and this hold it, and nobody else.
    if Arc::strong_count(&answers) > 2 {
        activity.cut();
    }
}

impl Drop for Open {
    /// Its connection goes on without it. It ends with the last of its requests: until then it can be stopped.
    fn drop(&mut self) {
        self.watch.abort();
        let stopped = self.stop.reached().map(ToString::to_string);
        let reason = stopped.as_deref().unwrap_or("another took its place");
        self.session.get_mut().ended(self.traffic.closing(reason));
    }
}
