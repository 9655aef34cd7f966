//! Which instances live, and the sessions that they have, in the embedded store.

use rusqlite::{Connection, params};

use super::columns::{sql, unsigned};
use super::records::SessionRow;
use crate::session::SessionId;

/// An instance that has not been heard of for this long is dead.
const DEAD_AFTER_MS: i64 = 10_000;

pub(super) fn heartbeat(db: &Connection, instance: u64, now: i64) -> Result<usize, rusqlite::Error> {
    db.prepare_cached("INSERT OR REPLACE INTO instances VALUES (?, ?)")?
        .execute(params![sql(instance), now])?;
    db.prepare_cached("DELETE FROM instances WHERE heartbeat < ?")?.execute([now - DEAD_AFTER_MS])?;
    for left in ["sessions", "waits"] {
        let gone = format!("DELETE FROM {left} WHERE instance NOT IN (SELECT id FROM instances)");
        db.prepare_cached(&gone)?.execute([])?;
    }
    db.prepare_cached(
        "UPDATE approvals SET state = 'withdrawn', decided_by = 'gateway', ended = ?,
           reason = 'the gateway that held it has stopped'
         WHERE state = 'pending' AND bound_to = 'session' AND instance NOT IN (SELECT id FROM instances)",
    )?
    .execute([now])
}

pub(super) fn farewell(db: &Connection, instance: u64) -> Result<(), rusqlite::Error> {
    db.execute("DELETE FROM instances WHERE id = ?", [sql(instance)])?;
    db.execute("DELETE FROM sessions WHERE instance = ?", [sql(instance)])?;
    db.execute("DELETE FROM waits WHERE instance = ?", [sql(instance)])?;
    db.execute(
        "UPDATE approvals SET state = 'withdrawn', decided_by = 'gateway',
           reason = 'the gateway that held it has stopped'
         WHERE state = 'pending' AND bound_to = 'session' AND instance = ?",
        [sql(instance)],
    )?;
    Ok(())
}

pub(super) fn open_session(db: &Connection, session: &SessionRow) -> Result<(), rusqlite::Error> {
    db.prepare_cached("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        sql(session.id.0),
        sql(session.instance),
        session.principal,
        session.target,
        session.source,
        session.client,
        session.opened
    ])?;
    Ok(())
}

pub(super) fn close_session(db: &Connection, id: SessionId) -> Result<(), rusqlite::Error> {
    db.prepare_cached("DELETE FROM sessions WHERE id = ?")?.execute([sql(id.0)]).map(drop)
}

pub(super) fn sessions(db: &Connection) -> Result<Vec<SessionRow>, rusqlite::Error> {
    let mut statement = db.prepare_cached(
        "SELECT id, instance, principal, target, source, client, opened FROM sessions ORDER BY opened, id",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(SessionRow {
            id: SessionId(unsigned(row, 0)?),
            instance: unsigned(row, 1)?,
            principal: row.get(2)?,
            target: row.get(3)?,
            source: row.get(4)?,
            client: row.get(5)?,
            opened: row.get(6)?,
        })
    })?;
    rows.collect()
}
