//! Execute: runs a portal.

use super::Malformed;
use super::cursor::Cursor;

/// A portal to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    /// The portal's name; empty for the unnamed one.
    pub portal: &'a str,
    /// The most rows to return; zero or less means all.
    pub rows: i32,
}

impl<'a> Execute<'a> {
    /// Decodes exactly `body`.
    ///
    /// # Errors
    /// Fields that end early, bytes left over, or a name that is not UTF-8.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let portal = cursor.text()?;
        let rows = cursor.i32()?;
        cursor.end()?;
        Ok(Self { portal, rows })
    }
}
