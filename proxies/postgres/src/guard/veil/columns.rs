//! What becomes of what a reply shows, found out when it is described.

use std::sync::Arc;

use portcullis_gateway::enforce::Judged;

use super::{SessionVeil, UNASKED};
use crate::catalogue::{Known, Overlay};
use crate::command::meaning::Meaning;
use crate::guard::plan::{Described, Execution, Plan, Portal};
use crate::guard::results;
use crate::mask::message::Exposure;
use crate::mask::shape::{Circumstances, Columns};
use crate::mask::{MaskError, ResultPlan, Rewritten, parse_row_description};

impl SessionVeil {
    /// The decision under which a reply is masked.
    pub(super) fn judged(&self, plan: Option<&Plan>) -> Option<Arc<Judged>> {
        match plan {
            Some(Plan::Query(run)) => Some(Arc::clone(&run.judged)),
            Some(Plan::Execute(execution)) => Some(Arc::clone(&execution.run.judged)),
            Some(Plan::Parse(judged, ..) | Plan::Bind(_, judged, ..)) => Some(Arc::clone(judged)),
            Some(Plan::Describe(Described::Statement(prepared))) => Some(Arc::clone(&prepared.judged)),
            Some(Plan::Describe(Described::Portal(name))) => {
                let judged = self.shared.names.standing(name, |portal| Arc::clone(&portal.judged));
                judged.or_else(|| self.latest.clone())
            }
            Some(Plan::Nothing | Plan::Close(_)) | None => self.latest.clone(),
        }
    }

    /// Whether what the target says beside rows may hold masked values.
    pub(super) fn exposure(&self, plan: Option<&Plan>) -> Exposure {
        let (run, statements) = match plan {
            Some(Plan::Query(run)) => (&**run, run.statement().map(std::slice::from_ref)),
            Some(Plan::Execute(Execution { run, .. })) => (run, Some(&*run.meaning.statements)),
            // A Parse or a Bind may evaluate what it holds; nothing runs otherwise.
            _ => return self.latest.as_ref().map_or(Exposure::Open, |judged| results::standing(judged)),
        };
        if self.is_uncommitted && self.latest.as_ref().is_some_and(|judged| masks(judged)) {
            return Exposure::Guarded;
        }
        let Some(known) = self.shared.target.current() else { return Exposure::Guarded };
        let overlay = self.shared.overlay();
        let statements = statements.unwrap_or_default();
        let resolver = results::resolver(&run.judged, &known, &overlay, false);
        if !statements.is_empty()
            && statements.iter().all(|statement| resolver.exposure(statement) == Exposure::Open)
        {
            Exposure::Open
        } else {
            Exposure::Guarded
        }
    }

    /// What becomes of the rows that a portal returns.
    pub(super) fn portal_results(&mut self, portal: &str, judged: &Judged) -> Arc<ResultPlan> {
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
    pub(super) fn describe(
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

    /// The target says that a COPY comes out, and with how many columns.
    pub(super) fn open_copy(&mut self, body: &[u8], plan: Option<&mut Plan>) -> Result<(), MaskError> {
        let run = plan.and_then(Plan::run_mut).ok_or(UNASKED)?;
        let known = self.shared.target.current().ok_or(MaskError::Copy("its columns are not known"))?;
        let overlay = self.shared.overlay();
        let detects = self.maskers.of(&self.shared, &run.judged).masks().detects();
        let statement = (run.statement(), &**run.meaning.asked.raw());
        let columns = crate::mask::copy::columns(body)?;
        let copy = results::copy(statement, columns, &run.judged, &known, &overlay, detects)?;
        copy.opened(body)?;
        run.copy = Some(Box::new(copy));
        Ok(())
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
pub(super) fn masks(judged: &Judged) -> bool {
    results::standing(judged) == Exposure::Guarded
}
