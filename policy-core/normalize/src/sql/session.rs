//! What earlier statements of the same text changed, as far as it decides what later ones mean.

use std::collections::{BTreeMap, BTreeSet};

use super::Environment;
use super::catalogue::Relation;
use super::statement::Discard;
use super::statement::{Kind, Setting, SettingValue, Statement, Transaction};

/// The session as the next statement finds it.
pub(super) struct Session<'a> {
    pub(super) environment: &'a Environment<'a>,
    /// The search path, `$user` unexpanded; `None` where it is not known.
    pub(super) path: Option<Vec<Box<str>>>,
    pub(super) role: Option<Box<str>>,
    /// Whether the end of the transaction may change the search path.
    path_changed: bool,
    pub(super) overlay: Overlay<'a>,
    /// How many view definitions deep this is.
    pub(super) view_depth: usize,
}

/// Definitions that the catalogue's snapshot can't know of.
#[derive(Default)]
pub(super) struct Overlay<'a> {
    /// Schema and name of relations that were made, with their columns where those are known.
    pub(super) made: BTreeMap<(Box<str>, Box<str>), Option<&'a Relation>>,
    /// Schema and name of relations that were dropped.
    pub(super) dropped: BTreeSet<(Box<str>, Box<str>)>,
    /// Schemas that were made.
    pub(super) schemas: BTreeSet<Box<str>>,
    /// A transaction has ended in this text: whether what it had made before is still there is not known.
    pub(super) has_ended: bool,
    /// Names may mean anything now.
    pub(super) stale: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(environment: &'a Environment<'a>) -> Self {
        Self {
            environment,
            path: environment.search_path.clone(),
            role: environment.role.clone(),
            path_changed: environment.search_path_changed,
            overlay: Overlay::default(),
            view_depth: 0,
        }
    }

    /// The session that a view's definition is read in: everything in it is qualified.
    pub(super) fn of_view(outer: &Session<'a>) -> Self {
        Self {
            environment: outer.environment,
            path: Some(Vec::new()),
            role: None,
            path_changed: false,
            overlay: Overlay::default(),
            view_depth: outer.view_depth + 1,
        }
    }

    /// The search path with `$user` expanded; `None` where it is not known.
    pub(super) fn schemas(&self) -> Option<impl Iterator<Item = &str>> {
        let path = self.path.as_ref()?;
        if self.role.is_none() && path.iter().any(|entry| &**entry == "$user") {
            return None;
        }
        Some(path.iter().map(|entry| match &self.role {
            Some(role) if &**entry == "$user" => &**role,
            _ => &**entry,
        }))
    }

    /// Takes note of what a statement changes.
    pub(super) fn follow(&mut self, statement: &Statement) {
        for setting in &statement.settings {
            self.set(setting);
        }
        match &statement.kind {
            // What was made is gone, what was dropped is back.
            Kind::Transaction(Transaction::Rollback { .. } | Transaction::RollbackTo(_)) => {
                self.overlay.has_ended = true;
                let Overlay { made, dropped, schemas, .. } = &self.overlay;
                self.overlay.stale |= !(made.is_empty() && dropped.is_empty() && schemas.is_empty());
            }
            Kind::Transaction(Transaction::Commit { .. } | Transaction::Prepare) => {
                self.overlay.has_ended = true;
            }
            _ => {}
        }
        match &statement.kind {
            Kind::Transaction(
                Transaction::Commit { .. }
                | Transaction::Rollback { .. }
                | Transaction::RollbackTo(_)
                | Transaction::Prepare,
            ) if self.path_changed => {
                self.path = None;
                self.role = None;
            }
            Kind::Discard(Discard::All) => {
                self.path = None;
                self.role = None;
            }
            // What runs behind a name is not known here, nor what it sets.
            kind if runs_a_name(kind) => {
                self.path = None;
                self.role = None;
                self.path_changed = true;
            }
            // What they run may change anything. An allow of them trusts their body with data, not with names.
            Kind::Unknown | Kind::Unparsed { .. } | Kind::Call => {
                self.path = None;
                self.overlay.stale = true;
            }
            _ => {}
        }
    }

    fn set(&mut self, setting: &Setting) {
        match setting.name.as_deref() {
            None => {
                self.path = None;
                self.role = None;
                self.path_changed = true;
            }
            Some("search_path") => {
                self.path = match &setting.value {
                    SettingValue::To(values) => Some(values.clone()),
                    SettingValue::Default | SettingValue::Unknown => None,
                };
                self.path_changed = true;
            }
            Some("role" | "session_authorization") => {
                self.role = match (&setting.value, setting.name.as_deref()) {
                    (SettingValue::To(values), Some("role")) => {
                        values.first().filter(|value| &***value != "none").cloned()
                    }
                    _ => None,
                };
                self.path_changed = true;
            }
            // The rest of the text was read under the old setting, but nothing here relies on that.
            Some("standard_conforming_strings") => self.overlay.stale = true,
            Some(_) => {}
        }
    }
}

fn runs_a_name(kind: &Kind) -> bool {
    match kind {
        Kind::Execute { .. } | Kind::Fetch { .. } => true,
        Kind::Explain { inner, .. } => runs_a_name(&inner.kind),
        _ => false,
    }
}
