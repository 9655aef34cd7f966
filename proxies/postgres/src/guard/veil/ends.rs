//! How commands end: what they changed is confirmed, and their outcome told.

use std::sync::Arc;

use portcullis_gateway::enforce::Judged;

use super::SessionVeil;
use super::columns::masks;
use crate::guard::plan::{self, Execution, Plan, Tally};
use crate::guard::session::Shared;
use crate::guard::stopped::only_reads;

impl SessionVeil {
    /// A statement went well.
    pub(super) fn completed(&mut self, tag: &[u8], plan: Option<&mut Plan>) {
        self.replies.ended();
        match plan {
            Some(Plan::Query(run)) => {
                self.ran(&run.judged);
                run.completed(tag);
            }
            Some(Plan::Execute(execution)) => {
                self.ran(&execution.run.judged);
                self.has_changed = self.has_changed || !only_reads(&execution.run.meaning);
                execution.run.completed(tag);
                self.borrow(execution);
                execution.run.tell(None);
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
    pub(super) fn failed(&mut self, body: &[u8], mut plan: Option<&mut Plan>) {
        self.shared.names.failed();
        self.replies.ended();
        let state = sqlstate(body).unwrap_or("XX000");
        if let Some(Plan::Execute(execution)) = &mut plan {
            self.borrow(execution);
        }
        match plan {
            Some(Plan::Parse(_, _, receipt) | Plan::Bind(_, _, _, receipt)) => {
                if let Some(receipt) = receipt.take() {
                    Tally::default().tell(receipt, Some(state));
                }
            }
            Some(plan) => {
                if let Some(run) = plan.run_mut() {
                    run.tell(Some(state));
                }
            }
            None => {}
        }
    }

    /// Gives an execution that has no receipt of its own that of its portal, and what came of the portal before.
    pub(super) fn borrow(&self, execution: &mut Execution) {
        let Execution { portal, run, is_portals, .. } = execution;
        if run.receipt.is_some() {
            return;
        }
        self.shared.names.standing(portal, |portal| {
            run.receipt = portal.receipt.take();
            *is_portals = run.receipt.is_some();
            run.tally.add(std::mem::take(&mut portal.tally));
        });
    }

    /// An execution stopped at its row limit: its portal goes on later.
    pub(super) fn suspended(&mut self, plan: Option<&mut Plan>) {
        let Some(Plan::Execute(Execution { portal, run, is_portals, .. })) = plan else { return };
        self.has_changed = self.has_changed || !only_reads(&run.meaning);
        self.ran(&run.judged);
        run.tally.suspend();
        // It has run, if not to its end.
        plan::confirm(&mut run.changes, 0, b"");
        let tally = std::mem::take(&mut run.tally);
        match run.receipt.take() {
            Some(own) if !*is_portals => tally.tell(own, None),
            borrowed => {
                self.shared.names.standing(portal, |portal| {
                    portal.receipt = borrowed.or_else(|| portal.receipt.take());
                    portal.tally.add(tally);
                });
            }
        }
    }

    /// The target has come to rest.
    pub(super) fn ready(&mut self, body: &[u8], plan: Option<&mut Plan>) {
        if let Some(Plan::Query(run)) = plan {
            // What has not been confirmed by now did not come about.
            run.changes.clear();
            run.tell(None);
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

/// The target has done what a Parse, Bind or Close asked for.
pub(super) fn confirm(shared: &Shared, plan: Option<&mut Plan>) {
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

/// The SQLSTATE of an ErrorResponse.
fn sqlstate(body: &[u8]) -> Option<&str> {
    let field = body.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"C"))?;
    std::str::from_utf8(field).ok()
}
