//! Whether somebody is in each group that the policy speaks of: a misspelt one is in nobody's way, and lets nobody in.

use std::collections::BTreeSet;

use policy_core::rule::{Effect, Expr, RuleSet};
use portcullis_evidence::inert;
use portcullis_gateway::config::Config;
use portcullis_gateway::start::open_existing_store;
use portcullis_gateway::store::Store as _;

use super::finding::Finding;

const ABOUT: &str = "groups";

pub(super) fn examine(config: &Config, rules: &RuleSet, findings: &mut Vec<Finding>) {
    // Without a store there are no users to compare with; what else is wrong with it is said elsewhere.
    let Ok(Some(mut store)) = open_existing_store(config) else { return };
    let Ok(users) = store.users() else { return };
    if users.is_empty() {
        return;
    }
    let known: BTreeSet<&str> = users.iter().flat_map(|user| &user.groups).map(AsRef::as_ref).collect();
    for group in named(rules).difference(&known) {
        findings.push(
            Finding::warning(
                ABOUT,
                format!("the policy speaks of the group `{}`, which no local user has", inert::line(group)),
            )
            .why("rules by it match nobody, and holds that only it may answer wait until they expire")
            .mend("look how it is spelled, or give it to somebody: `portcullis user add NAME --group GROUP`"),
        );
    }
}

/// The groups that rules name; shipped rules name none.
fn named(rules: &RuleSet) -> BTreeSet<&str> {
    let mut groups = BTreeSet::new();
    for rule in &rules.rules {
        let scope = &rule.scope;
        let asked = match &rule.effect {
            Effect::Hold(requirement) => [&requirement.approve, &requirement.watch],
            _ => [&None, &None],
        };
        let people = asked.into_iter().flatten().map(|quorum| &quorum.of);
        let all = [&scope.by, &scope.when, &scope.unless].into_iter().flatten().chain(people);
        all.for_each(|expression| collect(expression, &mut groups));
    }
    groups
}

fn collect<'a>(expression: &'a Expr, groups: &mut BTreeSet<&'a str>) {
    match expression {
        Expr::All(all) | Expr::Any(all) => all.iter().for_each(|one| collect(one, groups)),
        Expr::Not(one) | Expr::OnBehalfOf(one) => collect(one, groups),
        Expr::Group(group) => {
            groups.insert(group);
        }
        _ => {}
    }
}
