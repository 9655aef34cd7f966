//! `test`: the inline tests of policies, and what they leave uncovered.

use policy_lang::suite::{self, RuleCoverage, SuiteReport};
use serde::Serialize;

use crate::args;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};
use crate::output::{Output, Tone};
use crate::policies::{Policies, count};
use crate::texts::Texts;

#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    passed: usize,
    failed: usize,
    #[serde(flatten)]
    report: &'a SuiteReport,
}

pub(super) fn run(context: &Context, arguments: &args::Policies) -> Outcome {
    let output = context.output;
    let policies = Policies::read(context, &arguments.files)?;
    let loaded = policies.must_load(output)?;
    let mut report = suite::run(&loaded.tests, &loaded.rules, &policies.environment.vocabularies, &Texts)
        .map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Failure::configuration(format_args!("the policy can't be compiled:\n{}", errors.join("\n")))
        })?;
    // Shipped rules have tests of their own.
    report.coverage.retain(|rule| !rule.place.as_ref().is_some_and(|place| place.starts_with('<')));
    let passed = report.results.iter().filter(|result| result.passed()).count();
    let failed = report.results.len() - passed;
    if output.is_json() {
        output.document(&Document { ok: failed == 0, passed, failed, report: &report })?;
    } else {
        print(output, &report, passed, failed)?;
    }
    Ok(if failed == 0 { Answer::Yes } else { Answer::No })
}

fn print(output: Output, report: &SuiteReport, passed: usize, failed: usize) -> Result<(), Failure> {
    for result in &report.results {
        if result.passed() {
            output.line(&format!("{} {}", output.tone(Tone::Good, "ok    "), result.name))?;
        } else {
            output.line(&format!(
                "{} {} ({})",
                output.tone(Tone::Bad, "FAILED"),
                result.name,
                result.place
            ))?;
            for failure in &result.failures {
                output.line(&format!("       {failure}"))?;
            }
        }
    }
    if report.results.is_empty() {
        output.line("no tests: write `test \"what it shows\" { as … at … run … expect … }` in a policy")?;
    } else {
        let tone = if failed == 0 { Tone::Good } else { Tone::Bad };
        let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
        let summary = format!("{}: {passed} passed{failed}", count(report.results.len(), "test"));
        output.line(&output.tone(tone, &summary))?;
    }
    coverage(output, &report.coverage)
}

fn coverage(output: Output, rules: &[RuleCoverage]) -> Result<(), Failure> {
    let matched = rules.iter().filter(|rule| rule.matched).count();
    let clauses: usize = rules.iter().map(|rule| rule.clauses.len()).sum();
    let covered = clauses - rules.iter().map(|rule| rule.uncovered().count()).sum::<usize>();
    output.line(&format!(
        "coverage: {matched} of {} matched, {covered} of {} tried both ways",
        count(rules.len(), "rule"),
        count(clauses, "clause")
    ))?;
    for rule in rules {
        let place = rule.place.as_deref().unwrap_or("-");
        let gap = if rule.matched {
            let uncovered: Vec<String> = rule.uncovered().map(|clause| format!("`{clause}`")).collect();
            if uncovered.is_empty() {
                continue;
            }
            format!("no test would notice if {} were gone", uncovered.join(" or "))
        } else {
            "no test matches it".to_owned()
        };
        output.line(&output.tone(Tone::Faint, &format!("  `{}` ({place}): {gap}", rule.rule)))?;
    }
    Ok(())
}
