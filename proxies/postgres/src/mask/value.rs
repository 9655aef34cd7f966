//! One value: masked, or looked through, with its type kept.
//!
//! A value never becomes something that its type can't hold: what doesn't fit becomes NULL.

use policy_core::mask::{Applied, Transform};

use super::finder::{Found, ValueMasks};
use super::types::{Kind, Number, Type};
use super::{array, json};

/// How a value is written on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As the type's output function writes it.
    Text,
    /// As the type's send function writes it.
    Binary,
}

/// What becomes of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Nothing.
    Pass,
    /// They are looked through; what is found is replaced.
    Detect,
    /// They are masked.
    Mask(Transform),
}

/// All that decides what becomes of one column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// What becomes of them.
    pub treatment: Treatment,
    /// Their type.
    pub ty: Type,
    /// How they are written.
    pub format: Format,
    /// The most characters that the column's declaration allows, as in `varchar(n)`.
    pub limit: Option<u32>,
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It stays as it is; nothing was written.
    Keep,
    /// NULL; what was written does not count.
    Null,
    /// It was appended.
    Replaced,
}

/// Buffers that are used again for every value.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// A value without its escapes.
    pub plain: Vec<u8>,
    /// A masked value before it is escaped.
    pub masked: Vec<u8>,
    /// What is left of a text after a second look.
    pub again: Vec<u8>,
    /// An array's element without its quotes, and the same masked.
    pub array: (Vec<u8>, Vec<u8>),
}

impl Cell {
    /// Appends what becomes of `value` to `out`.
    pub(super) fn rewrite(
        &self,
        value: &[u8],
        masks: &ValueMasks,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Outcome {
        match self.treatment {
            Treatment::Pass => Outcome::Keep,
            Treatment::Mask(Transform::Null) => Outcome::Null,
            Treatment::Detect if self.ty.kind == Kind::Plain || !masks.detects() => Outcome::Keep,
            _ if self.ty.array => array::rewrite(self, value, masks, scratch, out),
            _ => self.rewrite_scalar(value, masks, scratch, out),
        }
    }

    /// The same, whether or not the type says it is an array: for an array's elements.
    pub(super) fn rewrite_scalar(
        &self,
        value: &[u8],
        masks: &ValueMasks,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Outcome {
        match self.treatment {
            Treatment::Pass => Outcome::Keep,
            Treatment::Mask(transform) => self.mask(transform, value, masks, scratch, out),
            Treatment::Detect => self.detect(value, masks, scratch, out),
        }
    }

    fn mask(
        &self,
        transform: Transform,
        value: &[u8],
        masks: &ValueMasks,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let start = out.len();
        let outcome = match self.ty.kind {
            Kind::Text | Kind::Name => transform_text(transform, value, masks, scratch, out),
            Kind::Padded => transform_text(transform, value.trim_ascii_end(), masks, scratch, out),
            Kind::Xml => {
                let mut masked = std::mem::take(&mut scratch.masked);
                masked.clear();
                let outcome = transform_text(transform, value, masks, scratch, &mut masked);
                escape_xml(&masked, out);
                scratch.masked = masked;
                outcome
            }
            Kind::Json => json::mask(transform, value, masks, scratch, out),
            Kind::Jsonb => match (self.format, value) {
                (Format::Text, text) => json::mask(transform, text, masks, scratch, out),
                (Format::Binary, [version @ 1, text @ ..]) => {
                    out.push(*version);
                    json::mask(transform, text, masks, scratch, out)
                }
                (Format::Binary, _) => Outcome::Null,
            },
            Kind::Number(_) | Kind::Bytes | Kind::Record | Kind::Plain | Kind::Opaque => Outcome::Null,
        };
        self.fit(outcome, start, out)
    }

    fn detect(&self, value: &[u8], masks: &ValueMasks, scratch: &mut Scratch, out: &mut Vec<u8>) -> Outcome {
        let start = out.len();
        let outcome = match (self.ty.kind, self.format) {
            (Kind::Plain, _) => Outcome::Keep,
            (Kind::Text | Kind::Name | Kind::Padded | Kind::Xml, _) => match masks.rewrite(value, out) {
                Found::Nothing => Outcome::Keep,
                Found::Text => Outcome::Replaced,
                Found::Null => Outcome::Null,
            },
            (Kind::Json, _) | (Kind::Jsonb, Format::Text) => json::detect(value, masks, scratch, out),
            (Kind::Jsonb, Format::Binary) => match value {
                [version @ 1, text @ ..] => {
                    out.push(*version);
                    json::detect(text, masks, scratch, out)
                }
                _ => Outcome::Null,
            },
            _ if contains(self.ty, self.format, value, masks, scratch, 0) => Outcome::Null,
            _ => Outcome::Keep,
        };
        self.fit(outcome, start, out)
    }

    /// Holds a replaced value to the length that its column declares.
    fn fit(&self, outcome: Outcome, start: usize, out: &mut Vec<u8>) -> Outcome {
        let written = out.get(start..).unwrap_or_default();
        if outcome != Outcome::Replaced {
            out.truncate(start);
            return outcome;
        }
        if self.ty.kind == Kind::Name && written.len() > 63 {
            out.truncate(start);
            return Outcome::Null;
        }
        let (Kind::Text | Kind::Padded, Some(limit)) = (self.ty.kind, self.limit) else { return outcome };
        let (length, limit) = (characters(written), limit as usize);
        if length > limit {
            out.truncate(start);
            return Outcome::Null;
        }
        if self.ty.kind == Kind::Padded {
            out.resize(out.len() + (limit - length), b' ');
        }
        outcome
    }
}

/// Masks a text. What a partial form leaves visible is looked through like any other text.
pub(super) fn transform_text(
    transform: Transform,
    value: &[u8],
    masks: &ValueMasks,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Outcome {
    let start = out.len();
    if transform.apply(value, &masks.key, out) == Applied::Null {
        return Outcome::Null;
    }
    let partial = matches!(transform, Transform::First(_) | Transform::Last(_));
    if partial && masks.detects() {
        let mut again = std::mem::take(&mut scratch.again);
        again.clear();
        let found = masks.rewrite(out.get(start..).unwrap_or_default(), &mut again);
        if found == Found::Text {
            out.truncate(start);
            out.extend_from_slice(&again);
        }
        scratch.again = again;
        if found == Found::Null {
            return Outcome::Null;
        }
    }
    Outcome::Replaced
}

/// Whether a value that can't hold a replacement contains something to hide. What can't be decoded does.
pub(super) fn contains(
    ty: Type,
    format: Format,
    value: &[u8],
    masks: &ValueMasks,
    scratch: &mut Scratch,
    depth: u8,
) -> bool {
    let mut plain = std::mem::take(&mut scratch.plain);
    plain.clear();
    let found = match (ty.kind, format) {
        _ if ty.array => hits(value, masks, &mut scratch.masked),
        (Kind::Plain, _) => false,
        (Kind::Number(number), Format::Binary) => {
            !write_number(number, value, &mut plain) || hits(&plain, masks, &mut scratch.masked)
        }
        (Kind::Bytes, Format::Text) => {
            unescape_bytes(value, &mut plain);
            hits(&plain, masks, &mut scratch.masked)
        }
        (Kind::Record, Format::Binary) => record_contains(value, masks, scratch, depth),
        _ => hits(value, masks, &mut scratch.masked),
    };
    scratch.plain = plain;
    found
}

fn hits(text: &[u8], masks: &ValueMasks, sink: &mut Vec<u8>) -> bool {
    sink.clear();
    masks.rewrite(text, sink) != Found::Nothing
}

/// `record_send`: the number of fields, then each one's type, length and value.
fn record_contains(value: &[u8], masks: &ValueMasks, scratch: &mut Scratch, depth: u8) -> bool {
    const MAX_DEPTH: u8 = 16;
    if depth >= MAX_DEPTH {
        return true;
    }
    let mut rest = value;
    let Some(fields) = take_u32(&mut rest) else { return true };
    for _ in 0..fields {
        let (Some(oid), Some(length)) = (take_u32(&mut rest), take_u32(&mut rest)) else { return true };
        if length == u32::MAX {
            continue;
        }
        let Some((field, after)) = rest.split_at_checked(length as usize) else { return true };
        rest = after;
        let ty = Type::builtin(oid).unwrap_or(Type::OPAQUE);
        if contains(ty, Format::Binary, field, masks, scratch, depth + 1) {
            return true;
        }
    }
    !rest.is_empty()
}

/// Appends a number's digits as its output function would; says whether the value was well-formed.
fn write_number(number: Number, value: &[u8], out: &mut Vec<u8>) -> bool {
    use std::io::Write as _;
    match number {
        Number::Int8 => value.try_into().is_ok_and(|b| write!(out, "{}", i64::from_be_bytes(b)).is_ok()),
        Number::Float8 => value.try_into().is_ok_and(|b| write!(out, "{}", f64::from_be_bytes(b)).is_ok()),
        Number::Money => value.try_into().is_ok_and(|b| {
            let cents = i64::from_be_bytes(b);
            write!(out, "{}.{:02}", cents / 100, (cents % 100).abs()).is_ok()
        }),
        Number::Numeric => write_numeric(value, out),
    }
}

/// `numeric_send`: digit groups of base 10,000, the first one's weight, the sign, the display scale.
fn write_numeric(value: &[u8], out: &mut Vec<u8>) -> bool {
    use std::io::Write as _;
    let mut rest = value;
    let (Some(groups), Some(weight), Some(_sign), Some(_scale)) =
        (take_u16(&mut rest), take_u16(&mut rest), take_u16(&mut rest), take_u16(&mut rest))
    else {
        return false;
    };
    let weight = i32::from(weight.cast_signed());
    for index in 0..i32::from(groups) {
        let Some(group) = take_u16(&mut rest) else { return false };
        if index == weight + 1 {
            out.push(b'.');
        }
        // A card number has no leading zeros; the first group is written without them.
        let written = if index == 0 { write!(out, "{group}") } else { write!(out, "{group:04}") };
        if written.is_err() {
            return false;
        }
    }
    // Trailing zero groups of a whole number are not sent: at most 20 groups matter to any detector.
    for _ in i32::from(groups)..(weight + 1).min(20) {
        out.extend_from_slice(b"0000");
    }
    rest.is_empty()
}

/// Undoes `bytea_output`, `hex` or `escape`.
fn unescape_bytes(value: &[u8], out: &mut Vec<u8>) {
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if let Some(hex) = value.strip_prefix(b"\\x") {
        out.extend(hex.chunks_exact(2).map(|pair| match pair {
            [high, low] => nibble(*high).unwrap_or(0) << 4 | nibble(*low).unwrap_or(0),
            _ => 0,
        }));
        return;
    }
    let mut rest = value;
    loop {
        match rest {
            [] => return,
            [b'\\', b'\\', after @ ..] => {
                out.push(b'\\');
                rest = after;
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            [byte, after @ ..] => {
                out.push(*byte);
                rest = after;
            }
        }
    }
}

fn escape_xml(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            _ => out.push(*byte),
        }
    }
}

/// Characters of UTF-8 text: every byte that continues none.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|byte| (**byte & 0b1100_0000) != 0b1000_0000).count()
}

pub(super) fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u32::from_be_bytes(*head))
}

pub(super) fn take_u16(rest: &mut &[u8]) -> Option<u16> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u16::from_be_bytes(*head))
}
