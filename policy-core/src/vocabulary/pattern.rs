//! Patterns as authors write them: `public.*`, `"My Table"`, `pods/exec`, `items.*.'a.b'`.

use super::Vocabulary;
use crate::name::Name;
use crate::rule::Pattern;

/// PostgreSQL cuts identifiers to this many bytes (NAMEDATALEN − 1), so a longer one never matches.
const IDENTIFIER_BYTES: usize = 63;

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing stands before, between or after separators.
    #[error("`{pattern}` has an empty segment; write `*` for any name, `**` for any names")]
    EmptySegment {
        /// The text.
        pattern: String,
    },
    /// A quote opens and none closes it.
    #[error("`{pattern}` has a quote that is never closed")]
    UnclosedQuote {
        /// The text.
        pattern: String,
    },
    /// Something other than a separator follows a quoted name.
    #[error("`{pattern}` goes on after a quoted name; only `{separator}` may follow it")]
    AfterQuote {
        /// The text.
        pattern: String,
        /// What may follow.
        separator: char,
    },
    /// A star inside quotes would be a wildcard where the author wrote a character.
    #[error("`{pattern}` has a `*` in quotes; a star is always a wildcard, so leave the quotes out")]
    QuotedStar {
        /// The text.
        pattern: String,
    },
    /// `**` next to other characters of its segment.
    #[error(
        "`{pattern}` has `**` beside other characters; `**` crosses segments and stands alone in its own"
    )]
    DoubleStar {
        /// The text.
        pattern: String,
    },
    /// A name longer than the protocol keeps.
    #[error("`{pattern}` has a name longer than {IDENTIFIER_BYTES} bytes, which PostgreSQL would cut off")]
    TooLong {
        /// The text.
        pattern: String,
    },
    /// The character that keeps segments apart inside.
    #[error("`{pattern}` contains the control character U+001F")]
    Separator {
        /// The text.
        pattern: String,
    },
}

impl Vocabulary {
    /// Reads a pattern: segments between this protocol's separators, `*` for a run of characters
    /// inside a segment, `**` for any number of segments. Where names fold, unquoted ASCII letters
    /// become lower case, and a double-quoted segment is taken as it stands (`""` is one quote).
    ///
    /// One leading separator is left out where names do not fold, so `/etc/passwd` is a path.
    ///
    /// # Errors
    ///
    /// [`PatternError`] names the text and what is wrong with it.
    pub fn parse_pattern(&self, text: &str) -> Result<Pattern, PatternError> {
        let form = Form { separator: self.separator, quote: self.folds.then_some('"'), folds: self.folds };
        let start = if self.folds { text } else { text.strip_prefix(self.separator).unwrap_or(text) };
        form.read(text, start)
    }
}

/// Reads a pattern on the fields of a document: keys between dots, `*` for a run of characters inside a key, `**` for any
/// number of keys. A key in single quotes is taken as it stands, dots and all (`''` is one quote).
///
/// # Errors
///
/// [`PatternError`] names the text and what is wrong with it.
pub fn parse_field(text: &str) -> Result<Pattern, PatternError> {
    Form { separator: '.', quote: Some('\''), folds: false }.read(text, text)
}

/// How segments are written.
struct Form {
    separator: char,
    /// What a segment that is taken as it stands begins and ends with.
    quote: Option<char>,
    /// Whether segments without quotes become lower case, as PostgreSQL's identifiers do.
    folds: bool,
}

impl Form {
    /// Reads `text` from `rest` on, its end.
    fn read(&self, text: &str, mut rest: &str) -> Result<Pattern, PatternError> {
        let pattern = || text.to_owned();
        if text.contains(Name::SEPARATOR) {
            return Err(PatternError::Separator { pattern: pattern() });
        }
        let mut segments: Vec<Box<str>> = Vec::new();
        loop {
            let quoted = self.quote.and_then(|quote| Some((quote, rest.strip_prefix(quote)?)));
            let (segment, after) = match quoted {
                Some((quote, quoted)) => {
                    let (name, after) = unquote(quoted, quote)
                        .ok_or_else(|| PatternError::UnclosedQuote { pattern: pattern() })?;
                    if name.contains('*') {
                        return Err(PatternError::QuotedStar { pattern: pattern() });
                    }
                    if !after.is_empty() && !after.starts_with(self.separator) {
                        return Err(PatternError::AfterQuote {
                            pattern: pattern(),
                            separator: self.separator,
                        });
                    }
                    (name, after)
                }
                None => {
                    let (name, after) = rest.split_at(rest.find(self.separator).unwrap_or(rest.len()));
                    if name.contains("**") && name != "**" {
                        return Err(PatternError::DoubleStar { pattern: pattern() });
                    }
                    (if self.folds { name.to_ascii_lowercase() } else { name.to_owned() }, after)
                }
            };
            if segment.is_empty() {
                return Err(PatternError::EmptySegment { pattern: pattern() });
            }
            if self.folds && !segment.contains('*') && segment.len() > IDENTIFIER_BYTES {
                return Err(PatternError::TooLong { pattern: pattern() });
            }
            segments.push(segment.into());
            match after.strip_prefix(self.separator) {
                Some(next) => rest = next,
                None => return Ok(Pattern { segments: segments.into() }),
            }
        }
    }
}

/// The text up to the closing quote, doubled quotes made single, and what follows the quote.
fn unquote(text: &str, quote: char) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once(quote)?;
        name.push_str(before);
        match after.strip_prefix(quote) {
            Some(more) => {
                name.push(quote);
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::vocabulary::{kubernetes, postgres, ssh};

    fn read(text: &str) -> Result<Vec<String>, String> {
        match postgres::vocabulary().parse_pattern(text) {
            Ok(pattern) => Ok(pattern.segments.iter().map(|segment| segment.to_string()).collect()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn sql_names_fold_unless_quoted() {
        assert_eq!(read("Public.Orders").unwrap(), ["public", "orders"]);
        assert_eq!(read("public.\"My.Table\"").unwrap(), ["public", "My.Table"]);
        assert_eq!(read("\"say \"\"hi\"\"\".*").unwrap(), ["say \"hi\"", "*"]);
        assert_eq!(read("**.pan").unwrap(), ["**", "pan"]);
        assert_eq!(read("TÜR").unwrap(), ["tÜr"], "PostgreSQL folds ASCII letters only in UTF-8 databases");
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "empty segment"),
            ("public.", "empty segment"),
            (".orders", "empty segment"),
            ("public..orders", "empty segment"),
            ("\"\"", "empty segment"),
            ("\"open", "never closed"),
            ("\"a\"b", "only `.` may follow"),
            ("\"a*\"", "leave the quotes out"),
            ("a**", "stands alone"),
            ("a\u{1f}b", "U+001F"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(read(&"x".repeat(63)).is_ok());
        assert!(read(&"x".repeat(64)).unwrap_err().contains("63 bytes"));
    }

    #[test]
    fn keys_of_a_document_keep_their_case_and_may_be_quoted() {
        let read = |text: &str| match super::parse_field(text) {
            Ok(pattern) => Ok(pattern.segments.iter().map(|segment| segment.to_string()).collect::<Vec<_>>()),
            Err(error) => Err(error.to_string()),
        };
        for (text, keys) in [
            ("customers.Email", &["customers", "Email"][..]),
            ("**.ssn", &["**", "ssn"]),
            ("items.*.card.pan", &["items", "*", "card", "pan"]),
            (
                "metadata.annotations.'kubectl.kubernetes.io/last'",
                &["metadata", "annotations", "kubectl.kubernetes.io/last"],
            ),
            ("'it''s'.x", &["it's", "x"]),
            ("it's", &["it's"]),
            ("a b./c", &["a b", "/c"]),
        ] {
            assert_eq!(read(text).unwrap(), keys, "{text}");
        }
        for (text, reason) in [
            ("", "empty segment"),
            ("a..b", "empty segment"),
            (".a", "empty segment"),
            ("'open", "never closed"),
            ("'a'b", "only `.` may follow"),
            ("'a*'", "leave the quotes out"),
            ("a**", "stands alone"),
            ("a\u{1f}b", "U+001F"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn paths_split_at_slashes_and_keep_their_case() {
        let pods = kubernetes::vocabulary().parse_pattern("pods/exec").unwrap();
        assert_eq!(&*pods.segments, [Box::from("pods"), Box::from("exec")]);
        let path = ssh::vocabulary().parse_pattern("/etc/Passwd").unwrap();
        assert_eq!(&*path.segments, [Box::from("etc"), Box::from("Passwd")]);
    }
}
