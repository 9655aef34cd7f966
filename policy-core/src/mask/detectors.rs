//! A compiled set of detectors, and what becomes of each one's finds.

use std::fmt;
use std::ops::Range;

use super::detect::{Hit, View};
use super::scan::Scanner;
use super::trigger::Triggers;
use super::{Detector, DetectorSet, Joined, Literals, MaskKey, Transform};

/// A find longer than this is redacted, whatever its transform, in bytes.
///
/// A stream can't wait for the end of a private key that never ends; so that its result does not depend
/// on how it is split, single values follow the same rule.
pub const MAX_FIND: usize = 16 * 1024;

/// Detectors, each with the transform of its finds; compiled once, shared by all sessions.
pub struct Detectors {
    triggers: Option<Triggers>,
    literals: Option<Literals>,
    transforms: [Joined; Detector::ALL.len()],
}

/// The automata could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the detectors can't be compiled: {0}")]
pub struct DetectorsError(pub(super) String);

/// Something that was recognised in a text. Overlapping finds are one, with their transforms joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Find {
    /// Where it is, in bytes.
    pub range: Range<usize>,
    /// What is to become of it.
    pub transform: Transform,
    /// Who recognised it; empty for a known secret.
    pub detectors: DetectorSet,
}

/// The buffers of one session, so that looking at a value allocates nothing.
#[derive(Default)]
pub struct Scratch {
    scanner: Scanner,
    finds: Vec<Find>,
}

impl Detectors {
    /// Compiles the detectors; one that is given several times gets its transforms joined.
    ///
    /// # Errors
    /// When an automaton can't be built, which no input can cause.
    pub fn new(rules: &[(Detector, Transform)]) -> Result<Self, DetectorsError> {
        let mut transforms = [Joined::default(); Detector::ALL.len()];
        for (detector, transform) in rules {
            if let Some(joined) = transforms.get_mut(*detector as usize) {
                joined.add(*transform);
            }
        }
        let enabled: DetectorSet = rules.iter().map(|(detector, _)| *detector).collect();
        let triggers = if enabled.is_empty() { None } else { Some(Triggers::new(enabled)?) };
        Ok(Self { triggers, literals: None, transforms })
    }

    /// Also finds these secrets, and redacts them.
    #[must_use]
    pub fn with_literals(self, literals: Option<Literals>) -> Self {
        Self { literals, ..self }
    }

    /// Whether nothing can ever be found.
    pub fn is_empty(&self) -> bool {
        self.triggers.is_none() && self.literals.is_none()
    }

    /// What there is in a text, in order; finds don't overlap. The text need not be UTF-8.
    pub fn find<'s>(&self, text: &[u8], scratch: &'s mut Scratch) -> &'s [Find] {
        scratch.finds.clear();
        let Some(first) = self.first(text) else { return &scratch.finds };
        scratch.scanner.reset(first);
        scratch.scanner.advance(self, View { text, ended: true });
        let hits = &mut scratch.scanner.sink.hits;
        hits.sort_unstable_by_key(|hit| hit.start);
        scratch.finds.extend(Unions { hits, detectors: self });
        &scratch.finds
    }

    /// Writes the text with its finds masked to `out`, and says how many there were.
    ///
    /// When it says 0, nothing was written: the text may be forwarded as it is. NULL is nothing here.
    pub fn mask_into(&self, text: &[u8], key: &MaskKey, scratch: &mut Scratch, out: &mut Vec<u8>) -> usize {
        let finds = self.find(text, scratch);
        let mut at = 0;
        for find in finds {
            out.extend_from_slice(text.get(at..find.range.start).unwrap_or_default());
            let _nothing_for_null =
                find.transform.apply(text.get(find.range.clone()).unwrap_or_default(), key, out);
            at = find.range.end;
        }
        if !finds.is_empty() {
            out.extend_from_slice(text.get(at..).unwrap_or_default());
        }
        finds.len()
    }

    pub(super) fn triggers(&self) -> Option<&Triggers> {
        self.triggers.as_ref()
    }

    pub(super) fn literals(&self) -> Option<&Literals> {
        self.literals.as_ref()
    }

    /// Where the first trigger ends, or a known secret begins. None is the answer for most values, so it comes first
    /// and fast.
    pub(super) fn first(&self, text: &[u8]) -> Option<usize> {
        let secret = self.literals.as_ref().and_then(|literals| literals.first(text));
        let trigger = match &self.triggers {
            Some(triggers) if text.len() >= MIN_FIND => triggers.first(text).unwrap_or(Some(0)),
            _ => None,
        };
        secret.into_iter().chain(trigger).min()
    }

    /// What is to become of text that these recognised; a known secret is redacted.
    pub(super) fn transform(&self, union: &Union) -> Transform {
        let mut joined = Joined::default();
        if union.secret || union.end - union.start > MAX_FIND {
            joined.add(Transform::Redact);
        }
        for detector in union.detectors.iter() {
            match self.transforms.get(detector as usize).and_then(Joined::transform) {
                Some(transform) => joined.add(transform),
                None => joined.add(Transform::Redact),
            }
        }
        match joined.transform() {
            // Part of it may have been sent as redacted already.
            Some(Transform::Null) if union.end - union.start > MAX_FIND => Transform::Redact,
            transform => transform.unwrap_or(Transform::Redact),
        }
    }
}

impl fmt::Debug for Detectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transforms = self.transforms.iter().map(Joined::transform);
        let enabled = Detector::ALL.iter().zip(transforms).filter_map(|(d, t)| Some((d, t?)));
        f.debug_struct("Detectors")
            .field("rules", &enabled.collect::<Vec<_>>())
            .field("literals", &self.literals)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratch(..)")
    }
}

/// The shortest find in bytes: `a@b.co`.
pub(super) const MIN_FIND: usize = 6;

/// Hits that overlap, as one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Union {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) detectors: DetectorSet,
    pub(super) secret: bool,
}

impl Union {
    pub(super) fn of(hit: Hit) -> Self {
        let detectors = hit.detector.into_iter().collect();
        Self { start: hit.start, end: hit.end, detectors, secret: hit.detector.is_none() }
    }

    pub(super) fn add(&mut self, hit: Hit) {
        self.end = self.end.max(hit.end);
        match hit.detector {
            Some(detector) => self.detectors.insert(detector),
            None => self.secret = true,
        }
    }
}

/// The finds that hits, sorted by their start, amount to.
struct Unions<'a> {
    hits: &'a [Hit],
    detectors: &'a Detectors,
}

impl Iterator for Unions<'_> {
    type Item = Find;

    fn next(&mut self) -> Option<Find> {
        let (first, mut rest) = self.hits.split_first()?;
        let mut union = Union::of(*first);
        while let Some((hit, others)) = rest.split_first()
            && hit.start < union.end
        {
            union.add(*hit);
            rest = others;
        }
        self.hits = rest;
        let transform = self.detectors.transform(&union);
        Some(Find { range: union.start..union.end, transform, detectors: union.detectors })
    }
}
