//! Definitions that are understood in full: what is there once they have run, nothing left out.
//!
//! Everything else is [`Definition::Other`]. What would let rows or values show elsewhere than they were written (parents
//! and partitions, generated columns) is among that, on purpose.

use std::sync::Arc;

use pg_query::protobuf::{
    AlterTableStmt, AlterTableType, ColumnDef, ConstrType, CreateStmt, IntoClause, ObjectType,
    OnCommitAction, RangeVar, TableLikeClause,
};
use pg_query::{Node, NodeEnum};
use policy_core::{Name, Resource};

use super::walk::Walk;
use crate::sql::statement::{Definition, NewColumn, NewTable, Output};

/// `CREATE TABLE (LIKE … INCLUDING GENERATED)`, in `src/include/nodes/parsenodes.h`.
const LIKE_GENERATED: u32 = 1 << 4;

impl Walk<'_, '_> {
    /// What a statement defines, where that is understood.
    pub(super) fn defined(&self, node: &NodeEnum) -> Option<Definition> {
        match node {
            NodeEnum::CreateStmt(create) => self.new_table(create),
            NodeEnum::AlterTableStmt(alter) => self.altered(alter),
            NodeEnum::CreateSchemaStmt(create)
                if create.schema_elts.is_empty() && !create.schemaname.is_empty() =>
            {
                Some(Definition::Schema(create.schemaname.as_str().into()))
            }
            NodeEnum::IndexStmt(_)
            | NodeEnum::CommentStmt(_)
            | NodeEnum::GrantStmt(_)
            | NodeEnum::GrantRoleStmt(_)
            | NodeEnum::AlterOwnerStmt(_)
            | NodeEnum::CreateStatsStmt(_) => Some(Definition::Neutral),
            _ => None,
        }
    }

    /// A table that a query fills: its columns are the query's, if all of them have names.
    pub(super) fn stored(
        &self,
        into: &IntoClause,
        outputs: &[Output],
        if_missing: bool,
    ) -> Option<Definition> {
        let mut columns: Vec<Arc<str>> = Vec::with_capacity(outputs.len());
        for (index, output) in outputs.iter().enumerate() {
            let given = into.col_names.get(index).map(|name| match &name.node {
                Some(NodeEnum::String(name)) => Some(name.sval.as_str().into()),
                _ => None,
            });
            columns.push(match given {
                Some(given) => given?,
                None => output.name.clone()?,
            });
            if output.spread {
                return None;
            }
        }
        self.table(into.rel.as_ref()?, columns, if_missing, into.on_commit())
    }

    fn new_table(&self, create: &CreateStmt) -> Option<Definition> {
        let has_relatives =
            !create.inh_relations.is_empty() || create.partbound.is_some() || create.partspec.is_some();
        if has_relatives || create.of_typename.is_some() {
            return None;
        }
        let mut columns = Vec::with_capacity(create.table_elts.len());
        for element in &create.table_elts {
            match &element.node {
                Some(NodeEnum::ColumnDef(column)) => columns.push(plain(column)?),
                Some(NodeEnum::TableLikeClause(like)) => columns.extend(self.like(like)?),
                Some(NodeEnum::Constraint(_)) => {}
                _ => return None,
            }
        }
        self.table(create.relation.as_ref()?, columns, create.if_not_exists, create.oncommit())
    }

    fn table(
        &self,
        range: &RangeVar,
        columns: Vec<Arc<str>>,
        if_missing: bool,
        on_commit: OnCommitAction,
    ) -> Option<Definition> {
        let Resource::Named(name) = self.made_relation(range) else { return None };
        // Another session's, or this one's by a name that only the server knows.
        if name.segments().next().is_none_or(|schema| schema.starts_with("pg_") && schema != "pg_temp") {
            return None;
        }
        let until_commit = on_commit == OnCommitAction::OncommitDrop;
        Some(Definition::Table(NewTable { name, columns, if_missing, until_commit }))
    }

    fn like(&self, like: &TableLikeClause) -> Option<Vec<Arc<str>>> {
        if like.options & LIKE_GENERATED != 0 {
            return None;
        }
        match self.session.relation(like.relation.as_ref()?) {
            crate::sql::names::Target::Known(relation) => {
                Some(relation.columns.iter().map(|column| Arc::clone(&column.name)).collect())
            }
            _ => None,
        }
    }

    fn altered(&self, alter: &AlterTableStmt) -> Option<Definition> {
        if alter.objtype() != ObjectType::ObjectTable {
            return None;
        }
        let mut columns = Vec::new();
        for command in &alter.cmds {
            let Some(NodeEnum::AlterTableCmd(command)) = &command.node else { return None };
            let definition = command.def.as_ref().and_then(|definition| definition.node.as_ref());
            match (command.subtype(), definition) {
                (AlterTableType::AtAddColumn, Some(NodeEnum::ColumnDef(column))) => {
                    columns.push(NewColumn { name: plain(column)?, if_missing: command.missing_ok });
                }
                (kind, _) if is_neutral(kind) => {}
                _ => return None,
            }
        }
        if columns.is_empty() {
            return Some(Definition::Neutral);
        }
        match self.relation_resource(alter.relation.as_ref()) {
            Resource::Named(relation) => Some(Definition::Columns { relation, columns }),
            _ => None,
        }
    }
}

/// The name of a column that holds only what is written to it.
fn plain(column: &ColumnDef) -> Option<Arc<str>> {
    let is_computed = |constraint: &Node| match &constraint.node {
        Some(NodeEnum::Constraint(constraint)) => constraint.contype() == ConstrType::ConstrGenerated,
        _ => true,
    };
    let is_plain = column.generated.is_empty() && !column.constraints.iter().any(is_computed);
    (is_plain && !column.colname.is_empty()).then(|| column.colname.as_str().into())
}

/// What leaves the table's columns what they were, and what is read through it.
fn is_neutral(kind: AlterTableType) -> bool {
    use AlterTableType as At;
    matches!(
        kind,
        At::AtColumnDefault
            | At::AtCookedColumnDefault
            | At::AtDropNotNull
            | At::AtSetNotNull
            | At::AtSetStatistics
            | At::AtSetOptions
            | At::AtResetOptions
            | At::AtSetStorage
            | At::AtSetCompression
            | At::AtAddIndex
            | At::AtAddConstraint
            | At::AtAddIndexConstraint
            | At::AtAlterConstraint
            | At::AtValidateConstraint
            | At::AtDropConstraint
            | At::AtChangeOwner
            | At::AtClusterOn
            | At::AtDropCluster
            | At::AtSetLogged
            | At::AtSetUnLogged
            | At::AtSetTableSpace
            | At::AtSetRelOptions
            | At::AtResetRelOptions
            | At::AtReplicaIdentity
            | At::AtEnableRowSecurity
            | At::AtDisableRowSecurity
            | At::AtForceRowSecurity
            | At::AtNoForceRowSecurity
            | At::AtAddIdentity
            | At::AtSetIdentity
            | At::AtDropIdentity
    )
}

/// The parts of a name with a schema.
pub(super) fn key(name: &Name) -> Option<(Box<str>, Box<str>)> {
    let mut segments = name.segments();
    Some((segments.next()?.into(), segments.next()?.into()))
}
