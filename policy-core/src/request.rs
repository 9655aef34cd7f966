//! Everything a decision may depend on, gathered.

use std::net::IpAddr;

use crate::action::ActionSet;
use crate::rule::HoldKey;
use crate::subject::{Principal, Target};

/// One question to a policy. Borrows all it needs; building one costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// What is reached; its protocol decides which vocabulary the actions use.
    pub target: &'a Target,
    /// What the command does.
    pub actions: &'a ActionSet,
    /// Where the client connects from, where known.
    pub source: Option<IpAddr>,
    /// The time of asking, in seconds since the Unix epoch (UTC). `None` makes conditions on time undetermined.
    pub now: Option<i64>,
    /// The holds that reviewers have satisfied for exactly this command.
    pub grants: &'a [HoldKey],
}
