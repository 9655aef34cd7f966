//! The rules as Cedar has them.

use std::fmt::Write;

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};

use crate::Ask;

/// A policy set and a request, built once.
pub struct Case {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    request: Request,
}

impl Case {
    pub fn allows(&self) -> bool {
        self.authorizer.is_authorized(&self.request, &self.policies, &self.entities).decision()
            == Decision::Allow
    }
}

pub fn anchor(rules: usize, ask: Ask) -> Case {
    let mut text = String::from(
        r#"permit(principal, action, resource);
        forbid(principal, action in [Action::"drop", Action::"truncate"], resource)
            when { context.env == "prod" } unless { principal in Group::"dba" };
        forbid(principal, action == Action::"delete", resource)
            when { context.env == "prod" && !context.filtered };"#,
    );
    for number in 0..rules - 2 {
        write!(
            text,
            r#"forbid(principal, action == Action::"alter", resource == Table::"t{number}")
                when {{ context.env == "prod" }} unless {{ principal in Group::"g{number}" }};"#
        )
        .expect("a string takes any text");
    }
    let entities = r#"[
        {"uid": {"type": "User", "id": "ana"}, "attrs": {}, "parents": [{"type": "Group", "id": "eng"}]},
        {"uid": {"type": "Group", "id": "eng"}, "attrs": {}, "parents": []}
    ]"#;
    let uid = |text: String| text.parse::<EntityUid>().expect("an entity");
    let context = Context::from_json_str(r#"{"env": "prod", "filtered": false}"#, None).expect("a context");
    let request = Request::new(
        uid(r#"User::"ana""#.into()),
        uid(format!(r#"Action::"{}""#, ask.verb())),
        uid(r#"Table::"orders""#.into()),
        context,
        None,
    );
    Case {
        authorizer: Authorizer::new(),
        policies: text.parse().expect("policies that parse"),
        entities: Entities::from_json_str(entities, None).expect("entities that parse"),
        request: request.expect("a request"),
    }
}
