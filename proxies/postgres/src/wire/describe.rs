//! Describe and Close: both name one prepared statement or one portal.

use super::Malformed;
use super::cursor::Cursor;

/// What Describe or Close is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// The prepared statement of this name.
    Statement(&'a str),
    /// The portal of this name.
    Portal(&'a str),
}

impl<'a> Named<'a> {
    /// Decodes exactly `body`.
    ///
    /// # Errors
    /// A kind other than `S` and `P`, a name without its zero byte, bytes left over, or no UTF-8.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let kind = cursor.byte()?;
        let name = cursor.text()?;
        cursor.end()?;
        match kind {
            b'S' => Ok(Self::Statement(name)),
            b'P' => Ok(Self::Portal(name)),
            _ => Err(Malformed::Field("kind")),
        }
    }
}
