//! What a body is, by the fields that say so.

/// What a body is, and whether its bytes can be read as that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyType {
    media_type: String,
    is_plain: bool,
}

/// Why it is not known what a body is, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BodyTypeError(pub &'static str);

impl BodyType {
    /// That of no body.
    pub const NONE: Self = Self { media_type: String::new(), is_plain: true };

    /// That of a body with these values of the fields `content-type` and `content-encoding`, all there are.
    ///
    /// # Errors
    /// Several `content-type`, of which readers take the first, the last or none; one that is no text.
    pub fn read<'a>(
        mut types: impl Iterator<Item = &'a [u8]>,
        mut codings: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, BodyTypeError> {
        let content_type = match (types.next(), types.next()) {
            (_, Some(_)) => return Err(BodyTypeError("there is more than one `content-type`")),
            (Some(only), None) => {
                let text = str::from_utf8(only).ok().filter(|text| text.is_ascii());
                text.ok_or(BodyTypeError("`content-type` is not text"))?
            }
            (None, None) => "",
        };
        let is_utf_8 = charsets(content_type).all(|charset| matches!(&*charset, "utf-8" | "utf8"));
        let is_plain = is_utf_8 && codings.all(|coding| coding.eq_ignore_ascii_case(b"identity"));
        Ok(Self { media_type: media_type(content_type), is_plain })
    }

    /// The media type: lower case, without parameters, empty where none is named.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// What the bytes are read as. In another charset than UTF-8, or with a coding taken off, they are another text to whoever gets them:
    /// then that is nothing that is known.
    pub fn read_as(&self) -> &str {
        if self.is_plain { &self.media_type } else { "application/octet-stream" }
    }

    /// Whether the bytes are read as what they are said to be.
    pub const fn is_plain(&self) -> bool {
        self.is_plain
    }
}

/// The media type that a `content-type` names: lower case, without parameters.
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The charsets that a `content-type` names, in lower case: each of them, wherever it stands, and in any spelling of the parameter
/// (`charset*`, RFC 8187), because readers differ in which they take. Some look for the word alone, be it in another parameter's
/// name or value. One without a value is empty, and no charset at all.
pub fn charsets(content_type: &str) -> impl Iterator<Item = String> {
    content_type.split(';').skip(1).flat_map(|parameter| {
        let parameter = parameter.to_ascii_lowercase();
        let named =
            parameter.match_indices("charset").filter_map(|(at, name)| parameter.get(at + name.len()..));
        named.map(charset).collect::<Vec<_>>()
    })
}

/// Of what stands behind the word.
fn charset(behind: &str) -> String {
    let (_, value) = behind.split_once('=').unwrap_or_default();
    value.trim().trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_as_what_it_is_only_where_it_is_plain() {
        for (types, codings, media_type, is_plain) in [
            (&[][..], &[][..], "", true),
            (&["Application/JSON; charset=utf-8"], &["identity"], "application/json", true),
            (&["application/json; charset=UTF8"], &[], "application/json", true),
            (&["application/json; charset=utf-16"], &[], "application/json", false),
            (&["application/json; charset=utf-8; charset=utf-7"], &[], "application/json", false),
            (&["application/json; x=charset=utf-16be"], &[], "application/json", false),
            (&["application/json"], &["gzip"], "application/json", false),
            (&["application/json"], &["Identity", "br"], "application/json", false),
            (&["application/json"], &["identity, gzip"], "application/json", false),
            (&["application/json"], &[""], "application/json", false),
        ] {
            let read = BodyType::read(bytes(types), bytes(codings));
            assert_eq!(
                read,
                Ok(BodyType { media_type: media_type.to_owned(), is_plain }),
                "{types:?} {codings:?}"
            );
        }
        for (types, why) in [
            (&["text/plain", "text/plain"][..], "there is more than one `content-type`"),
            (&["text/plain; x=é"], "`content-type` is not text"),
        ] {
            assert_eq!(BodyType::read(bytes(types), bytes(&[])), Err(BodyTypeError(why)), "{types:?}");
        }
    }

    fn bytes<'a>(texts: &'a [&'a str]) -> impl Iterator<Item = &'a [u8]> {
        texts.iter().map(|text| text.as_bytes())
    }

    #[test]
    fn every_charset_is_told() {
        for (content_type, expected) in [
            ("text/plain", &[][..]),
            ("charset=utf-8", &[]),
            ("text/plain; x=charset", &[""]),
            ("text/plain; x=y", &[]),
            ("text/plain; x=charset=utf-16", &["utf-16"]),
            ("text/plain; x=\"charset=utf-16\"", &["utf-16"]),
            ("text/plain; xCharset=utf-16", &["utf-16"]),
            ("text/plain; x charset=utf-16; charset=utf-8", &["utf-16", "utf-8"]),
            ("text/plain; charset=utf-8,charset=utf-16", &["utf-8,charset=utf-16", "utf-16"]),
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
