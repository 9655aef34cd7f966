//! The shape of a condition that narrows rows: a column compared with a constant.

use pg_query::protobuf::{AExpr, AExprKind, ColumnRef, FuncCall};
use pg_query::{Node, NodeEnum};

use super::names::strings;

/// The column that a comparison by `=`, `IN` or a range sets against something free of columns, sub-queries and
/// volatile functions. `is_constant` says so of a function.
pub(super) fn compared<'n>(node: &'n Node, is_constant: &dyn Fn(&FuncCall) -> bool) -> Option<&'n ColumnRef> {
    let Some(NodeEnum::AExpr(expression)) = &node.node else {
        return None;
    };
    let left = expression.lexpr.as_deref();
    let right = expression.rexpr.as_deref();
    let columns = match expression.kind() {
        AExprKind::AexprOp if is_comparison(expression, &["=", "<", ">", "<=", ">="]) => {
            [(left, right), (right, left)]
        }
        // Not `NOT IN`, which narrows next to nothing.
        AExprKind::AexprIn | AExprKind::AexprOpAny if is_comparison(expression, &["="]) => {
            [(left, right), (None, None)]
        }
        AExprKind::AexprBetween | AExprKind::AexprBetweenSym => [(left, right), (None, None)],
        _ => return None,
    };
    columns.into_iter().find_map(|(column, value)| match column.and_then(|node| node.node.as_ref()) {
        Some(NodeEnum::ColumnRef(column)) if constant(value, is_constant) => Some(column),
        _ => None,
    })
}

fn is_comparison(expression: &AExpr, operators: &[&str]) -> bool {
    match strings(&expression.name).as_slice() {
        [operator] | ["pg_catalog", operator] => operators.contains(operator),
        _ => false,
    }
}

/// Whether an expression has the same value for every row.
fn constant(node: Option<&Node>, is_constant: &dyn Fn(&FuncCall) -> bool) -> bool {
    let all = |nodes: &[Node]| nodes.iter().all(|node| constant(Some(node), is_constant));
    match node.and_then(|node| node.node.as_ref()) {
        Some(NodeEnum::AConst(_) | NodeEnum::ParamRef(_) | NodeEnum::SqlvalueFunction(_)) => true,
        Some(NodeEnum::TypeCast(cast)) => constant(cast.arg.as_deref(), is_constant),
        Some(NodeEnum::CollateClause(clause)) => constant(clause.arg.as_deref(), is_constant),
        Some(NodeEnum::AArrayExpr(array)) => all(&array.elements),
        Some(NodeEnum::List(list)) => all(&list.items),
        Some(NodeEnum::RowExpr(row)) => all(&row.args),
        Some(NodeEnum::CoalesceExpr(expression)) => all(&expression.args),
        Some(NodeEnum::AExpr(expression)) => {
            // A unary operator has no left side.
            (expression.lexpr.is_none() || constant(expression.lexpr.as_deref(), is_constant))
                && constant(expression.rexpr.as_deref(), is_constant)
        }
        Some(NodeEnum::FuncCall(call)) => {
            is_constant(call) && all(&call.args) && call.agg_filter.is_none() && call.over.is_none()
        }
        _ => false,
    }
}
