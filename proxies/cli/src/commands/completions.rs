//! `completions`: what shells know about this command.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Arguments;
use crate::context::Context;
use crate::failure::{Answer, Outcome};

pub(super) fn run(context: &Context, shell: Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "portcullis", &mut script);
    context.output.raw(&script)?;
    Ok(Answer::Yes)
}
