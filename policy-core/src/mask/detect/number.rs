//! Groups of digits: what card numbers, social security numbers and phone numbers have in common.

use super::super::{Detector, DetectorSet};
use super::{Sink, Step, View, card, phone, ssn};

/// No number of interest has more digits.
pub(super) const MAX_DIGITS: usize = 19;
const MAX_GROUPS: usize = 10;
/// Separators that may stand between two digits, in bytes.
pub(in crate::mask) const MAX_GAP: usize = 3;
/// How far from its first digit a number, its extension and its neighbours reach, in bytes.
const MAX_REACH: usize = MAX_DIGITS + MAX_GROUPS * MAX_GAP + 16;

/// Judges the numbers that begin at the first of the `digits` digits that end at `end`.
pub(in crate::mask) fn detect(
    view: View<'_>,
    end: usize,
    digits: usize,
    enabled: DetectorSet,
    sink: &mut Sink,
) -> Step {
    let mut start = first_digit(view, end, digits);
    if view.before(start, 1).is_some_and(|byte| byte.is_ascii_digit()) {
        // Inside a run of digits that is too long for anything.
        let group = view.run(start, end - start, |byte| byte.is_ascii_digit());
        return Step::Next(group.end);
    }
    if view.before(start, 1) == Some(b'%')
        && view.run(start, 3, |byte| byte.is_ascii_digit()).end == start + 3
    {
        // The escape of a URL: `%204111…`.
        start += 2;
    }
    if begins_with_date(view.text.get(start..).unwrap_or_default()) {
        // The most common of all numbers that are long enough.
        return Step::Next(start + DATE);
    }
    if view.run(start, MAX_REACH, may_belong).unfinished {
        return Step::More { limit: 0 };
    }
    let number = Number::read(view, start);
    let mut next = start + number.groups().first().map_or(1, |group| group.length);
    let mut found = |detector, range: Option<std::ops::Range<usize>>| {
        if let Some(range) = range {
            next = next.max(range.end);
            sink.hit(detector, range);
        }
    };
    if enabled.contains(Detector::CreditCard) {
        found(Detector::CreditCard, card::find(view, &number));
    }
    if enabled.contains(Detector::Ssn) {
        found(Detector::Ssn, ssn::find(view, &number));
    }
    if enabled.contains(Detector::Phone) {
        found(Detector::Phone, phone::find(view, &number));
    }
    Step::Next(next)
}

/// Some digits in groups, and the separators between them.
pub(super) struct Number {
    digits: [u8; MAX_DIGITS],
    groups: [Group; MAX_GROUPS],
    count: usize,
}

/// Digits without a separator between them.
#[derive(Clone, Copy, Default)]
pub(super) struct Group {
    /// Where it begins in the text.
    pub(super) start: usize,
    /// How many digits it has.
    pub(super) length: usize,
    /// How many digits of the number stand before it.
    pub(super) before: usize,
}

impl Group {
    /// Where it ends in the text.
    pub(super) fn end(&self) -> usize {
        self.start + self.length
    }

    /// How many digits the number has up to its end.
    pub(super) fn total(&self) -> usize {
        self.before + self.length
    }
}

impl Number {
    /// Reads groups from `start` on for as long as they fit.
    fn read(view: View<'_>, start: usize) -> Self {
        let mut number = Self { digits: [0; MAX_DIGITS], groups: [Group::default(); MAX_GROUPS], count: 0 };
        let (mut at, mut total) = (start, 0);
        for group in &mut number.groups {
            let length = view.run(at, MAX_DIGITS + 1, |byte| byte.is_ascii_digit()).end - at;
            let Some(into) = number.digits.get_mut(total..total + length) else { break };
            into.copy_from_slice(view.slice(at..at + length));
            into.iter_mut().for_each(|digit| *digit -= b'0');
            *group = Group { start: at, length, before: total };
            number.count += 1;
            total += length;
            let gap = view.run(at + length, MAX_GAP + 1, is_separator).end;
            at = gap;
            if gap > group.end() + MAX_GAP || !view.at(gap).is_some_and(|byte| byte.is_ascii_digit()) {
                break;
            }
        }
        number
    }

    pub(super) fn groups(&self) -> &[Group] {
        self.groups.get(..self.count).unwrap_or_default()
    }

    /// The values, not the characters, of the first `count` digits.
    pub(super) fn digits(&self, count: usize) -> &[u8] {
        self.digits.get(..count).unwrap_or_default()
    }

    /// The separators that follow the group.
    pub(super) fn gap<'t>(&self, view: View<'t>, group: usize) -> &'t [u8] {
        match (self.groups().get(group), self.groups().get(group + 1)) {
            (Some(left), Some(right)) => view.slice(left.end()..right.start),
            _ => &[],
        }
    }

    /// Where the number begins in the text.
    pub(super) fn start(&self) -> usize {
        self.groups().first().map_or(0, |group| group.start)
    }

    /// Whether it begins with a date and the separators say so: `2024-01-15`, `15.01.2024`.
    pub(super) fn is_date(&self, view: View<'_>) -> bool {
        let [a, b, c, ..] = self.groups() else { return false };
        let (left, right) = (self.gap(view, 0), self.gap(view, 1));
        let value = |group: &Group| {
            self.digits(group.total()).iter().skip(group.before).fold(0, |n, d| n * 10 + u32::from(*d))
        };
        let day_and_month = |x: &Group, y: &Group| {
            let (x, y) = (value(x), value(y));
            (1..=31).contains(&x) && (1..=31).contains(&y) && x.min(y) <= 12
        };
        left == right
            && matches!(left, b"-" | b"." | b"/" | b" ")
            && match (a.length, b.length, c.length) {
                (4, 1..=2, 1..=2) => day_and_month(b, c),
                (1..=2, 1..=2, 4) => day_and_month(a, b),
                _ => false,
            }
    }
}

/// Whether something that begins at `start` would be a part of something longer.
pub(super) fn continues_before(view: View<'_>, start: usize) -> bool {
    let digit_before = view.before(start, 2).is_some_and(|byte| byte.is_ascii_digit());
    match view.before(start, 1) {
        Some(b'-') => view.before(start, 2).is_some_and(is_letter_or_digit),
        Some(b'.' | b'/' | b':') => digit_before,
        Some(b'+') => true,
        _ => view.inside_word(start),
    }
}

/// Whether something that ends at `end` would be a part of something longer.
pub(super) fn continues_after(view: View<'_>, end: usize) -> bool {
    let digit_after = view.at(end + 1).is_some_and(|byte| byte.is_ascii_digit());
    match view.at(end) {
        Some(b'-') => view.at(end + 1).is_some_and(is_letter_or_digit),
        Some(b'.' | b'/' | b':') => digit_after,
        Some(byte) => super::is_word(byte),
        None => false,
    }
}

/// Whether other digits stand beside it, only a space away.
pub(super) fn in_a_row_of_numbers(view: View<'_>, start: usize, end: usize) -> bool {
    let is_digit = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_digit());
    view.before(start, 1) == Some(b' ') && is_digit(view.before(start, 2))
        || view.at(end) == Some(b' ') && is_digit(view.at(end + 1))
}

/// The length of `2024-01-15` in bytes; a trigger that begins so is longer.
const DATE: usize = 10;

/// Whether the text begins with a date of ISO 8601, which no number of interest does.
fn begins_with_date(text: &[u8]) -> bool {
    match text {
        [b'1' | b'2', b, c, d, b'-', b'0' | b'1', e, b'-', b'0'..=b'3', f, rest @ ..] => {
            let digits = [b, c, d, e, f].iter().all(|byte| byte.is_ascii_digit());
            digits && !rest.first().is_some_and(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// The first of the `digits` digits that end at `end`.
fn first_digit(view: View<'_>, end: usize, digits: usize) -> usize {
    let (mut at, mut left) = (end, digits);
    while left > 0 && at > 0 {
        at -= 1;
        left -= usize::from(view.at(at).is_some_and(|byte| byte.is_ascii_digit()));
    }
    at
}

pub(super) fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'(' | b')' | b'.' | b'/' | b'-')
}

fn is_letter_or_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// Whether the byte may be part of a number, or of what is looked at after it.
fn may_belong(byte: u8) -> bool {
    byte.is_ascii_digit()
        || is_separator(byte)
        || matches!(byte, b':' | b',' | b'#' | b'x' | b'X' | b'e' | b'E' | b't' | b'T')
}
