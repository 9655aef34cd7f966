//! What runs: the question that the policy is asked about it, and what is to be known of its replies.

use std::sync::Arc;

use policy_normalize::sql::{Kind, Statement};
use portcullis_evidence::record::Made;
use portcullis_gateway::enforce::{Asked, Judged, Judgement, Parameter, Permit};
use smallvec::SmallVec;

use super::{Answer, SessionJudge, Then, Waiting};
use crate::catalogue::{Known, Overlay};
use crate::command::meaning::Meaning;
use crate::command::names::{self, Found};
use crate::command::room;
use crate::guard::plan::{Declared, Execution, Plan, Portal, Prepared, Run};
use crate::guard::words::{distinct, noted, refusal, too_many, too_much};
use crate::guard::{Change, Definition, Input, fixed};
use crate::mask::Format;
use crate::refuse::{Refusal, SqlState};
use crate::relay::{Disposition, Leave, Transaction, View};

impl SessionJudge {
    /// Whether what the session's names stand for may take so many bytes more.
    pub(super) fn has_room(&self, bytes: usize) -> Result<(), Refusal> {
        if self.shared.room.has(bytes) { Ok(()) } else { Err(too_much()) }
    }

    /// Whether there is room for what these statements make.
    pub(super) fn has_room_for(&self, meaning: &Meaning) -> Result<(), Refusal> {
        let made = meaning.statements.iter().filter(|run| makes_a_name(&run.kind)).count();
        if made == 0 {
            return Ok(());
        }
        if self.shared.names.has_no_room_for(made) {
            return Err(too_many());
        }
        self.has_room(takes(meaning, made))
    }

    /// Asks the policy about something that is going to run.
    pub(super) async fn run(
        &mut self,
        meaning: Arc<Meaning>,
        view: View,
        via: &'static str,
        parameters: &[Parameter<'_>],
        then: Then,
    ) -> Answer {
        meaning.statements.iter().filter_map(|run| names::named(&run.kind)).try_for_each(distinct)?;
        self.has_room_for(&meaning)?;
        meaning.statements.iter().try_for_each(fixed::keeps)?;
        let in_transaction = view.transaction == Transaction::Open
            || self.ran_in == Some(view.segment)
            || self.shared.names.is_in_block(view.segment);
        let asked = Asked {
            parameters,
            in_transaction,
            justification: meaning.world.values.justification.as_deref(),
            ..Asked::new(&meaning.asked, meaning.stage(), via)
        };
        self.was_judged = true;
        match self.session.judge(&asked).await {
            Judgement::Admit(permit) => self.go_on(permit, meaning, view.segment, then).await,
            Judgement::Refuse(denial) => Err(noted(refusal(&denial), &meaning)),
            Judgement::Hold(mut held) => {
                let notice = held.open().await.map_err(|denial| refusal(&denial))?;
                let notice = Refusal::new(SqlState::HELD, notice.text);
                Ok(Disposition::Hold(notice, Waiting { held, meaning, segment: view.segment, then }))
            }
        }
    }

    /// What becomes of a command that was admitted.
    pub(super) async fn go_on(
        &mut self,
        permit: Permit,
        meaning: Arc<Meaning>,
        segment: u64,
        then: Then,
    ) -> Answer {
        let judged = Arc::clone(permit.judged());
        let command = permit.command();
        let plan = match then {
            Then::Query => {
                let known = self.at(segment).known().await?;
                self.note(&meaning, &known, segment);
                let changes = self.changes(&meaning, &judged, segment);
                let input = self.input(&meaning, &judged, command);
                Plan::Query(Box::new(Run { changes, input, ..Run::new(meaning, judged) }))
            }
            Then::Bind { portal, prepared, formats, takes } => {
                let share = Arc::new(self.shared.room.take(takes));
                let standing = Portal {
                    prepared: Some(prepared),
                    formats,
                    command,
                    ..Portal::new(meaning, Arc::clone(&judged), share)
                };
                let definition =
                    self.shared.names.propose(Change::Portal(portal.clone(), standing, false), segment);
                Plan::Bind(portal, judged, definition, None)
            }
            Then::Execute { portal } => {
                let known = self.at(segment).known().await?;
                self.note(&meaning, &known, segment);
                // Its rows are dealt with as this decision says, not as an earlier one did.
                let anew = |portal: &mut Portal| {
                    portal.results = None;
                    portal.judged = Arc::clone(&judged);
                    portal.command = command;
                };
                let _ = self.shared.names.portal(&portal, segment, anew);
                self.execution(portal, meaning, judged, segment)?
            }
        };
        Ok(Disposition::Forward(Leave::Permit(permit), plan))
    }

    /// Notes that something is about to run: what it does to definitions, and that a transaction is under way.
    pub(super) fn note(&mut self, meaning: &Meaning, known: &Known, segment: u64) {
        self.ran_in = Some(segment);
        self.shared.note(&meaning.statements, meaning.asked.raw(), known, segment);
    }

    pub(super) fn execution(
        &mut self,
        portal: Box<str>,
        meaning: Arc<Meaning>,
        judged: Arc<Judged>,
        segment: u64,
    ) -> Result<Plan, Refusal> {
        let describes = self.describes(&portal, &meaning, &judged, segment)?;
        let changes = self.changes(&meaning, &judged, segment);
        let mut input = None;
        if judged.records_results()
            && let Found::Known(command) = self.shared.names.portal(&portal, segment, |portal| portal.command)
        {
            input = self.input(&meaning, &judged, command);
        }
        let run = Run { changes, input, ..Run::new(meaning, judged) };
        Ok(Plan::Execute(Execution { portal, run, is_portals: false, describes }))
    }

    /// Who records the data that these statements ask their client for, where the decision says that it is recorded.
    fn input(&self, meaning: &Meaning, judged: &Judged, command: u64) -> Option<Box<Input>> {
        if !judged.records_results() {
            return None;
        }
        let recorder = |statement| {
            let shown = Arc::clone(self.shared.target.shown());
            Input::new(statement, meaning.is_sensitive, command, self.session.tape(), shown)
        };
        meaning.statements.iter().find_map(recorder)
    }

    /// Whether the gateway has to ask for a description itself: rows may come that a mask changes, and what types they
    /// have nobody has asked.
    fn describes(
        &mut self,
        portal: &str,
        meaning: &Meaning,
        judged: &Judged,
        segment: u64,
    ) -> Result<bool, Refusal> {
        let returns = |statement: &Statement| {
            !statement.outputs.0.is_empty() && !matches!(statement.kind, Kind::Copy(_))
        };
        if !meaning.statements.first().is_some_and(returns) {
            return Ok(false);
        }
        let look = self.shared.names.portal(portal, segment, |portal| {
            (portal.is_described(segment), portal.formats.contains(&Format::Binary))
        });
        let Found::Known((false, is_binary)) = look else { return Ok(false) };
        let masks = judged.policy().masks_columns(judged.obligations())
            || (is_binary && self.shared.target.value_masks(Some(judged)).detects());
        if masks {
            self.session
                .made(Made::Describe, Some("an execution without a description"))
                .map_err(|denial| refusal(&denial))?;
        }
        Ok(masks)
    }

    /// What running these statements changes, once each has run.
    fn changes(
        &self,
        meaning: &Arc<Meaning>,
        judged: &Arc<Judged>,
        segment: u64,
    ) -> SmallVec<[(usize, Definition); 1]> {
        let made = meaning.statements.iter().filter(|run| makes_a_name(&run.kind)).count();
        // One text, however many names stand for parts of it.
        let share = Arc::new(self.shared.room.take(if made > 0 { takes(meaning, made) } else { 0 }));
        let mut changes = SmallVec::new();
        for (number, statement) in meaning.statements.iter().enumerate() {
            let change = match &statement.kind {
                Kind::Prepare { name, inner, converted } => {
                    let part = Arc::new(meaning.part((**inner).clone()));
                    let (text, judged) = (meaning.asked.raw(), Arc::clone(judged));
                    let declared = converted.iter().map(|converted| match converted {
                        true => Declared::Converted,
                        false => Declared::Kept,
                    });
                    let prepared =
                        Prepared::new(text, part, judged, Some(name.clone()), declared, share.clone());
                    Some(Change::Statement(name.clone(), prepared))
                }
                Kind::Declare { cursor, hold, inner } => {
                    let inner = Arc::new(meaning.part((**inner).clone()));
                    let portal = Portal::new(inner, Arc::clone(judged), share.clone());
                    Some(Change::Portal(cursor.clone(), portal, *hold))
                }
                _ => names::changes(statement),
            };
            if let Some(change) = change {
                changes.push((number, self.shared.names.propose(change, segment)));
            }
            if matches!(statement.kind, Kind::Declare { .. }) && !statement.settings.is_empty() {
                let change = Change::Settings(statement.settings.clone());
                changes.push((number, self.shared.names.propose(change, segment)));
            }
            if Overlay::concerns(statement) {
                changes.push((number, self.shared.names.propose(Change::Definitions, segment)));
            }
        }
        changes
    }
}

/// Whether a statement makes a name that stands for a part of its text.
fn makes_a_name(kind: &Kind) -> bool {
    matches!(kind, Kind::Prepare { .. } | Kind::Declare { .. })
}

/// What the names that a text makes take in memory.
fn takes(meaning: &Meaning, made: usize) -> usize {
    room::estimate(meaning.asked.raw().len()).saturating_add(made.saturating_mul(room::estimate(0)))
}
