//! What a session has changed of the definitions that the catalogue's own connection can't see: what its open
//! transaction did, and its temporary tables.
//!
//! What a statement's text says in full ([`Definition`]) is known: a table with its columns, columns that come to one,
//! a schema. Everything else makes the name it is about *changed*, which means unknown, until the transaction ends. Nothing
//! is asked of the target for it, so it works in the middle of a message too; and it never says more than the
//! catalogue will once the transaction is committed:
//!
//! - a new table is listed only while the catalogue has nothing of its name, so it can't take a masked one's place;
//! - what it holds was written to it under the rules on masked data, so its columns are their own source;
//! - where something else of that name lies on the search path, the name is undetermined (the normaliser's part);
//! - what was made before a ROLLBACK TO is gone, or changed where it is not sure to which savepoint that went.

mod overlaid;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use policy_core::{Name, Resource};
use policy_normalize::sql::{
    Definition, Discard, Kind, NewColumn, NewTable, Relation, RelationKind, Statement, Transaction,
};

pub use self::overlaid::Overlaid;
use super::savepoints::Savepoints;
use super::snapshot::Snapshot;

/// The most tables that are known at a time. Others are not.
const MOST: usize = 1_000;

/// What a session's open transaction has made, dropped or redefined, and the session's temporary tables.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    touched: HashSet<(Box<str>, Box<str>)>,
    made: HashMap<(Box<str>, Box<str>), Made>,
    /// Schemas that were made, and when.
    schemas: HashMap<Box<str>, u64>,
    savepoints: Savepoints,
    /// A change could not be told from the statement: no name is known.
    stale: bool,
    /// Tables may have become each other's children: what a column's identity is worth is not known either.
    estranged: bool,
    /// Something was redefined that a view may be made of.
    redefined: bool,
    changed: bool,
    /// Counts changes, over the whole session.
    clock: u64,
}

/// A table as the session's own statements have made it.
#[derive(Clone, Debug)]
struct Made {
    relation: Arc<Relation>,
    /// The snapshot whose table this is with more columns; `None` for a table that is new.
    over: Option<u64>,
    /// When it was made, and when it was changed last.
    since: u64,
    last: u64,
    /// Its transaction is over: it lasts as long as the session. Temporary tables only.
    is_settled: bool,
    until_commit: bool,
}

impl Overlay {
    /// Whether the snapshot can be asked as it is.
    pub fn is_empty(&self) -> bool {
        !self.changed && self.made.is_empty()
    }

    /// Whether a transaction has left something in it that goes with its end.
    pub fn is_open(&self) -> bool {
        self.changed || !self.savepoints.is_empty()
    }

    /// Tells one state of it from every other of the same session; 0 is that of an empty one.
    pub fn epoch(&self) -> u64 {
        if self.is_empty() { 0 } else { self.clock }
    }

    /// Whether [`Overlay::note`] may have something to do.
    pub fn concerns(statement: &Statement) -> bool {
        statement.changes_definitions()
            || match &statement.kind {
                Kind::Transaction(control) => *control != Transaction::Begin,
                Kind::Discard(_) => true,
                _ => false,
            }
    }

    /// Notes a statement that is about to be forwarded.
    pub fn note(&mut self, statement: &Statement, text: &str, snapshot: &Snapshot) {
        match &statement.kind {
            Kind::Transaction(control) => return self.control(control),
            Kind::Discard(Discard::All | Discard::Temporary) => {
                self.clock += 1;
                return self.made.retain(|(schema, _), _| **schema != *TEMPORARY);
            }
            _ => {}
        }
        let Some(definition) = &statement.defines else { return };
        self.changed = true;
        self.clock += 1;
        match definition {
            Definition::Neutral => {}
            Definition::Schema(name) => {
                self.schemas.entry(name.clone()).or_insert(self.clock);
            }
            Definition::Table(table) => self.make(table, snapshot),
            Definition::Columns { relation, columns } => self.add(relation, columns, snapshot),
            Definition::Other => self.redefine(statement, text, snapshot),
        }
    }

    /// Forgets the transaction, which has ended: what `failed` is rolled back, a temporary table with it. Says whether
    /// definitions may have changed, so that [`Live::refresh`](super::Live::refresh) comes before the next statement.
    pub fn end(&mut self, failed: bool) -> bool {
        let was_changed = self.changed;
        if !self.is_open() {
            return false;
        }
        let mut made = std::mem::take(&mut self.made);
        made.retain(|(schema, _), made| {
            **schema == *TEMPORARY && (made.is_settled || !(failed || made.until_commit))
        });
        made.values_mut().for_each(|made| made.is_settled = true);
        *self = Self { made, clock: self.clock + 1, ..Self::default() };
        was_changed
    }

    /// A snapshot as this session's transaction sees it.
    pub fn over<'a>(&'a self, snapshot: &'a Snapshot) -> Overlaid<'a> {
        Overlaid { overlay: self, snapshot }
    }

    fn make(&mut self, table: &NewTable, snapshot: &Snapshot) {
        let Some(key) = key(&table.name) else {
            self.stale = true;
            return;
        };
        let (schema, name) = (&*key.0, &*key.1);
        if self.made.contains_key(&key) {
            return;
        }
        if *schema == *TEMPORARY {
            if table.if_missing && self.touched.contains(&key) {
                return;
            }
            // Once this has gone well the name stands for it, whatever it stood for before.
            self.touched.remove(&key);
        } else if self.touched.contains(&key) || snapshot.find(schema, name).is_some() {
            // It fails, or leaves alone what is there; of what was dropped before it is not sure that it stays so.
            return;
        }
        if self.made.len() >= MOST {
            self.touched.insert(key);
            return;
        }
        let made = Made {
            relation: Arc::new(Relation::made(table)),
            over: None,
            since: self.clock,
            last: self.clock,
            is_settled: false,
            until_commit: table.until_commit,
        };
        self.made.insert(key, made);
    }

    fn add(&mut self, relation: &Name, columns: &[NewColumn], snapshot: &Snapshot) {
        let Some(key) = key(relation) else {
            self.stale = true;
            return;
        };
        if self.touched.contains(&key) {
            return;
        }
        if let Some(made) = self.made.get_mut(&key) {
            made.relation = Arc::new(made.relation.with_columns(columns));
            made.last = self.clock;
            return;
        }
        let known = snapshot.find(&key.0, &key.1).filter(|known| known.kind == RelationKind::Table);
        match known {
            Some(known) if self.made.len() < MOST => {
                let made = Made {
                    relation: Arc::new(known.with_columns(columns)),
                    over: Some(snapshot.generation),
                    since: self.clock,
                    last: self.clock,
                    is_settled: false,
                    until_commit: false,
                };
                self.made.insert(key, made);
            }
            // A column of it that nobody knows is looked up in vain.
            Some(_) => {}
            None => self.touch(key),
        }
    }

    /// A change that is not understood in full.
    fn redefine(&mut self, statement: &Statement, text: &str, snapshot: &Snapshot) {
        self.redefined = true;
        // A name that is taken is not among the actions of the statement that takes it.
        let says = |word: &str| contains_word(text, word);
        let opaque = !matches!(statement.kind, Kind::Definition);
        let relates = says("inherit") || says("attach");
        self.estranged |= opaque || relates;
        // A table that was there gets a parent: what it holds shows in that one, and in all above it. A table that is
        // made as a child holds nothing, and is not known itself.
        let adopts = relates && !statement.actions.iter().any(|action| action.verb.as_str() == "create");
        if opaque || adopts || says("rename") || says("schema") {
            self.stale = true;
            return;
        }
        for action in &statement.actions {
            let verb = action.verb.as_str();
            if !matches!(verb, "create" | "alter" | "drop" | "unknown") {
                continue;
            }
            let Resource::Named(name) = &action.resource else {
                self.stale = true;
                return;
            };
            let mut segments = name.segments();
            let (Some(schema), Some(object), None) = (segments.next(), segments.next(), segments.next())
            else {
                self.stale = true;
                return;
            };
            let is_table = |relation: &Relation| matches!(relation.kind, RelationKind::Table);
            // A table that is altered keeps its identity. Columns that come or go shift those behind them.
            let shifts = says("add") || says("drop");
            if verb == "alter" && !shifts && snapshot.find(schema, object).is_some_and(is_table) {
                continue;
            }
            self.touch((schema.into(), object.into()));
        }
    }

    fn touch(&mut self, key: (Box<str>, Box<str>)) {
        self.made.remove(&key);
        self.touched.insert(key);
    }

    fn control(&mut self, control: &Transaction) {
        match control {
            Transaction::Savepoint(name) => self.savepoints.set(name, self.clock),
            Transaction::Release(name) => self.savepoints.release(name),
            Transaction::RollbackTo(name) => {
                let back = self.savepoints.back(name, self.clock);
                self.undo(|made| {
                    if made.since > back.latest {
                        Undone::Gone
                    } else if made.last > back.earliest {
                        Undone::InDoubt
                    } else {
                        Undone::Stays
                    }
                });
                // Where a name without a schema would be made is not known any more.
                self.stale |= self.schemas.values().any(|at| *at > back.earliest);
            }
            // Until the target says that it is idle, and the definitions are read anew, what it had made is in doubt.
            Transaction::Commit { .. } | Transaction::Prepare => {
                self.savepoints = Savepoints::default();
                self.stale |= !self.schemas.is_empty();
                let temporary =
                    |made: &Made| made.relation.identity.name.segments().next() == Some(TEMPORARY);
                self.undo(|made| {
                    if made.is_settled || (temporary(made) && !made.until_commit) {
                        Undone::Stays
                    } else {
                        Undone::InDoubt
                    }
                });
            }
            Transaction::Rollback { .. } => {
                self.savepoints = Savepoints::default();
                self.stale |= !self.schemas.is_empty();
                self.undo(|made| if made.is_settled { Undone::Stays } else { Undone::InDoubt });
            }
            Transaction::Begin | Transaction::CommitPrepared | Transaction::RollbackPrepared => {}
        }
    }

    /// Takes back what was made. A temporary table in doubt is forgotten: it holds nothing that is masked, and
    /// without it its name stands for what lies behind it, whose rules are then the ones that count.
    fn undo(&mut self, what: impl Fn(&Made) -> Undone) {
        if self.made.is_empty() {
            return;
        }
        self.clock += 1;
        let touched = &mut self.touched;
        self.made.retain(|key, made| match what(made) {
            Undone::Stays => true,
            Undone::Gone => false,
            Undone::InDoubt => {
                if *key.0 != *TEMPORARY {
                    touched.insert(key.clone());
                }
                false
            }
        });
    }
}

/// The schema that a session's own temporary tables are in, by the name that it has in every session.
const TEMPORARY: &str = "pg_temp";

/// What going back does to a table.
enum Undone {
    Stays,
    Gone,
    InDoubt,
}

fn key(name: &Name) -> Option<(Box<str>, Box<str>)> {
    let mut segments = name.segments();
    Some((segments.next()?.into(), segments.next()?.into()))
}

/// Whether a word stands in a text, whatever its case. Quotes and comments don't matter: too much is no harm.
fn contains_word(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}
