//! `doctor`: what is unsafe or will not work.

use crate::context::Context;
use crate::failure::{Failure, Outcome};

pub(super) fn run(_: &Context) -> Outcome {
    Err(Failure::configuration("this build has no doctor yet"))
}
