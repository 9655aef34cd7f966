//! Calls of functions: which are judged, what they change, and what flows into their results.

use pg_query::protobuf::{FuncCall, SelectStmt};
use pg_query::{Node, NodeEnum};
use policy_core::{Action, Resource, Value, Verb};

use super::lineage::Lineage;
use super::names::strings;
use super::walk::{Literal, Walk};
use crate::sql::names::split_identifier;
use crate::sql::shipped::Class;
use crate::sql::statement::{FlowTarget, Setting, SettingValue};

impl Walk<'_, '_> {
    pub(super) fn call(&mut self, call: &FuncCall) -> Lineage {
        let mut lineage = self.exprs(&call.args);
        self.predicate(call.agg_filter.as_deref());
        for sort in &call.agg_order {
            if call.agg_within_group {
                // `percentile_disc(0.5) WITHIN GROUP (ORDER BY pay)` shows a pay.
                let ordered = match &sort.node {
                    Some(NodeEnum::SortBy(sort)) => self.maybe(sort.node.as_deref()),
                    _ => self.expr(sort),
                };
                self.predicates.merge(&ordered.sources);
                lineage.merge(&ordered);
            } else {
                self.sort(sort, &[]);
            }
        }
        if let Some(over) = &call.over {
            self.window(over);
        }
        let names = strings(&call.funcname);
        self.calls(&names, &call.args, &mut lineage);
        lineage
    }

    /// `t.f` or `(t).f`, which is `f(t)` where there is such a function, and a field otherwise.
    pub(super) fn attribute_call(&mut self, name: &str) -> Lineage {
        let mut lineage = Lineage::none();
        if self.session.has_no_function(name) {
            return lineage;
        }
        self.calls(&[name], &[], &mut lineage);
        lineage
    }

    /// The effects of calling a function, and what its result may hold besides its arguments.
    pub(super) fn calls(&mut self, names: &[&str], arguments: &[Node], lineage: &mut Lineage) {
        let callee = self.session.function(names);
        if callee.judged.is_empty() {
            return;
        }
        let name = names.last().copied().unwrap_or_default();
        let is_shipped = callee.class.is_some_and(|class| !class.is_harmless());
        if is_shipped && name == "nextval" && callee.judged.len() == 1 {
            let resource = self.sequence(arguments);
            self.verb("call", resource);
            return;
        }
        let values = self.arguments(arguments);
        for resource in callee.judged {
            if resource == Resource::Undetermined {
                self.note("a function's schema could not be determined: write it with its schema");
            }
            self.act(Action::new(Verb::new("call"), resource).with("arguments", values.clone()));
        }
        if is_shipped && name == "set_config" {
            self.set_config(arguments);
        }
        if is_shipped {
            // Files, other sessions and the log are outside.
            let sources = lineage.sources.clone();
            self.flow(FlowTarget::Outside, sources);
        }
        if callee.class != Some(Class::Effect) {
            // Nobody knows what it returns.
            lineage.merge(&Lineage::unknown());
        }
    }

    fn arguments(&self, arguments: &[Node]) -> Value {
        let mut values: Vec<Box<str>> = Vec::with_capacity(arguments.len());
        let mut opaque = false;
        for argument in arguments {
            match self.literal(Some(argument)) {
                Literal::Text(text) => values.push(text.into()),
                Literal::Null => values.push("null".into()),
                Literal::Pending => return Value::Pending,
                Literal::Opaque => opaque = true,
            }
        }
        if opaque { Value::Undetermined } else { Value::List(values.into()) }
    }

    /// The sequence that `nextval` is called on.
    fn sequence(&mut self, arguments: &[Node]) -> Resource {
        let [argument] = arguments else {
            return Resource::Undetermined;
        };
        match self.literal(Some(named_object(argument))) {
            Literal::Text(text) => match split_identifier(&text).as_deref() {
                Some([name]) => self.session.relation_named("", name).resource(),
                Some([.., schema, name]) => self.session.relation_named(schema, name).resource(),
                Some([]) | None => Resource::Undetermined,
            },
            Literal::Pending => Resource::Pending,
            Literal::Null | Literal::Opaque => Resource::Undetermined,
        }
    }

    /// `set_config(name, value, is_local)` is SET. It is judged as that wherever it stands; what it leaves behind is
    /// known only where it surely runs, with arguments that are read in one way.
    fn set_config(&mut self, arguments: &[Node]) {
        let argument = |index: usize, name: &str| {
            let named = arguments.iter().find(
                |argument| matches!(&argument.node, Some(NodeEnum::NamedArgExpr(named)) if named.name == name),
            );
            let at = arguments.get(index);
            named.or_else(|| at.filter(|at| !matches!(at.node, Some(NodeEnum::NamedArgExpr(_)))))
        };
        let name = self.literal(argument(0, "setting_name"));
        let value = self.literal(argument(1, "new_value"));
        let local = self.literal(argument(2, "is_local"));
        if name == Literal::Pending {
            self.verb("set", Resource::Pending);
            self.settings.push(Setting { name: None, value: SettingValue::Unknown, local: false });
            return;
        }
        let name = match name {
            Literal::Text(text) => Some(text.to_ascii_lowercase().into_boxed_str()),
            Literal::Null | Literal::Pending | Literal::Opaque => None,
        };
        let value = match value {
            Literal::Text(text) if name.as_deref() == Some("search_path") => search_path(&text),
            Literal::Text(text) => SettingValue::To(vec![text.into()]),
            Literal::Null | Literal::Pending | Literal::Opaque => SettingValue::Unknown,
        };
        let is_local = match &local {
            Literal::Text(text) => truth(text),
            // The server takes NULL for false.
            Literal::Null => Some(false),
            Literal::Pending | Literal::Opaque => None,
        };
        self.sets(Setting { name, value, local: is_local.unwrap_or(false) });
        let is_sure = self.calls_run && is_local.is_some() && arguments.iter().all(is_plain);
        if !is_sure && let Some(left) = self.settings.last_mut() {
            left.value = SettingValue::Unknown;
            left.local = false;
        }
    }

    /// The action of a change of a setting.
    pub(super) fn sets(&mut self, setting: Setting) {
        match setting.name.as_deref() {
            Some("role" | "session_authorization") => {
                let resource = match &setting.value {
                    SettingValue::To(values) => match values.as_slice() {
                        [role] => Resource::named([role]),
                        _ => Resource::Undetermined,
                    },
                    // Back to the role of the connection.
                    SettingValue::Default => Resource::named(["none"]),
                    SettingValue::Unknown => Resource::Undetermined,
                };
                self.verb("set_role", resource);
            }
            name => {
                let resource = name.map_or(Resource::Undetermined, |name| Resource::named(name.split('.')));
                let value = match &setting.value {
                    SettingValue::To(values) => Value::Text(values.join(", ").into()),
                    SettingValue::Default => Value::Text("default".into()),
                    SettingValue::Unknown => Value::Undetermined,
                };
                self.act(
                    Action::new(Verb::new("set"), resource)
                        .with("value", value)
                        .with("local", Value::Bool(setting.local)),
                );
            }
        }
        self.settings.push(setting);
    }
}

/// Whether a query is nothing but calls of `set_config`, one row of them, so that each runs once and in order.
pub(super) fn only_sets(select: &SelectStmt) -> bool {
    let SelectStmt {
        distinct_clause,
        into_clause: None,
        target_list,
        from_clause,
        where_clause: None,
        group_clause,
        group_distinct: _,
        having_clause: None,
        window_clause,
        values_lists,
        sort_clause,
        limit_offset: None,
        limit_count: None,
        limit_option: _,
        locking_clause,
        with_clause: None,
        op: _,
        all: _,
        larg: None,
        rarg: None,
    } = select
    else {
        return false;
    };
    let clauses = [
        distinct_clause,
        from_clause,
        group_clause,
        window_clause,
        values_lists,
        sort_clause,
        locking_clause,
    ];
    clauses.iter().all(|clause| clause.is_empty()) && target_list.iter().all(is_set_config)
}

fn is_set_config(target: &Node) -> bool {
    let Some(NodeEnum::ResTarget(target)) = &target.node else { return false };
    let Some(NodeEnum::FuncCall(call)) = target.val.as_ref().and_then(|value| value.node.as_ref()) else {
        return false;
    };
    let names = strings(&call.funcname);
    matches!(names.as_slice(), ["set_config"] | ["pg_catalog", "set_config"])
        && call.agg_filter.is_none()
        && call.over.is_none()
        && call.args.iter().all(is_plain)
}

/// Whether an argument is one value as it stands: no row can be missing for it, no cast makes another of it.
fn is_plain(argument: &Node) -> bool {
    match &argument.node {
        Some(NodeEnum::AConst(_) | NodeEnum::ParamRef(_)) => true,
        Some(NodeEnum::NamedArgExpr(named)) => named.arg.as_deref().is_some_and(is_plain),
        Some(NodeEnum::TypeCast(cast)) => {
            let is_text = cast.type_name.as_ref().is_some_and(|name| {
                matches!(strings(&name.names).last(), Some(&("text" | "bool")))
                    && name.array_bounds.is_empty()
                    && name.typmods.is_empty()
            });
            is_text && cast.arg.as_deref().is_some_and(is_plain)
        }
        _ => false,
    }
}

/// The text behind `'…'::regclass`, which names the same object with the cast as without.
fn named_object(argument: &Node) -> &Node {
    let Some(NodeEnum::TypeCast(cast)) = &argument.node else { return argument };
    let is_name = cast.type_name.as_ref().is_some_and(|name| {
        matches!(strings(&name.names).as_slice(), ["regclass"] | ["pg_catalog", "regclass"])
            && name.array_bounds.is_empty()
    });
    cast.arg.as_deref().filter(|_| is_name).unwrap_or(argument)
}

/// A search path as `set_config` takes it: identifiers between commas.
fn search_path(text: &str) -> SettingValue {
    let entries: Option<Vec<Vec<Box<str>>>> =
        text.split(',').map(|entry| split_identifier(entry).filter(|parts| parts.len() == 1)).collect();
    entries.map_or(SettingValue::Unknown, |entries| SettingValue::To(entries.into_iter().flatten().collect()))
}

/// A truth value in the forms that everybody writes; the server takes more.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "on" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "off" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}
