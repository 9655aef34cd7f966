//! `serve`: the gateway itself.

use crate::args::Serve;
use crate::context::Context;
use crate::failure::{Answer, Failure, Outcome};

pub(super) fn run(context: &Context, serve: &Serve) -> Outcome {
    let config = context.config()?;
    portcullis_postgres::run(config, serve.dry_run).map_err(Failure::configuration)?;
    Ok(Answer::Yes)
}
