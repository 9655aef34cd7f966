//! Judging the tests' commands and comparing with what they expect.

use policy_core::action::Value;
use policy_core::decision::{Breach, Denial, RuleIndex};
use policy_core::rule::{Effect, Fallback, HoldKey, Masked, Mode, Rule, RuleId, RuleSet};
use policy_core::vocabulary::{Spelling, Vocabulary};
use policy_core::{
    Action, ActionSet, CompileError, Decision, Lineage, Name, Policy, Request, Resource, Verdict,
};

use super::coverage::Probes;
use super::{Cause, Command, Expectation, Normaliser, Outcome, SuiteReport, Test, TestResult};

/// Runs all tests of a policy and says which rules and clauses they covered.
///
/// # Errors
///
/// Whatever keeps the rules from being compiled. Rules from [`crate::load`] compile, with the same vocabularies.
pub fn run(
    tests: &[Test],
    rules: &RuleSet,
    vocabularies: &[Vocabulary],
    normaliser: &dyn Normaliser,
) -> Result<SuiteReport, Vec<CompileError>> {
    let suite = Suite { policy: Policy::compile([rules], vocabularies)?, rules, vocabularies };
    let mut probes = Probes::new(rules, vocabularies)?;
    let mut results = Vec::new();
    for test in tests {
        let actions = match &test.command {
            Command::Actions(actions) => Ok(actions.clone()),
            Command::Text(text) => normaliser.normalise(&test.target.protocol, text, &suite.policy),
        };
        let failures = match actions {
            Ok(actions) => {
                let grants = suite.grants(test);
                let request = request(test, &actions, &grants);
                probes.note(&request);
                let decision = suite.policy.evaluate(&request);
                test.expectations
                    .iter()
                    .filter_map(|expected| suite.failure(expected, &decision, &request))
                    .collect()
            }
            Err(problem) => vec![format!("the text can't be read: {problem}")],
        };
        let place = format!("{}:{}", test.place.file, test.place.line);
        results.push(TestResult { name: test.name.to_string(), place, failures });
    }
    Ok(SuiteReport { results, coverage: probes.coverage() })
}

fn request<'r>(test: &'r Test, actions: &'r ActionSet, grants: &'r [HoldKey]) -> Request<'r> {
    Request {
        principal: &test.principal,
        target: &test.target,
        actions,
        source: test.source,
        now: test.now,
        grants,
    }
}

struct Suite<'s> {
    policy: Policy,
    rules: &'s RuleSet,
    vocabularies: &'s [Vocabulary],
}

impl Suite<'_> {
    fn grants(&self, test: &Test) -> Vec<HoldKey> {
        let keys = self.policy.rules().filter(|(_, rule)| test.granted.contains(&rule.id));
        keys.filter_map(|(index, _)| self.policy.hold_key(index).cloned()).collect()
    }

    /// What is not as expected, in words.
    fn failure(&self, expected: &Expectation, decision: &Decision, request: &Request<'_>) -> Option<String> {
        let got = || format!("got {}", self.describe(decision, request));
        match expected.outcome {
            Outcome::Allow if !decision.is_allow() => Some(format!("expected allow, {}", got())),
            Outcome::Allow => self.unless_by(expected, |rule| self.allows(rule, request), "allow"),
            Outcome::Deny => match (&decision.verdict, &expected.by) {
                (Verdict::Deny(Denial::NotPermitted { .. }), Some(Cause::Default) | None) => None,
                (Verdict::Deny(Denial::Forbidden { .. } | Denial::Masked { .. }), None) => None,
                (Verdict::Deny(Denial::Masked { by, .. }), Some(Cause::Rule(id)))
                    if self.policy.rule_id(*by) == Some(id) =>
                {
                    None
                }
                (Verdict::Deny(Denial::Forbidden { .. }), Some(Cause::Rule(id)))
                    if self.denies(id, request) =>
                {
                    None
                }
                (_, by) => Some(format!("expected deny{}, {}", by_words(by.as_ref()), got())),
            },
            Outcome::Hold => match &decision.verdict {
                Verdict::Hold(holds) => {
                    let named = |id: &RuleId| holds.iter().any(|hold| self.policy.rule_id(*hold) == Some(id));
                    self.unless_by(expected, named, "hold").map(|failure| format!("{failure}; {}", got()))
                }
                _ => Some(format!("expected hold{}, {}", by_words(expected.by.as_ref()), got())),
            },
            Outcome::Mask => self.obligation(expected, "mask", |id| match id {
                Some(id) => self.masks(id, request),
                None => decision
                    .obligations
                    .masks
                    .iter()
                    .any(|rule| self.policy.rule_id(*rule).is_some_and(|id| self.masks(id, request))),
            }),
            Outcome::Limit => {
                let limits = &decision.obligations.limits;
                self.obligation(expected, "limit", |id| self.applies(limits, id))
            }
            Outcome::Record => {
                let records = &decision.obligations.records;
                self.obligation(expected, "record", |id| self.applies(records, id))
            }
        }
    }

    fn unless_by(
        &self,
        expected: &Expectation,
        holds: impl Fn(&RuleId) -> bool,
        what: &str,
    ) -> Option<String> {
        match &expected.by {
            Some(Cause::Rule(id)) if !holds(id) => {
                Some(format!("expected {what} by `{id}`, which has no part in it"))
            }
            _ => None,
        }
    }

    fn obligation(
        &self,
        expected: &Expectation,
        what: &str,
        holds: impl Fn(Option<&RuleId>) -> bool,
    ) -> Option<String> {
        let by = expected.by.as_ref();
        let id = by.and_then(|by| match by {
            Cause::Rule(id) => Some(id),
            Cause::Default => None,
        });
        (!holds(id)).then(|| format!("expected {what}{}, and nothing of the sort applies", by_words(by)))
    }

    fn applies(&self, rules: &[RuleIndex], id: Option<&RuleId>) -> bool {
        rules.iter().any(|rule| id.is_none_or(|id| self.policy.rule_id(*rule) == Some(id)))
    }

    /// Whether the rule alone permits one of the actions.
    fn allows(&self, id: &RuleId, request: &Request<'_>) -> bool {
        let Some(policy) = self.alone(id, Fallback::Deny) else { return false };
        request.actions.iter().any(|action| {
            let actions = ActionSet::new([action.clone()]);
            policy.evaluate(&Request { actions: &actions, ..*request }).is_allow()
        })
    }

    /// Whether the rule alone forbids the command.
    fn denies(&self, id: &RuleId, request: &Request<'_>) -> bool {
        self.alone(id, Fallback::Allow).is_some_and(|policy| {
            matches!(policy.evaluate(request).verdict, Verdict::Deny(Denial::Forbidden { .. }))
        })
    }

    /// Whether the mask covers a column that is read, or values or fields of whatever comes back. A rule that matches an action none of whose
    /// columns it covers masks nothing.
    fn masks(&self, id: &RuleId, request: &Request<'_>) -> bool {
        let Some(policy) = self.alone(id, Fallback::Allow) else { return false };
        let obligations = policy.evaluate(request).obligations;
        let by_answer = policy.rules().any(|(_, rule)| {
            matches!(&rule.effect, Effect::Mask(mask) if !matches!(mask.what, Masked::Columns { .. }))
        });
        if by_answer || obligations.masks.is_empty() {
            return !obligations.masks.is_empty();
        }
        let masked = |column: &Name| policy.column_mask(&obligations, column).is_some();
        match request.actions.lineage() {
            // What can't be told apart may be masked.
            Some(Lineage { shown, .. }) => {
                shown.unknown || !shown.relations.is_empty() || shown.columns.iter().any(masked)
            }
            None => request.actions.iter().flat_map(columns).any(|column| masked(&column)),
        }
    }

    fn alone(&self, id: &RuleId, fallback: Fallback) -> Option<Policy> {
        let rule = self.rules.rules.iter().find(|rule| rule.id == *id)?;
        let rule = Rule { mode: Mode::Enforce, ..rule.clone() };
        let set = RuleSet { name: "one rule".into(), fallback, rules: vec![rule] };
        Policy::compile([&set], self.vocabularies).ok()
    }

    fn describe(&self, decision: &Decision, request: &Request<'_>) -> String {
        let name = |rule| self.policy.rule_id(rule).map_or_else(String::new, |id| format!("`{id}`"));
        match &decision.verdict {
            Verdict::Allow => "allow".to_owned(),
            Verdict::Deny(Denial::Forbidden { by, .. }) => format!("deny by {}", name(*by)),
            Verdict::Deny(Denial::Masked { by, breach }) => {
                let breach = match breach {
                    Breach::Written => "masked data would be written",
                    Breach::Untraced => "what is shown can't be traced to its columns",
                    Breach::Predicate => "a masked column decides about rows",
                };
                format!("deny by {}: {breach}", name(*by))
            }
            Verdict::Deny(Denial::NotPermitted { action }) => {
                let action = request.actions.as_slice().get(action.0);
                let spelling = self.policy.spelling(&request.target.protocol);
                let action = action.map_or_else(String::new, |action| words(action, spelling));
                format!("deny by default: no rule permits `{action}`")
            }
            Verdict::Hold(holds) => {
                let names: Vec<String> = holds.iter().map(|hold| name(*hold)).collect();
                format!("hold by {}", names.join(" and "))
            }
        }
    }
}

/// The columns that an action says it reads, qualified by its relation.
fn columns(action: &Action) -> Vec<Name> {
    let (Resource::Named(relation), Some(Value::List(reads))) = (&action.resource, action.attribute("reads"))
    else {
        return Vec::new();
    };
    let qualify = |column: &str| {
        let own: Vec<&str> = column.split(Name::SEPARATOR).collect();
        if own.len() > 1 { Name::new(own) } else { Name::new(relation.segments().chain(own)) }
    };
    reads.iter().filter_map(|column| qualify(column)).collect()
}

fn words(action: &Action, spelling: &Spelling) -> String {
    match (&action.resource, spelling.resource(action)) {
        (_, Some(resource)) => format!("{} on {resource}", action.verb),
        (Resource::Pending, _) => format!("{} on a parameter", action.verb),
        (Resource::Undetermined, _) => format!("{} on something that could not be determined", action.verb),
        _ => action.verb.to_string(),
    }
}

fn by_words(by: Option<&Cause>) -> String {
    match by {
        None => String::new(),
        Some(Cause::Default) => " by default".to_owned(),
        Some(Cause::Rule(id)) => format!(" by `{id}`"),
    }
}
