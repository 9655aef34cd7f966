//! `serve`: the gateway itself.

use crate::args::Serve;
use crate::context::Context;
use crate::failure::{Failure, Outcome};

pub(super) fn run(_: &Context, _: &Serve) -> Outcome {
    Err(Failure::configuration("this build can't serve yet"))
}
