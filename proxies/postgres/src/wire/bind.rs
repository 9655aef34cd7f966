//! Bind: gives a prepared statement its parameters, and makes a portal.

use super::Malformed;
use super::cursor::Cursor;

/// Parameters for a prepared statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind<'a> {
    /// The portal's name; empty for the unnamed one.
    pub portal: &'a str,
    /// The prepared statement's name; empty for the unnamed one.
    pub statement: &'a str,
    parameter_formats: Formats<'a>,
    result_formats: Formats<'a>,
    count: u16,
    values: &'a [u8],
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As text.
    Text,
    /// In the type's binary form.
    Binary,
}

/// Format codes: none (all text), one for all, or one for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Formats<'a>(&'a [u8]);

impl<'a> Bind<'a> {
    /// Decodes exactly `body`.
    ///
    /// # Errors
    /// Fields that end early, bytes left over, names that are not UTF-8, format codes other than 0 and 1, or
    /// a number of them that fits neither rule of the protocol.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let portal = cursor.text()?;
        let statement = cursor.text()?;
        let parameter_formats = Formats::decode(&mut cursor)?;
        let count = cursor.u16()?;
        if parameter_formats.len() > 1 && parameter_formats.len() != usize::from(count) {
            return Err(Malformed::Field("parameter format codes"));
        }
        let values = cursor.rest();
        for _ in 0..count {
            value(&mut cursor)?;
        }
        let used = values.len() - cursor.rest().len();
        let (values, _) = values.split_at_checked(used).ok_or(Malformed::Short)?;
        let result_formats = Formats::decode(&mut cursor)?;
        cursor.end()?;
        Ok(Self { portal, statement, parameter_formats, result_formats, count, values })
    }

    /// The parameters in order, each with its format; `None` is NULL.
    pub fn values(&self) -> impl Iterator<Item = (Format, Option<&'a [u8]>)> + use<'a> {
        let formats = self.parameter_formats;
        let mut cursor = Cursor::new(self.values);
        (0..usize::from(self.count)).map_while(move |index| {
            let value = value(&mut cursor).ok()?;
            Some((formats.of(index), value))
        })
    }

    /// The format that the result's column `index` will come in.
    #[must_use]
    pub fn result_format(&self, index: usize) -> Format {
        self.result_formats.of(index)
    }

    /// The result's format codes as they were sent, two bytes each.
    #[must_use]
    pub fn result_formats(&self) -> &'a [u8] {
        self.result_formats.0
    }
}

impl<'a> Formats<'a> {
    fn decode(cursor: &mut Cursor<'a>) -> Result<Self, Malformed> {
        let count = cursor.u16()?;
        let codes = cursor.take(usize::from(count) * 2)?;
        if codes.chunks_exact(2).any(|code| !matches!(code, [0, 0 | 1])) {
            return Err(Malformed::Field("format code"));
        }
        Ok(Self(codes))
    }

    fn len(self) -> usize {
        self.0.len() / 2
    }

    fn of(self, index: usize) -> Format {
        let index = if self.len() == 1 { 0 } else { index };
        match self.0.chunks_exact(2).nth(index) {
            Some([_, 1]) => Format::Binary,
            _ => Format::Text,
        }
    }
}

fn value<'a>(cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Malformed> {
    match cursor.i32()? {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length).map_err(|_| Malformed::Field("parameter length"))?;
            cursor.take(length).map(Some)
        }
    }
}
