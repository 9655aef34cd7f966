//! The client's leg, up to the moment that it is known who asks for what.

mod negotiate;
mod parameters;
mod scram;

use policy_core::Principal;
use portcullis_gateway::throttle::Place;
use tokio::net::TcpStream;

use crate::exchange::{self, Broken};
use crate::refuse::{Refusal, Severity, SqlState};
use crate::settings::Settings;
use crate::transport::Transport;
use crate::wire::Malformed;
use crate::wire::make;
use negotiate::Negotiated;

/// What a connection turned out to be.
pub(crate) enum Arrival {
    /// A client that proved who it is.
    Client(Client),
    /// A cancel request. Its connection is closed once it was carried on: that is how a client knows.
    Cancel { transport: Transport, process: u32, secret: Vec<u8> },
}

/// A client that proved who it is.
pub(crate) struct Client {
    pub(crate) transport: Transport,
    /// Whom it proved to be.
    pub(crate) principal: Principal,
    /// Whether its leg is encrypted.
    pub(crate) is_encrypted: bool,
    pub(crate) database: String,
    /// Settings for the target, each known to be safe.
    pub(crate) parameters: Vec<(String, String)>,
    /// Bytes of secret in its cancel key.
    pub(crate) key_length: usize,
}

/// Why a connection came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejected {
    #[error("{0}")]
    Broken(#[from] Broken),
    #[error("bytes came in plain text behind the request for encryption")]
    Stuffed,
    #[error("the TLS handshake failed: {0}")]
    Handshake(std::io::Error),
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The password was wrong, or there is no such user.
    #[error("password authentication failed for user `{0}`")]
    Password(String),
}

impl Rejected {
    /// Whether the client just went: a probe of the port, or `psql` that asks its user for the password and comes back.
    pub(crate) fn is_leaving(&self) -> bool {
        let gone = |error: &std::io::Error| {
            matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset)
        };
        matches!(self, Self::Broken(Broken::Io(error)) if gone(error))
    }
}

impl From<Malformed> for Rejected {
    fn from(malformed: Malformed) -> Self {
        Self::Broken(Broken::Malformed(malformed))
    }
}

impl From<std::io::Error> for Rejected {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(Broken::Io(error))
    }
}

/// Takes a connection from its first byte to a proven user. The caller bounds the time.
pub(crate) async fn admit(
    stream: TcpStream,
    settings: &Settings,
    place: &Place,
) -> Result<Arrival, Rejected> {
    let (mut transport, binding, packet) = match negotiate::negotiate(stream, settings).await? {
        Negotiated::Cancel { transport, process, secret } => {
            return Ok(Arrival::Cancel { transport, process, secret });
        }
        Negotiated::Startup { transport, binding, packet } => (transport, binding, packet),
    };
    let wish = match parameters::read(&packet) {
        Ok(wish) => wish,
        Err(refusal) => return Err(refuse(&mut transport, refusal).await),
    };
    if let Some(answer) = wish.negotiation() {
        exchange::send(&mut transport, &answer).await?;
    }
    let claim = match settings.identity.claim(&wish.user).await {
        Ok(claim) => claim,
        Err(error) => {
            tracing::error!(%error, "an account can't be looked up");
            let refusal = Refusal::new(SqlState::UNAVAILABLE, "accounts can't be looked up now");
            return Err(refuse(&mut transport, refusal).await);
        }
    };
    let is_encrypted = transport.is_buffered();
    let principal = scram::verify(&mut transport, &wish.user, claim, binding, place).await?;
    let mut ok = Vec::with_capacity(9);
    make::message(&mut ok, b'R', |out| out.extend_from_slice(&[0; 4]));
    exchange::send(&mut transport, &ok).await?;
    let key_length = if wish.minor >= 2 { 32 } else { 4 };
    Ok(Arrival::Client(Client {
        transport,
        principal,
        is_encrypted,
        database: wish.database,
        parameters: wish.parameters,
        key_length,
    }))
}

/// Tells a client why it can't have a session, as far as it listens.
pub(crate) async fn refuse(transport: &mut Transport, refusal: Refusal) -> Rejected {
    let _ = exchange::send(transport, &refusal.encode(Severity::Fatal)).await;
    let _ = tokio::io::AsyncWriteExt::shutdown(transport).await;
    Rejected::Refused(refusal)
}
