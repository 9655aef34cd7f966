//! The whole life of a gateway process that guards PostgreSQL: start, serve, reload, drain, stop.

use std::io;
use std::time::Duration;

use portcullis_gateway::config::Config;
use portcullis_gateway::control::{ControlServer, ServeError as ControlError};
use portcullis_gateway::enforce::Gateway;
use portcullis_gateway::lifecycle::{self, Signals, Wish};
use portcullis_gateway::start::StartError;
use portcullis_gateway::telemetry::{self, HealthServer};

use crate::serve::{ServeError, serve};

/// How long sessions may take to finish once the gateway was asked to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a gateway does not run, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Something it needs is missing, broken, or taken by another instance.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The proxy does not start.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The control socket can't be had.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The address of health and metrics can't be had.
    #[error("can't listen on {0} for health and metrics: {1}")]
    Health(std::net::SocketAddr, #[source] io::Error),
    /// The system refuses something.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
    /// The last records could not be brought to disk.
    #[error("the audit log could not be closed: {0}")]
    Close(#[from] portcullis_evidence::AppendError),
}

/// Runs until the process is told to stop. With `dry_run` it gets everything ready, and stops before it serves.
///
/// # Errors
/// See [`RunError`].
pub fn run(config: Config, dry_run: bool) -> Result<(), RunError> {
    lifecycle::prepare()?;
    let log = telemetry::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let health = config.health;
        let gateway = Gateway::start(config)?;
        let proxy = serve(&gateway).await?;
        if dry_run {
            return Ok(gateway.close("dry run")?);
        }
        let _control = ControlServer::start(&gateway)?;
        let _health = match health {
            Some(address) => Some(
                HealthServer::start(&gateway, address).map_err(|error| RunError::Health(address, error))?,
            ),
            None => None,
        };
        let addresses: Vec<_> = proxy.addresses()?.iter().map(ToString::to_string).collect();
        tracing::info!(
            addresses = addresses.join(", "),
            certificate = proxy.fingerprint,
            "guarding PostgreSQL"
        );
        let serving = tokio::spawn(proxy.run());
        let reason = loop {
            match signals.next().await {
                Wish::Reload => gateway.on_hangup(log.as_ref()).await,
                Wish::Drain => {
                    serving.abort();
                    tokio::select! {
                        () = gateway.drain(PATIENCE) => break "SIGTERM",
                        () = second(&mut signals) => break "stopped twice",
                    }
                }
                Wish::Stop => {
                    serving.abort();
                    gateway.drain(Duration::ZERO).await;
                    break "SIGINT";
                }
            }
        };
        Ok(gateway.close(reason)?)
    })
}

/// Resolves when the operator loses patience.
async fn second(signals: &mut Signals) {
    while signals.next().await == Wish::Reload {}
}
