//! Names of tools, prompts and resources as resources of actions: one segment each.

use policy_core::Resource;

/// A name of a tool or prompt; `None` where two readers could take it for different ones.
pub(super) fn plain(name: &str) -> Option<Resource> {
    let is_odd = name.is_empty() || name.trim() != name || name.chars().any(char::is_control);
    (!is_odd).then(|| Resource::named([name]))
}

/// A URI of a resource (RFC 3986). `None` where servers would not agree on what it names: a rule on `file:///srv/docs/*` must not
/// be led out of there. So its scheme and authority are in lower case, its path has no `.`, `..` or empty segment in any
/// spelling and no backslash, and nothing is escaped that needs no escape, or twice. A template (RFC 6570) is
/// read the same, as its expressions need no escape here.
pub(super) fn uri(uri: &str) -> Option<Resource> {
    let (scheme, rest) = uri.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if !is_scheme || rest.is_empty() || uri.contains(is_odd) || !escapes_are_needed(rest) {
        return None;
    }
    let rest = rest.split(['?', '#']).next()?;
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if authority.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'%' || byte == b'@') {
                return None;
            }
            // The host of a file is this one, however it is called: it has one spelling here. Nor has a file a query or a fragment:
            // servers that take all of it for a path would be led out by `..` behind a `?`.
            if scheme == "file" && (!authority.is_empty() || uri.contains(['?', '#'])) {
                return None;
            }
            path
        }
        None if scheme == "file" => return None,
        None => rest,
    };
    let segments = path.strip_prefix('/').unwrap_or(path);
    let last = segments.matches('/').count();
    let odd = |(index, segment): (usize, &str)| match segment {
        "." | ".." => true,
        "" => index < last,
        _ => false,
    };
    if segments.split('/').enumerate().any(odd) {
        return None;
    }
    Some(Resource::named([uri]))
}

/// Whether each `%` begins the escape of a byte that can't stand for itself, and is neither a slash, a backslash, a control
/// character, nor what would be an escape when decoded twice.
fn escapes_are_needed(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let digit = |at: usize| char::from(*rest.as_bytes().get(at)?).to_digit(16);
        let (Some(high), Some(low)) = (digit(0), digit(1)) else { return false };
        let byte = u8::try_from(high * 16 + low).unwrap_or_default();
        let is_unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        !is_unreserved && !byte.is_ascii_control() && !matches!(byte, b'/' | b'\\' | b'%')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_has_one_spelling() {
        for text in [
            "file:///srv/docs/a.txt",
            "file:///srv/docs/",
            "file:///srv/a%20b",
            "https://example.com",
            "https://example.com/a?b=../c#/d//e",
            "db://shop/orders/{id}",
            "urn:isbn:0451450523",
            "note:a/b",
            "file:///srv/caf%C3%A9",
        ] {
            assert_eq!(uri(text), Some(Resource::named([text])), "{text}");
        }
        for text in [
            "",
            "a",
            ":a",
            "file:",
            "/etc/passwd",
            "FILE:///etc/passwd",
            "file:/etc/passwd",
            "file://localhost/etc/passwd",
            "file:////etc/passwd",
            "file:///etc//passwd",
            "file:///srv/docs/../../etc/passwd",
            "file:///srv/docs/%2e%2e/x",
            "file:///srv/docs/..",
            "file:///srv/docs/.%2E/x",
            "file:///srv/docs/%2Fetc",
            "file:///srv/docs/a?/../../../etc/passwd",
            "file:///srv/docs/a#/../../../etc/passwd",
            "file:///srv/docs/..%5cx",
            "file:///srv\\docs",
            "file:///%65tc/passwd",
            "file:///%252e%252e/x",
            "file:///a%",
            "file:///a%zz",
            "file:///a%00",
            "file:///a b",
            " file:///a",
            "file:///a\n",
            "https://Example.com/a",
            "https://a@b/c",
            "https://a%2eb/c",
            "https://a%20b/c",
            "note:../a",
        ] {
            assert_eq!(uri(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_name_is_what_it_is() {
        for text in ["read_file", "admin/delete", "a.b-c", "Löschen", "say hi"] {
            assert_eq!(plain(text), Some(Resource::named([text])), "{text}");
        }
        for text in ["", " ", " a", "a ", "a\n", "a\0b", "a\u{1f}b"] {
            assert_eq!(plain(text), None, "{text:?}");
        }
    }
}
