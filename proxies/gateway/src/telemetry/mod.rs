//! How the gateway speaks about itself: logs, metrics, health. Never about what its sessions say: that is evidence.

mod endpoint;
mod file;
mod metrics;

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

pub use endpoint::HealthServer;
pub use file::LogFile;
pub(crate) use metrics::Metrics;

use crate::config::{Log, LogFormat};

/// Starts logging as configured. Returns the log file, to be reopened on SIGHUP, if there is one.
///
/// # Errors
/// Where the file can't be opened, the filter isn't one, or logging was started before.
pub fn start(log: &Log) -> Result<Option<LogFile>, io::Error> {
    let filter = EnvFilter::try_new(&log.level).map_err(io::Error::other)?;
    let file = log.file.as_ref().map(|path| LogFile::open(path, log.rotate_bytes, log.keep)).transpose()?;
    let pretty = match log.format {
        LogFormat::Pretty => true,
        LogFormat::Json => false,
        LogFormat::Auto => file.is_none() && io::stderr().is_terminal(),
    };
    let writer = match &file {
        Some(file) => BoxMakeWriter::new(file.clone()),
        None => BoxMakeWriter::new(io::stderr),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let started = if pretty {
        builder.with_ansi(file.is_none() && io::stderr().is_terminal()).with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_target(false).with_current_span(false).try_init()
    };
    started.map_err(io::Error::other)?;
    Ok(file)
}
