//! How a protocol's names are written for people to read.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{self, Display};

use super::{Type, Vocabulary};
use crate::action::{Action, Resource, Verb};
use crate::rule::Fact;

/// How a protocol's names are written: as its policies write them.
#[derive(Clone, Debug)]
pub struct Spelling {
    separator: char,
    /// The verbs whose resources are paths.
    paths: BTreeSet<Cow<'static, str>>,
    /// The attributes that are lists.
    lists: BTreeSet<Cow<'static, str>>,
}

impl Spelling {
    /// Names with dots, for a protocol that no vocabulary declares.
    pub(crate) const PLAIN: Self = Self { separator: '.', paths: BTreeSet::new(), lists: BTreeSet::new() };

    /// How the names of this vocabulary are written.
    pub fn of(vocabulary: &Vocabulary) -> Self {
        let paths = vocabulary.verbs.values().filter(|verb| verb.path).map(|verb| verb.name.clone());
        let attributes = vocabulary.verbs.values().flat_map(|verb| &verb.attributes);
        let lists = attributes
            .filter(|(_, kind)| matches!(kind, Type::List | Type::Names))
            .map(|(name, _)| name.clone());
        Self { separator: vocabulary.separator, paths: paths.collect(), lists: lists.collect() }
    }

    /// Stands between segments.
    pub const fn separator(&self) -> char {
        self.separator
    }

    /// What an action is done to, such as `public.orders`, `/etc/passwd` or `/srv/www/**`; `None` where it has no resource, or
    /// one that is not known.
    pub fn resource<'a>(&'a self, action: &'a Action) -> Option<impl Display + 'a> {
        matches!(action.resource, Resource::Named(_) | Resource::Tree(_))
            .then_some(Spelled { spelling: self, action })
    }

    /// What a condition with a pattern is written with: of lists it is about an element.
    pub(crate) fn matched_by(&self, fact: &Fact) -> &'static str {
        match fact {
            Fact::Attribute(name) if self.lists.contains(&**name) => "has",
            _ => "like",
        }
    }

    /// What stands before a resource of these verbs.
    pub(crate) fn before<'v>(&self, verbs: impl IntoIterator<Item = &'v Verb>) -> &'static str {
        let all_are_paths = verbs.into_iter().all(|verb| self.paths.contains(verb.as_str()));
        if all_are_paths { "/" } else { "" }
    }
}

struct Spelled<'a> {
    spelling: &'a Spelling,
    action: &'a Action,
}

impl Display for Spelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.spelling.before([&self.action.verb]))?;
        match &self.action.resource {
            Resource::Named(name) => name.display(self.spelling.separator).fmt(f),
            Resource::Tree(tree) => tree.display(self.spelling.separator).fmt(f),
            Resource::None | Resource::Pending | Resource::Undetermined => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Tree;
    use crate::vocabulary::{postgres, ssh};

    #[test]
    fn names_are_written_as_policies_write_them() {
        let (sql, shell) = (Spelling::of(&postgres::vocabulary()), Spelling::of(&ssh::vocabulary()));
        for (spelling, verb, resource, expected) in [
            (&sql, "select", Resource::named(["public", "orders"]), Some("public.orders")),
            (&shell, "read", ssh::path("/etc/passwd"), Some("/etc/passwd")),
            (&shell, "read", ssh::path("/"), Some("/.")),
            (&shell, "write", Resource::Tree(Tree::EVERYTHING), Some("/**")),
            (&shell, "env", Resource::named(["LANG"]), Some("LANG")),
            (&shell, "read", Resource::Undetermined, None),
            (&shell, "shell", Resource::None, None),
        ] {
            let action = Action::new(Verb::new(verb), resource);
            let shown = spelling.resource(&action).map(|shown| shown.to_string());
            assert_eq!(shown.as_deref(), expected, "{action:?}");
        }
    }
}
