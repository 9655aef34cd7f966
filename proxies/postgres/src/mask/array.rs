//! Arrays: each element is treated as a value of its own, nesting and bounds kept.

use super::finder::ValueMasks;
use super::types::Kind;
use super::value::{Cell, Format, Outcome, Scratch, Treatment, contains, take_u32};

/// Appends the array with its elements rewritten. NULL where it is malformed, or where its elements
/// can't hold the result.
pub(super) fn rewrite(
    cell: &Cell,
    value: &[u8],
    masks: &ValueMasks,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Outcome {
    let start = out.len();
    let holds_text =
        matches!(cell.ty.kind, Kind::Text | Kind::Padded | Kind::Name | Kind::Xml | Kind::Json | Kind::Jsonb);
    if matches!(cell.treatment, Treatment::Mask(_)) && !holds_text {
        return Outcome::Null;
    }
    let rewritten = match cell.format {
        Format::Text => rewrite_text(cell, value, masks, scratch, out),
        Format::Binary => rewrite_binary(cell, value, masks, scratch, out),
    };
    match rewritten {
        Some(true) => Outcome::Replaced,
        Some(false) => {
            out.truncate(start);
            // A find may span elements, such as a number cut into groups; then the whole array goes.
            if contains(cell.ty, cell.format, value, masks, scratch, 0) {
                return Outcome::Null;
            }
            Outcome::Keep
        }
        None => {
            out.truncate(start);
            Outcome::Null
        }
    }
}

/// `array_send`: dimensions, flags, the element type, each dimension's size and lower bound, then elements.
fn rewrite_binary(
    cell: &Cell,
    value: &[u8],
    masks: &ValueMasks,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Option<bool> {
    let mut rest = value;
    let dimensions = take_u32(&mut rest)?;
    // PostgreSQL's MAXDIM.
    if dimensions > 6 {
        return None;
    }
    let (_flags, _element) = (take_u32(&mut rest)?, take_u32(&mut rest)?);
    let mut count: u64 = u64::from(dimensions > 0);
    for _ in 0..dimensions {
        count = count.checked_mul(u64::from(take_u32(&mut rest)?))?;
        take_u32(&mut rest)?;
    }
    let header = value.len() - rest.len();
    let flags_at = out.len() + 4;
    out.extend_from_slice(value.get(..header)?);
    let mut changed = false;
    for _ in 0..count {
        let length = take_u32(&mut rest)?;
        out.extend_from_slice(&length.to_be_bytes());
        if length == u32::MAX {
            continue;
        }
        let (element, after) = rest.split_at_checked(length as usize)?;
        rest = after;
        let at = out.len();
        match cell.rewrite_scalar(element, masks, scratch, out) {
            Outcome::Keep => {
                out.truncate(at);
                out.extend_from_slice(element);
                continue;
            }
            Outcome::Null => {
                out.truncate(at);
                out.get_mut(at - 4..at)?.fill(0xff);
                // The flag that says the array contains NULLs.
                *out.get_mut(flags_at + 3)? |= 1;
            }
            Outcome::Replaced => {
                let written = u32::try_from(out.len() - at).ok()?;
                out.get_mut(at - 4..at)?.copy_from_slice(&written.to_be_bytes());
            }
        }
        changed = true;
    }
    if rest.is_empty() { Some(changed) } else { None }
}

/// The text format: `{a,"b c",NULL,{…}}`, perhaps after bounds such as `[2:3]=`.
fn rewrite_text(
    cell: &Cell,
    value: &[u8],
    masks: &ValueMasks,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Option<bool> {
    let mut element = Vec::new();
    let mut masked = Vec::new();
    std::mem::swap(&mut element, &mut scratch.array.0);
    std::mem::swap(&mut masked, &mut scratch.array.1);
    let result = rewrite_elements(cell, value, masks, scratch, (&mut element, &mut masked), out);
    scratch.array = (element, masked);
    result
}

fn rewrite_elements(
    cell: &Cell,
    value: &[u8],
    masks: &ValueMasks,
    scratch: &mut Scratch,
    (element, masked): (&mut Vec<u8>, &mut Vec<u8>),
    out: &mut Vec<u8>,
) -> Option<bool> {
    let opening = memchr::memchr(b'{', value)?;
    let (bounds, mut rest) = value.split_at_checked(opening)?;
    // Bounds such as `[2:3][-1:1]=` are numbers; anything else before the brace could be a value.
    if !bounds.iter().all(|byte| byte.is_ascii_digit() || b"[]:-=".contains(byte)) {
        return None;
    }
    out.extend_from_slice(bounds);
    let mut depth = 0_u32;
    let mut changed = false;
    while let [first, after @ ..] = rest {
        match first {
            b'{' => depth += 1,
            b'}' => depth = depth.checked_sub(1)?,
            b',' => {}
            _ => {
                let (raw, following, is_null) = take_element(rest, element)?;
                rest = following;
                masked.clear();
                let outcome = if is_null {
                    Outcome::Keep
                } else {
                    cell.rewrite_scalar(element, masks, scratch, masked)
                };
                match outcome {
                    Outcome::Keep => out.extend_from_slice(raw),
                    Outcome::Null => out.extend_from_slice(b"NULL"),
                    Outcome::Replaced => write_quoted(masked, out),
                }
                changed |= outcome != Outcome::Keep;
                continue;
            }
        }
        out.push(*first);
        rest = after;
        if depth == 0 {
            break;
        }
    }
    if depth == 0 && rest.is_empty() { Some(changed) } else { None }
}

/// One element as it stands and, in `element`, without its quotes; what follows; whether it is NULL.
fn take_element<'a>(text: &'a [u8], element: &mut Vec<u8>) -> Option<(&'a [u8], &'a [u8], bool)> {
    element.clear();
    let quoted = text.first() == Some(&b'"');
    let mut rest = if quoted { text.get(1..)? } else { text };
    loop {
        match rest {
            [b'\\', escaped, after @ ..] => {
                element.push(*escaped);
                rest = after;
            }
            [b'"', after @ ..] if quoted => {
                rest = after;
                break;
            }
            [b',' | b'}', ..] if !quoted => break,
            [byte, after @ ..] => {
                element.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
    let raw = text.get(..text.len() - rest.len())?;
    Some((raw, rest, !quoted && raw.eq_ignore_ascii_case(b"NULL")))
}

fn write_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
