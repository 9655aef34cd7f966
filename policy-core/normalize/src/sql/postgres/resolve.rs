//! Column references to the columns they mean, through the scopes of a query.

use std::rc::Rc;
use std::sync::Arc;

use pg_query::protobuf::{AIndirection, ColumnRef as Reference};
use pg_query::{Node, NodeEnum};

use super::lineage::Lineage;
use super::names::strings;
use super::scope::{
    Columns, Entry, Found, Merged, Scope, Shape, collapse, named_column, spread, system_attnum,
};
use super::walk::Walk;
use crate::sql::catalogue::{Relation, RelationKind};
use crate::sql::columns::{ColumnRef, ColumnSet, RelationRef};
use crate::sql::names::Target;
use crate::sql::session::Session;
use crate::sql::shipped;
use crate::sql::statement::Output;

/// How many views deep a definition is followed.
const VIEW_DEPTH: usize = 16;

/// Where a name leads.
enum Meaning {
    /// To columns.
    Columns(Lineage),
    /// To a function of a whole row: `t.f` is `f(t)` where `t` has no column `f`.
    Call(Lineage),
    /// Nowhere.
    Nothing,
}

impl<'a> Walk<'_, 'a> {
    pub(super) fn column(&mut self, reference: &Reference) -> Lineage {
        let names = strings(&reference.fields);
        let star = ends_in_star(&reference.fields);
        if star {
            let outputs = self.star(&names);
            let run = collapse(&outputs);
            return Lineage { sources: run.sources, uncertain: outputs.iter().any(|output| !output.certain) };
        }
        match self.meaning(&names) {
            Meaning::Columns(lineage) => lineage,
            Meaning::Call(mut lineage) => {
                if let Some(name) = names.last() {
                    let called = self.attribute_call(name);
                    lineage.merge(&called);
                }
                lineage
            }
            Meaning::Nothing => {
                self.note("a column could not be traced to a relation");
                Lineage::unknown()
            }
        }
    }

    /// The lineage of a column reference, if it leads anywhere; says nothing otherwise.
    pub(super) fn try_column(&mut self, name: &str) -> Option<Lineage> {
        match self.meaning(&[name]) {
            Meaning::Columns(lineage) | Meaning::Call(lineage) => Some(lineage),
            Meaning::Nothing => None,
        }
    }

    /// The lineage of a column reference, without its effects.
    pub(super) fn lineage_of_names(&self, names: &[&str]) -> Option<Lineage> {
        match self.meaning(names) {
            Meaning::Columns(lineage) => Some(lineage),
            Meaning::Call(_) | Meaning::Nothing => None,
        }
    }

    fn meaning(&self, names: &[&str]) -> Meaning {
        match names {
            [column] => self.unqualified(column),
            [.., _, _] => {
                let (column, qualifier) = match names.split_last() {
                    Some((column, qualifier)) => (*column, qualifier),
                    None => return Meaning::Nothing,
                };
                match self.entry(qualifier) {
                    Some(entry) => match self.find(entry, column) {
                        Found::Yes(lineage) | Found::Maybe(lineage) => Meaning::Columns(lineage),
                        Found::No => Meaning::Call(self.row(entry)),
                    },
                    None => Meaning::Nothing,
                }
            }
            [] => Meaning::Nothing,
        }
    }

    /// A column without a qualifier: the innermost scope that surely has it, and every item on the way that may.
    fn unqualified(&self, column: &str) -> Meaning {
        let mut candidates: Vec<Lineage> = Vec::new();
        for scope in self.scopes.iter().rev() {
            let mut sure = false;
            for entry in scope.entries.iter().filter(|entry| !entry.qualified_only) {
                match self.find(entry, column) {
                    Found::Yes(lineage) => {
                        sure = true;
                        candidates.push(lineage);
                    }
                    Found::Maybe(lineage) => candidates.push(lineage),
                    Found::No => {}
                }
            }
            if sure {
                break;
            }
            // The name of an item stands for its whole row where no column has that name.
            if let Some(entry) = scope.entries.iter().find(|entry| entry.name.as_deref() == Some(column)) {
                candidates.push(self.row(entry));
                if candidates.len() == 1 {
                    break;
                }
            }
        }
        match candidates.as_slice() {
            [] => Meaning::Nothing,
            [one] => Meaning::Columns(one.clone()),
            many => {
                let mut merged = Lineage { sources: ColumnSet::new(), uncertain: true };
                for lineage in many {
                    merged.merge(lineage);
                }
                Meaning::Columns(merged)
            }
        }
    }

    /// The item that a qualifier names, in the innermost scope that has it.
    fn entry(&self, qualifier: &[&str]) -> Option<&Entry<'a>> {
        let (name, schema) = match qualifier {
            [name] => (*name, None),
            [.., schema, name] => (*name, Some(*schema)),
            [] => return None,
        };
        self.scopes.iter().rev().find_map(|scope| {
            scope.entries.iter().find(|entry| {
                entry.name.as_deref() == Some(name)
                    && schema.is_none_or(|schema| entry.schema.as_deref() == Some(schema))
            })
        })
    }

    /// A column of an item.
    fn find(&self, entry: &Entry<'a>, column: &str) -> Found {
        if !self.spend() {
            return Found::Yes(Lineage::unknown());
        }
        let renamed = entry.renames.iter().position(|name| **name == *column);
        match &entry.columns {
            Columns::Relation(Target::Known(relation)) => {
                let index = match renamed {
                    Some(index) => Some(index),
                    None => relation
                        .columns
                        .iter()
                        .position(|known| *known.name == *column)
                        .filter(|index| *index >= entry.renames.len()),
                };
                match index {
                    Some(index) => Found::Yes(self.session.relation_column(relation, index)),
                    None => match system_attnum(column) {
                        Some(attnum) => Found::Yes(Lineage::of(ColumnSet::of(ColumnRef::Column {
                            relation: Arc::clone(&relation.identity),
                            name: column.into(),
                            attnum: Some(attnum),
                        }))),
                        None => Found::No,
                    },
                }
            }
            Columns::Relation(Target::Named(relation)) => {
                if renamed.is_some() || !entry.renames.is_empty() {
                    // Which column got the new name is not known.
                    return Found::Maybe(Lineage { sources: whole(relation), uncertain: true });
                }
                let mut lineage = Lineage::of(named_column(relation, column));
                if shipped::takes_row(column) {
                    lineage.merge(&Lineage { sources: whole(relation), uncertain: true });
                }
                add_held_values(relation, Some(column), &mut lineage.sources);
                Found::Maybe(lineage)
            }
            Columns::Relation(Target::Unlisted(relation)) => {
                let mut lineage = Lineage::unknown();
                lineage.sources.merge(&named_column(relation, column));
                Found::Maybe(lineage)
            }
            Columns::Relation(Target::Undetermined) => Found::Maybe(Lineage::unknown()),
            Columns::Shown(outputs) => {
                let at = |index: usize| outputs.get(index).filter(|output| !output.spread);
                let index = match renamed {
                    Some(index) => Some(index),
                    None => outputs.iter().enumerate().position(|(index, output)| {
                        index >= entry.renames.len() && output.name.as_deref() == Some(column)
                    }),
                };
                let before_runs = outputs.iter().position(|output| output.spread).unwrap_or(outputs.len());
                match index {
                    Some(index) if index < before_runs || renamed.is_none() => match at(index) {
                        Some(output) => Found::Yes(lineage_of(output)),
                        None => Found::Maybe(lineage_of(&collapse(outputs))),
                    },
                    Some(_) => Found::Maybe(lineage_of(&collapse(outputs))),
                    None if before_runs < outputs.len() => {
                        let runs = outputs.iter().filter(|output| output.spread);
                        let mut lineage = Lineage::none();
                        for run in runs {
                            lineage.merge(&self.in_run(run, column));
                        }
                        Found::Maybe(lineage)
                    }
                    None => Found::No,
                }
            }
        }
    }

    /// A column by name in a run of columns: of relations in it that run whole, the column of that name.
    fn in_run(&self, run: &Output, column: &str) -> Lineage {
        match run.sources.iter().as_slice() {
            [ColumnRef::Whole(relation)] if run.certain => {
                let mut sources = named_column(relation, column);
                add_held_values(relation, Some(column), &mut sources);
                Lineage { sources, uncertain: false }
            }
            _ => Lineage { sources: run.sources.clone(), uncertain: true },
        }
    }

    /// All columns of an item, as one value.
    fn row(&self, entry: &Entry<'a>) -> Lineage {
        let mut lineage = Lineage::none();
        for output in self.columns_of(entry).iter() {
            lineage.merge(&lineage_of(output));
        }
        lineage
    }

    /// The columns that `*` or `t.*` shows.
    pub(super) fn star(&mut self, qualifier: &[&str]) -> Vec<Output> {
        if !qualifier.is_empty() {
            return match self.entry(qualifier) {
                Some(entry) => self.columns_of(entry).to_vec(),
                None => {
                    self.note("a row could not be traced to a relation");
                    vec![spread(ColumnSet::unknown(), false)]
                }
            };
        }
        let Some(scope) = self.scopes.last() else {
            return vec![spread(ColumnSet::unknown(), false)];
        };
        let mut outputs = Vec::new();
        for shape in &scope.shapes {
            outputs.extend(self.expand(scope, shape));
        }
        outputs
    }

    /// The columns of a FROM item, in the order that `*` shows them.
    pub(super) fn expand(&self, scope: &Scope<'a>, shape: &Shape) -> Vec<Output> {
        match shape {
            Shape::Entry(index) => {
                scope.entries.get(*index).map_or_else(Vec::new, |entry| self.columns_of(entry).to_vec())
            }
            Shape::Join { left, right, merged } => {
                let left = self.expand(scope, left);
                let right = self.expand(scope, right);
                merge_sides(left, right, merged)
            }
        }
    }

    /// The columns of an item, in order.
    pub(super) fn columns_of(&self, entry: &Entry<'a>) -> Rc<Vec<Output>> {
        let count = match &entry.columns {
            Columns::Shown(outputs) => outputs.len(),
            Columns::Relation(Target::Known(relation)) => relation.columns.len(),
            Columns::Relation(_) => 1,
        };
        if !self.charge(count) {
            return Rc::new(vec![spread(ColumnSet::unknown(), false)]);
        }
        let outputs = match &entry.columns {
            Columns::Shown(outputs) if entry.renames.is_empty() => return Rc::clone(outputs),
            Columns::Shown(outputs) => outputs.to_vec(),
            Columns::Relation(Target::Known(relation)) => relation
                .columns
                .iter()
                .enumerate()
                .map(|(index, column)| {
                    let lineage = self.session.relation_column(relation, index);
                    output(Some(Arc::clone(&column.name)), lineage)
                })
                .collect(),
            Columns::Relation(Target::Named(relation)) => {
                let mut sources = whole(relation);
                add_held_values(relation, None, &mut sources);
                return Rc::new(vec![spread(sources, entry.renames.is_empty())]);
            }
            Columns::Relation(Target::Unlisted(relation)) => {
                let mut sources = whole(relation);
                sources.insert(ColumnRef::Unknown);
                return Rc::new(vec![spread(sources, false)]);
            }
            Columns::Relation(Target::Undetermined) => {
                return Rc::new(vec![spread(ColumnSet::unknown(), false)]);
            }
        };
        Rc::new(rename(outputs, &entry.renames))
    }

    /// `(t).column`, where `t` names an item.
    pub(super) fn field_of_row(&mut self, indirection: &AIndirection) -> Option<Lineage> {
        let names = match indirection.arg.as_ref().and_then(|arg| arg.node.as_ref()) {
            Some(NodeEnum::ColumnRef(reference)) if !ends_in_star(&reference.fields) => {
                strings(&reference.fields)
            }
            _ => return None,
        };
        let (first, rest) = indirection.indirection.split_first()?;
        if self.names_a_column(&names) {
            return None;
        }
        let entry = self.entry(&names)?;
        match &first.node {
            Some(NodeEnum::AStar(_)) if rest.is_empty() => Some(self.row(entry)),
            Some(NodeEnum::String(column)) if rest.is_empty() => match self.find(entry, &column.sval) {
                Found::Yes(lineage) | Found::Maybe(lineage) => Some(lineage),
                Found::No => {
                    let mut lineage = self.row(entry);
                    lineage.merge(&self.attribute_call(&column.sval));
                    Some(lineage)
                }
            },
            _ => None,
        }
    }

    /// `(t).*`: the columns of an item, or a run of columns that a row value holds.
    pub(super) fn star_of_row(&mut self, indirection: &AIndirection) -> Vec<Output> {
        if let Some(NodeEnum::ColumnRef(reference)) =
            indirection.arg.as_ref().and_then(|arg| arg.node.as_ref())
            && indirection.indirection.len() == 1
            && !ends_in_star(&reference.fields)
        {
            let names = strings(&reference.fields);
            if !self.names_a_column(&names)
                && let Some(entry) = self.entry(&names)
            {
                return self.columns_of(entry).to_vec();
            }
        }
        let lineage = match indirection.arg.as_deref() {
            Some(arg) => self.expr(arg),
            None => Lineage::unknown(),
        };
        vec![spread(lineage.sources, false)]
    }

    fn names_a_column(&self, names: &[&str]) -> bool {
        match names {
            [column] => self.scopes.iter().rev().any(|scope| {
                scope.entries.iter().any(|entry| matches!(self.find(entry, column), Found::Yes(_)))
            }),
            _ => false,
        }
    }
}

impl<'a> Session<'a> {
    /// A column of a relation: itself, what a view makes it of, and its namesakes in the relation's family.
    pub(super) fn relation_column(&self, relation: &'a Relation, index: usize) -> Lineage {
        let Some(column) = relation.columns.get(index) else {
            return Lineage::unknown();
        };
        let mut sources = ColumnSet::of(ColumnRef::Column {
            relation: Arc::clone(&relation.identity),
            name: Arc::clone(&column.name),
            attnum: Some(column.attnum),
        });
        add_held_values(&relation.identity, Some(&column.name), &mut sources);
        if let RelationKind::View(definition) | RelationKind::Materialized(definition) = &relation.kind
            && !is_system(&relation.identity)
        {
            match relation.lineage.get() {
                Some(lineage) => merge_at(&mut sources, lineage, index),
                None => {
                    let lineage = self.view_lineage(relation, definition);
                    merge_at(&mut sources, &lineage, index);
                    // Another thread may have been first; both found the same.
                    let _ = relation.lineage.set(lineage);
                }
            }
        }
        for oid in &relation.family {
            if let Some(member) = self.environment.catalogue.relation_by_oid(*oid)
                && let Some(namesake) = member.columns.iter().find(|other| other.name == column.name)
            {
                sources.insert(ColumnRef::Column {
                    relation: Arc::clone(&member.identity),
                    name: Arc::clone(&namesake.name),
                    attnum: Some(namesake.attnum),
                });
            }
        }
        let uncertain = sources.is_unknown();
        Lineage { sources, uncertain }
    }

    /// What a view's columns are made of; unknown where its definition can't be followed.
    fn view_lineage(&self, relation: &Relation, definition: &str) -> Vec<ColumnSet> {
        let unknown = || vec![ColumnSet::unknown(); relation.columns.len()];
        if self.view_depth >= VIEW_DEPTH {
            return unknown();
        }
        let Ok(outputs) = super::outputs_of_view(self, definition) else {
            return unknown();
        };
        (0..relation.columns.len())
            .map(|index| outputs.at(index, relation.columns.len()).unwrap_or_else(ColumnSet::unknown))
            .collect()
    }
}

fn merge_at(sources: &mut ColumnSet, lineage: &[ColumnSet], index: usize) {
    match lineage.get(index) {
        Some(more) => {
            sources.merge(more);
        }
        None => {
            sources.insert(ColumnRef::Unknown);
        }
    }
}

/// Views that ship with the server show definitions and statistics; what of them holds data is listed.
fn is_system(relation: &RelationRef) -> bool {
    matches!(relation.name.segments().next(), Some("pg_catalog" | "information_schema"))
}

/// Statistics and the like hold values of other relations: those flow too, and it is not known which.
fn add_held_values(relation: &RelationRef, column: Option<&str>, sources: &mut ColumnSet) {
    let mut segments = relation.name.segments();
    if segments.next() == Some("pg_catalog")
        && segments.next().is_some_and(|name| shipped::holds_values(name, column))
    {
        sources.insert(ColumnRef::Unknown);
    }
}

pub(super) fn whole(relation: &Arc<RelationRef>) -> ColumnSet {
    ColumnSet::of(ColumnRef::Whole(Arc::clone(relation)))
}

pub(super) fn output(name: Option<Arc<str>>, lineage: Lineage) -> Output {
    Output { name, certain: !lineage.uncertain, sources: lineage.sources, spread: false }
}

pub(super) fn lineage_of(output: &Output) -> Lineage {
    Lineage { sources: output.sources.clone(), uncertain: !output.certain }
}

pub(super) fn ends_in_star(fields: &[Node]) -> bool {
    fields.last().is_some_and(|field| matches!(&field.node, Some(NodeEnum::AStar(_))))
}

/// Gives the first columns new names.
pub(super) fn rename(mut outputs: Vec<Output>, names: &[Box<str>]) -> Vec<Output> {
    if names.is_empty() {
        return outputs;
    }
    if outputs.iter().take(names.len()).any(|output| output.spread) {
        // Which columns get the names is not known.
        return vec![collapse(&outputs)];
    }
    for (output, name) in outputs.iter_mut().zip(names) {
        output.name = Some(name.as_ref().into());
    }
    outputs
}

/// The columns of a join, merged ones first.
fn merge_sides(left: Vec<Output>, right: Vec<Output>, merged: &Merged) -> Vec<Output> {
    let has_run = left.iter().chain(&right).any(|output| output.spread);
    let names: Vec<Arc<str>> = match merged {
        Merged::None => {
            let mut both = left;
            both.extend(right);
            return both;
        }
        Merged::Using(names) => names.iter().map(|name| name.as_ref().into()).collect(),
        Merged::Natural => left
            .iter()
            .filter_map(|output| output.name.clone())
            .filter(|name| right.iter().any(|other| other.name.as_ref() == Some(name)))
            .collect(),
    };
    if has_run {
        let mut both = left;
        both.extend(right);
        return vec![collapse(&both)];
    }
    let mut outputs = Vec::new();
    for name in &names {
        let mut lineage = Lineage::none();
        for side in [&left, &right] {
            if let Some(output) = side.iter().find(|output| output.name.as_ref() == Some(name)) {
                lineage.merge(&lineage_of(output));
            }
        }
        outputs.push(output(Some(Arc::clone(name)), lineage));
    }
    let is_other = |output: &Output| output.name.as_ref().is_none_or(|name| !names.contains(name));
    outputs.extend(left.into_iter().filter(is_other));
    outputs.extend(right.into_iter().filter(is_other));
    outputs
}
