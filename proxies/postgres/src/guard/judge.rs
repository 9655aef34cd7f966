//! Judges what a client sends.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use policy_normalize::sql::{Argument, Bound, Kind, Setting, Statement};
use portcullis_gateway::enforce::{
    Asked, Closing, Held, Judged, Judgement, Parameter, Permit, RefusalKind, Session, Stage,
};
use smallvec::SmallVec;

use super::fixed;
use super::plan::{Declared, Described, Plan, Portal, Prepared, Run, Tally};
use super::session::Shared;
use super::words::{
    changed, distinct, in_evidence, no_such, not_understood, noted, refusal, refused, too_many, too_much,
    unreadable,
};
use super::{Change, Definition, Input, Names};
use portcullis_evidence::record::Made;

use crate::catalogue::{Known, Overlay};
use crate::command::meaning::{Meaning, World};
use crate::command::names::{self, Found};
use crate::command::room;
use crate::mask::Format;
use crate::refuse::{Refusal, SqlState};
use crate::relay::{ClientFrame, Disposition, Judge, Leave, Transaction, View, Withdrawal};
use crate::wire;
use crate::wire::bind::Bind;
use crate::wire::describe::Named;
use crate::wire::execute::Execute;
use crate::wire::frontend::Frontend;
use crate::wire::parse::Parse;
use crate::wire::query::Query;

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

    async fn query(&mut self, body: &[u8], view: View) -> Answer {
        let query = Query::decode(body).map_err(|malformed| unreadable(&malformed))?;
        let meaning = self.meaning(query.text, view.segment).await?;
        self.run(meaning, view, "query", &[], Then::Query).await
    }

    async fn parse(&mut self, body: &[u8], view: View) -> Answer {
        let parse = Parse::decode(body).map_err(|malformed| unreadable(&malformed))?;
        distinct(parse.statement)?;
        if self.shared.names.is_full() {
            return Err(too_many());
        }
        let takes = room::estimate(parse.text.len());
        self.has_room(takes)?;
        let meaning = self.meaning(parse.text, view.segment).await?;
        let asked = Asked {
            statement: &meaning.asked,
            stage: Stage::Prepare,
            via: "parse",
            parameters: &[],
            in_transaction: false,
            settings: &[],
            justification: None,
        };
        self.was_judged = true;
        let permit = match self.session.judge(&asked).await {
            Judgement::Admit(permit) => permit,
            Judgement::Refuse(denial) => return Err(noted(refusal(&denial), &meaning)),
            Judgement::Hold(_) => return Err(refused("a statement that is prepared can't be held")),
        };
        let judged = Arc::clone(permit.judged());
        let share = Arc::new(self.shared.room.take(takes));
        let text = Arc::clone(meaning.asked.raw());
        let declared = parse.types().map(declared);
        let prepared = Prepared::new(&text, meaning, Arc::clone(&judged), None, declared, share);
        let definition =
            self.shared.names.propose(Change::Statement(parse.statement.into(), prepared), view.segment);
        Ok(Disposition::Forward(Leave::Permit(permit), Plan::Parse(judged, definition, None)))
    }

    async fn bind(&mut self, body: &[u8], view: View) -> Answer {
        let bind = Bind::decode(body).map_err(|malformed| unreadable(&malformed))?;
        distinct(bind.portal)?;
        distinct(bind.statement)?;
        if self.shared.names.is_full() {
            return Err(too_many());
        }
        let Some(prepared) = self.statement(bind.statement, view.segment).await else {
            return Err(no_such("prepared statement", bind.statement));
        };
        // What depends on values is understood anew with them, and kept with the portal.
        let text = if prepared.meaning.is_pending { prepared.text.len() } else { 0 };
        let takes = room::estimate(text.saturating_add(body.len()));
        self.has_room(takes)?;
        let mut meaning = self.prepared(&prepared, view.segment).await?;
        let parameters: SmallVec<[Parameter<'_>; 8]> = bind
            .values()
            .map(|(format, value)| Parameter {
                value,
                binary: format == wire::bind::Format::Binary,
                sensitive: false,
            })
            .collect();
        if meaning.is_pending {
            let values: Vec<Bound<'_>> = parameters
                .iter()
                .enumerate()
                .map(|(index, parameter)| prepared.takes(index, bound(parameter)))
                .collect();
            meaning = self.bound(&prepared, view.segment, &values).await?;
        }
        let parameters: SmallVec<[Parameter<'_>; 8]> = parameters
            .into_iter()
            .map(|parameter| Parameter { sensitive: meaning.is_sensitive, ..parameter })
            .collect();
        let then = Then::Bind { portal: bind.portal.into(), prepared, formats: formats(&bind), takes };
        self.run(meaning, view, "bind", &parameters, then).await
    }

    async fn describe(&mut self, body: &[u8], view: View) -> Answer {
        let named = Named::decode(body).map_err(|malformed| unreadable(&malformed))?;
        let (Named::Statement(name) | Named::Portal(name)) = named;
        distinct(name)?;
        let described = match named {
            Named::Statement(name) => match self.statement(name, view.segment).await {
                Some(prepared) => {
                    prepared.asked_in.store(view.segment + 1, Ordering::Relaxed);
                    Described::Statement(prepared)
                }
                None => return Err(no_such("prepared statement", name)),
            },
            Named::Portal(name) => {
                let asked = |portal: &mut Portal| portal.asked_in = Some(view.segment);
                // What is not known, the target refuses to describe.
                let _ = self.shared.names.portal(name, view.segment, asked);
                Described::Portal(name.into())
            }
        };
        Ok(Disposition::Forward(Leave::Harmless, Plan::Describe(described)))
    }

    fn close(&self, body: &[u8], view: View) -> Answer {
        let named = Named::decode(body).map_err(|malformed| unreadable(&malformed))?;
        let (Named::Statement(name) | Named::Portal(name)) = named;
        distinct(name)?;
        let change = match named {
            Named::Statement(name) => Change::ForgetStatement(Some(name.into())),
            Named::Portal(name) => Change::ForgetPortal(Some(name.into())),
        };
        Ok(Disposition::Forward(
            Leave::Harmless,
            Plan::Close(self.shared.names.propose(change, view.segment)),
        ))
    }

    async fn execute(&mut self, body: &[u8], view: View) -> Answer {
        let execute = Execute::decode(body).map_err(|malformed| unreadable(&malformed))?;
        distinct(execute.portal)?;
        let look = self.shared.names.decided(|names| {
            names.portal(execute.portal, view.segment, |portal| {
                (Arc::clone(&portal.meaning), Arc::clone(&portal.judged), portal.prepared.is_some())
            })
        });
        let Some((meaning, judged, is_portal)) = look.await else {
            return Err(no_such("portal", execute.portal));
        };
        self.ran_in = Some(view.segment);
        let known = self.known(view.segment).await?;
        let is_same_world = known.snapshot.generation == meaning.world.generation
            && self.shared.epoch() == meaning.world.overlay;
        let is_late =
            is_portal && meaning.statements.iter().any(|statement| is_analysed_late(&statement.kind));
        if !is_same_world || is_late {
            let now = self.still(&meaning, meaning.asked.raw(), view.segment).await?;
            if now.asked.digest() != meaning.asked.digest()
                || (is_late && now.statements != meaning.statements)
            {
                return Err(changed());
            }
        }
        if is_portal && is_same_world {
            self.has_room_for(&meaning)?;
            // The same policy and the same definitions as when it was bound: its permit still stands.
            if let Some(again) = self.session.resume(&judged).map_err(|denial| refusal(&denial))? {
                self.note(&meaning, &known, view.segment);
                let plan = self.execution(execute.portal.into(), meaning, judged, view.segment)?;
                return Ok(Disposition::Forward(Leave::Again(again), plan));
            }
        }
        self.run(meaning, view, "execute", &[], Then::Execute { portal: execute.portal.into() }).await
    }

    /// Whether what the session's names stand for may take so many bytes more.
    fn has_room(&self, bytes: usize) -> Result<(), Refusal> {
        if self.shared.room.has(bytes) { Ok(()) } else { Err(too_much()) }
    }

    /// Whether there is room for what these statements make.
    fn has_room_for(&self, meaning: &Meaning) -> Result<(), Refusal> {
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
    async fn run(
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
            statement: &meaning.asked,
            stage: meaning.stage(),
            via,
            parameters,
            in_transaction,
            settings: &[],
            justification: None,
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
    async fn go_on(&mut self, permit: Permit, meaning: Arc<Meaning>, segment: u64, then: Then) -> Answer {
        let judged = Arc::clone(permit.judged());
        let command = permit.command();
        let plan = match then {
            Then::Query => {
                let known = self.known(segment).await?;
                self.note(&meaning, &known, segment);
                let changes = self.changes(&meaning, &judged, segment);
                let input = self.input(&meaning, &judged, command);
                Plan::Query(Box::new(Run { changes, input, ..Run::new(meaning, judged) }))
            }
            Then::Bind { portal, prepared, formats, takes } => {
                let share = Arc::new(self.shared.room.take(takes));
                let standing = Portal {
                    meaning,
                    prepared: Some(prepared),
                    formats,
                    judged: Arc::clone(&judged),
                    receipt: None,
                    tally: Tally::default(),
                    results: None,
                    asked_in: None,
                    command,
                    share,
                };
                let definition =
                    self.shared.names.propose(Change::Portal(portal.clone(), standing, false), segment);
                Plan::Bind(portal, judged, definition, None)
            }
            Then::Execute { portal } => {
                let known = self.known(segment).await?;
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
    fn note(&mut self, meaning: &Meaning, known: &Known, segment: u64) {
        self.ran_in = Some(segment);
        self.shared.note(&meaning.statements, meaning.asked.raw(), known, segment);
    }

    fn execution(
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
        Ok(Plan::Execute {
            describes,
            input,
            portal,
            meaning,
            judged,
            receipt: None,
            is_portals: false,
            changes,
            results: None,
            copy: None,
            tally: Tally::default(),
        })
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
        let mut changes = SmallVec::new();
        let made = meaning.statements.iter().filter(|run| makes_a_name(&run.kind)).count();
        // One text, however many names stand for parts of it.
        let share = Arc::new(self.shared.room.take(if made > 0 { takes(meaning, made) } else { 0 }));
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
                    let portal = Portal {
                        meaning: Arc::new(meaning.part((**inner).clone())),
                        prepared: None,
                        formats: SmallVec::new(),
                        judged: Arc::clone(judged),
                        receipt: None,
                        tally: Tally::default(),
                        results: None,
                        asked_in: None,
                        command: 0,
                        share: share.clone(),
                    };
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

    async fn statement(&self, name: &str, segment: u64) -> Option<Arc<Prepared>> {
        self.shared.names.decided(|names| names.statement(name, segment)).await
    }

    /// The world in which a statement of this segment is understood, and the definitions that it is made of.
    async fn world(&self, segment: u64) -> Result<(World, Known), Refusal> {
        let settings = self.shared.names.decided(|names| names.settings(segment)).await;
        let Some((values, is_path_changed)) = settings else { return Err(changed()) };
        let known = self.known(segment).await?;
        let (generation, overlay) = (known.snapshot.generation, self.shared.epoch());
        let policy = self.session.policy_generation();
        Ok((World { values, is_path_changed, generation, overlay, policy }, known))
    }

    /// The definitions, with all that this session has changed for good.
    async fn known(&self, segment: u64) -> Result<Known, Refusal> {
        let settled = |_: &Names| {
            if self.shared.is_changing(segment) { Found::Undecided } else { Found::Known(()) }
        };
        self.shared.names.decided(settled).await;
        if !self.shared.take_stale() {
            return self.shared.target.known().await;
        }
        let refreshed = self.shared.target.refreshed().await;
        if refreshed.is_err() {
            self.shared.still_stale();
        }
        refreshed
    }

    /// What a text means now.
    async fn meaning(&mut self, text: &str, segment: u64) -> Result<Arc<Meaning>, Refusal> {
        let (world, known) = self.world(segment).await?;
        let overlay = self.shared.overlay();
        let target = &self.shared.target;
        let mut meaning = target.meaning(text, &world, &known, &overlay).map_err(not_understood)?;
        if is_unresolved(&meaning) && !meaning.is_dynamic && overlay.is_empty() {
            // Somebody may have made what is named here past the gateway, a moment ago.
            let looked = target.looked_again().await?;
            if looked.snapshot.generation != known.snapshot.generation {
                let world = World { generation: looked.snapshot.generation, ..world.clone() };
                meaning = target.meaning(text, &world, &looked, &overlay).map_err(not_understood)?;
            }
        }
        // Boxed, because what it stands for is understood in the same way.
        if meaning.is_dynamic { Box::pin(self.completed(&meaning, segment)).await } else { Ok(meaning) }
    }

    /// What a text that was understood before means now: the same, as a rule.
    async fn still(
        &mut self,
        before: &Arc<Meaning>,
        text: &str,
        segment: u64,
    ) -> Result<Arc<Meaning>, Refusal> {
        let (world, _) = self.world(segment).await?;
        if before.world == world && !before.is_dynamic {
            return Ok(Arc::clone(before));
        }
        self.meaning(text, segment).await
    }

    /// What a prepared statement means now.
    async fn prepared(&mut self, prepared: &Prepared, segment: u64) -> Result<Arc<Meaning>, Refusal> {
        let Some(name) = &prepared.named else {
            return self.still(&prepared.meaning, &prepared.text, segment).await;
        };
        let (world, known) = self.world(segment).await?;
        if prepared.meaning.world == world {
            return Ok(Arc::clone(&prepared.meaning));
        }
        let overlay = self.shared.overlay();
        let whole = self.shared.target.meaning(&prepared.text, &world, &known, &overlay);
        let whole = whole.map_err(not_understood)?;
        prepared_in(&whole, name).ok_or_else(changed)
    }

    /// What a prepared statement means with these values.
    async fn bound(
        &mut self,
        prepared: &Prepared,
        segment: u64,
        values: &[Bound<'_>],
    ) -> Result<Arc<Meaning>, Refusal> {
        let (world, known) = self.world(segment).await?;
        let overlay = self.shared.overlay();
        let bound = self.shared.target.bound(&prepared.text, &world, &known, &overlay, values);
        let bound = bound.map_err(not_understood)?;
        match &prepared.named {
            Some(name) => prepared_in(&bound, name).ok_or_else(changed),
            None => Ok(Arc::new(bound)),
        }
    }

    /// Fills in what EXECUTE and FETCH stand for.
    async fn completed(&mut self, meaning: &Arc<Meaning>, segment: u64) -> Result<Arc<Meaning>, Refusal> {
        let world = &meaning.world;
        let mut statements = Vec::with_capacity(meaning.statements.len());
        for statement in &meaning.statements {
            let statement = statement.clone();
            statements.push(match &statement.kind {
                Kind::Execute { name, arguments, .. } => match self.statement(name, segment).await {
                    Some(prepared) => {
                        let mut now = self.prepared(&prepared, segment).await?;
                        if now.is_pending {
                            let given = arguments.iter().map(argument).enumerate();
                            let values: Vec<Bound<'_>> =
                                given.map(|(index, value)| prepared.takes(index, value)).collect();
                            now = self.bound(&prepared, segment, &values).await?;
                        }
                        // Definitions that were looked at anew between the two belong to one statement only.
                        if now.world != *world {
                            return Err(changed());
                        }
                        match &*now.statements {
                            [only] => statement.executing(only),
                            _ => return Err(no_such("prepared statement", name)),
                        }
                    }
                    None => return Err(no_such("prepared statement", name)),
                },
                Kind::Fetch { cursor, .. } => {
                    let cursor = cursor.clone();
                    let open = self.shared.names.decided(|names| {
                        names.portal(&cursor, segment, |portal| Arc::clone(&portal.meaning))
                    });
                    let Some(open) = open.await else { return Err(no_such("cursor", &cursor)) };
                    fetching(statement, &open)
                }
                _ => statement,
            });
        }
        let known = self.known(segment).await?;
        let overlay = self.shared.overlay();
        let completed =
            self.shared.target.completed(meaning.asked.raw(), statements, world, &known, &overlay);
        completed.map(Arc::new).map_err(not_understood)
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
        match self.still(&meaning, meaning.asked.raw(), segment).await {
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

/// Whether a name in it could not be resolved.
fn is_unresolved(meaning: &Meaning) -> bool {
    // A slip of the pen stays one, however new the definitions are.
    let named = |statement: &&Statement| !matches!(statement.kind, Kind::Unparsed { .. });
    meaning.statements.iter().filter(named).any(|statement| {
        statement.actions.iter().any(|action| action.resource == policy_core::Resource::Undetermined)
    })
}

/// Whether the target finds out what the names in a statement stand for when it runs, not when it is bound.
fn is_analysed_late(kind: &Kind) -> bool {
    !matches!(
        kind,
        Kind::Noop
            | Kind::Select
            | Kind::Insert
            | Kind::Update
            | Kind::Delete
            | Kind::Merge
            | Kind::Transaction(_)
            | Kind::Set
            | Kind::Show
            | Kind::Listen(_)
            | Kind::Unlisten(_)
            | Kind::Notify(_)
    )
}

/// The formats that a Bind asks its results to have.
fn formats(bind: &Bind<'_>) -> SmallVec<[Format; 4]> {
    let code = |pair: &[u8]| if pair == [0, 1] { Format::Binary } else { Format::Text };
    bind.result_formats().chunks_exact(2).map(code).collect()
}

/// A FETCH with what its cursor returns.
fn fetching(mut statement: Statement, open: &Meaning) -> Statement {
    for from in &open.statements {
        statement.actions.extend(from.actions.iter().cloned());
        statement.outputs = from.outputs.clone();
        statement.predicates.merge(&from.predicates);
        statement.flows.extend(from.flows.iter().cloned());
        // Which of its rows are read, and so what is set at last, is not known.
        statement.settings.extend(from.settings.iter().cloned().map(Setting::undetermined));
    }
    // What FETCH itself can't tell is what the cursor has just told.
    statement.actions.retain(|action| action.verb != policy_core::Verb::UNKNOWN || open_is_unknown(open));
    statement
}

fn open_is_unknown(open: &Meaning) -> bool {
    open.statements
        .iter()
        .any(|from| from.actions.iter().any(|action| action.verb == policy_core::Verb::UNKNOWN))
}

/// What a text prepares under this name.
fn prepared_in(whole: &Meaning, name: &str) -> Option<Arc<Meaning>> {
    let inner = whole.statements.iter().rev().find_map(|statement| match &statement.kind {
        Kind::Prepare { name: given, inner, .. } if **given == *name => Some((**inner).clone()),
        _ => None,
    });
    inner.map(|inner| Arc::new(whole.part(inner)))
}

/// What declaring the type with this OID says of a parameter. Of the built-in ones that pass for text only `text` and
/// `varchar` take it as it is; which others there are depends on the target.
fn declared(oid: u32) -> Declared {
    match oid {
        // Left to the target, unknown.
        0 | 705 => Declared::Nothing,
        // text, varchar; int8, int2, int4.
        25 | 1043 | 20 | 21 | 23 => Declared::Kept,
        _ => Declared::Converted,
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

/// An argument of EXECUTE as a value.
fn argument(argument: &Argument) -> Bound<'_> {
    match argument {
        Argument::Null => Bound::Null,
        Argument::Text(text) => Bound::Text(text),
        Argument::Opaque => Bound::Opaque,
    }
}

/// A bound value in text form, where it has one that is known.
fn bound<'a>(parameter: &Parameter<'a>) -> Bound<'a> {
    match parameter.value {
        None => Bound::Null,
        Some(value) if !parameter.binary => std::str::from_utf8(value).map_or(Bound::Opaque, Bound::Text),
        Some(_) => Bound::Opaque,
    }
}
