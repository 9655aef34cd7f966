//! Expressions to conditions: each looks at what there is, where it may, as what it is.

use regex_automata::dfa::{StartKind, dense};
use regex_automata::util::syntax;

use super::{Checker, has_segments};
use crate::policy::condition::{Condition, Network, Part, Test, WEEKDAYS};
use crate::policy::error::{Clause, MAX_DEPTH, Problem};
use crate::policy::glob::Glob;
use crate::rule::{Comparison, Element, Expr, Fact, Literal, Pattern};
use crate::vocabulary::{Spelling, Type};
use crate::words::Words;

/// No automaton of a regular expression takes more bytes than this, built or in the making.
const REGEX_BYTES: usize = 4 << 20;

impl Checker<'_> {
    /// A faulty part becomes a condition that never holds; the error keeps the policy from being made.
    pub(super) fn condition(&mut self, expr: &Expr, depth: usize) -> Condition {
        if depth >= MAX_DEPTH {
            self.report(Problem::TooDeep);
            return Condition::Any([].into());
        }
        self.well_placed(expr);
        match expr {
            Expr::All(parts) => {
                Condition::All(parts.iter().map(|part| self.condition(part, depth + 1)).collect())
            }
            Expr::Any(parts) => {
                Condition::Any(parts.iter().map(|part| self.condition(part, depth + 1)).collect())
            }
            Expr::Not(part) => Condition::Not(Box::new(self.condition(part, depth + 1))),
            Expr::User(pattern) => Condition::User(self.single(pattern, "a user's name")),
            Expr::Group(group) => Condition::Group(group.clone()),
            Expr::Kind(kind) => Condition::Kind(*kind),
            Expr::OnBehalfOf(owner) => {
                let outside = std::mem::replace(&mut self.of_owner, true);
                let owner = self.condition(owner, depth + 1);
                self.of_owner = outside;
                Condition::OnBehalfOf(Box::new(owner))
            }
            Expr::Compare(fact, comparison, literal) => self.compare(fact, *comparison, literal),
            Expr::In(fact, literals) => self.is_in(fact, literals),
            Expr::Like(fact, pattern) => {
                let glob = match self.type_of(fact, "a pattern", &[Type::Text, Type::List, Type::Names]) {
                    Some(Type::Names) => {
                        self.can_name(fact, pattern);
                        Glob::new(pattern)
                    }
                    _ => self.single(pattern, "a text"),
                };
                Condition::Fact(fact.clone(), Test::Like([glob].into()))
            }
            Expr::Shape(fact, elements) => {
                self.type_of(fact, "a shape", &[Type::List]);
                let parts = elements.iter().map(|element| match element {
                    Element::One(text) => Part::One(Glob::element(text)),
                    Element::AnyOne => Part::One(Glob::Everything),
                    Element::AnyNumber => Part::AnyNumber,
                });
                Condition::Fact(fact.clone(), Test::Shape(parts.collect()))
            }
            Expr::Matches(fact, regex) => {
                self.type_of(fact, "a regular expression", &[Type::Text]);
                self.regex(fact, regex)
            }
            Expr::Holds(fact) => {
                self.type_of(fact, "a condition", &[Type::Bool]);
                Condition::Fact(fact.clone(), Test::Holds)
            }
        }
    }

    /// `by` is about the principal (opening a session is judged by it alone), `on` about the target,
    /// `until` about a reviewer.
    fn well_placed(&mut self, expr: &Expr) {
        let known_of_owner =
            matches!(expr, Expr::All(_) | Expr::Any(_) | Expr::Not(_) | Expr::User(_) | Expr::Group(_));
        if self.of_owner && !known_of_owner {
            self.report(Problem::Misplaced {
                fact: Words(expr, &Spelling::PLAIN).to_string(),
                reason: "of whom an agent acts for, only the name and the groups are known",
            });
            return;
        }
        let fact = match expr {
            Expr::User(_) | Expr::Group(_) | Expr::Kind(_) | Expr::OnBehalfOf(_)
                if self.clause == Clause::On =>
            {
                self.report(Problem::Misplaced {
                    fact: "who asks".into(),
                    reason: "`on` is about the target; write it in `by`",
                });
                return;
            }
            Expr::Compare(fact, ..) | Expr::In(fact, _) | Expr::Like(fact, _) => fact,
            Expr::Shape(fact, _) | Expr::Matches(fact, _) | Expr::Holds(fact) => fact,
            _ => return,
        };
        let reason = match (self.clause, fact) {
            (Clause::On, Fact::Label(_)) | (Clause::Until, Fact::Claim(_)) => return,
            (Clause::On, _) => "`on` is about the target's labels; write it in `when`",
            (Clause::Until, _) => "`until` is about the reviewer, not about the command",
            (Clause::By, Fact::Attribute(_)) => "`by` is about who asks; write it in `when`",
            _ => return,
        };
        self.report(Problem::Misplaced { fact: fact.to_string(), reason });
    }

    /// The type of a fact, after checking that it is one of `wanted` wherever the rule can match.
    fn type_of(&mut self, fact: &Fact, operation: &'static str, wanted: &'static [Type]) -> Option<Type> {
        let types: Vec<Type> = match fact {
            Fact::Attribute(name) => {
                let mut types = Vec::new();
                for (protocol, spec) in self.reach.clone() {
                    match spec.attribute(name) {
                        Some(found) => types.push(found),
                        None => {
                            self.report(Problem::UnknownAttribute {
                                attribute: name.to_string(),
                                protocol: protocol.protocol.clone(),
                                verb: spec.name.to_string(),
                                candidates: spec.attributes.keys().map(ToString::to_string).collect(),
                            });
                            // One verb is enough to say so.
                            return None;
                        }
                    }
                }
                types
            }
            Fact::Hour => vec![Type::Integer],
            Fact::Label(_) | Fact::Claim(_) | Fact::Weekday | Fact::Source => vec![Type::Text],
        };
        let first = *types.first()?;
        let fits = |found: &Type| {
            wanted.contains(found)
                || *found == Type::Scalar && wanted.iter().any(|wanted| Type::SCALARS.contains(wanted))
        };
        match types.iter().find(|found| !fits(found) || **found != first) {
            None => Some(first),
            Some(&found) => {
                let wanted = match wanted {
                    [Type::Bool] => "a truth value",
                    [Type::Integer] => "a whole number",
                    [Type::Text] => "a text",
                    [Type::List] => "a list of texts",
                    [Type::Text, Type::List, Type::Names] => "a text, a list of texts or a list of names",
                    _ => "the same type on every verb that the rule can match",
                };
                self.report(Problem::TypeMismatch { fact: fact.to_string(), found, operation, wanted });
                None
            }
        }
    }

    fn compare(&mut self, fact: &Fact, comparison: Comparison, literal: &Literal) -> Condition {
        let test = match (comparison, literal) {
            (_, Literal::Integer(bound)) => {
                self.type_of(fact, "a comparison with a number", &[Type::Integer]);
                Test::Order(comparison, *bound)
            }
            (Comparison::Equal | Comparison::NotEqual, Literal::Bool(_)) => {
                self.type_of(fact, "a comparison with a truth value", &[Type::Bool]);
                Test::OneOf([literal.clone()].into())
            }
            (Comparison::Equal | Comparison::NotEqual, Literal::Text(_)) => {
                if self.type_of(fact, "a comparison with a text", &[Type::Text]).is_some() {
                    self.members(fact, Type::Text, std::slice::from_ref(literal))
                } else {
                    Test::Holds
                }
            }
            (_, Literal::Bool(_) | Literal::Text(_)) => {
                self.report(Problem::TypeMismatch {
                    fact: literal.to_string(),
                    found: if matches!(literal, Literal::Bool(_)) { Type::Bool } else { Type::Text },
                    operation: "an order",
                    wanted: "a whole number",
                });
                Test::Holds
            }
        };
        let condition = Condition::Fact(fact.clone(), test);
        match (comparison, literal) {
            (Comparison::NotEqual, Literal::Bool(_) | Literal::Text(_)) => {
                Condition::Not(Box::new(condition))
            }
            _ => condition,
        }
    }

    fn is_in(&mut self, fact: &Fact, literals: &[Literal]) -> Condition {
        let any = &[Type::Text, Type::List, Type::Names, Type::Integer, Type::Bool];
        let Some(found) = self.type_of(fact, "membership", any) else { return Condition::Any([].into()) };
        Condition::Fact(fact.clone(), self.members(fact, found, literals))
    }

    /// The test that a fact of this type is, or contains, one of these.
    fn members(&mut self, fact: &Fact, found: Type, literals: &[Literal]) -> Test {
        let wanted = match (fact, found) {
            (Fact::Weekday, _) => "mon, tue, wed, thu, fri, sat or sun",
            (Fact::Source, _) => "an address or a network such as \"10.0.0.0/8\"",
            (Fact::Hour, _) => "a whole number from 0 to 23",
            (_, Type::Bool) => "true or false",
            (_, Type::Integer) => "a whole number",
            _ => "a text",
        };
        let mut globs = Vec::new();
        let mut networks = Vec::new();
        for literal in literals {
            let good = match (fact, found, literal) {
                (Fact::Weekday, _, Literal::Text(day)) => WEEKDAYS.contains(&&**day),
                (Fact::Source, _, Literal::Text(text)) => match Network::parse(text) {
                    Some(network) => {
                        networks.push(network);
                        true
                    }
                    None => false,
                },
                (Fact::Hour, _, Literal::Integer(hour)) => (0..24).contains(hour),
                (_, Type::Names, Literal::Text(text)) => {
                    // The reach is not empty where a fact has a type.
                    if let Some((vocabulary, _)) = self.reach.first() {
                        match vocabulary.parse_pattern(text) {
                            Ok(pattern) => {
                                self.can_name(fact, &pattern);
                                globs.push(Glob::new(&pattern));
                            }
                            Err(error) => self.report(error.into()),
                        }
                    }
                    true
                }
                (_, Type::Text | Type::List, Literal::Text(_)) => true,
                (_, Type::Integer, Literal::Integer(_)) | (_, Type::Bool, Literal::Bool(_)) => true,
                _ => false,
            };
            if !good {
                self.report(Problem::BadLiteral {
                    fact: fact.to_string(),
                    literal: literal.to_string(),
                    wanted,
                });
            }
        }
        match (fact, found) {
            (Fact::Source, _) => Test::Within(networks.into()),
            (_, Type::Names) => Test::Like(globs.into()),
            _ => Test::OneOf(literals.into()),
        }
    }

    fn regex(&mut self, fact: &Fact, regex: &str) -> Condition {
        let built = dense::Builder::new()
            .syntax(syntax::Config::new().nest_limit(MAX_DEPTH as u32))
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Unanchored)
                    .unicode_word_boundary(true)
                    .dfa_size_limit(Some(REGEX_BYTES))
                    .determinize_size_limit(Some(REGEX_BYTES)),
            )
            .thompson(regex_automata::nfa::thompson::Config::new().nfa_size_limit(Some(REGEX_BYTES)))
            .build(regex);
        match built {
            Ok(automaton) => Condition::Fact(fact.clone(), Test::Matches(Box::new(automaton))),
            Err(error) => {
                let mut reason = error.to_string();
                let mut source = std::error::Error::source(&error);
                while let Some(cause) = source {
                    reason = cause.to_string();
                    source = cause.source();
                }
                self.report(Problem::Regex { regex: regex.into(), reason });
                Condition::Any([].into())
            }
        }
    }

    /// Names in attributes are those of the resource's own members, such as a relation's columns.
    fn can_name(&mut self, fact: &Fact, pattern: &Pattern) {
        let unfit = self.reach.iter().find_map(|(protocol, spec)| {
            let wanted = spec.segments? + 1;
            (!has_segments(pattern, wanted)).then_some((protocol.separator, wanted))
        });
        if let Some((separator, wanted)) = unfit {
            let pattern = pattern.segments.join(&*separator.to_string());
            self.report(Problem::NeverNames { fact: fact.to_string(), pattern, wanted });
        }
    }

    /// A pattern on a plain text.
    pub(super) fn single(&mut self, pattern: &Pattern, subject: &'static str) -> Glob {
        if pattern.segments.len() != 1 {
            self.report(Problem::Segments { subject, segments: pattern.segments.len() });
        }
        Glob::new(pattern)
    }
}
