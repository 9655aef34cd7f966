//! A text, understood in one state of the world.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use policy_core::{ActionSet, Lineage, Protocol};
use policy_normalize::sql::{
    Bound, ColumnRef, ColumnSet, Environment, Grammar, Kind, Parameters, Postgres, Rejected, RelationKind,
    RelationRef, Statement,
};
use portcullis_gateway::enforce::{self, Gateway, Refusal, Stage, StatementParts};
use smallvec::SmallVec;

use super::room;
use super::settings::Values;
use super::shown::Shown;
use crate::catalogue::Directory;
use crate::mask::Shapes;

/// What a text means depends on these besides itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The session's settings.
    pub values: Values,
    /// Whether `search_path` was changed in the open transaction.
    pub is_path_changed: bool,
    /// The generation of the catalogue's snapshot.
    pub generation: u64,
    /// What the session itself has changed of it: the overlay's epoch. 0 where other sessions see the same.
    pub overlay: u64,
    /// The generation of the policy, which says what of a text may be shown.
    pub policy: u64,
}

/// A text that was understood.
#[derive(Debug)]
pub struct Meaning {
    /// Its statements, in order; at least one.
    pub statements: Box<[Statement]>,
    /// What the policy is asked about: all of them together.
    pub asked: Arc<enforce::Statement>,
    /// Whether it depends on what the session's names stand for (EXECUTE, FETCH), so that it is understood anew
    /// each time.
    pub is_dynamic: bool,
    /// Whether it touches what the policy tags: values bound to it are not shown.
    pub is_sensitive: bool,
    /// Whether what it does depends on parameters.
    pub is_pending: bool,
    /// What it was understood under.
    pub world: World,
    /// What became of its result, where it is one statement.
    pub shapes: Shapes,
}

impl Meaning {
    /// How the policy is asked about it when it runs. What only prepares is judged with its parameters pending, by
    /// PREPARE as by Parse.
    pub fn stage(&self) -> Stage {
        let prepares = |statement: &Statement| matches!(statement.kind, Kind::Prepare { .. });
        if self.statements.iter().all(prepares) { Stage::Prepare } else { Stage::Execute }
    }

    /// The meaning of one statement that stands inside this text: what PREPARE names, what DECLARE opens.
    #[must_use]
    pub fn part(&self, inner: Statement) -> Self {
        Self {
            asked: Arc::clone(&self.asked),
            is_dynamic: is_dynamic(&inner.kind),
            is_pending: inner.is_pending(),
            statements: Box::new([inner]),
            is_sensitive: self.is_sensitive,
            world: self.world.clone(),
            shapes: Shapes::default(),
        }
    }
}

/// Why a text is not forwarded.
#[derive(Debug)]
pub enum NotUnderstood {
    /// It is over the limits.
    Rejected(Rejected),
    /// The gateway can't do its part.
    Refused(Refusal),
}

/// Understands texts, and remembers the latest. Shared by all sessions on a target.
#[derive(Debug)]
pub struct Meanings {
    gateway: Gateway,
    grammar: Postgres,
    shown: Arc<Shown>,
    hasher: RandomState,
    memory: Mutex<Memory>,
}

/// Two generations: when the young one is full it becomes the old one, and what is asked for again moves back.
#[derive(Debug, Default)]
struct Memory {
    young: HashMap<u64, SmallVec<[Arc<Meaning>; 1]>>,
    old: HashMap<u64, SmallVec<[Arc<Meaning>; 1]>>,
    /// Of the young ones.
    bytes: usize,
}

/// The most that one generation keeps, in bytes of text and an estimate of what was made of it.
const YOUNG_BYTES: usize = 16 << 20;

impl Meanings {
    /// Remembers nothing yet.
    pub fn new(gateway: Gateway, grammar: Postgres, shown: Shown) -> Self {
        Self {
            gateway,
            grammar,
            shown: Arc::new(shown),
            hasher: RandomState::new(),
            memory: Mutex::default(),
        }
    }

    /// What of a text evidence may have.
    pub fn shown(&self) -> &Arc<Shown> {
        &self.shown
    }

    /// What a text means. Costs a look-up when the text was seen before in the same world. `is_shared` says that
    /// other sessions see the same definitions, so that what is understood now holds for them too.
    ///
    /// # Errors
    /// Where it is over the limits: nothing of it may be forwarded. A text that is not in the grammar is understood as
    /// one statement that does something unknown.
    pub fn of(
        &self,
        text: &str,
        world: &World,
        directory: &Directory<'_>,
        is_shared: bool,
    ) -> Result<Arc<Meaning>, NotUnderstood> {
        let key = self.hasher.hash_one((text, world));
        if is_shared && let Some(known) = self.recall(key, text, world) {
            return Ok(known);
        }
        let statements = self.parse(text, world, directory, Parameters::Pending)?;
        let meaning = Arc::new(self.meaning(text, statements, world, directory)?);
        if is_shared && !meaning.is_dynamic {
            self.keep(key, Arc::clone(&meaning));
        }
        Ok(meaning)
    }

    /// What a text means with these values bound. Not remembered.
    ///
    /// # Errors
    /// As [`Meanings::of`].
    pub fn bound(
        &self,
        text: &str,
        world: &World,
        directory: &Directory<'_>,
        values: &[Bound<'_>],
    ) -> Result<Meaning, NotUnderstood> {
        let statements = self.parse(text, world, directory, Parameters::Bound(values))?;
        self.meaning(text, statements, world, directory)
    }

    /// The meaning of statements that were completed with what the session's names stand for.
    ///
    /// # Errors
    /// Where it can't be recorded.
    pub fn meaning(
        &self,
        text: &str,
        statements: Vec<Statement>,
        world: &World,
        directory: &Directory<'_>,
    ) -> Result<Meaning, NotUnderstood> {
        let actions = statements.iter().flat_map(|statement| statement.actions.iter().cloned());
        let actions = Arc::new(ActionSet::new(actions).with_lineage(lineage(&statements, directory)));
        let is_sensitive = self.gateway.policies().current().policy.tags(&actions);
        let asked = self
            .gateway
            .statement(StatementParts {
                protocol: &Protocol::POSTGRES,
                raw: text,
                shown: &self.shown.of(text, is_sensitive),
                actions: &actions,
                definitions: &definition(&statements, world, directory),
            })
            .map_err(NotUnderstood::Refused)?;
        Ok(Meaning {
            is_dynamic: statements.iter().any(|statement| is_dynamic(&statement.kind)),
            is_pending: statements.iter().any(Statement::is_pending),
            is_sensitive,
            statements: statements.into(),
            asked,
            world: world.clone(),
            shapes: Shapes::default(),
        })
    }

    fn parse(
        &self,
        text: &str,
        world: &World,
        directory: &Directory<'_>,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Statement>, NotUnderstood> {
        let environment = Environment {
            search_path: world.values.search_path.as_deref().map(<[Box<str>]>::to_vec),
            search_path_changed: world.is_path_changed,
            role: world.values.role.as_deref().map(Box::from),
            catalogue: &directory.catalogue,
            parameters,
        };
        match self.grammar.parse(text, &environment) {
            // It is judged as what it is, unknown: a server newer than the grammar may understand it.
            Err(Rejected::Syntax { message }) => Ok(vec![Statement::unparsed(text, message)]),
            parsed => parsed.map_err(NotUnderstood::Rejected),
        }
    }

    fn recall(&self, key: u64, text: &str, world: &World) -> Option<Arc<Meaning>> {
        let is_it = |meaning: &&Arc<Meaning>| **meaning.asked.raw() == *text && meaning.world == *world;
        // Each change is one call on a map, so a panic elsewhere leaves them whole.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = memory.young.get(&key).and_then(|list| list.iter().find(is_it)) {
            return Some(Arc::clone(known));
        }
        let known = Arc::clone(memory.old.get(&key)?.iter().find(is_it)?);
        memory.keep(key, Arc::clone(&known));
        Some(known)
    }

    fn keep(&self, key: u64, meaning: Arc<Meaning>) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).keep(key, meaning);
    }
}

impl Memory {
    fn keep(&mut self, key: u64, meaning: Arc<Meaning>) {
        let size = room::estimate(meaning.asked.raw().len());
        if size > YOUNG_BYTES {
            return;
        }
        if self.bytes + size > YOUNG_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.bytes += size;
        self.young.entry(key).or_default().push(meaning);
    }
}

fn is_dynamic(kind: &Kind) -> bool {
    match kind {
        Kind::Execute { .. } | Kind::Fetch { .. } => true,
        Kind::Explain { inner, .. } | Kind::Prepare { inner, .. } | Kind::Declare { inner, .. } => {
            is_dynamic(&inner.kind)
        }
        _ => false,
    }
}

/// Where the statements' data flows, by the names that policies know columns under.
fn lineage(statements: &[Statement], directory: &Directory<'_>) -> Lineage {
    let (mut shown, mut written, mut predicates) = (ColumnSet::new(), ColumnSet::new(), ColumnSet::new());
    for statement in statements {
        shown.merge(&statement.outputs.sources());
        statement.flows.iter().for_each(|flow| {
            written.merge(&flow.sources);
        });
        predicates.merge(&statement.predicates);
    }
    Lineage {
        shown: directory.sources(&shown),
        written: directory.sources(&written),
        predicates: directory.sources(&predicates),
    }
}

/// What an approval binds besides the text: the settings, and every relation's definition.
fn definition(statements: &[Statement], world: &World, directory: &Directory<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in world.values.search_path.iter().flat_map(|path| path.iter()) {
        bytes.extend_from_slice(part.as_bytes());
        bytes.push(0);
    }
    bytes.push(0);
    bytes.extend_from_slice(world.values.role.as_deref().unwrap_or_default().as_bytes());
    bytes.push(0);
    let mut relations: Vec<_> = statements
        .iter()
        .flat_map(|statement| {
            let outputs = statement.outputs.0.iter().flat_map(|output| output.sources.iter());
            let flows = statement.flows.iter().flat_map(|flow| flow.sources.iter());
            outputs.chain(flows).chain(statement.predicates.iter())
        })
        .filter_map(ColumnRef::relation)
        .collect();
    relations.sort_unstable();
    relations.dedup();
    for relation in relations {
        define(relation, directory, &mut bytes);
    }
    bytes
}

/// What a relation is, and for a view what it is made of.
fn define(relation: &RelationRef, directory: &Directory<'_>, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(relation.name.as_joined().as_bytes());
    bytes.push(0);
    let Some(known) = relation.oid.and_then(|oid| directory.catalogue.identified(oid)) else { return };
    bytes.extend_from_slice(&known.identity.oid.unwrap_or(0).to_be_bytes());
    if let RelationKind::View(text) | RelationKind::Materialized(text) = &known.kind {
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.push(0);
}
