//! Tables: their columns, constraints and indexes, and how ALTER TABLE moves data between columns.

use pg_query::protobuf::{
    self, AlterTableStmt, AlterTableType, ConstrType, CreateStmt, ObjectType, RangeVar,
};
use pg_query::{Node, NodeEnum};
use policy_core::Resource;

use super::names::strings;
use super::objects::object_text;
use super::scope::Scope;
use super::walk::Walk;
use crate::sql::columns::ColumnSet;
use crate::sql::statement::FlowTarget;

impl<'a> Walk<'_, 'a> {
    pub(super) fn create_table(&mut self, create: &CreateStmt, object: &'static str) {
        let name = create.relation.as_ref().map_or(Resource::Undetermined, |range| self.made_relation(range));
        self.definition("create", object, name);
        for element in create.table_elts.iter().chain(&create.constraints).chain(&create.nnconstraints) {
            match &element.node {
                Some(NodeEnum::ColumnDef(column)) => self.column_definition(column),
                Some(NodeEnum::Constraint(_)) => self.constraints(None, std::slice::from_ref(element)),
                // LIKE copies definitions, not rows.
                Some(NodeEnum::TableLikeClause(_)) => {}
                _ => self.unknown("an element of CREATE TABLE that is not understood"),
            }
        }
        // A child or partition shows its rows through its parent: that changes the parent.
        for parent in &create.inh_relations {
            let resource = self.range_resource(parent);
            self.definition("alter", "table", resource);
        }
        if let Some(bound) = &create.partbound {
            for datum in bound.listdatums.iter().chain(&bound.lowerdatums).chain(&bound.upperdatums) {
                match &datum.node {
                    Some(NodeEnum::PartitionRangeDatum(datum)) => self.own_columns(datum.value.as_deref()),
                    _ => self.own_columns(Some(datum)),
                }
            }
        }
        if let Some(specification) = &create.partspec {
            for part in &specification.part_params {
                if let Some(NodeEnum::PartitionElem(part)) = &part.node {
                    self.own_columns(part.expr.as_deref());
                }
            }
        }
    }

    pub(super) fn column_definition(&mut self, column: &protobuf::ColumnDef) {
        self.own_columns(column.raw_default.as_deref());
        self.constraints(None, &column.constraints);
    }

    /// An expression over columns that are being defined: they hold nothing yet.
    pub(super) fn own_columns(&mut self, expression: Option<&Node>) {
        let hidden = std::mem::take(&mut self.scopes);
        self.scopes.push(Scope::default());
        if let Some(scope) = self.scopes.last_mut() {
            scope.entries.push(super::scope::Entry::shown(
                None,
                std::rc::Rc::new(vec![super::scope::spread(ColumnSet::new(), true)]),
            ));
        }
        self.maybe(expression);
        self.scopes = hidden;
    }

    /// Constraints of a table that is made, or of an existing one.
    pub(super) fn constraints(&mut self, table: Option<&RangeVar>, constraints: &[Node]) {
        for constraint in constraints {
            let Some(NodeEnum::Constraint(constraint)) = &constraint.node else {
                self.unknown("a constraint that is not understood");
                continue;
            };
            for expression in
                [constraint.raw_expr.as_deref(), constraint.where_clause.as_deref()].into_iter().flatten()
            {
                match table {
                    Some(range) => self.in_table(Some(range), Some(expression), &[]),
                    None => self.own_columns(Some(expression)),
                }
            }
            if constraint.contype() == ConstrType::ConstrForeign {
                // Keys refer to a table and answer whether a value is in it.
                let resource = self.relation_resource(constraint.pktable.as_ref());
                self.definition("alter", "table", resource);
            }
        }
    }

    pub(super) fn create_table_as(&mut self, create: &protobuf::CreateTableAsStmt) {
        let object =
            if create.objtype() == ObjectType::ObjectMatview { "materialized view" } else { "table" };
        let outputs = match create.query.as_ref().and_then(|query| query.node.as_ref()) {
            Some(NodeEnum::ExecuteStmt(_)) => {
                self.unknown("what EXECUTE runs is known only to whoever saw it prepared");
                crate::sql::statement::Outputs::unknown().0
            }
            _ => self.query(create.query.as_deref()),
        };
        match &create.into {
            Some(into) => {
                self.make_table(into, object, &outputs);
                if object == "table" {
                    self.defines = self.stored(into, &outputs, create.if_not_exists);
                }
            }
            None => self.unknown("CREATE TABLE AS without a table"),
        }
    }

    pub(super) fn create_index(&mut self, index: &protobuf::IndexStmt) {
        let table = self.relation_resource(index.relation.as_ref());
        self.definition("create", "index", table);
        for element in index.index_params.iter().chain(&index.index_including_params) {
            if let Some(NodeEnum::IndexElem(element)) = &element.node {
                // Building an index evaluates its expressions on every row.
                self.in_table(index.relation.as_ref(), element.expr.as_deref(), &[]);
            }
        }
        self.in_table(index.relation.as_ref(), index.where_clause.as_deref(), &[]);
    }

    pub(super) fn create_statistics(&mut self, create: &protobuf::CreateStatsStmt) {
        let name = self.session.made(&strings(&create.defnames));
        self.definition("create", "statistics", name);
        for relation in &create.relations {
            if let Some(NodeEnum::RangeVar(range)) = &relation.node {
                for element in &create.exprs {
                    if let Some(NodeEnum::StatsElem(element)) = &element.node {
                        self.in_table(Some(range), element.expr.as_deref(), &[]);
                    }
                }
            }
        }
    }

    pub(super) fn alter_table(&mut self, alter: &AlterTableStmt) {
        let range = alter.relation.as_ref();
        let name = self.relation_resource(range);
        self.definition("alter", object_text(alter.objtype()), name);
        for command in &alter.cmds {
            let Some(NodeEnum::AlterTableCmd(command)) = &command.node else {
                self.unknown("a part of ALTER TABLE that is not understood");
                continue;
            };
            self.alter_command(alter, command);
        }
    }

    pub(super) fn alter_command(&mut self, alter: &AlterTableStmt, command: &protobuf::AlterTableCmd) {
        use AlterTableType as At;
        let range = alter.relation.as_ref();
        let definition = command.def.as_ref().and_then(|definition| definition.node.as_ref());
        match (command.subtype(), definition) {
            (
                At::AtAlterColumnType | At::AtAddColumn | At::AtSetExpression,
                Some(NodeEnum::ColumnDef(column)),
            ) => {
                let generated = column.constraints.iter().filter_map(|constraint| match &constraint.node {
                    Some(NodeEnum::Constraint(constraint)) => constraint.raw_expr.as_deref(),
                    _ => None,
                });
                let column_name = if command.name.is_empty() { &column.colname } else { &command.name };
                let expressions: Vec<&Node> =
                    column.raw_default.as_deref().into_iter().chain(generated).collect();
                self.computed(range, column_name, &expressions);
                self.cast(column.type_name.as_ref());
            }
            (At::AtSetExpression | At::AtColumnDefault | At::AtCookedColumnDefault, Some(_)) => {
                let expressions: Vec<&Node> = command.def.as_deref().into_iter().collect();
                self.computed(range, &command.name, &expressions);
            }
            (At::AtAddConstraint | At::AtAddIndexConstraint, Some(NodeEnum::Constraint(_))) => {
                if let Some(constraint) = command.def.as_deref() {
                    self.constraints(range, std::slice::from_ref(constraint));
                }
            }
            // Rows of one table show in the other from then on.
            (
                At::AtAttachPartition | At::AtDetachPartition | At::AtDetachPartitionFinalize,
                Some(NodeEnum::PartitionCmd(part)),
            ) => {
                let resource = self.relation_resource(part.name.as_ref());
                self.definition("alter", "table", resource);
            }
            (At::AtAddInherit | At::AtDropInherit, Some(NodeEnum::RangeVar(parent))) => {
                let resource = self.session.relation(parent).resource();
                self.definition("alter", "table", resource);
            }
            (At::Undefined, _) => self.unknown("a part of ALTER TABLE that is not understood"),
            // No expression, no other relation: the action on the table says it all.
            (
                At::AtAddColumn
                | At::AtAlterColumnType
                | At::AtSetExpression
                | At::AtColumnDefault
                | At::AtCookedColumnDefault
                | At::AtAddConstraint
                | At::AtAddIndexConstraint
                | At::AtAttachPartition
                | At::AtDetachPartition
                | At::AtDetachPartitionFinalize
                | At::AtAddInherit
                | At::AtDropInherit
                | At::AtAddColumnToView
                | At::AtDropNotNull
                | At::AtSetNotNull
                | At::AtDropExpression
                | At::AtSetStatistics
                | At::AtSetOptions
                | At::AtResetOptions
                | At::AtSetStorage
                | At::AtSetCompression
                | At::AtDropColumn
                | At::AtAddIndex
                | At::AtReAddIndex
                | At::AtReAddConstraint
                | At::AtReAddDomainConstraint
                | At::AtAlterConstraint
                | At::AtValidateConstraint
                | At::AtDropConstraint
                | At::AtReAddComment
                | At::AtAlterColumnGenericOptions
                | At::AtChangeOwner
                | At::AtClusterOn
                | At::AtDropCluster
                | At::AtSetLogged
                | At::AtSetUnLogged
                | At::AtDropOids
                | At::AtSetAccessMethod
                | At::AtSetTableSpace
                | At::AtSetRelOptions
                | At::AtResetRelOptions
                | At::AtReplaceRelOptions
                | At::AtEnableTrig
                | At::AtEnableAlwaysTrig
                | At::AtEnableReplicaTrig
                | At::AtDisableTrig
                | At::AtEnableTrigAll
                | At::AtDisableTrigAll
                | At::AtEnableTrigUser
                | At::AtDisableTrigUser
                | At::AtEnableRule
                | At::AtEnableAlwaysRule
                | At::AtEnableReplicaRule
                | At::AtDisableRule
                | At::AtAddOf
                | At::AtDropOf
                | At::AtReplicaIdentity
                | At::AtEnableRowSecurity
                | At::AtDisableRowSecurity
                | At::AtForceRowSecurity
                | At::AtNoForceRowSecurity
                | At::AtGenericOptions
                | At::AtAddIdentity
                | At::AtSetIdentity
                | At::AtDropIdentity
                | At::AtReAddStatistics,
                _,
            ) => {}
        }
    }

    /// A column computed from others of its table (USING, GENERATED): they flow into it.
    pub(super) fn computed(&mut self, range: Option<&RangeVar>, column: &str, expressions: &[&Node]) {
        let target = match range {
            Some(range) => self.session.relation(range),
            None => crate::sql::names::Target::Undetermined,
        };
        self.scopes.push(Scope::default());
        self.enter(range, &target);
        for expression in expressions {
            let lineage = self.expr(expression);
            let mut sources = lineage.sources;
            let into = self.column_of(&target, column);
            if sources.len() == 1 && sources.contains(&into) {
                // A column computed from itself stays where it is.
                sources = ColumnSet::new();
            }
            self.flow(FlowTarget::Column(into), sources);
        }
        self.scopes.pop();
    }
}
