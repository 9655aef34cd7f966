//! Privileges, and the roles that have them.

use pg_query::protobuf::{self, GrantStmt, GrantTargetType};
use pg_query::{Node, NodeEnum};
use policy_core::{Action, Resource, Value, Verb};

use super::objects::{object_name, object_text};
use super::walk::Walk;

impl Walk<'_, '_> {
    pub(super) fn grant(&mut self, grant: &GrantStmt) {
        let verb = if grant.is_grant { "grant" } else { "revoke" };
        let privileges: Option<Vec<Box<str>>> = grant
            .privileges
            .iter()
            .map(|privilege| match &privilege.node {
                Some(NodeEnum::AccessPriv(privilege)) => {
                    Some(privilege.priv_name.to_ascii_lowercase().into())
                }
                _ => None,
            })
            .collect();
        let privileges = match privileges {
            // No list is ALL.
            Some(privileges) if privileges.is_empty() => Value::List(Box::new(["all".into()])),
            Some(privileges) => Value::List(privileges.into()),
            None => Value::Undetermined,
        };
        let grantees = roles(&grant.grantees);
        let resources: Vec<Resource> = match grant.targtype() {
            GrantTargetType::AclTargetObject => grant
                .objects
                .iter()
                .map(|object| object_name(self.session, grant.objtype(), object))
                .collect(),
            GrantTargetType::AclTargetAllInSchema
            | GrantTargetType::AclTargetDefaults
            | GrantTargetType::Undefined => {
                vec![Resource::Undetermined]
            }
        };
        for resource in resources {
            self.act(
                Action::new(Verb::new(verb), resource)
                    .with("object", Value::Text(object_text(grant.objtype()).into()))
                    .with("privileges", privileges.clone())
                    .with("grantees", grantees.clone()),
            );
        }
    }

    pub(super) fn grant_role(&mut self, grant: &protobuf::GrantRoleStmt) {
        let verb = if grant.is_grant { "grant" } else { "revoke" };
        let grantees = roles(&grant.grantee_roles);
        for granted in &grant.granted_roles {
            let resource = match &granted.node {
                Some(NodeEnum::AccessPriv(role)) => Resource::named([&role.priv_name]),
                _ => role_node(granted),
            };
            self.act(
                Action::new(Verb::new(verb), resource)
                    .with("object", Value::Text("role".into()))
                    .with("privileges", Value::List(Box::new(["member".into()])))
                    .with("grantees", grantees.clone()),
            );
        }
    }
}

pub(super) fn role(role: Option<&protobuf::RoleSpec>) -> Resource {
    use protobuf::RoleSpecType as Type;
    let Some(role) = role else {
        return Resource::Undetermined;
    };
    match role.roletype() {
        Type::RolespecCstring => Resource::named([&role.rolename]),
        Type::RolespecPublic => Resource::named(["public"]),
        Type::RolespecCurrentRole
        | Type::RolespecCurrentUser
        | Type::RolespecSessionUser
        | Type::Undefined => Resource::Undetermined,
    }
}

pub(super) fn role_node(node: &Node) -> Resource {
    match &node.node {
        Some(NodeEnum::RoleSpec(spec)) => role(Some(spec)),
        _ => Resource::Undetermined,
    }
}

fn roles(nodes: &[Node]) -> Value {
    let names: Option<Vec<Box<str>>> = nodes
        .iter()
        .map(|node| match role_node(node) {
            Resource::Named(name) => Some(name.as_joined().into()),
            Resource::None | Resource::Tree(_) | Resource::Pending | Resource::Undetermined => None,
        })
        .collect();
    names.map_or(Value::Undetermined, |names| Value::List(names.into()))
}
