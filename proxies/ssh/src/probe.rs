//! What a target is like, before anything is served.

use std::sync::Arc;

use portcullis_gateway::config::{Config, TargetConfig};

use crate::authority::Authority;
use crate::connect::{self, TargetSide};
use crate::settings::{self, ServeError};

/// Why a target would not be reached.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Its configuration can't be used.
    #[error(transparent)]
    Configuration(#[from] ServeError),
    /// It is not there, not who it should be, or does not let the gateway in.
    #[error("{0}")]
    Unready(String),
}

/// Logs in to a target as sessions will, and leaves again. Says how it was let in: `key`, `password` or `certificate`.
///
/// # Errors
/// See [`ProbeError`].
pub async fn probe(config: &Config, target: &Arc<TargetConfig>) -> Result<&'static str, ProbeError> {
    let authority = Authority::of(config).map_err(ServeError::from)?;
    let way = settings::way(config, target, &authority)?;
    let side = TargetSide::new(way.pins.clone(), None);
    let handle = connect::open(&way, side, "portcullis doctor")
        .await
        .map_err(|unready| ProbeError::Unready(unready.to_string()))?;
    let _ = handle.disconnect(russh::Disconnect::ByApplication, "", "").await;
    Ok(way.credential.word())
}
