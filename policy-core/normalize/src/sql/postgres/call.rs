//! Calls of functions: which are judged, what they change, and what flows into their results.

use pg_query::protobuf::FuncCall;
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
        match self.literal(Some(argument)) {
            Literal::Text(text) => match split_identifier(&text).as_deref() {
                Some([name]) => self.session.relation_named("", name).resource(),
                Some([.., schema, name]) => self.session.relation_named(schema, name).resource(),
                Some([]) | None => Resource::Undetermined,
            },
            Literal::Pending => Resource::Pending,
            Literal::Null | Literal::Opaque => Resource::Undetermined,
        }
    }

    /// `set_config(name, value, is_local)` is SET.
    fn set_config(&mut self, arguments: &[Node]) {
        let text = |literal: Literal<'_>| match literal {
            Literal::Text(text) => Some(text.to_ascii_lowercase().into_boxed_str()),
            Literal::Null | Literal::Pending | Literal::Opaque => None,
        };
        let pending = self.literal(arguments.first()) == Literal::Pending;
        let name = text(self.literal(arguments.first()));
        let value = match self.literal(arguments.get(1)) {
            Literal::Text(text) if name.as_deref() == Some("search_path") => {
                match text
                    .split(',')
                    .map(|entry| split_identifier(entry).filter(|parts| parts.len() == 1))
                    .collect()
                {
                    Some(entries) => {
                        let entries: Vec<Vec<Box<str>>> = entries;
                        SettingValue::To(entries.into_iter().flatten().collect())
                    }
                    None => SettingValue::Unknown,
                }
            }
            Literal::Text(text) => SettingValue::To(vec![text.into()]),
            Literal::Null | Literal::Pending | Literal::Opaque => SettingValue::Unknown,
        };
        let local = !matches!(
            text(self.literal(arguments.get(2))).as_deref(),
            Some("false" | "f" | "off" | "no" | "n" | "0")
        );
        if pending {
            self.verb("set", Resource::Pending);
            self.settings.push(Setting { name: None, value: SettingValue::Unknown, local: false });
            return;
        }
        self.sets(Setting { name, value, local });
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
