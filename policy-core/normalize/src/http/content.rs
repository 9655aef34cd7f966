//! What a body is, by the fields that say so.

/// The charsets that a `content-type` names, in lower case: each of them, wherever it stands, and in any spelling of the parameter
/// (`charset*`, RFC 8187), because readers differ in which they take. One without a value is empty, and no charset at all.
pub fn charsets(content_type: &str) -> impl Iterator<Item = String> {
    content_type.split(';').skip(1).filter_map(|parameter| {
        let parameter = parameter.to_ascii_lowercase();
        let (name, value) = parameter.split_once('=').unwrap_or((&parameter, ""));
        name.trim().starts_with("charset").then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_charset_is_told() {
        for (content_type, expected) in [
            ("text/plain", &[][..]),
            ("charset=utf-8", &[]),
            ("text/plain; x=charset", &[]),
            ("text/plain;charset=\"UTF-8\"", &["utf-8"]),
            ("text/html; Charset = ISO-8859-15; x=y", &["iso-8859-15"]),
            ("text/html; charset=utf-8; charset=utf-16", &["utf-8", "utf-16"]),
            ("text/html; charset*=utf-16''x", &["utf-16''x"]),
            ("text/html; charset='utf-8'", &["'utf-8'"]),
            ("text/html; charset=", &[""]),
            ("text/html; charset", &[""]),
        ] {
            assert!(charsets(content_type).eq(expected.iter().copied()), "{content_type}");
        }
    }
}
