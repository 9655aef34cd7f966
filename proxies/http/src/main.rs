//! `portcullis-http CONFIG`: the HTTP proxy alone. Everything else is in `portcullis`.

use std::process::ExitCode;

const USAGE: &str = "usage: portcullis-http CONFIG

Guards the HTTP targets of a configuration. SIGHUP takes up the policy again, SIGTERM lets requests finish.
Users, approvals and evidence are managed with `portcullis`.";

fn main() -> ExitCode {
    portcullis_gateway::process::alone(USAGE, portcullis_http::start)
}
