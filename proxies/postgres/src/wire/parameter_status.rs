//! ParameterStatus: a setting that clients care about, told at the start and at each change.

use super::Malformed;
use super::cursor::Cursor;

/// A setting and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// The setting's name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

impl<'a> ParameterStatus<'a> {
    /// Decodes exactly `body`.
    ///
    /// # Errors
    /// Fields that end early, bytes left over, or text that is not UTF-8.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let name = cursor.text()?;
        let value = cursor.text()?;
        cursor.end()?;
        Ok(Self { name, value })
    }
}
