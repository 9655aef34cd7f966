//! Each kind of statement to what it does. Definitions are in [`super::define`].

use pg_query::protobuf::{
    self, CopyStmt, DeclareCursorStmt, DefElem, DiscardMode, ExecuteStmt, ExplainStmt, PrepareStmt,
    SelectStmt, TransactionStmt, TransactionStmtKind, VariableSetKind, VariableSetStmt, a_const::Val,
};
use pg_query::{Node, NodeEnum};
use policy_core::{Action, Resource, Value, Verb};

use super::change::Write;
use super::lineage::Lineage;
use super::names::strings;
use super::resolve::output;
use super::scope::{Entry, Scope, Shape, collapse};
use super::walk::{Change, Literal, Walk, statement};
use crate::sql::columns::{ColumnRef, ColumnSet};
use crate::sql::statement::{
    Argument, Copy, CopyFormat, Direction, Discard, FlowTarget, Format, Kind, Output, Outputs, Setting,
    SettingValue, Transaction, Via,
};

impl<'a> Walk<'_, 'a> {
    /// One statement's effects; its kind.
    pub(super) fn statement(&mut self, node: Option<&Node>) -> Kind {
        let Some(node) = node.and_then(|node| node.node.as_ref()) else {
            self.unknown("a statement is missing");
            return Kind::Unknown;
        };
        match node {
            NodeEnum::SelectStmt(select) => self.top_select(select),
            NodeEnum::InsertStmt(insert) => {
                self.outputs = self.insert(insert);
                Kind::Insert
            }
            NodeEnum::UpdateStmt(update) => {
                self.outputs = self.update(update);
                Kind::Update
            }
            NodeEnum::DeleteStmt(delete) => {
                self.outputs = self.delete(delete);
                Kind::Delete
            }
            NodeEnum::MergeStmt(merge) => {
                self.outputs = self.merge(merge);
                Kind::Merge
            }
            NodeEnum::CallStmt(call) => self.call_procedure(call),
            NodeEnum::TransactionStmt(transaction) => self.transaction(transaction),
            NodeEnum::VariableSetStmt(set) => self.set(set),
            NodeEnum::ConstraintsSetStmt(_) => {
                self.verb("set", Resource::named(["constraints"]));
                Kind::Set
            }
            NodeEnum::VariableShowStmt(show) => {
                self.verb("show", Resource::named(show.name.to_ascii_lowercase().split('.')));
                self.outputs = if show.name == "all" {
                    vec![super::scope::spread(ColumnSet::new(), true)]
                } else {
                    vec![output(Some(show.name.as_str().into()), Lineage::none())]
                };
                Kind::Show
            }
            NodeEnum::PrepareStmt(prepare) => self.prepare(prepare),
            NodeEnum::ExecuteStmt(execute) => self.execute(execute),
            NodeEnum::DeallocateStmt(deallocate) => {
                let name = (!deallocate.isall).then(|| deallocate.name.as_str().into());
                self.verb("deallocate", named_or(name.as_deref(), "all"));
                Kind::Deallocate(name)
            }
            NodeEnum::DeclareCursorStmt(declare) => self.declare(declare),
            NodeEnum::FetchStmt(fetch) => {
                self.verb("fetch", Resource::named([&fetch.portalname]));
                if !fetch.ismove {
                    self.outputs = Outputs::unknown().0;
                }
                Kind::Fetch { cursor: fetch.portalname.as_str().into(), moves: fetch.ismove }
            }
            NodeEnum::ClosePortalStmt(close) => {
                let name = (!close.portalname.is_empty()).then(|| close.portalname.as_str().into());
                self.verb("close", named_or(name.as_deref(), "all"));
                Kind::Close(name)
            }
            NodeEnum::CopyStmt(copy) => self.copy(copy),
            NodeEnum::ExplainStmt(explain) => self.explain(explain),
            NodeEnum::ListenStmt(listen) => {
                self.verb("listen", Resource::named([&listen.conditionname]));
                Kind::Listen(listen.conditionname.as_str().into())
            }
            NodeEnum::UnlistenStmt(unlisten) => {
                let name =
                    (!unlisten.conditionname.is_empty()).then(|| unlisten.conditionname.as_str().into());
                self.verb("unlisten", named_or(name.as_deref(), "all"));
                Kind::Unlisten(name)
            }
            NodeEnum::NotifyStmt(notify) => {
                self.verb("notify", Resource::named([&notify.conditionname]));
                Kind::Notify(notify.conditionname.as_str().into())
            }
            NodeEnum::DiscardStmt(discard) => self.discard(discard.target()),
            NodeEnum::LockStmt(lock) => {
                let mode = Value::Text(lock_mode(lock.mode).into());
                for relation in &lock.relations {
                    let resource = self.range_resource(relation);
                    self.act(Action::new(Verb::new("lock"), resource).with("mode", mode.clone()));
                }
                Kind::Maintenance
            }
            NodeEnum::TruncateStmt(truncate) => {
                for relation in &truncate.relations {
                    if let Some(NodeEnum::RangeVar(range)) = &relation.node {
                        let target = self.session.relation(range);
                        self.touch("truncate", &target, Change::default());
                        self.fires(&target, Write::Truncate);
                    } else {
                        self.unknown("TRUNCATE of something that is not understood");
                    }
                }
                Kind::Maintenance
            }
            NodeEnum::VacuumStmt(vacuum) => self.vacuum(vacuum),
            NodeEnum::ClusterStmt(cluster) => {
                let resource = match &cluster.relation {
                    Some(range) => self.session.relation(range).resource(),
                    None => Resource::Undetermined,
                };
                self.verb("cluster", resource);
                Kind::Maintenance
            }
            NodeEnum::ReindexStmt(reindex) => {
                let resource = match &reindex.relation {
                    Some(range) => self.session.relation(range).resource(),
                    None => Resource::named([&reindex.name]),
                };
                self.verb("reindex", resource);
                Kind::Maintenance
            }
            NodeEnum::RefreshMatViewStmt(refresh) => {
                let resource = match &refresh.relation {
                    Some(range) => self.session.relation(range).resource(),
                    None => Resource::Undetermined,
                };
                self.verb("refresh", resource);
                Kind::Maintenance
            }
            NodeEnum::CheckPointStmt(_) => {
                self.verb("checkpoint", Resource::None);
                Kind::Maintenance
            }
            NodeEnum::LoadStmt(load) => {
                self.verb("load", Resource::named([&load.filename]));
                Kind::Definition
            }
            NodeEnum::DoStmt(_) => {
                self.unknown("the body of DO can't be judged");
                Kind::Unknown
            }
            other => {
                let kind = self.define(other);
                if kind == Kind::Definition && self.defines.is_none() {
                    self.defines = self.defined(other);
                }
                kind
            }
        }
    }

    fn top_select(&mut self, select: &SelectStmt) -> Kind {
        self.take_limit(select);
        self.calls_run = super::call::only_sets(select);
        let outputs = self.select(select);
        match into_of(select) {
            Some(into) => {
                self.make_table(into, "table", &outputs);
                self.defines = self.stored(into, &outputs, false);
                Kind::Definition
            }
            None => {
                self.outputs = outputs;
                Kind::Select
            }
        }
    }

    fn call_procedure(&mut self, call: &protobuf::CallStmt) -> Kind {
        match &call.funccall {
            Some(call) => {
                let mut lineage = self.exprs(&call.args);
                let names = strings(&call.funcname);
                self.calls(&names, &call.args, &mut lineage);
                self.outputs = Outputs::unknown().0;
            }
            None => self.unknown("CALL without a procedure"),
        }
        Kind::Call
    }

    fn transaction(&mut self, transaction: &TransactionStmt) -> Kind {
        use TransactionStmtKind as Tx;
        let chain = transaction.chain;
        let savepoint = || -> Box<str> { transaction.savepoint_name.as_str().into() };
        let gid = || Resource::named([&transaction.gid]);
        let (verb, resource, kind) = match transaction.kind() {
            Tx::TransStmtBegin | Tx::TransStmtStart => ("begin", Resource::None, Transaction::Begin),
            Tx::TransStmtCommit => ("commit", Resource::None, Transaction::Commit { chain }),
            Tx::TransStmtRollback => ("rollback", Resource::None, Transaction::Rollback { chain }),
            Tx::TransStmtSavepoint => ("savepoint", Resource::None, Transaction::Savepoint(savepoint())),
            Tx::TransStmtRelease => ("savepoint", Resource::None, Transaction::Release(savepoint())),
            Tx::TransStmtRollbackTo => ("rollback", Resource::None, Transaction::RollbackTo(savepoint())),
            Tx::TransStmtPrepare => ("prepare_transaction", gid(), Transaction::Prepare),
            Tx::TransStmtCommitPrepared => ("commit_prepared", gid(), Transaction::CommitPrepared),
            Tx::TransStmtRollbackPrepared => ("rollback_prepared", gid(), Transaction::RollbackPrepared),
            Tx::Undefined => {
                self.unknown("transaction control that is not understood");
                return Kind::Unknown;
            }
        };
        self.verb(verb, resource);
        Kind::Transaction(kind)
    }

    fn set(&mut self, set: &VariableSetStmt) -> Kind {
        if let Some(setting) = self.setting(set) {
            self.sets(setting);
        }
        Kind::Set
    }

    /// The change that a SET makes; what it does besides is added to the walk.
    fn setting(&mut self, set: &VariableSetStmt) -> Option<Setting> {
        let name = Some(set.name.to_ascii_lowercase().into_boxed_str());
        let local = set.is_local;
        match set.kind() {
            VariableSetKind::VarSetValue => {
                let mut values: Vec<Box<str>> = Vec::with_capacity(set.args.len());
                for argument in &set.args {
                    match self.literal(Some(argument)) {
                        Literal::Text(text) => values.push(text.into()),
                        Literal::Null | Literal::Pending | Literal::Opaque => {
                            return Some(Setting { name, value: SettingValue::Unknown, local });
                        }
                    }
                }
                Some(Setting { name, value: SettingValue::To(values), local })
            }
            VariableSetKind::VarSetDefault | VariableSetKind::VarReset => {
                Some(Setting { name, value: SettingValue::Default, local })
            }
            VariableSetKind::VarSetCurrent => Some(Setting { name, value: SettingValue::Unknown, local }),
            VariableSetKind::VarResetAll => {
                self.verb("set", Resource::named(["all"]));
                self.settings.push(Setting { name: None, value: SettingValue::Default, local: false });
                None
            }
            // SET TRANSACTION …, SET SESSION CHARACTERISTICS …
            VariableSetKind::VarSetMulti => {
                self.verb("set", Resource::named(["transaction"]));
                if set.name != "TRANSACTION" && set.name != "SESSION CHARACTERISTICS" {
                    // SET TRANSACTION SNAPSHOT shows another session's view of the data.
                    self.verb("set", Resource::named(["transaction_snapshot"]));
                }
                None
            }
            VariableSetKind::Undefined => {
                self.unknown("a SET that is not understood");
                None
            }
        }
    }

    fn prepare(&mut self, prepare: &PrepareStmt) -> Kind {
        let inner = statement(self.session, prepare.query.as_deref(), 0..0);
        self.verb("prepare", Resource::named([&prepare.name]));
        self.absorb(&inner);
        let converted = prepare.argtypes.iter().map(|declared| !keeps_text(declared)).collect();
        Kind::Prepare { name: prepare.name.as_str().into(), inner: Box::new(inner), converted }
    }

    fn execute(&mut self, execute: &ExecuteStmt) -> Kind {
        let lineage = self.exprs(&execute.params);
        self.predicates.merge(&lineage.sources);
        let arguments = execute
            .params
            .iter()
            .map(|parameter| match self.literal(Some(parameter)) {
                Literal::Null => Argument::Null,
                Literal::Text(text) => Argument::Text(text.into()),
                Literal::Pending | Literal::Opaque => Argument::Opaque,
            })
            .collect();
        let effects = self.effects();
        self.unknown("what EXECUTE runs is known only to whoever saw it prepared");
        self.outputs = Outputs::unknown().0;
        Kind::Execute { name: execute.name.as_str().into(), arguments, effects }
    }

    fn declare(&mut self, declare: &DeclareCursorStmt) -> Kind {
        const CURSOR_OPT_HOLD: i32 = 0x0020;
        let inner = statement(self.session, declare.query.as_deref(), 0..0);
        self.verb("declare", Resource::named([&declare.portalname]));
        self.absorb(&inner);
        if !inner.settings.is_empty() {
            self.unknown("a cursor changes settings whenever it is read, or when its transaction ends");
            self.settings.extend(inner.settings.iter().cloned().map(Setting::undetermined));
        }
        Kind::Declare {
            cursor: declare.portalname.as_str().into(),
            hold: declare.options & CURSOR_OPT_HOLD != 0,
            inner: Box::new(inner),
        }
    }

    fn explain(&mut self, explain: &ExplainStmt) -> Kind {
        let mut analyze = false;
        for option in &explain.options {
            if let Some(NodeEnum::DefElem(option)) = &option.node
                && option.defname == "analyze"
            {
                // Only a plain "no" means that nothing runs.
                analyze = !matches!(flag(option), Some(false));
            } else if let Some(NodeEnum::DefElem(option)) = &option.node
                && !matches!(
                    option.defname.as_str(),
                    "verbose"
                        | "costs"
                        | "settings"
                        | "generic_plan"
                        | "buffers"
                        | "serialize"
                        | "wal"
                        | "timing"
                        | "summary"
                        | "memory"
                        | "format"
                )
            {
                self.unknown("an option of EXPLAIN that is not understood");
            }
        }
        let inner = statement(self.session, explain.query.as_deref(), 0..0);
        self.act(Action::new(Verb::new("explain"), Resource::None).with("analyze", Value::Bool(analyze)));
        self.absorb(&inner);
        if analyze {
            self.settings.extend(inner.settings.iter().cloned());
        }
        // Planning calls functions and its estimates tell about the data, and the server asks for the same privileges
        // as for running it: so a plan is judged as what it explains even where nothing runs.
        self.outputs = vec![output(Some("QUERY PLAN".into()), Lineage::none())];
        Kind::Explain { analyze, inner: Box::new(inner) }
    }

    fn discard(&mut self, mode: DiscardMode) -> Kind {
        self.verb("discard", Resource::None);
        let what = match mode {
            DiscardMode::DiscardAll => Discard::All,
            DiscardMode::DiscardPlans => Discard::Plans,
            DiscardMode::DiscardSequences => Discard::Sequences,
            DiscardMode::DiscardTemp => Discard::Temporary,
            DiscardMode::Undefined => {
                self.unknown("a DISCARD that is not understood");
                Discard::All
            }
        };
        if what == Discard::All {
            self.settings.push(Setting { name: None, value: SettingValue::Default, local: false });
        }
        Kind::Discard(what)
    }

    fn vacuum(&mut self, vacuum: &protobuf::VacuumStmt) -> Kind {
        let verb = if vacuum.is_vacuumcmd { "vacuum" } else { "analyze" };
        let mut resources = Vec::new();
        for relation in &vacuum.rels {
            match &relation.node {
                Some(NodeEnum::VacuumRelation(relation)) => resources.push(match &relation.relation {
                    Some(range) => self.session.relation(range).resource(),
                    None => Resource::Undetermined,
                }),
                _ => self.unknown("VACUUM of something that is not understood"),
            }
        }
        if vacuum.rels.is_empty() {
            // The whole database.
            resources.push(Resource::Undetermined);
        }
        let analyzes = vacuum.is_vacuumcmd
            && vacuum.options.iter().any(|option| {
                matches!(&option.node, Some(NodeEnum::DefElem(option)) if option.defname == "analyze")
            });
        for resource in resources {
            if analyzes {
                self.verb("analyze", resource.clone());
            }
            self.verb(verb, resource);
        }
        Kind::Maintenance
    }

    fn copy(&mut self, copy: &CopyStmt) -> Kind {
        let direction = if copy.is_from { Direction::In } else { Direction::Out };
        let via = if copy.is_program {
            Via::Program
        } else if copy.filename.is_empty() {
            Via::Client
        } else {
            Via::File
        };
        match via {
            Via::Client => {}
            Via::File => self.verb("copy_file", Resource::None),
            Via::Program => self.verb("copy_program", Resource::None),
        }
        let outputs = match (&copy.relation, direction) {
            (Some(range), Direction::In) => {
                let target = self.session.relation(range);
                let columns = self.insert_columns(&target, &copy.attlist, 0);
                let writes = match &columns {
                    Some(columns) => {
                        Value::List(columns.iter().map(|column| column.as_ref().into()).collect())
                    }
                    None => Value::Undetermined,
                };
                self.touch("insert", &target, Change { writes: Some(writes), filtered: None });
                self.fires(&target, Write::Insert);
                self.scopes.push(Scope::default());
                self.enter(Some(range), &target);
                self.predicate(copy.where_clause.as_deref());
                self.scopes.pop();
                Vec::new()
            }
            (Some(range), Direction::Out) => self.copy_relation(range, &copy.attlist),
            (None, Direction::Out) => {
                if let Some(NodeEnum::SelectStmt(select)) =
                    copy.query.as_ref().and_then(|node| node.node.as_ref())
                {
                    self.take_limit(select);
                }
                self.query(copy.query.as_deref())
            }
            (None, Direction::In) => {
                self.unknown("COPY FROM without a table");
                Vec::new()
            }
        };
        if via == Via::Client {
            self.outputs = outputs;
        } else {
            self.flow(FlowTarget::Outside, collapse(&outputs).sources);
        }
        Kind::Copy(Box::new(Copy { direction, via, format: copy_format(&copy.options) }))
    }

    fn copy_relation(&mut self, range: &protobuf::RangeVar, columns: &[Node]) -> Vec<Output> {
        let target = self.session.relation(range);
        self.reads(&target);
        let columns = strings(columns);
        // COPY takes the table alone, but masks on its family apply all the same.
        let entry = Entry::relation(&range.relname, None, target);
        self.scopes.push(Scope { entries: vec![entry], shapes: vec![Shape::Entry(0)] });
        let outputs = if columns.is_empty() {
            self.star(&[])
        } else {
            columns
                .iter()
                .map(|name| {
                    let lineage = self.lineage_of_names(&[*name]).unwrap_or_else(Lineage::unknown);
                    output(Some((*name).into()), lineage)
                })
                .collect()
        };
        self.scopes.pop();
        outputs
    }

    pub(super) fn range_resource(&self, node: &Node) -> Resource {
        match &node.node {
            Some(NodeEnum::RangeVar(range)) => self.session.relation(range).resource(),
            _ => Resource::Undetermined,
        }
    }

    /// CREATE TABLE AS, SELECT INTO, CREATE MATERIALIZED VIEW: what the query shows is stored.
    pub(super) fn make_table(
        &mut self,
        into: &protobuf::IntoClause,
        object: &'static str,
        outputs: &[Output],
    ) {
        let resource = match &into.rel {
            Some(range) => self.made_relation(range),
            None => Resource::Undetermined,
        };
        self.act(
            Action::new(Verb::new("create"), resource.clone()).with("object", Value::Text(object.into())),
        );
        self.flow(FlowTarget::Object { object, name: resource }, collapse(outputs).sources);
    }

    /// The resource of a relation that is made.
    pub(super) fn made_relation(&self, range: &protobuf::RangeVar) -> Resource {
        if range.relpersistence == "t" || range.schemaname == "pg_temp" {
            return Resource::named(["pg_temp", &range.relname]);
        }
        if range.schemaname.is_empty() {
            self.session.made(&[&range.relname])
        } else {
            self.session.made(&[&range.schemaname, &range.relname])
        }
    }

    /// A flow into an object of the names given.
    pub(super) fn flow_into(&mut self, object: &'static str, name: Resource, sources: ColumnSet) {
        self.flow(FlowTarget::Object { object, name }, sources);
    }

    /// A flow that can't be followed at all.
    pub(super) fn flow_unknown(&mut self, object: &'static str, name: Resource) {
        self.flow_into(object, name, ColumnSet::of(ColumnRef::Unknown));
    }
}

/// Whether a parameter of this type has the text that was given for it.
fn keeps_text(declared: &Node) -> bool {
    let Some(NodeEnum::TypeName(declared)) = &declared.node else { return false };
    let is_plain = declared.array_bounds.is_empty() && !declared.setof && !declared.pct_type;
    is_plain
        && matches!(
            strings(&declared.names).as_slice(),
            ["text" | "varchar" | "int2" | "int4" | "int8"]
                | ["pg_catalog", "text" | "varchar" | "int2" | "int4" | "int8"]
        )
}

/// SELECT INTO; in a set operation the clause is the leftmost part's.
pub(super) fn into_of(select: &SelectStmt) -> Option<&protobuf::IntoClause> {
    let mut part = select;
    loop {
        if let Some(into) = &part.into_clause {
            return Some(into);
        }
        part = part.larg.as_deref()?;
    }
}

fn named_or(name: Option<&str>, fallback: &str) -> Resource {
    Resource::named([name.unwrap_or(fallback)])
}

/// LOCK TABLE's modes (`src/include/storage/lockdefs.h`).
fn lock_mode(mode: i32) -> &'static str {
    match mode {
        1 => "access share",
        2 => "row share",
        3 => "row exclusive",
        4 => "share update exclusive",
        5 => "share",
        6 => "share row exclusive",
        7 => "exclusive",
        8 => "access exclusive",
        _ => "unknown",
    }
}

/// An option's truth value as the server reads it (`defGetBoolean`); `None` where it would refuse.
fn flag(option: &DefElem) -> Option<bool> {
    let Some(argument) = option.arg.as_ref().and_then(|argument| argument.node.as_ref()) else {
        return Some(true);
    };
    let text = match argument {
        NodeEnum::Integer(number) => return Some(number.ival != 0),
        NodeEnum::Boolean(boolean) => return Some(boolean.boolval),
        NodeEnum::String(string) => string.sval.to_ascii_lowercase(),
        _ => return None,
    };
    match text.as_str() {
        "true" | "on" => Some(true),
        "false" | "off" => Some(false),
        _ => None,
    }
}

fn copy_format(options: &[Node]) -> CopyFormat {
    let mut format = CopyFormat {
        format: Format::Text,
        delimiter: None,
        null: None,
        quote: None,
        escape: None,
        header: false,
        unfamiliar: Vec::new(),
    };
    for option in options {
        let Some(NodeEnum::DefElem(option)) = &option.node else {
            format.unfamiliar.push("?".into());
            continue;
        };
        let text = || match option.arg.as_ref().and_then(|argument| argument.node.as_ref()) {
            Some(NodeEnum::String(string)) => Some(string.sval.clone()),
            Some(NodeEnum::AConst(constant)) => match &constant.val {
                Some(Val::Sval(string)) => Some(string.sval.clone()),
                _ => None,
            },
            _ => None,
        };
        match option.defname.as_str() {
            "format" => {
                format.format = match text().unwrap_or_default().as_str() {
                    "text" => Format::Text,
                    "csv" => Format::Csv,
                    "binary" => Format::Binary,
                    _ => Format::Other,
                };
            }
            "delimiter" => format.delimiter = text().map(Into::into),
            "null" => format.null = text().map(Into::into),
            "quote" => format.quote = text().map(Into::into),
            "escape" => format.escape = text().map(Into::into),
            "header" => format.header = !matches!(flag(option), Some(false)),
            // They choose what is quoted or read, not how a value is found in a line.
            "force_quote" | "force_not_null" | "force_null" | "freeze" | "on_error" | "log_verbosity"
            | "reject_limit" => {}
            other => format.unfamiliar.push(other.into()),
        }
    }
    format
}
