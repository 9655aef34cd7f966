//! JSON values: masked to a JSON string, or looked through string by string and number by number.
//!
//! What comes out is valid JSON whenever what came in was.

use policy_core::mask::{REDACTED, Transform};

use super::finder::{Found, ValueMasks};
use super::value::{Outcome, Scratch, transform_text};

/// Appends a JSON string that holds the masked value: of a JSON string its content, of anything else
/// its text.
pub(super) fn mask(
    transform: Transform,
    value: &[u8],
    masks: &ValueMasks,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Outcome {
    let mut plain = std::mem::take(&mut scratch.plain);
    let mut masked = std::mem::take(&mut scratch.masked);
    masked.clear();
    let content = match string_at(value.trim_ascii()) {
        Some((content, [])) => unescaped(content, &mut plain),
        _ => value,
    };
    let outcome = transform_text(transform, content, masks, scratch, &mut masked);
    if outcome == Outcome::Replaced {
        write_string(&masked, out);
    }
    scratch.plain = plain;
    scratch.masked = masked;
    outcome
}

/// Appends the document with what was found in its strings and numbers replaced. A find that spans
/// several of them replaces the whole document.
pub(super) fn detect(value: &[u8], masks: &ValueMasks, scratch: &mut Scratch, out: &mut Vec<u8>) -> Outcome {
    let start = out.len();
    let mut plain = std::mem::take(&mut scratch.plain);
    let mut masked = std::mem::take(&mut scratch.masked);
    let mut replaced = false;
    // What of `value` is written already.
    let mut written = 0;
    let mut rest = value;
    while let [first, after @ ..] = rest {
        let at = value.len() - rest.len();
        let (token, following) = match first {
            b'"' => match string_at(rest) {
                Some((content, following)) => (Token::String(content), following),
                None => break,
            },
            b'0'..=b'9' | b'-' => {
                let in_number = |b: &u8| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let end = rest.iter().position(|b| !in_number(b)).unwrap_or(rest.len());
                let (number, following) = rest.split_at(end);
                (Token::Number(number), following)
            }
            _ => {
                rest = after;
                continue;
            }
        };
        masked.clear();
        let found = match token {
            Token::String(content) => masks.rewrite(unescaped(content, &mut plain), &mut masked),
            Token::Number(number) => masks.rewrite(number, &mut masked),
        };
        if found != Found::Nothing {
            replaced = true;
            out.extend_from_slice(value.get(written..at).unwrap_or_default());
            let is_key = following.trim_ascii_start().first() == Some(&b':');
            match (token, found) {
                (Token::String(_), Found::Text) => write_string(&masked, out),
                (Token::String(_), _) if is_key => write_string(REDACTED.as_bytes(), out),
                _ => out.extend_from_slice(b"null"),
            }
            written = value.len() - following.len();
        }
        rest = following;
    }
    if replaced {
        out.extend_from_slice(value.get(written..).unwrap_or_default());
    } else {
        // Something like `"Authorization": "Bearer …"` shows only across tokens.
        masked.clear();
        if masks.rewrite(value, &mut masked) != Found::Nothing {
            out.truncate(start);
            write_string(REDACTED.as_bytes(), out);
            replaced = true;
        }
    }
    scratch.plain = plain;
    scratch.masked = masked;
    if replaced { Outcome::Replaced } else { Outcome::Keep }
}

#[derive(Clone, Copy)]
enum Token<'a> {
    String(&'a [u8]),
    Number(&'a [u8]),
}

/// The content of the string that starts here, escapes kept, and what follows it.
fn string_at(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', inner.get(at..)?)?;
        if inner.get(at) == Some(&b'"') {
            return Some((inner.get(..at)?, inner.get(at + 1..)?));
        }
        at += 2;
    }
}

/// The content of a string without its escapes (RFC 8259, section 7).
fn unescaped<'a>(content: &'a [u8], plain: &'a mut Vec<u8>) -> &'a [u8] {
    if memchr::memchr(b'\\', content).is_none() {
        return content;
    }
    plain.clear();
    let mut rest = content;
    loop {
        match rest {
            [] => return plain,
            [b'\\', b'u', after @ ..] => {
                let (character, after) = unicode_escape(after);
                let mut utf8 = [0; 4];
                plain.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes());
                rest = after;
            }
            [b'\\', escaped, after @ ..] => {
                plain.push(match escaped {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'b' => 8,
                    b'f' => 12,
                    other => *other,
                });
                rest = after;
            }
            [byte, after @ ..] => {
                plain.push(*byte);
                rest = after;
            }
        }
    }
}

/// The character of `\uXXXX`, or of a surrogate pair; what is none becomes U+FFFD.
fn unicode_escape(after: &[u8]) -> (char, &[u8]) {
    let unit = |text: &[u8]| {
        let digits = std::str::from_utf8(text.get(..4)?).ok()?;
        u16::from_str_radix(digits, 16).ok()
    };
    let Some(high) = unit(after) else { return (char::REPLACEMENT_CHARACTER, after) };
    let after = after.get(4..).unwrap_or_default();
    if let Some(character) = char::from_u32(u32::from(high)) {
        return (character, after);
    }
    if let Some((low, following)) =
        after.strip_prefix(b"\\u").and_then(|low| Some((unit(low)?, low.get(4..)?)))
        && let Some(Ok(character)) = char::decode_utf16([high, low]).next()
    {
        return (character, following);
    }
    (char::REPLACEMENT_CHARACTER, after)
}

fn write_string(content: &[u8], out: &mut Vec<u8>) {
    use std::io::Write as _;
    out.push(b'"');
    for byte in content {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            0..=0x1f => {
                // Writing to a Vec can't fail.
                let _ = write!(out, "\\u{byte:04x}");
            }
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}
