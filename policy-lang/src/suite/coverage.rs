//! Which rules and clauses the tests covered.
//!
//! A clause is covered when some test met it and another did not: only then would its removal be noticed.

use policy_core::decision::Denial;
use policy_core::rule::{Effect, Fallback, Mode, Rule, RuleSet, Scope, Selector};
use policy_core::vocabulary::Vocabulary;
use policy_core::{CompileError, Policy, Request, Verdict};
use serde::Serialize;

/// What the tests say about one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleCoverage {
    /// The rule's name.
    pub rule: String,
    /// Where it stands, as `file:line`.
    pub place: Option<String>,
    /// Whether it matched in any test.
    pub matched: bool,
    /// Its clauses.
    pub clauses: Vec<ClauseCoverage>,
}

/// What the tests say about one clause. What could not be determined counts as met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClauseCoverage {
    /// The word that opens it.
    pub clause: &'static str,
    /// Whether some test met it.
    pub met: bool,
    /// Whether some test did not meet it.
    pub unmet: bool,
}

impl RuleCoverage {
    /// The clauses whose removal no test would notice.
    pub fn uncovered(&self) -> impl Iterator<Item = &'static str> {
        self.clauses.iter().filter(|clause| !(clause.met && clause.unmet)).map(|clause| clause.clause)
    }
}

/// Every rule, and every clause by itself, as a policy of its own that forbids what it matches: so the one
/// evaluator says what matches.
pub(super) struct Probes {
    rules: Vec<(Policy, Vec<Policy>, RuleCoverage)>,
}

impl Probes {
    pub(super) fn new(rules: &RuleSet, vocabularies: &[Vocabulary]) -> Result<Self, Vec<CompileError>> {
        let probe = |rule: &Rule, scope: Scope| {
            let rule = Rule { mode: Mode::Enforce, effect: Effect::Deny, scope, ..rule.clone() };
            let set = RuleSet { name: "probe".into(), fallback: Fallback::Allow, rules: vec![rule] };
            Policy::compile([&set], vocabularies)
        };
        let mut list = Vec::new();
        for rule in &rules.rules {
            let clauses = clauses(&rule.scope);
            let coverage = RuleCoverage {
                rule: rule.id.to_string(),
                place: rule.place.as_ref().map(|place| format!("{}:{}", place.file, place.line)),
                matched: false,
                clauses: clauses
                    .iter()
                    .map(|(clause, _)| ClauseCoverage { clause, met: false, unmet: false })
                    .collect(),
            };
            let probes =
                clauses.into_iter().map(|(_, scope)| probe(rule, scope)).collect::<Result<_, _>>()?;
            list.push((probe(rule, rule.scope.clone())?, probes, coverage));
        }
        Ok(Self { rules: list })
    }

    pub(super) fn note(&mut self, request: &Request<'_>) {
        for (whole, probes, coverage) in &mut self.rules {
            coverage.matched |= matches(whole, request);
            for (probe, clause) in probes.iter().zip(&mut coverage.clauses) {
                if matches(probe, request) {
                    clause.met = true;
                } else {
                    clause.unmet = true;
                }
            }
        }
    }

    pub(super) fn coverage(self) -> Vec<RuleCoverage> {
        self.rules.into_iter().map(|(_, _, coverage)| coverage).collect()
    }
}

fn matches(probe: &Policy, request: &Request<'_>) -> bool {
    matches!(probe.evaluate(request).verdict, Verdict::Deny(Denial::Forbidden { .. }))
}

/// Each clause with no other, save what gives its names a meaning: `when` and `unless` speak of the attributes
/// of `do`, which speaks of the verbs of a protocol.
fn clauses(scope: &Scope) -> Vec<(&'static str, Scope)> {
    let mut list = Vec::new();
    if scope.by.is_some() {
        list.push(("by", Scope { by: scope.by.clone(), ..Scope::default() }));
    }
    if !scope.on.is_empty() {
        list.push(("on", Scope { on: scope.on.clone(), ..Scope::default() }));
    }
    let protocols = scope.on.iter().map(|selector| Selector {
        protocol: selector.protocol.clone(),
        names: Vec::new(),
        labels: None,
    });
    let does = Scope { on: protocols.collect(), does: scope.does.clone(), ..Scope::default() };
    if scope.when.is_some() {
        list.push(("when", Scope { when: scope.when.clone(), ..does.clone() }));
    }
    if scope.unless.is_some() {
        list.push(("unless", Scope { when: scope.unless.clone(), ..does.clone() }));
    }
    if scope.does.is_some() {
        list.push(("do", does));
    }
    list
}
