//! The rules as Rego has them, evaluated by Regorus.

use std::fmt::Write;

use regorus::{Engine, Value};

use crate::Ask;

/// An engine that has its policy, and an input.
pub struct Case {
    engine: Engine,
    input: Value,
}

impl Case {
    pub fn allows(&mut self) -> bool {
        self.engine.set_input(self.input.clone());
        self.engine.eval_rule("data.gate.allow".into()).expect("a policy that evaluates") == Value::from(true)
    }
}

pub fn anchor(rules: usize, ask: Ask) -> Case {
    let mut text = String::from(
        r#"package gate
import rego.v1
default allow := false
allow if count(deny) == 0
deny contains "ddl" if {
    input.action in {"drop", "truncate"}
    input.env == "prod"
    not "dba" in input.groups
}
deny contains "unfiltered" if {
    input.action == "delete"
    input.env == "prod"
    not input.filtered
}
"#,
    );
    for number in 0..rules - 2 {
        write!(
            text,
            r#"deny contains "alter {number}" if {{
    input.action == "alter"
    input.resource == "t{number}"
    input.env == "prod"
    not "g{number}" in input.groups
}}
"#
        )
        .expect("a string takes any text");
    }
    let input = format!(
        r#"{{"user": "ana", "groups": ["eng"], "action": "{}", "resource": "orders", "env": "prod", "filtered": false}}"#,
        ask.verb()
    );
    let mut engine = Engine::new();
    engine.add_policy("gate.rego".into(), text).expect("a policy that parses");
    Case { engine, input: Value::from_json_str(&input).expect("an input that parses") }
}
