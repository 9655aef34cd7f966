//! `portcullis-postgres CONFIG`: the PostgreSQL proxy alone. Everything else is in `portcullis`.

use std::process::ExitCode;

const USAGE: &str = "usage: portcullis-postgres CONFIG

Guards the PostgreSQL targets of a configuration, as `portcullis serve` does. SIGHUP takes up
the configuration again, SIGTERM lets sessions finish. Users, approvals and evidence are managed with `portcullis`.";

fn main() -> ExitCode {
    portcullis_gateway::process::alone(USAGE, portcullis_postgres::start)
}
