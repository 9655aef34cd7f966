//! Definitions: CREATE, ALTER, DROP, COMMENT, GRANT and their kin.

use pg_query::protobuf::{self, DropBehavior, ObjectType, RangeVar};
use pg_query::{Node, NodeEnum};
use policy_core::{Action, Resource, Value, Verb};

use super::grants::{role, role_node};
use super::names::strings;
use super::objects::{dropped, object_name, object_text};
use super::scope::{Scope, collapse};
use super::walk::{Walk, statement};
use crate::sql::statement::Kind;

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
                let name = alter.func.as_ref().map_or(Resource::Undetermined, |func| {
                    self.session.existing_function(&strings(&func.objname))
                });
                self.definition("alter", object_text(alter.objtype()), name);
            }
            NodeEnum::CreateTrigStmt(create) => {
                let name = self.part_of(create.relation.as_ref(), &create.trigname);
                self.definition("create", "trigger", name);
                // It will run for everybody who writes the table.
                let function = self.session.existing_function(&strings(&create.funcname));
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
                    for name in dropped(self.session, drop, object) {
                        self.definition("drop", object_text(drop.remove_type()), name);
                    }
                }
                if drop.remove_type() == ObjectType::ObjectSchema
                    && drop.behavior() == DropBehavior::DropCascade
                {
                    // Everything in it goes as well.
                    self.definition("drop", "any", Resource::Undetermined);
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
                    _ => Resource::Undetermined,
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
                self.definition("drop", "any", Resource::Undetermined);
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
                let function = self.session.existing_function(&strings(&create.funcname));
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
                let name = self.session.existing_type(&strings(&alter.type_name));
                self.definition("alter", "domain", name);
                if let Some(definition) = alter.def.as_deref() {
                    self.constraints(None, std::slice::from_ref(definition));
                }
            }
            NodeEnum::CreateCastStmt(create) => {
                let target = create.targettype.as_ref().map_or_else(Vec::new, |kind| strings(&kind.names));
                let name = self.session.existing_type(&target);
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
                let name = self.session.existing_type(&strings(&alter.type_name));
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
                let name = self.session.existing_type(&strings(&alter.type_name));
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
    pub(super) fn global(&mut self, verb: &'static str, object: &'static str, name: &str) {
        self.definition(verb, object, Resource::named([name]));
    }

    pub(super) fn relation_resource(&self, range: Option<&RangeVar>) -> Resource {
        range.map_or(Resource::Undetermined, |range| self.session.relation(range).resource())
    }

    /// A trigger, rule or policy: schema, relation, name.
    pub(super) fn part_of(&self, range: Option<&RangeVar>, part: &str) -> Resource {
        match self.relation_resource(range) {
            Resource::Named(name) => Resource::named(name.segments().chain([part])),
            other => other,
        }
    }

    pub(super) fn object(
        &self,
        kind: ObjectType,
        range: Option<&RangeVar>,
        object: Option<&Node>,
    ) -> Resource {
        match (range, object) {
            (Some(range), _) => self.session.relation(range).resource(),
            (None, Some(object)) => object_name(self.session, kind, object),
            (None, None) => Resource::Undetermined,
        }
    }

    /// An expression over one table's columns, and over rows of it by other names.
    pub(super) fn in_table(&mut self, range: Option<&RangeVar>, expression: Option<&Node>, rows: &[&str]) {
        let target = match range {
            Some(range) => self.session.relation(range),
            None => crate::sql::names::Target::Undetermined,
        };
        self.scopes.push(Scope::default());
        self.enter(range, &target);
        for row in rows {
            if let Some(scope) = self.scopes.last_mut() {
                let mut entry = super::scope::Entry::relation(row, None, target.clone());
                entry.qualified_only = true;
                scope.entries.push(entry);
            }
        }
        self.predicate(expression);
        self.scopes.pop();
    }

    pub(super) fn create_schema(&mut self, create: &protobuf::CreateSchemaStmt) {
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
    pub(super) fn create_function(&mut self, create: &protobuf::CreateFunctionStmt) {
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

    /// The old name changes, and the new one begins to mean what the old one did.
    pub(super) fn rename(&mut self, rename: &protobuf::RenameStmt) {
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
            _ => Resource::Undetermined,
        };
        self.definition("create", object_text(kind), renamed);
    }

    /// What a publication sends leaves the database.
    pub(super) fn publishes(&mut self, object: &'static str, name: &str, objects: &[Node], everything: bool) {
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
