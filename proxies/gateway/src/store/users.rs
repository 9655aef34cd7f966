//! Local users in the embedded store.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{from_json, kind};
use super::records::User;
use super::{approvals, tokens};

const USER: &str = "SELECT name, verifier, kind, groups, person, owner, disabled, keys FROM users";

pub(super) fn of_name(db: &Connection, name: &str) -> Result<Option<User>, rusqlite::Error> {
    db.prepare_cached(&format!("{USER} WHERE name = ?"))?.query_row([name], user).optional()
}

pub(super) fn all(db: &Connection) -> Result<Vec<User>, rusqlite::Error> {
    db.prepare_cached(&format!("{USER} ORDER BY name"))?.query_map([], user)?.collect()
}

pub(super) fn put(db: &Connection, user: &User, groups: &str, keys: &str) -> Result<(), rusqlite::Error> {
    if user.disabled {
        approvals::withdraw(db, &user.name, "gateway", "the account was disabled", None)?;
    }
    db.execute(
        "INSERT OR REPLACE INTO users VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            user.name,
            user.verifier,
            user.kind.as_str(),
            groups,
            user.person,
            user.owner,
            user.disabled,
            keys
        ],
    )
    .map(drop)
}

pub(super) fn remove(db: &Connection, name: &str) -> Result<bool, rusqlite::Error> {
    approvals::withdraw(db, name, "gateway", "the account was removed", None)?;
    tokens::forget_user(db, name)?;
    Ok(db.execute("DELETE FROM users WHERE name = ?", [name])? == 1)
}

fn user(row: &Row<'_>) -> Result<User, rusqlite::Error> {
    Ok(User {
        name: row.get(0)?,
        verifier: row.get(1)?,
        kind: kind(row, 2)?,
        groups: from_json(row, 3)?,
        person: row.get(4)?,
        owner: row.get(5)?,
        disabled: row.get(6)?,
        keys: from_json(row, 7)?,
    })
}
