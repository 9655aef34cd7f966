//! What a walk over one statement's tree gathers, and how it becomes a [`Statement`].

use std::cell::{Cell, OnceCell};
use std::ops::Range;
use std::sync::Arc;

use pg_query::protobuf::ParseResult;
use policy_core::{Action, Name, Resource, Value, Verb};

use super::scope::{Scope, Shown};
use crate::sql::catalogue::Relation;
use crate::sql::columns::{ColumnRef, ColumnSet, RelationRef};
use crate::sql::names::Target;
use crate::sql::session::Session;
use crate::sql::statement::{Definition, Flow, FlowTarget, Kind, Output, Outputs, Setting, Statement};
use crate::sql::{Bound, Environment, Parameters};

/// How many nodes, FROM items and columns a walk may visit before it gives up. A busy report takes some thousands.
const BUDGET: u32 = 500_000;

/// How many actions a statement may have before it is unknown.
const ACTIONS: usize = 1_000;

/// Normalises every statement of a parsed text.
pub(super) fn statements(text: &str, tree: &ParseResult, environment: &Environment<'_>) -> Vec<Statement> {
    // What each statement makes, for those behind it.
    let made: Vec<OnceCell<Relation>> = tree.stmts.iter().map(|_| OnceCell::new()).collect();
    let mut session = Session::new(environment);
    let mut statements = Vec::with_capacity(tree.stmts.len());
    for (raw, made) in tree.stmts.iter().zip(&made) {
        let start = usize::try_from(raw.stmt_location).unwrap_or(0);
        let end = match usize::try_from(raw.stmt_len) {
            Ok(0) | Err(_) => text.len(),
            Ok(length) => start + length,
        };
        let statement = statement(&session, raw.stmt.as_deref(), trim(text, start..end));
        if tree.stmts.len() > 1 {
            session.follow(&statement);
            super::overlay::overlay(&mut session, raw.stmt.as_deref(), &statement, made);
        }
        statements.push(statement);
    }
    if statements.is_empty() {
        statements.push(Statement {
            span: 0..text.len(),
            kind: Kind::Noop,
            actions: vec![Action::new(Verb::NOOP, Resource::None)],
            outputs: Outputs::default(),
            predicates: ColumnSet::new(),
            flows: Vec::new(),
            parameters: 0,
            settings: Vec::new(),
            defines: None,
            notes: Vec::new(),
        });
    }
    statements
}

/// Normalises one statement.
pub(super) fn statement(
    session: &Session<'_>,
    node: Option<&pg_query::Node>,
    span: Range<usize>,
) -> Statement {
    let mut walk = Walk::new(session);
    let kind = walk.statement(node);
    walk.finish(kind, span)
}

fn trim(text: &str, span: Range<usize>) -> Range<usize> {
    let Some(slice) = text.get(span.clone()) else {
        return 0..text.len();
    };
    let start = span.end - slice.trim_start().len();
    start..start + slice.trim().len()
}

/// One statement's effects, as they are found.
pub(super) struct Walk<'s, 'a> {
    pub(super) session: &'s Session<'a>,
    planned: Vec<Planned>,
    /// Columns that flow into outputs or elsewhere.
    read: ColumnSet,
    pub(super) predicates: ColumnSet,
    pub(super) outputs: Vec<Output>,
    flows: Vec<Flow>,
    parameters: u16,
    pub(super) settings: Vec<Setting>,
    /// Every call that is found runs, once, when the statement does.
    pub(super) calls_run: bool,
    /// What it does to definitions, where that is understood.
    pub(super) defines: Option<Definition>,
    notes: Vec<Box<str>>,
    pub(super) scopes: Vec<Scope<'a>>,
    pub(super) tables: Vec<CommonTable>,
    /// The statement's own LIMIT.
    pub(super) limit: Option<Value>,
    budget: Cell<u32>,
}

/// A common table expression in scope.
pub(super) struct CommonTable {
    pub(super) name: Box<str>,
    pub(super) columns: Shown,
}

/// An action whose attributes are filled in when the walk is over.
#[derive(Clone)]
enum Planned {
    Done(Action),
    Relation { verb: &'static str, relation: Option<Arc<RelationRef>>, attributes: Change },
}

/// What is known about a change of rows when it is found.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Change {
    pub(super) writes: Option<Value>,
    pub(super) filtered: Option<Value>,
}

impl<'s, 'a> Walk<'s, 'a> {
    pub(super) fn new(session: &'s Session<'a>) -> Self {
        Self {
            session,
            planned: Vec::new(),
            read: ColumnSet::new(),
            predicates: ColumnSet::new(),
            outputs: Vec::new(),
            flows: Vec::new(),
            parameters: 0,
            settings: Vec::new(),
            calls_run: false,
            defines: None,
            notes: Vec::new(),
            scopes: Vec::new(),
            tables: Vec::new(),
            limit: None,
            budget: Cell::new(BUDGET),
        }
    }

    /// Counts a node; `false` once there are too many, which makes the statement unknown.
    pub(super) fn spend(&self) -> bool {
        self.charge(1)
    }

    /// Counts several at once.
    pub(super) fn charge(&self, count: usize) -> bool {
        let left = self.budget.get().saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
        self.budget.set(left);
        left > 0
    }

    pub(super) fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|known| **known == *note) && self.notes.len() < 16 {
            self.notes.push(note.into());
        }
    }

    /// An effect that can't be determined.
    pub(super) fn unknown(&mut self, why: &str) {
        self.note(why);
        self.act(Action::unknown());
    }

    pub(super) fn act(&mut self, action: Action) {
        let is_known =
            self.planned.iter().any(|known| matches!(known, Planned::Done(known) if *known == action));
        if !is_known {
            self.plan(Planned::Done(action));
        }
    }

    fn plan(&mut self, planned: Planned) {
        if self.planned.len() < ACTIONS {
            self.planned.push(planned);
        } else {
            self.budget.set(0);
        }
    }

    /// A verb on a resource, without attributes.
    pub(super) fn verb(&mut self, verb: &'static str, resource: Resource) {
        self.act(Action::new(Verb::new(verb), resource));
    }

    /// A verb on rows of a relation. Which columns it reads is filled in at the end.
    pub(super) fn touch(&mut self, verb: &'static str, target: &Target<'a>, attributes: Change) {
        let relation = target.identity();
        if relation.is_none() {
            self.note("the schema of a relation could not be determined: write it with its schema");
        }
        let is_known = self.planned.iter().any(|known| match known {
            Planned::Relation { verb: v, relation: r, attributes: a } => {
                *v == verb && *r == relation && *a == attributes
            }
            Planned::Done(_) => false,
        });
        if !is_known {
            self.plan(Planned::Relation { verb, relation, attributes });
        }
    }

    pub(super) fn flow(&mut self, target: FlowTarget, sources: ColumnSet) {
        if !sources.is_empty() {
            self.read.merge(&sources);
            self.flows.push(Flow { target, sources });
        }
    }

    pub(super) fn parameter(&mut self, number: i32) {
        self.parameters = self.parameters.max(u16::try_from(number).unwrap_or(u16::MAX));
    }

    /// The value of a parameter, or why there is none.
    pub(super) fn bound(&self, number: i32) -> Literal<'a> {
        match self.session.environment.parameters {
            Parameters::Pending => Literal::Pending,
            Parameters::Bound(values) => {
                let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
                match index.and_then(|index| values.get(index)) {
                    Some(Bound::Null) => Literal::Null,
                    Some(Bound::Text(text)) => Literal::Text((*text).into()),
                    Some(Bound::Opaque) | None => Literal::Opaque,
                }
            }
        }
    }

    /// Takes over what an inner statement does (of PREPARE, DECLARE, EXPLAIN). What it sets is set when it runs, which is
    /// the caller's to say.
    pub(super) fn absorb(&mut self, inner: &Statement) {
        for action in &inner.actions {
            self.act(action.clone());
        }
        self.predicates.merge(&inner.predicates);
        self.flows.extend(inner.flows.iter().cloned());
        self.parameters = self.parameters.max(inner.parameters);
        for note in &inner.notes {
            self.note(note);
        }
    }

    /// Planned actions as they stand: what the arguments of EXECUTE do.
    pub(super) fn effects(&self) -> Vec<Action> {
        self.actions()
    }

    fn actions(&self) -> Vec<Action> {
        let mut actions: Vec<Action> = Vec::with_capacity(self.planned.len());
        for planned in &self.planned {
            let action = match planned {
                Planned::Done(action) => action.clone(),
                Planned::Relation { verb, relation, attributes } => {
                    self.relation_action(verb, relation.as_ref(), attributes)
                }
            };
            if !actions.contains(&action) {
                actions.push(action);
            }
        }
        actions
    }

    fn relation_action(
        &self,
        verb: &'static str,
        relation: Option<&Arc<RelationRef>>,
        change: &Change,
    ) -> Action {
        let resource =
            relation.map_or(Resource::Undetermined, |relation| Resource::Named(relation.name.clone()));
        let mut action = Action::new(Verb::new(verb), resource);
        if let Some(writes) = &change.writes {
            action = action.with("writes", full_names(relation, writes.clone()));
        }
        if matches!(verb, "select" | "update" | "delete") {
            action = action
                .with("reads", full_names(relation, columns_of(relation, &self.read)))
                .with("predicates", full_names(relation, columns_of(relation, &self.predicates)));
        }
        if let Some(filtered) = &change.filtered {
            action = action.with("filtered", filtered.clone());
        }
        if verb == "select"
            && let Some(limit) = &self.limit
        {
            action = action.with("limit", limit.clone());
        }
        action
    }

    fn finish(mut self, kind: Kind, span: Range<usize>) -> Statement {
        let mut outputs = std::mem::take(&mut self.outputs);
        if self.budget.get() == 0 {
            self.note("it does too much to work out");
            self.planned.push(Planned::Done(Action::unknown()));
            self.predicates = ColumnSet::unknown();
            outputs = Outputs::unknown().0;
        }
        for output in &outputs {
            self.read.merge(&output.sources);
        }
        let mut actions = self.actions();
        if actions.is_empty() {
            // A SELECT of constants reads no relation: it is judged as an empty statement. Anything else that
            // came to nothing was not understood.
            actions.push(match kind {
                Kind::Select | Kind::Copy(_) => Action::new(Verb::NOOP, Resource::None),
                _ => Action::unknown(),
            });
        }
        let defines = match &kind {
            Kind::Definition => Some(self.defines.unwrap_or(Definition::Other)),
            Kind::Call | Kind::Unknown => Some(Definition::Other),
            Kind::Explain { analyze: true, inner } => inner.defines.clone(),
            _ => None,
        };
        Statement {
            span,
            kind,
            defines,
            actions,
            outputs: Outputs(outputs),
            predicates: self.predicates,
            flows: self.flows,
            parameters: self.parameters,
            settings: self.settings,
            notes: self.notes,
        }
    }
}

/// The names of a relation's columns in a set; undetermined where the set may hold others of it.
fn columns_of(relation: Option<&Arc<RelationRef>>, set: &ColumnSet) -> Value {
    let Some(relation) = relation else {
        return Value::Undetermined;
    };
    let mut names: Vec<Box<str>> = Vec::new();
    for column in set {
        match column {
            ColumnRef::Unknown => return Value::Undetermined,
            ColumnRef::Whole(whole) if whole == relation => return Value::Undetermined,
            ColumnRef::Column { relation: of, name, .. } if of == relation => {
                names.push(name.as_ref().into())
            }
            ColumnRef::Whole(_) | ColumnRef::Column { .. } => {}
        }
    }
    Value::List(names.into())
}

/// Columns of the relation as policies name them: `schema.relation.column`, joined as names are.
fn full_names(relation: Option<&Arc<RelationRef>>, columns: Value) -> Value {
    let Value::List(columns) = columns else { return columns };
    let Some(relation) = relation else { return Value::Undetermined };
    let full = |column: &str| {
        let name = Name::new(relation.name.segments().chain([column]))?;
        Some(Box::from(name.as_joined()))
    };
    columns.iter().map(|column| full(column)).collect::<Option<_>>().map_or(Value::Undetermined, Value::List)
}

/// A literal, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal<'a> {
    Null,
    Text(std::borrow::Cow<'a, str>),
    /// Depends on parameters that are not bound.
    Pending,
    /// Anything else.
    Opaque,
}
