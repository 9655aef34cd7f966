//! `serve`: the gateway itself.

use portcullis_postgres::RunError;

use crate::args::Serve;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};

pub(super) fn run(context: &Context, arguments: &Serve) -> Outcome {
    let config = context.config()?;
    let file = config.file.clone();
    portcullis_postgres::run(config, arguments.dry_run).map_err(|error| failed(&error))?;
    if arguments.dry_run {
        if context.output.is_json() {
            context.output.document(&serde_json::json!({ "ok": true, "configuration": file }))?;
        } else {
            context.output.line(&format!("`{}` can be served", file.display()))?;
        }
    }
    Ok(Answer::Yes)
}

fn failed(error: &RunError) -> Failure {
    match error {
        RunError::Close(_) => {
            Failure::io(error).help("`portcullis verify` says up to where the evidence is whole")
        }
        _ => Failure::configuration(error).help("`portcullis doctor` looks for what else will not work"),
    }
}
