//! The tokens in the embedded store.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{sql, unsigned};
use super::records::{NewToken, Number, Token};

/// Tokens that ended so long ago are forgotten when another one is made.
const FORGOTTEN_AFTER_MS: i64 = 365 * 86_400_000;

const TOKEN: &str = "SELECT number, user, name, owner, created, expires, used, revoked FROM tokens";

pub(super) fn add(db: &Connection, new: &NewToken) -> Result<Number, rusqlite::Error> {
    db.execute(
        "DELETE FROM tokens WHERE min(expires, coalesce(revoked, expires)) < ?",
        [new.created - FORGOTTEN_AFTER_MS],
    )?;
    db.execute(
        "INSERT INTO tokens (hash, user, name, owner, created, expires) VALUES (?, ?, ?, ?, ?, ?)",
        params![new.hash, new.user, new.name, new.owner, new.created, new.expires],
    )?;
    Ok(db.last_insert_rowid().cast_unsigned())
}

pub(super) fn of_number(db: &Connection, number: Number) -> Result<Option<Token>, rusqlite::Error> {
    db.prepare_cached(&format!("{TOKEN} WHERE number = ?"))?.query_row([sql(number)], token).optional()
}

pub(super) fn of_hash(db: &Connection, hash: &[u8; 32]) -> Result<Option<Token>, rusqlite::Error> {
    db.prepare_cached(&format!("{TOKEN} WHERE hash = ?"))?.query_row([hash], token).optional()
}

pub(super) fn all(db: &Connection, user: Option<&str>) -> Result<Vec<Token>, rusqlite::Error> {
    let mut statement =
        db.prepare_cached(&format!("{TOKEN} WHERE ?1 IS NULL OR user = ?1 ORDER BY number DESC LIMIT 1000"))?;
    statement.query_map([user], token)?.collect()
}

pub(super) fn end(db: &Connection, number: Number, now: i64) -> Result<bool, rusqlite::Error> {
    let ended = db.execute(
        "UPDATE tokens SET revoked = ? WHERE number = ? AND revoked IS NULL",
        params![now, sql(number)],
    );
    Ok(ended? == 1)
}

pub(super) fn used(db: &Connection, number: Number, now: i64) -> Result<(), rusqlite::Error> {
    db.prepare_cached("UPDATE tokens SET used = ?2 WHERE number = ?1 AND (used IS NULL OR used < ?2)")?
        .execute(params![sql(number), now])
        .map(drop)
}

/// Whoever comes to bear the name later has not got them.
pub(super) fn forget_user(db: &Connection, name: &str) -> Result<(), rusqlite::Error> {
    db.execute("DELETE FROM tokens WHERE user = ?1 OR owner = ?1", [name]).map(drop)
}

fn token(row: &Row<'_>) -> Result<Token, rusqlite::Error> {
    Ok(Token {
        number: unsigned(row, 0)?,
        user: row.get(1)?,
        name: row.get(2)?,
        owner: row.get(3)?,
        created: row.get(4)?,
        expires: row.get(5)?,
        used: row.get(6)?,
        revoked: row.get(7)?,
    })
}
