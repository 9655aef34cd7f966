//! `portcullis-ssh CONFIG`: the SSH bastion alone. Everything else is in `portcullis`.

use std::process::ExitCode;

use portcullis_gateway::config::Config;

const USAGE: &str = "usage: portcullis-ssh CONFIG

Guards the SSH targets of a configuration, as `portcullis serve` does. SIGHUP takes up the
configuration again, SIGTERM lets sessions finish. Users, approvals and evidence are managed with `portcullis`.";

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
    let ended = Config::load(&file).map_err(|error| error.to_string()).and_then(|config| {
        portcullis_gateway::process::run(config, false, &[portcullis_ssh::start])
            .map_err(|error| error.to_string())
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}
