//! `portcullis-postgres CONFIG`: the PostgreSQL proxy alone. Everything else is in `portcullis`.

use std::process::ExitCode;

use portcullis_gateway::config::Config;

const USAGE: &str = "usage: portcullis-postgres CONFIG

Guards the PostgreSQL targets of a configuration, as `portcullis serve` does. SIGHUP takes up
the configuration again, SIGTERM lets sessions finish. Users, approvals and evidence are managed with `portcullis`.";

#[expect(clippy::print_stderr, reason = "a program says on standard error why it stops")]
fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(file), None) = (arguments.next(), arguments.next()) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if file == "--help" || file == "-h" {
        eprintln!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let config = match Config::load(&file) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(3);
        }
    };
    match portcullis_gateway::process::run(config, false, &[portcullis_postgres::start]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}
