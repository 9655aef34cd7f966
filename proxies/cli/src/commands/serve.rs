//! `serve`: the gateway itself.

use policy_core::Protocol;
use portcullis_gateway::config::Config;
use portcullis_gateway::process::{self, RunError, Start};

use crate::args::Serve;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};

pub(super) fn run(context: &Context, arguments: &Serve) -> Outcome {
    let config = context.config()?;
    let file = config.file.clone();
    let proxies = proxies(&config);
    process::run(config, arguments.dry_run, &proxies).map_err(|error| failed(&error))?;
    if arguments.dry_run {
        if context.output.is_json() {
            context.output.document(&serde_json::json!({ "ok": true, "configuration": file }))?;
        } else {
            context.output.line(&format!("`{}` can be served", file.display()))?;
        }
    }
    Ok(Answer::Yes)
}

/// The proxies that have something to guard.
fn proxies(config: &Config) -> Vec<Start> {
    let guards = |protocol: &Protocol| config.targets_of(protocol).next().is_some();
    let all: [(bool, Start); 3] = [
        (guards(&Protocol::POSTGRES), portcullis_postgres::start),
        (guards(&Protocol::SSH), portcullis_ssh::start),
        (config.http_targets().next().is_some(), portcullis_http::start),
    ];
    all.into_iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, start)| start).collect()
}

fn failed(error: &RunError) -> Failure {
    match error {
        RunError::Close(_) => {
            Failure::io(error).help("`portcullis verify` says up to where the evidence is whole")
        }
        _ => Failure::configuration(error).help("`portcullis doctor` looks for what else will not work"),
    }
}
