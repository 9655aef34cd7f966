//! The whole life of a gateway process: start, serve, reload, drain, stop.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use crate::config::Config;
use crate::control::{ControlServer, ServeError as ControlError};
use crate::enforce::Gateway;
use crate::lifecycle::{self, Signals, Wish};
use crate::reload::Fault;
use crate::start::StartError;
use crate::telemetry::{self, HealthServer};

/// How long sessions may take to finish once the gateway was asked to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gets a proxy ready: its addresses taken, nothing served yet.
pub type Start = for<'a> fn(&'a Gateway) -> Starting<'a>;

/// See [`Start`].
pub type Starting<'a> = Pin<Box<dyn Future<Output = Result<Serving, Fault>> + Send + 'a>>;

/// A proxy that has its addresses.
pub struct Serving {
    /// What it guards, such as `PostgreSQL`.
    pub what: &'static str,
    /// Where clients reach it.
    pub addresses: Vec<SocketAddr>,
    /// What clients know it by: the fingerprint of its certificate or host key.
    pub fingerprint: String,
    /// Serves until it is dropped.
    pub run: Pin<Box<dyn Future<Output = io::Result<()>> + Send>>,
}

/// Why a gateway does not run, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Something it needs is missing, broken, or taken by another instance.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A proxy does not start.
    #[error("{0}")]
    Serve(#[source] Fault),
    /// The control socket can't be had.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The address of health and metrics can't be had.
    #[error("can't listen on {0} for health and metrics: {1}")]
    Health(SocketAddr, #[source] io::Error),
    /// The system refuses something.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
    /// The last records could not be brought to disk.
    #[error("the audit log could not be closed: {0}")]
    Close(#[from] portcullis_evidence::AppendError),
}

/// The whole of a program that serves one proxy, of a configuration that its only argument names. It exits with 2 where
/// it was called wrongly, and with 3 where it can't run or stopped.
#[expect(clippy::print_stderr, reason = "a program says on standard error why it stops")]
pub fn alone(usage: &str, proxy: Start) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(file), None) = (arguments.next(), arguments.next()) else {
        eprintln!("{usage}");
        return ExitCode::from(2);
    };
    if file == "--help" || file == "-h" {
        eprintln!("{usage}");
        return ExitCode::SUCCESS;
    }
    let ended = Config::load(&file)
        .map_err(|error| error.to_string())
        .and_then(|config| run(config, false, &[proxy]).map_err(|error| error.to_string()));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}

/// Runs proxies until the process is told to stop. With `dry_run` it gets everything ready, and stops before it serves.
///
/// # Errors
/// See [`RunError`].
pub fn run(config: Config, dry_run: bool, proxies: &[Start]) -> Result<(), RunError> {
    lifecycle::prepare()?;
    let log = telemetry::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let health = config.health;
        let gateway = Gateway::start(config)?;
        let mut ready = Vec::with_capacity(proxies.len());
        for start in proxies {
            ready.push(start(&gateway).await.map_err(RunError::Serve)?);
        }
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
        let mut serving = tokio::task::JoinSet::new();
        ready.into_iter().for_each(|proxy| begin(proxy, &mut serving));
        let reason = loop {
            let wish = tokio::select! {
                wish = signals.next() => wish,
                // A proxy serves for ever: one that does not any more leaves a process that looks well and is not.
                Some(ended) = serving.join_next() => {
                    let error = match ended {
                        Ok(Err(error)) => error,
                        Ok(Ok(())) | Err(_) => io::Error::other("a proxy has stopped serving"),
                    };
                    gateway.drain(Duration::ZERO).await;
                    gateway.close("a proxy has stopped")?;
                    return Err(error.into());
                }
            };
            match wish {
                Wish::Reload => gateway.on_hangup(log.as_ref()).await,
                Wish::Drain => {
                    serving.abort_all();
                    tracing::info!(
                        sessions = gateway.sessions().len(),
                        "stopping: sessions may finish within {} s; a second signal ends them",
                        PATIENCE.as_secs()
                    );
                    tokio::select! {
                        () = gateway.drain(PATIENCE) => break "SIGTERM",
                        () = second(&mut signals) => break "stopped twice",
                    }
                }
                Wish::Stop => {
                    serving.abort_all();
                    gateway.drain(Duration::ZERO).await;
                    break "SIGINT";
                }
            }
        };
        Ok(gateway.close(reason)?)
    })
}

fn begin(proxy: Serving, serving: &mut tokio::task::JoinSet<io::Result<()>>) {
    let addresses: Vec<_> = proxy.addresses.iter().map(ToString::to_string).collect();
    let (addresses, fingerprint) = (addresses.join(", "), proxy.fingerprint);
    tracing::info!(addresses, fingerprint, "guarding {}", proxy.what);
    serving.spawn(proxy.run);
}

/// Resolves when the operator loses patience.
async fn second(signals: &mut Signals) {
    while signals.next().await == Wish::Reload {}
}
