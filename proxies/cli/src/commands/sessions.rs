//! `sessions`: who is connected.

use portcullis_evidence::inert;

use super::gateway;
use crate::context::Context;
use crate::failure::{Answer, Outcome};

pub(super) fn run(context: &Context) -> Outcome {
    let sessions = gateway::ask(context, None, async |client| client.sessions().await)?;
    if context.output.is_json() {
        context.output.document(&sessions)?;
        return Ok(Answer::Yes);
    }
    let rows: Vec<Vec<String>> = sessions
        .iter()
        .map(|session| {
            let inert = |text: &str| inert::line(text).to_string();
            vec![
                inert(&session.id),
                inert(&session.principal),
                inert(&session.target),
                inert(&session.source),
                gateway::ago(session.opened),
                inert(&session.client),
            ]
        })
        .collect();
    context.output.table(
        &["session", "user", "target", "from", "opened", "client says"],
        &rows,
        "no live sessions",
    )?;
    Ok(Answer::Yes)
}
