//! Query: a simple query.

use super::Malformed;
use super::cursor::Cursor;

/// A simple query's text, which may hold several statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// The statements.
    pub text: &'a str,
}

impl<'a> Query<'a> {
    /// Decodes exactly `body`.
    ///
    /// # Errors
    /// No terminating zero, bytes behind it, or text that is not UTF-8.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let text = cursor.text()?;
        cursor.end()?;
        Ok(Self { text })
    }
}
