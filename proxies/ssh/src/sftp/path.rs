//! The one form of a path: what is judged is what is sent.

/// The most bytes of a path (`PATH_MAX` of Linux, with its zero byte).
pub const MAX: usize = 4096;

/// Why a path can't be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is not UTF-8: policies have no way to name it.
    #[error("path is not valid UTF-8")]
    Encoding,
    /// It holds a zero byte, where many programs would stop to read.
    #[error("path holds a zero byte")]
    Zero,
    /// It is longer than any file's.
    #[error("path is longer than {MAX} bytes")]
    TooLong,
    /// It starts at another user's home (`~user`), which only the target knows.
    #[error("path starts at another user's home")]
    OtherHome,
}

/// The text of a path, if it can be judged at all.
///
/// # Errors
/// See [`Unusable`].
pub fn readable(bytes: &[u8]) -> Result<&str, Unusable> {
    if bytes.len() >= MAX {
        return Err(Unusable::TooLong);
    }
    if bytes.contains(&0) {
        return Err(Unusable::Zero);
    }
    std::str::from_utf8(bytes).map_err(|_| Unusable::Encoding)
}

/// An absolute path without `.`, `..`, doubled or trailing slashes. `base` is where relative ones start, itself absolute.
///
/// `..` takes the segment before it away, whatever that is on the target: behind a symbolic link the target itself would
/// have gone elsewhere. It is never asked to, because this form is also what is sent.
///
/// # Errors
/// [`Unusable::TooLong`] when base and path together are.
pub fn normalise(path: &str, base: &str) -> Result<String, Unusable> {
    let base = if path.starts_with('/') { "" } else { base };
    let mut segments: Vec<&str> = Vec::new();
    for segment in base.split('/').chain(path.split('/')) {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let normal = format!("/{}", segments.join("/"));
    if normal.len() >= MAX { Err(Unusable::TooLong) } else { Ok(normal) }
}

/// The same, for a request in which the target would expand a leading `~`.
///
/// # Errors
/// As [`normalise`], and [`Unusable::OtherHome`].
pub fn expand(path: &str, home: &str) -> Result<String, Unusable> {
    match path.strip_prefix('~') {
        None => normalise(path, home),
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            normalise(rest.trim_start_matches('/'), home)
        }
        Some(_) => Err(Unusable::OtherHome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_becomes_the_same() {
        for (path, expected) in [
            ("/etc/passwd", "/etc/passwd"),
            ("//etc///passwd//", "/etc/passwd"),
            ("/./etc/./passwd/.", "/etc/passwd"),
            ("/tmp/../etc/passwd", "/etc/passwd"),
            ("../../../../etc/passwd", "/etc/passwd"),
            ("/etc/x/../passwd", "/etc/passwd"),
            ("/..", "/"),
            ("/", "/"),
            ("", "/home/ana"),
            (".", "/home/ana"),
            ("file", "/home/ana/file"),
            ("./a/../file/", "/home/ana/file"),
            ("..", "/home"),
            ("~", "/home/ana/~"),
            ("...", "/home/ana/..."),
            (" . ", "/home/ana/ . "),
            ("/etc/passwd\n", "/etc/passwd\n"),
            ("/e\u{301}tc", "/e\u{301}tc"),
        ] {
            assert_eq!(normalise(path, "/home/ana").as_deref(), Ok(expected), "{path:?}");
        }
    }

    #[test]
    fn a_tilde_is_the_users_own_home_or_nobodys() {
        for (path, expected) in [
            ("~", Ok("/home/ana")),
            ("~/", Ok("/home/ana")),
            ("~/x", Ok("/home/ana/x")),
            ("~/../x", Ok("/home/x")),
            ("~//etc", Ok("/home/ana/etc")),
            ("x/~", Ok("/home/ana/x/~")),
            ("~root/x", Err(Unusable::OtherHome)),
        ] {
            assert_eq!(expand(path, "/home/ana").as_deref(), expected.as_ref().copied(), "{path:?}");
        }
    }

    #[test]
    fn what_policies_cannot_name_is_refused() {
        assert_eq!(readable(b"/a\xff"), Err(Unusable::Encoding));
        assert_eq!(readable(b"/a\0b"), Err(Unusable::Zero));
        assert_eq!(readable(&[b'a'; MAX]), Err(Unusable::TooLong));
        assert!(readable(&[b'a'; MAX - 1]).is_ok());
        assert_eq!(normalise(&"a".repeat(4000), &format!("/{}", "b".repeat(100))), Err(Unusable::TooLong));
    }
}
