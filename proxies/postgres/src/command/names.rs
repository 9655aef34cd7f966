//! Which name stands for what: prepared statements, portals and cursors, and the settings beside them.
//!
//! What a client asks for becomes true when the target confirms it, and not before: a Parse that fails leaves the
//! old statement standing under its name. So every change is *pending* until its reply has come.
//!
//! ```text
//!   judge ── propose(change, segment) ──→ pending ── reply ──→ Definition::confirm ──→ standing
//!                                            └───── error, or no reply ──→ dropped
//! ```
//!
//! A look-up from the same segment (between two Syncs) may rely on what is pending there, because the target skips
//! everything behind an error up to the Sync. A look-up from a later one waits until it is decided.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use policy_normalize::sql::{Discard, Kind, Setting, Statement, Transaction};
use tokio::sync::Notify;

use super::settings::{Settings, Values};

/// The most statements, and the most portals, that a session may have at a time.
pub const MOST: usize = 10_000;

/// The names of one session. `S` is what is kept of a prepared statement, `P` of a portal or cursor.
#[derive(Debug)]
pub struct Names<S, P> {
    state: Mutex<State<S, P>>,
    decided: Notify,
}

#[derive(Debug)]
struct State<S, P> {
    statements: HashMap<Box<str>, S>,
    portals: HashMap<Box<str>, Entry<P>>,
    settings: Settings,
    /// In the order in which they were asked for.
    pending: Vec<Pending<S, P>>,
    next: u64,
    /// The open transaction has failed, or what ran outside one has.
    has_failed: bool,
}

#[derive(Debug)]
struct Entry<P> {
    portal: P,
    /// Outlives its transaction.
    holds: bool,
}

#[derive(Debug)]
struct Pending<S, P> {
    id: u64,
    segment: u64,
    change: Change<S, P>,
}

/// What a message changes once the target has confirmed it.
#[derive(Debug)]
pub enum Change<S, P> {
    /// A prepared statement: Parse or PREPARE.
    Statement(Box<str>, S),
    /// A portal or cursor: Bind or DECLARE; whether it outlives its transaction.
    Portal(Box<str>, P, bool),
    /// Close or DEALLOCATE; `None` is all.
    ForgetStatement(Option<Box<str>>),
    /// Close or CLOSE; `None` is all.
    ForgetPortal(Option<Box<str>>),
    /// DISCARD ALL.
    Discard,
    /// Something that is not understood ran: no name and no setting is known any more.
    Lost,
    /// SET and the like.
    Settings(Vec<Setting>),
    /// Transaction control.
    Transaction(Transaction),
    /// Definitions; what of them changes is known elsewhere.
    Definitions,
}

/// The answer to a look-up.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// It stands for this.
    Known(T),
    /// It stands for nothing that the session was seen to make.
    Absent,
    /// It depends on a reply that has not come: [`Names::decided`] waits for it.
    Undecided,
}

impl<S: Clone, P> Names<S, P> {
    /// A session that has said nothing yet.
    pub fn new(settings: Settings) -> Arc<Self> {
        let state = State {
            statements: HashMap::new(),
            portals: HashMap::new(),
            settings,
            pending: Vec::new(),
            next: 0,
            has_failed: false,
        };
        Arc::new(Self { state: Mutex::new(state), decided: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State<S, P>> {
        // A panic while it was held ends the session's task, and the state with it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a statement's name stands for, seen from `segment`.
    pub fn statement(&self, name: &str, segment: u64) -> Found<S> {
        let state = self.state();
        for pending in state.pending.iter().rev() {
            let found = match &pending.change {
                Change::Statement(known, statement) if **known == *name => Found::Known(statement.clone()),
                Change::ForgetStatement(known) if known.as_deref().is_none_or(|known| known == name) => {
                    Found::Absent
                }
                Change::Discard | Change::Lost => Found::Absent,
                _ => continue,
            };
            return if pending.segment == segment { found } else { Found::Undecided };
        }
        state.statements.get(name).map_or(Found::Absent, |statement| Found::Known(statement.clone()))
    }

    /// Looks at the portal or cursor of this name, seen from `segment`.
    pub fn portal<T>(&self, name: &str, segment: u64, look: impl FnOnce(&mut P) -> T) -> Found<T> {
        let mut state = self.state();
        let state = &mut *state;
        for pending in state.pending.iter_mut().rev() {
            match &mut pending.change {
                Change::Portal(known, portal, _) if **known == *name => {
                    return if pending.segment == segment {
                        Found::Known(look(portal))
                    } else {
                        Found::Undecided
                    };
                }
                Change::ForgetPortal(known) if known.as_deref().is_none_or(|known| known == name) => {}
                Change::Discard | Change::Lost => {}
                _ => continue,
            }
            return if pending.segment == segment { Found::Absent } else { Found::Undecided };
        }
        state.portals.get_mut(name).map_or(Found::Absent, |entry| Found::Known(look(&mut entry.portal)))
    }

    /// The settings, seen from `segment`, and whether `search_path` was changed in the open transaction.
    pub fn settings(&self, segment: u64) -> Found<(Values, bool)> {
        let state = self.state();
        let mut settings: Option<Settings> = None;
        for pending in &state.pending {
            if !matches!(
                pending.change,
                Change::Settings(_) | Change::Transaction(_) | Change::Discard | Change::Lost
            ) {
                continue;
            }
            if pending.segment != segment {
                return Found::Undecided;
            }
            let settings = settings.get_or_insert_with(|| state.settings.clone());
            match &pending.change {
                Change::Settings(changed) => settings.apply(changed),
                Change::Transaction(control) => settings.transaction(control, false),
                Change::Lost => settings.lose(),
                _ => settings.discard(),
            }
        }
        let settings = settings.as_ref().unwrap_or(&state.settings);
        Found::Known((settings.now().clone(), settings.is_changed()))
    }

    /// Looks until the answer depends on no reply that has not come; `None` where it is [`Found::Absent`]. Nearly every
    /// first look is the last.
    pub async fn decided<T>(&self, mut look: impl FnMut(&Self) -> Found<T>) -> Option<T> {
        let mut found = look(self);
        loop {
            match found {
                Found::Known(known) => return Some(known),
                Found::Absent => return None,
                Found::Undecided => {}
            }
            // Whatever is decided from here on wakes this up; what was decided before, the next look sees.
            let mut decided = pin!(self.decided.notified());
            decided.as_mut().enable();
            found = look(self);
            if matches!(found, Found::Undecided) {
                decided.await;
                found = look(self);
            }
        }
    }

    /// Looks at a portal that the target has confirmed, while it answers for it.
    pub fn standing<T>(&self, name: &str, look: impl FnOnce(&mut P) -> T) -> Option<T> {
        self.state().portals.get_mut(name).map(|entry| look(&mut entry.portal))
    }

    /// Whether a statement of this segment runs in a transaction block that was begun in it, or in one before
    /// that the target has not told of yet.
    pub fn is_in_block(&self, segment: u64) -> bool {
        let state = self.state();
        state.pending.iter().any(|pending| {
            pending.segment == segment && matches!(pending.change, Change::Transaction(Transaction::Begin))
        })
    }

    /// Wakes those who wait for something to be decided, so that they look again.
    pub fn wake(&self) {
        self.decided.notify_waiters();
    }

    /// Whether the session has as many names as it may.
    pub fn is_full(&self) -> bool {
        self.has_no_room_for(1)
    }

    /// Whether the session may not make so many names more.
    pub fn has_no_room_for(&self, more: usize) -> bool {
        let state = self.state();
        [state.statements.len(), state.portals.len(), state.pending.len()].iter().any(|now| now + more > MOST)
    }

    /// Notes a change that was asked for in `segment`.
    #[must_use = "dropping it says that the change never came about"]
    pub fn propose(self: &Arc<Self>, change: Change<S, P>, segment: u64) -> Definition<S, P> {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.pending.push(Pending { id, segment, change });
        Definition { names: Arc::clone(self), id, is_decided: false }
    }

    /// Notes that the target answered with an error.
    pub fn failed(&self) {
        self.state().has_failed = true;
    }

    /// Notes that the target is outside any transaction block; says whether what ended there has failed.
    pub fn idle(&self) -> bool {
        let mut state = self.state();
        let has_failed = std::mem::take(&mut state.has_failed);
        state.settings.idle(has_failed);
        state.portals.retain(|_, entry| entry.holds);
        has_failed
    }

    /// Whether a change of definitions is on its way.
    pub fn is_redefining(&self) -> bool {
        self.state().pending.iter().any(|pending| matches!(pending.change, Change::Definitions))
    }
}

impl<S, P> State<S, P> {
    fn confirm(&mut self, change: Change<S, P>, rolled_back: bool) {
        match change {
            Change::Statement(name, statement) => drop(self.statements.insert(name, statement)),
            Change::Portal(name, portal, holds) => {
                drop(self.portals.insert(name, Entry { portal, holds }));
            }
            Change::ForgetStatement(Some(name)) => drop(self.statements.remove(&name)),
            Change::ForgetStatement(None) => self.statements.clear(),
            Change::ForgetPortal(Some(name)) => drop(self.portals.remove(&name)),
            Change::ForgetPortal(None) => self.portals.clear(),
            Change::Discard => {
                self.statements.clear();
                self.portals.clear();
                self.settings.discard();
            }
            Change::Lost => {
                self.statements.clear();
                self.portals.clear();
                self.settings.lose();
            }
            Change::Settings(settings) => self.settings.apply(&settings),
            Change::Transaction(control) => {
                if matches!(control, Transaction::RollbackTo(_)) {
                    self.has_failed = false;
                }
                self.settings.transaction(&control, rolled_back);
            }
            Change::Definitions => {}
        }
    }
}

/// A change on its way. Dropped without a word, it never came about.
#[derive(Debug)]
pub struct Definition<S, P> {
    names: Arc<Names<S, P>>,
    id: u64,
    is_decided: bool,
}

impl<S, P> Definition<S, P> {
    /// The target confirmed it; `rolled_back` says that it answered ROLLBACK.
    pub fn confirm(mut self, rolled_back: bool) {
        self.decide(Some(rolled_back));
    }

    fn decide(&mut self, confirmed: Option<bool>) {
        if std::mem::replace(&mut self.is_decided, true) {
            return;
        }
        let mut state = self.names.state.lock().unwrap_or_else(PoisonError::into_inner);
        let at = state.pending.iter().position(|pending| pending.id == self.id);
        let change = at.map(|at| state.pending.remove(at).change);
        if let (Some(change), Some(rolled_back)) = (change, confirmed) {
            state.confirm(change, rolled_back);
        }
        drop(state);
        self.names.decided.notify_waiters();
    }
}

impl<S, P> Drop for Definition<S, P> {
    fn drop(&mut self) {
        self.decide(None);
    }
}

/// The changes that running a statement makes, apart from those to PREPARE's and DECLARE's names.
pub fn changes<S, P>(statement: &Statement) -> Option<Change<S, P>> {
    if statement.kind == Kind::Discard(Discard::All) {
        return Some(Change::Discard);
    }
    if matches!(statement.kind, Kind::Unparsed { .. }) {
        return Some(Change::Lost);
    }
    if !statement.settings.is_empty() {
        return Some(Change::Settings(statement.settings.clone()));
    }
    Some(match &statement.kind {
        Kind::Transaction(control) => Change::Transaction(control.clone()),
        Kind::Deallocate(name) => Change::ForgetStatement(name.clone()),
        Kind::Close(name) => Change::ForgetPortal(name.clone()),
        _ => return None,
    })
}

/// The statement, cursor or portal that a statement makes, uses or forgets.
pub fn named(kind: &Kind) -> Option<&str> {
    match kind {
        Kind::Prepare { name, .. } | Kind::Execute { name, .. } => Some(name),
        Kind::Declare { cursor, .. } | Kind::Fetch { cursor, .. } => Some(cursor),
        Kind::Deallocate(name) | Kind::Close(name) => name.as_deref(),
        Kind::Explain { inner, .. } => named(&inner.kind),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Arc<Names<u32, u32>> {
        let values = Values { search_path: Some(["public".into()].into()), role: None, justification: None };
        Names::new(Settings::new(values))
    }

    #[test]
    fn a_statement_stands_once_it_is_confirmed() {
        let names = names();
        let first = names.propose(Change::Statement("s".into(), 1), 0);
        assert_eq!(names.statement("s", 0), Found::Known(1), "its own segment relies on it");
        assert_eq!(names.statement("s", 1), Found::Undecided, "a later one does not");
        first.confirm(false);
        assert_eq!(names.statement("s", 1), Found::Known(1));
    }

    #[test]
    fn a_parse_that_fails_leaves_the_old_statement_standing() {
        let names = names();
        names.propose(Change::Statement("s".into(), 1), 0).confirm(false);
        let second = names.propose(Change::Statement("s".into(), 2), 1);
        assert_eq!(names.statement("s", 2), Found::Undecided);
        drop(second);
        assert_eq!(names.statement("s", 2), Found::Known(1));
    }

    #[test]
    fn closing_is_a_change_like_any_other() {
        let names = names();
        names.propose(Change::Portal("p".into(), 1, false), 0).confirm(false);
        let close = names.propose(Change::ForgetPortal(None), 1);
        assert_eq!(names.portal("p", 1, |portal| *portal), Found::Absent);
        assert_eq!(names.portal("p", 2, |portal| *portal), Found::Undecided);
        close.confirm(false);
        assert_eq!(names.portal("p", 2, |portal| *portal), Found::Absent);
    }

    #[test]
    fn portals_end_with_their_transaction_unless_they_hold() {
        let names = names();
        names.propose(Change::Portal("p".into(), 1, false), 0).confirm(false);
        names.propose(Change::Portal("c".into(), 2, true), 0).confirm(false);
        let _ = names.idle();
        assert_eq!(names.portal("p", 1, |portal| *portal), Found::Absent);
        assert_eq!(names.portal("c", 1, |portal| *portal), Found::Known(2));
    }

    #[test]
    fn after_what_is_not_understood_no_name_is_known() {
        let unparsed = Statement::unparsed("prepare s as something new", "syntax error".into());
        let lost = || changes(&unparsed).expect("a change");
        let names = names();
        names.propose(Change::Statement("s".into(), 1), 0).confirm(false);
        names.propose(Change::Portal("c".into(), 2, true), 0).confirm(false);
        drop(names.propose(lost(), 1));
        assert_eq!(names.statement("s", 2), Found::Known(1), "the target did not take it");
        let change = names.propose(lost(), 3);
        assert_eq!(names.statement("s", 3), Found::Absent);
        assert_eq!(names.statement("s", 4), Found::Undecided);
        change.confirm(false);
        assert_eq!(names.statement("s", 4), Found::Absent);
        assert_eq!(names.portal("c", 4, |portal| *portal), Found::Absent);
        let settings = names.settings(4);
        assert_eq!(settings, Found::Known((Values::default(), false)));
    }

    #[test]
    fn settings_of_an_earlier_segment_are_waited_for() {
        use policy_normalize::sql::SettingValue;
        let set = Setting {
            name: Some("search_path".into()),
            value: SettingValue::To(vec!["a".into()]),
            local: false,
        };
        let names = names();
        let change = names.propose(Change::Settings(vec![set]), 0);
        let path = |found: Found<(Values, bool)>| match found {
            Found::Known((values, _)) => values.search_path.map(|path| path.join(",")),
            _ => None,
        };
        assert_eq!(path(names.settings(0)).as_deref(), Some("a"));
        assert_eq!(names.settings(1), Found::Undecided);
        change.confirm(false);
        assert_eq!(path(names.settings(1)).as_deref(), Some("a"));
        names.failed();
        let _ = names.idle();
        assert_eq!(path(names.settings(1)).as_deref(), Some("public"), "the transaction failed");
    }
}
