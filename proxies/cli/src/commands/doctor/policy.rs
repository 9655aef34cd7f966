//! Whether the policy can be enforced, and says what its author meant.

use policy_core::rule::Fallback;
use policy_lang::suite;
use portcullis_gateway::config::Config;

use super::finding::Finding;
use super::groups;
use crate::policies::{Policies, count};
use crate::texts::Texts;

const ABOUT: &str = "policy";

pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    let policies = match Policies::of(Some(config), &config.policies) {
        Ok(policies) => policies,
        Err(failure) => {
            findings.push(Finding::bad(ABOUT, failure.message).why("`serve` starts with no policy missing"));
            return;
        }
    };
    let loaded = match policies.load() {
        Ok(loaded) => loaded,
        Err(found) => {
            let errors = count(found.errors(), "error");
            findings.push(
                Finding::bad(ABOUT, format!("it has {errors}"))
                    .why("`serve` does not start with it, and a running gateway keeps the one before")
                    .mend("`portcullis check` says where and what"),
            );
            return;
        }
    };
    let warnings = loaded.warnings.warnings();
    if warnings > 0 {
        findings.push(
            Finding::warning(ABOUT, format!("it has {}", count(warnings, "warning")))
                .why("it may not say what its author meant")
                .mend("`portcullis check` says where and what"),
        );
    } else {
        let rules = count(loaded.rules.rules.len(), "rule");
        findings.push(Finding::good(ABOUT, format!("{rules}, shipped ones included, without problems")));
    }
    groups::examine(config, &loaded.rules, findings);
    if loaded.rules.fallback == Fallback::Allow {
        findings.push(
            Finding::warning(ABOUT, "it says `default allow`")
                .why("whatever no rule thought of goes through")
                .mend("say `default deny`, and allow what is needed"),
        );
    }
    let vocabularies = &policies.environment.vocabularies;
    match suite::run(&loaded.tests, &loaded.rules, vocabularies, &Texts) {
        Ok(report) if report.passed() => {}
        Ok(_) => findings.push(
            Finding::bad(ABOUT, "some of its tests fail")
                .why("it does not do what it says of itself")
                .mend("`portcullis test` says which"),
        ),
        Err(errors) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            findings.push(Finding::bad(ABOUT, format!("it can't be compiled: {}", errors.join("; "))));
        }
    }
}
