//! One client's connection: who it is, what it reaches, and what all its channels share.
//!
//! ```text
//! Connecting ── the policy holds `connect` ──→ Held ─┐
//!     │                                              │
//!     ├──────────── admitted, the target is open ────┴──→ Ready
//!     └──────────── refused, or the target is not ready ──→ Refused
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portcullis_gateway::enforce::{Closing, Gateway, Opening, Session, Tape};
use portcullis_gateway::session::{Stop, StopReason};
use russh::client::Handle;
use russh::server;
use tokio::sync::{Notify, watch};

use crate::connect::{self, Granting, Grants, TargetSide, Way};
use crate::flow::Flow;
use crate::login::Proven;
use crate::login::certificate::Permits;
use crate::tasks::{self, Tasks};

/// How long channels may take to say goodbye when the session is stopped.
const GOODBYE: Duration = Duration::from_millis(300);

/// How long a client that was refused may take to leave.
const LEAVE: Duration = Duration::from_secs(10);

/// How far a connection has come.
#[derive(Clone)]
pub(crate) enum Readiness {
    Connecting,
    /// It waits for approval; the words are for the client.
    Held(Arc<str>),
    Ready(Arc<Open>),
    /// It goes no further.
    Refused(Turned),
}

/// Why a connection goes no further.
#[derive(Clone)]
pub(crate) struct Turned {
    /// For the client.
    pub(crate) words: Arc<str>,
    /// Whether somebody decided so, rather than something having failed.
    pub(crate) is_decided: bool,
}

impl Turned {
    fn refused(words: String) -> Self {
        Self { words: words.into(), is_decided: true }
    }

    fn failed(words: String) -> Self {
        Self { words: words.into(), is_decided: false }
    }
}

/// A session whose target is open.
pub(crate) struct Open {
    pub(crate) gateway: Gateway,
    /// Judges; one command at a time.
    pub(crate) session: tokio::sync::Mutex<Session>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) tape: Tape,
    pub(crate) way: Arc<Way>,
    pub(crate) target: Handle<TargetSide>,
    pub(crate) grants: Arc<Grants>,
    /// Where relative paths begin on the target, once somebody has asked.
    pub(crate) home: tokio::sync::OnceCell<Option<String>>,
    pub(crate) traffic: Traffic,
}

/// What has flowed, and when last.
#[derive(Debug)]
pub(crate) struct Traffic {
    began: Instant,
    from_client: AtomicU64,
    to_client: AtomicU64,
    /// Milliseconds after `began` of the latest byte in either direction.
    latest: AtomicU64,
    held: AtomicUsize,
}

impl Traffic {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            from_client: AtomicU64::new(0),
            to_client: AtomicU64::new(0),
            latest: AtomicU64::new(0),
            held: AtomicUsize::new(0),
        }
    }

    pub(crate) fn count_input(&self, bytes: usize) {
        self.note(&self.from_client, bytes);
    }

    pub(crate) fn count_output(&self, bytes: usize) {
        self.note(&self.to_client, bytes);
    }

    fn note(&self, count: &AtomicU64, bytes: usize) {
        count.fetch_add(bytes as u64, Ordering::Relaxed);
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.latest.store(now, Ordering::Relaxed);
    }

    /// Nothing that waits for approval counts as idle.
    pub(crate) fn holds(&self) -> Holding<'_> {
        self.held.fetch_add(1, Ordering::Relaxed);
        Holding(self)
    }

    /// How long nothing has moved; nothing while something is held.
    fn idle_for(&self) -> Option<Duration> {
        if self.held.load(Ordering::Relaxed) > 0 {
            return None;
        }
        Some(self.began.elapsed().saturating_sub(Duration::from_millis(self.latest.load(Ordering::Relaxed))))
    }
}

/// Something waits for approval while this lives.
pub(crate) struct Holding<'a>(&'a Traffic);

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
        self.0.note(&self.0.to_client, 0);
    }
}

/// One client's connection, once it has logged in.
pub(crate) struct Bastion {
    /// Who, and what they asked for: for the log.
    pub(crate) account: Box<str>,
    pub(crate) target: Box<str>,
    pub(crate) client: server::Handle,
    pub(crate) force_command: Option<String>,
    pub(crate) permits: Permits,
    readiness: watch::Receiver<Readiness>,
    /// Ends with the connection: what it holds is withdrawn.
    establishing: tokio::task::JoinHandle<()>,
    channels: AtomicUsize,
    left: Notify,
    /// Its channels and tunnels.
    pub(crate) tasks: Arc<Tasks>,
}

/// What [`Bastion::begin`] is made of.
pub(crate) struct Arrival {
    pub(crate) gateway: Gateway,
    pub(crate) proven: Proven,
    /// `None` where no target of this name is served.
    pub(crate) way: Option<Arc<Way>>,
    pub(crate) client: server::Handle,
    pub(crate) source: SocketAddr,
    /// How much of what the client sends waits.
    pub(crate) flow: Arc<Flow>,
    /// What the client calls itself.
    pub(crate) program: String,
}

impl Bastion {
    /// Begins to judge `connect` and to open the target.
    pub(crate) fn begin(arrival: Arrival) -> Arc<Self> {
        let (tell, readiness) = watch::channel(Readiness::Connecting);
        let client = arrival.client.clone();
        let force_command = arrival.proven.force_command.clone();
        let permits = arrival.proven.permits;
        let account = arrival.proven.principal.id.clone();
        let target = arrival.proven.target.clone().unwrap_or_default().into();
        let tasks = Arc::<Tasks>::default();
        let of_target = Arc::clone(&tasks);
        let establishing = tokio::spawn(async move {
            let end = match establish(arrival, of_target, &tell).await {
                Ok(open) => {
                    let open = Arc::new(open);
                    open.grants.belong_to(&open);
                    Readiness::Ready(open)
                }
                Err(turned) => Readiness::Refused(turned),
            };
            let _ = tell.send(end);
        });
        Arc::new(Self {
            account,
            target,
            client,
            force_command,
            permits,
            readiness,
            establishing,
            channels: AtomicUsize::new(0),
            left: Notify::new(),
            tasks,
        })
    }

    /// How far it has come, and what tells of changes.
    pub(crate) fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.clone()
    }

    /// The open session, where it has one.
    pub(crate) fn open(&self) -> Option<Arc<Open>> {
        match &*self.readiness.borrow() {
            Readiness::Ready(open) => Some(Arc::clone(open)),
            _ => None,
        }
    }

    /// A place for one channel more; none if it has too many.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Place> {
        if !self.tasks.has_room() {
            return None;
        }
        let before = self.channels.fetch_add(1, Ordering::AcqRel);
        let place = Place(Arc::clone(self));
        (before < tasks::MOST).then_some(place)
    }

    /// Resolves when the session must end, with the words for the client.
    pub(crate) async fn stopped(&self, idle: Option<Duration>) -> (String, &'static str) {
        let mut readiness = self.readiness();
        let open = loop {
            let now = readiness.borrow_and_update().clone();
            match now {
                Readiness::Ready(open) => break open,
                Readiness::Refused(turned) => {
                    // Its channels say so, and the client leaves when it has read that. Or is shown the door.
                    tokio::time::sleep(LEAVE).await;
                    return (turned.words.to_string(), "refused");
                }
                Readiness::Connecting | Readiness::Held(_) => {}
            }
            if readiness.changed().await.is_err() {
                return ("the session could not begin".to_owned(), "refused");
            }
        };
        let idle_out = async {
            let Some(limit) = idle else { return std::future::pending().await };
            loop {
                match open.traffic.idle_for() {
                    Some(so_far) if so_far >= limit => return,
                    so_far => tokio::time::sleep(limit.saturating_sub(so_far.unwrap_or_default())).await,
                }
            }
        };
        tokio::select! {
            reason = open.stop.wait() => (reason.to_string(), word(reason)),
            () = idle_out => ("the session was idle for too long".to_owned(), "idle"),
        }
    }

    /// Waits until the channels have told their clients why they end, but not for long.
    pub(crate) async fn goodbyes(&self) {
        let all_left = async {
            loop {
                let left = self.left.notified();
                if self.channels.load(Ordering::Acquire) == 0 {
                    return;
                }
                left.await;
            }
        };
        let _ = tokio::time::timeout(GOODBYE, all_left).await;
    }

    /// Notes that the connection is over.
    pub(crate) async fn end(&self, reason: &str) {
        self.establishing.abort();
        // Whoever still waits for a reader that has gone would wait for ever.
        self.tasks.end();
        let Some(open) = self.open() else { return };
        let closing = Closing {
            reason,
            bytes_in: open.traffic.from_client.load(Ordering::Relaxed),
            bytes_out: open.traffic.to_client.load(Ordering::Relaxed),
        };
        open.session.lock().await.ended(closing);
        let _ = open.target.disconnect(russh::Disconnect::ByApplication, "", "").await;
    }
}

/// A channel's place, given back when this is dropped.
pub(crate) struct Place(Arc<Bastion>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.channels.fetch_sub(1, Ordering::AcqRel);
        self.0.left.notify_waiters();
    }
}

/// Judges `connect`, then opens the target. The words of a refusal are for the client.
async fn establish(
    arrival: Arrival,
    tasks: Arc<Tasks>,
    tell: &watch::Sender<Readiness>,
) -> Result<Open, Turned> {
    let Arrival { gateway, proven, way, client, source, flow, program } = arrival;
    let account = proven.principal.id.clone();
    let turned_away = |stage: &str, words: &str| {
        gateway.refused(stage, Some(&account), proven.target.as_deref(), &source.to_string(), words);
    };
    let Some(way) = way else {
        let words = match &proven.target {
            Some(target) => format!("no target is called `{target}`"),
            None => "no target was named: connect as USER:TARGET, such as `ssh ana:web-1@gateway`".to_owned(),
        };
        turned_away("target", &words);
        return Err(Turned::refused(words));
    };
    let opening = Opening {
        principal: proven.principal.clone(),
        target: &way.config,
        source: Some(source),
        client: &program,
        proven_by: proven.by.into(),
        tls: true,
    };
    let mut notify = |notice: &portcullis_gateway::enforce::HoldNotice| {
        let _ = tell.send(Readiness::Held((&*notice.text).into()));
    };
    let mut session = gateway
        .open_session(opening, &mut notify)
        .await
        .map_err(|refusal| Turned::refused(format!("{}\n{}", refusal.message, refusal.hint)))?;
    let grants = Arc::new(Grants::default());
    let granting = Granting { grants: Arc::clone(&grants), client, client_flow: flow, tasks };
    let side = TargetSide::new(way.pins.clone(), Some(granting));
    let id = format!("portcullis session {} of {account}", session.id());
    let opened = tokio::select! {
        opened = connect::open(&way, side, &id) => opened,
        reason = session.stop().wait() => return Err(Turned::failed(reason.to_string())),
    };
    let target = match opened {
        Ok(target) => target,
        Err(unready) => {
            let words = format!("the target `{}` is not ready: {unready}", way.config.subject.name);
            tracing::warn!(target = &*way.config.subject.name, reason = %unready, "a target was not ready");
            session.ended(Closing { reason: &words, bytes_in: 0, bytes_out: 0 });
            return Err(Turned::failed(words));
        }
    };
    Ok(Open {
        stop: Arc::clone(session.stop()),
        tape: session.tape(),
        session: tokio::sync::Mutex::new(session),
        gateway,
        way,
        target,
        grants,
        home: tokio::sync::OnceCell::new(),
        traffic: Traffic::new(),
    })
}

/// A reason in one word, for evidence.
const fn word(reason: &StopReason) -> &'static str {
    match reason {
        StopReason::Revoked { .. } => "revoked",
        StopReason::StoreLost => "store lost",
        StopReason::EvidenceLost => "evidence lost",
        StopReason::Expired => "expired",
        StopReason::Draining => "drain",
        StopReason::TargetRemoved(_) => "target removed",
        StopReason::Noticed { .. } => "noticed",
    }
}
