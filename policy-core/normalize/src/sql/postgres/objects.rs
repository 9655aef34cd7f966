//! Objects of DROP, COMMENT, GRANT and ALTER: what each kind is called, and how its name is written.

use pg_query::protobuf::{DropStmt, ObjectType};
use pg_query::{Node, NodeEnum};
use policy_core::Resource;

use super::names::strings;
use crate::sql::session::Session;

/// The kind of object as the attribute `object` spells it.
pub(super) const fn object_text(kind: ObjectType) -> &'static str {
    use ObjectType as Object;
    match kind {
        Object::Undefined => "unknown",
        Object::ObjectAccessMethod => "access method",
        Object::ObjectAggregate => "aggregate",
        Object::ObjectAmop | Object::ObjectAmproc => "operator family",
        Object::ObjectAttribute => "type",
        Object::ObjectCast => "cast",
        Object::ObjectColumn => "column",
        Object::ObjectCollation => "collation",
        Object::ObjectConversion => "conversion",
        Object::ObjectDatabase => "database",
        Object::ObjectDefault => "column",
        Object::ObjectDefacl => "default privileges",
        Object::ObjectDomain => "domain",
        Object::ObjectDomconstraint => "domain",
        Object::ObjectEventTrigger => "event trigger",
        Object::ObjectExtension => "extension",
        Object::ObjectFdw => "foreign data wrapper",
        Object::ObjectForeignServer => "server",
        Object::ObjectForeignTable => "foreign table",
        Object::ObjectFunction => "function",
        Object::ObjectIndex => "index",
        Object::ObjectLanguage => "language",
        Object::ObjectLargeobject => "large object",
        Object::ObjectMatview => "materialized view",
        Object::ObjectOpclass => "operator class",
        Object::ObjectOperator => "operator",
        Object::ObjectOpfamily => "operator family",
        Object::ObjectParameterAcl => "setting",
        Object::ObjectPolicy => "policy",
        Object::ObjectProcedure => "procedure",
        Object::ObjectPublication | Object::ObjectPublicationNamespace | Object::ObjectPublicationRel => {
            "publication"
        }
        Object::ObjectRole => "role",
        Object::ObjectRoutine => "routine",
        Object::ObjectRule => "rule",
        Object::ObjectSchema => "schema",
        Object::ObjectSequence => "sequence",
        Object::ObjectSubscription => "subscription",
        Object::ObjectStatisticExt => "statistics",
        Object::ObjectTabconstraint => "constraint",
        Object::ObjectTable => "table",
        Object::ObjectTablespace => "tablespace",
        Object::ObjectTransform => "transform",
        Object::ObjectTrigger => "trigger",
        Object::ObjectTsconfiguration => "text search configuration",
        Object::ObjectTsdictionary => "text search dictionary",
        Object::ObjectTsparser => "text search parser",
        Object::ObjectTstemplate => "text search template",
        Object::ObjectType => "type",
        Object::ObjectUserMapping => "user mapping",
        Object::ObjectView => "view",
    }
}

/// What a DROP of this object may drop. IF EXISTS of what does not exist drops nothing, wherever on the path it
/// could have been.
pub(super) fn dropped(session: &Session<'_>, drop: &DropStmt, object: &Node) -> Vec<Resource> {
    let kind = drop.remove_type();
    let name = object_name(session, kind, object);
    if name != Resource::Undetermined || !drop.missing_ok {
        return vec![name];
    }
    let names = match &object.node {
        Some(NodeEnum::List(list)) => strings(&list.items),
        Some(NodeEnum::TypeName(name)) => strings(&name.names),
        Some(NodeEnum::ObjectWithArgs(name)) => strings(&name.objname),
        _ => return vec![name],
    };
    use ObjectType as Object;
    let has_schema = matches!(
        kind,
        Object::ObjectTable
            | Object::ObjectView
            | Object::ObjectMatview
            | Object::ObjectForeignTable
            | Object::ObjectSequence
            | Object::ObjectIndex
            | Object::ObjectType
            | Object::ObjectDomain
            | Object::ObjectAggregate
            | Object::ObjectFunction
            | Object::ObjectProcedure
            | Object::ObjectRoutine
    );
    match names.as_slice() {
        [alone] if has_schema => session.absent(alone).unwrap_or_else(|| vec![name]),
        _ => vec![name],
    }
}

/// The resource that an object's name stands for.
pub(super) fn object_name(session: &Session<'_>, kind: ObjectType, object: &Node) -> Resource {
    use ObjectType as Object;
    let names = match &object.node {
        Some(NodeEnum::List(list)) => strings(&list.items),
        Some(NodeEnum::String(name)) => vec![name.sval.as_str()],
        Some(NodeEnum::TypeName(name)) => strings(&name.names),
        Some(NodeEnum::ObjectWithArgs(name)) => strings(&name.objname),
        Some(NodeEnum::RangeVar(range)) => return session.relation(range).resource(),
        Some(NodeEnum::Integer(number)) => return Resource::named([number.ival.to_string()]),
        Some(NodeEnum::Float(number)) => return Resource::named([&number.fval]),
        Some(NodeEnum::RoleSpec(role)) if !role.rolename.is_empty() => {
            return Resource::named([&role.rolename]);
        }
        _ => return Resource::Undetermined,
    };
    let relation = |names: &[&str]| match names {
        [name] => session.relation_named("", name).resource(),
        [.., schema, name] => session.relation_named(schema, name).resource(),
        [] => Resource::Undetermined,
    };
    // The list ends with the part's own name.
    let part = || match names.split_last() {
        Some((part, owner)) => match relation(owner) {
            Resource::Named(name) => Resource::named(name.segments().chain([*part])),
            other => other,
        },
        None => Resource::Undetermined,
    };
    match kind {
        Object::ObjectTable
        | Object::ObjectView
        | Object::ObjectMatview
        | Object::ObjectForeignTable
        | Object::ObjectSequence
        | Object::ObjectIndex => relation(&names),
        Object::ObjectColumn
        | Object::ObjectTrigger
        | Object::ObjectPolicy
        | Object::ObjectRule
        | Object::ObjectTabconstraint => part(),
        Object::ObjectAggregate
        | Object::ObjectFunction
        | Object::ObjectProcedure
        | Object::ObjectRoutine => session.existing_function(&names),
        Object::ObjectType | Object::ObjectDomain => session.existing_type(&names),
        Object::ObjectOperator
        | Object::ObjectCollation
        | Object::ObjectConversion
        | Object::ObjectStatisticExt
        | Object::ObjectTsconfiguration
        | Object::ObjectTsdictionary
        | Object::ObjectTsparser
        | Object::ObjectTstemplate => session.existing(&names),
        Object::ObjectAccessMethod
        | Object::ObjectDatabase
        | Object::ObjectEventTrigger
        | Object::ObjectExtension
        | Object::ObjectFdw
        | Object::ObjectForeignServer
        | Object::ObjectLanguage
        | Object::ObjectLargeobject
        | Object::ObjectParameterAcl
        | Object::ObjectPublication
        | Object::ObjectRole
        | Object::ObjectSchema
        | Object::ObjectSubscription
        | Object::ObjectTablespace => Resource::named(names),
        Object::Undefined
        | Object::ObjectAmop
        | Object::ObjectAmproc
        | Object::ObjectAttribute
        | Object::ObjectCast
        | Object::ObjectDefault
        | Object::ObjectDefacl
        | Object::ObjectDomconstraint
        | Object::ObjectOpclass
        | Object::ObjectOpfamily
        | Object::ObjectPublicationNamespace
        | Object::ObjectPublicationRel
        | Object::ObjectTransform
        | Object::ObjectUserMapping => Resource::Undetermined,
    }
}
