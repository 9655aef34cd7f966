//! Loads a [`Snapshot`]: one read-only transaction, so that all parts fit together.

use std::collections::HashMap;
use std::sync::Arc;

use policy_core::Name;
use policy_normalize::sql::{Column, Function, Relation, RelationKind, Trigger, Volatility};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::{Client, QueryError, Row};
use super::snapshot::{Details, Generated, Snapshot, TypeRow, types};
use crate::mask::description::limit;

/// Why a snapshot could not be loaded. What depends on it is undetermined.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A query failed.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// Loads a snapshot over a connection that is ready for a query, and leaves it ready.
///
/// # Errors
/// Where the connection fails or the target refuses to show its catalogue.
pub async fn load<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    generation: u64,
) -> Result<Snapshot, LoadError> {
    let mut snapshot = Snapshot { generation, ..Snapshot::default() };
    session(client, &mut snapshot).await?;
    client.query(BEGIN, |_| None).await?;
    let loaded = definitions(client, &mut snapshot).await;
    // The transaction changed nothing; it must not stay open, whatever happened in it.
    client.query("ROLLBACK", |_| None).await?;
    loaded.map(|()| snapshot)
}

/// `pg_get_viewdef` qualifies every name under an empty search path. It locks the relations in a view: behind a
/// migration that holds them for long, a definition stays unknown instead.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
     SET LOCAL search_path = ''; SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '60s'";

async fn session<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    snapshot: &mut Snapshot,
) -> Result<(), LoadError> {
    let sql = "SELECT session_user, reset_val FROM pg_catalog.pg_settings WHERE name = 'search_path'";
    client
        .query(sql, |row| {
            snapshot.role = row.some()?.into();
            snapshot.search_path = split_list(row.some()?);
            Some(())
        })
        .await?;
    Ok(())
}

async fn definitions<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    snapshot: &mut Snapshot,
) -> Result<(), LoadError> {
    client
        .query("SELECT nspname FROM pg_catalog.pg_namespace", |row| {
            snapshot.schemas.insert(row.some()?.into());
            Some(())
        })
        .await?;
    let mut rows: HashMap<u32, RelationRow> = HashMap::new();
    client
        .query(RELATIONS, |row| {
            let relation = RelationRow::read(row)?;
            rows.insert(relation.oid, relation);
            Some(())
        })
        .await?;
    views(client, &mut rows).await?;
    client
        .query(COLUMNS, |row| {
            let oid: u32 = row.number()?;
            let attnum: i16 = row.number()?;
            let (name, type_oid, typmod) = (row.some()?, row.number()?, row.number()?);
            let relation = rows.get_mut(&oid)?;
            relation.columns.push(Column { name: name.into(), attnum, type_oid });
            if let Some(limit) = limit(type_oid, typmod) {
                relation.details.limits.insert(attnum, limit);
            }
            Some(())
        })
        .await?;
    client
        .query(GENERATED, |row| {
            let oid: u32 = row.number()?;
            let generated = Generated { column: row.number()?, from: row.number()? };
            if let Some(relation) = rows.get_mut(&oid) {
                relation.details.generated.push(generated);
            }
            Some(())
        })
        .await?;
    client
        .query(TRIGGERS, |row| {
            let oid: u32 = row.number()?;
            let (internal, events): (bool, i16) = (row.flag()?, row.number()?);
            let function = Name::new([row.some()?, row.some()?])?;
            if let Some(relation) = rows.get_mut(&oid) {
                relation.details.triggers = true;
                if !internal {
                    relation.triggers.push(trigger(function, events));
                }
            }
            Some(())
        })
        .await?;
    let mut parents: Vec<(u32, u32)> = Vec::new();
    client
        .query("SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits", |row| {
            parents.push((row.number()?, row.number()?));
            Some(())
        })
        .await?;
    functions(client, snapshot).await?;
    type_rows(client, snapshot).await?;
    relations(snapshot, rows, &parents);
    Ok(())
}

async fn functions<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    snapshot: &mut Snapshot,
) -> Result<(), LoadError> {
    client
        .query(FUNCTIONS, |row| {
            let (oid, schema, name) = (row.number()?, row.some()?, row.some()?);
            let volatility = match row.some()? {
                "i" => Volatility::Immutable,
                "s" => Volatility::Stable,
                _ => Volatility::Volatile,
            };
            let function = Function { oid, volatility, builtin: row.flag()? };
            let schema = snapshot.functions.entry(schema.into()).or_default();
            schema.entry(name.into()).or_default().push(function);
            Some(())
        })
        .await?;
    Ok(())
}

async fn type_rows<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    snapshot: &mut Snapshot,
) -> Result<(), LoadError> {
    let mut rows = Vec::new();
    client
        .query(TYPES, |row| {
            rows.push(TypeRow {
                oid: row.number()?,
                schema: row.some()?.into(),
                name: row.some()?.into(),
                class: row.some()?.chars().next()?,
                category: row.some()?.chars().next()?,
                element: row.number()?,
            });
            Some(())
        })
        .await?;
    snapshot.types = types(&rows);
    for row in rows {
        let schema = snapshot.type_kinds.entry(row.schema.as_ref().into()).or_default();
        let kind = row.kind();
        schema.insert(row.name, kind);
    }
    Ok(())
}

/// Reads what views are made of: all at once, or one by one where a lock stands in the way of some.
async fn views<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    rows: &mut HashMap<u32, RelationRow>,
) -> Result<(), LoadError> {
    client.query("SAVEPOINT views", |_| None).await?;
    let all = client
        .query(VIEWS, |row| {
            let (oid, definition): (u32, _) = (row.number()?, row.text()?);
            if let (Some(relation), Some(definition)) = (rows.get_mut(&oid), definition) {
                relation.definition = definition.into();
            }
            Some(())
        })
        .await;
    if !matches!(all, Err(QueryError::Refused { .. })) {
        return Ok(all?);
    }
    let views: Vec<u32> =
        rows.values().filter(|row| matches!(row.kind, 'v' | 'm')).map(|row| row.oid).collect();
    client.query("ROLLBACK TO views; SET LOCAL lock_timeout = '50ms'", |_| None).await?;
    for oid in views {
        let mut definition = String::new();
        let one = client
            .query(&format!("SAVEPOINT one; SELECT pg_catalog.pg_get_viewdef({oid})"), |row| {
                row.text()?.unwrap_or_default().clone_into(&mut definition);
                Some(())
            })
            .await;
        match one {
            Ok(()) => client.query("RELEASE one", |_| None).await?,
            // The view's definition stays empty, which no grammar takes for a query: its lineage is unknown.
            Err(QueryError::Refused { .. }) => client.query("ROLLBACK TO one", |_| None).await?,
            Err(other) => return Err(other.into()),
        }
        if let Some(relation) = rows.get_mut(&oid) {
            relation.definition = definition.as_str().into();
        }
    }
    Ok(())
}

/// Relations that a statement can name in FROM. Those of other sessions' temporary schemas are nobody else's.
const RELATIONS: &str = "SELECT c.oid, n.nspname, c.relname, c.relkind, EXISTS (SELECT FROM pg_catalog.pg_rewrite r \
     WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN' AND r.ev_enabled <> 'D') \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname !~ '^pg_(temp|toast)'";

const VIEWS: &str = "SELECT c.oid, pg_catalog.pg_get_viewdef(c.oid) \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('v', 'm') AND n.nspname !~ '^pg_(temp|toast)'";

const COLUMNS: &str = "SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod \
     FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') \
     AND n.nspname !~ '^pg_(temp|toast)' ORDER BY a.attrelid, a.attnum";

/// A generated column depends on those in its expression; PostgreSQL 15 notes it for the column, older majors for
/// its default.
const GENERATED: &str = "SELECT a.attrelid, a.attnum, d.refobjsubid FROM pg_catalog.pg_attribute a \
     JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
     AND d.refobjid = a.attrelid AND d.refobjsubid > 0 AND d.refobjsubid <> a.attnum \
     LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum \
     WHERE a.attgenerated <> '' AND NOT a.attisdropped AND (\
     (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = a.attrelid AND d.objsubid = a.attnum) \
     OR (d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid))";

const TRIGGERS: &str = "SELECT t.tgrelid, t.tgisinternal, t.tgtype, n.nspname, p.proname \
     FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid \
     JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE t.tgenabled <> 'D'";

const FUNCTIONS: &str = "SELECT p.oid, n.nspname, p.proname, p.provolatile, \
     l.lanname IN ('internal', 'c') AND n.nspname = 'pg_catalog' FROM pg_catalog.pg_proc p \
     JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace JOIN pg_catalog.pg_language l ON l.oid = p.prolang";

const TYPES: &str = "SELECT t.oid, n.nspname, t.typname, t.typtype, t.typcategory, t.typelem \
     FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
     WHERE n.nspname !~ '^pg_(temp|toast)'";

/// A row of `pg_class`, and what other catalogues add to it.
struct RelationRow {
    oid: u32,
    schema: Box<str>,
    name: Box<str>,
    kind: char,
    rewritten: bool,
    definition: Arc<str>,
    columns: Vec<Column>,
    triggers: Vec<Trigger>,
    details: Details,
}

impl RelationRow {
    fn read(row: &mut Row<'_>) -> Option<Self> {
        Some(Self {
            oid: row.number()?,
            schema: row.some()?.into(),
            name: row.some()?.into(),
            kind: row.some()?.chars().next()?,
            rewritten: row.flag()?,
            definition: "".into(),
            columns: Vec::new(),
            triggers: Vec::new(),
            details: Details::default(),
        })
    }
}

/// The bits of `pg_trigger.tgtype` (`catalog/pg_trigger.h`).
fn trigger(function: Name, events: i16) -> Trigger {
    let on = |bit: i16| events & bit != 0;
    Trigger { function, insert: on(1 << 2), delete: on(1 << 3), update: on(1 << 4), truncate: on(1 << 5) }
}

fn relations(snapshot: &mut Snapshot, rows: HashMap<u32, RelationRow>, parents: &[(u32, u32)]) {
    let mut above: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut below: HashMap<u32, Vec<u32>> = HashMap::new();
    for (child, parent) in parents {
        above.entry(*child).or_default().push(*parent);
        below.entry(*parent).or_default().push(*child);
    }
    for (oid, row) in rows {
        let kind = match row.kind {
            'v' => RelationKind::View(row.definition),
            'm' => RelationKind::Materialized(row.definition),
            'f' => RelationKind::Foreign,
            'S' => RelationKind::Sequence,
            _ => RelationKind::Table,
        };
        // A name that no resource can have is left out: to a statement it is unknown.
        let Some(mut relation) = Relation::new(oid, &row.schema, &row.name, kind, row.columns) else {
            continue;
        };
        relation.triggers = row.triggers;
        relation.rewritten = row.rewritten;
        relation.family = closure(oid, &above);
        relation.family.extend(closure(oid, &below));
        snapshot.names.entry(row.schema).or_default().insert(row.name, oid);
        snapshot.details.insert(oid, row.details);
        snapshot.relations.insert(oid, relation);
    }
}

/// Everything that can be reached, the start left out.
fn closure(start: u32, edges: &HashMap<u32, Vec<u32>>) -> Vec<u32> {
    let mut reached = Vec::new();
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        for next in edges.get(&at).into_iter().flatten() {
            if *next != start && !reached.contains(next) {
                reached.push(*next);
                open.push(*next);
            }
        }
    }
    reached
}

/// Splits a list setting the way the server does (`SplitIdentifierString`): commas, double quotes, folding.
pub fn split_list(setting: &str) -> Vec<Box<str>> {
    let mut list = Vec::new();
    let mut rest = setting.trim_start();
    while !rest.is_empty() {
        let mut name = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            while let Some((before, after)) = quoted.split_once('"') {
                name.push_str(before);
                quoted = after;
                let Some(more) = after.strip_prefix('"') else { break };
                name.push('"');
                quoted = more;
            }
            rest = quoted;
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (bare, after) = rest.split_at(end);
            name = bare.trim_end().to_lowercase();
            rest = after;
        }
        if !name.is_empty() {
            list.push(name.into());
        }
        rest = rest.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_settings_are_split_as_the_server_does() {
        for (setting, expected) in [
            ("\"$user\", public", &["$user", "public"][..]),
            ("Public,app", &["public", "app"]),
            ("\"A \"\"b\"\", c\" , d", &["A \"b\", c", "d"]),
            ("", &[]),
            ("\"\"", &[]),
        ] {
            let split = split_list(setting);
            assert_eq!(split.iter().map(|name| &**name).collect::<Vec<_>>(), expected, "{setting}");
        }
    }

    #[test]
    fn families_reach_up_and_down_but_not_across() {
        let edges = HashMap::from([(1, vec![2, 3]), (2, vec![4]), (4, vec![1])]);
        assert_eq!(closure(1, &edges).len(), 3);
        assert!(closure(3, &edges).is_empty());
    }
}
