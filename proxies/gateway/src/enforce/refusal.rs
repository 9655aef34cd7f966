//! Why a command does not go through, in words for the person who sent it.

use std::fmt;

use crate::session::StopReason;

/// A refusal. The proxy says it in its protocol's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of refusal it is.
    pub kind: RefusalKind,
    /// The rule that decided, where one did.
    pub rule: Option<Box<str>>,
    /// What happened, for the person who asked: the rule's own words where it has some.
    pub message: Box<str>,
    /// The way out.
    pub hint: Box<str>,
}

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// A rule forbids it.
    Forbidden,
    /// Nothing permits it.
    NotPermitted,
    /// Reviewers refused it.
    Disapproved,
    /// Nobody approved it in time.
    Expired,
    /// It waits for approval beyond this answer: the identical command passes once it is approved.
    Pending {
        /// The approval's number.
        approval: u64,
    },
    /// The approval that it waited for has released an identical command.
    Spent,
    /// A limit is used up.
    LimitReached,
    /// The gateway can't do its part: store, evidence or capacity. The session may have to end; see its stop switch.
    Unavailable,
    /// The session was stopped.
    Stopped,
}

impl Refusal {
    pub(crate) fn stopped(reason: &StopReason) -> Self {
        Self {
            kind: RefusalKind::Stopped,
            rule: None,
            message: reason.to_string().into(),
            hint: "the session is over; connect again if you may".into(),
        }
    }

    pub(crate) fn unavailable(message: impl Into<Box<str>>) -> Self {
        Self {
            kind: RefusalKind::Unavailable,
            rule: None,
            message: message.into(),
            hint: "nothing was sent to the target; try again, and tell the gateway's operator if it stays so"
                .into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
