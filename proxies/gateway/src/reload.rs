//! A changed configuration is taken up while sessions run: all of it that can be, or nothing.
//!
//! Everything is read, checked and got ready first: the file, the policy, and what each proxy makes of them
//! ([`Reload::prepare`]). Only when nothing of that has failed does any of it come into force, and from there nothing fails.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use policy_core::Protocol;
use portcullis_evidence::record::{ConfigChanged, PolicyLoaded};
use portcullis_evidence::{AppendError, Record, Scope};

use crate::config::{Config, ConfigError};
use crate::enforce::Gateway;
use crate::policies::{Active, Loaded, PolicyError};
use crate::session::StopReason;

/// The longest that getting ready may take: the store may hang.
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy, as far as it takes up another configuration.
pub trait Reload: Send + Sync {
    /// Gets everything ready for a configuration that is about to come into force, and changes nothing.
    fn prepare(self: Arc<Self>, next: Arc<Config>) -> Preparing;
}

/// See [`Reload::prepare`].
pub type Preparing = Pin<Box<dyn Future<Output = Result<Commit, Fault>> + Send>>;

/// Puts what was got ready into force. Returns what has changed, for evidence.
pub type Commit = Box<dyn FnOnce() -> Vec<Change> + Send>;

/// Why a proxy can't take a configuration up.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What, such as `target shop`.
    pub what: String,
    /// What became of it, in words; never a secret.
    pub to: String,
}

/// What a reload came to.
#[derive(Debug)]
pub struct TakenUp {
    /// The policy in force.
    pub active: Arc<Active>,
    /// The keys that were changed and stay as they were until the next start.
    pub left: Vec<&'static str>,
}

/// Who takes part, and how it went last.
#[derive(Default)]
pub(crate) struct Reloading {
    /// Of two reloads at a time one waits.
    one: tokio::sync::Mutex<()>,
    parts: Mutex<Vec<Weak<dyn Reload>>>,
    fault: Mutex<Option<String>>,
}

impl Reloading {
    fn parts(&self) -> MutexGuard<'_, Vec<Weak<dyn Reload>>> {
        // Every change is one call, so a panic elsewhere leaves it whole.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the latest reload failed, if it did.
    pub(crate) fn fault(&self) -> Option<String> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Reloading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading").field("fault", &self.fault()).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Has a proxy take part in reloads, for as long as it lives.
    pub fn on_reload(&self, part: Weak<dyn Reload>) {
        let mut parts = self.shared.reloading.parts();
        parts.retain(|part| part.strong_count() > 0);
        parts.push(part);
    }

    /// Takes up the configuration file and the policies that it names, and records that. Sessions of targets that are not in
    /// it any more end; those of targets that have changed stay where they are.
    ///
    /// # Errors
    /// Where anything of it can't be used. Nothing has changed then, and the log says why.
    pub async fn reload(&self, by: &str) -> Result<TakenUp, ReloadError> {
        let reloading = &self.shared.reloading;
        let _one = reloading.one.lock().await;
        let outcome = self.take_up(by).await;
        let fault = outcome.as_ref().err().map(ToString::to_string);
        // Whoever reads of it in the log may ask about it at once.
        reloading.fault.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&fault);
        if let Some(fault) = &fault {
            tracing::error!("nothing was changed, because the new configuration can't be used: {fault}");
        }
        outcome
    }

    async fn take_up(&self, by: &str) -> Result<TakenUp, ReloadError> {
        let running = self.config();
        let mut next = Config::load(&running.file)?;
        let left = next.settle(&running);
        let next = Arc::new(next);
        let policy = self.policies().prepare(&next)?;
        let commits =
            tokio::time::timeout(PATIENCE, self.prepared(&next)).await.map_err(|_| ReloadError::Slow)??;

        // The policy first: nothing new is reached under the old one, and nothing is judged by one that evidence has not named.
        let active = match policy {
            Some(policy) => {
                self.record(&loaded(&policy, by))?;
                self.policies().put(policy)
            }
            None => Arc::clone(&self.policies().current()),
        };
        self.shared.config.store(Arc::clone(&next));
        let changes: Vec<_> = commits.into_iter().flat_map(|commit| commit()).collect();
        self.end_removed(&running, &next);

        for key in &left {
            tracing::warn!(key, "`{key}` was changed, which needs a restart: it stays as it was");
        }
        for change in &changes {
            // It has come into force. A log that takes nothing any more ends every session by itself.
            if let Err(error) = self.record(&changed(change, by)) {
                tracing::error!(%error, what = change.what, "a change could not be recorded");
            }
        }
        tracing::info!(
            generation = active.generation,
            rules = active.policy.rules().count(),
            changes = changes.len(),
            by,
            "the configuration was taken up"
        );
        Ok(TakenUp { active, left })
    }

    async fn prepared(&self, next: &Arc<Config>) -> Result<Vec<Commit>, ReloadError> {
        let parts: Vec<_> = self.shared.reloading.parts().iter().filter_map(Weak::upgrade).collect();
        let mut commits = Vec::with_capacity(parts.len());
        for part in parts {
            commits.push(part.prepare(Arc::clone(next)).await.map_err(ReloadError::Part)?);
        }
        Ok(commits)
    }

    /// Ends the sessions of targets that nobody may reach any more.
    fn end_removed(&self, before: &Config, now: &Config) {
        let is_there = |protocol: &Protocol, name: &str| now.target(protocol, name).is_some();
        for target in &before.targets {
            let (protocol, name) = (&target.subject.protocol, &target.subject.name);
            if is_there(protocol, name) {
                continue;
            }
            let reason = StopReason::TargetRemoved(name.clone());
            let ended = self
                .sessions()
                .stop(&reason, |entry| entry.target.name == *name && entry.target.protocol == *protocol);
            tracing::info!(target = &**name, ended, "a target was removed");
        }
    }

    fn record(&self, record: &Record<'_>) -> Result<(), ReloadError> {
        self.log().append_one(&Scope::gateway(), record).map(drop).map_err(ReloadError::Evidence)
    }
}

fn loaded<'a>(loaded: &'a Loaded, by: &'a str) -> Record<'a> {
    Record::PolicyLoaded(PolicyLoaded {
        policy: loaded.policy().digest().to_string().into(),
        name: loaded.name().into(),
        rules: loaded.policy().rules().count() as u64,
        files: loaded.files().iter().map(|file| file.to_string_lossy()).collect(),
        by: by.into(),
    })
}

fn changed<'a>(change: &'a Change, by: &'a str) -> Record<'a> {
    let (what, to) = (change.what.as_str().into(), change.to.as_str().into());
    Record::ConfigChanged(ConfigChanged { what, to, by: by.into() })
}

/// Why a configuration was not taken up. What was in force stays.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file can't be read, or is wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The policy can't be read, or is wrong.
    #[error("{0}")]
    Policy(#[from] PolicyError),
    /// A proxy can't do what it says: a certificate, a credential.
    #[error("{0}")]
    Part(#[source] Fault),
    /// It can't be recorded.
    #[error("a new configuration could not be recorded: {0}")]
    Evidence(#[source] AppendError),
    /// The store, or something else that has to be asked, does not answer.
    #[error("getting ready for it took longer than {} s", PATIENCE.as_secs())]
    Slow,
}
