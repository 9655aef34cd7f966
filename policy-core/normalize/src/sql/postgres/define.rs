//! Definitions: CREATE, ALTER, DROP, COMMENT, GRANT and their kin.

use pg_query::protobuf::{
    self, AlterTableStmt, AlterTableType, ConstrType, CreateStmt, GrantStmt, GrantTargetType, ObjectType,
    RangeVar,
};
use pg_query::{Node, NodeEnum};
use policy_core::{Action, Resource, Value, Verb};

use super::names::strings;
use super::objects::{object_name, object_text};
use super::scope::{Scope, collapse};
use super::session::Session;
use super::walk::{Walk, statement};
use crate::sql::columns::ColumnSet;
use crate::sql::statement::{FlowTarget, Kind};

impl<'a> Walk<'_, 'a> {
    /// A statement that changes definitions, or one that is not understood.
    #[expect(
        clippy::too_many_lines,
        reason = "one arm a kind of statement; splitting the match would need a catch-all"
    )]
    pub(super) fn define(&mut self, node: &NodeEnum) -> Kind {
        match node {
            NodeEnum::CreateStmt(create) => self.create_table(create, "table"),
            NodeEnum::CreateForeignTableStmt(create) => match &create.base_stmt {
                Some(base) => self.create_table(base, "foreign table"),
                None => self.unknown("a foreign table without columns"),
            },
            NodeEnum::CreateTableAsStmt(create) => self.create_table_as(create),
            NodeEnum::ViewStmt(view) => {
                let outputs = self.query(view.query.as_deref());
                let name =
                    view.view.as_ref().map_or(Resource::Undetermined, |range| self.made_relation(range));
                self.definition("create", "view", name.clone());
                self.flow_into("view", name, collapse(&outputs).sources);
            }
            NodeEnum::IndexStmt(index) => self.create_index(index),
            NodeEnum::CreateSeqStmt(create) => {
                let name = create
                    .sequence
                    .as_ref()
                    .map_or(Resource::Undetermined, |range| self.made_relation(range));
                self.definition("create", "sequence", name);
            }
            NodeEnum::AlterSeqStmt(alter) => {
                let name = self.relation_resource(alter.sequence.as_ref());
                self.definition("alter", "sequence", name);
            }
            NodeEnum::CreateSchemaStmt(create) => self.create_schema(create),
            NodeEnum::CreateFunctionStmt(create) => self.create_function(create),
            NodeEnum::AlterFunctionStmt(alter) => {
                let name = alter
                    .func
                    .as_ref()
                    .map_or(Resource::Undetermined, |func| self.session.existing(&strings(&func.objname)));
                self.definition("alter", object_text(alter.objtype()), name);
            }
            NodeEnum::CreateTrigStmt(create) => {
                let name = self.part_of(create.relation.as_ref(), &create.trigname);
                self.definition("create", "trigger", name);
                // It will run for everybody who writes the table.
                let function = self.session.existing(&strings(&create.funcname));
                self.verb("call", function);
                if create.when_clause.is_some() {
                    self.in_table(create.relation.as_ref(), create.when_clause.as_deref(), &["old", "new"]);
                }
            }
            NodeEnum::RuleStmt(rule) => {
                let name = self.part_of(rule.relation.as_ref(), &rule.rulename);
                self.definition("create", "rule", name.clone());
                self.unknown("a rule changes what other statements do");
                self.flow_unknown("rule", name);
            }
            NodeEnum::CreatePolicyStmt(policy) => {
                let name = self.part_of(policy.table.as_ref(), &policy.policy_name);
                self.definition("create", "policy", name);
                self.in_table(policy.table.as_ref(), policy.qual.as_deref(), &[]);
                self.in_table(policy.table.as_ref(), policy.with_check.as_deref(), &[]);
            }
            NodeEnum::AlterPolicyStmt(policy) => {
                let name = self.part_of(policy.table.as_ref(), &policy.policy_name);
                self.definition("alter", "policy", name);
                self.in_table(policy.table.as_ref(), policy.qual.as_deref(), &[]);
                self.in_table(policy.table.as_ref(), policy.with_check.as_deref(), &[]);
            }
            NodeEnum::AlterTableStmt(alter) => self.alter_table(alter),
            NodeEnum::AlterTableMoveAllStmt(alter) => {
                self.definition("alter", object_text(alter.objtype()), Resource::Undetermined);
            }
            NodeEnum::DropStmt(drop) => {
                for object in &drop.objects {
                    let name = object_name(self.session, drop.remove_type(), object);
                    self.definition("drop", object_text(drop.remove_type()), name);
                }
            }
            NodeEnum::RenameStmt(rename) => self.rename(rename),
            NodeEnum::AlterObjectSchemaStmt(alter) => {
                let kind = alter.object_type();
                let name = self.object(kind, alter.relation.as_ref(), alter.object.as_deref());
                self.definition("alter", object_text(kind), name.clone());
                let moved = match &name {
                    Resource::Named(name) => Resource::named([
                        alter.newschema.as_str(),
                        name.segments().next_back().unwrap_or_default(),
                    ]),
                    Resource::None | Resource::Pending | Resource::Undetermined => Resource::Undetermined,
                };
                self.definition("create", object_text(kind), moved);
            }
            NodeEnum::AlterOwnerStmt(alter) => {
                let kind = alter.object_type();
                let name = self.object(kind, alter.relation.as_ref(), alter.object.as_deref());
                self.definition("alter", object_text(kind), name);
            }
            NodeEnum::AlterObjectDependsStmt(alter) => {
                let kind = alter.object_type();
                let name = self.object(kind, alter.relation.as_ref(), alter.object.as_deref());
                self.definition("alter", object_text(kind), name);
            }
            NodeEnum::CommentStmt(comment) => {
                let name = self.object(comment.objtype(), None, comment.object.as_deref());
                self.definition("comment", object_text(comment.objtype()), name);
            }
            NodeEnum::SecLabelStmt(label) => {
                let name = self.object(label.objtype(), None, label.object.as_deref());
                self.definition("alter", object_text(label.objtype()), name);
            }
            NodeEnum::GrantStmt(grant) => self.grant(grant),
            NodeEnum::GrantRoleStmt(grant) => self.grant_role(grant),
            NodeEnum::AlterDefaultPrivilegesStmt(alter) => {
                self.definition("alter", "default privileges", Resource::Undetermined);
                if let Some(grant) = &alter.action {
                    self.grant(grant);
                }
            }
            NodeEnum::CreateRoleStmt(create) => self.global("create", "role", &create.role),
            NodeEnum::AlterRoleStmt(alter) => {
                let name = role(alter.role.as_ref());
                self.definition("alter", "role", name);
            }
            NodeEnum::AlterRoleSetStmt(alter) => {
                let name = role(alter.role.as_ref());
                self.definition("alter", "role", name);
            }
            NodeEnum::DropRoleStmt(drop) => {
                for dropped in &drop.roles {
                    let name = role_node(dropped);
                    self.definition("drop", "role", name);
                }
            }
            NodeEnum::DropOwnedStmt(drop) => {
                for owner in &drop.roles {
                    let name = role_node(owner);
                    self.definition("drop", "owned", name);
                }
            }
            NodeEnum::ReassignOwnedStmt(reassign) => {
                for owner in &reassign.roles {
                    let name = role_node(owner);
                    self.definition("alter", "owned", name);
                }
            }
            NodeEnum::CreatedbStmt(create) => self.global("create", "database", &create.dbname),
            NodeEnum::AlterDatabaseStmt(alter) => self.global("alter", "database", &alter.dbname),
            NodeEnum::AlterDatabaseSetStmt(alter) => self.global("alter", "database", &alter.dbname),
            NodeEnum::AlterDatabaseRefreshCollStmt(alter) => self.global("alter", "database", &alter.dbname),
            NodeEnum::DropdbStmt(drop) => self.global("drop", "database", &drop.dbname),
            NodeEnum::AlterSystemStmt(alter) => {
                let name = alter.setstmt.as_ref().map_or("", |set| set.name.as_str());
                self.global("alter", "system", if name.is_empty() { "all" } else { name });
            }
            NodeEnum::CreateTableSpaceStmt(create) => {
                self.global("create", "tablespace", &create.tablespacename)
            }
            NodeEnum::DropTableSpaceStmt(drop) => self.global("drop", "tablespace", &drop.tablespacename),
            NodeEnum::AlterTableSpaceOptionsStmt(alter) => {
                self.global("alter", "tablespace", &alter.tablespacename)
            }
            NodeEnum::CreateExtensionStmt(create) => self.global("create", "extension", &create.extname),
            NodeEnum::AlterExtensionStmt(alter) => self.global("alter", "extension", &alter.extname),
            NodeEnum::AlterExtensionContentsStmt(alter) => {
                self.global("alter", "extension", &alter.extname);
                let name = self.object(alter.objtype(), None, alter.object.as_deref());
                self.definition("alter", object_text(alter.objtype()), name);
            }
            NodeEnum::CreateFdwStmt(create) => self.global("create", "foreign data wrapper", &create.fdwname),
            NodeEnum::AlterFdwStmt(alter) => self.global("alter", "foreign data wrapper", &alter.fdwname),
            NodeEnum::CreateForeignServerStmt(create) => self.global("create", "server", &create.servername),
            NodeEnum::AlterForeignServerStmt(alter) => self.global("alter", "server", &alter.servername),
            NodeEnum::CreateUserMappingStmt(create) => {
                self.global("create", "user mapping", &create.servername)
            }
            NodeEnum::AlterUserMappingStmt(alter) => self.global("alter", "user mapping", &alter.servername),
            NodeEnum::DropUserMappingStmt(drop) => self.global("drop", "user mapping", &drop.servername),
            NodeEnum::ImportForeignSchemaStmt(import) => {
                let name = Resource::named([import.local_schema.as_str(), "*"]);
                self.note("which tables a foreign schema has is not known");
                self.definition("create", "foreign table", Resource::Undetermined);
                self.definition("alter", "schema", name);
                self.global("alter", "server", &import.server_name);
            }
            NodeEnum::CreateAmStmt(create) => self.global("create", "access method", &create.amname),
            NodeEnum::CreateEventTrigStmt(create) => {
                self.global("create", "event trigger", &create.trigname);
                let function = self.session.existing(&strings(&create.funcname));
                self.verb("call", function);
            }
            NodeEnum::AlterEventTrigStmt(alter) => self.global("alter", "event trigger", &alter.trigname),
            NodeEnum::CreatePlangStmt(create) => self.global("create", "language", &create.plname),
            NodeEnum::DefineStmt(define) => {
                let name = self.session.made(&strings(&define.defnames));
                self.definition("create", object_text(define.kind()), name.clone());
                if matches!(
                    define.kind(),
                    ObjectType::ObjectOperator | ObjectType::ObjectAggregate | ObjectType::ObjectType
                ) {
                    // It gives a function to run to whoever uses it.
                    self.flow_unknown(object_text(define.kind()), name);
                }
            }
            NodeEnum::CreateDomainStmt(create) => {
                let name = self.session.made(&strings(&create.domainname));
                self.definition("create", "domain", name);
                self.constraints(None, &create.constraints);
            }
            NodeEnum::AlterDomainStmt(alter) => {
                let name = self.session.existing(&strings(&alter.type_name));
                self.definition("alter", "domain", name);
                if let Some(definition) = alter.def.as_deref() {
                    self.constraints(None, std::slice::from_ref(definition));
                }
            }
            NodeEnum::CreateCastStmt(create) => {
                let target = create.targettype.as_ref().map_or_else(Vec::new, |kind| strings(&kind.names));
                let name = self.session.existing(&target);
                self.definition("create", "cast", name);
            }
            NodeEnum::CreateTransformStmt(create) => self.global("create", "transform", &create.lang),
            NodeEnum::CreateConversionStmt(create) => {
                let name = self.session.made(&strings(&create.conversion_name));
                self.definition("create", "conversion", name);
            }
            NodeEnum::CreateOpClassStmt(create) => {
                let name = self.session.made(&strings(&create.opclassname));
                self.definition("create", "operator class", name);
            }
            NodeEnum::CreateOpFamilyStmt(create) => {
                let name = self.session.made(&strings(&create.opfamilyname));
                self.definition("create", "operator family", name);
            }
            NodeEnum::AlterOpFamilyStmt(alter) => {
                let name = self.session.existing(&strings(&alter.opfamilyname));
                self.definition("alter", "operator family", name);
            }
            NodeEnum::AlterOperatorStmt(alter) => {
                let name = alter
                    .opername
                    .as_ref()
                    .map_or(Resource::Undetermined, |name| self.session.existing(&strings(&name.objname)));
                self.definition("alter", "operator", name);
            }
            NodeEnum::AlterTypeStmt(alter) => {
                let name = self.session.existing(&strings(&alter.type_name));
                self.definition("alter", "type", name);
            }
            NodeEnum::CompositeTypeStmt(create) => {
                let name =
                    create.typevar.as_ref().map_or(Resource::Undetermined, |range| self.made_relation(range));
                self.definition("create", "type", name);
            }
            NodeEnum::CreateEnumStmt(create) => {
                let name = self.session.made(&strings(&create.type_name));
                self.definition("create", "type", name);
            }
            NodeEnum::CreateRangeStmt(create) => {
                let name = self.session.made(&strings(&create.type_name));
                self.definition("create", "type", name);
            }
            NodeEnum::AlterEnumStmt(alter) => {
                let name = self.session.existing(&strings(&alter.type_name));
                self.definition("alter", "type", name);
            }
            NodeEnum::AlterCollationStmt(alter) => {
                let name = self.session.existing(&strings(&alter.collname));
                self.definition("alter", "collation", name);
            }
            NodeEnum::CreateStatsStmt(create) => self.create_statistics(create),
            NodeEnum::AlterStatsStmt(alter) => {
                let name = self.session.existing(&strings(&alter.defnames));
                self.definition("alter", "statistics", name);
            }
            NodeEnum::AlterTsdictionaryStmt(alter) => {
                let name = self.session.existing(&strings(&alter.dictname));
                self.definition("alter", "text search dictionary", name);
            }
            NodeEnum::AlterTsconfigurationStmt(alter) => {
                let name = self.session.existing(&strings(&alter.cfgname));
                self.definition("alter", "text search configuration", name);
            }
            NodeEnum::CreatePublicationStmt(create) => {
                self.global("create", "publication", &create.pubname);
                self.publishes("publication", &create.pubname, &create.pubobjects, create.for_all_tables);
            }
            NodeEnum::AlterPublicationStmt(alter) => {
                self.global("alter", "publication", &alter.pubname);
                self.publishes("publication", &alter.pubname, &alter.pubobjects, alter.for_all_tables);
            }
            NodeEnum::CreateSubscriptionStmt(create) => {
                self.global("create", "subscription", &create.subname)
            }
            NodeEnum::AlterSubscriptionStmt(alter) => self.global("alter", "subscription", &alter.subname),
            NodeEnum::DropSubscriptionStmt(drop) => self.global("drop", "subscription", &drop.subname),
            other => {
                self.unknown(&format!("{} is not a statement that is understood", super::kinds::name(other)));
                return Kind::Unknown;
            }
        }
        Kind::Definition
    }

    pub(super) fn definition(&mut self, verb: &'static str, object: &'static str, name: Resource) {
        if name == Resource::Undetermined {
            self.note("the schema of an object could not be determined: write it with its schema");
        }
        self.act(Action::new(Verb::new(verb), name).with("object", Value::Text(object.into())));
    }

    /// An object that has no schema.
    fn global(&mut self, verb: &'static str, object: &'static str, name: &str) {
        self.definition(verb, object, Resource::named([name]));
    }

    fn relation_resource(&self, range: Option<&RangeVar>) -> Resource {
        range.map_or(Resource::Undetermined, |range| self.session.relation(range).resource())
    }

    /// A trigger, rule or policy: schema, relation, name.
    fn part_of(&self, range: Option<&RangeVar>, part: &str) -> Resource {
        match self.relation_resource(range) {
            Resource::Named(name) => Resource::named(name.segments().chain([part])),
            other => other,
        }
    }

    fn object(&self, kind: ObjectType, range: Option<&RangeVar>, object: Option<&Node>) -> Resource {
        match (range, object) {
            (Some(range), _) => self.session.relation(range).resource(),
            (None, Some(object)) => object_name(self.session, kind, object),
            (None, None) => Resource::Undetermined,
        }
    }

    /// An expression over one table's columns, and over rows of it by other names.
    fn in_table(&mut self, range: Option<&RangeVar>, expression: Option<&Node>, rows: &[&str]) {
        let target = match range {
            Some(range) => self.session.relation(range),
            None => super::names::Target::Undetermined,
        };
        self.scopes.push(Scope::default());
        self.enter(range, &target);
        for row in rows {
            if let Some(scope) = self.scopes.last_mut() {
                let mut entry = super::scope::Entry::relation(row, None, target.clone(), false);
                entry.qualified_only = true;
                scope.entries.push(entry);
            }
        }
        self.predicate(expression);
        self.scopes.pop();
    }

    fn create_table(&mut self, create: &CreateStmt, object: &'static str) {
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
            self.predicates(
                bound
                    .listdatums
                    .iter()
                    .chain(&bound.lowerdatums)
                    .chain(&bound.upperdatums)
                    .filter(|node| !matches!(node.node, Some(NodeEnum::PartitionRangeDatum(_)))),
            );
        }
        if let Some(specification) = &create.partspec {
            for part in &specification.part_params {
                if let Some(NodeEnum::PartitionElem(part)) = &part.node {
                    self.own_columns(part.expr.as_deref());
                }
            }
        }
    }

    fn column_definition(&mut self, column: &protobuf::ColumnDef) {
        self.own_columns(column.raw_default.as_deref());
        self.constraints(None, &column.constraints);
    }

    /// An expression over columns that are being defined: they hold nothing yet.
    fn own_columns(&mut self, expression: Option<&Node>) {
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
    fn constraints(&mut self, table: Option<&RangeVar>, constraints: &[Node]) {
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

    fn create_table_as(&mut self, create: &protobuf::CreateTableAsStmt) {
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
            Some(into) => self.make_table(into, object, &outputs),
            None => self.unknown("CREATE TABLE AS without a table"),
        }
    }

    fn create_index(&mut self, index: &protobuf::IndexStmt) {
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

    fn create_statistics(&mut self, create: &protobuf::CreateStatsStmt) {
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

    fn create_schema(&mut self, create: &protobuf::CreateSchemaStmt) {
        let name = if create.schemaname.is_empty() {
            role(create.authrole.as_ref())
        } else {
            Resource::named([&create.schemaname])
        };
        self.definition("create", "schema", name);
        for element in &create.schema_elts {
            // Their unqualified names are in the new schema, which no catalogue knows.
            let inner = statement(self.session, Some(element), 0..0);
            self.absorb(&inner);
            self.unknown("objects made along with a schema: make them in statements of their own");
        }
    }

    /// A function is judged by name when it is called; what its body does with data can't be followed.
    fn create_function(&mut self, create: &protobuf::CreateFunctionStmt) {
        let object = if create.is_procedure { "procedure" } else { "function" };
        let name = self.session.made(&strings(&create.funcname));
        self.definition("create", object, name.clone());
        self.flow_unknown(object, name);
        for parameter in &create.parameters {
            if let Some(NodeEnum::FunctionParameter(parameter)) = &parameter.node {
                self.own_columns(parameter.defexpr.as_deref());
            }
        }
    }

    fn alter_table(&mut self, alter: &AlterTableStmt) {
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

    fn alter_command(&mut self, alter: &AlterTableStmt, command: &protobuf::AlterTableCmd) {
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
    fn computed(&mut self, range: Option<&RangeVar>, column: &str, expressions: &[&Node]) {
        let target = match range {
            Some(range) => self.session.relation(range),
            None => super::names::Target::Undetermined,
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

    /// The old name changes, and the new one begins to mean what the old one did.
    fn rename(&mut self, rename: &protobuf::RenameStmt) {
        let kind = rename.rename_type();
        let name = self.object(kind, rename.relation.as_ref(), rename.object.as_deref());
        self.definition("alter", object_text(kind), name.clone());
        if !rename.subname.is_empty() {
            // A column, constraint, trigger, …: the relation is what changes.
            return;
        }
        let renamed = match &name {
            Resource::Named(name) => {
                let mut segments: Vec<&str> = name.segments().collect();
                segments.pop();
                segments.push(&rename.newname);
                Resource::named(segments)
            }
            Resource::None | Resource::Pending | Resource::Undetermined => Resource::Undetermined,
        };
        self.definition("create", object_text(kind), renamed);
    }

    fn grant(&mut self, grant: &GrantStmt) {
        let verb = if grant.is_grant { "grant" } else { "revoke" };
        let privileges: Option<Vec<Box<str>>> = grant
            .privileges
            .iter()
            .map(|privilege| match &privilege.node {
                Some(NodeEnum::AccessPriv(privilege)) => {
                    Some(privilege.priv_name.to_ascii_lowercase().into())
                }
                _ => None,
            })
            .collect();
        let privileges = match privileges {
            // No list is ALL.
            Some(privileges) if privileges.is_empty() => Value::List(Box::new(["all".into()])),
            Some(privileges) => Value::List(privileges.into()),
            None => Value::Undetermined,
        };
        let grantees = roles(&grant.grantees);
        let resources: Vec<Resource> = match grant.targtype() {
            GrantTargetType::AclTargetObject => grant
                .objects
                .iter()
                .map(|object| object_name(self.session, grant.objtype(), object))
                .collect(),
            GrantTargetType::AclTargetAllInSchema
            | GrantTargetType::AclTargetDefaults
            | GrantTargetType::Undefined => {
                vec![Resource::Undetermined]
            }
        };
        for resource in resources {
            self.act(
                Action::new(Verb::new(verb), resource)
                    .with("object", Value::Text(object_text(grant.objtype()).into()))
                    .with("privileges", privileges.clone())
                    .with("grantees", grantees.clone()),
            );
        }
    }

    fn grant_role(&mut self, grant: &protobuf::GrantRoleStmt) {
        let verb = if grant.is_grant { "grant" } else { "revoke" };
        let grantees = roles(&grant.grantee_roles);
        for granted in &grant.granted_roles {
            let resource = match &granted.node {
                Some(NodeEnum::AccessPriv(role)) => Resource::named([&role.priv_name]),
                _ => role_node(granted),
            };
            self.act(
                Action::new(Verb::new(verb), resource)
                    .with("object", Value::Text("role".into()))
                    .with("privileges", Value::List(Box::new(["member".into()])))
                    .with("grantees", grantees.clone()),
            );
        }
    }

    /// What a publication sends leaves the database.
    fn publishes(&mut self, object: &'static str, name: &str, objects: &[Node], everything: bool) {
        let name = Resource::named([name]);
        if everything {
            self.flow_unknown(object, name.clone());
        }
        for published in objects {
            let Some(NodeEnum::PublicationObjSpec(published)) = &published.node else {
                self.unknown("a part of a publication that is not understood");
                continue;
            };
            match published
                .pubtable
                .as_ref()
                .and_then(|table| table.relation.as_ref().map(|range| (table, range)))
            {
                Some((table, range)) => {
                    let target = self.session.relation(range);
                    self.reads(&target);
                    self.in_table(Some(range), table.where_clause.as_deref(), &[]);
                    self.scopes.push(Scope::default());
                    self.enter(Some(range), &target);
                    let outputs = self.star(&[]);
                    self.scopes.pop();
                    self.flow_into(object, name.clone(), collapse(&outputs).sources);
                }
                None => self.flow_unknown(object, name.clone()),
            }
        }
    }
}

/// What later statements of the same text must know about a definition.
pub(super) fn overlay(session: &mut Session<'_>, node: Option<&Node>, kind: &Kind) {
    let Some(node) = node.and_then(|node| node.node.as_ref()) else {
        return;
    };
    match node {
        NodeEnum::CreateStmt(create) => make(session, create.relation.as_ref()),
        NodeEnum::CreateSeqStmt(create) => make(session, create.sequence.as_ref()),
        NodeEnum::ViewStmt(view) => make(session, view.view.as_ref()),
        NodeEnum::CreateTableAsStmt(create) => {
            make(session, create.into.as_ref().and_then(|into| into.rel.as_ref()))
        }
        NodeEnum::SelectStmt(select) => {
            make(session, super::dispatch::into_of(select).and_then(|into| into.rel.as_ref()));
        }
        NodeEnum::DropStmt(drop)
            if matches!(
                drop.remove_type(),
                ObjectType::ObjectTable
                    | ObjectType::ObjectView
                    | ObjectType::ObjectMatview
                    | ObjectType::ObjectSequence
                    | ObjectType::ObjectForeignTable
            ) =>
        {
            for object in &drop.objects {
                if let Resource::Named(name) = object_name(session, drop.remove_type(), object) {
                    let mut segments = name.segments();
                    if let (Some(schema), Some(name)) = (segments.next(), segments.next()) {
                        let key = (schema.into(), name.into());
                        session.overlay.made.remove(&key);
                        session.overlay.dropped.insert(key);
                    }
                } else {
                    session.overlay.stale = true;
                }
            }
        }
        // Names, columns and functions mean the same afterwards.
        NodeEnum::IndexStmt(_)
        | NodeEnum::DropStmt(_)
        | NodeEnum::GrantStmt(_)
        | NodeEnum::GrantRoleStmt(_)
        | NodeEnum::CommentStmt(_)
        | NodeEnum::AlterSeqStmt(_)
        | NodeEnum::CreateRoleStmt(_)
        | NodeEnum::AlterRoleStmt(_)
        | NodeEnum::CreateTrigStmt(_)
        | NodeEnum::CreatePolicyStmt(_)
        | NodeEnum::AlterOwnerStmt(_)
        | NodeEnum::CreateEnumStmt(_)
        | NodeEnum::CreateStatsStmt(_) => {}
        NodeEnum::AlterTableStmt(alter) => {
            // Columns that come or go are looked up in vain at worst; rows that show elsewhere are not.
            let moves = alter.cmds.iter().any(|command| match &command.node {
                Some(NodeEnum::AlterTableCmd(command)) => matches!(
                    command.subtype(),
                    AlterTableType::AtAttachPartition
                        | AlterTableType::AtAddInherit
                        | AlterTableType::AtDropColumn
                ),
                _ => true,
            });
            session.overlay.stale |= moves;
        }
        _ => session.overlay.stale |= *kind == Kind::Definition,
    }
}

fn make(session: &mut Session<'_>, range: Option<&RangeVar>) {
    let Some(range) = range else {
        return;
    };
    let resource = if range.relpersistence == "t" || range.schemaname == "pg_temp" {
        Resource::named(["pg_temp", &range.relname])
    } else if range.schemaname.is_empty() {
        session.made(&[&range.relname])
    } else {
        session.made(&[&range.schemaname, &range.relname])
    };
    match resource {
        Resource::Named(name) => {
            let mut segments = name.segments();
            if let (Some(schema), Some(name)) = (segments.next(), segments.next()) {
                let key: (Box<str>, Box<str>) = (schema.into(), name.into());
                session.overlay.dropped.remove(&key);
                session.overlay.made.insert(key);
            }
        }
        Resource::None | Resource::Pending | Resource::Undetermined => session.overlay.stale = true,
    }
}

fn role(role: Option<&protobuf::RoleSpec>) -> Resource {
    use protobuf::RoleSpecType as Type;
    let Some(role) = role else {
        return Resource::Undetermined;
    };
    match role.roletype() {
        Type::RolespecCstring => Resource::named([&role.rolename]),
        Type::RolespecPublic => Resource::named(["public"]),
        Type::RolespecCurrentRole
        | Type::RolespecCurrentUser
        | Type::RolespecSessionUser
        | Type::Undefined => Resource::Undetermined,
    }
}

fn role_node(node: &Node) -> Resource {
    match &node.node {
        Some(NodeEnum::RoleSpec(spec)) => role(Some(spec)),
        _ => Resource::Undetermined,
    }
}

fn roles(nodes: &[Node]) -> Value {
    let names: Option<Vec<Box<str>>> = nodes
        .iter()
        .map(|node| match role_node(node) {
            Resource::Named(name) => Some(name.as_joined().into()),
            Resource::None | Resource::Pending | Resource::Undetermined => None,
        })
        .collect();
    names.map_or(Value::Undetermined, |names| Value::List(names.into()))
}
