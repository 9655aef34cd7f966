//! One principal's connection to one target, and the judging of its commands.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use policy_core::mask::REDACTED;
use policy_core::rule::LimitUnit;
use policy_core::{ActionSet, Request, Target};
use portcullis_evidence::record::{
    DecisionKind, GatewayBytes, Intent, LimitHit, Made, Parameter as Shown, Refusal as Unjudged,
    SessionClosed,
};
use portcullis_evidence::{Part, Record};
use smallvec::SmallVec;

use super::asked::{Asked, Parameter, Stage, Statement};
use super::gateway::connect;
use super::hold::Held;
use super::judged::{Answer, Judged};
use super::live::Live;
use super::permit::{Continuation, Permit, unit_name};
use super::refusal::Refusal;
use super::tape::Tape;
use crate::session::{SessionId, Stop, StopReason};

/// Verdicts remembered by a session, and the most text that they may keep alive.
const REMEMBERED: usize = 1024;
const REMEMBERED_BYTES: usize = 4 << 20;

/// A session. The proxy owns it and asks it about every command; dropping it closes the session.
#[derive(Debug)]
pub struct Session {
    pub(super) live: Arc<Live>,
    memory: Memory,
    opened: Instant,
    closed: bool,
}

/// The answer to a command.
#[derive(Debug)]
#[must_use = "a judgement decides what is forwarded"]
pub enum Judgement {
    /// It may be forwarded.
    Admit(Permit),
    /// It may not.
    Refuse(Refusal),
    /// It waits for approval.
    Hold(Box<Held>),
}

impl Session {
    pub(super) fn new(live: Arc<Live>) -> Self {
        Self { live, memory: Memory::default(), opened: Instant::now(), closed: false }
    }

    /// Its name.
    pub fn id(&self) -> SessionId {
        self.live.entry.id
    }

    /// What it reaches.
    pub fn target(&self) -> &Arc<Target> {
        &self.live.entry.target
    }

    /// The switch that ends it: checked before anything is forwarded, selected on while waiting.
    pub fn stop(&self) -> &Arc<Stop> {
        &self.live.entry.stop
    }

    /// Judges one command. On the way that most commands take this neither waits nor allocates.
    ///
    /// A prepared statement that would be held is admitted: only its execution waits.
    pub async fn judge(&mut self, asked: &Asked<'_>) -> Judgement {
        match self.try_judge(asked).await {
            Ok(judgement) => judgement,
            Err(refusal) => Judgement::Refuse(refusal),
        }
    }

    async fn try_judge(&mut self, asked: &Asked<'_>) -> Result<Judgement, Refusal> {
        if let Some(reason) = self.live.entry.stop.reached() {
            return Err(Refusal::stopped(reason));
        }
        self.live.room_to_record().await;
        let judged = self.judged(asked)?;
        self.live.begin_recording(&judged)?;
        let command = self.live.entry.commands.fetch_add(1, Ordering::Relaxed) + 1;
        match &judged.answer {
            Answer::Deny(refusal) => {
                let parameters = shown_parameters(&self.live, &judged, asked);
                self.live.write(&intent(&self.live, asked, &judged, command, None, &parameters))?;
                self.live.record_command(asked, &judged, command, &parameters);
                self.live.gateway.metrics.denied.inc();
                return Err(refusal.clone());
            }
            Answer::Hold if asked.stage == Stage::Execute => {
                let parameters = shown_parameters(&self.live, &judged, asked);
                self.live.write(&intent(&self.live, asked, &judged, command, None, &parameters))?;
                self.live.record_command(asked, &judged, command, &parameters);
                self.live.gateway.metrics.held.inc();
                let held = Held::new(Arc::clone(&self.live), judged, asked, command)?;
                return Ok(Judgement::Hold(Box::new(held)));
            }
            Answer::Hold | Answer::Allow => {}
        }
        let permit = admit(&self.live, asked, judged, command, None).await?;
        Ok(Judgement::Admit(permit))
    }

    /// The decision about a statement: remembered, or made now.
    pub(super) fn judged(&mut self, asked: &Asked<'_>) -> Result<Arc<Judged>, Refusal> {
        let gateway = &self.live.gateway;
        let active = gateway.policies.current();
        if self.memory.enter(active.generation) {
            self.still_admitted()?;
        }
        if let Some(judged) = self.memory.recall(asked) {
            return Ok(judged);
        }
        let actions = actions(asked.statement, asked.stage);
        let judged = evaluate(&self.live, actions, asked.stage, &[])?;
        if judged.lasts() && judged.generation() == self.memory.generation {
            self.memory.keep(asked, &judged);
        }
        Ok(judged)
    }

    /// Whether the policy in force would admit this, or hold it, where what is pending is not known yet: for lists of what may be
    /// used. Nothing is forwarded by this, so nothing is counted or recorded.
    pub fn would_admit(&self, actions: &ActionSet) -> bool {
        self.live.entry.stop.reached().is_none()
            && evaluate(&self.live, actions, Stage::Prepare, &[])
                .is_ok_and(|judged| matches!(judged.answer, Answer::Allow | Answer::Hold))
    }

    /// Whether the policy in force would hold this. Nothing is counted or recorded by it: whoever asks has not all of what is
    /// to be held yet.
    pub fn would_hold(&mut self, asked: &Asked<'_>) -> bool {
        asked.stage == Stage::Execute
            && self.judged(asked).is_ok_and(|judged| matches!(judged.answer, Answer::Hold))
    }

    /// The generation of the policy in force.
    pub fn policy_generation(&self) -> u64 {
        self.live.gateway.policies.generation()
    }

    /// Leave to go on with what was admitted: another Execute of a portal, a FETCH of its rows. `None` where that must be
    /// judged anew: another policy is in force, or the time of day mattered.
    ///
    /// # Errors
    /// Where the session was stopped.
    pub fn resume(&self, judged: &Judged) -> Result<Option<Continuation>, Refusal> {
        if let Some(reason) = self.live.entry.stop.reached() {
            return Err(Refusal::stopped(reason));
        }
        let stands = judged.session == self.live.entry.id
            && judged.generation() == self.live.gateway.policies.generation()
            && judged.stands();
        Ok(stands.then_some(Continuation(())))
    }

    /// A policy that came into force while the session runs may not admit it any more.
    fn still_admitted(&self) -> Result<(), Refusal> {
        let judged = evaluate(&self.live, &connect(), Stage::Execute, &[])?;
        let Answer::Deny(refusal) = &judged.answer else { return Ok(()) };
        let reason = StopReason::Revoked { by: "the policy".into(), reason: refusal.message.clone() };
        let stopped = Refusal::stopped(&reason);
        self.live.entry.stop.throw(reason);
        Err(stopped)
    }

    /// Records that the proxy refused a message without a verdict: it can't be read, or isn't offered. `reason` quotes
    /// nothing of it; `message` is what there is of it, of which only the keyed digest is kept.
    ///
    /// # Errors
    /// Where evidence can't be written: every session of the gateway ends.
    pub fn refused(&mut self, what: &str, reason: &str, message: Option<&[u8]>) -> Result<(), Refusal> {
        let command = self.live.entry.commands.fetch_add(1, Ordering::Relaxed) + 1;
        let digest = message.map(|message| self.live.gateway.digest(&[message]).into());
        let decision = DecisionKind::Deny;
        let refusal = Unjudged { command, what: what.into(), decision, reason: reason.into(), digest };
        self.live.write(&Record::Refusal(refusal))?;
        self.live.gateway.metrics.denied.inc();
        Ok(())
    }

    /// Ends the session for something that was noticed and that this refusal is about.
    pub fn noticed(&self, refusal: &Refusal) {
        let Refusal { message, rule, .. } = refusal;
        self.live.entry.stop.throw(StopReason::Noticed { message: message.clone(), rule: rule.clone() });
    }

    /// Records bytes of the gateway's own making. Call it before they are sent.
    ///
    /// # Errors
    /// Where evidence can't be written: they must not be sent.
    pub fn made(&mut self, made: Made, reason: Option<&str>) -> Result<(), Refusal> {
        let record = GatewayBytes { made, command: None, reason: reason.map(Into::into) };
        self.live.write(&Record::GatewayBytes(record)).map(drop)
    }

    /// Its recording, for whoever sees the replies.
    pub fn tape(&self) -> Tape {
        Tape(Arc::clone(&self.live))
    }

    /// Records that the session ended, and why, once. Dropping a session that was not ended so records `dropped`.
    pub fn ended(&mut self, closing: Closing<'_>) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let entry = &self.live.entry;
        self.live.reel.ends(closing.reason);
        entry.audience.ends(closing.reason);
        let _ = self.live.write(&Record::SessionClosed(SessionClosed {
            reason: closing.reason.into(),
            commands: entry.commands.load(Ordering::Relaxed),
            bytes_out: closing.bytes_out,
            bytes_in: closing.bytes_in,
            micros: u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX),
        }));
        let id = entry.id;
        self.live.gateway.registry.remove(id);
        self.live.gateway.store.tell("close a session", move |store| store.close_session(id));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.ended(Closing { reason: "dropped", bytes_in: 0, bytes_out: 0 });
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug)]
pub struct Closing<'a> {
    /// `client`, `target`, `revoked`, `drain`, or an error in words.
    pub reason: &'a str,
    /// Bytes received from the client.
    pub bytes_in: u64,
    /// Bytes sent to the client.
    pub bytes_out: u64,
}

/// Verdicts that last, for one generation of the policy.
#[derive(Debug, Default)]
struct Memory {
    generation: u64,
    /// By the address of the statement, which stays its own while it is kept here.
    verdicts: HashMap<(usize, Stage), (Arc<Statement>, Arc<Judged>)>,
    bytes: usize,
}

impl Memory {
    /// Whether another policy has come into force; the verdicts of the one before are forgotten.
    fn enter(&mut self, generation: u64) -> bool {
        if self.generation == generation {
            return false;
        }
        *self = Self { generation, ..Self::default() };
        true
    }

    fn recall(&self, asked: &Asked<'_>) -> Option<Arc<Judged>> {
        let (_, judged) = self.verdicts.get(&(Arc::as_ptr(asked.statement).addr(), asked.stage))?;
        Some(Arc::clone(judged))
    }

    fn keep(&mut self, asked: &Asked<'_>, judged: &Arc<Judged>) {
        let bytes = asked.statement.raw.len() + asked.statement.shown.len();
        if self.verdicts.len() >= REMEMBERED || self.bytes + bytes > REMEMBERED_BYTES {
            self.verdicts.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        let key = (Arc::as_ptr(asked.statement).addr(), asked.stage);
        self.verdicts.insert(key, (Arc::clone(asked.statement), Arc::clone(judged)));
    }
}

fn actions(statement: &Statement, stage: Stage) -> &ActionSet {
    match stage {
        Stage::Prepare => &statement.actions,
        Stage::Execute => &statement.bound,
    }
}

/// Asks the policy in force.
pub(super) fn evaluate(
    live: &Live,
    actions: &ActionSet,
    stage: Stage,
    grants: &[policy_core::rule::HoldKey],
) -> Result<Arc<Judged>, Refusal> {
    let gateway = &live.gateway;
    let request = Request {
        principal: &live.entry.principal,
        target: &live.entry.target,
        actions,
        source: live.entry.source,
        now: Some(gateway.clock.seconds()),
        grants,
    };
    Judged::evaluate(live, &request, stage)
        .map(Arc::new)
        .map_err(|error| Refusal::unavailable(error.to_string()))
}

/// Counts, records the intent, and mints the permit, in this order.
pub(super) async fn admit(
    live: &Arc<Live>,
    asked: &Asked<'_>,
    judged: Arc<Judged>,
    command: u64,
    approval: Option<&str>,
) -> Result<Permit, Refusal> {
    if asked.stage == Stage::Execute {
        for (_, bucket) in judged.limits.iter().filter(|(unit, _)| *unit == LimitUnit::Commands) {
            let taken = bucket.take(1, 0).await.map_err(|error| Refusal::unavailable(error.to_string()))?;
            if !taken {
                let unit = LimitUnit::Commands;
                live.write(&Record::Limit(LimitHit {
                    command,
                    rule: (&*bucket.rule).into(),
                    unit: unit_name(unit).into(),
                    allowed: bucket.bound,
                    counted: bucket.bound,
                }))?;
                return Err(Refusal::limit(bucket, unit));
            }
        }
    }
    let parameters = shown_parameters(live, &judged, asked);
    let seq = live.write_together(&intent(live, asked, &judged, command, approval, &parameters)).await?;
    match approval {
        Some(approval) => live.record_approval(approval, command, "approved"),
        None => live.record_command(asked, &judged, command, &parameters),
    }
    drop(parameters);
    asked.statement.mark_given(live.ink.log());
    if judged.strict() {
        live.ink.synced(seq).await.map_err(|error| live.evidence_lost(&error))?;
    }
    // While this waited the session may have been stopped; then nothing of it is forwarded.
    if let Some(reason) = live.entry.stop.reached() {
        return Err(Refusal::stopped(reason));
    }
    live.gateway.metrics.admitted.inc();
    Ok(Permit::mint(Arc::clone(live), judged, command))
}

/// Parameters as evidence has them; few enough to need no allocation as a rule.
fn shown_parameters<'a>(live: &Live, judged: &Judged, asked: &Asked<'a>) -> SmallVec<[Shown<'a>; 8]> {
    asked.parameters.iter().map(|parameter| shown(live, judged, parameter)).collect()
}

fn intent<'a>(
    live: &Live,
    asked: &Asked<'a>,
    judged: &'a Judged,
    command: u64,
    approval: Option<&'a str>,
    parameters: &'a [Shown<'a>],
) -> Record<'a> {
    let statement: &'a Statement = asked.statement;
    Record::Intent(Intent {
        command,
        via: asked.via.into(),
        statement: Part::Serialized(&statement.words),
        text: live.ink.log().needs_text(&statement.mark).then(|| live.masked(judged, &statement.shown)),
        parameters: Cow::Borrowed(parameters),
        verdict: Part::Serialized(&judged.words),
        observed: judged.observed.as_ref().map(Part::Serialized),
        approval: approval.map(Into::into),
    })
}

/// The most of a value that evidence and reviewers are shown, in bytes.
const SHOWN_BYTES: usize = 1024;

/// A value as evidence has it.
fn shown<'a>(live: &Live, judged: &Judged, parameter: &Parameter<'a>) -> Shown<'a> {
    let Some(value) = parameter.value else { return Shown::Null };
    if parameter.sensitive {
        return Shown::Masked(REDACTED.into());
    }
    if parameter.binary {
        return Shown::Masked("(binary)".into());
    }
    let Ok(text) = std::str::from_utf8(value) else { return Shown::Masked("(not text)".into()) };
    let text = match judged.policy().field_masks(judged.decision().evidence_obligations()) {
        None => live.masked(judged, text),
        // Only protocols whose parameters are JSON have fields.
        Some(fields) => match live.fields_masked(judged, fields, value) {
            Some(masked) => masked.into(),
            None => return Shown::Masked(REDACTED.into()),
        },
    };
    match text {
        Cow::Borrowed(text) if text.len() <= SHOWN_BYTES => Shown::Text(text.into()),
        Cow::Owned(text) if text.len() <= SHOWN_BYTES => Shown::Masked(text.into()),
        long => {
            let (first, _) = cut(&long, SHOWN_BYTES);
            Shown::Masked(format!("{first}… ({} bytes)", value.len()).into())
        }
    }
}

/// The beginning of a text, of at most so many bytes and whole characters, and the rest.
pub(super) fn cut(text: &str, most: usize) -> (&str, &str) {
    let at = (0..=most.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.split_at(at)
}
