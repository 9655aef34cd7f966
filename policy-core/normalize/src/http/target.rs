//! A request target: its path as it is judged and as it is sent on, which are the same; and its query.

use std::borrow::Cow;

/// The longest target that is read, in bytes.
pub const MAX_TARGET: usize = 64 << 10;

/// A request target in origin form (RFC 9112, section 3.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The segments of the path, decoded; none for the root. `None` where servers do not agree on which they are.
    pub segments: Option<Vec<String>>,
    /// What is sent on: the path of these segments, encoded in one way, and the query as it came.
    pub sent: String,
    /// The pairs of the query, decoded, in their order; `None` where servers do not agree on them.
    pub query: Option<Vec<(String, String)>>,
}

/// Why a target can't be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither a path nor a path with a query.
    #[error("a request target begins with `/`")]
    NoPath,
    /// A character that no target has: a space, a control character, `#`, one beyond ASCII.
    #[error("a request target has only the characters of RFC 3986")]
    Character,
    /// `%` without two hexadecimal digits.
    #[error("`%` is followed by two hexadecimal digits in a request target")]
    Escape,
    /// It is longer than [`MAX_TARGET`].
    #[error("the request target is longer than {MAX_TARGET} bytes")]
    Long,
}

impl Target {
    /// Reads a target. `.` and `..` are resolved, in any spelling; characters that need no escape have none.
    ///
    /// Where servers differ, [`Target::segments`] is `None` and the path is sent as it came: an encoded slash or backslash,
    /// a backslash, an empty segment, a parameter after `;`, what would be an escape when decoded twice, a control
    /// character, what is not UTF-8.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if text.len() > MAX_TARGET {
            return Err(TargetError::Long);
        }
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        let Some(path) = path.strip_prefix('/') else { return Err(TargetError::NoPath) };
        let is_odd = |byte: u8| byte <= b' ' || byte >= 0x7f || matches!(byte, b'#' | b'"' | b'<' | b'>');
        if text.bytes().any(is_odd) {
            return Err(TargetError::Character);
        }
        let decoded = path.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
        let segments = segments(path, decoded);
        let mut sent = match &segments {
            Some(segments) => encode(segments, path),
            None => format!("/{path}"),
        };
        if let Some(query) = query {
            sent.push('?');
            sent.push_str(query);
        }
        Ok(Self { segments, sent, query: pairs(query.unwrap_or_default())? })
    }

    /// The values of a key of the query, in their order; `None` where the query can't be told.
    pub fn values<'a>(&'a self, key: &'a str) -> Option<impl Iterator<Item = &'a str>> {
        let pairs = self.query.as_ref()?;
        Some(pairs.iter().filter(move |(name, _)| name == key).map(|(_, value)| &**value))
    }
}

/// Bytes with their escapes resolved.
fn decode(text: &str) -> Result<Cow<'_, [u8]>, TargetError> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text.as_bytes()));
    }
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) => decoded.push(u8::try_from(high * 16 + low).unwrap_or_default()),
            _ => return Err(TargetError::Escape),
        }
    }
    Ok(Cow::Owned(decoded))
}

/// The segments, where all servers see the same.
fn segments(path: &str, decoded: Vec<Cow<'_, [u8]>>) -> Option<Vec<String>> {
    let mut segments: Vec<String> = Vec::new();
    let last = decoded.len().saturating_sub(1);
    for (index, segment) in decoded.into_iter().enumerate() {
        match &*segment {
            // The slash at the end, which a listing has and a file has not.
            b"" if index == last => {}
            b"" => return None,
            b"." => {}
            b".." => drop(segments.pop()),
            _ => segments.push(plain(&segment)?),
        }
    }
    // A parameter is told from a character of a name by its semicolon alone, escaped or not.
    (!path.contains([';', '\\']) && !segments.iter().any(|segment| segment.contains(';'))).then_some(segments)
}

/// A segment that is the same for a server that decodes it once more.
fn plain(segment: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(segment).ok()?;
    let is_odd = |c: char| c.is_control() || matches!(c, '/' | '\\');
    let bytes = text.as_bytes();
    let escapes = bytes.windows(3).any(
        |window| matches!(window, [b'%', one, two] if one.is_ascii_hexdigit() && two.is_ascii_hexdigit()),
    );
    (!text.contains(is_odd) && !escapes).then(|| text.to_owned())
}

/// A path of these segments, each character in one spelling. A slash at its end stays.
fn encode(segments: &[String], path: &str) -> String {
    use std::fmt::Write as _;

    let mut sent = String::with_capacity(path.len() + 1);
    for segment in segments {
        sent.push('/');
        for byte in segment.bytes() {
            // RFC 3986: pchar without `;`, which no segment here has.
            if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte) {
                sent.push(char::from(byte));
            } else {
                let _ = write!(sent, "%{byte:02X}");
            }
        }
    }
    let ends = |end: &str| path.ends_with(end);
    let is_directory =
        path.is_empty() || ends("/") || ["/.", "/..", "/%2e", "/%2E"].iter().any(|end| ends(end));
    if sent.is_empty() || (is_directory && !segments.is_empty()) {
        sent.push('/');
    }
    sent
}

/// The pairs of a query, by the rules of forms. Where `;` might separate them too, they are not known.
fn pairs(query: &str) -> Result<Option<Vec<(String, String)>>, TargetError> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (text(name)?, text(value)?) else { return Ok(None) };
        pairs.push((name, value));
    }
    Ok((!query.contains(';')).then_some(pairs))
}

/// A name or value of a form.
fn text(encoded: &str) -> Result<Option<String>, TargetError> {
    let spaced = encoded.replace('+', " ");
    Ok(String::from_utf8(decode(&spaced)?.into_owned()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_sent_as_it_is_judged() {
        for (text, segments, sent) in [
            ("/", Some(&[][..]), "/"),
            ("/a/b", Some(&["a", "b"]), "/a/b"),
            ("/a/b/", Some(&["a", "b"]), "/a/b/"),
            ("/%61%2Fb", None, "/%61%2Fb"),
            ("/%61", Some(&["a"]), "/a"),
            ("/a%2db", Some(&["a-b"]), "/a-b"),
            ("/a%20b", Some(&["a b"]), "/a%20b"),
            ("/caf%c3%a9", Some(&["café"]), "/caf%C3%A9"),
            ("/a/./b", Some(&["a", "b"]), "/a/b"),
            ("/a/../b", Some(&["b"]), "/b"),
            ("/a/%2e%2e/b", Some(&["b"]), "/b"),
            ("/a/.%2E/b", Some(&["b"]), "/b"),
            ("/../../a", Some(&["a"]), "/a"),
            ("/a/..", Some(&[]), "/"),
            ("/a/b/..", Some(&["a"]), "/a/"),
            ("/a/.", Some(&["a"]), "/a/"),
            ("/a//b", None, "/a//b"),
            ("//a", None, "//a"),
            ("/a;x=1/b", None, "/a;x=1/b"),
            ("/a%3bx/b", None, "/a%3bx/b"),
            ("/a\\b", None, "/a\\b"),
            ("/a%5cb", None, "/a%5cb"),
            ("/a%00b", None, "/a%00b"),
            ("/%252e%252e/b", None, "/%252e%252e/b"),
            ("/100%25", Some(&["100%"]), "/100%25"),
            ("/%ff", None, "/%ff"),
            ("/a%0d%0ab", None, "/a%0d%0ab"),
        ] {
            let target = Target::parse(text).unwrap();
            let found: Option<Vec<&str>> =
                target.segments.as_ref().map(|segments| segments.iter().map(String::as_str).collect());
            assert_eq!(found.as_deref(), segments, "{text}");
            assert_eq!(target.sent, sent, "{text}");
            // Once more changes nothing.
            assert_eq!(Target::parse(&target.sent).unwrap().segments, target.segments, "{text}");
            assert_eq!(Target::parse(&target.sent).unwrap().sent, target.sent, "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        use TargetError::{Character, Escape, NoPath};
        for (text, error) in [
            ("", NoPath),
            ("*", NoPath),
            ("a/b", NoPath),
            ("http://host/a", NoPath),
            ("/a b", Character),
            ("/a#b", Character),
            ("/a\u{7f}", Character),
            ("/é", Character),
            ("/a?b\tc", Character),
            ("/%", Escape),
            ("/%4", Escape),
            ("/%zz", Escape),
            ("/a?b=%4", Escape),
        ] {
            assert_eq!(Target::parse(text), Err(error), "{text:?}");
        }
        assert_eq!(Target::parse(&format!("/{}", "a".repeat(MAX_TARGET))), Err(TargetError::Long));
    }

    #[test]
    fn a_query_is_read_as_a_form_is() {
        let values = |text: &str, key: &str| {
            let target = Target::parse(text).unwrap();
            target.values(key).map(|values| values.map(str::to_owned).collect::<Vec<_>>())
        };
        let some = |values: &[&str]| Some(values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
        assert_eq!(values("/a?x=1&y=2", "x"), some(&["1"]));
        assert_eq!(values("/a?x=1&x=2", "x"), some(&["1", "2"]));
        assert_eq!(values("/a?x=a+b%20c&z", "x"), some(&["a b c"]));
        assert_eq!(values("/a?%78=1", "x"), some(&["1"]));
        assert_eq!(values("/a?z", "z"), some(&[""]));
        assert_eq!(values("/a", "z"), some(&[]));
        assert_eq!(values("/a?x=1;y=2", "x"), None);
        assert_eq!(values("/a?x=%ff", "y"), None);
    }
}
