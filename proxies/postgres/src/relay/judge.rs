//! Where decisions come in: the relay asks, and does as it is told.
//!
//! Two halves, because commands and replies flow at the same time: a [`Judge`] sees each command that a client
//! sends, a [`Veil`] each message that the target answers with. What the judge wants the veil to know of a command (what to mask,
//! which receipt to complete) travels as a [`Judge::Plan`] in the queue of expected replies, and is there
//! whenever a reply to that very command arrives.

use std::future::Future;
use std::task::{Context, Poll};

use portcullis_gateway::enforce::Receipt;

use super::forward::Leave;
use crate::mask::Rewritten;
use crate::refuse::Refusal;
use crate::wire::backend::Backend;
use crate::wire::frame::Header;
use crate::wire::frontend::Frontend;

/// A client's command: a Query, Parse, Bind, Describe, Execute or Close, complete.
#[derive(Debug, Clone, Copy)]
pub struct ClientFrame<'a> {
    /// Its type.
    pub kind: Frontend,
    /// Its body: exactly the bytes that will be sent. Decode it with `wire`.
    pub body: &'a [u8],
}

/// The session's state as far as the target has confirmed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The transaction at the last ReadyForQuery.
    pub transaction: Transaction,
    /// Whether commands were sent since that the target has not answered in full.
    pub is_pipelined: bool,
    /// The number of the run of messages that this one belongs to: Syncs and simple queries that came before. The
    /// messages of one run fail together, and run in one transaction if no block is open.
    pub segment: u64,
}

/// What travels with a command in the queue of expected replies.
pub trait Ticket: Default + Send {
    /// The command was sent under a permit, whose receipt this is.
    fn sent(&mut self, receipt: Receipt);

    /// Who is told of the data that the client streams in for this command, as it goes by. `None` where nobody is.
    fn input(&mut self) -> Option<&mut dyn Sink> {
        None
    }

    /// For an Execute whose rows can only be dealt with once the target has described them: what travels with the
    /// description that the gateway asks for itself, right before it. The client does not get the answer.
    fn describes(&mut self) -> Option<Self> {
        None
    }
}

/// Takes the data of a COPY from the client.
pub trait Sink: Send {
    /// Some bytes of it, cut anywhere, before they are sent.
    fn push(&mut self, bytes: &[u8]);

    /// Its end.
    fn end(&mut self);
}

impl Ticket for () {
    fn sent(&mut self, receipt: Receipt) {
        drop(receipt);
    }
}

/// The state that ReadyForQuery tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// Not in a transaction block.
    Idle,
    /// In one.
    Open,
    /// In one that failed; only its end is accepted.
    Failed,
}

impl Transaction {
    /// The byte that ReadyForQuery says it with.
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::Open => b'T',
            Self::Failed => b'E',
        }
    }
}

/// What becomes of a command.
#[derive(Debug)]
pub enum Disposition<Plan, Held> {
    /// It is sent to the target as it is.
    Forward(Leave, Plan),
    /// It is not sent. The client gets an error, and the target's transaction fails with it.
    Refuse(Refusal),
    /// It waits, everything behind it in the client's stream too. The notice is told at once.
    Hold(Refusal, Held),
    /// It is not sent, and the session ends.
    End(Refusal),
}

/// Why a held command is not waited for any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawal {
    /// Its client cancelled it.
    Cancelled,
    /// Its client has gone.
    ClientGone,
    /// The session can't go on: the target has gone, or broke the protocol.
    SessionOver,
}

/// Decides on commands.
pub trait Judge: Send {
    /// What the judge tells the veil about a forwarded command. The default belongs to messages that are no commands.
    type Plan: Ticket;
    /// A command that waits.
    type Held: Send;

    /// Decides on one command. Replies of the target keep flowing while it thinks.
    fn on_client_frame(
        &mut self,
        frame: ClientFrame<'_>,
        view: View,
    ) -> impl Future<Output = Disposition<Self::Plan, Self::Held>> + Send;

    /// Waits for a held command's decision, which may not be another hold. Dropped when the client cancels or leaves;
    /// then [`Judge::on_withdrawn`] comes.
    fn on_hold(
        &mut self,
        held: &mut Self::Held,
    ) -> impl Future<Output = Disposition<Self::Plan, std::convert::Infallible>> + Send;

    /// A held command will not be sent, whatever is decided.
    fn on_withdrawn(&mut self, held: Self::Held, why: Withdrawal) -> impl Future<Output = ()> + Send {
        drop((held, why));
        std::future::ready(())
    }

    /// A message is refused that can't be decided on: longer than is read, or of a kind that is never offered.
    ///
    /// # Errors
    /// Where that can't be recorded: the session ends.
    fn on_unread(&mut self, kind: Frontend, refusal: &Refusal) -> Result<(), Refusal> {
        let _ = (kind, refusal);
        Ok(())
    }

    /// A command was refused; `aborts` says that the gateway is about to send the target a statement of its own that
    /// fails, so that what the target has done with the refused command's transaction fails too.
    ///
    /// # Errors
    /// Where that can't be recorded: the session ends.
    fn on_refused(&mut self, aborts: bool) -> Result<(), Refusal> {
        let _ = aborts;
        Ok(())
    }

    /// The session is over, for this reason; so many bytes came from the client and went to it. Nothing is asked any more.
    fn on_end(&mut self, reason: &str, (bytes_in, bytes_out): (u64, u64)) {
        let _ = (reason, bytes_in, bytes_out);
    }

    /// Resolves when the session must end now, whatever it is doing; polled whenever the session wakes up.
    fn stopped(&self) -> impl Future<Output = Refusal> + Send + 'static;
}

/// What becomes of a message from the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Its bytes pass unread.
    Pass,
    /// It is assembled, up to this many bytes of body, and looked at; a longer one ends the session.
    Rewrite(usize),
}

/// Why a message from the target does not pass, nor anything behind it that belongs with it.
#[derive(Debug)]
pub enum Halt {
    /// The command fails with this refusal, having recorded that the target is told to cancel it. The session goes on.
    Command {
        /// What the client is told.
        refusal: Refusal,
        /// Neither the command nor what ran before it in its run of messages changes anything, so that it makes no
        /// difference to the target's state whether all of it ran to its end.
        is_harmless: bool,
    },
    /// The session ends with this refusal.
    Session(Refusal),
}

/// Sees what the target answers, before anyone else does.
pub trait Veil<Plan>: Send {
    /// Decides on a message by its header. `plan` is that of the command it answers; a notice, a setting or a
    /// notification may come at any time and then has the plan of the command that runs, if one does.
    fn on_server_frame(&mut self, kind: Backend, header: Header, plan: Option<&mut Plan>) -> Passage;

    /// Asked once before each message: ready when it may be looked at, which may have to wait for a count that
    /// is kept elsewhere.
    ///
    /// # Errors
    /// Where nothing more of the command, or of the session, may pass.
    fn poll_admit(
        &mut self,
        cx: &mut Context<'_>,
        kind: Backend,
        header: Header,
        plan: Option<&mut Plan>,
    ) -> Poll<Result<(), Halt>> {
        let _ = (cx, kind, header, plan);
        Poll::Ready(Ok(()))
    }

    /// The gateway is about to send the target a statement of its own that fails, so that the transaction of a command
    /// that was halted fails too.
    ///
    /// # Errors
    /// Where that can't be recorded: the session ends.
    fn on_abort(&mut self) -> Result<(), Refusal> {
        Ok(())
    }

    /// The target failed at what the gateway made it fail at, in the place of a command that was refused.
    fn on_refusal(&mut self) {}

    /// Looks at a message. What the client gets instead is appended to `out`: one whole message, some, or nothing.
    ///
    /// # Errors
    /// Where the message can't be shown safely: the session ends with the refusal.
    fn rewrite(
        &mut self,
        kind: Backend,
        body: &[u8],
        plan: Option<&mut Plan>,
        out: &mut Vec<u8>,
    ) -> Result<Rewritten, Refusal>;
}

/// Lets everything through: what a plain relay does. For measuring, and for tests of the relay itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Transparent;

impl Judge for Transparent {
    type Plan = ();
    type Held = std::convert::Infallible;

    async fn on_client_frame(&mut self, _: ClientFrame<'_>, _: View) -> Disposition<(), Self::Held> {
        Disposition::Forward(Leave::unjudged(), ())
    }

    async fn on_hold(&mut self, held: &mut Self::Held) -> Disposition<(), std::convert::Infallible> {
        match *held {}
    }

    fn stopped(&self) -> impl Future<Output = Refusal> + Send + 'static {
        std::future::pending()
    }
}

impl<Plan> Veil<Plan> for Transparent {
    fn on_server_frame(&mut self, _: Backend, _: Header, _: Option<&mut Plan>) -> Passage {
        Passage::Pass
    }

    fn rewrite(
        &mut self,
        _: Backend,
        _: &[u8],
        _: Option<&mut Plan>,
        _: &mut Vec<u8>,
    ) -> Result<Rewritten, Refusal> {
        Ok(Rewritten::Unchanged)
    }
}
