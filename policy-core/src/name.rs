//! Names of resources: segments, and whatever lies below one.

use std::fmt;

/// A name made of segments, such as `public.orders` or `/etc/passwd`.
///
/// Segments are kept apart by a separator that no segment can contain, so a quoted identifier with a
/// dot in it (`"a.b"`) is never mistaken for two segments.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

impl Name {
    /// Stands between two segments (U+001F, the unit separator).
    pub const SEPARATOR: char = '\u{1f}';

    /// Builds a name from its segments, or `None` if there are none or one contains the separator:
    /// such a resource is [`Resource::Undetermined`](crate::Resource::Undetermined).
    pub fn new<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Option<Self> {
        let mut joined = String::new();
        for (index, segment) in segments.into_iter().enumerate() {
            let segment = segment.as_ref();
            if segment.contains(Self::SEPARATOR) {
                return None;
            }
            if index > 0 {
                joined.push(Self::SEPARATOR);
            }
            joined.push_str(segment);
        }
        if joined.is_empty() { None } else { Some(Self(joined.into())) }
    }

    /// The segments, in order. There is at least one.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split(Self::SEPARATOR)
    }

    /// The segments joined by [`Name::SEPARATOR`]: the form that patterns are matched against.
    pub fn as_joined(&self) -> &str {
        &self.0
    }

    /// The name as people write it, its segments joined by `separator` (`.` for SQL, `/` for paths).
    pub fn display(&self, separator: char) -> impl fmt::Display + '_ {
        Displayed { name: self, separator }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.display('.'))
    }
}

struct Displayed<'a> {
    name: &'a Name,
    separator: char,
}

impl fmt::Display for Displayed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.name.segments().enumerate() {
            if index > 0 {
                write!(f, "{}", self.separator)?;
            }
            if segment.contains(self.separator) { write!(f, "{segment:?}")? } else { f.write_str(segment)? }
        }
        Ok(())
    }
}

/// A name and every name that starts with its segments, or simply every name: what a pattern that ends with `**` matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tree(Option<Name>);

impl Tree {
    /// Every name there is.
    pub const EVERYTHING: Self = Self(None);

    /// This name and whatever lies below it.
    pub const fn of(root: Name) -> Self {
        Self(Some(root))
    }

    /// The name that all others lie below, or `None` where that is every name.
    pub const fn root(&self) -> Option<&Name> {
        self.0.as_ref()
    }

    /// Whether this joined name is in the tree.
    pub(crate) fn contains(&self, joined: &str) -> bool {
        let Some(root) = &self.0 else { return true };
        let below = joined.strip_prefix(root.as_joined());
        below.is_some_and(|below| below.is_empty() || below.starts_with(Name::SEPARATOR))
    }

    /// The tree as people write it: the pattern that matches exactly its names, such as `srv/app/**`.
    pub fn display(&self, separator: char) -> impl fmt::Display + '_ {
        DisplayedTree { tree: self, separator }
    }
}

struct DisplayedTree<'a> {
    tree: &'a Tree,
    separator: char,
}

impl fmt::Display for DisplayedTree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(root) = self.tree.root() {
            write!(f, "{}{}", root.display(self.separator), self.separator)?;
        }
        f.write_str("**")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_shown_as_the_pattern_that_matches_it() {
        let below = |segments: &[&str]| Tree::of(Name::new(segments).unwrap());
        assert_eq!(below(&["srv", "app"]).display('/').to_string(), "srv/app/**");
        assert_eq!(Tree::EVERYTHING.display('/').to_string(), "**");
    }
}
