//! Rules to matchers: typed and closed. Every error of every rule is found in one run.

mod condition;
mod duty;

use std::collections::BTreeSet;

pub(super) use self::duty::Duty;
use super::condition::Condition;
use super::error::{Clause, CompileError, Problem};
use super::glob::Glob;
use super::matcher::{Does, Matcher, On};
use crate::action::Verb;
use crate::rule::{Do, Effect, Expr, Mode, Pattern, Rule, Selector};
use crate::vocabulary::{VerbSpec, Vocabulary};

/// A rule that passed every check.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    pub(super) matcher: Matcher,
    pub(super) duty: Duty,
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

    fn optional(&mut self, clause: Clause, expr: Option<&Expr>) -> Option<Condition> {
        self.clause = clause;
        expr.map(|expr| self.condition(expr, 0))
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
}
