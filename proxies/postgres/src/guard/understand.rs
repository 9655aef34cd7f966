//! What a text means now.
//!
//! A meaning belongs to the world it was found in: the settings in force, the definitions, what the open transaction has
//! changed of them, the policy. Here a text is understood in the world of the moment, waiting for whatever is still on
//! its way to change it, and EXECUTE and FETCH are filled in with what the session's names stand for.

use std::sync::Arc;

use policy_normalize::sql::{Argument, Bound, Kind, Setting, Statement};
use portcullis_gateway::enforce::Session;

use super::Names;
use super::plan::Prepared;
use super::session::Shared;
use super::words::{changed, no_such, not_understood};
use crate::catalogue::Known;
use crate::command::meaning::{Meaning, World};
use crate::command::names::Found;
use crate::refuse::Refusal;

/// How one session's texts are understood in a segment.
pub(super) struct Understanding<'a> {
    pub(super) session: &'a Session,
    pub(super) shared: &'a Shared,
    /// Of what this very segment and earlier ones do, everything is taken into account.
    pub(super) segment: u64,
}

impl Understanding<'_> {
    pub(super) async fn statement(&self, name: &str) -> Option<Arc<Prepared>> {
        self.shared.names.decided(|names| names.statement(name, self.segment)).await
    }

    /// The world in which a statement of this segment is understood, and the definitions that it is made of.
    async fn world(&self) -> Result<(World, Known), Refusal> {
        let settings = self.shared.names.decided(|names| names.settings(self.segment)).await;
        let Some((values, is_path_changed)) = settings else { return Err(changed()) };
        let known = self.known().await?;
        let (generation, overlay) = (known.snapshot.generation, self.shared.epoch());
        let policy = self.session.policy_generation();
        Ok((World { values, is_path_changed, generation, overlay, policy }, known))
    }

    /// The definitions, with all that this session has changed for good.
    pub(super) async fn known(&self) -> Result<Known, Refusal> {
        let settled = |_: &Names| {
            if self.shared.is_changing(self.segment) { Found::Undecided } else { Found::Known(()) }
        };
        self.shared.names.decided(settled).await;
        if !self.shared.take_stale() {
            return self.shared.target.known().await;
        }
        let refreshed = self.shared.target.refreshed().await;
        if refreshed.is_err() {
            self.shared.still_stale();
        }
        refreshed
    }

    /// What a text means now.
    pub(super) async fn meaning(&self, text: &str) -> Result<Arc<Meaning>, Refusal> {
        let (world, known) = self.world().await?;
        let overlay = self.shared.overlay();
        let target = &self.shared.target;
        let mut meaning = target.meaning(text, &world, &known, &overlay).map_err(not_understood)?;
        if is_unresolved(&meaning) && !meaning.is_dynamic && overlay.is_empty() {
            // Somebody may have made what is named here past the gateway, a moment ago.
            let looked = target.looked_again().await?;
            if looked.snapshot.generation != known.snapshot.generation {
                let world = World { generation: looked.snapshot.generation, ..world.clone() };
                meaning = target.meaning(text, &world, &looked, &overlay).map_err(not_understood)?;
            }
        }
        // Boxed, because what it stands for is understood in the same way.
        if meaning.is_dynamic { Box::pin(self.completed(&meaning)).await } else { Ok(meaning) }
    }

    /// What a text that was understood before means now: the same, as a rule.
    pub(super) async fn still(&self, before: &Arc<Meaning>, text: &str) -> Result<Arc<Meaning>, Refusal> {
        let (world, _) = self.world().await?;
        if before.world == world && !before.is_dynamic {
            return Ok(Arc::clone(before));
        }
        self.meaning(text).await
    }

    /// What a prepared statement means now.
    pub(super) async fn prepared(&self, prepared: &Prepared) -> Result<Arc<Meaning>, Refusal> {
        let Some(name) = &prepared.named else {
            return self.still(&prepared.meaning, &prepared.text).await;
        };
        let (world, known) = self.world().await?;
        if prepared.meaning.world == world {
            return Ok(Arc::clone(&prepared.meaning));
        }
        let overlay = self.shared.overlay();
        let whole = self.shared.target.meaning(&prepared.text, &world, &known, &overlay);
        let whole = whole.map_err(not_understood)?;
        prepared_in(&whole, name).ok_or_else(changed)
    }

    /// What a prepared statement means with these values.
    pub(super) async fn bound(
        &self,
        prepared: &Prepared,
        values: &[Bound<'_>],
    ) -> Result<Arc<Meaning>, Refusal> {
        let (world, known) = self.world().await?;
        let overlay = self.shared.overlay();
        let bound = self.shared.target.bound(&prepared.text, &world, &known, &overlay, values);
        let bound = bound.map_err(not_understood)?;
        match &prepared.named {
            Some(name) => prepared_in(&bound, name).ok_or_else(changed),
            None => Ok(Arc::new(bound)),
        }
    }

    /// Fills in what EXECUTE and FETCH stand for.
    async fn completed(&self, meaning: &Arc<Meaning>) -> Result<Arc<Meaning>, Refusal> {
        let world = &meaning.world;
        let mut statements = Vec::with_capacity(meaning.statements.len());
        for statement in &meaning.statements {
            statements.push(match &statement.kind {
                Kind::Execute { name, arguments, .. } => {
                    self.executing(statement.clone(), name, arguments, world).await?
                }
                Kind::Fetch { cursor, .. } => self.fetching(statement.clone(), cursor).await?,
                _ => statement.clone(),
            });
        }
        let known = self.known().await?;
        let overlay = self.shared.overlay();
        let completed =
            self.shared.target.completed(meaning.asked.raw(), statements, world, &known, &overlay);
        completed.map(Arc::new).map_err(not_understood)
    }

    /// An EXECUTE with what its statement does.
    async fn executing(
        &self,
        statement: Statement,
        name: &str,
        arguments: &[Argument],
        world: &World,
    ) -> Result<Statement, Refusal> {
        let unknown = || no_such("prepared statement", name);
        let prepared = self.statement(name).await.ok_or_else(unknown)?;
        let mut now = self.prepared(&prepared).await?;
        if now.is_pending {
            let given = arguments.iter().map(argument).enumerate();
            let values: Vec<Bound<'_>> = given.map(|(index, value)| prepared.takes(index, value)).collect();
            now = self.bound(&prepared, &values).await?;
        }
        // Definitions that were looked at anew between the two belong to one statement only.
        if now.world != *world {
            return Err(changed());
        }
        match &*now.statements {
            [only] => Ok(statement.executing(only)),
            _ => Err(unknown()),
        }
    }

    /// A FETCH with what its cursor returns.
    async fn fetching(&self, statement: Statement, cursor: &str) -> Result<Statement, Refusal> {
        let open = self
            .shared
            .names
            .decided(|names| names.portal(cursor, self.segment, |portal| Arc::clone(&portal.meaning)));
        let open = open.await.ok_or_else(|| no_such("cursor", cursor))?;
        Ok(fetching(statement, &open))
    }
}

/// Whether a name in it could not be resolved.
fn is_unresolved(meaning: &Meaning) -> bool {
    // A slip of the pen stays one, however new the definitions are.
    let named = |statement: &&Statement| !matches!(statement.kind, Kind::Unparsed { .. });
    meaning.statements.iter().filter(named).any(|statement| {
        statement.actions.iter().any(|action| action.resource == policy_core::Resource::Undetermined)
    })
}

/// A FETCH with what its cursor returns.
fn fetching(mut statement: Statement, open: &Meaning) -> Statement {
    for from in &open.statements {
        statement.actions.extend(from.actions.iter().cloned());
        statement.outputs = from.outputs.clone();
        statement.predicates.merge(&from.predicates);
        statement.flows.extend(from.flows.iter().cloned());
        // Which of its rows are read, and so what is set at last, is not known.
        statement.settings.extend(from.settings.iter().cloned().map(Setting::undetermined));
    }
    // What FETCH itself can't tell is what the cursor has just told.
    statement.actions.retain(|action| action.verb != policy_core::Verb::UNKNOWN || open_is_unknown(open));
    statement
}

fn open_is_unknown(open: &Meaning) -> bool {
    open.statements
        .iter()
        .any(|from| from.actions.iter().any(|action| action.verb == policy_core::Verb::UNKNOWN))
}

/// What a text prepares under this name.
fn prepared_in(whole: &Meaning, name: &str) -> Option<Arc<Meaning>> {
    let inner = whole.statements.iter().rev().find_map(|statement| match &statement.kind {
        Kind::Prepare { name: given, inner, .. } if **given == *name => Some((**inner).clone()),
        _ => None,
    });
    inner.map(|inner| Arc::new(whole.part(inner)))
}

/// An argument of EXECUTE as a value.
fn argument(argument: &Argument) -> Bound<'_> {
    match argument {
        Argument::Null => Bound::Null,
        Argument::Text(text) => Bound::Text(text),
        Argument::Opaque => Bound::Opaque,
    }
}
