//! Parse: prepares a statement.

use super::Malformed;
use super::cursor::Cursor;

/// A statement to prepare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parse<'a> {
    /// The prepared statement's name; empty for the unnamed one.
    pub statement: &'a str,
    /// Its text: one statement at most.
    pub text: &'a str,
    types: &'a [u8],
}

impl<'a> Parse<'a> {
    /// Decodes exactly `body`.
    ///
    /// # Errors
    /// Fields that end early, bytes left over, or text that is not UTF-8.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let statement = cursor.text()?;
        let text = cursor.text()?;
        let count = cursor.u16()?;
        let types = cursor.take(usize::from(count) * 4)?;
        cursor.end()?;
        Ok(Self { statement, text, types })
    }

    /// The OIDs of the parameters' types that the client chose; 0 leaves one to the target.
    pub fn types(&self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.types.chunks_exact(4).map(|oid| oid.try_into().map_or(0, u32::from_be_bytes))
    }
}
