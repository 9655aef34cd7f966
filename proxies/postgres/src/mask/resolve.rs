//! Which masks apply to a result, and whether a statement's errors may hold masked values.
//!
//! A column's masks are the union of what three sources say, in the order of their worth:
//!
//! 1. **Provenance.** RowDescription names the table and attribute that a column is read from. The server says so
//!    itself, through aliases, sub-queries, RETURNING and FETCH. For a view it names the view, whose own
//!    lineage then counts.
//! 2. **Lineage.** The columns that may flow into the output, from the statement and the views in it.
//! 3. What neither can tell is masked as the rule's `unresolved` says; where it says deny, with NULL: the
//!    judge has refused what it could foresee.
//!
//! A partial form or a hash is only kept for the column itself. Of what is *computed* from it the form
//! would show another part each time (`last(4)` of `left(pan, 4)`), so that is redacted.

use policy_core::mask::{Joined, Transform};
use policy_core::policy::Untraced;
use policy_core::{Name, Obligations, Policy, Resource};
use policy_normalize::sql::{
    ColumnRef, ColumnSet, CopyFormat, Environment, Format as CopyKind, Grammar as _, Kind as StatementKind,
    Output, Outputs, Postgres, Relation, RelationKind, Statement,
};

use super::description::Field;
use super::message::Exposure;
use super::plan::{ResultPlan, treatment};
use super::types::{Type, Types as _};
use super::value::{Cell, Format};
use crate::catalogue::Directory;

/// The masks on columns that apply to a command: a policy and the obligations of its decision.
#[derive(Clone, Copy, Debug)]
pub struct Demands<'a> {
    /// The policy that decided.
    pub policy: &'a Policy,
    /// What it decided.
    pub obligations: &'a Obligations,
}

impl Demands<'_> {
    fn mask(&self, column: &Name) -> Option<Transform> {
        self.policy.column_mask(self.obligations, column)
    }

    fn untraced(&self) -> Option<Transform> {
        self.policy.untraced(self.obligations).map(|untraced| match untraced {
            Untraced::Deny(_) => Transform::Null,
            Untraced::Mask(transform) => derived(transform),
        })
    }
}

/// Finds out which masks apply to one command.
#[derive(Clone, Copy, Debug)]
pub struct Resolver<'a> {
    /// What the session sees of the target's definitions.
    pub directory: Directory<'a>,
    /// The masks that apply.
    pub demands: Demands<'a>,
    /// Whether values are looked for by their content, too.
    pub detects: bool,
}

impl Resolver<'_> {
    /// The plan of a result that the server has described.
    pub fn result(&self, outputs: &Outputs, fields: &[Field]) -> ResultPlan {
        self.planned(outputs, fields, Worth::Settles)
    }

    /// The plan of a result that the server described when its statement was prepared. Its names may stand for other
    /// tables since: what the description says of tables can add masks, and make up for no lineage.
    pub fn result_described_before(&self, outputs: &Outputs, fields: &[Field]) -> ResultPlan {
        self.planned(outputs, fields, Worth::Adds)
    }

    fn planned(&self, outputs: &Outputs, fields: &[Field], worth: Worth) -> ResultPlan {
        let masks: Vec<Option<Transform>> = if self.masks_columns() {
            let traced = Traced::of(outputs, fields.len());
            fields
                .iter()
                .enumerate()
                .map(|(index, field)| self.column(field.table, field.attnum, worth, traced.at(index)))
                .collect()
        } else {
            vec![None; fields.len()]
        };
        ResultPlan::compile(fields, &masks, self.detects, self.directory.catalogue.snapshot())
    }

    /// The plan of a portal's result that nobody asked the server to describe: by lineage alone. No type is known, so
    /// what is masked is NULL; in the binary format, so is what would have to be looked through. Where lineage
    /// does not tell the number of columns, nothing is shown.
    pub fn undescribed(&self, outputs: &Outputs, formats: &[Format]) -> ResultPlan {
        if !self.masks_columns() && !self.detects {
            return ResultPlan::everything();
        }
        if outputs.0.iter().any(|output| output.spread) {
            return ResultPlan::nothing();
        }
        let fields = vec![Field::undescribed(); outputs.0.len()];
        let plan = self.result(outputs, &fields).with_formats(formats);
        plan.unwrap_or_else(ResultPlan::nothing).without_types()
    }

    /// The plan of a COPY to the client, once the server has said how many columns there are. It does not describe
    /// them: a column's type is known where it is copied from a table as it is, and in the binary format a
    /// value of an unknown type that is masked, or would have to be looked through, is NULL.
    pub fn copy(
        &self,
        outputs: &Outputs,
        format: &CopyFormat,
        columns: usize,
        from_table: bool,
    ) -> ResultPlan {
        let wire = if format.format == CopyKind::Binary { Format::Binary } else { Format::Text };
        let exact =
            |outputs: &[&Output]| outputs.len() == columns && outputs.iter().all(|output| !output.spread);
        let mut laid: Vec<&Output> = outputs.0.iter().collect();
        if !exact(&laid) {
            // A table that is copied without a list of columns leaves out those that are generated.
            laid.retain(|output| !self.is_generated(output));
        }
        let aligned = exact(&laid);
        ResultPlan::new((0..columns).map(|index| {
            let output = laid.get(index).filter(|_| aligned);
            let traced = match output {
                Some(output) => Trace { sources: Some(&output.sources), copied: from_table },
                None => Trace { sources: None, copied: false },
            };
            let mask = if self.masks_columns() { self.column(0, 0, Worth::Settles, traced) } else { None };
            let declared = output.filter(|_| from_table).and_then(|output| self.type_of(output));
            // A value of an unknown type can be looked through as text, but not in the binary format.
            let blind = declared.is_none() && wire == Format::Binary && self.detects;
            let mask = if blind { Some(Transform::Null) } else { mask };
            let (ty, limit) = declared.unwrap_or(match wire {
                Format::Text => (Type::TEXT, None),
                Format::Binary => (Type::OPAQUE, None),
            });
            Cell { treatment: treatment(mask, self.detects, ty), ty, format: wire, limit }
        }))
    }

    fn is_generated(&self, output: &Output) -> bool {
        let mut sources = output.sources.iter();
        let (Some(ColumnRef::Column { relation, attnum: Some(attnum), .. }), None) =
            (sources.next(), sources.next())
        else {
            return false;
        };
        relation.oid.is_some_and(|oid| self.directory.is_generated(oid, *attnum))
    }

    /// Whether what the server says about this statement may hold masked values.
    pub fn exposure(&self, statement: &Statement) -> Exposure {
        let harmless = match &statement.kind {
            StatementKind::Noop
            | StatementKind::Select
            | StatementKind::Insert
            | StatementKind::Update
            | StatementKind::Delete
            | StatementKind::Merge
            | StatementKind::Set
            | StatementKind::Show
            | StatementKind::Copy(_)
            | StatementKind::Explain { .. }
            | StatementKind::Prepare { .. }
            | StatementKind::Declare { .. }
            | StatementKind::Deallocate(_)
            | StatementKind::Close(_)
            | StatementKind::Listen(_)
            | StatementKind::Unlisten(_)
            | StatementKind::Notify(_) => statement.actions.iter().all(|action| self.is_harmless(action)),
            // A COMMIT checks deferred constraints; a FETCH or EXECUTE does what another statement said.
            StatementKind::Transaction(transaction) => !matches!(
                transaction,
                policy_normalize::sql::Transaction::Commit { .. }
                    | policy_normalize::sql::Transaction::Prepare
            ),
            _ => false,
        };
        // SET CONSTRAINTS checks what waits, as COMMIT does.
        let checks = Resource::named(["constraints"]);
        let harmless = harmless && !statement.actions.iter().any(|action| action.resource == checks);
        let mut reached = statement.outputs.sources();
        reached.merge(&statement.predicates);
        statement.flows.iter().for_each(|flow| {
            reached.merge(&flow.sources);
        });
        if !self.masks_columns() || (harmless && reached.iter().all(|column| !self.is_masked_near(column))) {
            Exposure::Open
        } else {
            Exposure::Guarded
        }
    }

    fn masks_columns(&self) -> bool {
        self.demands.policy.masks_columns(self.demands.obligations)
    }

    /// The mask of one output column.
    fn column(&self, table: u32, attnum: i16, worth: Worth, traced: Trace<'_>) -> Option<Transform> {
        let mut joined = Joined::default();
        let is_placed = table != 0 && self.add_provenance(table, attnum, &mut joined);
        let mut resolved = is_placed && worth == Worth::Settles;
        if let Some(sources) = traced.sources {
            for source in sources {
                let is_itself = matches!(source, ColumnRef::Column { relation, attnum: Some(own), .. }
                    if relation.oid == Some(table) && *own == attnum);
                if !(is_placed && is_itself) {
                    self.add(source, traced.copied, &mut joined);
                }
            }
            resolved |= !sources.is_unknown();
        }
        if !resolved && let Some(untraced) = self.demands.untraced() {
            joined.add(untraced);
        }
        joined.transform()
    }

    /// Adds the masks of the column that the server names; says whether that settles where the value is from.
    fn add_provenance(&self, table: u32, attnum: i16, joined: &mut Joined) -> bool {
        let Some(relation) = self.directory.catalogue.identified(table) else { return false };
        // System columns: a row's place and age.
        if attnum < 0 {
            return true;
        }
        let Some(place) = relation.columns.iter().position(|column| column.attnum == attnum) else {
            return false;
        };
        let Some(column) = relation.columns.get(place) else { return false };
        let source = ColumnRef::Column {
            relation: relation.identity.clone(),
            name: column.name.clone(),
            attnum: Some(attnum),
        };
        self.add(&source, true, joined);
        if !is_view(relation) {
            return true;
        }
        let Some(outputs) = self.view(relation) else { return false };
        let traced = Traced::of(&outputs, relation.columns.len());
        let inner = traced.at(place);
        let Some(sources) = inner.sources.filter(|sources| !sources.is_unknown()) else { return false };
        sources.iter().for_each(|source| self.add(source, inner.copied, joined));
        true
    }

    /// Adds the masks of a column that flows into a value.
    fn add(&self, source: &ColumnRef, copied: bool, joined: &mut Joined) {
        match source {
            // The caller sees that the set is not resolved.
            ColumnRef::Unknown => {}
            ColumnRef::Column { relation, name, attnum } => {
                if Directory::is_data_of_others(relation, name) {
                    joined.add(Transform::Redact);
                }
                let computed =
                    relation.oid.zip(*attnum).is_some_and(|(o, a)| self.directory.is_generated(o, a));
                for name in self.directory.names(relation, name, *attnum) {
                    if let Some(mask) = self.demands.mask(&name) {
                        joined.add(if copied && !computed { mask } else { derived(mask) });
                    }
                }
            }
            ColumnRef::Whole(relation) => {
                let known = relation.oid.and_then(|oid| self.directory.catalogue.identified(oid));
                match known {
                    Some(known) => {
                        for column in &known.columns {
                            let column = ColumnRef::Column {
                                relation: relation.clone(),
                                name: column.name.clone(),
                                attnum: Some(column.attnum),
                            };
                            self.add(&column, false, joined);
                        }
                    }
                    None => self.demands.untraced().into_iter().for_each(|untraced| joined.add(untraced)),
                }
            }
        }
    }

    /// What a view's columns are made of.
    fn view(&self, relation: &Relation) -> Option<Outputs> {
        let quoted: Vec<String> = relation
            .identity
            .name
            .segments()
            .map(|segment| format!("\"{}\"", segment.replace('"', "\"\"")))
            .collect();
        let environment = Environment::new([""; 0], &self.directory.catalogue);
        let parsed = Postgres::new().parse(&format!("TABLE {}", quoted.join(".")), &environment).ok()?;
        parsed.into_iter().next().map(|statement| statement.outputs)
    }

    /// The declared type of a table's column, which all of its family share.
    fn type_of(&self, output: &Output) -> Option<(Type, Option<u32>)> {
        let mut declared = None;
        for source in &output.sources {
            let ColumnRef::Column { relation, attnum: Some(attnum), .. } = source else { return None };
            let relation = self.directory.catalogue.identified(relation.oid?)?;
            let column = relation.columns.iter().find(|column| column.attnum == *attnum)?;
            let details = self.directory.catalogue.snapshot().details(relation.identity.oid?);
            let this = (column.type_oid, details.and_then(|details| details.limits.get(attnum)).copied());
            if declared.is_some_and(|other| other != this) {
                return None;
            }
            declared = Some(this);
        }
        declared.map(|(oid, limit)| (self.directory.catalogue.snapshot().of(oid), limit))
    }

    /// Whether an action touches nothing masked and runs nobody's code.
    fn is_harmless(&self, action: &policy_core::Action) -> bool {
        let reads = matches!(action.verb.as_str(), "select" | "prepare" | "declare" | "explain");
        let writes = matches!(action.verb.as_str(), "insert" | "update" | "delete");
        if !reads && !writes {
            return matches!(
                action.verb.as_str(),
                "noop" | "set" | "show" | "deallocate" | "close" | "listen" | "unlisten" | "notify"
            );
        }
        let name = match &action.resource {
            Resource::None => return reads,
            Resource::Named(name) => name,
            Resource::Tree(_) | Resource::Pending | Resource::Undetermined => return false,
        };
        let mut segments = name.segments();
        let (Some(schema), Some(relation)) = (segments.next(), segments.next()) else {
            // A statement's or cursor's name.
            return reads && action.verb.as_str() != "select";
        };
        let snapshot = self.directory.catalogue.snapshot();
        let Some(relation) = snapshot.find(schema, relation) else { return false };
        let oid = relation.identity.oid.unwrap_or_default();
        if self.directory.catalogue.identified(oid).is_none() {
            return false;
        }
        // What a view computes on the way is not seen from here.
        let shipped = matches!(schema, "pg_catalog" | "information_schema");
        if is_view(relation) && !shipped {
            return false;
        }
        // What the open transaction has added (a foreign key that cascades) may run on a write, too.
        if writes && self.directory.catalogue.is_changed() {
            return false;
        }
        if writes && (relation.rewritten || snapshot.details(oid).is_none_or(|details| details.triggers)) {
            return false;
        }
        !self.is_masked_near(&ColumnRef::Whole(relation.identity.clone()))
    }

    /// Whether a column, or another one of its relation, is masked.
    fn is_masked_near(&self, column: &ColumnRef) -> bool {
        let Some(relation) = column.relation() else { return true };
        let mut joined = Joined::default();
        self.add(&ColumnRef::Whole(relation.clone()), false, &mut joined);
        joined.transform().is_some()
    }
}

/// What it is worth that the server names the table that a column is read from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// It says so of the rows that are coming: that settles it.
    Settles,
    /// It said so before.
    Adds,
}

/// What lineage says about one column.
#[derive(Clone, Copy)]
struct Trace<'a> {
    /// The columns that may flow into it, if that can be told at all.
    sources: Option<&'a ColumnSet>,
    /// Whether its value is that of a source as it is.
    copied: bool,
}

/// Outputs laid beside the columns that the server describes. What only lineage tells counts as computed.
struct Traced(Vec<Option<ColumnSet>>);

impl Traced {
    fn of(outputs: &Outputs, count: usize) -> Self {
        Self((0..count).map(|index| outputs.at(index, count)).collect())
    }

    fn at(&self, index: usize) -> Trace<'_> {
        Trace { sources: self.0.get(index).and_then(Option::as_ref), copied: false }
    }
}

fn is_view(relation: &Relation) -> bool {
    matches!(relation.kind, RelationKind::View(_) | RelationKind::Materialized(_))
}

/// The mask of a value that is computed from a masked one.
fn derived(mask: Transform) -> Transform {
    match mask {
        Transform::Null => Transform::Null,
        _ => Transform::Redact,
    }
}
