//! The automaton that finds where a detector has to look.
//!
//! One dense DFA over the triggers of all enabled detectors reads every byte once, from the first on that
//! could begin one. It is immutable and needs no cache, so sessions share it without sharing anything that changes.

use std::ops::Range;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::syntax;
use regex_automata::{Input, MatchKind, nfa::thompson};

use super::detect::{self, Sink, Step, View, number};
use super::sieve::{Ahead, Beginning, Sieve};
use super::{Detector, DetectorSet, DetectorsError};

/// Longer than any trigger, in bytes.
pub(super) const MAX_TRIGGER: usize = 64;

/// The triggers of a set of detectors.
pub(super) struct Triggers {
    sieve: Sieve,
    dfa: dense::DFA<Vec<u32>>,
    /// By the number of the pattern.
    kinds: Vec<Kind>,
    enabled: DetectorSet,
    /// How many digits trigger a look at a number.
    digits: usize,
}

/// What triggers a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Digits,
    At,
    /// The first characters of a token, as many as given.
    Jwt(usize),
    AwsId,
    AwsSecret,
    PrivateKey,
    Authorization,
    Bearer,
    Basic,
    Iban,
}

impl Triggers {
    pub(super) fn new(enabled: DetectorSet) -> Result<Self, DetectorsError> {
        let digits = fewest_digits(enabled);
        let triggers = patterns(enabled, digits);
        let sieve = Sieve::new(triggers.iter().map(|trigger| trigger.begins));
        let patterns: Vec<_> = triggers.iter().map(|trigger| &*trigger.pattern).collect();
        let kinds = triggers.iter().map(|trigger| trigger.kind).collect();
        // With every occurrence reported at its end, a search that stops at the first end is independent of
        // where other occurrences begin.
        let dfa = dense::Builder::new()
            .configure(dense::Config::new().match_kind(MatchKind::All).start_kind(StartKind::Unanchored))
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(thompson::Config::new().utf8(false))
            .build_many(&patterns)
            .map_err(|error| DetectorsError(error.to_string()))?;
        Ok(Self { sieve, dfa, kinds, enabled, digits })
    }

    /// Where the first trigger of a whole text ends; `None` is the answer for most.
    pub(super) fn first(&self, text: &[u8]) -> Result<Option<usize>, SearchFailed> {
        let Some(start) = self.sieve.first(text) else { return Ok(None) };
        Ok(self.next(text, start)?.map(|(_, end)| end))
    }

    /// Whether there is a trigger between these places of a text; see [`Sieve::may_begin`].
    pub(super) fn stand_in(&self, text: &[u8], part: Range<usize>, ahead: &mut Ahead) -> bool {
        self.sieve.may_begin(text, part.clone(), ahead)
            && !matches!(self.next(text.get(..part.end).unwrap_or_default(), part.start), Ok(None))
    }

    /// The trigger that ends first, and where; `None` if there is none in the text from `start` on.
    pub(super) fn next(&self, text: &[u8], start: usize) -> Result<Option<(Kind, usize)>, SearchFailed> {
        let input = Input::new(text).range(start.min(text.len())..).earliest(true);
        let found = self.dfa.try_search_fwd(&input).map_err(|_| SearchFailed)?;
        let Some(found) = found else { return Ok(None) };
        let kind = self.kinds.get(found.pattern().as_usize()).ok_or(SearchFailed)?;
        Ok(Some((*kind, found.offset())))
    }

    /// Where what the trigger may belong to begins, as far as hiding it is worth a wait; numbers aside, for which
    /// [`Self::finds_numbers`].
    pub(super) fn begins(&self, kind: Kind, view: View<'_>, end: usize) -> Option<usize> {
        match kind {
            Kind::Digits => None,
            Kind::At => detect::email::local_start(view, end.saturating_sub(1)),
            Kind::Jwt(length) => Some(end.saturating_sub(length)),
            Kind::AwsId => Some(end.saturating_sub("AKIA".len())),
            Kind::PrivateKey => Some(end.saturating_sub("-----BEGIN ".len())),
            Kind::Iban => {
                let start = detect::iban::start(view, end);
                detect::iban::length(view, start).map(|_| start)
            }
            // Their names stay readable: a prompt may end with one.
            Kind::AwsSecret | Kind::Authorization | Kind::Bearer | Kind::Basic => {
                Some(view.run(end, MAX_TRIGGER, |byte| !byte.is_ascii_alphanumeric()).end)
            }
        }
    }

    /// Whether a detector of numbers is among them.
    pub(super) fn finds_numbers(&self) -> bool {
        let numbers = [Detector::CreditCard, Detector::Ssn, Detector::Phone];
        numbers.into_iter().any(|detector| self.enabled.contains(detector))
    }

    /// Asks the detectors that the trigger belongs to.
    pub(super) fn judge(&self, kind: Kind, view: View<'_>, end: usize, sink: &mut Sink) -> Step {
        match kind {
            Kind::Digits => number::detect(view, end, self.digits, self.enabled, sink),
            Kind::At => detect::email::detect(view, end, sink),
            Kind::Jwt(length) => detect::jwt::detect(view, end, length, sink),
            Kind::AwsId => detect::aws_key::detect_id(view, end, sink),
            Kind::AwsSecret => detect::aws_key::detect_secret(view, end, sink),
            Kind::PrivateKey => detect::private_key::detect(view, end, sink),
            Kind::Authorization => detect::authorization::detect_header(view, end, sink),
            Kind::Bearer => detect::authorization::detect_bearer(view, end, sink),
            Kind::Basic => detect::authorization::detect_basic(view, end, sink),
            Kind::Iban => detect::iban::detect(view, end, sink),
        }
    }
}

/// The automaton gave up, which ours never does; what it was to search is then treated as a find.
pub(super) struct SearchFailed;

impl Kind {
    /// The detector whose finds may have any length, if the trigger can begin one.
    pub(super) fn opens(self) -> Option<Detector> {
        match self {
            Self::Jwt(_) => Some(Detector::Jwt),
            Self::PrivateKey => Some(Detector::PrivateKey),
            Self::Authorization | Self::Bearer | Self::Basic => Some(Detector::Authorization),
            Self::Digits | Self::At | Self::AwsId | Self::AwsSecret | Self::Iban => None,
        }
    }
}

/// Whether the byte may be part of a trigger, or stand between a trigger and the start of a find before it.
pub(super) fn may_join(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte >= 0x80
        || matches!(byte, b' ' | b'(' | b')' | b'.' | b'/' | b'-' | b'@' | b'_' | b'%' | b'+' | b'\'')
}

fn fewest_digits(enabled: DetectorSet) -> usize {
    if enabled.contains(Detector::Phone) || enabled.contains(Detector::Ssn) { 9 } else { 13 }
}

struct Trigger {
    kind: Kind,
    pattern: Box<str>,
    /// What every match of the pattern begins with.
    begins: Beginning,
}

/// No two patterns can end at the same byte, so that the search has one answer.
fn patterns(enabled: DetectorSet, digits: usize) -> Vec<Trigger> {
    use Beginning::{AnyCase, Byte, Digits, Text};
    let gap = number::MAX_GAP;
    let numbers = format!("[0-9](?:[ ()./-]{{0,{gap}}}[0-9]){{{}}}", digits - 1);
    let token = Text(&["eyAg", "eyAi", "ewog", "ewoi", "ewoJ", "ew0K"]);
    let secret = "(?i)secret[_ .-]?(?:access)?[_ .-]?key";
    // Not the countries: hundreds of states for two letters would not stay in the nearest cache.
    let account = "[A-Za-z]{2}[0-9]{2}[ -]?[0-9A-Za-z]{2}";
    let has = |detector| enabled.contains(detector);
    let any_number = has(Detector::CreditCard) || has(Detector::Ssn) || has(Detector::Phone);
    #[rustfmt::skip]
    let all = [
        (any_number, Kind::Digits, &*numbers, Digits { behind: 0, count: digits }),
        (has(Detector::Email), Kind::At, "@", Byte(b'@')),
        // Base64url of `{"`, and of `{` with white space behind it.
        (has(Detector::Jwt), Kind::Jwt(3), "eyJ", Text(&["eyJ"])),
        (has(Detector::Jwt), Kind::Jwt(4), "eyA[gi]|ewo[giJ]|ew0K", token),
        (has(Detector::AwsKey), Kind::AwsId, "A(?:KIA|SIA|BIA|CCA)", Text(&["AKIA", "ASIA", "ABIA", "ACCA"])),
        (has(Detector::AwsKey), Kind::AwsSecret, secret, AnyCase("sec")),
        (has(Detector::PrivateKey), Kind::PrivateKey, "-----BEGIN ", Text(&["-----BEGIN "])),
        (has(Detector::Authorization), Kind::Authorization, "(?i)authorization", AnyCase("aut")),
        (has(Detector::Authorization), Kind::Bearer, "(?i)bearer", AnyCase("bea")),
        (has(Detector::Authorization), Kind::Basic, "(?i)basic", AnyCase("bas")),
        (has(Detector::Iban), Kind::Iban, account, Digits { behind: 2, count: 2 }),
    ];
    all.into_iter()
        .filter(|(on, ..)| *on)
        .map(|(_, kind, pattern, begins)| Trigger { kind, pattern: pattern.into(), begins })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::string::bytes_regex;

    use super::*;

    fn all() -> (Triggers, Vec<Trigger>) {
        let enabled: DetectorSet = Detector::ALL.into_iter().collect();
        (Triggers::new(enabled).unwrap(), patterns(enabled, fewest_digits(enabled)))
    }

    #[test]
    fn no_trigger_is_passed_over() {
        let (triggers, each) = all();
        let mut runner = proptest::test_runner::TestRunner::default();
        for trigger in each {
            let place =
                (0..200_usize, 0..200_usize, bytes_regex(&format!("(?-u:{})", trigger.pattern)).unwrap());
            let passed = runner.run(&place, |(before, behind, text)| {
                let whole = [&vec![b'~'; before][..], &text, &vec![b'~'; behind]].concat();
                let first = triggers.sieve.first(&whole);
                prop_assert!(
                    first.is_some_and(|first| first <= before),
                    "{:?} at {before}: {first:?}",
                    trigger.kind
                );
                let mut ahead = Ahead::default();
                for at in 0..before / 8 {
                    let _ = triggers.stand_in(&whole, at * 8..at * 8 + 8, &mut ahead);
                }
                prop_assert!(
                    triggers.stand_in(&whole, before..before + text.len(), &mut ahead),
                    "{:?} at {before}",
                    trigger.kind
                );
                Ok(())
            });
            passed.unwrap();
        }
    }
}
