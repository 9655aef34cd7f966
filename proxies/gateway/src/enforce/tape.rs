//! What is told of a session: to its recording, begun with the first command that a `record` rule matches, and to those who
//! watch it.
//!
//! What it is given is masked already. A recording never loses an event: a full queue is waited out before a command is judged
//! and before a reply is looked at, and a recording that can't go on ends its session.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use portcullis_evidence::Timestamp;
use portcullis_evidence::record::{DecisionKind, Parameter};
use portcullis_evidence::recording::{Event, RecordedDecision, Recorder, Recording};

use super::asked::Asked;
use super::judged::Judged;
use super::live::Live;
use super::refusal::Refusal;
use crate::session::StopReason;

/// Where the proxy that sees a session's replies tells of them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tape(pub(super) Arc<Live>);

impl Tape {
    /// Whether the session is recorded or watched. One atomic load.
    pub fn is_on(&self) -> bool {
        self.0.entry.audience.is_on()
    }

    /// Tells of an event; without effect where nobody listens. Await room first: this takes the event
    /// even if the queue is full. A recording that fails ends the session.
    pub fn push(&self, event: &Event<'_>) {
        self.0.record(event);
    }

    /// What the client is to be told about those who watch: the latest of it.
    pub fn notices(&self) -> tokio::sync::watch::Receiver<Box<str>> {
        self.0.entry.audience.notices()
    }

    /// Ready once the recorder's queue has room, or the session is not recorded.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.reel.poll_room(cx)
    }
}

/// What a session keeps of its recording.
#[derive(Default)]
pub(super) struct Reel {
    is_on: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    recording: Option<Recording>,
    /// Why the session ended, once it has.
    reason: Option<Box<str>>,
}

impl Reel {
    fn state(&self) -> MutexGuard<'_, State> {
        // Whole fields are set, so a panic elsewhere leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_on() {
            return Poll::Ready(());
        }
        self.state().recording.as_ref().map_or(Poll::Ready(()), |recording| recording.poll_room(cx))
    }

    /// Notes why the session ended. What becomes of commands under way is recorded after it, and then the end.
    pub(super) fn ends(&self, reason: &str) {
        self.state().reason.get_or_insert_with(|| reason.into());
    }

    pub(super) fn close(&self) {
        let mut state = self.state();
        let Some(recording) = state.recording.take() else { return };
        let reason = state.reason.take();
        if let Err(error) = recording.close(reason.as_deref().unwrap_or("abandoned")) {
            tracing::error!(%error, "a recording could not be closed");
        }
    }
}

impl Live {
    /// Begins the recording if this decision asks for one, and none has begun.
    pub(super) fn begin_recording(&self, judged: &Judged) -> Result<(), Refusal> {
        if !judged.records() || self.reel.is_on() {
            return Ok(());
        }
        let mut state = self.reel.state();
        if state.recording.is_none() {
            let recording = self.open_recording(&self.gateway.recorder)?;
            state.recording = Some(recording);
            self.reel.is_on.store(true, Ordering::Release);
            self.entry.audience.is_recorded();
        }
        Ok(())
    }

    fn open_recording(&self, recorder: &Recorder) -> Result<Recording, Refusal> {
        let entry = &self.entry;
        let session = entry.id.to_string();
        let failed = Arc::clone(entry);
        let recording = recorder.open(&session, move |reason| {
            tracing::error!(%reason, session = %failed.id, "a recording failed: its session ends");
            failed.stop.throw(StopReason::EvidenceLost);
        });
        let lost = |error: &dyn fmt::Display| {
            tracing::error!(%error, session, "a session can't be recorded: it ends");
            entry.stop.throw(StopReason::EvidenceLost);
            Refusal::stopped(&StopReason::EvidenceLost)
        };
        let recording = recording.map_err(|error| lost(&error))?;
        let started = self.gateway.clock.millis().max(0).unsigned_abs().saturating_mul(1000);
        let opened = Event::Opened {
            session: session.as_str().into(),
            principal: (&*entry.principal.id).into(),
            target: (&*entry.target.name).into(),
            protocol: entry.target.protocol.as_str().into(),
            source: entry.source.map(|source| source.to_string()).unwrap_or_default().into(),
            started: Timestamp::from_micros(started),
        };
        recording.push(&opened).map_err(|error| lost(&error))?;
        Ok(recording)
    }

    /// Records an event, if the session is recorded, and tells its watchers. Where recording fails, the session ends.
    pub(super) fn record(&self, event: &Event<'_>) {
        if !self.entry.audience.is_on() {
            return;
        }
        if self.reel.is_on() {
            let pushed = self.reel.state().recording.as_ref().map(|recording| recording.push(event));
            if let Some(Err(error)) = pushed {
                tracing::error!(%error, session = %self.entry.id, "a session can't be recorded: it ends");
                self.entry.stop.throw(StopReason::EvidenceLost);
            }
        }
        self.entry.audience.tell(event);
    }

    /// Records that a command was judged.
    pub(super) fn record_command(
        &self,
        asked: &Asked<'_>,
        judged: &Judged,
        command: u64,
        parameters: &[Parameter<'_>],
    ) {
        if !self.entry.audience.is_on() {
            return;
        }
        let rules = judged.decided_by();
        self.record(&Event::Command {
            command,
            via: asked.via.into(),
            text: self.masked(judged, &asked.statement.shown),
            parameters: parameters.into(),
            decision: RecordedDecision { decision: judged.kind(), rules: rules.into() },
        });
    }

    /// Records what became of an approval.
    pub(super) fn record_approval(&self, approval: &str, command: u64, state: &str) {
        self.record(&Event::Approval { approval: approval.into(), command, state: state.into() });
    }

    /// Waits until the recorder has room.
    pub(super) async fn room_to_record(&self) {
        std::future::poll_fn(|cx| self.reel.poll_room(cx)).await;
    }
}

impl Judged {
    /// Whether the session must be recorded.
    pub(super) const fn records(&self) -> bool {
        self.keep.is_some()
    }

    fn kind(&self) -> DecisionKind {
        match self.decision().verdict {
            policy_core::Verdict::Allow => DecisionKind::Allow,
            policy_core::Verdict::Deny(_) => DecisionKind::Deny,
            policy_core::Verdict::Hold(_) => DecisionKind::Hold,
        }
    }
}
