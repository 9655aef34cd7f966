//! Commands that run only while somebody watches.
//!
//! ```text
//! released ──→ watched ──── too few ──→ grace, the client is told ──── still too few ──→ the session ends
//!                  ↑                                  │
//!                  └────────── enough again ──────────┘
//! ```
//! A vigil begins where a command is released and ends with what it runs. Until a proxy says that this has ended, it lasts as
//! long as the session.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use policy_core::Principal;
use policy_core::approval::Petition;
use policy_core::rule::HoldKey;
use tokio::task::AbortHandle;

use super::gateway::Shared;
use super::judged::Judged;
use super::live::Live;
use crate::policies::Active;
use crate::session::{Entry, StopReason};

/// How long too few may watch before the session ends.
const GRACE: Duration = Duration::from_secs(5);
/// How often accounts are looked up anew: a watcher may have left the group that counts.
const LOOK: Duration = Duration::from_secs(2);

/// Keeps watch over one command. Dropped, it stops.
#[derive(Debug)]
pub(super) struct Vigil(AbortHandle);

impl Drop for Vigil {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The vigils of commands that ended, but whose effects may not have: they last as long as the session.
#[derive(Debug, Default)]
pub(super) struct Vigils(Mutex<Vec<Vigil>>);

impl Vigils {
    pub(super) fn keep(&self, vigil: Vigil) {
        // The list is whole after every call on it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(vigil);
    }
}

impl Vigil {
    /// Begins, where one of these holds demands watchers. `judged` is what released the command.
    pub(super) fn begin(live: &Live, judged: &Judged, grants: &[HoldKey]) -> Option<Self> {
        let active = judged.active();
        let demands: Vec<HoldKey> = grants
            .iter()
            .filter(|key| {
                let requirement = active.policy.hold(key).and_then(|hold| active.policy.requirement(hold));
                requirement.is_some_and(|requirement| requirement.watch.is_some())
            })
            .cloned()
            .collect();
        if demands.is_empty() {
            return None;
        }
        let watched =
            Watched { gateway: Arc::clone(&live.gateway), entry: Arc::clone(&live.entry), active, demands };
        Some(Self(tokio::spawn(watched.keep()).abort_handle()))
    }
}

struct Watched {
    gateway: Arc<Shared>,
    entry: Arc<Entry>,
    active: Arc<Active>,
    demands: Vec<HoldKey>,
}

impl Watched {
    async fn keep(self) {
        let audience = Arc::clone(&self.entry.audience);
        let mut changes = audience.changes();
        loop {
            changes.mark_unchanged();
            if let Some(lacking) = self.lacking().await {
                audience.say(&format!(
                    "too few watch this session for the rule `{lacking}`: it ends in {} s unless they come back",
                    GRACE.as_secs()
                ));
                let ends = tokio::time::sleep(GRACE);
                tokio::pin!(ends);
                loop {
                    tokio::select! {
                        () = &mut ends => {
                            let rule = Some(lacking.as_str().into());
                            let message = "nobody watches it any more who must".into();
                            return self.entry.stop.throw(StopReason::Noticed { message, rule });
                        }
                        _ = changes.changed() => {}
                    }
                    if self.lacking().await.is_none() {
                        audience.say("the session is watched again, and goes on");
                        break;
                    }
                }
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// The first rule that too few watch for. Who can't be looked up does not count.
    async fn lacking(&self) -> Option<String> {
        let watchers = watchers(&self.gateway, &self.entry).await;
        let watchers: Vec<&Principal> = watchers.iter().collect();
        let owner = match self.entry.principal.owner.as_deref() {
            Some(owner) => self.gateway.identity.current(owner).await.unwrap_or_default(),
            None => None,
        };
        let petition = Petition {
            requester: &self.entry.principal,
            owner: owner.as_ref(),
            opened: 0,
            justification: None,
        };
        let policy = &self.active.policy;
        let lacks = |key: &&HoldKey| {
            let watch = policy.hold(key).and_then(|hold| policy.watch(hold, &petition, &watchers));
            !watch.is_some_and(|watch| watch.is_enough())
        };
        self.demands.iter().find(lacks).map(|key| key.rule.to_string())
    }
}

/// Those who watch the session, as known now.
pub(super) async fn watchers(gateway: &Shared, entry: &Entry) -> Vec<Principal> {
    let mut people = Vec::new();
    for account in entry.audience.accounts() {
        match gateway.identity.current(&account).await {
            Ok(found) => people.extend(found),
            Err(error) => tracing::error!(%error, "a watcher can't be looked up, and does not count"),
        }
    }
    people
}
