//! The tokens of JSON (RFC 8259): where they end, and what escapes stand for. Strict: what is not in the grammar is an error.

use super::JsonError;

/// What a stretch of a string's content is.
pub(super) enum Piece<'b> {
    /// Bytes that stand for themselves.
    Plain(&'b [u8]),
    /// An escape, and the character that it stands for.
    Escape { raw: &'b [u8], decoded: char },
}

/// A string that is there to its closing quote.
pub(super) struct Text {
    /// Where the closing quote is.
    pub(super) end: usize,
    /// Whether anything in it is escaped.
    pub(super) escaped: bool,
}

/// Where the string ends whose content begins at `from`; `None` if its end has not come.
pub(super) fn text(bytes: &[u8], from: usize) -> Result<Option<Text>, JsonError> {
    let (mut at, mut escaped, mut ascii) = (from, false, true);
    loop {
        let run = plain(bytes.get(at..).unwrap_or_default());
        ascii &= run.ascii;
        at += run.length;
        match bytes.get(at) {
            None => return Ok(None),
            Some(b'"') => break,
            Some(b'\\') => match escape(bytes, at)? {
                Some((length, _)) => (escaped, at) = (true, at + length),
                None => return Ok(None),
            },
            Some(_) => return Err(JsonError::NotJson),
        }
    }
    let content = bytes.get(from..at).unwrap_or_default();
    if !ascii && std::str::from_utf8(content).is_err() {
        return Err(JsonError::NotJson);
    }
    Ok(Some(Text { end: at, escaped }))
}

/// Reads a string's content from `from` on, as far as it is there and complete; says where it stopped, and whether that is at
/// the closing quote.
pub(super) fn content<'b>(
    bytes: &'b [u8],
    from: usize,
    mut take: impl FnMut(Piece<'b>),
) -> Result<(usize, bool), JsonError> {
    let mut at = from;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let run = plain(rest);
        let mut there = rest.get(..run.length).unwrap_or_default();
        let goes_on = run.length == rest.len();
        if !run.ascii
            && let Err(error) = std::str::from_utf8(there)
        {
            // The rest of a character may be still to come.
            if !goes_on || error.error_len().is_some() {
                return Err(JsonError::NotJson);
            }
            there = there.get(..error.valid_up_to()).unwrap_or_default();
        }
        if !there.is_empty() {
            take(Piece::Plain(there));
        }
        at += there.len();
        if goes_on {
            return Ok((at, false));
        }
        match bytes.get(at) {
            Some(b'"') => return Ok((at, true)),
            Some(b'\\') => match escape(bytes, at)? {
                Some((length, decoded)) => {
                    take(Piece::Escape { raw: bytes.get(at..at + length).unwrap_or_default(), decoded });
                    at += length;
                }
                None => return Ok((at, false)),
            },
            _ => return Err(JsonError::NotJson),
        }
    }
}

/// The content decoded, onto `out`. Half of a surrogate pair, which stands for no character, becomes U+FFFD.
pub(super) fn decode(bytes: &[u8], from: usize, out: &mut Vec<u8>) -> Result<(usize, bool), JsonError> {
    content(bytes, from, |piece| match piece {
        Piece::Plain(plain) => out.extend_from_slice(plain),
        Piece::Escape { decoded, .. } => {
            out.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
        }
    })
}

struct Run {
    length: usize,
    /// Certain if true.
    ascii: bool,
}

/// How many bytes are neither a quote, nor a backslash, nor a control character; eight at a time.
fn plain(bytes: &[u8]) -> Run {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
    const SLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
    const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
    let (eights, rest) = bytes.as_chunks::<8>();
    let mut seen = 0;
    for (number, eight) in eights.iter().enumerate() {
        let word = u64::from_le_bytes(*eight);
        seen |= word;
        // A byte's highest bit is set where it is zero, or less than a space; of those bits the lowest is right.
        let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
        let ends = (zeros(word ^ QUOTES) | zeros(word ^ SLASHES) | word.wrapping_sub(SPACES) & !word) & HIGHS;
        if ends != 0 {
            let length = number * 8 + ends.trailing_zeros() as usize / 8;
            return Run { length, ascii: seen & HIGHS == 0 };
        }
    }
    let is_plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0..b' ');
    let more = rest.iter().take_while(is_plain).inspect(|byte| seen |= u64::from(**byte)).count();
    Run { length: eights.len() * 8 + more, ascii: seen & HIGHS == 0 }
}

/// The length of the escape at `at`, and what it stands for; `None` if that depends on bytes that have not come.
fn escape(bytes: &[u8], at: usize) -> Result<Option<(usize, char)>, JsonError> {
    let Some(letter) = bytes.get(at + 1) else { return Ok(None) };
    let plain = match letter {
        b'"' | b'\\' | b'/' => char::from(*letter),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unit(bytes, at),
        _ => return Err(JsonError::NotJson),
    };
    Ok(Some((2, plain)))
}

/// `\u` and four digits, or two of these where they are a surrogate pair.
fn unit(bytes: &[u8], at: usize) -> Result<Option<(usize, char)>, JsonError> {
    let Some(first) = hexadecimal(bytes, at + 2)? else { return Ok(None) };
    if !(0xd800..0xdc00).contains(&first) {
        return Ok(Some((6, char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))));
    }
    let lone = Ok(Some((6, char::REPLACEMENT_CHARACTER)));
    match (bytes.get(at + 6), bytes.get(at + 7)) {
        (None, _) | (Some(b'\\'), None) => Ok(None),
        (Some(b'\\'), Some(b'u')) => {
            let Some(second) = hexadecimal(bytes, at + 8)? else { return Ok(None) };
            if !(0xdc00..0xe000).contains(&second) {
                return lone;
            }
            let whole = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            Ok(Some((12, char::from_u32(whole).unwrap_or(char::REPLACEMENT_CHARACTER))))
        }
        _ => lone,
    }
}

fn hexadecimal(bytes: &[u8], at: usize) -> Result<Option<u32>, JsonError> {
    let digits = bytes.get(at..bytes.len().min(at + 4)).unwrap_or_default();
    let mut value = 0;
    for digit in digits {
        value = value << 4 | char::from(*digit).to_digit(16).ok_or(JsonError::NotJson)?;
    }
    Ok((digits.len() == 4).then_some(value))
}

/// How many bytes from `from` on a number may be made of.
pub(super) fn number_length(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let belongs = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    rest.iter().take_while(belongs).count()
}

/// Whether this is a number: RFC 8259, section 6.
pub(super) fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(text);
    if whole == 0 || whole > 1 && text.starts_with(b"0") {
        return false;
    }
    let mut rest = text.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = fraction.get(length..).unwrap_or_default();
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let exponent =
            exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let length = digits(exponent);
        return length > 0 && length == exponent.len();
    }
    rest.is_empty()
}

/// How many bytes of white space there are from `from` on.
pub(super) fn blank(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// Writes text as the content of a string.
pub(super) fn encode(text: &str, out: &mut Vec<u8>) {
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\0'..='\u{1f}' => out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes()),
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
