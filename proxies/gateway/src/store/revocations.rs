//! The log of revocations in the embedded store.

use rusqlite::{Connection, params};

use super::columns::{sql, unsigned};
use super::records::{Revocation, RevocationSubject};
use crate::session::SessionId;

/// Adds to the log of revocations.
pub(super) fn note(db: &Connection, revocation: &Revocation) -> Result<u64, rusqlite::Error> {
    let (session, principal, token) = match &revocation.subject {
        RevocationSubject::Session(id) => (Some(sql(id.0)), None, None),
        RevocationSubject::User(name) => (None, Some(name), None),
        RevocationSubject::Token(number) => (None, None, Some(sql(*number))),
    };
    db.execute(
        "INSERT INTO revocations (session, principal, token, by, reason, at) VALUES (?, ?, ?, ?, ?, ?)",
        params![session, principal, token, revocation.by, revocation.reason, revocation.at],
    )?;
    Ok(db.last_insert_rowid().cast_unsigned())
}

pub(super) fn after(db: &Connection, after: u64) -> Result<Vec<(u64, Revocation)>, rusqlite::Error> {
    let mut statement = db.prepare_cached(
        "SELECT sequence, session, principal, token, by, reason, at FROM revocations WHERE sequence > ? ORDER BY sequence",
    )?;
    let rows = statement.query_map([sql(after)], |row| {
        let (session, token): (Option<i64>, Option<i64>) = (row.get(1)?, row.get(3)?);
        let subject = match (session, token) {
            (Some(id), _) => RevocationSubject::Session(SessionId(id.cast_unsigned())),
            (None, Some(number)) => RevocationSubject::Token(number.cast_unsigned()),
            (None, None) => RevocationSubject::User(row.get(2)?),
        };
        let revocation = Revocation { subject, by: row.get(4)?, reason: row.get(5)?, at: row.get(6)? };
        Ok((unsigned(row, 0)?, revocation))
    })?;
    rows.collect()
}
