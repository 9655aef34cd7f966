//! The only way to a target: what may be sent, and on whose word.
//!
//! A command needs a [`Leave`], by value; what has an effect needs one that the gateway minted. Messages that carry no command of their own (the end of a run, data of
//! a COPY that was permitted) are named one by one. What the gateway sends on its own account is one of [`Own`]'s constants.

use std::io;
use std::ops::Range;
use std::task::{Context, Poll};

use portcullis_gateway::enforce::{Continuation, Permit, Receipt};

use super::inbox::Inbox;
use super::outbox::Outbox;
use crate::transport::Transport;
use crate::wire::frontend::Frontend;
use crate::wire::make;

/// On whose word a command is sent. Consumed by sending it.
#[derive(Debug)]
#[must_use = "leave is consumed by forwarding the command"]
pub enum Leave {
    /// The gateway's permit for this very command.
    Permit(Permit),
    /// It goes on with what a permit was for: a portal that was bound under it.
    Again(Continuation),
    /// It runs nothing. Good for Describe and Close alone.
    Harmless,
    /// No policy stands behind it.
    Unjudged(Unjudged),
}

/// For measuring the relay and testing it alone.
#[derive(Debug)]
pub struct Unjudged(());

impl Leave {
    /// Leave that no policy stands behind, for measuring the relay and testing it alone.
    pub fn unjudged() -> Self {
        Self::Unjudged(Unjudged(()))
    }
}

/// A message that was to be sent on leave that is not good for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unfit;

/// What the gateway sends to a target on its own account. Constants, but for the name of a portal that a client's Execute,
/// sent right behind, names as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own<'a> {
    /// A query that fails in every state: the parser itself rejects it, whatever is set and whatever exists.
    FailQuery,
    /// The same in the extended protocol. The text fails before its name is looked at, so nothing is replaced.
    FailParse,
    /// Leaves.
    Terminate,
    /// Asks what a portal returns. Runs nothing.
    DescribePortal(&'a str),
}

impl Own<'_> {
    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self {
            Self::FailQuery => b"Q\0\0\0\x1brefused by the gateway\0",
            Self::FailParse => b"P\0\0\0\x25gateway\0refused by the gateway\0\0\0",
            Self::Terminate => b"X\0\0\0\x04",
            Self::DescribePortal(portal) => {
                return make::message(out, b'D', |out| {
                    out.push(b'P');
                    make::text(out, portal);
                });
            }
        });
    }
}

/// The way to one target.
#[derive(Default)]
pub(super) struct Forward {
    out: Outbox,
}

impl Forward {
    /// Sends one command, `frame` of `inbox`, as it is. A permit leaves its receipt.
    pub(super) fn command(
        &mut self,
        leave: Leave,
        kind: Frontend,
        inbox: &Inbox,
        frame: Range<usize>,
    ) -> Result<Option<Receipt>, Unfit> {
        let receipt = match leave {
            Leave::Permit(permit) => Some(permit.forward()),
            Leave::Again(again) => {
                again.forward();
                None
            }
            Leave::Harmless if matches!(kind, Frontend::Describe | Frontend::Close) => None,
            Leave::Harmless => return Err(Unfit),
            Leave::Unjudged(Unjudged(())) => None,
        };
        self.out.pass(inbox.bytes(), frame);
        Ok(receipt)
    }

    /// Sends a message, or a piece of one, that carries no command: Sync, Flush, and the data or the end of a COPY,
    /// which the ledger lets through only behind a permitted command.
    pub(super) fn uncommanding(&mut self, inbox: &Inbox, frame: Range<usize>) {
        self.out.pass(inbox.bytes(), frame);
    }

    /// Sends something of the gateway's own.
    pub(super) fn own(&mut self, own: Own<'_>, inbox: &Inbox) {
        own.write(self.out.own(inbox.bytes()));
    }

    /// Puts on the wire what was to be sent; ready when all of it is.
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        inbox: &Inbox,
        target: &mut Transport,
    ) -> Poll<io::Result<()>> {
        self.out.poll_flush(cx, inbox.bytes(), target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::describe::Named;
    use crate::wire::frame;

    #[test]
    fn what_the_gateway_sends_itself_is_framed_right() {
        let bytes = |own: Own<'_>| {
            let mut bytes = Vec::new();
            own.write(&mut bytes);
            let header = frame::header(&bytes).unwrap().unwrap();
            assert_eq!(header.total(), bytes.len(), "{own:?}");
            bytes.split_off(frame::HEADER)
        };
        bytes(Own::Terminate);
        crate::wire::query::Query::decode(&bytes(Own::FailQuery)).unwrap();
        crate::wire::parse::Parse::decode(&bytes(Own::FailParse)).unwrap();
        let described = bytes(Own::DescribePortal("p"));
        assert_eq!(Named::decode(&described), Ok(Named::Portal("p")));
    }
}
