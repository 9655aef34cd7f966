//! The policy in force: loaded from files, replaced as a whole, never by a broken one.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Guard};
use policy_core::{CompileError, Policy};
use policy_lang::{Diagnostics, Environment, Source, Style};
use tokio::sync::watch;

use crate::config::Config;

/// A policy and the number of times that another was in force before it.
#[derive(Debug)]
pub struct Active {
    /// The compiled policy.
    pub policy: Policy,
    /// Grows with every policy that comes into force; a verdict is remembered for one generation.
    pub generation: u64,
    /// Its name.
    pub name: Box<str>,
    /// The files it was read from.
    pub files: Vec<PathBuf>,
}

/// Holds the policy in force. Reading it takes no lock.
pub struct Policies {
    active: ArcSwap<Active>,
    generation: AtomicU64,
    changed: watch::Sender<u64>,
    /// Where it comes from. Held while another comes into force, so that generations do so in order.
    source: Mutex<Origin>,
}

/// Where a policy comes from; without files it stays as it is.
#[derive(Clone)]
struct Origin {
    files: Vec<PathBuf>,
    environment: Environment,
}

/// A policy that was loaded and is not in force.
pub struct Loaded {
    policy: Policy,
    name: Box<str>,
    origin: Origin,
}

impl Loaded {
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.origin.files
    }
}

impl Policies {
    /// Loads the policies that a configuration names.
    ///
    /// # Errors
    /// Where a file can't be read, or a policy is wrong.
    pub fn load(config: &Config) -> Result<Self, PolicyError> {
        let Loaded { policy, name, origin } = compile(Origin::of(config))?;
        Ok(Self::holding(policy, name, origin))
    }

    /// Holds a policy that was compiled elsewhere, by a service that embeds the gateway.
    pub fn fixed(policy: Policy) -> Self {
        Self::holding(
            policy,
            "fixed".into(),
            Origin { files: Vec::new(), environment: Environment::default() },
        )
    }

    fn holding(policy: Policy, name: Box<str>, origin: Origin) -> Self {
        let active = Active { policy, generation: 1, name, files: origin.files.clone() };
        Self {
            active: ArcSwap::from_pointee(active),
            generation: AtomicU64::new(1),
            changed: watch::Sender::new(1),
            source: Mutex::new(origin),
        }
    }

    /// The policy in force, for the moment of one look.
    pub fn current(&self) -> Guard<Arc<Active>> {
        self.active.load()
    }

    /// The generation in force; changes wake whoever waits on it.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The generation in force.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Reads the files again. Where they are wrong the policy in force stays.
    ///
    /// # Errors
    /// As [`Policies::load`].
    pub fn reload(&self) -> Result<Arc<Active>, PolicyError> {
        let mut origin = self.origin();
        if origin.files.is_empty() {
            return Ok(self.active.load_full());
        }
        let loaded = compile(origin.clone())?;
        Ok(self.install(&mut origin, loaded))
    }

    /// Loads the policies that another configuration names, and puts nothing into force. `None` where the policy does not
    /// come from files.
    ///
    /// # Errors
    /// As [`Policies::load`].
    pub fn prepare(&self, config: &Config) -> Result<Option<Loaded>, PolicyError> {
        if self.origin().files.is_empty() {
            return Ok(None);
        }
        compile(Origin::of(config)).map(Some)
    }

    /// Puts a policy into force that was loaded before.
    pub fn put(&self, loaded: Loaded) -> Arc<Active> {
        self.install(&mut self.origin(), loaded)
    }

    fn origin(&self) -> MutexGuard<'_, Origin> {
        // It is replaced as a whole, so a panic elsewhere leaves it usable.
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a policy that was compiled elsewhere into force.
    pub fn replace(&self, policy: Policy) -> Arc<Active> {
        let mut origin = self.origin();
        let name = self.active.load().name.clone();
        let same = origin.clone();
        self.install(&mut origin, Loaded { policy, name, origin: same })
    }

    fn install(&self, held: &mut Origin, loaded: Loaded) -> Arc<Active> {
        let Loaded { policy, name, origin } = loaded;
        *held = origin;
        // The same policy again changes nothing: what runs under it need not be judged anew.
        let active = self.active.load_full();
        if active.policy.digest() == policy.digest() && active.name == name && active.files == held.files {
            return active;
        }
        let generation = self.generation.load(Ordering::Acquire) + 1;
        let active = Arc::new(Active { policy, generation, name, files: held.files.clone() });
        self.active.store(Arc::clone(&active));
        self.generation.store(generation, Ordering::Release);
        self.changed.send_replace(generation);
        active
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

/// What policies of this configuration may name.
pub fn environment(config: &Config) -> Environment {
    let targets = || config.targets.iter().map(|target| &target.subject);
    Environment {
        targets: Some(targets().map(|target| target.name.clone()).collect()),
        labels: Some(targets().flat_map(|target| target.labels.keys().cloned()).collect::<BTreeSet<_>>()),
        // Groups come and go with users, who are added while the gateway runs.
        groups: None,
        ..Environment::default()
    }
}

impl Origin {
    fn of(config: &Config) -> Self {
        Self { files: config.policies.clone(), environment: environment(config) }
    }
}

fn compile(origin: Origin) -> Result<Loaded, PolicyError> {
    let Origin { files, environment } = &origin;
    let mut sources = Vec::with_capacity(files.len());
    for file in files {
        let text =
            std::fs::read_to_string(file).map_err(|error| PolicyError::Unreadable(file.clone(), error))?;
        sources.push(Source::new(file.display().to_string(), text));
    }
    let loaded = policy_lang::load(&sources, environment).map_err(PolicyError::Wrong)?;
    if !loaded.warnings.is_empty() {
        tracing::warn!("the policy has warnings:\n{}", loaded.warnings.render(Style::Plain));
    }
    let policy =
        Policy::compile([&loaded.rules], &environment.vocabularies).map_err(PolicyError::NotCompiled)?;
    Ok(Loaded { policy, name: loaded.rules.name, origin })
}

/// Why there is no new policy. The one in force, if any, stays.
#[derive(Debug)]
pub enum PolicyError {
    /// A file can't be read.
    Unreadable(PathBuf, std::io::Error),
    /// The language found mistakes.
    Wrong(Diagnostics),
    /// The engine found mistakes.
    NotCompiled(Vec<CompileError>),
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(file, error) => write!(f, "can't read the policy `{}`: {error}", file.display()),
            Self::Wrong(diagnostics) => {
                // Whoever shows it says that it is an error.
                let text = diagnostics.render(Style::Plain);
                f.write_str(text.strip_prefix("error: ").unwrap_or(&text).trim_end())
            }
            Self::NotCompiled(errors) => errors.iter().enumerate().try_for_each(|(index, error)| {
                if index > 0 {
                    f.write_str("\n")?
                }
                write!(f, "{error}")
            }),
        }
    }
}

impl std::error::Error for PolicyError {}
