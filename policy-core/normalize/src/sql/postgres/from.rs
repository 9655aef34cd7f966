//! FROM items: relations, sub-queries, functions, joins, and what else shows columns.

use std::rc::Rc;

use pg_query::protobuf::{self, Alias, JoinExpr, RangeVar};
use pg_query::{Node, NodeEnum};

use super::lineage::Lineage;
use super::names::strings;
use super::query::column_name;
use super::resolve::{output, rename};
use super::scope::{Entry, Merged, Shape, Shown, collapse, spread};
use super::walk::Walk;
use crate::sql::columns::ColumnSet;
use crate::sql::statement::Output;

impl<'a> Walk<'_, 'a> {
    /// Brings an item of FROM into the innermost scope.
    pub(super) fn item(&mut self, node: &Node) -> Shape {
        if !self.spend() {
            return self.add(Entry::shown(None, unknown_columns()));
        }
        match &node.node {
            Some(NodeEnum::RangeVar(range)) => self.relation_item(range),
            Some(NodeEnum::RangeSubselect(sub)) => {
                let outputs = self.shielded(!sub.lateral, |walk| walk.query(sub.subquery.as_deref()));
                self.add_shown(sub.alias.as_ref(), None, outputs)
            }
            Some(NodeEnum::JoinExpr(join)) => self.join(join),
            Some(NodeEnum::RangeFunction(function)) => self.function_item(function),
            Some(NodeEnum::RangeTableSample(sample)) => {
                let method = strings(&sample.method);
                if !matches!(
                    method.as_slice(),
                    ["bernoulli" | "system"] | ["pg_catalog", "bernoulli" | "system"]
                ) {
                    self.unknown("a sampling method that does not ship with the server");
                }
                self.predicates(&sample.args);
                self.predicate(sample.repeatable.as_deref());
                match sample.relation.as_deref() {
                    Some(relation) => self.item(relation),
                    None => self.add(Entry::shown(None, unknown_columns())),
                }
            }
            Some(NodeEnum::RangeTableFunc(table)) => self.xml_table(table),
            Some(NodeEnum::JsonTable(table)) => self.json_table(table),
            Some(other) => {
                self.unknown(&format!("{} in FROM", super::kinds::name(other)));
                self.add(Entry::shown(None, unknown_columns()))
            }
            None => {
                self.unknown("an item of FROM is missing");
                self.add(Entry::shown(None, unknown_columns()))
            }
        }
    }

    fn add(&mut self, entry: Entry<'a>) -> Shape {
        match self.scopes.last_mut() {
            Some(scope) => {
                scope.entries.push(entry);
                Shape::Entry(scope.entries.len() - 1)
            }
            None => Shape::Entry(usize::MAX),
        }
    }

    /// Runs without the siblings in view, which only LATERAL may see.
    fn shielded<T>(&mut self, shield: bool, run: impl FnOnce(&mut Self) -> T) -> T {
        let hidden = if shield { self.scopes.pop() } else { None };
        let result = run(self);
        self.scopes.extend(hidden);
        result
    }

    fn relation_item(&mut self, range: &RangeVar) -> Shape {
        let alias = range.alias.as_ref();
        let name = alias.map_or(range.relname.as_str(), |alias| alias.aliasname.as_str());
        if range.schemaname.is_empty()
            && let Some(table) = self.tables.iter().rev().find(|table| *table.name == *range.relname)
        {
            let columns = Rc::clone(&table.columns);
            let mut entry = Entry::shown(Some(name), columns);
            entry.renames = new_names(alias);
            return self.add(entry);
        }
        let target = self.session.relation(range);
        self.reads(&target);
        let schema = target.identity().filter(|_| alias.is_none());
        let schema = schema.as_ref().and_then(|identity| identity.name.segments().next());
        let mut entry = Entry::relation(name, schema, target);
        entry.renames = new_names(alias);
        self.add(entry)
    }

    fn add_shown(&mut self, alias: Option<&Alias>, fallback: Option<&str>, outputs: Vec<Output>) -> Shape {
        let outputs = rename(outputs, &new_names(alias));
        let name = alias.map(|alias| alias.aliasname.as_str()).or(fallback);
        self.add(Entry::shown(name, Rc::new(outputs)))
    }

    fn join(&mut self, join: &JoinExpr) -> Shape {
        let first = self.scopes.last().map_or(0, |scope| scope.entries.len());
        let left = self.optional_item(join.larg.as_deref());
        let right = self.optional_item(join.rarg.as_deref());
        self.predicate(join.quals.as_deref());
        let using: Vec<Box<str>> = strings(&join.using_clause).into_iter().map(Into::into).collect();
        let merged = if join.is_natural {
            Merged::Natural
        } else if using.is_empty() {
            Merged::None
        } else {
            Merged::Using(using)
        };
        self.join_columns(&left, &right, &merged);
        let shape = Shape::Join { left: Box::new(left), right: Box::new(right), merged };
        if let Some(alias) = &join.join_using_alias {
            self.add_merged(alias, &shape);
        }
        match &join.alias {
            // Its parts can't be named any more.
            Some(alias) => {
                let outputs = self.scopes.last().map_or_else(Vec::new, |scope| self.expand(scope, &shape));
                if let Some(scope) = self.scopes.last_mut() {
                    scope.entries.truncate(first);
                }
                self.add_shown(Some(alias), None, outputs)
            }
            None => shape,
        }
    }

    fn optional_item(&mut self, node: Option<&Node>) -> Shape {
        match node {
            Some(node) => self.item(node),
            None => self.add(Entry::shown(None, unknown_columns())),
        }
    }

    /// USING and NATURAL compare columns of both sides.
    fn join_columns(&mut self, left: &Shape, right: &Shape, merged: &Merged) {
        let Some(scope) = self.scopes.last() else {
            return;
        };
        let mut compared = ColumnSet::new();
        if matches!(merged, Merged::None) {
            return;
        }
        let sides = [self.expand(scope, left), self.expand(scope, right)];
        let has_run = |side: &[Output]| side.iter().any(|output| output.spread);
        let is_in =
            |side: &[Output], name: &str| side.iter().any(|output| output.name.as_deref() == Some(name));
        for (side, other) in [(&sides[0], &sides[1]), (&sides[1], &sides[0])] {
            for output in side {
                let is_compared = match (merged, output.name.as_deref()) {
                    (Merged::Using(names), Some(name)) => names.iter().any(|known| **known == *name),
                    (Merged::Natural, Some(name)) => has_run(other) || is_in(other, name),
                    _ => false,
                };
                if is_compared {
                    compared.merge(&output.sources);
                } else if output.spread {
                    match (merged, output.sources.iter().as_slice()) {
                        (Merged::Using(names), [crate::sql::columns::ColumnRef::Whole(relation)]) => {
                            for name in names.iter().filter(|name| !is_in(side, name)) {
                                compared.merge(&super::scope::named_column(relation, name));
                            }
                        }
                        _ => {
                            compared.merge(&output.sources);
                        }
                    }
                }
            }
        }
        self.predicates.merge(&compared);
    }

    /// `JOIN … USING (a, b) AS j`: `j` shows the merged columns.
    fn add_merged(&mut self, alias: &Alias, shape: &Shape) {
        let Shape::Join { merged: Merged::Using(names), .. } = shape else {
            return;
        };
        let outputs = self.scopes.last().map_or_else(Vec::new, |scope| self.expand(scope, shape));
        let merged: Vec<Output> = if outputs.iter().any(|output| output.spread) {
            let all = collapse(&outputs);
            vec![all]
        } else {
            outputs.into_iter().take(names.len()).collect()
        };
        let mut entry = Entry::shown(Some(&alias.aliasname), Rc::new(merged));
        entry.qualified_only = true;
        self.add(entry);
    }

    fn function_item(&mut self, range: &protobuf::RangeFunction) -> Shape {
        let mut name = None;
        let mut outputs = Vec::new();
        for function in &range.functions {
            // Each is a list of the call and its column definitions.
            let Some(NodeEnum::List(parts)) = &function.node else {
                self.unknown("a function in FROM that is not understood");
                outputs.push(spread(ColumnSet::unknown(), false));
                continue;
            };
            let mut lineage = Lineage::none();
            if let Some(call) = parts.items.first() {
                name = name.or_else(|| column_name(call));
                lineage = self.expr(call);
            }
            let own = match parts.items.get(1) {
                Some(Node { node: Some(NodeEnum::List(columns)) }) => &columns.items,
                _ => &range.coldeflist,
            };
            if own.is_empty() {
                // How many columns it has is not known; all come from its arguments.
                let certain = !lineage.uncertain;
                outputs.push(Output { name: None, sources: lineage.sources, certain, spread: true });
            } else {
                outputs.extend(self.defined_columns(own, &lineage));
            }
        }
        if outputs.len() > 1 && outputs.iter().all(|output| output.spread) {
            // One run: none of its columns can be told apart.
            let certain = outputs.iter().all(|output| output.certain);
            outputs = vec![Output { certain, ..collapse(&outputs) }];
        }
        if range.ordinality {
            outputs.push(output(Some("ordinality".into()), Lineage::none()));
        }
        let alias = range.alias.as_ref();
        let names = new_names(alias);
        // New names don't tell columns apart here, since all have the same sources.
        if let [only] = outputs.as_slice()
            && only.spread
        {
            let sources = only.clone();
            let mut named: Vec<Output> = names
                .iter()
                .map(|name| Output { name: Some(name.as_ref().into()), spread: false, ..sources.clone() })
                .collect();
            named.push(sources);
            let name = alias.map(|alias| alias.aliasname.as_str()).or(name);
            return self.add(Entry::shown(name, Rc::new(named)));
        }
        self.add_shown(alias, name, outputs)
    }

    /// Columns by definition list: `AS t(a int, b text)`.
    fn defined_columns(&mut self, definitions: &[Node], lineage: &Lineage) -> Vec<Output> {
        definitions
            .iter()
            .filter_map(|definition| match &definition.node {
                Some(NodeEnum::ColumnDef(column)) => {
                    self.cast(column.type_name.as_ref());
                    Some(output(Some(column.colname.as_str().into()), lineage.clone()))
                }
                _ => None,
            })
            .collect()
    }

    fn xml_table(&mut self, table: &protobuf::RangeTableFunc) -> Shape {
        let mut all = self.maybe(table.docexpr.as_deref());
        all.merge(&self.maybe(table.rowexpr.as_deref()));
        all.merge(&self.exprs(&table.namespaces));
        let mut outputs = Vec::new();
        for column in &table.columns {
            let Some(NodeEnum::RangeTableFuncCol(column)) = &column.node else {
                self.unknown("a column of XMLTABLE that is not understood");
                continue;
            };
            self.cast(column.type_name.as_ref());
            let mut lineage = self.maybe(column.colexpr.as_deref());
            lineage.merge(&self.maybe(column.coldefexpr.as_deref()));
            lineage.merge(&all);
            outputs.push(output(Some(column.colname.as_str().into()), lineage));
        }
        self.add_shown(table.alias.as_ref(), Some("xmltable"), outputs)
    }

    fn json_table(&mut self, table: &protobuf::JsonTable) -> Shape {
        let mut all = match table.context_item.as_deref() {
            Some(context) => {
                let mut lineage = self.maybe(context.raw_expr.as_deref());
                lineage.merge(&self.maybe(context.formatted_expr.as_deref()));
                lineage
            }
            None => Lineage::none(),
        };
        if let Some(path) = table.pathspec.as_deref() {
            all.merge(&self.maybe(path.string.as_deref()));
        }
        all.merge(&self.exprs(&table.passing));
        if let Some(behavior) = table.on_error.as_deref() {
            all.merge(&self.maybe(behavior.expr.as_deref()));
        }
        let mut outputs = Vec::new();
        self.json_columns(&table.columns, &all, &mut outputs);
        self.add_shown(table.alias.as_ref(), Some("json_table"), outputs)
    }

    fn json_columns(&mut self, columns: &[Node], all: &Lineage, outputs: &mut Vec<Output>) {
        for column in columns {
            let Some(NodeEnum::JsonTableColumn(column)) = &column.node else {
                self.unknown("a column of JSON_TABLE that is not understood");
                continue;
            };
            if column.coltype() == protobuf::JsonTableColumnType::JtcNested {
                self.json_columns(&column.columns, all, outputs);
                continue;
            }
            self.cast(column.type_name.as_ref());
            let mut lineage = all.clone();
            for behavior in [column.on_empty.as_deref(), column.on_error.as_deref()].into_iter().flatten() {
                lineage.merge(&self.maybe(behavior.expr.as_deref()));
            }
            outputs.push(output(Some(column.name.as_str().into()), lineage));
        }
    }
}

fn unknown_columns() -> Shown {
    Rc::new(vec![spread(ColumnSet::unknown(), false)])
}

fn new_names(alias: Option<&Alias>) -> Vec<Box<str>> {
    alias.map_or_else(Vec::new, |alias| strings(&alias.colnames).into_iter().map(Into::into).collect())
}
