//! The target's leg: reaching it, proving it, getting in with the hidden credential, and being ready.

mod authenticate;
mod dial;
mod target;

use std::time::Duration;

pub use target::{Address, Credential, Target, Tls};

use crate::cancel::Key;
use crate::exchange::{self, Broken};
use crate::refuse::{Refusal, SqlState};
use crate::transport::Transport;
use crate::wire::parameter_status::ParameterStatus;
use crate::wire::{Malformed, make, startup};

/// Settings that both legs are pinned to, because a statement reads differently under others.
pub(crate) const PINNED: [(&str, &str); 2] =
    [("client_encoding", "UTF8"), ("standard_conforming_strings", "on")];

/// How long a target may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a cancel request may take.
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes of one message before the target is ready.
const MESSAGE: usize = 64 << 10;
/// The most messages, and the most bytes of settings, between authentication and ready.
const MESSAGES: usize = 256;
const SETTINGS: usize = 256 << 10;

/// A target that is ready for commands.
pub(crate) struct Ready {
    pub(crate) transport: Transport,
    pub(crate) key: Key,
    /// Its ParameterStatus messages, as it sent them.
    pub(crate) settings: Vec<u8>,
}

/// Why a target is not ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unready {
    #[error("can't be reached: {0}")]
    Unreachable(#[source] std::io::Error),
    #[error("was not ready within {} s", PATIENCE.as_secs())]
    Slow,
    #[error("does not speak TLS, which its configuration asks for")]
    NoTls,
    #[error("failed the TLS handshake: {0}")]
    Handshake(#[source] std::io::Error),
    #[error("asks for authentication that the gateway does not do: {0}")]
    Method(&'static str),
    #[error("failed to prove itself: {0}")]
    Scram(#[source] std::io::Error),
    #[error("broke the protocol: {0}")]
    Malformed(#[from] Malformed),
    #[error("broke the protocol: {0}")]
    Protocol(&'static str),
    #[error("closed the connection or failed: {0}")]
    Io(#[source] std::io::Error),
    #[error("refused the gateway: {message} ({state})")]
    Refused { state: String, message: String },
    #[error("insists on `{0}` having another value than it is pinned to")]
    Unpinned(&'static str),
}

impl From<Broken> for Unready {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Io(error) => Self::Io(error),
            Broken::Malformed(malformed) => Self::Malformed(malformed),
        }
    }
}

impl Unready {
    /// What the client is told: which target, and what kind of failure. The target's own words, which may
    /// name the hidden role, stay in the log.
    pub(crate) fn tell(&self, target: &str) -> Refusal {
        let what = match self {
            Self::Unreachable(_) => "can't be reached",
            Self::Slow => "takes too long to answer",
            Self::NoTls | Self::Handshake(_) => {
                "can't be reached by a TLS connection that the gateway trusts"
            }
            Self::Refused { .. } => "refused the gateway's connection",
            _ => "does not answer as a PostgreSQL server should",
        };
        let state = match self {
            Self::Refused { state, .. } if state == "53300" => SqlState::TOO_MANY,
            _ => SqlState::UNREACHABLE,
        };
        Refusal::new(state, format!("target `{target}` {what}"))
            .hint("nothing is wrong with your client; the gateway's log says more to its operator")
    }
}

/// Connects to `target` and gets it ready, with `parameters` as the client's settings.
pub(crate) async fn open(target: &Target, parameters: &[(&str, &str)]) -> Result<Ready, Unready> {
    tokio::time::timeout(PATIENCE, open_in_time(target, parameters)).await.map_err(|_| Unready::Slow)?
}

async fn open_in_time(target: &Target, parameters: &[(&str, &str)]) -> Result<Ready, Unready> {
    let dialled = dial::dial(target).await?;
    let mut transport = dialled.transport;
    let mut packet = Vec::with_capacity(256);
    let own = [("user", target.user.as_str()), ("database", target.database.as_str())];
    startup::startup(&mut packet, own.into_iter().chain(parameters.iter().copied()).chain(PINNED));
    exchange::send(&mut transport, &packet).await.map_err(Unready::Io)?;
    authenticate::authenticate(&mut transport, target, dialled.binding).await?;
    until_ready(transport).await
}

/// Carries a cancel request to `target`, on a connection of its own.
pub(crate) async fn cancel(target: &Target, key: &Key) -> Result<(), Unready> {
    let send = async {
        let mut transport = dial::dial(target).await?.transport;
        let mut packet = Vec::new();
        startup::cancel_request(&mut packet, key.process, &key.secret);
        exchange::send(&mut transport, &packet).await.map_err(Unready::Io)?;
        // The target closes once it has taken the request; what it says is of no interest.
        let mut rest = [0; 64];
        let _ = tokio::io::AsyncReadExt::read(&mut transport, &mut rest).await;
        Ok(())
    };
    tokio::time::timeout(CANCEL_PATIENCE, send).await.map_err(|_| Unready::Slow)?
}

/// Collects settings and the cancel key up to ReadyForQuery.
async fn until_ready(mut transport: Transport) -> Result<Ready, Unready> {
    let mut settings = Vec::with_capacity(512);
    let mut key = None;
    for _ in 0..MESSAGES {
        let (tag, body) = exchange::read(&mut transport, MESSAGE).await?;
        match tag {
            b'S' => {
                watch(ParameterStatus::decode(&body)?)?;
                if settings.len() + body.len() > SETTINGS {
                    return Err(Unready::Protocol("it sends settings without end"));
                }
                make::message(&mut settings, b'S', |out| out.extend_from_slice(&body));
            }
            b'K' if key.is_none() => key = Some(backend_key(&body)?),
            b'N' => {}
            b'E' => return Err(refused(&body)),
            b'Z' if body == b"I" => {
                // A target without a key takes no cancel requests; an empty secret names none.
                let key = key.unwrap_or(Key { process: 0, secret: Box::default() });
                return Ok(Ready { transport, key, settings });
            }
            _ => return Err(Unready::Malformed(Malformed::Type(tag))),
        }
    }
    Err(Unready::Protocol("it sends messages without end before it is ready"))
}

fn watch(status: ParameterStatus<'_>) -> Result<(), Unready> {
    match PINNED.iter().find(|(name, _)| *name == status.name) {
        Some((name, value)) if *value != status.value => Err(Unready::Unpinned(name)),
        _ => Ok(()),
    }
}

fn backend_key(body: &[u8]) -> Result<Key, Unready> {
    match body.split_first_chunk::<4>() {
        Some((process, secret)) if (4..=startup::LARGEST_KEY).contains(&secret.len()) => {
            Ok(Key { process: u32::from_be_bytes(*process), secret: secret.into() })
        }
        _ => Err(Unready::Malformed(Malformed::Field("backend key data"))),
    }
}

/// A target's ErrorResponse in place of an answer. One without a SQLSTATE is an error all the same.
fn refused(body: &[u8]) -> Unready {
    let field = |kind: u8| {
        let found = body.split(|&byte| byte == 0).find_map(|field| match field.split_first() {
            Some((&first, value)) if first == kind => Some(value),
            _ => None,
        });
        found.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    Unready::Refused {
        state: field(b'C').unwrap_or_else(|| "no code".to_owned()),
        message: field(b'M').unwrap_or_else(|| "no message".to_owned()),
    }
}
