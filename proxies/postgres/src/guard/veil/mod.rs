//! Masks and records what a target answers.
//!
//! `columns` finds out what becomes of a result's columns when it is described, `maskers` keeps what masks them, `ends`
//! notes how each command ended. What may pass as it is, is told before it is read.

mod columns;
mod ends;
mod maskers;

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use portcullis_evidence::record::Made;
use portcullis_gateway::enforce::{Judged, RefusalKind, Tape};

use self::ends::confirm;
use self::maskers::Maskers;
use super::count::{Counting, counts};
use super::plan::{Execution, Plan};
use super::recording::Replies;
use super::results;
use super::session::Shared;
use super::stopped::{Stopped, only_reads};
use super::words::refusal;
use crate::mask::message::Exposure;
use crate::mask::{MAX_MASKED_ROW, MaskError, Rewritten};
use crate::refuse::{Refusal, SqlState};
use crate::relay::{Halt, Passage, Veil};
use crate::wire::backend::Backend;
use crate::wire::frame::{HEADER, Header};

/// The longest error, notice, setting or description that is read, in bytes.
const MESSAGE: usize = 4 << 20;

/// A COPY that comes out and that no command had asked for.
const UNASKED: MaskError = MaskError::Copy("nothing had asked for it");

/// Sees one session's replies.
pub struct SessionVeil {
    shared: Arc<Shared>,
    maskers: Maskers,
    /// The latest decision that masks: what comes unasked is masked by it.
    latest: Option<Arc<Judged>>,
    /// Something has run since the last ReadyForQuery, whose constraints may be checked with what comes after it.
    is_uncommitted: bool,
    replies: Replies,
    counting: Counting,
    /// The command that was stopped at a limit, until the target has come to rest.
    stopped: Option<Stopped>,
    /// Something that ran since the last ReadyForQuery may have changed something.
    has_changed: bool,
}

impl SessionVeil {
    /// A veil for a session that has said nothing yet.
    pub fn new(shared: Arc<Shared>, tape: Tape) -> Self {
        Self {
            maskers: Maskers::new(&shared),
            shared,
            latest: None,
            is_uncommitted: false,
            replies: Replies::new(tape),
            counting: Counting::default(),
            stopped: None,
            has_changed: false,
        }
    }
}

impl Veil<Plan> for SessionVeil {
    fn on_server_frame(&mut self, kind: Backend, header: Header, mut plan: Option<&mut Plan>) -> Passage {
        let mut is_recorded = self.replies.takes(plan.as_deref());
        if is_recorded && header.body > MAX_MASKED_ROW {
            // Nothing that is too long to be recorded is read for that alone.
            is_recorded = false;
            self.replies.omitted(plan.as_deref(), &self.shared);
        }
        match kind {
            Backend::ParseComplete | Backend::BindComplete | Backend::CloseComplete => {
                confirm(&self.shared, plan);
                Passage::Pass
            }
            Backend::DataRow => {
                if let Some(Plan::Execute(Execution { portal, run, .. })) = plan.as_deref_mut()
                    && run.results.is_none()
                {
                    self.latest = Some(Arc::clone(&run.judged));
                    run.results = Some(self.portal_results(portal, &run.judged));
                }
                let Some(run) = plan.and_then(Plan::run_mut) else { return Passage::Rewrite(MAX_MASKED_ROW) };
                run.tally.seen += 1;
                run.tally.bytes += header.body as u64;
                match &run.results {
                    Some(results) if results.passes_all() && !is_recorded => Passage::Pass,
                    _ => Passage::Rewrite(MAX_MASKED_ROW),
                }
            }
            Backend::CopyData => {
                let Some(run) = plan.and_then(Plan::run_mut) else { return Passage::Rewrite(MAX_MASKED_ROW) };
                run.tally.bytes += header.body as u64;
                match &run.copy {
                    Some(copy) if copy.passes_all() && !is_recorded => Passage::Pass,
                    _ => Passage::Rewrite(MAX_MASKED_ROW),
                }
            }
            Backend::PortalSuspended => {
                self.replies.ended();
                self.suspended(plan);
                Passage::Pass
            }
            Backend::ParameterDescription | Backend::NoData | Backend::CopyInResponse => Passage::Pass,
            Backend::RowDescription
            | Backend::CommandComplete
            | Backend::EmptyQueryResponse
            | Backend::CopyOutResponse
            | Backend::CopyDone
            | Backend::ErrorResponse
            | Backend::NoticeResponse
            | Backend::NotificationResponse
            | Backend::ParameterStatus
            | Backend::ReadyForQuery => Passage::Rewrite(MESSAGE),
        }
    }

    fn poll_admit(
        &mut self,
        cx: &mut Context<'_>,
        kind: Backend,
        header: Header,
        plan: Option<&mut Plan>,
    ) -> Poll<Result<(), Halt>> {
        ready!(self.replies.poll_room(cx));
        if !matches!(kind, Backend::DataRow | Backend::CopyData) {
            return Poll::Ready(Ok(()));
        }
        let Some(plan) = plan.filter(|plan| plan.run().is_some_and(|run| counts(&run.judged))) else {
            return Poll::Ready(Ok(()));
        };
        if let Plan::Execute(execution) = plan {
            self.borrow(execution);
        }
        let Some(run) = plan.run_mut() else { return Poll::Ready(Ok(())) };
        let Some(counted) = &mut run.receipt else {
            let text = "these rows can't be counted";
            return Poll::Ready(Err(Halt::Session(Refusal::new(SqlState::UNAVAILABLE, text))));
        };
        let Err(denial) = ready!(self.counting.poll_row(cx, counted, header.body as u64)) else {
            return Poll::Ready(Ok(()));
        };
        let told = refusal(&denial);
        run.tally.suspend();
        self.replies.ended();
        let tally = std::mem::take(&mut run.tally);
        let stopped = run.receipt.take().map(|receipt| Stopped::new(receipt, tally, told.state));
        let is_harmless = !self.has_changed && only_reads(&run.meaning);
        match stopped {
            Some(stopped) if denial.kind == RefusalKind::LimitReached => {
                let cancelled = stopped.made(Made::Cancel).map_err(Halt::Session);
                self.stopped = Some(stopped);
                Poll::Ready(cancelled.and(Err(Halt::Command { refusal: told, is_harmless })))
            }
            _ => Poll::Ready(Err(Halt::Session(told))),
        }
    }

    fn on_abort(&mut self) -> Result<(), Refusal> {
        self.stopped.as_ref().map_or(Ok(()), |stopped| stopped.made(Made::Abort))
    }

    fn on_refusal(&mut self) {
        self.stopped = None;
        self.shared.names.failed();
    }

    fn rewrite(
        &mut self,
        kind: Backend,
        body: &[u8],
        mut plan: Option<&mut Plan>,
        out: &mut Vec<u8>,
    ) -> Result<Rewritten, Refusal> {
        let rewritten = self.rewritten(kind, body, plan.as_deref_mut(), out).map_err(|error| {
            Refusal::new(SqlState::PROTOCOL, error.to_string())
                .hint("the session ends, because what the target sent can't be shown safely")
        })?;
        let shown = match rewritten {
            Rewritten::Unchanged => body,
            Rewritten::Written => out.get(HEADER..).unwrap_or_default(),
        };
        self.record(kind, shown, plan.as_deref());
        Ok(rewritten)
    }
}

impl SessionVeil {
    /// Records a message as the client gets it.
    fn record(&mut self, kind: Backend, body: &[u8], plan: Option<&Plan>) {
        let Self { replies, shared, .. } = self;
        match kind {
            Backend::RowDescription => replies.columns(plan, shared, body),
            Backend::DataRow if replies.takes(plan) => replies.row(plan, shared, body),
            Backend::CopyData if replies.takes(plan) => replies.output(plan, shared, body),
            Backend::ErrorResponse | Backend::NoticeResponse => replies.message(body),
            _ => {}
        }
    }

    fn rewritten(
        &mut self,
        kind: Backend,
        body: &[u8],
        plan: Option<&mut Plan>,
        out: &mut Vec<u8>,
    ) -> Result<Rewritten, MaskError> {
        match kind {
            Backend::RowDescription => self.describe(body, plan, out),
            Backend::DataRow => {
                let run = plan.and_then(Plan::run_mut).ok_or(MaskError::Short("result"))?;
                let results = run.results.as_ref().ok_or(MaskError::Short("result"))?;
                let rewritten = self.maskers.of(&self.shared, &run.judged).data_row(results, body, out)?;
                run.tally.masked += u64::from(rewritten == Rewritten::Written);
                Ok(rewritten)
            }
            Backend::CopyData => {
                let run = plan.and_then(Plan::run_mut).ok_or(UNASKED)?;
                let copy = run.copy.as_mut().ok_or(UNASKED)?;
                let rewritten = copy.data(self.maskers.of(&self.shared, &run.judged), body, out)?;
                run.tally.masked += u64::from(rewritten == Rewritten::Written);
                Ok(rewritten)
            }
            Backend::CopyOutResponse => {
                self.open_copy(body, plan)?;
                Ok(Rewritten::Unchanged)
            }
            Backend::CopyDone => {
                let run = plan.and_then(|plan| plan.run());
                run.and_then(|run| run.copy.as_ref()).ok_or(UNASKED)?.done()?;
                Ok(Rewritten::Unchanged)
            }
            Backend::CommandComplete => {
                self.completed(body.strip_suffix(b"\0").unwrap_or(body), plan);
                Ok(Rewritten::Unchanged)
            }
            Backend::EmptyQueryResponse => {
                self.completed(b"", plan);
                Ok(Rewritten::Unchanged)
            }
            Backend::ErrorResponse | Backend::NoticeResponse => {
                let exposure = self.exposure(plan.as_deref());
                let judged = self.judged(plan.as_deref());
                if kind == Backend::ErrorResponse {
                    self.failed(body, plan);
                }
                let masker = self.maskers.for_judged(&self.shared, judged.as_deref());
                masker.report(exposure, kind.tag(), body, out)
            }
            Backend::NotificationResponse => {
                let exposure =
                    self.latest.as_ref().map_or(Exposure::Guarded, |judged| results::standing(judged));
                let judged = self.latest.clone();
                self.maskers.for_judged(&self.shared, judged.as_deref()).notification(exposure, body, out)
            }
            Backend::ParameterStatus => {
                let exposure = self.exposure(plan.as_deref());
                let judged = self.judged(plan.as_deref());
                self.maskers.for_judged(&self.shared, judged.as_deref()).parameter_status(exposure, body, out)
            }
            Backend::ReadyForQuery => {
                self.ready(body, plan);
                Ok(Rewritten::Unchanged)
            }
            Backend::ParseComplete
            | Backend::BindComplete
            | Backend::CloseComplete
            | Backend::ParameterDescription
            | Backend::NoData
            | Backend::PortalSuspended
            | Backend::CopyInResponse => Ok(Rewritten::Unchanged),
        }
    }
}
