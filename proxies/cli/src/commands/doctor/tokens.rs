//! Whether tokens end soon, and whether one proves nobody although it has not ended.

use portcullis_evidence::inert;
use portcullis_gateway::config::Config;
use portcullis_gateway::start::open_existing_store;
use portcullis_gateway::store::{Store as _, Token};

use super::super::gateway::{now, until};
use super::finding::Finding;

const ABOUT: &str = "tokens";
/// When to say that a token ends soon, in milliseconds; one that was never to last longer surprises nobody.
const SOON: i64 = 7 * 86_400_000;
/// How many are named.
const NAMED: usize = 5;

pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    // Without a store there are no tokens; what else is wrong with it is said elsewhere.
    let Ok(Some(mut store)) = open_existing_store(config) else { return };
    let Ok(tokens) = store.tokens(None) else { return };
    let now = now();
    let ending: Vec<&Token> = tokens
        .iter()
        .filter(|token| token.is_good(now) && !token.is_good(now + SOON) && was_long(token))
        .collect();
    if ending.is_empty() {
        return;
    }
    let named: Vec<String> = ending
        .iter()
        .take(NAMED)
        .map(|token| {
            let called = if token.name.is_empty() { String::new() } else { format!(", {}", token.name) };
            let ends = until(token.expires);
            format!("{} of {}{}, {ends}", token.number, inert::line(&token.user), inert::line(&called))
        })
        .collect();
    let what = if ending.len() == 1 { "token ends" } else { "tokens end" };
    let more = if ending.len() > NAMED { "; …" } else { "" };
    findings.push(
        Finding::warning(ABOUT, format!("{} {what} within a week: {}{more}", ending.len(), named.join("; ")))
            .why("whoever uses one is refused from then on")
            .mend(
                "make another with `portcullis token create --user NAME` and put it in the old one's place",
            ),
    );
}

/// Whether it was made for longer than the time in which its end is told.
fn was_long(token: &Token) -> bool {
    token.expires.saturating_sub(token.created) > SOON
}
