//! The target's leg: who it is, and the hidden credential.

pub(crate) mod host_key;
mod target_side;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use portcullis_gateway::config::TargetConfig;
use portcullis_gateway::credential::Secret;
use portcullis_gateway::finders::Finders;
use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{Algorithm, PrivateKey, PrivateKeyWithHashAlg};
use tokio::net::TcpStream;

use self::host_key::{Pins, Stranger};
pub(crate) use self::target_side::{Granting, Grants, TargetSide};
use crate::authority::Authority;
use crate::flow::{TARGET_QUEUE, TARGET_WINDOW};
use crate::login::seconds;
use crate::settings::{PACKET, algorithms};

/// How long a target may take until it lets the gateway in.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a silent target is asked whether it is there, and how many answers may be missing.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVES: usize = 3;

/// A target, and the way there.
pub(crate) struct Way {
    pub(crate) config: Arc<TargetConfig>,
    pub(crate) pins: Pins,
    pub(crate) credential: Credential,
    /// What is looked for in what it says.
    pub(crate) finders: Finders,
}

/// What the gateway shows a target.
pub(crate) enum Credential {
    Key(Arc<PrivateKey>),
    Password(Secret),
    /// A certificate of the gateway's own, made for each session.
    Authority(Authority),
}

/// Why a target can't be reached, in words that may be shown to the client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unready {
    #[error("it does not answer: {0}")]
    Dial(#[source] io::Error),
    #[error("it did not let the gateway in within {} seconds", PATIENCE.as_secs())]
    Slow,
    #[error("{0}")]
    Stranger(#[from] Stranger),
    #[error("it does not speak SSH as it should: {0}")]
    Protocol(#[from] russh::Error),
    #[error("it refuses the gateway's credential")]
    Refused,
    #[error("the gateway can't make a credential: {0}")]
    Credential(#[source] io::Error),
}

/// Opens the way to a target. `id` is what a certificate of the gateway's own says in the target's log.
pub(crate) async fn open(way: &Way, side: TargetSide, id: &str) -> Result<Handle<TargetSide>, Unready> {
    let opening = async {
        let config = Arc::new(client_config(way));
        let address = (way.config.host.as_str(), way.config.port);
        let stream = TcpStream::connect(address).await.map_err(Unready::Dial)?;
        stream.set_nodelay(true).map_err(Unready::Dial)?;
        let stranger = side.stranger();
        let mut handle = match client::connect_stream(config, stream, side).await {
            Ok(handle) => handle,
            Err(error) => {
                return Err(match stranger.take() {
                    Some(stranger) => stranger.into(),
                    None => error.into(),
                });
            }
        };
        authenticate(&mut handle, way, id).await?;
        Ok(handle)
    };
    tokio::time::timeout(PATIENCE, opening).await.map_err(|_| Unready::Slow)?
}

fn client_config(way: &Way) -> client::Config {
    let mut preferred = algorithms();
    if way.pins.has_authorities() {
        preferred.host_key_certificates = preferred.key.clone();
    }
    client::Config {
        window_size: TARGET_WINDOW,
        maximum_packet_size: PACKET,
        channel_buffer_size: TARGET_QUEUE,
        preferred,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVES,
        ..client::Config::default()
    }
}

async fn authenticate(handle: &mut Handle<TargetSide>, way: &Way, id: &str) -> Result<(), Unready> {
    let user = &way.config.user;
    let result = match &way.credential {
        Credential::Key(key) => {
            let hash = match key.algorithm() {
                Algorithm::Rsa { .. } => handle.best_supported_rsa_hash().await?.flatten(),
                _ => None,
            };
            let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
            handle.authenticate_publickey(user, key).await?
        }
        Credential::Authority(authority) => {
            let (key, certificate) = authority.issue(user, id, seconds()).map_err(Unready::Credential)?;
            handle.authenticate_openssh_cert(user, Arc::new(key), certificate).await?
        }
        Credential::Password(password) => {
            // It was checked to be text when it was loaded.
            let password = String::from_utf8_lossy(password.expose()).into_owned();
            match handle.authenticate_password(user, password.clone()).await? {
                AuthResult::Success => AuthResult::Success,
                _ => return by_keyboard(handle, user, &password).await,
            }
        }
    };
    match result {
        AuthResult::Success => Ok(()),
        AuthResult::Failure { .. } => Err(Unready::Refused),
    }
}

/// Many servers ask for passwords this way only: one prompt that is not echoed is answered with it, nothing else.
async fn by_keyboard(handle: &mut Handle<TargetSide>, user: &str, password: &str) -> Result<(), Unready> {
    let mut answer = handle.authenticate_keyboard_interactive_start(user, None).await?;
    let mut asked = false;
    loop {
        answer = match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(()),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Err(Unready::Refused),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                let answers = match prompts.as_slice() {
                    [] => Vec::new(),
                    [prompt] if !prompt.echo && !asked => {
                        asked = true;
                        vec![password.to_owned()]
                    }
                    _ => return Err(Unready::Refused),
                };
                handle.authenticate_keyboard_interactive_respond(answers).await?
            }
        };
    }
}
