//! What a session, its permits and its held commands share.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use policy_core::mask::{Detector, Detectors, DetectorsError, FieldMasks, JsonMasker, Scratch, Transform};
use portcullis_evidence::{AppendError, Record, Seq};

use super::desk::Ink;
use super::gateway::Shared;
use super::judged::Judged;
use super::refusal::Refusal;
use super::tape::Reel;
use super::vigil::Vigils;
use crate::session::{Entry, StopReason};
use crate::store::BoundTo;

pub(super) struct Live {
    pub(super) entry: Arc<Entry>,
    pub(super) ink: Ink,
    pub(super) reel: Reel,
    pub(super) vigils: Vigils,
    pub(super) gateway: Arc<Shared>,
    /// What its approvals are bound to.
    pub(super) bound_to: BoundTo,
    scratch: Mutex<Scratch>,
}

impl Live {
    pub(super) fn new(entry: Arc<Entry>, ink: Ink, gateway: Arc<Shared>, bound_to: BoundTo) -> Self {
        Self {
            entry,
            ink,
            gateway,
            bound_to,
            reel: Reel::default(),
            vigils: Vigils::default(),
            scratch: Mutex::default(),
        }
    }

    /// A text with what the policy masks by content masked; borrowed if that is nothing.
    pub(super) fn masked<'a>(&self, judged: &Judged, text: &'a str) -> Cow<'a, str> {
        let Some(detectors) = &judged.detectors else { return text.into() };
        let mut out = Vec::new();
        // Its content is reset before every use, so a panic elsewhere leaves it usable.
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        match detectors.mask_into(text.as_bytes(), self.gateway.mask_key(), &mut scratch, &mut out) {
            0 => text.into(),
            _ => String::from_utf8_lossy(&out).into_owned().into(),
        }
    }

    /// A JSON text with its fields masked as those of an answer are, and what the policy masks by content. `None` where it is no
    /// JSON, so that its fields can't be seen.
    pub(super) fn fields_masked(
        &self,
        judged: &Judged,
        fields: Arc<FieldMasks>,
        json: &[u8],
    ) -> Option<String> {
        let detectors = match &judged.detectors {
            Some(detectors) => Arc::clone(detectors),
            None => Arc::new(Detectors::new(&[]).ok()?),
        };
        let key = self.gateway.mask_key();
        let (mut masker, mut out) = (JsonMasker::new(Some(fields)), Vec::with_capacity(json.len()));
        masker.push(&detectors, key, json, &mut out).ok()?;
        masker.finish(&detectors, key, &mut out).ok()?;
        String::from_utf8(out).ok()
    }

    /// Writes a record now. Where that fails, every session of the gateway ends.
    pub(super) fn write(&self, record: &Record<'_>) -> Result<Seq, Refusal> {
        self.ink.now(record).map_err(|error| self.evidence_lost(&error))
    }

    /// Writes a record together with those of other sessions. Where that fails, every session of the gateway ends.
    pub(super) async fn write_together(&self, record: &Record<'_>) -> Result<Seq, Refusal> {
        self.ink.together(record).await.map_err(|error| self.evidence_lost(&error))
    }

    /// Writes a record with the next one. Where that fails, every session of the gateway ends.
    pub(super) fn write_later(&self, record: &Record<'_>) {
        if let Err(error) = self.ink.later(record) {
            self.evidence_lost(&error);
        }
    }

    pub(super) fn flush(&self) {
        if let Err(error) = self.ink.flush() {
            self.evidence_lost(&error);
        }
    }

    pub(super) fn evidence_lost(&self, error: &AppendError) -> Refusal {
        tracing::error!(%error, session = %self.entry.id, "evidence can't be written: all sessions end");
        self.entry.stop.throw(StopReason::EvidenceLost);
        self.gateway.registry.stop(&StopReason::EvidenceLost, |_| true);
        Refusal::stopped(&StopReason::EvidenceLost)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.flush();
        self.reel.close();
        self.entry.audience.close();
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("entry", &self.entry).finish_non_exhaustive()
    }
}

/// Sets of detectors that are in use, compiled once each.
#[derive(Default)]
pub(super) struct DetectorCache(Mutex<Vec<(DetectorRules, Arc<Detectors>)>>);

type DetectorRules = Vec<(Detector, Transform)>;

/// The most sets kept; a policy seldom has more than a few.
const SETS: usize = 64;

impl DetectorCache {
    /// The detectors of these rules; `None` if there are no rules.
    pub(super) fn get(&self, rules: &DetectorRules) -> Result<Option<Arc<Detectors>>, DetectorsError> {
        if rules.is_empty() {
            return Ok(None);
        }
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, detectors)) = sets.iter().find(|(known, _)| known == rules) {
            return Ok(Some(Arc::clone(detectors)));
        }
        let detectors = Arc::new(Detectors::new(rules)?);
        if sets.len() >= SETS {
            sets.clear();
        }
        sets.push((rules.clone(), Arc::clone(&detectors)));
        Ok(Some(detectors))
    }
}

impl std::fmt::Debug for DetectorCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DetectorCache")
    }
}
