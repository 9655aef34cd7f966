//! RowDescription, as far as masks need it.

use super::row::MaskError;
use super::value::{Format, take_u16, take_u32};

/// One column of a RowDescription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name as sent: bytes without a NUL.
    pub name: Box<[u8]>,
    /// `pg_class.oid` of the relation that the column comes from, or 0.
    pub table: u32,
    /// `pg_attribute.attnum` in that relation, or 0.
    pub attnum: i16,
    /// `pg_type.oid`. Domains are described by their base type.
    pub ty: u32,
    /// The type modifier, -1 for none.
    pub typmod: i32,
    /// How values are written. `Describe` of a statement always says text; a portal's binding decides.
    pub format: Format,
}

impl Field {
    /// A column about which nothing was said.
    pub fn undescribed() -> Self {
        Self { name: Box::default(), table: 0, attnum: 0, ty: 0, typmod: -1, format: Format::Text }
    }

    /// The most characters that `varchar(n)` and `char(n)` allow.
    pub fn limit(&self) -> Option<u32> {
        limit(self.ty, self.typmod)
    }
}

/// The most characters that `varchar(n)` and `char(n)`, or arrays of them, allow.
pub(crate) fn limit(ty: u32, typmod: i32) -> Option<u32> {
    // The modifier counts the four bytes of a length header, too.
    matches!(ty, 1042 | 1043 | 1014 | 1015).then(|| u32::try_from(typmod - 4).ok()).flatten()
}

/// Reads what follows the header of a RowDescription (`T`).
///
/// # Errors
/// A description that does not hold exactly the fields it announces, or an unknown format code.
pub fn parse_row_description(body: &[u8]) -> Result<Vec<Field>, MaskError> {
    const SHORT: MaskError = MaskError::Short("RowDescription");
    let mut rest = body;
    let count = take_u16(&mut rest).ok_or(SHORT)?;
    // A field takes 19 bytes at least: a count that lies reserves no more than the message could hold.
    let mut fields = Vec::with_capacity(usize::from(count).min(body.len() / 19));
    for _ in 0..count {
        let end = memchr::memchr(0, rest).ok_or(SHORT)?;
        let (name, after) = rest.split_at_checked(end).ok_or(SHORT)?;
        rest = after.get(1..).ok_or(SHORT)?;
        let table = take_u32(&mut rest).ok_or(SHORT)?;
        let attnum = take_u16(&mut rest).ok_or(SHORT)?.cast_signed();
        let ty = take_u32(&mut rest).ok_or(SHORT)?;
        let _size = take_u16(&mut rest).ok_or(SHORT)?;
        let typmod = take_u32(&mut rest).ok_or(SHORT)?.cast_signed();
        let format = match take_u16(&mut rest).ok_or(SHORT)? {
            0 => Format::Text,
            1 => Format::Binary,
            _ => return Err(MaskError::Long("RowDescription")),
        };
        fields.push(Field { name: name.into(), table, attnum, ty, typmod, format });
    }
    if rest.is_empty() { Ok(fields) } else { Err(MaskError::Long("RowDescription")) }
}
