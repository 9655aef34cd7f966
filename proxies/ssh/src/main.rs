//! `portcullis-ssh CONFIG`: the SSH bastion alone. Everything else is in `portcullis`.

use std::process::ExitCode;

const USAGE: &str = "usage: portcullis-ssh CONFIG

Guards the SSH targets of a configuration, as `portcullis serve` does. SIGHUP takes up the
configuration again, SIGTERM lets sessions finish. Users, approvals and evidence are managed with `portcullis`.";

fn main() -> ExitCode {
    portcullis_gateway::process::alone(USAGE, portcullis_ssh::start)
}
