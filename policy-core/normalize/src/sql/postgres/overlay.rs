//! What a definition changes for later statements of the same text, which the catalogue can't know yet.

use pg_query::protobuf::{AlterTableType, ObjectType, RangeVar};
use pg_query::{Node, NodeEnum};
use policy_core::Resource;

use super::objects::dropped;
use crate::sql::session::Session;
use crate::sql::statement::Kind;

/// What later statements of the same text must know about a definition.
pub(super) fn overlay(session: &mut Session<'_>, node: Option<&Node>, kind: &Kind) {
    let Some(node) = node.and_then(|node| node.node.as_ref()) else {
        return;
    };
    match node {
        NodeEnum::CreateStmt(create) => make(session, create.relation.as_ref()),
        NodeEnum::CreateSeqStmt(create) => make(session, create.sequence.as_ref()),
        NodeEnum::ViewStmt(view) => make(session, view.view.as_ref()),
        NodeEnum::CreateTableAsStmt(create) => {
            make(session, create.into.as_ref().and_then(|into| into.rel.as_ref()))
        }
        NodeEnum::SelectStmt(select) => {
            make(session, super::dispatch::into_of(select).and_then(|into| into.rel.as_ref()));
        }
        NodeEnum::DropStmt(drop)
            if matches!(
                drop.remove_type(),
                ObjectType::ObjectTable
                    | ObjectType::ObjectView
                    | ObjectType::ObjectMatview
                    | ObjectType::ObjectSequence
                    | ObjectType::ObjectForeignTable
            ) =>
        {
            for name in
                drop.objects.iter().flat_map(|object| dropped(session, drop, object)).collect::<Vec<_>>()
            {
                let Resource::Named(name) = name else {
                    session.overlay.stale = true;
                    continue;
                };
                let mut segments = name.segments();
                if let (Some(schema), Some(name)) = (segments.next(), segments.next()) {
                    let key = (schema.into(), name.into());
                    session.overlay.made.remove(&key);
                    session.overlay.dropped.insert(key);
                }
            }
        }
        // Names, columns and functions mean the same afterwards.
        NodeEnum::IndexStmt(_)
        | NodeEnum::DropStmt(_)
        | NodeEnum::GrantStmt(_)
        | NodeEnum::GrantRoleStmt(_)
        | NodeEnum::CommentStmt(_)
        | NodeEnum::AlterSeqStmt(_)
        | NodeEnum::CreateRoleStmt(_)
        | NodeEnum::AlterRoleStmt(_)
        | NodeEnum::CreateTrigStmt(_)
        | NodeEnum::CreatePolicyStmt(_)
        | NodeEnum::AlterOwnerStmt(_)
        | NodeEnum::CreateEnumStmt(_)
        | NodeEnum::AlterEnumStmt(_)
        | NodeEnum::CreateStatsStmt(_) => {}
        NodeEnum::AlterTableStmt(alter) => {
            // Columns that come or go are looked up in vain at worst; rows that show elsewhere are not.
            let moves = alter.cmds.iter().any(|command| match &command.node {
                Some(NodeEnum::AlterTableCmd(command)) => matches!(
                    command.subtype(),
                    AlterTableType::AtAttachPartition
                        | AlterTableType::AtAddInherit
                        | AlterTableType::AtDropColumn
                ),
                _ => true,
            });
            session.overlay.stale |= moves;
        }
        _ => session.overlay.stale |= *kind == Kind::Definition,
    }
}

fn make(session: &mut Session<'_>, range: Option<&RangeVar>) {
    let Some(range) = range else {
        return;
    };
    let resource = if range.relpersistence == "t" || range.schemaname == "pg_temp" {
        Resource::named(["pg_temp", &range.relname])
    } else if range.schemaname.is_empty() {
        session.made(&[&range.relname])
    } else {
        session.made(&[&range.schemaname, &range.relname])
    };
    match resource {
        Resource::Named(name) => {
            let mut segments = name.segments();
            if let (Some(schema), Some(name)) = (segments.next(), segments.next()) {
                let key: (Box<str>, Box<str>) = (schema.into(), name.into());
                session.overlay.dropped.remove(&key);
                session.overlay.made.insert(key);
            }
        }
        Resource::None | Resource::Pending | Resource::Undetermined => session.overlay.stale = true,
    }
}
