//! Listening, and what a connection goes through.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use policy_core::Principal;
use portcullis_gateway::listen::{Listeners, Unavailable};
use portcullis_gateway::throttle::Throttle;
use portcullis_gateway::turn_away::turn_away;
use portcullis_gateway::workers::{self, Connections};
use tokio::net::TcpStream;

use crate::cancel::{Registration, Registry};
use crate::connect;
use crate::exchange;
use crate::refuse::{Refusal, Severity, SqlState};
use crate::relay::{Judge, Relay, Transparent, Veil};
use crate::settings::Settings;
use crate::startup::{self, Arrival, Client};
use crate::transport::Transport;
use crate::wire::frontend::Caps;
use crate::wire::make;

/// Makes the judge and the veil of each session.
pub trait Policing: Send + Sync + 'static {
    /// Decides on the session's commands.
    type Judge: Judge + 'static;
    /// Sees the session's replies.
    type Veil: Veil<<Self::Judge as Judge>::Plan> + 'static;

    /// Opens a session, or refuses it.
    fn open(
        &self,
        opening: Opening<'_>,
    ) -> impl Future<Output = Result<(Self::Judge, Self::Veil), Refusal>> + Send;
}

/// A session that is about to begin: the user has proved a password, the target is not connected yet.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// Whether the client's leg is encrypted.
    pub is_encrypted: bool,
    /// Which target.
    pub target: &'a Arc<connect::Target>,
    /// From where.
    pub source: SocketAddr,
    /// The client's settings.
    pub parameters: &'a [(String, String)],
}

/// Polices nothing: every session is [`Transparent`]. For measuring the relay and testing it alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unpoliced;

impl Policing for Unpoliced {
    type Judge = Transparent;
    type Veil = Transparent;

    async fn open(&self, _: Opening<'_>) -> Result<(Transparent, Transparent), Refusal> {
        Ok((Transparent, Transparent))
    }
}

/// A gateway that listens.
pub struct Server<P> {
    listeners: Listeners,
    shared: Arc<Shared<P>>,
}

struct Shared<P> {
    settings: Arc<ArcSwap<Settings>>,
    policing: P,
    cancels: Arc<Registry>,
    throttle: Arc<Throttle>,
}

impl<P: Policing> Server<P> {
    /// Takes the addresses that it listens on. Within a tokio runtime only.
    ///
    /// # Errors
    /// Where one of them can't be had: none is taken then.
    pub fn bind(settings: Settings, policing: P) -> Result<Self, Unavailable> {
        let listeners = Listeners::bind(&settings.listen)?;
        let (cancels, throttle) = Default::default();
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        Ok(Self { listeners, shared: Arc::new(Shared { settings, policing, cancels, throttle }) })
    }

    /// Where it listens, in the order of [`Settings::listen`].
    ///
    /// # Errors
    /// Those of `getsockname`.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.addresses()
    }

    /// What replaces its settings while it serves.
    pub fn switch(&self) -> Switch {
        Switch(Arc::clone(&self.shared.settings))
    }

    /// Serves for ever, sessions on worker threads of their own. Dropping the future stops accepting; sessions that
    /// are open go on to their own end, and their workers with them.
    ///
    /// # Errors
    /// Where a worker can't be started.
    pub async fn serve(self) -> io::Result<()> {
        let count = self.shared.settings.load().limits.workers;
        workers::serve(self.listeners, self.shared, count).await
    }
}

/// Replaces a server's settings for those who connect from then on.
#[derive(Clone)]
pub struct Switch(Arc<ArcSwap<Settings>>);

impl Switch {
    /// Puts settings into force; where it listens and how many workers it has stays as it was.
    pub fn put(&self, settings: Settings) {
        self.0.store(Arc::new(settings));
    }
}

impl<P: Policing> Connections for Shared<P> {
    async fn carry(&self, stream: TcpStream, source: SocketAddr) {
        let settings = self.settings.load_full();
        let place = match self.throttle.enter(source.ip(), &settings.limits.bounds) {
            Ok(place) => place,
            Err(full) => {
                tracing::warn!(%source, reason = %full, "a client was turned away");
                let refusal = Refusal::new(SqlState::TOO_MANY, full.to_string()).hint("try again later");
                return turn_away(stream, |_| Some(refusal.encode(Severity::Fatal))).await;
            }
        };
        let login = startup::admit(stream, &settings, &place);
        let arrival = match tokio::time::timeout(settings.limits.login, login).await {
            Ok(Ok(arrival)) => arrival,
            Ok(Err(rejected)) => {
                if rejected.is_leaving() {
                    return tracing::debug!(%source, "a client left before it had logged in");
                }
                return tracing::info!(%source, reason = %rejected, "a connection was rejected");
            }
            Err(_) => return tracing::info!(%source, "a connection did not log in in time"),
        };
        match arrival {
            Arrival::Client(client) => self.session(client, source).await,
            Arrival::Cancel { mut transport, process, secret } => {
                if let Some(cancels) = self.cancels.find(process, &secret) {
                    cancels.cancel().await;
                }
                // Over TLS a client takes an end without a farewell for a failure.
                let farewell = tokio::io::AsyncWriteExt::shutdown(&mut transport);
                let _ = tokio::time::timeout(settings.limits.login, farewell).await;
            }
        }
    }
}

impl<P: Policing> Shared<P> {
    async fn session(&self, mut client: Client, source: SocketAddr) {
        let end = match self.prepare(&client, source).await {
            Ok(prepared) => self.relay(client.transport, prepared).await,
            Err(refusal) => startup::refuse(&mut client.transport, refusal).await.to_string(),
        };
        tracing::info!(%source, user = %client.principal.id, target = client.database, reason = end, "a session ended");
    }

    /// Everything that must be there before the client is told that it may begin.
    async fn prepare(&self, client: &Client, source: SocketAddr) -> Result<Prepared<P>, Refusal> {
        // Those of now: logging in may have taken its time.
        let settings = self.settings.load_full();
        let target = settings.targets.get(&client.database).ok_or_else(|| {
            Refusal::new(SqlState::NO_DATABASE, format!("no target is called `{}`", client.database))
                .hint("the database name chooses the target: ask the gateway's operator which there are")
        })?;
        let parameters = &client.parameters;
        let (principal, is_encrypted) = (&client.principal, client.is_encrypted);
        let opening = Opening { principal, is_encrypted, target, source, parameters };
        let policing = self.policing.open(opening).await?;
        let wanted: Vec<_> = parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let ready = connect::open(target, &wanted).await.map_err(|unready| {
            tracing::warn!(target = target.name, reason = %unready, "a target was not ready");
            unready.tell(&target.name)
        })?;
        let registration =
            self.cancels.register(client.key_length, target.clone(), ready.key).ok_or_else(|| {
                Refusal::new(SqlState::SHUTDOWN, "the gateway has no random bytes for a cancel key")
            })?;
        let limits = (settings.limits.caps, settings.limits.idle);
        Ok(Prepared { policing, registration, limits, target: ready.transport, settings: ready.settings })
    }

    async fn relay(&self, mut client: Transport, prepared: Prepared<P>) -> String {
        let Prepared { policing, registration, limits, target, settings: mut greeting } = prepared;
        make::message(&mut greeting, b'K', |out| {
            out.extend_from_slice(&registration.key.process.to_be_bytes());
            out.extend_from_slice(&registration.key.secret);
        });
        make::message(&mut greeting, b'Z', |out| out.push(b'I'));
        if let Err(error) = exchange::send(&mut client, &greeting).await {
            return error.to_string();
        }
        Relay::new((client, target), limits, policing, registration.cancels.clone()).run().await.to_string()
    }
}

struct Prepared<P: Policing> {
    policing: (P::Judge, P::Veil),
    registration: Registration,
    /// The longest messages that are assembled, and how long the session may be idle.
    limits: (Caps, Option<Duration>),
    target: Transport,
    /// The target's settings, to be told to the client.
    settings: Vec<u8>,
}
