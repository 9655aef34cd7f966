//! How the tools of MCP servers were described, in the embedded store.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::records::{Described, ToolDescription, ToolPin, ToolRepeat};

/// The most tools of one target that are known, and the most descriptions of one tool that wait for approval.
const MOST_TOOLS: i64 = 10_000;
const MOST_CHANGES: usize = 8;

/// Notes how tools are described. The first description of a tool is approved; of a later one it says so, and whether there is
/// room for it: what there is no room for must not be shown.
pub(super) fn describe(
    db: &Connection,
    target: &str,
    tools: &[ToolDescription],
) -> Result<Vec<Described>, rusqlite::Error> {
    let mut count: i64 =
        db.query_row("SELECT count(DISTINCT tool) FROM tool_pins WHERE target = ?", [target], |row| {
            row.get(0)
        })?;
    let mut add = db.prepare_cached("INSERT INTO tool_pins VALUES (?, ?, ?, ?)")?;
    let mut repeat = db.prepare_cached("INSERT OR IGNORE INTO tool_repeats VALUES (?, ?, ?, ?)")?;
    let mut described = Vec::with_capacity(tools.len());
    for ToolDescription { pin: ToolPin { tool, digest }, repeats } in tools {
        let mut changes = changes(db, target, tool)?;
        let known = db
            .prepare_cached("SELECT approved FROM tool_pins WHERE target = ? AND tool = ? AND digest = ?")?
            .query_row(params![target, tool, digest], |_| Ok(()))
            .optional()?
            .is_some();
        let room = match &changes {
            Some(changes) => changes.len() < MOST_CHANGES,
            None => count < MOST_TOOLS,
        };
        if !known && room {
            let is_first = changes.is_none();
            add.execute(params![target, tool, digest, is_first])?;
            count += i64::from(is_first);
            match &mut changes {
                None => changes = Some(Vec::new()),
                Some(changes) => changes.push(*digest),
            }
        }
        if known || room {
            for ToolRepeat { field, pointer } in repeats {
                repeat.execute(params![target, tool, field, pointer])?;
            }
        }
        described.push(match changes {
            _ if !known && !room => Described::NoRoom,
            Some(changes) if changes.is_empty() => Described::Pinned,
            _ => Described::Changed,
        });
    }
    Ok(described)
}

/// The descriptions of a tool that nobody has approved; `None` where it was never described.
pub(super) fn changes(
    db: &Connection,
    target: &str,
    tool: &str,
) -> Result<Option<Vec<[u8; 32]>>, rusqlite::Error> {
    let mut statement = db.prepare_cached(
        "SELECT digest, approved FROM tool_pins WHERE target = ? AND tool = ? ORDER BY digest",
    )?;
    let rows = statement.query_map([target, tool], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: Vec<([u8; 32], bool)> = rows.collect::<Result<_, _>>()?;
    let waiting = rows.iter().filter(|(_, approved)| !approved).map(|(digest, _)| *digest).collect();
    Ok((!rows.is_empty()).then_some(waiting))
}

/// What of a tool's arguments a call repeats in its head.
pub(super) fn repeats(db: &Connection, target: &str, tool: &str) -> Result<Vec<ToolRepeat>, rusqlite::Error> {
    let mut statement =
        db.prepare_cached("SELECT field, pointer FROM tool_repeats WHERE target = ? AND tool = ?")?;
    let repeat = |row: &Row<'_>| Ok(ToolRepeat { field: row.get(0)?, pointer: row.get(1)? });
    statement.query_map([target, tool], repeat)?.collect()
}

pub(super) fn approve(db: &Connection, target: &str, tools: &[ToolPin]) -> Result<(), rusqlite::Error> {
    let mut approve =
        db.prepare_cached("UPDATE tool_pins SET approved = 1 WHERE target = ? AND tool = ? AND digest = ?")?;
    for ToolPin { tool, digest } in tools {
        approve.execute(params![target, tool, digest])?;
    }
    Ok(())
}
