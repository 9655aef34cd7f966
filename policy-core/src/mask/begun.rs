//! What is worth holding back of a stream that has fallen silent.
//!
//! While a stream flows, [`Scanner::frontier`] decides: it holds back whatever may still become part of a find, if only
//! the last word. Whoever reads along while a program waits must see that word. So after a silence only this is held:
//! the beginning of something that is likely to be a find, as long as nobody has watched it come character by character.

use super::Detectors;
use super::detect::View;
use super::scan::Scanner;

/// A number of at least so many digits may be a card's; fewer are seen.
const DIGITS: usize = 7;
/// No number of interest has more.
const MAX_DIGITS: usize = 19;
/// A beginning of which fewer bytes are new came slowly, as somebody types: what is before them was seen, so they are too.
const TYPED: usize = 4;

/// Where what is to be held back begins: the end of the text, if nothing is. What came before `left` has left.
///
/// Finds that are known, open ones too, are not looked at: they are held anyway.
pub(super) fn hold_from(scanner: &Scanner, detectors: &Detectors, view: View<'_>, left: usize) -> usize {
    let length = view.text.len();
    let is_new = |at: &usize| length.saturating_sub(left.max(*at)) >= TYPED;
    // What is known of a secret is known for certain: nothing of it is shown, however slowly it comes.
    let secret = detectors.literals().and_then(|literals| literals.begun(view.slice(0..length)));
    let number = number(detectors, view).filter(is_new);
    let trigger = undecided(scanner, detectors, view, is_new);
    let whole = whole(scanner, detectors, view, left).filter(is_new);
    [secret, number, trigger, whole].into_iter().flatten().min().unwrap_or(length)
}

/// Where the first find begins that would be one if nothing more came.
fn whole(scanner: &Scanner, detectors: &Detectors, view: View<'_>, left: usize) -> Option<usize> {
    scanner.undecided()?;
    let mut ended = scanner.clone();
    ended.advance(detectors, View { ended: true, ..view });
    let known = |start| scanner.sink.hits.iter().any(|hit| hit.start == start);
    let hits = ended.sink.hits.iter().filter(|hit| hit.end > left && !known(hit.start));
    hits.map(|hit| hit.start).min()
}

/// Where the first thing begins whose trigger no decision has fallen on.
fn undecided(
    scanner: &Scanner,
    detectors: &Detectors,
    view: View<'_>,
    is_new: impl Fn(&usize) -> bool,
) -> Option<usize> {
    let triggers = detectors.triggers()?;
    let mut from = scanner.undecided()?;
    let begins = |kind, end| triggers.begins(kind, view, end).filter(&is_new);
    let first = scanner.resume();
    if let Ok(Some((kind, end))) = triggers.next(view.text, first)
        && let Some(at) = begins(kind, end)
    {
        return Some(at);
    }
    // Behind the first one nothing was looked at yet, so every trigger there counts as undecided.
    while let Ok(Some((kind, end))) = triggers.next(view.text, from) {
        if let Some(at) = begins(kind, end) {
            return Some(at);
        }
        from = end;
    }
    None
}

/// Where the number begins that the text ends with, if it has enough digits.
fn number(detectors: &Detectors, view: View<'_>) -> Option<usize> {
    if !detectors.triggers()?.finds_numbers() {
        return None;
    }
    let (mut start, mut digits, mut gap) = (view.text.len(), 0, false);
    for (at, byte) in view.text.iter().enumerate().rev() {
        match byte {
            b'0'..=b'9' => (start, digits, gap) = (at, digits + 1, false),
            b' ' | b'-' if !gap => gap = true,
            _ => break,
        }
        if digits == MAX_DIGITS {
            break;
        }
    }
    let is_date = matches!(
        view.slice(start..start + 6),
        [b'1' | b'2', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', b'0' | b'1']
    );
    // Today's date with an hour behind it is what prompts end with; no card has so few digits.
    (digits >= DIGITS && !(is_date && digits < 13)).then_some(start)
}
