//! Rules and actions in the words that people read, close to the language's own.

use std::fmt::{self, Display, Formatter};

use crate::action::{Action, Resource};
use crate::rule::{Comparison, Do, Element, Expr, Pattern, Quorum, Selector};
use crate::vocabulary::Spelling;

/// Something to be shown as its protocol spells it.
pub(crate) struct Words<'a, T: ?Sized>(pub(crate) &'a T, pub(crate) &'a Spelling);

impl Display for Words<'_, Action> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0.verb)?;
        if let Some(resource) = self.1.resource(self.0) {
            return write!(f, " on `{resource}`");
        }
        match &self.0.resource {
            Resource::None | Resource::Named(_) | Resource::Tree(_) => Ok(()),
            Resource::Pending => f.write_str(" on a resource that depends on parameters"),
            Resource::Undetermined => f.write_str(" on a resource that could not be determined"),
        }
    }
}

impl Display for Words<'_, Pattern> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        list(f, &self.0.segments, &self.1.separator().to_string(), |f, segment| f.write_str(segment))?;
        f.write_str("\"")
    }
}

impl Display for Words<'_, [Selector]> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("on ")?;
        list(f, self.0, ", ", |f, on| {
            write!(f, "{}", on.protocol)?;
            if !on.names.is_empty() {
                f.write_str(" ")?;
                list(f, &on.names, ", ", |f, name| Words(name, self.1).fmt(f))?;
            }
            match &on.labels {
                Some(labels) => write!(f, " where {}", Words(labels, self.1)),
                None => Ok(()),
            }
        })
    }
}

impl Display for Words<'_, [Do]> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("do ")?;
        list(f, self.0, "; ", |f, does| {
            list(f, &does.verbs, ", ", |f, verb| verb.fmt(f))?;
            if !does.resources.is_empty() {
                f.write_str(" on ")?;
                let (before, between) = (self.1.before(&does.verbs), self.1.separator().to_string());
                list(f, &does.resources, ", ", |f, resource| {
                    write!(f, "\"{before}{}\"", resource.segments.join(&*between))
                })?;
            }
            Ok(())
        })
    }
}

impl Display for Words<'_, Expr> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let part = |f: &mut Formatter<'_>, part: &Expr| match part {
            Expr::All(parts) | Expr::Any(parts) if parts.len() > 1 => write!(f, "({})", Words(part, self.1)),
            _ => Words(part, self.1).fmt(f),
        };
        match self.0 {
            Expr::All(parts) if parts.is_empty() => f.write_str("always"),
            Expr::Any(parts) if parts.is_empty() => f.write_str("never"),
            Expr::All(parts) => list(f, parts, " and ", part),
            Expr::Any(parts) => list(f, parts, " or ", part),
            Expr::Not(inner) => {
                f.write_str("not ")?;
                part(f, inner)
            }
            Expr::User(pattern) => write!(f, "user {}", Words(pattern, self.1)),
            Expr::Group(group) => write!(f, "group {group:?}"),
            Expr::Kind(kind) => f.write_str(kind.as_str()),
            Expr::OnBehalfOf(owner) => {
                f.write_str("agent on behalf of ")?;
                part(f, owner)
            }
            Expr::Compare(fact, comparison, literal) => write!(f, "{fact} {} {literal}", sign(*comparison)),
            Expr::In(fact, literals) => {
                write!(f, "{fact} in [")?;
                list(f, literals, ", ", |f, literal| literal.fmt(f))?;
                f.write_str("]")
            }
            Expr::Like(fact, pattern) => {
                write!(f, "{fact} {} {}", self.1.matched_by(fact), Words(pattern, self.1))
            }
            Expr::Shape(fact, elements) => {
                write!(f, "{fact} is [")?;
                list(f, elements, ", ", |f, element| match element {
                    Element::One(text) => write!(f, "{text:?}"),
                    Element::AnyOne => f.write_str("*"),
                    Element::AnyNumber => f.write_str("**"),
                })?;
                f.write_str("]")
            }
            Expr::Matches(fact, regex) => write!(f, "{fact} matches {regex:?}"),
            Expr::Holds(fact) => fact.fmt(f),
        }
    }
}

impl Display for Quorum {
    /// `2 of group "sre"`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        static PLAIN: Spelling = Spelling::PLAIN;
        let of = Words(&self.of, &PLAIN);
        match self.of {
            Expr::All(_) | Expr::Any(_) => write!(f, "{} of ({of})", self.count),
            _ => write!(f, "{} of {of}", self.count),
        }
    }
}

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

fn list<T>(
    f: &mut Formatter<'_>,
    items: &[T],
    between: &str,
    show: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        show(f, item)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Fact;
    use crate::vocabulary::{postgres, ssh};

    #[test]
    fn a_pattern_of_a_list_is_about_an_element() {
        let pattern =
            |segments: &[&str]| Pattern { segments: segments.iter().map(|&name| name.into()).collect() };
        let attribute = |name: &str| Fact::Attribute(name.into());
        for (vocabulary, condition, expected) in [
            (ssh::vocabulary(), Expr::Like(attribute("argv"), pattern(&["kill"])), "argv has \"kill\""),
            (ssh::vocabulary(), Expr::Like(attribute("text"), pattern(&["kill*"])), "text like \"kill*\""),
            (ssh::vocabulary(), Expr::Like(Fact::Source, pattern(&["10.*"])), "source like \"10.*\""),
            (
                postgres::vocabulary(),
                Expr::Like(attribute("reads"), pattern(&["*", "pan"])),
                "reads has \"*.pan\"",
            ),
        ] {
            assert_eq!(Words(&condition, &Spelling::of(&vocabulary)).to_string(), expected);
        }
    }
}
