//! A pattern made ready for matching.

use smallvec::{SmallVec, smallvec};

use crate::name::{Name, Tree};
use crate::rule::Pattern;
use crate::truth::Truth;

/// A compiled [`Pattern`], matched against the joined form of a [`Name`] or against a plain text
/// (one segment). Matching allocates nothing and takes at most segments × length steps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Glob {
    /// Exactly this joined name.
    Literal(Box<str>),
    /// Any name: the pattern `**`.
    Everything,
    /// Segment by segment.
    Segments(Box<[Segment]>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    /// Any number of segments, none included: `**`.
    Many,
    /// Exactly this segment.
    Exact(Box<str>),
    /// The texts between the stars, in order; at least two, the first and last possibly empty.
    Wild(Box<[Box<str>]>),
}

impl Glob {
    pub(crate) fn new(pattern: &Pattern) -> Self {
        if let [only] = &*pattern.segments
            && &**only == "**"
        {
            return Self::Everything;
        }
        if pattern.segments.iter().all(|segment| !segment.contains('*')) {
            return Self::Literal(join(pattern.segments.iter().map(|segment| &**segment)));
        }
        Self::Segments(pattern.segments.iter().map(|segment| Segment::new(segment)).collect())
    }

    /// One segment, in which `**` is no more than `*`: a shape's element.
    pub(crate) fn element(text: &str) -> Self {
        match Segment::new(text) {
            Segment::Exact(text) => Self::Literal(text),
            Segment::Many => Self::Everything,
            wild @ Segment::Wild(_) => Self::Segments([wild].into()),
        }
    }

    pub(crate) fn matches(&self, joined: &str) -> bool {
        match self {
            Self::Literal(text) => **text == *joined,
            Self::Everything => true,
            Self::Segments(segments) => match_segments(segments, joined),
        }
    }

    /// Whether all names of the tree match, or some, or none. A pattern that covers them only by several ways of its `**`
    /// together (`**/*`) counts as one that covers some.
    pub(crate) fn matches_tree(&self, tree: &Tree) -> Truth {
        match self {
            Self::Everything => Truth::True,
            Self::Literal(text) if tree.contains(text) => Truth::Undetermined,
            Self::Literal(_) => Truth::False,
            Self::Segments(segments) => match_tree(segments, tree),
        }
    }

    /// Whether every text of one segment matches: `*` and `**`, and nothing else does.
    pub(crate) fn matches_any_text(&self) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Everything => true,
            Self::Segments(segments) => {
                let is_open = |segment: &Segment| match segment {
                    Segment::Many => true,
                    Segment::Exact(_) => false,
                    Segment::Wild(pieces) => pieces.iter().all(|piece| piece.is_empty()),
                };
                segments.iter().all(is_open)
                    && segments.iter().filter(|segment| **segment != Segment::Many).count() <= 1
            }
        }
    }

    /// Whether some text of one segment matches at all.
    pub(crate) fn may_match_a_text(&self) -> bool {
        match self {
            Self::Literal(text) => !text.contains(Name::SEPARATOR),
            Self::Everything => true,
            Self::Segments(segments) => {
                segments.iter().filter(|segment| **segment != Segment::Many).count() <= 1
            }
        }
    }

    /// Whether some name that starts with these segments and has one more may match. Errs on the side of yes
    /// for patterns with `**`.
    pub(crate) fn may_match_in(&self, parent: &str) -> bool {
        match self {
            Self::Literal(text) => {
                text.rsplit_once(Name::SEPARATOR).is_some_and(|(before, _)| before == parent)
            }
            Self::Everything => true,
            Self::Segments(segments) if segments.contains(&Segment::Many) => true,
            Self::Segments(segments) => {
                let Some((_, before)) = segments.split_last() else { return false };
                match_segments(before, parent)
            }
        }
    }

    /// The longest text that every matching name contains, or `None` if there is none.
    pub(crate) fn fragment(&self) -> Option<Box<str>> {
        match self {
            Self::Literal(text) => Some(text.clone()),
            Self::Everything => None,
            Self::Segments(segments) => {
                // A separator is certain only between two segments that stand side by side.
                let mut longest = String::new();
                let mut current = String::new();
                let mut inside = false;
                let mut cut = |current: &mut String| {
                    if current.len() > longest.len() {
                        longest.clone_from(current);
                    }
                    current.clear();
                };
                for segment in segments {
                    if inside && *segment != Segment::Many {
                        current.push(Name::SEPARATOR);
                    }
                    inside = *segment != Segment::Many;
                    match segment {
                        Segment::Many => cut(&mut current),
                        Segment::Exact(text) => current.push_str(text),
                        Segment::Wild(pieces) => {
                            for (index, piece) in pieces.iter().enumerate() {
                                if index > 0 {
                                    cut(&mut current);
                                }
                                current.push_str(piece);
                            }
                        }
                    }
                }
                cut(&mut current);
                (!longest.is_empty()).then(|| longest.into())
            }
        }
    }
}

impl Segment {
    pub(crate) fn new(text: &str) -> Self {
        match text {
            "**" => Self::Many,
            _ if text.contains('*') => Self::Wild(text.split('*').map(Box::from).collect()),
            _ => Self::Exact(text.into()),
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Many => true,
            Self::Exact(exact) => **exact == *text,
            Self::Wild(pieces) => match_wild(pieces, text),
        }
    }
}

/// The segments of a joined name, put together from a pattern's.
fn join<'a>(segments: impl Iterator<Item = &'a str>) -> Box<str> {
    let mut joined = String::new();
    for (index, segment) in segments.enumerate() {
        if index > 0 {
            joined.push(Name::SEPARATOR);
        }
        joined.push_str(segment);
    }
    joined.into()
}

/// The first piece must start the text, the last must end it, the others follow each other in
/// between; taking each at its first place is right because a star may swallow anything.
fn match_wild(pieces: &[Box<str>], text: &str) -> bool {
    let [first, middle @ .., last] = pieces else { return false };
    let Some(rest) = text.strip_prefix(&**first) else { return false };
    let Some(mut rest) = rest.strip_suffix(&**last) else { return false };
    for piece in middle {
        match rest.split_once(&**piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

/// Greedy with one point of return: when a segment fails, the latest `**` takes one segment more.
fn match_segments(mut pattern: &[Segment], joined: &str) -> bool {
    let mut names = joined.split(Name::SEPARATOR);
    let mut resume: Option<(&[Segment], std::str::Split<'_, char>)> = None;
    loop {
        if let [Segment::Many, rest @ ..] = pattern {
            pattern = rest;
            resume = Some((rest, names.clone()));
            continue;
        }
        let name = names.next();
        let advanced = match (pattern, name) {
            ([], None) => return true,
            ([segment, rest @ ..], Some(name)) if segment.matches(name) => Some(rest),
            _ => None,
        };
        match (advanced, &mut resume) {
            (Some(rest), _) => pattern = rest,
            (None, Some((after, from))) => {
                if from.next().is_none() {
                    return false;
                }
                pattern = after;
                names = from.clone();
            }
            (None, None) => return false,
        }
    }
}

/// Follows every place in the pattern that the root's segments may lead to.
fn match_tree(pattern: &[Segment], tree: &Tree) -> Truth {
    let mut places: SmallVec<[&[Segment]; 8]> = smallvec![pattern];
    for name in tree.root().into_iter().flat_map(Name::segments) {
        let mut next: SmallVec<[&[Segment]; 8]> = SmallVec::new();
        let mut reach = |place| {
            if !next.contains(&place) {
                next.push(place);
            }
        };
        for mut place in places {
            while let [Segment::Many, rest @ ..] = place {
                reach(place);
                place = rest;
            }
            if let [segment, rest @ ..] = place
                && segment.matches(name)
            {
                reach(rest);
            }
        }
        places = next;
    }
    let is_all =
        |place: &&[Segment]| !place.is_empty() && place.iter().all(|segment| *segment == Segment::Many);
    match places {
        places if places.iter().any(is_all) => Truth::True,
        places if places.is_empty() => Truth::False,
        _ => Truth::Undetermined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Glob {
        Glob::new(&Pattern { segments: text.split('.').map(Box::from).collect() })
    }

    fn joined(text: &str) -> String {
        text.replace('.', "\u{1f}")
    }

    #[test]
    fn stars_stay_inside_a_segment_and_double_stars_cross() {
        for (pattern, name, expected) in [
            ("public.orders", "public.orders", true),
            ("public.orders", "public.order", false),
            ("public.*", "public.orders", true),
            ("public.*", "public", false),
            ("public.*", "public.a.b", false),
            ("*.pan", "cards.pan", true),
            ("*.pan", "public.cards.pan", false),
            ("**.pan", "public.cards.pan", true),
            ("**.pan", "pan", true),
            ("public.**", "public", true),
            ("public.**", "public.a.b.c", true),
            ("**", "anything.at.all", true),
            ("a.**.b.**.c", "a.b.c", true),
            ("a.**.b.**.c", "a.x.b.b.y.c", true),
            ("a.**.b.**.c", "a.x.c.b", false),
            ("a.**.b.*", "a.b.b.b", true),
            ("**.a.b", "a.a.b.a.b", true),
            ("t*_*x", "t1_2x", true),
            ("t*_*x", "t_x", true),
            ("t*_*x", "tx", false),
            ("ab*ba", "aba", false),
            ("*a*a*", "a", false),
            ("*a*a*", "aa", true),
        ] {
            assert_eq!(glob(pattern).matches(&joined(name)), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn a_tree_matches_where_each_of_its_names_does() {
        use Truth::{False, True, Undetermined};
        for (pattern, root, expected) in [
            ("**", "srv.app", True),
            ("srv.**", "srv.app", True),
            ("srv.**", "srv", True),
            ("srv.app.**", "srv", Undetermined),
            ("srv.app", "srv.app", Undetermined),
            ("srv.app", "srv", Undetermined),
            ("srv.application", "srv.app", False),
            ("srv", "srv.app", False),
            ("srv.*", "srv.app", Undetermined),
            ("srv.*", "srv", Undetermined),
            ("srv.*", "srv.app.x", False),
            ("srv.*.**", "srv", Undetermined),
            ("srv.*.**", "srv.app", True),
            ("**.keys.**", "srv.app", Undetermined),
            ("**.keys.**", "srv.keys.x", True),
            ("**.*.pem", "srv.app", Undetermined),
            ("etc.**", "srv.app", False),
            ("**.**", "srv.app", True),
            ("**.*", "srv.app", Undetermined),
            ("s*.a*.**", "srv.app.x", True),
            ("s*.b*.**", "srv.app.x", False),
        ] {
            let tree = Tree::of(Name::new(root.split('.')).unwrap());
            assert_eq!(glob(pattern).matches_tree(&tree), expected, "{pattern} on {root}");
        }
        assert_eq!(glob("**").matches_tree(&Tree::EVERYTHING), True);
        assert_eq!(glob("**.**").matches_tree(&Tree::EVERYTHING), True);
        assert_eq!(glob("srv").matches_tree(&Tree::EVERYTHING), Undetermined);
        assert_eq!(glob("srv.**").matches_tree(&Tree::EVERYTHING), Undetermined);
    }

    #[test]
    fn a_relation_may_hold_a_column_that_matches() {
        for (pattern, relation, expected) in [
            ("public.users.email", "public.users", true),
            ("public.users.email", "public.orders", false),
            ("public.users.email", "public", false),
            ("public.*.email", "public.orders", true),
            ("public.*.email", "private.orders", false),
            ("**.email", "private.orders", true),
            ("**", "private.orders", true),
        ] {
            assert_eq!(glob(pattern).may_match_in(&joined(relation)), expected, "{pattern} in {relation}");
        }
    }

    #[test]
    fn a_fragment_is_in_every_match() {
        for (pattern, expected) in [
            ("public.*", Some("public.")),
            ("*.orders", Some(".orders")),
            ("a.**.bcd", Some("bcd")),
            ("x.y.**", Some("x.y")),
            ("t*_long*x", Some("_long")),
            ("*.*", Some(".")),
            ("*", None),
            ("**", None),
        ] {
            assert_eq!(glob(pattern).fragment().as_deref(), expected.map(joined).as_deref(), "{pattern}");
        }
    }
}
