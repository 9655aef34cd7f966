//! Rules to matchers: typed and closed. Every error of every rule is found in one run.

use std::collections::BTreeSet;
use std::sync::Arc;

use regex_automata::dfa::{StartKind, dense};
use regex_automata::util::syntax;

use super::condition::{Condition, Network, Part, Test, WEEKDAYS};
use super::error::{Clause, CompileError, MAX_DEPTH, Problem};
use super::glob::Glob;
use super::matcher::{Does, Matcher, On};
use crate::action::Verb;
use crate::mask::FieldMasks;
use crate::rule::{
    Comparison, Do, Effect, Element, Expr, Fact, LimitUnit, Literal, Masked, Mode, Pattern, Predicates,
    Quorum, Rule, Selector,
};
use crate::subject::Protocol;
use crate::vocabulary::{Capability, Spelling, Type, VerbSpec, Vocabulary};
use crate::words::Words;

/// No automaton of a regular expression takes more bytes than this, built or in the making.
const REGEX_BYTES: usize = 4 << 20;

/// A rule that passed every check.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    pub(super) matcher: Matcher,
    pub(super) duty: Duty,
}

/// What an effect needs at evaluation, made ready.
#[derive(Clone, Debug)]
pub(super) enum Duty {
    /// Nothing beyond the rule itself.
    None,
    /// Who may approve, and who may watch.
    Review { approve: Option<Condition>, watch: Option<Condition> },
    /// Which columns are masked, and how.
    Columns { columns: Box<[Glob]>, with: Box<[Glob]> },
    /// Which fields are masked, and how.
    Fields(Arc<FieldMasks>),
}

pub(super) fn compile_rule(
    rule: &Rule,
    vocabularies: &[Vocabulary],
    errors: &mut Vec<CompileError>,
) -> Compiled {
    let protocols = protocols_of(rule, vocabularies);
    let reach = reach(rule, &protocols);
    let mut checker = Checker { rule, reach, clause: Clause::On, of_owner: false, errors };
    let scope = &rule.scope;
    let on = scope.on.iter().map(|selector| checker.selector(selector, vocabularies)).collect();
    checker.clause = Clause::Do;
    if scope.does.as_ref().is_some_and(Vec::is_empty) {
        checker.report(Problem::Missing { what: "a verb", reason: "a rule that does nothing never matches" });
    }
    let does =
        scope.does.as_ref().map(|does| does.iter().map(|does| checker.does(does, &protocols)).collect());
    let by = checker.optional(Clause::By, scope.by.as_ref());
    let when = checker.optional(Clause::When, scope.when.as_ref());
    let unless = checker.optional(Clause::Unless, scope.unless.as_ref());
    let duty = checker.duty(&protocols);
    checker.notices();
    Compiled { matcher: Matcher { by, on, does, when, unless }, duty }
}

/// The vocabularies that a rule is about; unknown protocols are reported by their selector.
fn protocols_of<'v>(rule: &Rule, vocabularies: &'v [Vocabulary]) -> Vec<&'v Vocabulary> {
    let named = |vocabulary: &&Vocabulary| {
        rule.scope.on.is_empty() || rule.scope.on.iter().any(|on| on.protocol == vocabulary.protocol)
    };
    vocabularies.iter().filter(named).collect()
}

/// Every verb of every protocol that the rule can match: each must carry what the rule looks at.
fn reach<'v>(rule: &Rule, protocols: &[&'v Vocabulary]) -> Vec<(&'v Vocabulary, &'v VerbSpec)> {
    let named = |spec: &&VerbSpec| match &rule.scope.does {
        None => true,
        Some(does) => does.iter().flat_map(|does| &does.verbs).any(|verb| verb.as_str() == spec.name),
    };
    protocols
        .iter()
        .flat_map(|&protocol| protocol.verbs.values().filter(named).map(move |spec| (protocol, spec)))
        .collect()
}

/// Whether some name of so many segments may match.
fn has_segments(pattern: &Pattern, wanted: usize) -> bool {
    let crosses = pattern.segments.iter().any(|segment| &**segment == "**");
    let least = pattern.segments.iter().filter(|segment| &***segment != "**").count();
    if crosses { least <= wanted } else { least == wanted }
}

struct Checker<'c> {
    rule: &'c Rule,
    reach: Vec<(&'c Vocabulary, &'c VerbSpec)>,
    clause: Clause,
    /// Whether what is looked at is about whom an agent acts for.
    of_owner: bool,
    errors: &'c mut Vec<CompileError>,
}

impl Checker<'_> {
    fn report(&mut self, problem: Problem) {
        self.errors.push(CompileError {
            rule: self.rule.id.clone(),
            place: self.rule.place.clone(),
            clause: self.clause,
            problem,
        });
    }

    fn selector(&mut self, selector: &Selector, vocabularies: &[Vocabulary]) -> On {
        self.clause = Clause::On;
        if !vocabularies.iter().any(|vocabulary| vocabulary.protocol == selector.protocol) {
            let candidates = vocabularies.iter().map(|vocabulary| vocabulary.protocol.to_string()).collect();
            self.report(Problem::UnknownProtocol { protocol: selector.protocol.clone(), candidates });
        }
        On {
            protocol: selector.protocol.clone(),
            names: selector.names.iter().map(|name| self.single(name, "a target's name")).collect(),
            labels: selector.labels.as_ref().map(|labels| self.condition(labels, 0)),
        }
    }

    fn does(&mut self, does: &Do, protocols: &[&Vocabulary]) -> Does {
        if does.verbs.is_empty() {
            self.report(Problem::Missing {
                what: "a verb",
                reason: "resources alone say nothing about what is done",
            });
        }
        for verb in &does.verbs {
            let specs: Vec<(&Vocabulary, &VerbSpec)> = protocols
                .iter()
                .filter_map(|&protocol| Some((protocol, protocol.verb(verb.as_str())?)))
                .collect();
            if specs.is_empty() {
                // Without a known protocol there is nothing to hold the verb against.
                if !protocols.is_empty() {
                    let candidates: BTreeSet<String> = protocols
                        .iter()
                        .flat_map(|protocol| protocol.verbs.keys().map(ToString::to_string))
                        .collect();
                    self.report(Problem::UnknownVerb {
                        verb: verb.to_string(),
                        protocols: protocols.iter().map(|protocol| protocol.protocol.clone()).collect(),
                        candidates: candidates.into_iter().collect(),
                    });
                }
                continue;
            }
            if !does.resources.is_empty() && specs.iter().all(|(_, spec)| !spec.resource) {
                self.report(Problem::NoResource { verb: verb.to_string() });
                continue;
            }
            for pattern in &does.resources {
                self.can_match(pattern, &specs);
            }
        }
        if does.resources.iter().any(|pattern| pattern.segments.is_empty()) {
            self.report(Problem::Segments { subject: "a resource", segments: 0 });
        }
        Does { verbs: does.verbs.clone().into(), resources: does.resources.iter().map(Glob::new).collect() }
    }

    /// A pattern that no name of the verb's length matches is a rule that would silently never apply.
    fn can_match(&mut self, pattern: &Pattern, specs: &[(&Vocabulary, &VerbSpec)]) {
        let fits = |wanted| has_segments(pattern, wanted);
        if let Some((protocol, spec, wanted)) = specs
            .iter()
            .filter(|(_, spec)| spec.resource)
            .map(|&(protocol, spec)| {
                Some((protocol, spec, spec.segments?)).filter(|&(.., wanted)| !fits(wanted))
            })
            .reduce(|all, next| all.and(next))
            .flatten()
        {
            let pattern = pattern.segments.join(&*protocol.separator.to_string());
            self.report(Problem::NeverMatches { verb: spec.name.to_string(), pattern, wanted });
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

    fn optional(&mut self, clause: Clause, expr: Option<&Expr>) -> Option<Condition> {
        self.clause = clause;
        expr.map(|expr| self.condition(expr, 0))
    }

    /// A faulty part becomes a condition that never holds; the error keeps the policy from being made.
    fn condition(&mut self, expr: &Expr, depth: usize) -> Condition {
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

    /// A pattern on a plain text.
    fn single(&mut self, pattern: &Pattern, subject: &'static str) -> Glob {
        if pattern.segments.len() != 1 {
            self.report(Problem::Segments { subject, segments: pattern.segments.len() });
        }
        Glob::new(pattern)
    }

    fn duty(&mut self, protocols: &[&Vocabulary]) -> Duty {
        self.clause = Clause::Effect;
        let rule = self.rule;
        match &rule.effect {
            Effect::Allow | Effect::Deny => Duty::None,
            Effect::Hold(requirement) => {
                self.clause = Clause::Until;
                if requirement.within.is_zero() {
                    self.report(Problem::Missing {
                        what: "`within`",
                        reason: "the hold would expire at once",
                    });
                }
                if requirement.in_transaction {
                    self.needs(protocols, Capability::Transactions);
                }
                if let Some(answer) = requirement.answer_after {
                    self.needs(protocols, Capability::ComeBack);
                    if answer.is_zero() {
                        self.report(Problem::Missing {
                            what: "`answer after`",
                            reason: "the client would be answered before anybody is asked",
                        });
                    }
                }
                if requirement.approve.is_none() && requirement.watch.is_none() {
                    self.report(Problem::Missing {
                        what: "who approves or watches",
                        reason: "nothing would ever release the command",
                    });
                }
                if requirement.watch.is_some() {
                    self.needs(protocols, Capability::Watch);
                }
                let of = |checker: &mut Self, quorum: &Option<Quorum>| {
                    quorum.as_ref().map(|quorum| checker.condition(&quorum.of, 0))
                };
                let approve = of(self, &requirement.approve);
                self.clause = Clause::While;
                Duty::Review { approve, watch: of(self, &requirement.watch) }
            }
            Effect::Mask(mask) => match &mask.what {
                Masked::Columns { columns, with, .. } => {
                    self.needs(protocols, Capability::MaskColumns);
                    if columns.is_empty() {
                        self.report(Problem::Missing {
                            what: "a column",
                            reason: "the mask would cover nothing",
                        });
                    }
                    if columns
                        .iter()
                        .chain(with.iter().map(|(pattern, _)| pattern))
                        .any(|pattern| pattern.segments.is_empty())
                    {
                        self.report(Problem::Segments { subject: "a column", segments: 0 });
                    }
                    Duty::Columns {
                        columns: columns.iter().map(Glob::new).collect(),
                        with: with.iter().map(|(pattern, _)| Glob::new(pattern)).collect(),
                    }
                }
                Masked::Values { detectors, .. } => {
                    self.needs(protocols, Capability::MaskValues);
                    if detectors.is_empty() {
                        self.report(Problem::Missing {
                            what: "a detector",
                            reason: "the mask would cover nothing",
                        });
                    }
                    Duty::None
                }
                Masked::Fields(fields) => {
                    self.needs(protocols, Capability::MaskFields);
                    if fields.fields.is_empty() {
                        self.report(Problem::Missing {
                            what: "a field",
                            reason: "the mask would cover nothing",
                        });
                    }
                    let named = fields.with.iter().map(|(pattern, _)| pattern);
                    if fields.fields.iter().chain(named).any(|pattern| pattern.segments.is_empty()) {
                        self.report(Problem::Segments { subject: "a field", segments: 0 });
                    }
                    if mask.predicates == Predicates::Deny {
                        self.report(Problem::NoPredicates);
                    }
                    Duty::Fields(Arc::new(FieldMasks::new([fields])))
                }
            },
            Effect::Limit(limit) => {
                self.needs(
                    protocols,
                    match limit.unit {
                        LimitUnit::Rows => Capability::LimitRows,
                        LimitUnit::Commands => Capability::LimitCommands,
                        LimitUnit::Bytes => Capability::LimitBytes,
                    },
                );
                if limit.window.is_some_and(|window| window.is_zero()) {
                    self.report(Problem::Missing {
                        what: "the limit's time",
                        reason: "nothing can be counted in no time",
                    });
                }
                Duty::None
            }
            Effect::Record(record) => {
                if record.results {
                    self.needs(protocols, Capability::RecordResults);
                }
                Duty::None
            }
        }
    }

    /// What is only noticed can't be permitted, held or counted, and nothing else is only warned of.
    fn notices(&mut self) {
        self.clause = Clause::Do;
        let verbs = || self.rule.scope.does.iter().flatten().flat_map(|does| &does.verbs);
        let names_typed = verbs().any(|verb| *verb == Verb::TYPED);
        let only_typed = names_typed && verbs().all(|verb| *verb == Verb::TYPED);
        if names_typed && matches!(self.rule.effect, Effect::Allow | Effect::Hold(_) | Effect::Limit(_)) {
            self.report(Problem::OnlyNoticed);
        }
        if self.rule.mode == Mode::Warn && !(only_typed && self.rule.effect == Effect::Deny) {
            self.report(Problem::NotWarnedOf);
        }
    }

    /// Every protocol on which the rule can match must be able to do this.
    fn needs(&mut self, protocols: &[&Vocabulary], capability: Capability) {
        let reached: BTreeSet<&Protocol> =
            self.reach.iter().map(|(protocol, _)| &protocol.protocol).collect();
        for vocabulary in protocols {
            if reached.contains(&vocabulary.protocol) && !vocabulary.can(capability) {
                self.report(Problem::Incapable { protocol: vocabulary.protocol.clone(), capability });
            }
        }
    }
}
