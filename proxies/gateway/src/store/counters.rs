//! What was used of limits, in the embedded store.

use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn reserve(
    db: &Connection,
    counter: &str,
    window: i64,
    want: u64,
    bound: u64,
) -> Result<u64, rusqlite::Error> {
    let found: Option<(i64, i64)> = db
        .prepare_cached("SELECT window, used FROM counters WHERE counter = ?")?
        .query_row([counter], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let used = match found {
        // A clock that runs behind another instance's must not reopen a window that has passed.
        Some((newer, _)) if newer > window => return Ok(0),
        Some((same, used)) if same == window => used.max(0).cast_unsigned(),
        _ => 0,
    };
    let taken = want.min(bound.saturating_sub(used));
    if taken > 0 {
        let used = i64::try_from(used.saturating_add(taken)).unwrap_or(i64::MAX);
        db.prepare_cached("INSERT OR REPLACE INTO counters VALUES (?, ?, ?)")?
            .execute(params![counter, window, used])?;
    }
    Ok(taken)
}

pub(super) fn give_back(
    db: &Connection,
    counter: &str,
    window: i64,
    units: u64,
) -> Result<(), rusqlite::Error> {
    let units = i64::try_from(units).unwrap_or(i64::MAX);
    db.execute(
        "UPDATE counters SET used = max(0, used - ?) WHERE counter = ? AND window = ?",
        params![units, counter, window],
    )
    .map(drop)
}
