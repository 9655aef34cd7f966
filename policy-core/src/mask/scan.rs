//! The scanner: from text that arrives in pieces to finds that do not depend on the pieces.
//!
//! Every decision is a function of the text around one place. While a piece of text that a decision needs
//! has not arrived, the scanner stays where it is; [`Scanner::frontier`] says up to where no find can begin
//! any more.

use super::detect::{Hit, MAX_LOOK_BEHIND, Open, Sink, Step, View, is_token};
use super::trigger::{Kind, MAX_TRIGGER, SearchFailed, may_join};
use super::{Detector, Detectors};

/// Where a scan of one text stands. Positions are those of the text handed to [`Scanner::advance`].
#[derive(Clone, Default)]
pub(super) struct Scanner {
    /// Where the next trigger may begin.
    resume: usize,
    /// Where the next literal may begin.
    literals: usize,
    /// Closed finds, in the order of their discovery.
    pub(super) sink: Sink,
    /// For each detector whose finds may have any length, the one that is still open.
    pub(super) open: [Option<Open>; OPENERS.len()],
    /// Up to where the last such find went, closed or not. Triggers before that are a part of it.
    covered: [usize; OPENERS.len()],
    /// What an undecided trigger waits for.
    waiting: Option<Waiting>,
}

/// The detectors whose finds may have any length.
const OPENERS: [Detector; 3] = [Detector::Jwt, Detector::Authorization, Detector::PrivateKey];

#[derive(Clone, Copy)]
struct Waiting {
    /// The text up to here has been looked at.
    seen: usize,
    /// Once the text is as long as this, a decision falls.
    limit: usize,
    /// Where the trigger ends.
    end: usize,
}

impl Scanner {
    /// Forgets everything but its buffers. In the next text no trigger ends, and no literal begins, before `first`.
    pub(super) fn reset(&mut self, first: usize) {
        self.sink.hits.clear();
        let hits = std::mem::take(&mut self.sink.hits);
        let resume = first.saturating_sub(MAX_TRIGGER);
        *self = Self { resume, literals: first, sink: Sink { hits, opened: None }, ..Self::default() };
    }

    /// Looks at what has arrived since the last call; `view.text` begins where it began then (but see [`Self::shift`]).
    pub(super) fn advance(&mut self, detectors: &Detectors, view: View<'_>) {
        self.extend_open(view);
        if let Some(literals) = detectors.literals() {
            self.literals = literals.scan(view, self.literals, &mut self.sink.hits);
        }
        if !self.still_waiting(view) {
            self.follow_triggers(detectors, view);
        }
    }

    /// No find that is not known yet begins before this place.
    pub(super) fn frontier(&self, detectors: &Detectors, view: View<'_>) -> usize {
        if view.ended {
            return view.text.len();
        }
        let floor = self.resume.saturating_sub(MAX_LOOK_BEHIND);
        let behind = view.slice(floor..self.resume);
        let joined = behind.iter().rev().take_while(|&&byte| may_join(byte)).count();
        let triggers = self.resume - joined;
        if detectors.literals().is_some() { triggers.min(self.literals) } else { triggers }
    }

    /// No secret begins before this place that is not known yet.
    pub(super) fn literals(&self) -> usize {
        self.literals
    }

    /// Where a trigger ends that no decision has fallen on yet.
    pub(super) fn undecided(&self) -> Option<usize> {
        self.waiting.map(|waiting| waiting.end)
    }

    /// Where the next trigger may begin.
    pub(super) fn resume(&self) -> usize {
        self.resume
    }

    /// What lies further before this place than detectors look back is of no use any more.
    pub(super) fn needed(&self, detectors: &Detectors) -> usize {
        let open = self.open.iter().flatten().map(|open| open.at).min().unwrap_or(usize::MAX);
        let literals = if detectors.literals().is_some() { self.literals } else { usize::MAX };
        self.resume.min(literals).min(open)
    }

    /// The first `count` bytes of the text are gone.
    pub(super) fn shift(&mut self, count: usize) {
        let back = |at: &mut usize| *at = at.saturating_sub(count);
        back(&mut self.resume);
        back(&mut self.literals);
        self.covered.iter_mut().for_each(back);
        for hit in &mut self.sink.hits {
            back(&mut hit.start);
            back(&mut hit.end);
        }
        for open in self.open.iter_mut().flatten() {
            back(&mut open.hit.start);
            back(&mut open.hit.end);
            back(&mut open.at);
        }
        if let Some(waiting) = &mut self.waiting {
            back(&mut waiting.seen);
            back(&mut waiting.limit);
            back(&mut waiting.end);
        }
    }

    fn follow_triggers(&mut self, detectors: &Detectors, view: View<'_>) {
        let Some(triggers) = detectors.triggers() else {
            self.resume = view.text.len();
            return;
        };
        loop {
            let (kind, end) = match triggers.next(view.text, self.resume) {
                Ok(Some(found)) => found,
                Ok(None) => break self.rest(view),
                Err(SearchFailed) => {
                    self.sink.hits.push(Hit { detector: None, start: self.resume, end: view.text.len() });
                    break self.resume = view.text.len();
                }
            };
            match self.judge(detectors, view, kind, end) {
                Step::Next(at) => self.resume = at.max(self.resume + 1).min(view.text.len()),
                Step::More { limit } => {
                    self.waiting = Some(Waiting { seen: view.text.len(), limit, end });
                    self.resume = self.resume.max(end.saturating_sub(MAX_TRIGGER));
                    break;
                }
            }
        }
    }

    fn judge(&mut self, detectors: &Detectors, view: View<'_>, kind: Kind, end: usize) -> Step {
        let slot = kind.opens().and_then(|detector| OPENERS.iter().position(|opener| *opener == detector));
        if let Some(slot) = slot {
            match (self.open.get(slot), self.covered.get(slot)) {
                // The open find may or may not reach this far.
                (Some(Some(open)), _) if open.at < end => return Step::More { limit: 0 },
                (Some(Some(_)), _) => return Step::Next(end),
                (_, Some(&covered)) if end <= covered => return Step::Next(end),
                _ => {}
            }
        }
        let Some(triggers) = detectors.triggers() else { return Step::Next(end) };
        let step = triggers.judge(kind, view, end, &mut self.sink);
        if let (Some(open), Some(slot)) = (self.sink.opened.take(), slot)
            && let Some(place) = self.open.get_mut(slot)
        {
            *place = Some(open);
            self.extend_open(view);
        }
        step
    }

    /// Looks for the ends of open finds.
    fn extend_open(&mut self, view: View<'_>) {
        for (place, covered) in self.open.iter_mut().zip(&mut self.covered) {
            let Some(open) = place else { continue };
            if open.extend(view) {
                *covered = open.at;
                if open.hit.start < open.hit.end {
                    self.sink.hits.push(open.hit);
                }
                *place = None;
            }
        }
    }

    /// There is no whole trigger left: stays where one may have begun.
    fn rest(&mut self, view: View<'_>) {
        let length = view.text.len();
        let floor = self.resume.max(length.saturating_sub(MAX_TRIGGER - 1));
        let joined = view.slice(floor..length).iter().rev().take_while(|&&byte| may_join(byte)).count();
        self.resume = length - joined;
    }

    fn still_waiting(&mut self, view: View<'_>) -> bool {
        let Some(waiting) = &mut self.waiting else { return false };
        let arrived = view.slice(waiting.seen..view.text.len());
        let wait =
            !view.ended && view.text.len() < waiting.limit && arrived.iter().all(|&byte| is_token(byte));
        if wait {
            waiting.seen = view.text.len();
        } else {
            self.waiting = None;
        }
        wait
    }
}
