//! Which fields of a document are masked: patterns made ready for following a document's keys.
//!
//! All patterns stand side by side in one row of places, one a segment and one for the pattern's end. What a path of keys
//! may be the beginning of is a set of places, as bits; a key moves all of them at once.

use smallvec::{SmallVec, smallvec};

use super::super::{Joined, Transform};
use crate::command::Digest;
use crate::policy::digest::digest;
use crate::policy::glob::Segment;
use crate::rule::{FieldMask, Pattern};

/// A set of places.
pub(super) type Bits = SmallVec<[u64; 2]>;

/// Masks of fields, compiled; shared by all answers that they apply to.
///
/// Equal masks are equal, whatever policy they are from.
#[derive(Clone, Debug)]
pub struct FieldMasks {
    digest: Digest,
    rules: Vec<FieldMask>,
    row: Row,
    compiled: Vec<Compiled>,
}

/// A rule's patterns in the row.
#[derive(Clone, Debug)]
struct Compiled {
    /// The ends of the patterns that say what is masked.
    covers: Bits,
    /// The end of each pattern that says how.
    with: Vec<(Place, Transform)>,
    /// All places of those.
    ways: Bits,
    otherwise: Transform,
}

/// What is demanded of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demand {
    pub(super) transform: Transform,
    /// All of the value becomes null: nothing in it can be demanded to become less.
    pub(super) whole: bool,
}

impl FieldMasks {
    /// Compiles masks, all of which apply.
    pub fn new<'m>(masks: impl IntoIterator<Item = &'m FieldMask>) -> Self {
        let rules: Vec<FieldMask> = masks.into_iter().cloned().collect();
        let segments = |patterns: &mut dyn Iterator<Item = &Pattern>| {
            patterns.map(|pattern| pattern.segments.len() + 1).sum::<usize>()
        };
        let places = rules.iter().map(|rule| {
            segments(&mut rule.fields.iter()) + segments(&mut rule.with.iter().map(|(pattern, _)| pattern))
        });
        let mut row = Row::new(places.sum());
        let compiled = rules.iter().map(|rule| {
            let mut compiled = Compiled {
                covers: row.nothing(),
                with: Vec::new(),
                ways: row.nothing(),
                otherwise: rule.otherwise,
            };
            for pattern in &rule.fields {
                let (_, end) = row.add(pattern);
                end.put(&mut compiled.covers);
            }
            for (pattern, transform) in &rule.with {
                let (places, end) = row.add(pattern);
                places.for_each(|place| Place(place).put(&mut compiled.ways));
                compiled.with.push((end, *transform));
            }
            compiled
        });
        let compiled = compiled.collect();
        row.ready();
        Self { digest: digest("fields", &rules), rules, row, compiled }
    }

    /// Masks everything as strongly as can be.
    pub(crate) fn everything() -> Self {
        let fields = vec![Pattern { segments: ["**".into()].into() }];
        Self::new([&FieldMask { fields, with: Vec::new(), otherwise: Transform::Null }])
    }

    /// What tells them from others: equal for equal masks in programs built from one version of this crate.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The masks as they were given.
    pub fn rules(&self) -> impl Iterator<Item = &FieldMask> {
        self.rules.iter()
    }

    /// Whether a value that is masked at `keys` would be masked differently, or not at all, if the answer put it at `others`.
    pub fn miss(&self, keys: &[&str], others: &[&str]) -> bool {
        let demand = self.demanded(keys);
        demand.is_some() && demand != self.demanded(others)
    }

    /// What is demanded of a value behind these keys.
    fn demanded(&self, keys: &[&str]) -> Option<Demand> {
        let (places, ends) = self.start();
        let (mut places, mut ends) = (places.to_vec(), ends.to_vec());
        for key in keys {
            let from = (places.clone(), ends.clone());
            self.step(key.as_bytes(), (&from.0, &from.1), &mut places, &mut ends);
        }
        self.demand(&places, &ends)
    }

    /// How many words a set of places has.
    pub(super) fn words(&self) -> usize {
        self.row.words
    }

    /// The places of a document's outermost value, and those of them that are ends.
    pub(super) fn start(&self) -> (&[u64], &[u64]) {
        (&self.row.start, &self.row.started)
    }

    /// Moves from the places of an object to those of the value behind `key`; `ends` are all ends that were reached on the way.
    pub(super) fn step(&self, key: &[u8], from: (&[u64], &[u64]), places: &mut [u64], ends: &mut [u64]) {
        let row = &self.row;
        let exact = row.exact(key);
        let mut carried = 0;
        // Of every list there is one word for each of these.
        for (word, (place, end)) in places.iter_mut().zip(ends.iter_mut()).enumerate() {
            let of = |bits: &[u64]| bits.get(word).copied().unwrap_or_default();
            let here = of(from.0);
            let mut hits = of(&row.any);
            if let Some(exact) = exact {
                hits |= of(exact);
            }
            if here & of(&row.wilds) != 0 {
                for (segment, wild) in &row.wild {
                    if wild.word() == word && here & wild.bit() != 0 && matches(segment, key) {
                        hits |= wild.bit();
                    }
                }
            }
            let moved = here & hits;
            let mut next = moved << 1 | carried | here & of(&row.many);
            // A place behind `**` is reached with it.
            next |= (next & of(&row.many)) << 1;
            let last = moved | next & of(&row.many);
            carried = last >> 63;
            *place = next;
            *end = of(from.1) | next & of(&row.ends);
        }
    }

    /// What is demanded where these places and ends were reached; the ends are not empty.
    pub(super) fn demand(&self, places: &[u64], ends: &[u64]) -> Option<Demand> {
        let mut all = Joined::default();
        let mut whole = false;
        for rule in self.compiled.iter().filter(|rule| meet(ends, &rule.covers)) {
            let mut joined = Joined::default();
            let named = rule.with.iter().filter(|(end, _)| end.is_in(ends));
            named.for_each(|(_, transform)| joined.add(*transform));
            let transform = match joined.transform() {
                Some(transform) => {
                    whole |= transform == Transform::Null;
                    transform
                }
                None => {
                    whole |= rule.otherwise == Transform::Null && !meet(places, &rule.ways);
                    rule.otherwise
                }
            };
            all.add(transform);
        }
        Some(Demand { transform: all.transform()?, whole })
    }
}

impl PartialEq for FieldMasks {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for FieldMasks {}

#[derive(Clone, Debug)]
struct Row {
    words: usize,
    places: usize,
    /// Where paths begin, and the ends among that.
    start: Bits,
    started: Bits,
    /// Segments `**`.
    many: Bits,
    /// Segments that every key matches.
    any: Bits,
    /// The ends of patterns.
    ends: Bits,
    /// Segments with stars and letters.
    wild: Vec<(Segment, Place)>,
    wilds: Bits,
    /// Keys that segments name, sorted by length and letters.
    exact: Vec<(Box<[u8]>, Bits)>,
    /// Which sorts of keys are among them.
    sorts: [u64; 4],
}

/// One place in the row.
#[derive(Clone, Copy, Debug)]
struct Place(usize);

impl Row {
    fn new(places: usize) -> Self {
        let words = places.div_ceil(64).max(1);
        let nothing: Bits = smallvec![0; words];
        Self {
            words,
            places: 0,
            start: nothing.clone(),
            started: nothing.clone(),
            many: nothing.clone(),
            any: nothing.clone(),
            ends: nothing.clone(),
            wild: Vec::new(),
            wilds: nothing,
            exact: Vec::new(),
            sorts: [0; 4],
        }
    }

    fn nothing(&self) -> Bits {
        smallvec![0; self.words]
    }

    /// Adds a pattern; says where it stands, and where it ends.
    fn add(&mut self, pattern: &Pattern) -> (std::ops::Range<usize>, Place) {
        let first = self.places;
        Place(first).put(&mut self.start);
        let mut at_start = true;
        let mut segments = pattern.segments.iter().peekable();
        while let Some(text) = segments.next() {
            let segment = Segment::new(text);
            // Several in a row mean what one does.
            if segment == Segment::Many && segments.peek().is_some_and(|next| &***next == "**") {
                continue;
            }
            let place = Place(self.places);
            self.places += 1;
            at_start &= segment == Segment::Many;
            if at_start {
                Place(self.places).put(&mut self.start);
            }
            match segment {
                Segment::Many => place.put(&mut self.many),
                Segment::Exact(key) => self.name(key.as_bytes(), place),
                Segment::Wild(pieces) if pieces.iter().all(|piece| piece.is_empty()) => {
                    place.put(&mut self.any);
                }
                wild @ Segment::Wild(_) => {
                    place.put(&mut self.wilds);
                    self.wild.push((wild, place));
                }
            }
        }
        let end = Place(self.places);
        self.places += 1;
        end.put(&mut self.ends);
        (first..self.places, end)
    }

    fn name(&mut self, key: &[u8], place: Place) {
        let at = match self.exact.binary_search_by(|(known, _)| order(known, key)) {
            Ok(at) => at,
            Err(at) => {
                self.exact.insert(at, (key.into(), self.nothing()));
                at
            }
        };
        if let Some((_, bits)) = self.exact.get_mut(at) {
            place.put(bits);
        }
        let (word, bit) = sort(key);
        if let Some(sorts) = self.sorts.get_mut(word) {
            *sorts |= bit;
        }
    }

    fn ready(&mut self) {
        self.started = self.start.iter().zip(&self.ends).map(|(start, end)| start & end).collect();
    }

    fn exact(&self, key: &[u8]) -> Option<&Bits> {
        // Most keys are named by nobody, which this tells at once.
        let (word, bit) = sort(key);
        self.sorts.get(word).filter(|sorts| **sorts & bit != 0)?;
        let at = self.exact.binary_search_by(|(known, _)| order(known, key)).ok()?;
        self.exact.get(at).map(|(_, bits)| bits)
    }
}

impl Place {
    fn word(self) -> usize {
        self.0 / 64
    }

    fn bit(self) -> u64 {
        1 << (self.0 % 64)
    }

    fn put(self, bits: &mut Bits) {
        if let Some(word) = bits.get_mut(self.word()) {
            *word |= self.bit();
        }
    }

    fn is_in(self, bits: &[u64]) -> bool {
        bits.get(self.word()).is_some_and(|word| word & self.bit() != 0)
    }
}

/// One of 256 sorts of keys, as a bit of one of four words.
fn sort(key: &[u8]) -> (usize, u64) {
    let of = |byte: Option<&u8>| byte.map_or(0, |byte| usize::from(*byte));
    let sort = key.len() * 37 + of(key.first()) * 5 + of(key.last()) * 3;
    (sort / 64 % 4, 1 << (sort % 64))
}

fn order(known: &[u8], key: &[u8]) -> std::cmp::Ordering {
    known.len().cmp(&key.len()).then_with(|| known.cmp(key))
}

fn matches(segment: &Segment, key: &[u8]) -> bool {
    std::str::from_utf8(key).is_ok_and(|key| segment.matches(key))
}

fn meet(a: &[u64], b: &[u64]) -> bool {
    a.iter().zip(b).any(|(a, b)| a & b != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::glob::Glob;
    use crate::vocabulary::parse_field;

    fn mask(fields: &[&str], with: &[(&str, Transform)], otherwise: Transform) -> FieldMask {
        let read = |text: &str| parse_field(text).unwrap();
        FieldMask {
            fields: fields.iter().map(|text| read(text)).collect(),
            with: with.iter().map(|(text, transform)| (read(text), *transform)).collect(),
            otherwise,
        }
    }

    #[test]
    fn demands_are_those_of_the_patterns_that_cover_a_path() {
        use Transform::{Hash, Last, Null, Redact};
        let masks = [
            mask(&["customers.email", "**.ssn", "items.*.card.pan"], &[("**.pan", Last(4))], Redact),
            mask(&["customers", "a"], &[("customers.note", Hash)], Null),
        ];
        let masks = FieldMasks::new(&masks);
        for (path, expected) in [
            ("email", None),
            ("customer.email", None),
            ("x.y.ssn", Some((Redact, false))),
            ("ssn", Some((Redact, false))),
            ("x.ssn.deep.down", Some((Redact, false))),
            ("items.7.card.pan", Some((Last(4), false))),
            ("items.card.pan", None),
            // What is in it may be masked less, so it is looked at one by one.
            ("customers", Some((Null, false))),
            ("customers.note", Some((Hash, false))),
            ("customers.phone", Some((Null, true))),
            ("customers.email", Some((Null, true))),
            ("a", Some((Null, true))),
        ] {
            let path_of: Vec<_> = path.split('.').collect();
            let found = masks.demanded(&path_of).map(|demand| (demand.transform, demand.whole));
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn a_value_is_missed_where_it_is_masked_less_under_another_name() {
        let masks = [mask(&["**.email", "card"], &[("card.pan", Transform::Last(4))], Transform::Redact)];
        let masks = FieldMasks::new(&masks);
        for (keys, others, missed) in [
            ("a.email", "a.e", true),
            ("a.email", "b.email", false),
            ("a.e", "a.email", false),
            ("a.e", "a.f", false),
            ("card.pan", "card.email", true),
            ("card.cvc", "card.code", false),
            ("card.cvc", "c.cvc", true),
        ] {
            let of = |path: &'static str| path.split('.').collect::<Vec<_>>();
            assert_eq!(masks.miss(&of(keys), &of(others)), missed, "{keys} as {others}");
        }
    }

    #[test]
    fn everything_is_everything() {
        let expected = Some(Demand { transform: Transform::Null, whole: true });
        assert_eq!(FieldMasks::everything().demanded(&[]), expected);
        assert_eq!(FieldMasks::everything().demanded(&["a", "b"]), expected);
    }

    proptest! {
        #[test]
        fn a_pattern_covers_what_its_glob_matches_and_all_below(
            patterns in prop::collection::vec(
                prop::collection::vec(prop::sample::select(&["a", "b", "*", "**", "a*", "ab", "*b*"][..]), 1..6),
                1..20,
            ),
            path in prop::collection::vec(prop::sample::select(&["a", "b", "ab", "", "bab", "c"][..]), 0..6),
        ) {
            let patterns: Vec<Pattern> = patterns
                .iter()
                .map(|segments| Pattern { segments: segments.iter().map(|segment| Box::from(*segment)).collect() })
                .collect();
            let masks =
                FieldMasks::new(&[FieldMask { fields: patterns.clone(), with: vec![], otherwise: Transform::Redact }]);
            let globs: Vec<Glob> = patterns.iter().map(Glob::new).collect();
            let covered = (0..=path.len()).any(|length| {
                let joined = path[..length].join("\u{1f}");
                // No keys at all are not one empty key: only `**` matches them.
                globs.iter().zip(&patterns).any(|(glob, pattern)| {
                    if length == 0 { pattern.segments.iter().all(|segment| &**segment == "**") } else { glob.matches(&joined) }
                })
            });
            prop_assert_eq!(masks.demanded(&path).is_some(), covered, "{:?} {:?}", patterns, path);
        }
    }
}
