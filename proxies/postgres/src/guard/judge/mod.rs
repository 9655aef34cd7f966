//! Judges what a client sends.
//!
//! `messages` reads each message and finds what it is about, [`understand`](super::understand) what that means now; `run`
//! asks the policy and plans what becomes of the replies. What waits for approval comes back here.

mod messages;
mod run;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use portcullis_evidence::record::Made;
use portcullis_gateway::enforce::{Closing, Held, RefusalKind, Session};
use smallvec::SmallVec;

use super::plan::{Plan, Prepared};
use super::session::Shared;
use super::understand::Understanding;
use super::words::{changed, in_evidence, refusal};
use crate::command::meaning::Meaning;
use crate::mask::Format;
use crate::refuse::{Refusal, SqlState};
use crate::relay::{ClientFrame, Disposition, Judge, View, Withdrawal};
use crate::wire::frontend::Frontend;

/// Judges one session's commands.
pub struct SessionJudge {
    session: Session,
    shared: Arc<Shared>,
    /// The segment in which something was run last: a later statement of it is in that one's transaction.
    ran_in: Option<u64>,
    /// The policy was asked about the message at hand, and evidence has its answer.
    was_judged: bool,
}

/// A command that waits, and what is to be done once it is released.
pub struct Waiting {
    held: Box<Held>,
    meaning: Arc<Meaning>,
    segment: u64,
    then: Then,
}

/// How a judged command goes on.
#[derive(Default)]
enum Then {
    #[default]
    Query,
    Bind {
        portal: Box<str>,
        prepared: Arc<Prepared>,
        formats: SmallVec<[Format; 4]>,
        takes: usize,
    },
    Execute {
        portal: Box<str>,
    },
}

type Answer = Result<Disposition<Plan, Waiting>, Refusal>;

impl SessionJudge {
    /// A judge for a session that has said nothing yet.
    pub fn new(session: Session, shared: Arc<Shared>) -> Self {
        Self { session, shared, ran_in: None, was_judged: false }
    }

    /// How texts are understood in this segment.
    fn at(&self, segment: u64) -> Understanding<'_> {
        Understanding { session: &self.session, shared: &self.shared, segment }
    }
}

impl Judge for SessionJudge {
    type Plan = Plan;
    type Held = Waiting;

    async fn on_client_frame(&mut self, frame: ClientFrame<'_>, view: View) -> Disposition<Plan, Waiting> {
        self.was_judged = false;
        let answer = match frame.kind {
            Frontend::Query => {
                let answer = self.query(frame.body, view).await;
                self.ran_in = None;
                answer
            }
            Frontend::Parse => self.parse(frame.body, view).await,
            Frontend::Bind => self.bind(frame.body, view).await,
            Frontend::Describe => self.describe(frame.body, view).await,
            Frontend::Execute => self.execute(frame.body, view).await,
            Frontend::Close => self.close(frame.body, view),
            _ => Err(Refusal::new(SqlState::UNSUPPORTED, "this message is not supported by the gateway")),
        };
        match answer {
            Ok(disposition) => disposition,
            Err(refusal) if self.session.stop().reached().is_some() => Disposition::End(refusal),
            Err(refusal) if self.was_judged => Disposition::Refuse(refusal),
            Err(refusal) => {
                match self.session.refused(frame.kind.name(), in_evidence(&refusal), Some(frame.body)) {
                    Ok(()) => Disposition::Refuse(refusal),
                    Err(denial) => Disposition::End(self::refusal(&denial)),
                }
            }
        }
    }

    fn on_unread(&mut self, kind: Frontend, why: &Refusal) -> Result<(), Refusal> {
        self.session.refused(kind.name(), in_evidence(why), None).map_err(|denial| refusal(&denial))
    }

    async fn on_hold(&mut self, held: &mut Waiting) -> Disposition<Plan, Infallible> {
        let released = match held.held.wait().await {
            Ok(released) => released,
            Err(denial) if denial.kind == RefusalKind::Stopped => return Disposition::End(refusal(&denial)),
            Err(denial) => return Disposition::Refuse(refusal(&denial)),
        };
        let (meaning, segment, then) =
            (Arc::clone(&held.meaning), held.segment, std::mem::take(&mut held.then));
        // An approval is for what was approved: the same text over other definitions is another command.
        match self.at(segment).still(&meaning, meaning.asked.raw()).await {
            Ok(now) if now.asked.digest() == meaning.asked.digest() => {}
            Ok(_) => return Disposition::Refuse(changed()),
            Err(refusal) => return Disposition::Refuse(refusal),
        }
        match self.go_on(released.permit, meaning, segment, then).await {
            Ok(Disposition::Forward(leave, plan)) => Disposition::Forward(leave, plan),
            Ok(Disposition::Refuse(refusal) | Disposition::Hold(refusal, _)) | Err(refusal) => {
                Disposition::Refuse(refusal)
            }
            Ok(Disposition::End(refusal)) => Disposition::End(refusal),
        }
    }

    async fn on_withdrawn(&mut self, held: Waiting, why: Withdrawal) {
        let reason = match why {
            Withdrawal::Cancelled => "cancelled",
            Withdrawal::ClientGone => "client gone",
            Withdrawal::SessionOver => "session over",
        };
        held.held.withdraw(reason).await;
    }

    fn on_refused(&mut self, aborts: bool) -> Result<(), Refusal> {
        if !aborts {
            return Ok(());
        }
        self.session.made(Made::Abort, Some("a command was refused")).map_err(|denial| refusal(&denial))
    }

    fn on_end(&mut self, reason: &str, (bytes_in, bytes_out): (u64, u64)) {
        self.session.ended(Closing { reason, bytes_in, bytes_out });
    }

    fn stopped(&self) -> impl Future<Output = Refusal> + Send + 'static {
        let stop = Arc::clone(self.session.stop());
        async move { Refusal::new(SqlState::SHUTDOWN, stop.wait().await.to_string()) }
    }
}
