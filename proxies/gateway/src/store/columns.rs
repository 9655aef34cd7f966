//! How values stand in the embedded store.

use policy_core::PrincipalKind;
use rusqlite::Row;
use rusqlite::types::Type;

use super::StoreError;

/// SQLite has signed integers only; the bits are kept.
pub(super) const fn sql(value: u64) -> i64 {
    value.cast_signed()
}

pub(super) fn unsigned(row: &Row<'_>, index: usize) -> Result<u64, rusqlite::Error> {
    row.get::<_, i64>(index).map(i64::cast_unsigned)
}

pub(super) fn kind(row: &Row<'_>, index: usize) -> Result<PrincipalKind, rusqlite::Error> {
    let text: String = row.get(index)?;
    [PrincipalKind::Human, PrincipalKind::Service, PrincipalKind::Agent]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| senseless(index, format!("the kind `{text}`")))
}

pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    index: usize,
) -> Result<T, rusqlite::Error> {
    let text: String = row.get(index)?;
    serde_json::from_str(&text).map_err(|error| senseless(index, error.to_string()))
}

pub(super) fn senseless(index: usize, message: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, StoreError::Corrupt(message).into())
}
