//! What a PostgreSQL type can hold and contain, by its OID.

/// What a value of a type can hold, and what a detector could find in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text: `text`, `varchar`, `citext`, `unknown`, `cstring`.
    Text,
    /// `char(n)`: any text, padded with spaces to the declared length.
    Padded,
    /// `name`: a text of at most 63 bytes.
    Name,
    /// Any text, where `<` and `&` mean something.
    Xml,
    /// JSON text.
    Json,
    /// JSON text, after a version byte in the binary format.
    Jsonb,
    /// Digits that a detector may look for, in a form that holds no other text.
    Number(Number),
    /// Bytes, in hexadecimal in the text format.
    Bytes,
    /// A row: a sequence of typed fields.
    Record,
    /// Nothing that a detector looks for fits in: booleans, small numbers, dates, UUIDs, …
    Plain,
    /// Anything else: ranges, enumerations, types of extensions. May contain text, can't hold other text.
    Opaque,
}

/// A numeric type wide enough for a card or telephone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// `int8`.
    Int8,
    /// `float8`.
    Float8,
    /// `numeric`.
    Numeric,
    /// `money`: cents, as an 8-byte integer.
    Money,
}

/// A type as the masker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    /// What its values, or an array's elements, are.
    pub kind: Kind,
    /// Whether it is an array of that.
    pub array: bool,
}

impl Type {
    /// A type about which nothing is known.
    pub const OPAQUE: Self = Self { kind: Kind::Opaque, array: false };
    /// A text without a declared type, such as a field of COPY's text formats.
    pub const TEXT: Self = Self { kind: Kind::Text, array: false };

    /// A type that every server has, by the OIDs of `pg_type.dat`; `None` for any other.
    pub fn builtin(oid: u32) -> Option<Self> {
        let (kind, array) = match oid {
            25 | 705 | 1043 | 2275 => (Kind::Text, false),
            1009 | 1015 | 1263 => (Kind::Text, true),
            1042 => (Kind::Padded, false),
            1014 => (Kind::Padded, true),
            19 => (Kind::Name, false),
            1003 => (Kind::Name, true),
            142 => (Kind::Xml, false),
            143 => (Kind::Xml, true),
            114 => (Kind::Json, false),
            199 => (Kind::Json, true),
            3802 => (Kind::Jsonb, false),
            3807 => (Kind::Jsonb, true),
            20 => (Kind::Number(Number::Int8), false),
            1016 => (Kind::Number(Number::Int8), true),
            701 => (Kind::Number(Number::Float8), false),
            1022 => (Kind::Number(Number::Float8), true),
            1700 => (Kind::Number(Number::Numeric), false),
            1231 => (Kind::Number(Number::Numeric), true),
            790 => (Kind::Number(Number::Money), false),
            791 => (Kind::Number(Number::Money), true),
            17 => (Kind::Bytes, false),
            1001 => (Kind::Bytes, true),
            2249 => (Kind::Record, false),
            2287 => (Kind::Record, true),
            oid if PLAIN.contains(&oid) => (Kind::Plain, false),
            oid if PLAIN_ARRAYS.contains(&oid) => (Kind::Plain, true),
            _ => return None,
        };
        Some(Self { kind, array })
    }
}

/// Types whose values have no room for what a detector looks for.
#[rustfmt::skip]
const PLAIN: &[u32] = &[
    16, 18, 21, 23, 26, 27, 28, 29,           // bool, "char", int2, int4, oid, tid, xid, cid
    700, 1082, 1083, 1114, 1184, 1186, 1266,  // float4, date, time, timestamp(tz), interval, timetz
    2950, 3220, 5069, 829, 774, 1560, 1562,   // uuid, pg_lsn, xid8, macaddr(8), bit, varbit
    22, 30, 2278,                             // int2vector, oidvector, void
    24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191, // reg*: names of definitions
];

/// Arrays of [`PLAIN`] types.
#[rustfmt::skip]
const PLAIN_ARRAYS: &[u32] = &[
    1000, 1002, 1005, 1007, 1028, 1010, 1011, 1012,
    1021, 1182, 1183, 1115, 1185, 1187, 1270,
    2951, 3221, 271, 1040, 775, 1561, 1563,
    1006, 1013,
    1008, 2207, 2208, 2209, 2210, 2211, 3735, 3770, 4090, 4097, 4192,
];

/// The types of a target's database beyond the built-in ones.
pub trait Types {
    /// The type with this `pg_type.oid`, or [`Type::OPAQUE`] where it is not known.
    fn of(&self, oid: u32) -> Type;
}

/// Knows the types that every server has.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltinTypes;

impl Types for BuiltinTypes {
    fn of(&self, oid: u32) -> Type {
        Type::builtin(oid).unwrap_or(Type::OPAQUE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_a_detector_may_skip_are_listed_one_by_one() {
        for oid in [23, 16, 1082, 2950, 1007] {
            assert_eq!(Type::builtin(oid).unwrap().kind, Kind::Plain, "{oid}");
        }
        for oid in [20, 1700, 25, 17, 3802, 869, 3904] {
            assert_ne!(BuiltinTypes.of(oid).kind, Kind::Plain, "{oid}");
        }
    }
}
