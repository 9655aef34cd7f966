//! The `portcullis` command: one binary for those who run a gateway, write its policies, and review.
//!
//! What can be typed is in `args`; each command is a file of `commands`, and returns an `Answer` or a
//! `Failure`, whose exit codes are documented in `--help`.

mod args;
mod commands;
mod context;
mod failure;
mod output;
mod password;
mod policies;
mod requests;
mod sql;
mod texts;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Arguments;
use crate::context::Context;
use crate::failure::Failure;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misspelt(&error),
    };
    let context = Context::new(&arguments.common);
    match commands::run(&context, &arguments.command) {
        Ok(answer) => answer.into(),
        Err(failure) => {
            output::report(&failure, arguments.common.json);
            failure.exit_code()
        }
    }
}

/// Asks for help and mistakes end here, with 0 and 2.
fn misspelt(error: &clap::Error) -> ExitCode {
    let is_for_a_script = std::env::args_os().any(|argument| argument == "--json");
    if !is_for_a_script || !error.use_stderr() {
        error.exit();
    }
    let failure = Failure::misspelt(&error.render().to_string());
    output::report(&failure, true);
    failure.exit_code()
}
