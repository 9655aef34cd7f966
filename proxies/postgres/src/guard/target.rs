//! What all sessions on one target share: what texts mean there, its definitions, and what is looked for in its replies.

use std::sync::{Arc, Weak};

use policy_core::Name;
use policy_core::mask::MaskKey;
use policy_normalize::sql::{Bound, Postgres, Statement};
use portcullis_gateway::enforce::{Gateway, Judged};

use super::dial::Dialer;
use super::finders::Finders;
use crate::catalogue::{Known, Live, Overlay, PERIOD};
use crate::command::meaning::{Meaning, Meanings, NotUnderstood, World};
use crate::command::shown::Shown;
use crate::mask::ValueMasks;
use crate::refuse::{Refusal, SqlState};

/// One guarded target.
pub struct Guarded {
    meanings: Meanings,
    live: Live<Dialer>,
    finders: Finders,
    key: MaskKey,
}

impl Guarded {
    /// A target that nobody has connected to yet.
    pub fn new(gateway: Gateway, live: Live<Dialer>, finders: Finders, shown: Shown, key: MaskKey) -> Self {
        Self { meanings: Meanings::new(gateway, Postgres::new(), shown), live, finders, key }
    }

    /// The columns that policies name without wildcards: they are followed through renames.
    pub fn name_columns(&self, names: Vec<Name>) {
        self.live.name_columns(names);
    }

    /// The definitions in force, loaded if there are none.
    ///
    /// # Errors
    /// Where the target can't be asked: without them nothing can be judged.
    pub async fn known(&self) -> Result<Known, Refusal> {
        match self.live.current() {
            Some(known) => Ok(known),
            None => self.live.refresh().await.map_err(|error| unread(&error)),
        }
    }

    /// Definitions that are no older than this call.
    ///
    /// # Errors
    /// As [`Guarded::known`].
    pub async fn refreshed(&self) -> Result<Known, Refusal> {
        self.live.refresh().await.map_err(|error| unread(&error))
    }

    /// The definitions, looked at anew because of a name that nobody knows; not every time.
    ///
    /// # Errors
    /// As [`Guarded::known`].
    pub async fn looked_again(&self) -> Result<Known, Refusal> {
        self.live.refresh_sparingly().await.map_err(|error| unread(&error))
    }

    /// The definitions in force, if any are.
    pub fn current(&self) -> Option<Known> {
        self.live.current()
    }

    /// Keeps the definitions up to date for as long as anybody has it.
    pub async fn tend(this: Weak<Self>) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(this) = this.upgrade() else { return };
            if let Err(error) = this.live.look().await {
                tracing::warn!(%error, "the target's catalogue can't be read");
            }
        }
    }

    /// What a text means.
    ///
    /// # Errors
    /// As [`Meanings::of`].
    pub fn meaning(
        &self,
        text: &str,
        world: &World,
        known: &Known,
        overlay: &Overlay,
    ) -> Result<Arc<Meaning>, NotUnderstood> {
        self.meanings.of(text, world, &known.directory(overlay), overlay.is_empty() && world.overlay == 0)
    }

    /// What a text means with these values bound.
    ///
    /// # Errors
    /// As [`Meanings::of`].
    pub fn bound(
        &self,
        text: &str,
        world: &World,
        known: &Known,
        overlay: &Overlay,
        values: &[Bound<'_>],
    ) -> Result<Meaning, NotUnderstood> {
        self.meanings.bound(text, world, &known.directory(overlay), values)
    }

    /// The meaning of statements that were completed with what the session's names stand for.
    ///
    /// # Errors
    /// As [`Meanings::of`].
    pub fn completed(
        &self,
        text: &str,
        statements: Vec<Statement>,
        world: &World,
        known: &Known,
        overlay: &Overlay,
    ) -> Result<Meaning, NotUnderstood> {
        self.meanings.meaning(text, statements, world, &known.directory(overlay))
    }

    /// What of a text evidence may have.
    pub fn shown(&self) -> &Arc<Shown> {
        self.meanings.shown()
    }

    /// What is looked for in replies under a decision; without one, what is looked for in any.
    pub fn value_masks(&self, judged: Option<&Judged>) -> ValueMasks {
        ValueMasks { key: self.key.clone(), finder: self.finders.of(judged) }
    }
}

fn unread(error: &crate::catalogue::LoadError) -> Refusal {
    tracing::warn!(%error, "the target's definitions can't be read");
    Refusal::new(SqlState::UNAVAILABLE, "the target's definitions can't be read, so nothing can be judged")
        .hint("nothing was sent; try again, and tell the gateway's operator if it stays so")
}
