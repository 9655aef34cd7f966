//! Masks and records what a target answers.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use portcullis_evidence::record::Made;
use portcullis_gateway::enforce::{Judged, Receipt, RefusalKind, Tape};
use smallvec::SmallVec;

use super::count::{Counting, counts};
use super::plan::{Described, Plan, Portal, Tally};
use super::recording::Replies;
use super::results;
use super::session::Shared;
use super::stopped::{Stopped, only_reads};
use super::words::refusal;
use crate::catalogue::{Known, Overlay};
use crate::command::meaning::Meaning;
use crate::mask::message::Exposure;
use crate::mask::shape::{Circumstances, Columns};
use crate::mask::{MAX_MASKED_ROW, MaskError, Masker, ResultPlan, Rewritten, parse_row_description};
use crate::refuse::{Refusal, SqlState};
use crate::relay::{Halt, Passage, Veil};
use crate::wire::backend::Backend;
use crate::wire::frame::{HEADER, Header};

/// The longest error, notice, setting or description that is read, in bytes.
const MESSAGE: usize = 4 << 20;

/// Sees one session's replies.
pub struct SessionVeil {
    shared: Arc<Shared>,
    maskers: Maskers,
    /// The latest decision that masks: what comes unasked is masked by it.
    latest: Option<Arc<Judged>>,
    /// Something has run since the last ReadyForQuery, whose constraints may be checked with what comes after it.
    is_uncommitted: bool,
    /// Bytes of data let through for the command that is being answered.
    passed: Tally,
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
        let general = Masker::new(shared.target.value_masks(None));
        Self {
            maskers: Maskers { general, special: SmallVec::new() },
            shared,
            latest: None,
            is_uncommitted: false,
            passed: Tally::default(),
            replies: Replies::new(tape),
            counting: Counting::default(),
            stopped: None,
            has_changed: false,
        }
    }

    /// The decision under which a reply is masked.
    fn judged(&self, plan: Option<&Plan>) -> Option<Arc<Judged>> {
        match plan {
            Some(Plan::Query(run)) => Some(Arc::clone(&run.judged)),
            Some(Plan::Execute { judged, .. } | Plan::Parse(judged, ..) | Plan::Bind(_, judged, ..)) => {
                Some(Arc::clone(judged))
            }
            Some(Plan::Describe(Described::Statement(prepared))) => Some(Arc::clone(&prepared.judged)),
            Some(Plan::Describe(Described::Portal(name))) => {
                let judged = self.shared.names.standing(name, |portal| Arc::clone(&portal.judged));
                judged.or_else(|| self.latest.clone())
            }
            Some(Plan::Nothing | Plan::Close(_)) | None => self.latest.clone(),
        }
    }

    /// Whether what the target says beside rows may hold masked values.
    fn exposure(&self, plan: Option<&Plan>) -> Exposure {
        let (meaning, judged, at) = match plan {
            Some(Plan::Query(run)) => (&run.meaning, &run.judged, Some(run.at)),
            Some(Plan::Execute { meaning, judged, .. }) => (meaning, judged, None),
            // A Parse or a Bind may evaluate what it holds; nothing runs otherwise.
            _ => return self.latest.as_ref().map_or(Exposure::Open, |judged| results::standing(judged)),
        };
        if self.is_uncommitted && self.latest.as_ref().is_some_and(|judged| masks(judged)) {
            return Exposure::Guarded;
        }
        let Some(known) = self.shared.target.current() else { return Exposure::Guarded };
        let overlay = self.shared.overlay();
        let statements = match at {
            Some(at) => meaning.statements.get(at..=at).unwrap_or_default(),
            None => &meaning.statements,
        };
        let resolver = results::resolver(judged, &known, &overlay, false);
        if !statements.is_empty()
            && statements.iter().all(|statement| resolver.exposure(statement) == Exposure::Open)
        {
            Exposure::Open
        } else {
            Exposure::Guarded
        }
    }

    /// What becomes of the rows that a portal returns.
    fn portal_results(&mut self, portal: &str, judged: &Judged) -> Arc<ResultPlan> {
        let Self { shared, maskers, .. } = self;
        let (known, overlay) = (shared.target.current(), shared.overlay());
        let detects = maskers.of(shared, judged).masks().detects();
        shared
            .names
            .standing(portal, |portal| {
                let found = portal.results.take().unwrap_or_else(|| {
                    let described = portal.prepared.as_ref().and_then(|prepared| prepared.described());
                    let now = described.and_then(|fields| {
                        let columns = Columns::Prepared(fields, &portal.formats);
                        circumstances(&portal.meaning, &portal.judged, known.as_ref(), &overlay, columns)
                    });
                    recalled(&portal.meaning, now, || {
                        let fields = described.map(|fields| &**fields);
                        results::portal(portal, fields, known.as_ref(), &overlay, detects)
                    })
                });
                Arc::clone(portal.results.insert(found))
            })
            // A portal that nobody knows shows nothing.
            .unwrap_or_else(|| Arc::new(ResultPlan::nothing()))
    }

    /// The target describes a result: what becomes of its columns is known from here on.
    fn describe(
        &mut self,
        body: &[u8],
        plan: Option<&mut Plan>,
        out: &mut Vec<u8>,
    ) -> Result<Rewritten, MaskError> {
        match plan {
            Some(Plan::Query(run)) => {
                let (meaning, judged) = (Arc::clone(&run.meaning), Arc::clone(&run.judged));
                let (results, rewritten) = self.shape((&meaning, run.at), &judged, body, out)?;
                run.results = Some(results);
                Ok(rewritten)
            }
            Some(Plan::Describe(Described::Portal(name))) => {
                let look = |portal: &mut Portal| {
                    (Arc::clone(&portal.meaning), Arc::clone(&portal.judged), portal.prepared.clone())
                };
                let Some((meaning, judged, prepared)) = self.shared.names.standing(name, look) else {
                    return Err(MaskError::Short("portal"));
                };
                // Drivers describe a portal once, and bind its statement again and again.
                if let Some(prepared) = prepared.filter(|prepared| prepared.described().is_none()) {
                    prepared.describe(parse_row_description(body)?, self.shared.room.take(described(body)));
                }
                let (results, rewritten) = self.shape((&meaning, 0), &judged, body, out)?;
                self.shared.names.standing(name, |portal| portal.results.get_or_insert(results).clone());
                Ok(rewritten)
            }
            plan => {
                let fields = parse_row_description(body)?;
                let judged = self.judged(plan.as_deref());
                if let Some(Plan::Describe(Described::Statement(prepared))) = plan {
                    prepared.describe(fields, self.shared.room.take(described(body)));
                }
                self.maskers.for_judged(&self.shared, judged.as_deref()).row_description(body, out)
            }
        }
    }

    /// What becomes of the columns of a statement's result, and of their description.
    fn shape(
        &mut self,
        (meaning, at): (&Meaning, usize),
        judged: &Judged,
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(Arc<ResultPlan>, Rewritten), MaskError> {
        let Self { shared, maskers, .. } = self;
        let (known, overlay) = (shared.target.current(), shared.overlay());
        let masker = maskers.of(shared, judged);
        let now = circumstances(meaning, judged, known.as_ref(), &overlay, Columns::Described(body));
        if let Some(results) = now.and_then(|now| meaning.shapes.recall(&now)) {
            return Ok((results, Rewritten::Unchanged));
        }
        let fields = parse_row_description(body)?;
        let statement = meaning.statements.get(at);
        let detects = masker.masks().detects();
        let results = results::described(statement, judged, &fields, known.as_ref(), &overlay, detects);
        let results = Arc::new(results);
        let rewritten = masker.row_description(body, out)?;
        // Names of columns in which something was found are looked through every time.
        if let Some(now) = now.filter(|_| rewritten == Rewritten::Unchanged) {
            meaning.shapes.keep(&now, &results);
        }
        Ok((results, rewritten))
    }

    fn open_copy(&mut self, body: &[u8], plan: Option<&mut Plan>) -> Result<(), MaskError> {
        let (meaning, at, judged, slot) = match plan {
            Some(Plan::Query(run)) => (&run.meaning, run.at, Arc::clone(&run.judged), &mut run.copy),
            Some(Plan::Execute { meaning, judged, copy, .. }) => (&*meaning, 0, Arc::clone(judged), copy),
            _ => return Err(MaskError::Copy("nothing had asked for it")),
        };
        let known = self.shared.target.current().ok_or(MaskError::Copy("its columns are not known"))?;
        let overlay = self.shared.overlay();
        let detects = self.maskers.of(&self.shared, &judged).masks().detects();
        let statement = (meaning.statements.get(at), &**meaning.asked.raw());
        let columns = crate::mask::copy::columns(body)?;
        let copy = results::copy(statement, columns, &judged, &known, &overlay, detects)?;
        copy.opened(body)?;
        *slot = Some(Box::new(copy));
        Ok(())
    }

    /// A statement went well.
    fn completed(&mut self, tag: &[u8], plan: Option<&mut Plan>) {
        self.replies.ended();
        match plan.as_deref() {
            Some(Plan::Query(run)) => self.ran(&run.judged),
            Some(Plan::Execute { judged, .. }) => self.ran(judged),
            _ => {}
        }
        match plan {
            Some(Plan::Query(run)) => run.completed(tag),
            Some(Plan::Execute { portal, meaning, changes, receipt, is_portals, tally, .. }) => {
                self.has_changed = self.has_changed || !only_reads(meaning);
                tally.count(tag);
                super::plan::confirm(changes, 0, tag);
                self.borrow(portal, receipt, is_portals, tally);
                if let Some(receipt) = receipt.take() {
                    std::mem::take(tally).tell(receipt, None);
                }
            }
            _ => {}
        }
    }

    /// Notes that something ran under this decision.
    fn ran(&mut self, judged: &Arc<Judged>) {
        self.is_uncommitted = true;
        let is_latest = self.latest.as_ref().is_some_and(|latest| Arc::ptr_eq(latest, judged));
        // One that masks columns stands until another does.
        let stands = self.latest.as_ref().is_some_and(|latest| masks(latest)) && !masks(judged);
        if !is_latest && !stands && !judged.obligations().masks.is_empty() {
            self.latest = Some(Arc::clone(judged));
        }
    }

    /// What was asked for failed.
    fn failed(&mut self, body: &[u8], plan: Option<&mut Plan>) {
        self.shared.names.failed();
        self.replies.ended();
        let state = sqlstate(body).unwrap_or("XX000");
        let (receipt, tally) = match plan {
            Some(Plan::Parse(_, _, receipt) | Plan::Bind(_, _, _, receipt)) => {
                (receipt.take(), Tally::default())
            }
            Some(Plan::Query(run)) => (run.receipt.take(), run.tally),
            Some(Plan::Execute { portal, receipt, is_portals, tally, .. }) => {
                self.borrow(portal, receipt, is_portals, tally);
                (receipt.take(), *tally)
            }
            _ => return,
        };
        if let Some(receipt) = receipt {
            tally.tell(receipt, Some(state));
        }
    }

    /// Gives an execution that has no receipt of its own that of its portal, and what came of the portal before.
    fn borrow(&self, portal: &str, receipt: &mut Option<Receipt>, is_portals: &mut bool, tally: &mut Tally) {
        if receipt.is_some() {
            return;
        }
        self.shared.names.standing(portal, |portal| {
            *receipt = portal.receipt.take();
            *is_portals = receipt.is_some();
            tally.add(std::mem::take(&mut portal.tally));
        });
    }

    /// An execution stopped at its row limit: its portal goes on later.
    fn suspended(&mut self, plan: Option<&mut Plan>) {
        let Some(Plan::Execute { portal, meaning, receipt, is_portals, tally, changes, judged, .. }) = plan
        else {
            return;
        };
        self.has_changed = self.has_changed || !only_reads(meaning);
        self.ran(judged);
        tally.suspend();
        // It has run, if not to its end.
        super::plan::confirm(changes, 0, b"");
        let tally = std::mem::take(tally);
        match receipt.take() {
            Some(own) if !*is_portals => tally.tell(own, None),
            borrowed => {
                self.shared.names.standing(portal, |portal| {
                    portal.receipt = borrowed.or_else(|| portal.receipt.take());
                    portal.tally.add(tally);
                });
            }
        }
    }

    fn ready(&mut self, body: &[u8], plan: Option<&mut Plan>) {
        if let Some(Plan::Query(run)) = plan {
            // What has not been confirmed by now did not come about.
            run.changes.clear();
            if let Some(receipt) = run.receipt.take() {
                run.tally.tell(receipt, None);
            }
        }
        self.stopped = None;
        self.has_changed = false;
        self.is_uncommitted = false;
        let is_in_block = body != b"I";
        let has_failed = !is_in_block && self.shared.names.idle();
        self.shared.answered(is_in_block, has_failed);
        self.shared.names.wake();
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
                let (results, tally) = match plan.as_deref_mut() {
                    Some(Plan::Query(run)) => (run.results.as_ref(), &mut run.tally),
                    Some(Plan::Execute { portal, results, tally, judged, .. }) => {
                        if results.is_none() {
                            self.latest = Some(Arc::clone(judged));
                            *results = Some(self.portal_results(portal, judged));
                        }
                        (results.as_ref(), tally)
                    }
                    _ => (None, &mut self.passed),
                };
                tally.seen += 1;
                tally.bytes += header.body as u64;
                match results {
                    Some(results) if results.passes_all() && !is_recorded => Passage::Pass,
                    _ => Passage::Rewrite(MAX_MASKED_ROW),
                }
            }
            Backend::CopyData => {
                let (copy, tally) = match plan {
                    Some(Plan::Query(run)) => (&run.copy, &mut run.tally),
                    Some(Plan::Execute { copy, tally, .. }) => (&*copy, tally),
                    _ => return Passage::Rewrite(MAX_MASKED_ROW),
                };
                tally.bytes += header.body as u64;
                match copy {
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
        let (meaning, receipt, tally) = match plan {
            Some(Plan::Query(run)) if counts(&run.judged) => (&run.meaning, &mut run.receipt, &mut run.tally),
            Some(Plan::Execute { portal, meaning, judged, receipt, is_portals, tally, .. })
                if counts(judged) =>
            {
                self.borrow(portal, receipt, is_portals, tally);
                (&*meaning, receipt, tally)
            }
            _ => return Poll::Ready(Ok(())),
        };
        let Some(counted) = receipt else {
            let text = "these rows can't be counted";
            return Poll::Ready(Err(Halt::Session(Refusal::new(SqlState::UNAVAILABLE, text))));
        };
        let Err(denial) = ready!(self.counting.poll_row(cx, counted, header.body as u64)) else {
            return Poll::Ready(Ok(()));
        };
        let told = refusal(&denial);
        tally.suspend();
        self.replies.ended();
        let stopped = receipt.take().map(|receipt| Stopped::new(receipt, std::mem::take(tally), told.state));
        let is_harmless = !self.has_changed && only_reads(meaning);
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
                let (results, judged, tally) = match plan {
                    Some(Plan::Query(run)) => (run.results.clone(), &run.judged, &mut run.tally),
                    Some(Plan::Execute { results, judged, tally, .. }) => (results.clone(), &*judged, tally),
                    _ => return Err(MaskError::Short("result")),
                };
                let results = results.ok_or(MaskError::Short("result"))?;
                let rewritten = self.maskers.of(&self.shared, judged).data_row(&results, body, out)?;
                tally.masked += u64::from(rewritten == Rewritten::Written);
                Ok(rewritten)
            }
            Backend::CopyData => {
                let (copy, judged, tally) = match plan {
                    Some(Plan::Query(run)) => (&mut run.copy, &run.judged, &mut run.tally),
                    Some(Plan::Execute { copy, judged, tally, .. }) => (copy, &*judged, tally),
                    _ => return Err(MaskError::Copy("nothing had asked for it")),
                };
                let copy = copy.as_mut().ok_or(MaskError::Copy("nothing had asked for it"))?;
                let rewritten = copy.data(self.maskers.of(&self.shared, judged), body, out)?;
                tally.masked += u64::from(rewritten == Rewritten::Written);
                Ok(rewritten)
            }
            Backend::CopyOutResponse => {
                self.open_copy(body, plan)?;
                Ok(Rewritten::Unchanged)
            }
            Backend::CopyDone => {
                let copy = match plan {
                    Some(Plan::Query(run)) => run.copy.as_ref(),
                    Some(Plan::Execute { copy, .. }) => copy.as_ref(),
                    _ => None,
                };
                copy.ok_or(MaskError::Copy("nothing had asked for it"))?.done()?;
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

/// The target has done what a Parse, Bind or Close asked for.
fn confirm(shared: &Shared, plan: Option<&mut Plan>) {
    match plan.map(std::mem::take) {
        Some(Plan::Parse(_, definition, receipt)) => {
            definition.confirm(false);
            if let Some(receipt) = receipt {
                Tally::default().tell(receipt, None);
            }
        }
        Some(Plan::Bind(portal, _, definition, receipt)) => {
            definition.confirm(false);
            shared.names.standing(&portal, |portal| portal.receipt = receipt);
        }
        Some(Plan::Close(definition)) => definition.confirm(false),
        _ => {}
    }
}

/// The maskers of a session: one for what comes under each set of value masks.
struct Maskers {
    general: Masker,
    /// By the policy's generation and the rules that mask.
    special: SmallVec<[(u64, policy_core::decision::Rules, Masker); 1]>,
}

impl Maskers {
    fn of(&mut self, shared: &Shared, judged: &Judged) -> &mut Masker {
        let (generation, rules) = (judged.generation(), &judged.obligations().masks);
        if let Some(at) =
            self.special.iter().position(|(known, masks, _)| *known == generation && masks == rules)
        {
            self.special.swap(0, at);
        } else {
            if self.special.len() >= 8 {
                self.special.clear();
            }
            let masker = Masker::new(shared.target.value_masks(Some(judged)));
            self.special.insert(0, (generation, rules.clone(), masker));
        }
        match self.special.first_mut() {
            Some((_, _, masker)) => masker,
            None => &mut self.general,
        }
    }

    fn for_judged(&mut self, shared: &Shared, judged: Option<&Judged>) -> &mut Masker {
        match judged {
            Some(judged) => self.of(shared, judged),
            None => &mut self.general,
        }
    }
}

/// What decides about a statement's columns, where that can come again: one statement, over definitions that others see, too.
fn circumstances<'a>(
    meaning: &Meaning,
    judged: &'a Judged,
    known: Option<&'a Known>,
    overlay: &Overlay,
    columns: Columns<'a>,
) -> Option<Circumstances<'a>> {
    let is_shared = overlay.is_empty() && meaning.statements.len() == 1;
    let masks = &judged.obligations().masks;
    known.filter(|_| is_shared).map(|known| Circumstances {
        generation: judged.generation(),
        masks,
        known,
        columns,
    })
}

/// What becomes of the columns: as the last time, or found out now.
fn recalled(
    meaning: &Meaning,
    now: Option<Circumstances<'_>>,
    find: impl FnOnce() -> ResultPlan,
) -> Arc<ResultPlan> {
    now.and_then(|now| meaning.shapes.recall(&now)).unwrap_or_else(|| {
        let found = Arc::new(find());
        if let Some(now) = now {
            meaning.shapes.keep(&now, &found);
        }
        found
    })
}

/// What the columns take in memory that a RowDescription of this length describes: a field with its name takes three times
/// its bytes at most. Nobody can be refused at this point; what is taken here is missing to the next who asks.
fn described(body: &[u8]) -> usize {
    body.len().saturating_mul(3)
}

/// Whether a decision masks any column.
fn masks(judged: &Judged) -> bool {
    results::standing(judged) == Exposure::Guarded
}

/// The SQLSTATE of an ErrorResponse.
fn sqlstate(body: &[u8]) -> Option<&str> {
    let field = body.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"C"))?;
    std::str::from_utf8(field).ok()
}
