//! Expressions: where their values come from, and what evaluating them does.

use std::borrow::Cow;

use pg_query::protobuf::{self, a_const::Val};
use pg_query::{Node, NodeEnum};
use policy_core::{Action, Verb};

use super::call::truth;
use super::lineage::Lineage;
use super::names::strings;
use super::walk::{Literal, Walk};

impl Walk<'_, '_> {
    /// The lineage of an expression's value. Its effects are added to the walk.
    pub(super) fn expr(&mut self, node: &Node) -> Lineage {
        match &node.node {
            Some(node) => self.value(node),
            None => Lineage::none(),
        }
    }

    pub(super) fn maybe(&mut self, node: Option<&Node>) -> Lineage {
        node.map_or_else(Lineage::none, |node| self.expr(node))
    }

    pub(super) fn exprs<'n>(&mut self, nodes: impl IntoIterator<Item = &'n Node>) -> Lineage {
        let mut all = Lineage::none();
        for node in nodes {
            let one = self.expr(node);
            all.merge(&one);
        }
        all
    }

    /// An expression that decides about rows, their order or their groups.
    pub(super) fn predicate(&mut self, node: Option<&Node>) {
        let lineage = self.maybe(node);
        self.predicates.merge(&lineage.sources);
    }

    pub(super) fn predicates<'n>(&mut self, nodes: impl IntoIterator<Item = &'n Node>) {
        let lineage = self.exprs(nodes);
        self.predicates.merge(&lineage.sources);
    }

    fn boxed(&mut self, node: Option<&Node>) -> Lineage {
        self.maybe(node)
    }

    /// Every kind of node of the grammar is named: those that can't stand in an expression give `unknown`.
    #[expect(
        clippy::too_many_lines,
        reason = "one arm a kind of node; splitting the match would need a catch-all"
    )]
    fn value(&mut self, node: &NodeEnum) -> Lineage {
        if !self.spend() {
            return Lineage::unknown();
        }
        match node {
            NodeEnum::AConst(_)
            | NodeEnum::SqlvalueFunction(_)
            | NodeEnum::SetToDefault(_)
            | NodeEnum::MergeSupportFunc(_)
            | NodeEnum::String(_)
            | NodeEnum::Integer(_)
            | NodeEnum::Float(_)
            | NodeEnum::Boolean(_)
            | NodeEnum::BitString(_) => Lineage::none(),
            NodeEnum::ParamRef(parameter) => {
                self.parameter(parameter.number);
                Lineage::none()
            }
            NodeEnum::ColumnRef(column) => self.column(column),
            NodeEnum::AExpr(expression) => {
                let mut lineage = self.operator(&expression.name);
                lineage.merge(&self.boxed(expression.lexpr.as_deref()));
                lineage.merge(&self.boxed(expression.rexpr.as_deref()));
                lineage
            }
            NodeEnum::BoolExpr(expression) => self.exprs(&expression.args),
            NodeEnum::NullTest(test) => self.boxed(test.arg.as_deref()),
            NodeEnum::BooleanTest(test) => self.boxed(test.arg.as_deref()),
            NodeEnum::TypeCast(cast) => {
                let lineage = self.boxed(cast.arg.as_deref());
                self.cast(cast.type_name.as_ref());
                lineage
            }
            NodeEnum::CollateClause(clause) => self.boxed(clause.arg.as_deref()),
            NodeEnum::FuncCall(call) => self.call(call),
            NodeEnum::NamedArgExpr(argument) => self.boxed(argument.arg.as_deref()),
            NodeEnum::SubLink(link) => self.sub_link(link),
            NodeEnum::CaseExpr(case) => self.case(case),
            NodeEnum::CaseWhen(when) => {
                let mut lineage = self.boxed(when.expr.as_deref());
                lineage.merge(&self.boxed(when.result.as_deref()));
                lineage
            }
            NodeEnum::CoalesceExpr(expression) => self.exprs(&expression.args),
            NodeEnum::MinMaxExpr(expression) => self.exprs(&expression.args),
            NodeEnum::RowExpr(row) => self.exprs(&row.args),
            NodeEnum::AArrayExpr(array) => self.exprs(&array.elements),
            NodeEnum::List(list) => self.exprs(&list.items),
            NodeEnum::GroupingFunc(grouping) => self.exprs(&grouping.args),
            NodeEnum::AIndirection(indirection) => self.indirection(indirection),
            NodeEnum::AIndices(indices) => {
                let mut lineage = self.boxed(indices.lidx.as_deref());
                lineage.merge(&self.boxed(indices.uidx.as_deref()));
                lineage
            }
            NodeEnum::ResTarget(target) => self.boxed(target.val.as_deref()),
            NodeEnum::MultiAssignRef(assign) => self.boxed(assign.source.as_deref()),
            NodeEnum::CurrentOfExpr(_) => Lineage::none(),
            NodeEnum::XmlExpr(xml) => {
                let mut lineage = self.exprs(&xml.named_args);
                lineage.merge(&self.exprs(&xml.args));
                lineage
            }
            NodeEnum::XmlSerialize(xml) => {
                self.cast(xml.type_name.as_ref());
                self.boxed(xml.expr.as_deref())
            }
            NodeEnum::JsonValueExpr(json) => self.json_value(Some(json)),
            NodeEnum::JsonIsPredicate(json) => self.boxed(json.expr.as_deref()),
            NodeEnum::JsonArgument(argument) => self.json_value(argument.val.as_deref()),
            NodeEnum::JsonKeyValue(pair) => self.json_pair(Some(pair)),
            NodeEnum::JsonBehavior(behavior) => self.boxed(behavior.expr.as_deref()),
            NodeEnum::JsonFuncExpr(function) => self.json_function(function),
            NodeEnum::JsonParseExpr(json) => {
                self.json_output(json.output.as_ref());
                self.json_value(json.expr.as_deref())
            }
            NodeEnum::JsonScalarExpr(json) => {
                self.json_output(json.output.as_ref());
                self.boxed(json.expr.as_deref())
            }
            NodeEnum::JsonSerializeExpr(json) => {
                self.json_output(json.output.as_ref());
                self.json_value(json.expr.as_deref())
            }
            NodeEnum::JsonObjectConstructor(json) => {
                self.json_output(json.output.as_ref());
                self.exprs(&json.exprs)
            }
            NodeEnum::JsonArrayConstructor(json) => {
                self.json_output(json.output.as_ref());
                self.exprs(&json.exprs)
            }
            NodeEnum::JsonArrayQueryConstructor(json) => {
                self.json_output(json.output.as_ref());
                self.sub_query(json.query.as_deref())
            }
            NodeEnum::JsonObjectAgg(json) => {
                self.json_aggregate(json.constructor.as_deref());
                self.json_pair(json.arg.as_deref())
            }
            NodeEnum::JsonArrayAgg(json) => {
                self.json_aggregate(json.constructor.as_deref());
                self.json_value(json.arg.as_deref())
            }
            NodeEnum::JsonTablePathSpec(path) => self.boxed(path.string.as_deref()),
            NodeEnum::TypeName(type_name) => {
                self.cast(Some(type_name));
                Lineage::none()
            }
            node @ not_an_expression!() => {
                self.unknown(&format!("{} where an expression should be", super::kinds::name(node)));
                Lineage::unknown()
            }
        }
    }

    /// Operators of other schemas run somebody's function, which may return anything.
    pub(super) fn operator(&mut self, name: &[Node]) -> Lineage {
        let name = strings(name);
        if matches!(name.as_slice(), [_] | ["pg_catalog", _]) {
            return Lineage::none();
        }
        self.unknown("an operator of another schema runs a function that is not known here");
        Lineage::unknown()
    }

    pub(super) fn cast(&mut self, type_name: Option<&protobuf::TypeName>) {
        if let Some(type_name) = type_name
            && let Some(resource) = self.session.cast(&strings(&type_name.names))
        {
            self.note("a cast to a type that does not ship with the server may run a function");
            self.act(Action::new(Verb::new("call"), resource));
        }
    }

    /// CASE: its conditions decide, and each row shows which way, so they flow too.
    fn case(&mut self, case: &protobuf::CaseExpr) -> Lineage {
        let mut conditions = self.boxed(case.arg.as_deref());
        let mut lineage = Lineage::none();
        for arm in &case.args {
            match &arm.node {
                Some(NodeEnum::CaseWhen(when)) => {
                    let condition = self.boxed(when.expr.as_deref());
                    conditions.merge(&condition);
                    let result = self.boxed(when.result.as_deref());
                    lineage.merge(&result);
                }
                _ => lineage.merge(&self.expr(arm)),
            }
        }
        self.predicates.merge(&conditions.sources);
        lineage.merge(&conditions);
        lineage.merge(&self.boxed(case.defresult.as_deref()));
        lineage
    }

    fn sub_link(&mut self, link: &protobuf::SubLink) -> Lineage {
        use protobuf::SubLinkType as Type;
        let mut tested = self.boxed(link.testexpr.as_deref());
        if !link.oper_name.is_empty() {
            tested.merge(&self.operator(&link.oper_name));
        }
        let mut shown = self.sub_query(link.subselect.as_deref());
        match link.sub_link_type() {
            // Whether there is a row says nothing about the values it would show.
            Type::ExistsSublink => Lineage::none(),
            Type::AllSublink
            | Type::AnySublink
            | Type::RowcompareSublink
            | Type::ExprSublink
            | Type::MultiexprSublink
            | Type::ArraySublink
            | Type::CteSublink
            | Type::Undefined => {
                shown.merge(&tested);
                shown
            }
        }
    }

    fn indirection(&mut self, indirection: &protobuf::AIndirection) -> Lineage {
        for step in &indirection.indirection {
            if let Some(NodeEnum::AIndices(_)) = &step.node {
                // What chooses an element decides what is shown, as a condition of CASE does.
                let index = self.expr(step);
                self.predicates.merge(&index.sources);
            }
        }
        if let Some(lineage) = self.field_of_row(indirection) {
            return lineage;
        }
        let mut lineage = self.boxed(indirection.arg.as_deref());
        for step in &indirection.indirection {
            match &step.node {
                Some(NodeEnum::AIndices(_)) => lineage.merge(&self.expr(step)),
                Some(NodeEnum::String(name)) => {
                    // `(x).f` is `f(x)` where x has no such field.
                    lineage.merge(&self.attribute_call(&name.sval));
                }
                _ => {}
            }
        }
        lineage
    }

    fn json_value(&mut self, json: Option<&protobuf::JsonValueExpr>) -> Lineage {
        let Some(json) = json else {
            return Lineage::none();
        };
        let mut lineage = self.boxed(json.raw_expr.as_deref());
        lineage.merge(&self.boxed(json.formatted_expr.as_deref()));
        lineage
    }

    fn json_pair(&mut self, pair: Option<&protobuf::JsonKeyValue>) -> Lineage {
        let Some(pair) = pair else {
            return Lineage::none();
        };
        let mut lineage = self.boxed(pair.key.as_deref());
        lineage.merge(&self.json_value(pair.value.as_deref()));
        lineage
    }

    fn json_output(&mut self, output: Option<&protobuf::JsonOutput>) {
        if let Some(output) = output {
            self.cast(output.type_name.as_ref());
        }
    }

    fn json_function(&mut self, function: &protobuf::JsonFuncExpr) -> Lineage {
        self.json_output(function.output.as_ref());
        let mut lineage = self.json_value(function.context_item.as_deref());
        lineage.merge(&self.boxed(function.pathspec.as_deref()));
        lineage.merge(&self.exprs(&function.passing));
        for behavior in [&function.on_empty, &function.on_error].into_iter().flatten() {
            lineage.merge(&self.boxed(behavior.expr.as_deref()));
        }
        lineage
    }

    fn json_aggregate(&mut self, aggregate: Option<&protobuf::JsonAggConstructor>) {
        if let Some(aggregate) = aggregate {
            self.json_output(aggregate.output.as_ref());
            self.predicate(aggregate.agg_filter.as_deref());
            for sort in &aggregate.agg_order {
                self.sort(sort, &[]);
            }
            if let Some(over) = &aggregate.over {
                self.window(over);
            }
        }
    }

    /// PARTITION BY and ORDER BY of a window, and the bounds of its frame.
    pub(super) fn window(&mut self, window: &protobuf::WindowDef) {
        self.predicates(&window.partition_clause);
        for sort in &window.order_clause {
            self.sort(sort, &[]);
        }
        self.predicate(window.start_offset.as_deref());
        self.predicate(window.end_offset.as_deref());
    }

    /// The value of an expression that is a literal, a bound parameter or a cast of one.
    pub(super) fn literal<'n>(&self, node: Option<&'n Node>) -> Literal<'n>
    where
        Self: 'n,
    {
        match node.and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::AConst(constant)) => match &constant.val {
                _ if constant.isnull => Literal::Null,
                Some(Val::Ival(value)) => Literal::Text(Cow::Owned(value.ival.to_string())),
                Some(Val::Fval(value)) => Literal::Text(Cow::Borrowed(&value.fval)),
                Some(Val::Boolval(value)) => {
                    Literal::Text(Cow::Borrowed(if value.boolval { "true" } else { "false" }))
                }
                Some(Val::Sval(value)) => Literal::Text(Cow::Borrowed(&value.sval)),
                Some(Val::Bsval(_)) => Literal::Opaque,
                // The protobuf form leaves an integer zero out.
                None => Literal::Opaque,
            },
            Some(NodeEnum::TypeCast(cast)) => {
                cast_to(cast.type_name.as_ref(), self.literal(cast.arg.as_deref()))
            }
            Some(NodeEnum::NamedArgExpr(argument)) => self.literal(argument.arg.as_deref()),
            Some(NodeEnum::ParamRef(parameter)) => match self.bound(parameter.number) {
                Literal::Null => Literal::Null,
                Literal::Text(text) => Literal::Text(Cow::Owned(text.into_owned())),
                Literal::Pending => Literal::Pending,
                Literal::Opaque => Literal::Opaque,
            },
            _ => Literal::Opaque,
        }
    }
}

/// What a cast makes of a value. Many types change the text on its way (`"char"` and `name` cut it short, `char(n)` takes
/// blanks off), so that only those are known whose result is known to the letter.
fn cast_to<'a>(to: Option<&protobuf::TypeName>, value: Literal<'a>) -> Literal<'a> {
    let Literal::Text(text) = value else { return value };
    let Some(to) = to.filter(|to| to.array_bounds.is_empty() && to.typmods.is_empty() && !to.pct_type) else {
        return Literal::Opaque;
    };
    let known = match strings(&to.names).as_slice() {
        ["text" | "varchar"] | ["pg_catalog", "text" | "varchar"] => Some(text),
        ["int2" | "int4" | "int8"] | ["pg_catalog", "int2" | "int4" | "int8"] => {
            text.trim().parse::<i64>().ok().map(|number| Cow::Owned(number.to_string()))
        }
        ["bool"] | ["pg_catalog", "bool"] => {
            truth(&text).map(|truth| Cow::Borrowed(if truth { "true" } else { "false" }))
        }
        _ => None,
    };
    known.map_or(Literal::Opaque, Literal::Text)
}
