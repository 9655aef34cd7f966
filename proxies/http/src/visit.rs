//! One client's connection: who it has proven to be, and its sessions, one a principal and target.
//!
//! - `proven`: whom it has proven; `seats`: the places of its sessions; `open`: one of them.

mod open;
mod proven;
mod seats;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use portcullis_gateway::enforce::{Gateway, Opening, Refusal, RefusalKind};
use portcullis_gateway::identity::Identified;
use portcullis_gateway::throttle::{Attempt, Full, Place};
use rustls_pki_types::CertificateDer;

use self::proven::Remembered;
use self::seats::Seats;
use crate::activity::Activity;
use crate::connect::Way;
use crate::dialect::{LookedAt, Looking};
use crate::login::{self, Refused, Shown};
use crate::settings::Settings;
use crate::tunnel::Tunnel;

pub(crate) use self::open::Open;

/// A connection.
pub(crate) struct Visit {
    pub(crate) gateway: Gateway,
    settings: Arc<ArcSwap<Settings>>,
    pub(crate) arrival: Arrival,
    proven: Remembered,
    sessions: Seats,
    /// What the connection has turned into.
    tunnel: Mutex<Option<Tunnel>>,
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
        if let Some(known) = self.proven.recall(&digest) {
            if known.is_fresh() {
                return Ok(known.proven.who);
            }
            let now = known.proven.still(&**self.gateway.identity()).await?;
            return match now {
                Some(proven) => Ok(self.proven.keep(digest, proven)),
                None => {
                    self.proven.forget(&digest);
                    Err(Refused::Unproven { claimed: None })
                }
            };
        }
        let attempt = self.attempt().await?;
        match login::prove(&**self.gateway.identity(), shown).await {
            Err(Refused::Unproven { claimed }) => {
                Err(self.guessed(attempt, claimed, "the credentials prove nobody"))
            }
            proven => Ok(self.proven.keep(digest, proven?)),
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

    /// The session of this principal with this target; opened, which may be held, where there is none yet.
    pub(crate) async fn session(&self, who: &Arc<Identified>, way: &Arc<Way>) -> Result<Arc<Open>, Refusal> {
        let Identified { principal, proof } = &**who;
        let subject = &way.config.subject;
        let target = (subject.protocol.clone(), subject.name.clone());
        let slot = self.sessions.of((principal.id.clone(), proof.clone(), target))?;
        let mut slot = slot.lock().await;
        if let Some(open) = &*slot {
            if open.still_serves(who, way) {
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
        let open = Arc::new(Open::new(session, who, way, &self.activity));
        *slot = Some(Arc::clone(&open));
        Ok(open)
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
        self.proven.forget_all();
        Err(Refusal {
            kind: RefusalKind::Stopped,
            rule: None,
            message: "the account is not what it was when it was proven".into(),
            hint: "connect again, if you may".into(),
        })
    }

    /// Notes that the connection is over.
    pub(crate) async fn end(&self, reason: &str) {
        self.sessions.end(reason).await;
    }
}
