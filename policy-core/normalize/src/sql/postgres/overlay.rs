//! What a definition changes for later statements of the same text, which the catalogue can't know yet.

use std::cell::OnceCell;

use pg_query::protobuf::{AlterTableType, ObjectType, RangeVar};
use pg_query::{Node, NodeEnum};
use policy_core::{Name, Resource};

use super::defines::key;
use super::objects::dropped;
use crate::sql::catalogue::{Lookup, Relation};
use crate::sql::session::Session;
use crate::sql::statement::{Definition, Kind, NewColumn, NewTable, Statement};

/// What later statements of the same text must know about a definition. `slot` keeps the table that it makes.
pub(super) fn overlay<'a>(
    session: &mut Session<'a>,
    node: Option<&Node>,
    statement: &Statement,
    slot: &'a OnceCell<Relation>,
) {
    match &statement.defines {
        Some(Definition::Table(table)) => return make_table(session, table, slot),
        Some(Definition::Columns { relation, columns }) => {
            return add_columns(session, relation, columns, slot);
        }
        Some(Definition::Schema(schema)) => {
            session.overlay.schemas.insert(schema.clone());
            return;
        }
        Some(Definition::Neutral) => return,
        Some(Definition::Other) | None => {}
    }
    let kind = &statement.kind;
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
            // Columns that come or go shift those behind them; rows show elsewhere.
            let moves = alter.cmds.iter().any(|command| match &command.node {
                Some(NodeEnum::AlterTableCmd(command)) => matches!(
                    command.subtype(),
                    AlterTableType::AtAttachPartition
                        | AlterTableType::AtAddInherit
                        | AlterTableType::AtAddColumn
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
                session.overlay.made.insert(key, None);
            }
        }
        Resource::None | Resource::Tree(_) | Resource::Pending | Resource::Undetermined => {
            session.overlay.stale = true;
        }
    }
}

/// A table that is understood in full. Where there was something of its name, IF NOT EXISTS leaves that alone.
fn make_table<'a>(session: &mut Session<'a>, table: &NewTable, slot: &'a OnceCell<Relation>) {
    let Some(key) = key(&table.name) else {
        session.overlay.stale = true;
        return;
    };
    let is_dropped = session.overlay.dropped.contains(&key);
    let before = session.environment.catalogue.relation(&key.0, &key.1);
    if session.overlay.made.contains_key(&key) || (!is_dropped && matches!(before, Lookup::Found(_))) {
        return;
    }
    let is_doubtful = table.if_missing && !is_dropped && !matches!(before, Lookup::Absent);
    let relation = slot.get_or_init(|| Relation::made(table));
    session.overlay.dropped.remove(&key);
    session.overlay.made.insert(key, (!is_doubtful).then_some(relation));
}

/// Columns that come to a table which is known; to another they are looked up in vain at worst.
fn add_columns<'a>(
    session: &mut Session<'a>,
    relation: &Name,
    columns: &[NewColumn],
    slot: &'a OnceCell<Relation>,
) {
    let Some(key) = key(relation) else { return };
    if let Some(known) = session.listed(&key.0, &key.1) {
        let with = slot.get_or_init(|| known.with_columns(columns));
        session.overlay.made.insert(key, Some(with));
    }
}
