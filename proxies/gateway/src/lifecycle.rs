//! What a process of ours does around its work: limits at the start, signals while it runs, draining at the end.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::enforce::Gateway;
use crate::session::StopReason;
use crate::telemetry::LogFile;

/// Prepares the process: no core dumps, which would hold credentials, and as many file descriptors as it may have.
///
/// # Errors
/// Where core dumps can't be disabled. It must not go on then.
pub fn prepare() -> Result<(), io::Error> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // A program that runs beside ours as the same user can't read its memory either, nor can a crash handler.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    let files = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum })
    {
        tracing::warn!(%error, "the limit of open files can't be raised");
    }
    Ok(())
}

/// Waits for what the operator wants next.
#[derive(Debug)]
pub struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// What the operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// SIGHUP: take up the configuration and policy again, reopen the log file.
    Reload,
    /// SIGTERM: take no new clients, let commands finish, then stop.
    Drain,
    /// SIGINT, or SIGTERM once more: stop now.
    Stop,
}

impl Signals {
    /// Takes the signals over. Within a tokio runtime only.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn listen() -> Result<Self, io::Error> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next wish. Safe to drop and call again.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hangup.recv() => Wish::Reload,
            _ = self.terminate.recv() => Wish::Drain,
            _ = self.interrupt.recv() => Wish::Stop,
        }
    }
}

impl Gateway {
    /// Does what SIGHUP asks for. Whatever fails leaves what was there, and says so in the log.
    pub async fn on_hangup(&self, log: Option<&LogFile>) {
        if let Some(Err(error)) = log.map(LogFile::reopen) {
            tracing::error!(%error, "the log file can't be opened again: the old one stays in use");
        }
        // What was wrong was told in the log; what is in force stays.
        let _ = self.reload("SIGHUP").await;
    }

    /// Waits until no session is left, at most for `patience`; then ends those that are, and gives them a moment to say
    /// so to their clients. The caller has stopped taking new ones.
    pub async fn drain(&self, patience: Duration) {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        let deadline = tokio::time::Instant::now() + patience;
        while !self.sessions().is_empty() && tokio::time::Instant::now() < deadline {
            tick.tick().await;
        }
        let ended = self.sessions().stop(&StopReason::Draining, |_| true);
        if ended > 0 {
            tracing::info!(ended, "sessions ended for the stop");
        }
        let last = tokio::time::Instant::now() + Duration::from_secs(1);
        // A session leaves the registry a moment before the last of its evidence is told.
        let is_over = || self.sessions().is_empty() && !self.shared.desk.is_anybody_left();
        while !is_over() && tokio::time::Instant::now() < last {
            tick.tick().await;
        }
    }

    /// Records the stop and brings all evidence to disk. Nothing is forwarded after this.
    ///
    /// # Errors
    /// Where the last records could not be brought to disk.
    pub fn close(&self, reason: &str) -> Result<(), portcullis_evidence::AppendError> {
        use portcullis_evidence::record::GatewayStopped;
        use portcullis_evidence::{Record, Scope};
        // Recordings are sealed in the audit log, so they come before its end.
        self.shared.recorder.close();
        self.shared.desk.flush()?;
        self.log().append_one(
            &Scope::gateway(),
            &Record::GatewayStopped(GatewayStopped { reason: reason.into() }),
        )?;
        self.log().close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_dumps_are_disabled() {
        prepare().expect("prepared");
        let core = getrlimit(Resource::Core);
        assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
        let files = getrlimit(Resource::Nofile);
        assert_eq!(files.current, files.maximum);
    }

    #[tokio::test]
    async fn draining_waits_and_then_ends() {
        let house = crate::enforce::tests::House::new(r#"allow "all" { by group "eng"  on postgres }"#);
        let (one, two) = (house.open("ana").await, house.open("bob").await);
        let gateway = house.gateway.clone();
        let finishing = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(one);
        });
        let ending = tokio::spawn(async move {
            let reason = two.stop().wait().await.clone();
            drop(two);
            reason
        });
        gateway.drain(Duration::from_millis(400)).await;
        finishing.await.expect("finished");
        assert_eq!(ending.await.expect("ended"), StopReason::Draining);
        assert!(gateway.sessions().is_empty());
        gateway.close("SIGTERM").expect("closed");
    }

    #[tokio::test]
    async fn signals_are_wishes() {
        let mut signals = Signals::listen().expect("listening");
        let own = rustix::process::getpid();
        for (signal, wish) in [
            (rustix::process::Signal::HUP, Wish::Reload),
            (rustix::process::Signal::TERM, Wish::Drain),
            (rustix::process::Signal::INT, Wish::Stop),
        ] {
            rustix::process::kill_process(own, signal).expect("sent");
            assert_eq!(signals.next().await, wish);
        }
    }
}
