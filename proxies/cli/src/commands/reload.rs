//! `reload`: the running gateway takes up its configuration and policies again.

use portcullis_evidence::inert;

use super::gateway;
use crate::context::Context;
use crate::failure::{Answer, Outcome};
use crate::policies::count;

pub(super) fn run(context: &Context) -> Outcome {
    let reloaded = gateway::ask(context, None, async |client| client.reload().await)?;
    if context.output.is_json() {
        context.output.document(&reloaded)?;
        return Ok(Answer::Yes);
    }
    let policy = &reloaded.policy;
    let name = inert::line(&policy.name);
    context.output.line(&format!(
        "reloaded: policy `{name}`, {}, shipped ones included",
        count(policy.rules, "rule")
    ))?;
    for key in &reloaded.needs_restart {
        let key = inert::line(key);
        context.output.note(&format!("`{key}` was changed, which needs a restart: it stays as it was"));
    }
    Ok(Answer::Yes)
}
