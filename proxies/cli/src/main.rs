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

fn main() -> ExitCode {
    // Asks for help and mistakes end here, with 0 and 2.
    let arguments = Arguments::parse();
    let context = Context::new(&arguments.common);
    match commands::run(&context, &arguments.command) {
        Ok(answer) => answer.into(),
        Err(failure) => {
            output::report(&failure, arguments.common.json);
            failure.exit_code()
        }
    }
}
