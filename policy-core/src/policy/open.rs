//! Tests on lists that are known in part: true or false only where no hole can change it.
//!
//! A hole's text may be any of one segment. So a text exists that matches no pattern but those that match everything:
//! it fills the holes where a test is to fail. Taking more steps than another text never makes a shape fail, so no
//! other text has to be tried.

use smallvec::SmallVec;

use super::condition::Part;
use super::glob::Glob;
use crate::action::Slot;
use crate::truth::Prospect;

/// Whether the list contains this text.
pub(super) fn contains(slots: &[Slot], literal: &str) -> Prospect {
    if slots.iter().any(|slot| matches!(slot, Slot::Text(text) if **text == *literal)) {
        return Prospect::TRUE;
    }
    if has_hole(slots) { Prospect::UNDETERMINED } else { Prospect::FALSE }
}

/// Whether an element matches one of these.
pub(super) fn like(slots: &[Slot], globs: &[Glob]) -> Prospect {
    let certain = slots.iter().any(|slot| match slot {
        Slot::Text(text) => globs.iter().any(|glob| glob.matches(text)),
        Slot::One => globs.iter().any(Glob::matches_any_text),
        Slot::Many => false,
    });
    if certain {
        return Prospect::TRUE;
    }
    let possible = has_hole(slots) && globs.iter().any(Glob::may_match_a_text);
    if possible { Prospect::UNDETERMINED } else { Prospect::FALSE }
}

/// Whether the list has this shape.
pub(super) fn has_shape(slots: &[Slot], parts: &[Part]) -> Prospect {
    if !may_match(slots, parts) {
        return Prospect::FALSE;
    }
    if must_match(slots, parts) { Prospect::TRUE } else { Prospect::UNDETERMINED }
}

fn has_hole(slots: &[Slot]) -> bool {
    slots.iter().any(|slot| !matches!(slot, Slot::Text(_)))
}

/// Whether some filling has the shape: holes are filled with what suits it best.
fn may_match(slots: &[Slot], parts: &[Part]) -> bool {
    let mut places = Places::new(parts);
    for slot in slots {
        match slot {
            Slot::Text(text) => places.step(parts, |glob| glob.matches(text)),
            Slot::One => places.step(parts, Glob::may_match_a_text),
            Slot::Many => {
                let mut stepped = places.clone();
                for _ in parts {
                    stepped.step(parts, Glob::may_match_a_text);
                    places.add(&stepped);
                }
            }
        }
    }
    places.contains(parts.len())
}

/// How many numbers of texts are told apart at once. Where there are more, the answer is "perhaps not".
const WORLDS: usize = 64;

/// Whether every filling has the shape: holes are filled with what matches least, in every number that makes a
/// difference. After as many steps as there are parts nothing changes any more.
fn must_match(slots: &[Slot], parts: &[Part]) -> bool {
    let mut worlds: SmallVec<[Places; 2]> = SmallVec::new();
    worlds.push(Places::new(parts));
    for slot in slots {
        match slot {
            Slot::Text(text) => {
                worlds.iter_mut().for_each(|places| places.step(parts, |glob| glob.matches(text)));
            }
            Slot::One => worlds.iter_mut().for_each(|places| places.step(parts, Glob::matches_any_text)),
            Slot::Many => {
                let mut at = 0;
                while let Some(mut places) = worlds.get(at).cloned() {
                    places.step(parts, Glob::matches_any_text);
                    if !worlds.contains(&places) {
                        worlds.push(places);
                    }
                    at += 1;
                    if worlds.len() > WORLDS {
                        return false;
                    }
                }
            }
        }
    }
    worlds.iter().all(|places| places.contains(parts.len()))
}

/// Which parts of a shape may come next: a bit a part, and one for the end.
#[derive(Clone, PartialEq, Eq)]
struct Places(SmallVec<[u64; 4]>);

impl Places {
    fn new(parts: &[Part]) -> Self {
        let mut places = Self(SmallVec::from_elem(0, parts.len() / 64 + 1));
        places.insert(parts, 0);
        places
    }

    fn contains(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|bits| bits >> (place % 64) & 1 == 1)
    }

    /// Adds a place, and those behind it that need no text.
    fn insert(&mut self, parts: &[Part], mut place: usize) {
        loop {
            if let Some(bits) = self.0.get_mut(place / 64) {
                *bits |= 1 << (place % 64);
            }
            if parts.get(place) != Some(&Part::AnyNumber) {
                return;
            }
            place += 1;
        }
    }

    fn step(&mut self, parts: &[Part], matches: impl Fn(&Glob) -> bool) {
        let mut next = Self(SmallVec::from_elem(0, self.0.len()));
        for (place, part) in parts.iter().enumerate().filter(|(place, _)| self.contains(*place)) {
            match part {
                Part::AnyNumber => next.insert(parts, place),
                Part::One(glob) if matches(glob) => next.insert(parts, place + 1),
                Part::One(_) => {}
            }
        }
        *self = next;
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(bits, more)| *bits |= more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::Truth;

    #[test]
    fn a_shape_holds_where_it_holds_however_the_holes_are_filled() {
        let part = |text: &str| match text {
            "**" => Part::AnyNumber,
            text => Part::One(Glob::element(text)),
        };
        let slot = |text: &str| match text {
            "?" => Slot::One,
            "..." => Slot::Many,
            text => Slot::Text(text.into()),
        };
        for (shape, list, expected) in [
            ("systemctl status *", "systemctl status ?", Truth::True),
            ("systemctl status nginx", "systemctl status ?", Truth::Undetermined),
            ("systemctl status *", "systemctl stop ?", Truth::False),
            ("systemctl status *", "systemctl ?", Truth::False),
            ("systemctl status *", "systemctl status ...", Truth::Undetermined),
            ("journalctl **", "journalctl ...", Truth::True),
            ("** -n **", "tail ... -n 5", Truth::True),
            ("** -n **", "tail ... 5", Truth::Undetermined),
            ("ls * **", "ls ...", Truth::Undetermined),
            ("ls * **", "ls ... ?", Truth::True),
            ("ls ** * *", "ls a ... b", Truth::True),
            ("* **", "... a", Truth::True),
            ("* a", "... a", Truth::Undetermined),
            ("ls a* **", "ls ? ...", Truth::Undetermined),
            ("** ls", "... rm", Truth::False),
            ("** **", "...", Truth::True),
            ("", "...", Truth::Undetermined),
            ("", "?", Truth::False),
        ] {
            let parts: Vec<Part> = shape.split_whitespace().map(part).collect();
            let slots: Vec<Slot> = list.split_whitespace().map(slot).collect();
            assert_eq!(has_shape(&slots, &parts).truth(), expected, "[{shape}] on [{list}]");
        }
    }
}
