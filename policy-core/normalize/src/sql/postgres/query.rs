//! SELECT, VALUES, set operations, and the clauses around them.

use std::rc::Rc;
use std::sync::Arc;

use pg_query::protobuf::{self, LimitOption, SelectStmt, SetOperation, a_const::Val};
use pg_query::{Node, NodeEnum};
use policy_core::{Action, Value, Verb};

use super::lineage::Lineage;
use super::names::strings;
use super::resolve::{ends_in_star, lineage_of, output, rename};
use super::scope::{Scope, collapse, spread};
use super::walk::{Change, CommonTable, Literal, Walk};
use crate::sql::columns::ColumnSet;
use crate::sql::statement::Output;

impl<'a> Walk<'_, 'a> {
    /// A query in an expression: what any of its columns shows.
    pub(super) fn sub_query(&mut self, node: Option<&Node>) -> Lineage {
        let outputs = self.query(node);
        let mut lineage = Lineage::none();
        for output in &outputs {
            lineage.merge(&lineage_of(output));
        }
        lineage
    }

    /// Anything that may stand where a query does: SELECT, or a data-modifying statement in WITH.
    pub(super) fn query(&mut self, node: Option<&Node>) -> Vec<Output> {
        if !self.spend() {
            return vec![spread(ColumnSet::unknown(), false)];
        }
        match node.and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::SelectStmt(select)) => {
                if select.into_clause.is_some() {
                    self.unknown("INTO in a sub-query");
                }
                self.select(select)
            }
            Some(NodeEnum::InsertStmt(insert)) => self.insert(insert),
            Some(NodeEnum::UpdateStmt(update)) => self.update(update),
            Some(NodeEnum::DeleteStmt(delete)) => self.delete(delete),
            Some(NodeEnum::MergeStmt(merge)) => self.merge(merge),
            Some(other) => {
                self.unknown(&format!("{} where a query should be", super::kinds::name(other)));
                vec![spread(ColumnSet::unknown(), false)]
            }
            None => {
                self.unknown("a query is missing");
                vec![spread(ColumnSet::unknown(), false)]
            }
        }
    }

    /// A SELECT and all that hangs on it; its INTO is the caller's.
    pub(super) fn select(&mut self, select: &SelectStmt) -> Vec<Output> {
        if !self.spend() {
            return vec![spread(ColumnSet::unknown(), false)];
        }
        let tables = self.tables.len();
        self.with(select.with_clause.as_ref());
        let outputs = match (&select.larg, &select.rarg) {
            (Some(left), Some(right)) => {
                let left = self.select(left);
                let right = self.select(right);
                let outputs = self.set_operation(select, left, right);
                self.scopes.push(Scope::default());
                for sort in &select.sort_clause {
                    self.sort(sort, &outputs);
                }
                self.limit(select);
                self.scopes.pop();
                outputs
            }
            _ if !select.values_lists.is_empty() => {
                let outputs = self.values(&select.values_lists);
                for sort in &select.sort_clause {
                    self.sort(sort, &outputs);
                }
                self.limit(select);
                outputs
            }
            _ => self.plain(select),
        };
        self.tables.truncate(tables);
        outputs
    }

    fn plain(&mut self, select: &SelectStmt) -> Vec<Output> {
        self.scopes.push(Scope::default());
        for item in &select.from_clause {
            let shape = self.item(item);
            if let Some(scope) = self.scopes.last_mut() {
                scope.shapes.push(shape);
            }
        }
        self.predicate(select.where_clause.as_deref());
        let outputs = self.targets(&select.target_list);
        for item in &select.group_clause {
            self.group(item, &outputs);
        }
        self.predicate(select.having_clause.as_deref());
        for item in &select.window_clause {
            match &item.node {
                Some(NodeEnum::WindowDef(window)) => self.window(window),
                _ => self.predicate(Some(item)),
            }
        }
        for item in &select.distinct_clause {
            if item.node.is_some() {
                // DISTINCT ON; plain DISTINCT has one empty item.
                self.sort_key(item, &outputs, false);
            }
        }
        if matches!(select.distinct_clause.as_slice(), [item] if item.node.is_none()) {
            let all = collapse(&outputs);
            self.predicates.merge(&all.sources);
        }
        for sort in &select.sort_clause {
            self.sort(sort, &outputs);
        }
        self.limit(select);
        self.locking(&select.locking_clause);
        self.scopes.pop();
        outputs
    }

    /// The select list, or RETURNING.
    pub(super) fn targets(&mut self, list: &[Node]) -> Vec<Output> {
        let mut outputs = Vec::with_capacity(list.len());
        for item in list {
            let Some(NodeEnum::ResTarget(target)) = &item.node else {
                let lineage = self.expr(item);
                outputs.push(output(None, lineage));
                continue;
            };
            match target.val.as_ref().and_then(|value| value.node.as_ref()) {
                Some(NodeEnum::ColumnRef(reference)) if ends_in_star(&reference.fields) => {
                    let names = strings(&reference.fields);
                    outputs.extend(self.star(&names));
                }
                Some(NodeEnum::AIndirection(indirection)) if ends_in_star(&indirection.indirection) => {
                    outputs.extend(self.star_of_row(indirection));
                }
                _ => {
                    let lineage = self.maybe(target.val.as_deref());
                    let name = if target.name.is_empty() {
                        target.val.as_deref().and_then(column_name).map(Arc::from)
                    } else {
                        Some(target.name.as_str().into())
                    };
                    outputs.push(output(name, lineage));
                }
            }
        }
        outputs
    }

    fn values(&mut self, lists: &[Node]) -> Vec<Output> {
        let mut outputs: Vec<Output> = Vec::new();
        for list in lists {
            let Some(NodeEnum::List(list)) = &list.node else {
                self.unknown("VALUES without a list");
                continue;
            };
            for (index, item) in list.items.iter().enumerate() {
                let lineage = self.expr(item);
                match outputs.get_mut(index) {
                    Some(known) => {
                        known.sources.merge(&lineage.sources);
                        known.certain &= !lineage.uncertain;
                    }
                    None => outputs.push(output(Some(format!("column{}", index + 1).into()), lineage)),
                }
            }
        }
        outputs
    }

    /// Both sides' columns, by position. All but UNION ALL compare them.
    fn set_operation(&mut self, select: &SelectStmt, left: Vec<Output>, right: Vec<Output>) -> Vec<Output> {
        if !(select.op() == SetOperation::SetopUnion && select.all) {
            for side in [&left, &right] {
                let all = collapse(side);
                self.predicates.merge(&all.sources);
            }
        }
        let mut outputs = left;
        let has_run = |side: &[Output]| side.iter().any(|output| output.spread);
        match (has_run(&outputs), has_run(&right)) {
            (false, false) if outputs.len() == right.len() => {
                for (known, other) in outputs.iter_mut().zip(&right) {
                    known.sources.merge(&other.sources);
                    known.certain &= other.certain;
                }
            }
            (false, _) => {
                let other = collapse(&right);
                for known in &mut outputs {
                    known.sources.merge(&other.sources);
                    known.certain = false;
                }
            }
            (true, _) => {
                outputs.extend(right);
                outputs = vec![collapse(&outputs)];
            }
        }
        outputs
    }

    pub(super) fn sort(&mut self, node: &Node, outputs: &[Output]) {
        match &node.node {
            Some(NodeEnum::SortBy(sort)) => {
                if !sort.use_op.is_empty() {
                    self.operator(&sort.use_op);
                }
                if let Some(key) = sort.node.as_deref() {
                    self.sort_key(key, outputs, false);
                }
            }
            _ => self.predicate(Some(node)),
        }
    }

    /// A key of ORDER BY, GROUP BY or DISTINCT ON: an output by name or number, or an expression.
    fn sort_key(&mut self, key: &Node, outputs: &[Output], inputs_first: bool) {
        match &key.node {
            Some(NodeEnum::AConst(constant)) if !outputs.is_empty() => {
                if let Some(Val::Ival(number)) = &constant.val {
                    let index = usize::try_from(number.ival).ok().and_then(|number| number.checked_sub(1));
                    let has_run = outputs.iter().any(|output| output.spread);
                    let chosen = match index.and_then(|index| outputs.get(index)) {
                        Some(output) if !has_run => output.sources.clone(),
                        _ => collapse(outputs).sources,
                    };
                    self.predicates.merge(&chosen);
                }
            }
            Some(NodeEnum::ColumnRef(reference)) => {
                let names = strings(&reference.fields);
                let mut found = false;
                if let [name] = names.as_slice() {
                    for output in outputs.iter().filter(|output| output.name.as_deref() == Some(*name)) {
                        self.predicates.merge(&output.sources);
                        found = true;
                    }
                    if found {
                        // GROUP BY prefers a column of FROM to an output of the same name.
                        if inputs_first && let Some(lineage) = self.try_column(name) {
                            self.predicates.merge(&lineage.sources);
                        }
                        return;
                    }
                }
                if outputs.iter().any(|output| output.spread)
                    && self.scopes.last().is_some_and(|s| s.entries.is_empty())
                {
                    // ORDER BY of a set operation whose columns are not known.
                    let all = collapse(outputs);
                    self.predicates.merge(&all.sources);
                    return;
                }
                self.predicate(Some(key));
            }
            _ => self.predicate(Some(key)),
        }
    }

    fn group(&mut self, item: &Node, outputs: &[Output]) {
        match &item.node {
            Some(NodeEnum::GroupingSet(set)) => {
                for item in &set.content {
                    self.group(item, outputs);
                }
            }
            Some(NodeEnum::RowExpr(row)) => {
                for item in &row.args {
                    self.group(item, outputs);
                }
            }
            Some(NodeEnum::List(list)) => {
                for item in &list.items {
                    self.group(item, outputs);
                }
            }
            // GROUP BY ().
            None => {}
            Some(_) => self.sort_key(item, outputs, true),
        }
    }

    fn limit(&mut self, select: &SelectStmt) {
        self.predicate(select.limit_count.as_deref());
        self.predicate(select.limit_offset.as_deref());
    }

    /// The LIMIT of the statement itself, as the attribute of what it reads.
    pub(super) fn take_limit(&mut self, select: &SelectStmt) {
        if select.limit_option() == LimitOption::WithTies || select.limit_count.is_none() {
            return;
        }
        self.limit = match self.literal(select.limit_count.as_deref()) {
            Literal::Text(text) => Some(text.parse().map_or(Value::Undetermined, Value::Integer)),
            Literal::Pending => Some(Value::Pending),
            // LIMIT NULL and LIMIT ALL are no limit.
            Literal::Null => None,
            Literal::Opaque => Some(Value::Undetermined),
        };
    }

    /// FOR UPDATE and its kin lock rows.
    fn locking(&mut self, clauses: &[Node]) {
        use protobuf::LockClauseStrength as Strength;
        for clause in clauses {
            let Some(NodeEnum::LockingClause(locking)) = &clause.node else {
                self.unknown("a locking clause that is not understood");
                continue;
            };
            let mode = match locking.strength() {
                Strength::LcsForkeyshare => "for key share",
                Strength::LcsForshare => "for share",
                Strength::LcsFornokeyupdate => "for no key update",
                Strength::LcsForupdate => "for update",
                Strength::LcsNone | Strength::Undefined => "unknown",
            };
            let named: Vec<&str> = locking
                .locked_rels
                .iter()
                .filter_map(|node| match &node.node {
                    Some(NodeEnum::RangeVar(range)) => Some(range.relname.as_str()),
                    _ => None,
                })
                .collect();
            let locked: Vec<_> = self
                .scopes
                .last()
                .into_iter()
                .flat_map(|scope| &scope.entries)
                .filter(|entry| {
                    named.is_empty() || entry.name.as_deref().is_some_and(|name| named.contains(&name))
                })
                .filter_map(|entry| match &entry.columns {
                    super::scope::Columns::Relation(target) => Some(target.resource()),
                    super::scope::Columns::Shown(_) => None,
                })
                .collect();
            for resource in locked {
                self.act(Action::new(Verb::new("lock"), resource).with("mode", Value::Text(mode.into())));
            }
        }
    }

    /// Common table expressions come into scope; the caller takes them out again.
    pub(super) fn with(&mut self, clause: Option<&protobuf::WithClause>) {
        let Some(clause) = clause else {
            return;
        };
        let expressions = clause.ctes.iter().filter_map(|node| match &node.node {
            Some(NodeEnum::CommonTableExpr(expression)) => Some(&**expression),
            _ => None,
        });
        if clause.recursive {
            // Each may refer to those after it, whose columns are not known yet.
            for expression in expressions.clone() {
                self.tables.push(CommonTable {
                    name: expression.ctename.as_str().into(),
                    columns: Rc::new(vec![spread(ColumnSet::unknown(), false)]),
                });
            }
        }
        for expression in expressions {
            let outputs = match recursive_parts(expression) {
                Some((select, left, right)) if clause.recursive => {
                    self.recursive(expression, select, left, right)
                }
                _ => self.query(expression.ctequery.as_deref()),
            };
            let outputs = self.finish_common(expression, outputs);
            self.tables
                .push(CommonTable { name: expression.ctename.as_str().into(), columns: Rc::new(outputs) });
        }
    }

    /// A recursive query: what it shows is what its first part shows and, round after round, what the second adds.
    fn recursive(
        &mut self,
        expression: &protobuf::CommonTableExpr,
        select: &SelectStmt,
        left: &SelectStmt,
        right: &SelectStmt,
    ) -> Vec<Output> {
        const ROUNDS: usize = 4;
        let tables = self.tables.len();
        self.with(select.with_clause.as_ref());
        let mut known = self.select(left);
        for round in 0..=ROUNDS {
            if round == ROUNDS {
                // It may go on to move columns around: each may show what any shows.
                let all = collapse(&known);
                for output in &mut known {
                    output.sources.merge(&all.sources);
                    output.certain = false;
                }
            }
            let shown = self.finish_common(expression, known.clone());
            self.tables
                .push(CommonTable { name: expression.ctename.as_str().into(), columns: Rc::new(shown) });
            let added = self.select(right);
            self.tables.pop();
            let merged = self.set_operation(select, known.clone(), added);
            if merged == known {
                break;
            }
            known = merged;
        }
        self.scopes.push(Scope::default());
        for sort in &select.sort_clause {
            self.sort(sort, &known);
        }
        self.limit(select);
        self.scopes.pop();
        self.tables.truncate(tables);
        known
    }

    /// New names of a common table expression's columns, and those that SEARCH and CYCLE add.
    fn finish_common(&mut self, expression: &protobuf::CommonTableExpr, outputs: Vec<Output>) -> Vec<Output> {
        let names: Vec<Box<str>> = strings(&expression.aliascolnames).into_iter().map(Into::into).collect();
        let mut outputs = rename(outputs, &names);
        let all = collapse(&outputs);
        let mut add = |name: &str| {
            if !name.is_empty() {
                let added = Lineage { sources: all.sources.clone(), uncertain: true };
                outputs.push(output(Some(name.into()), added));
            }
        };
        if let Some(search) = &expression.search_clause {
            add(&search.search_seq_column);
        }
        if let Some(cycle) = &expression.cycle_clause {
            add(&cycle.cycle_mark_column);
            add(&cycle.cycle_path_column);
            self.predicate(cycle.cycle_mark_value.as_deref());
            self.predicate(cycle.cycle_mark_default.as_deref());
        }
        outputs
    }

    /// Reading a relation.
    pub(super) fn reads(&mut self, target: &crate::sql::names::Target<'a>) {
        self.touch("select", target, Change::default());
    }
}

/// The two parts of a query that may refer to itself.
fn recursive_parts(
    expression: &protobuf::CommonTableExpr,
) -> Option<(&SelectStmt, &SelectStmt, &SelectStmt)> {
    match expression.ctequery.as_ref()?.node.as_ref()? {
        NodeEnum::SelectStmt(select) => Some((select, select.larg.as_deref()?, select.rarg.as_deref()?)),
        _ => None,
    }
}

/// The name that the server gives a column without AS (`FigureColname`); `None` is `?column?`.
pub(super) fn column_name(node: &Node) -> Option<&str> {
    figured(node).map(|(name, _)| name)
}

/// How much a name is worth: a cast, and CASE, take one of their own over a weak one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strength {
    Weak,
    Strong,
}

fn figured(node: &Node) -> Option<(&str, Strength)> {
    let strong = |name| Some((name, Strength::Strong));
    match node.node.as_ref()? {
        NodeEnum::ColumnRef(reference) => strong(strings(&reference.fields).last().copied()?),
        NodeEnum::AIndirection(indirection) => match strings(&indirection.indirection).last() {
            Some(name) => strong(name),
            None => figured(indirection.arg.as_deref()?),
        },
        NodeEnum::FuncCall(call) => strong(strings(&call.funcname).last().copied()?),
        NodeEnum::AExpr(expression) if expression.kind() == protobuf::AExprKind::AexprNullif => {
            strong("nullif")
        }
        NodeEnum::TypeCast(cast) => match cast.arg.as_deref().and_then(figured) {
            Some((name, Strength::Strong)) => strong(name),
            weak => match cast.type_name.as_ref().and_then(|name| strings(&name.names).last().copied()) {
                Some(name) => Some((name, Strength::Weak)),
                None => weak,
            },
        },
        NodeEnum::CollateClause(clause) => figured(clause.arg.as_deref()?),
        NodeEnum::CoalesceExpr(_) => strong("coalesce"),
        NodeEnum::CaseExpr(case) => match case.defresult.as_deref().and_then(figured) {
            Some((name, Strength::Strong)) => strong(name),
            _ => Some(("case", Strength::Weak)),
        },
        NodeEnum::AArrayExpr(_) => strong("array"),
        NodeEnum::RowExpr(_) => strong("row"),
        NodeEnum::GroupingFunc(_) => strong("grouping"),
        NodeEnum::MergeSupportFunc(_) => strong("merge_action"),
        NodeEnum::MinMaxExpr(expression) => strong(match expression.op() {
            protobuf::MinMaxOp::IsLeast => "least",
            protobuf::MinMaxOp::IsGreatest | protobuf::MinMaxOp::Undefined => "greatest",
        }),
        NodeEnum::SqlvalueFunction(function) => strong(value_function(function.op())?),
        NodeEnum::XmlExpr(xml) => strong(xml_function(xml.op())?),
        NodeEnum::XmlSerialize(_) => strong("xmlserialize"),
        NodeEnum::JsonParseExpr(_) => strong("json"),
        NodeEnum::JsonScalarExpr(_) => strong("json_scalar"),
        NodeEnum::JsonSerializeExpr(_) => strong("json_serialize"),
        NodeEnum::JsonObjectConstructor(_) => strong("json_object"),
        NodeEnum::JsonArrayConstructor(_) | NodeEnum::JsonArrayQueryConstructor(_) => strong("json_array"),
        NodeEnum::JsonObjectAgg(_) => strong("json_objectagg"),
        NodeEnum::JsonArrayAgg(_) => strong("json_arrayagg"),
        NodeEnum::JsonFuncExpr(function) => strong(match function.op() {
            protobuf::JsonExprOp::JsonExistsOp => "json_exists",
            protobuf::JsonExprOp::JsonQueryOp => "json_query",
            protobuf::JsonExprOp::JsonValueOp => "json_value",
            protobuf::JsonExprOp::JsonTableOp | protobuf::JsonExprOp::Undefined => return None,
        }),
        NodeEnum::SubLink(link) => match link.sub_link_type() {
            protobuf::SubLinkType::ExistsSublink => strong("exists"),
            protobuf::SubLinkType::ArraySublink => strong("array"),
            protobuf::SubLinkType::ExprSublink => strong(first_name(link.subselect.as_deref()?)?),
            _ => None,
        },
        _ => None,
    }
}

/// The name of a sub-query's first column, which is its own as an expression.
fn first_name(query: &Node) -> Option<&str> {
    let Some(NodeEnum::SelectStmt(select)) = &query.node else { return None };
    let mut part: &SelectStmt = select;
    while let Some(left) = part.larg.as_deref() {
        part = left;
    }
    if !part.values_lists.is_empty() {
        return Some("column1");
    }
    match part.target_list.first()?.node.as_ref()? {
        NodeEnum::ResTarget(target) if !target.name.is_empty() => Some(&target.name),
        NodeEnum::ResTarget(target) => column_name(target.val.as_deref()?),
        _ => None,
    }
}

fn value_function(function: protobuf::SqlValueFunctionOp) -> Option<&'static str> {
    use protobuf::SqlValueFunctionOp as Op;
    Some(match function {
        Op::SvfopCurrentDate => "current_date",
        Op::SvfopCurrentTime | Op::SvfopCurrentTimeN => "current_time",
        Op::SvfopCurrentTimestamp | Op::SvfopCurrentTimestampN => "current_timestamp",
        Op::SvfopLocaltime | Op::SvfopLocaltimeN => "localtime",
        Op::SvfopLocaltimestamp | Op::SvfopLocaltimestampN => "localtimestamp",
        Op::SvfopCurrentRole => "current_role",
        Op::SvfopCurrentUser => "current_user",
        Op::SvfopUser => "user",
        Op::SvfopSessionUser => "session_user",
        Op::SvfopCurrentCatalog => "current_catalog",
        Op::SvfopCurrentSchema => "current_schema",
        Op::SqlvalueFunctionOpUndefined => return None,
    })
}

fn xml_function(function: protobuf::XmlExprOp) -> Option<&'static str> {
    use protobuf::XmlExprOp as Op;
    Some(match function {
        Op::IsXmlconcat => "xmlconcat",
        Op::IsXmlelement => "xmlelement",
        Op::IsXmlforest => "xmlforest",
        Op::IsXmlparse => "xmlparse",
        Op::IsXmlpi => "xmlpi",
        Op::IsXmlroot => "xmlroot",
        Op::IsXmlserialize | Op::IsDocument | Op::Undefined => return None,
    })
}
