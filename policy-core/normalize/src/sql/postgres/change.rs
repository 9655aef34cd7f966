//! INSERT, UPDATE, DELETE and MERGE.

use std::rc::Rc;
use std::sync::Arc;

use pg_query::protobuf::{
    CmdType, DeleteStmt, InsertStmt, MergeStmt, OnConflictAction, RangeVar, ReturningClause,
    ReturningOptionKind, UpdateStmt,
};
use pg_query::{Node, NodeEnum};
use policy_core::{Resource, Value};

use super::names::strings;
use super::scope::{Entry, Scope, collapse};
use super::walk::{Change, Walk};
use crate::sql::catalogue::Lookup;
use crate::sql::columns::{ColumnRef, ColumnSet};
use crate::sql::names::Target;
use crate::sql::statement::{FlowTarget, Output};

/// What writes rows, for triggers.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Write {
    Insert,
    Update,
    Delete,
    Truncate,
}

impl<'a> Walk<'_, 'a> {
    pub(super) fn insert(&mut self, insert: &InsertStmt) -> Vec<Output> {
        let tables = self.tables.len();
        self.with(insert.with_clause.as_ref());
        let target = self.written(insert.relation.as_ref());
        let rows = match insert.select_stmt.as_deref() {
            Some(source) => self.query(Some(source)),
            // DEFAULT VALUES.
            None => Vec::new(),
        };
        let columns = self.insert_columns(&target, &insert.cols, rows.len());
        self.writes("insert", &target, columns.as_deref(), None);
        self.fires(&target, Write::Insert);
        self.flow_rows(&target, columns.as_deref(), &rows);
        self.scopes.push(Scope::default());
        self.enter(insert.relation.as_ref(), &target);
        if let Some(conflict) = &insert.on_conflict_clause {
            self.enter_shown("excluded", excluded(columns.as_deref(), &rows));
            if let Some(infer) = &conflict.infer {
                for element in &infer.index_elems {
                    if let Some(NodeEnum::IndexElem(element)) = &element.node {
                        if !element.name.is_empty()
                            && let Some(lineage) = self.try_column(&element.name)
                        {
                            self.predicates.merge(&lineage.sources);
                        }
                        self.predicate(element.expr.as_deref());
                    }
                }
                self.predicate(infer.where_clause.as_deref());
            }
            if conflict.action() == OnConflictAction::OnconflictUpdate {
                let written = self.assignments(&target, &conflict.target_list);
                self.predicate(conflict.where_clause.as_deref());
                // The arbiter index picks the one row that conflicts.
                self.writes("update", &target, written.as_deref(), Some(Value::Bool(true)));
                self.fires(&target, Write::Update);
            }
        }
        let outputs = self.returning(insert.returning_clause.as_ref(), &target);
        self.scopes.pop();
        self.tables.truncate(tables);
        outputs
    }

    pub(super) fn update(&mut self, update: &UpdateStmt) -> Vec<Output> {
        let tables = self.tables.len();
        self.with(update.with_clause.as_ref());
        let target = self.written(update.relation.as_ref());
        self.scopes.push(Scope::default());
        self.enter(update.relation.as_ref(), &target);
        self.from(&update.from_clause);
        let written = self.assignments(&target, &update.target_list);
        self.predicate(update.where_clause.as_deref());
        let filtered = self.filtered(&target, update.where_clause.as_deref());
        self.writes("update", &target, written.as_deref(), Some(filtered));
        self.fires(&target, Write::Update);
        let outputs = self.returning(update.returning_clause.as_ref(), &target);
        self.scopes.pop();
        self.tables.truncate(tables);
        outputs
    }

    pub(super) fn delete(&mut self, delete: &DeleteStmt) -> Vec<Output> {
        let tables = self.tables.len();
        self.with(delete.with_clause.as_ref());
        let target = self.written(delete.relation.as_ref());
        self.scopes.push(Scope::default());
        self.enter(delete.relation.as_ref(), &target);
        self.from(&delete.using_clause);
        self.predicate(delete.where_clause.as_deref());
        let filtered = self.filtered(&target, delete.where_clause.as_deref());
        self.writes("delete", &target, Some(&[]), Some(filtered));
        self.fires(&target, Write::Delete);
        let outputs = self.returning(delete.returning_clause.as_ref(), &target);
        self.scopes.pop();
        self.tables.truncate(tables);
        outputs
    }

    pub(super) fn merge(&mut self, merge: &MergeStmt) -> Vec<Output> {
        let tables = self.tables.len();
        self.with(merge.with_clause.as_ref());
        let target = self.written(merge.relation.as_ref());
        self.scopes.push(Scope::default());
        self.enter(merge.relation.as_ref(), &target);
        if let Some(source) = merge.source_relation.as_deref() {
            let shape = self.item(source);
            if let Some(scope) = self.scopes.last_mut() {
                scope.shapes.push(shape);
            }
        }
        self.predicate(merge.join_condition.as_deref());
        for clause in &merge.merge_when_clauses {
            let Some(NodeEnum::MergeWhenClause(clause)) = &clause.node else {
                self.unknown("a WHEN of MERGE that is not understood");
                continue;
            };
            self.predicate(clause.condition.as_deref());
            let filtered = self.filtered(&target, clause.condition.as_deref());
            let filtered = match self.filtered(&target, merge.join_condition.as_deref()) {
                Value::Bool(true) => Value::Bool(true),
                _ => filtered,
            };
            match clause.command_type() {
                CmdType::CmdInsert => {
                    let rows: Vec<Output> = clause
                        .values
                        .iter()
                        .map(|value| {
                            let lineage = self.expr(value);
                            super::resolve::output(None, lineage)
                        })
                        .collect();
                    let columns = self.insert_columns(&target, &clause.target_list, rows.len());
                    self.writes("insert", &target, columns.as_deref(), None);
                    self.fires(&target, Write::Insert);
                    self.flow_rows(&target, columns.as_deref(), &rows);
                }
                CmdType::CmdUpdate => {
                    let written = self.assignments(&target, &clause.target_list);
                    self.writes("update", &target, written.as_deref(), Some(filtered));
                    self.fires(&target, Write::Update);
                }
                CmdType::CmdDelete => {
                    self.writes("delete", &target, Some(&[]), Some(filtered));
                    self.fires(&target, Write::Delete);
                }
                CmdType::CmdNothing => {}
                _ => self.unknown("an action of MERGE that is not understood"),
            }
        }
        let outputs = self.returning(merge.returning_clause.as_ref(), &target);
        self.scopes.pop();
        self.tables.truncate(tables);
        outputs
    }

    /// The relation that is written. A common table expression can't be.
    fn written(&mut self, relation: Option<&RangeVar>) -> Target<'a> {
        relation.map_or(Target::Undetermined, |range| self.session.relation(range))
    }

    /// Brings the written relation into scope.
    pub(super) fn enter(&mut self, relation: Option<&RangeVar>, target: &Target<'a>) {
        let Some(range) = relation else {
            return;
        };
        let alias = range.alias.as_ref().map(|alias| alias.aliasname.as_str());
        let identity = target.identity();
        let schema = match &identity {
            Some(identity) if alias.is_none() => identity.name.segments().next(),
            _ => None,
        };
        let entry = Entry::relation(alias.unwrap_or(&range.relname), schema, target.clone());
        if let Some(scope) = self.scopes.last_mut() {
            scope.entries.push(entry);
            let index = scope.entries.len() - 1;
            scope.shapes.push(super::scope::Shape::Entry(index));
        }
    }

    fn enter_shown(&mut self, name: &str, outputs: Vec<Output>) {
        let mut entry = Entry::shown(Some(name), Rc::new(outputs));
        entry.qualified_only = true;
        if let Some(scope) = self.scopes.last_mut() {
            scope.entries.push(entry);
        }
    }

    fn from(&mut self, items: &[Node]) {
        for item in items {
            let shape = self.item(item);
            if let Some(scope) = self.scopes.last_mut() {
                scope.shapes.push(shape);
            }
        }
    }

    /// The columns that INSERT fills, in order; `None` where they can't be determined.
    pub(super) fn insert_columns(
        &self,
        target: &Target<'a>,
        list: &[Node],
        values: usize,
    ) -> Option<Vec<Arc<str>>> {
        if !list.is_empty() {
            return list
                .iter()
                .map(|item| match &item.node {
                    Some(NodeEnum::ResTarget(column)) => Some(column.name.as_str().into()),
                    Some(NodeEnum::String(column)) => Some(column.sval.as_str().into()),
                    _ => None,
                })
                .collect();
        }
        match target {
            Target::Known(relation) if values <= relation.columns.len() => {
                // Those without a value get their default, which writes them as well.
                Some(relation.columns.iter().map(|column| Arc::clone(&column.name)).collect())
            }
            _ => None,
        }
    }

    /// Each column of the rows flows into the column that it fills.
    pub(super) fn flow_rows(&mut self, target: &Target<'a>, columns: Option<&[Arc<str>]>, rows: &[Output]) {
        let has_run = rows.iter().any(|output| output.spread);
        match columns {
            Some(columns) if !has_run && rows.len() <= columns.len() => {
                for (column, row) in columns.iter().zip(rows) {
                    let into = self.column_of(target, column);
                    self.flow(FlowTarget::Column(into), row.sources.clone());
                }
            }
            _ => {
                let into = match target.identity() {
                    Some(identity) => ColumnRef::Whole(identity),
                    None => ColumnRef::Unknown,
                };
                self.flow(FlowTarget::Column(into), collapse(rows).sources);
            }
        }
    }

    pub(super) fn column_of(&self, target: &Target<'a>, name: &str) -> ColumnRef {
        let attnum = match target {
            Target::Known(relation) => {
                relation.columns.iter().find(|column| *column.name == *name).map(|column| column.attnum)
            }
            Target::Named(_) | Target::Unlisted(_) | Target::Undetermined => None,
        };
        match target.identity() {
            Some(relation) => ColumnRef::Column { relation, name: name.into(), attnum },
            None => ColumnRef::Unknown,
        }
    }

    /// `SET a = …, (b, c) = …`: the columns written.
    fn assignments(&mut self, target: &Target<'a>, list: &[Node]) -> Option<Vec<Arc<str>>> {
        let mut written: Vec<Arc<str>> = Vec::with_capacity(list.len());
        let mut rows: Option<Vec<Output>> = None;
        for item in list {
            let Some(NodeEnum::ResTarget(assignment)) = &item.node else {
                self.unknown("an assignment that is not understood");
                return None;
            };
            self.predicates_of_indices(&assignment.indirection);
            let sources = match assignment.val.as_ref().and_then(|value| value.node.as_ref()) {
                Some(NodeEnum::MultiAssignRef(assign)) => {
                    // The tree repeats the source for each of its columns.
                    if assign.colno == 1 || rows.is_none() {
                        rows = Some(self.assigned_rows(assign.source.as_deref()));
                    }
                    let rows = rows.as_deref().unwrap_or_default();
                    let index = usize::try_from(assign.colno).unwrap_or(0).wrapping_sub(1);
                    match rows.get(index) {
                        Some(output) if !rows.iter().any(|output| output.spread) => output.sources.clone(),
                        _ => collapse(rows).sources,
                    }
                }
                _ => {
                    rows = None;
                    self.maybe(assignment.val.as_deref()).sources
                }
            };
            let into = self.column_of(target, &assignment.name);
            self.flow(FlowTarget::Column(into), sources);
            let name: Arc<str> = assignment.name.as_str().into();
            if !written.contains(&name) {
                written.push(name);
            }
        }
        Some(written)
    }

    fn assigned_rows(&mut self, source: Option<&Node>) -> Vec<Output> {
        match source.and_then(|source| source.node.as_ref()) {
            Some(NodeEnum::SubLink(link)) => self.query(link.subselect.as_deref()),
            Some(NodeEnum::RowExpr(row)) => row
                .args
                .iter()
                .map(|value| {
                    let lineage = self.expr(value);
                    super::resolve::output(None, lineage)
                })
                .collect(),
            _ => {
                let lineage = self.maybe(source);
                vec![super::scope::spread(lineage.sources, false)]
            }
        }
    }

    fn predicates_of_indices(&mut self, indirection: &[Node]) {
        for step in indirection {
            if let Some(NodeEnum::AIndices(_)) = &step.node {
                self.predicate(Some(step));
            }
        }
    }

    fn writes(
        &mut self,
        verb: &'static str,
        target: &Target<'a>,
        columns: Option<&[Arc<str>]>,
        filtered: Option<Value>,
    ) {
        let writes = match columns {
            Some(columns) => Value::List(columns.iter().map(|column| column.as_ref().into()).collect()),
            None => Value::Undetermined,
        };
        let writes = if verb == "delete" { None } else { Some(writes) };
        self.touch(verb, target, Change { writes, filtered });
    }

    /// What the relation's triggers call, and whether rules rewrite the statement.
    pub(super) fn fires(&mut self, target: &Target<'a>, write: Write) {
        let relation = match target {
            Target::Known(relation) => relation,
            // Where even the schema can't be told, names have changed hands: this may be any table, with its triggers.
            Target::Unlisted(identity)
                if identity.name.segments().next().is_some_and(|schema| {
                    self.session.environment.catalogue.schema(schema) == Lookup::Unknown
                }) =>
            {
                self.note("what the triggers of a relation do could not be determined");
                self.verb("call", Resource::Undetermined);
                return;
            }
            Target::Unlisted(_) | Target::Named(_) | Target::Undetermined => return,
        };
        if relation.rewritten && write != Write::Truncate {
            self.unknown("rules rewrite what is written to this relation");
        }
        for trigger in &relation.triggers {
            let fires = match write {
                Write::Insert => trigger.insert,
                Write::Update => trigger.update,
                Write::Delete => trigger.delete,
                Write::Truncate => trigger.truncate,
            };
            if fires {
                self.verb("call", Resource::Named(trigger.function.clone()));
            }
        }
    }

    /// RETURNING shows rows: that is reading them.
    fn returning(&mut self, clause: Option<&ReturningClause>, target: &Target<'a>) -> Vec<Output> {
        let Some(clause) = clause else {
            return Vec::new();
        };
        self.reads(target);
        let mut names = [
            ("old", ReturningOptionKind::ReturningOptionOld),
            ("new", ReturningOptionKind::ReturningOptionNew),
        ]
        .map(|(name, kind)| (name.to_owned(), kind));
        for option in &clause.options {
            if let Some(NodeEnum::ReturningOption(option)) = &option.node {
                for (name, kind) in &mut names {
                    if *kind == option.option() {
                        name.clone_from(&option.value);
                    }
                }
            }
        }
        for (name, _) in &names {
            let taken = self.scopes.last().is_some_and(|scope| {
                scope.entries.iter().any(|entry| entry.name.as_deref() == Some(name.as_str()))
            });
            if !taken {
                let mut entry = Entry::relation(name, None, target.clone());
                entry.qualified_only = true;
                if let Some(scope) = self.scopes.last_mut() {
                    scope.entries.push(entry);
                }
            }
        }
        self.targets(&clause.exprs)
    }

    /// Semantics 10: whether some conjunct narrows the written rows by comparing one of their columns with
    /// something that has no columns and no volatile functions.
    pub(super) fn filtered(&mut self, target: &Target<'a>, condition: Option<&Node>) -> Value {
        let mut doubt = false;
        let mut conjuncts: Vec<&Node> = condition.into_iter().collect();
        while let Some(conjunct) = conjuncts.pop() {
            match &conjunct.node {
                Some(NodeEnum::BoolExpr(expression))
                    if expression.boolop() == pg_query::protobuf::BoolExprType::AndExpr =>
                {
                    conjuncts.extend(&expression.args);
                }
                Some(NodeEnum::CurrentOfExpr(_)) => return Value::Bool(true),
                _ => match self.narrows(target, conjunct) {
                    Some(true) => return Value::Bool(true),
                    Some(false) => {}
                    None => doubt = true,
                },
            }
        }
        if doubt { Value::Undetermined } else { Value::Bool(false) }
    }

    /// Whether a comparison narrows the written rows; `None` where it is not known whose column it compares.
    fn narrows(&self, target: &Target<'a>, conjunct: &Node) -> Option<bool> {
        let Some(column) = super::filtered::compared(conjunct, &|call| self.is_constant(call)) else {
            return Some(false);
        };
        let identity = target.identity()?;
        let names = strings(&column.fields);
        let lineage = self.lineage_of_names(&names)?;
        let is_own = |source: &ColumnRef| source.relation().is_some_and(|relation| *relation == identity);
        if !lineage.uncertain {
            return Some(lineage.sources.iter().any(is_own));
        }
        if lineage.sources.iter().any(is_own) || lineage.sources.is_unknown() { None } else { Some(false) }
    }

    fn is_constant(&self, call: &pg_query::protobuf::FuncCall) -> bool {
        let names = strings(&call.funcname);
        self.session.function(&names).constant
    }
}

/// What ON CONFLICT calls `excluded`: the row that was to be inserted.
fn excluded(columns: Option<&[Arc<str>]>, rows: &[Output]) -> Vec<Output> {
    match columns {
        Some(columns) if !rows.iter().any(|output| output.spread) => columns
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let row = rows.get(index);
                Output {
                    name: Some(Arc::clone(name)),
                    sources: row.map_or_else(ColumnSet::new, |row| row.sources.clone()),
                    certain: row.is_none_or(|row| row.certain),
                    spread: false,
                }
            })
            .collect(),
        _ => vec![collapse(rows)],
    }
}
