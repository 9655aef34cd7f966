//! YAML bodies: JSON, which YAML contains, and a part of block style that has one meaning for every reader.

use serde_json::{Map, Value as Json};

use crate::http::{Body, MAX_DEPTH};

/// Reads a document. `None` for anything beyond the part that is read: anchors, aliases, tags, block and folded texts,
/// directives, several documents, a key twice, comments behind values, escapes, and plain words that YAML 1.1 (the API
/// server's) takes for something else than they look like (`yes`, `0x1f`, `12:30`).
pub(super) fn read(bytes: &[u8]) -> Option<Json> {
    let text = std::str::from_utf8(bytes).ok()?;
    // Line breaks to YAML 1.1 that JSON does not have, and the mark that says which order bytes have.
    if text.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}']) {
        return None;
    }
    if text.trim_start().starts_with(['{', '[']) {
        return flow(text);
    }
    let plain = |byte: u8| byte == b'\n' || (b' '..=b'~').contains(&byte);
    if !text.bytes().all(plain) {
        return None;
    }
    let text = text.strip_prefix("---\n").unwrap_or(text);
    let mut lines = vec![];
    for line in text.lines() {
        let content = line.trim_start_matches(' ');
        if !content.is_empty() && !content.starts_with('#') {
            lines.push((line.len() - content.len(), content.trim_end_matches(' ')));
        }
    }
    let mut block = Block { lines: lines.into_iter().peekable() };
    let json = block.mapping(0, 0, None)?;
    block.lines.peek().is_none().then_some(json)
}

/// JSON inside YAML. An escape of a slash or of half a character is none there.
fn flow(text: &str) -> Option<Json> {
    if text.contains(r"\/") || text.contains(r"\u") {
        return None;
    }
    match Body::read("application/json", text.as_bytes()) {
        Ok(Body::Json(json)) => Some(json),
        _ => None,
    }
}

/// Lines with their indentations, in spaces.
struct Block<'a> {
    lines: std::iter::Peekable<std::vec::IntoIter<(usize, &'a str)>>,
}

impl<'a> Block<'a> {
    /// A mapping whose keys stand in this column; `first` is its first line, where that stands behind a dash.
    fn mapping(&mut self, column: usize, depth: usize, first: Option<&'a str>) -> Option<Json> {
        if depth >= MAX_DEPTH {
            return None;
        }
        let mut object = Map::new();
        let mut line = first;
        loop {
            let text = match line.take() {
                Some(text) => text,
                None => match self.lines.next_if(|(at, text)| *at == column && !is_element(text)) {
                    Some((_, text)) => text,
                    None => break,
                },
            };
            let (key, value) = entry(text)?;
            let value = if value.is_empty() { self.nested(column, depth)? } else { scalar(value)? };
            if object.insert(key.to_owned(), value).is_some() {
                return None;
            }
        }
        // What is indented further would go on with the last value.
        let goes_on = self.lines.peek().is_some_and(|(at, _)| *at > column);
        (!goes_on && !object.is_empty()).then_some(Json::Object(object))
    }

    /// What stands below a key without a value.
    fn nested(&mut self, column: usize, depth: usize) -> Option<Json> {
        match self.lines.peek().copied() {
            Some((at, text)) if at >= column && is_element(text) => self.sequence(at, depth + 1),
            Some((at, _)) if at > column => self.mapping(at, depth + 1, None),
            _ => Some(Json::Null),
        }
    }

    fn sequence(&mut self, column: usize, depth: usize) -> Option<Json> {
        if depth >= MAX_DEPTH {
            return None;
        }
        let mut elements = vec![];
        while let Some((_, text)) = self.lines.next_if(|(at, text)| *at == column && is_element(text)) {
            let content = text.strip_prefix('-')?.trim_start_matches(' ');
            // An element on lines of its own, and a list in a list.
            if content.is_empty() || is_element(content) {
                return None;
            }
            elements.push(match scalar(content) {
                Some(value) => value,
                None => self.mapping(column + (text.len() - content.len()), depth + 1, Some(content))?,
            });
            // What is indented further would go on with it.
            if self.lines.peek().is_some_and(|(at, _)| *at > column) {
                return None;
            }
        }
        Some(Json::Array(elements))
    }
}

fn is_element(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

/// A key and what stands behind it on its line.
fn entry(text: &str) -> Option<(&str, &str)> {
    let (key, value) = match text.strip_prefix('"') {
        Some(rest) => {
            let (key, rest) = rest.split_once('"')?;
            (Some(key).filter(|key| !key.contains('\\'))?, rest.strip_prefix(':')?)
        }
        None => {
            let (key, value) = text.split_once(':')?;
            (Some(key).filter(|key| is_word(key))?, value)
        }
    };
    if value.is_empty() {
        Some((key, value))
    } else {
        Some((key, value.strip_prefix(' ')?.trim_start_matches(' ')))
    }
}

fn scalar(text: &str) -> Option<Json> {
    let quoted = |mark: char| text.strip_prefix(mark)?.strip_suffix(mark);
    if let Some(inner) = quoted('"') {
        return (!inner.contains(['"', '\\'])).then(|| inner.into());
    }
    if let Some(inner) = quoted('\'') {
        return (!inner.contains('\'')).then(|| inner.into());
    }
    match text {
        "true" => Some(Json::Bool(true)),
        "false" => Some(Json::Bool(false)),
        "null" => Some(Json::Null),
        _ if text.starts_with(['{', '[']) => flow(text),
        _ if is_integer(text) => text.parse::<i64>().ok().map(Json::from),
        _ if is_word(text) || is_quantity(text) => Some(text.into()),
        _ => None,
    }
}

/// `8080`, `-1`; no `010`, which is eight.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.is_empty()
        && (digits == "0" || !digits.starts_with('0'))
}

/// `500m`, `64Mi`: texts to every reader.
fn is_quantity(text: &str) -> bool {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    is_integer(digits) && matches!(unit, "m" | "k" | "M" | "G" | "T" | "Ki" | "Mi" | "Gi" | "Ti")
}

/// A plain word, or several, that is a text to every reader.
fn is_word(text: &str) -> bool {
    const SPECIAL: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let special = SPECIAL.iter().any(|special| text.eq_ignore_ascii_case(special));
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-./@+= ".contains(c);
    // A colon inside a word (an image's tag) is no key.
    let colons = !text.contains(": ") && !text.ends_with(':');
    begins && !special && colons && text.chars().all(|c| allowed(c) || c == ':')
}
