//! Whether a target can be reached, before anything is served.

use std::sync::Arc;

use hyper_rustls::MaybeHttpsStream;
use portcullis_gateway::config::{Config, HttpLeg, TargetConfig};
use tower_service::Service as _;

use crate::body::{Fault, causes};
use crate::connect::{DIAL, Leads};
use crate::settings::{self, ServeError};

/// Why a target would not be reached.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Its configuration can't be used.
    #[error(transparent)]
    Configuration(#[from] ServeError),
    /// It is not there, or not who it should be.
    #[error("{0}")]
    Unreachable(String),
}

/// Connects to a target as requests will (over TLS where configured), sends nothing, and leaves again: whether the target accepts the
/// credential is not known then.
/// Says what would be spoken: `HTTP/1.1` or `HTTP/2`, and `over TLS`.
///
/// # Errors
/// See [`ProbeError`].
pub async fn probe(
    config: &Config,
    target: &Arc<TargetConfig>,
    leg: &HttpLeg,
) -> Result<&'static str, ProbeError> {
    let way = settings::way(config, target, leg)?;
    let uri = way.uri(&way.authority(), "/").parse().map_err(unreachable)?;
    let mut connector = way.connector(Leads::ToAnAnswer);
    std::future::poll_fn(|cx| connector.poll_ready(cx)).await.map_err(unreachable)?;
    let connected = tokio::time::timeout(DIAL, connector.call(uri)).await;
    let connected = connected.map_err(|_| unreachable("it doesn't answer"))?;
    Ok(match connected.map_err(unreachable)? {
        MaybeHttpsStream::Http(_) if leg.http2 => "HTTP/2",
        MaybeHttpsStream::Http(_) => "HTTP/1.1",
        MaybeHttpsStream::Https(stream) => match stream.inner().get_ref().1.alpn_protocol() {
            Some(b"h2") => "HTTP/2 over TLS",
            _ => "HTTP/1.1 over TLS",
        },
    })
}

fn unreachable(error: impl Into<Fault>) -> ProbeError {
    ProbeError::Unreachable(causes(&*error.into()))
}
