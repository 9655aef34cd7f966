//! Which table a rule stands in: the one that tells it apart best.

use std::collections::BTreeMap;

use super::super::condition::Condition;
use super::super::glob::Glob;
use super::super::matcher::{Does, Matcher, On};
use crate::decision::RuleIndex;
use crate::subject::Protocol;

/// What a look-up knows in advance; a rule under this key can only concern actions that have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The resource has exactly this joined name.
    Resource(Box<str>),
    /// The target is named so.
    Target(Box<str>),
    /// The principal's id.
    User(Box<str>),
    /// The principal is in this group.
    Group(Box<str>),
    /// The resource's name contains the text and matches the glob.
    Glob(Box<str>, Glob),
}

/// A rule as one bucket sees it: ways to tell it apart, each a list of keys of which one must be met.
pub(super) struct Entry {
    rule: RuleIndex,
    ways: Vec<Vec<Key>>,
}

impl Entry {
    pub(super) fn every_verb(rule: RuleIndex, matcher: &Matcher, protocol: &Protocol) -> Self {
        let mut ways = Vec::new();
        ways.extend(targets(&matcher.on, protocol));
        if let Some(by) = &matcher.by {
            principals(by, &mut ways);
        }
        Self { rule, ways }
    }

    pub(super) fn of_verb(rule: RuleIndex, matcher: &Matcher, protocol: &Protocol, verb: &str) -> Self {
        let mut entry = Self::every_verb(rule, matcher, protocol);
        entry.ways.extend(resources(matcher.does.iter().flatten().filter(|does| does.names(verb))));
        entry
    }
}

/// Places every entry: under all keys of its best way, or under `None` where it has no way. The best
/// way is the one whose most crowded key is shared with the fewest entries; keys that are looked up
/// directly come before globs.
pub(super) fn choose(entries: Vec<Entry>) -> impl Iterator<Item = (Option<Key>, RuleIndex)> {
    let mut crowd: BTreeMap<Key, usize> = BTreeMap::new();
    for key in entries.iter().flat_map(|entry| entry.ways.iter().flatten()) {
        *crowd.entry(key.clone()).or_default() += 1;
    }
    entries.into_iter().flat_map(move |Entry { rule, ways }| {
        let cost = |way: &Vec<Key>| {
            let most = way.iter().filter_map(|key| crowd.get(key)).max().copied().unwrap_or(0);
            (most, way.iter().any(|key| matches!(key, Key::Glob(..))))
        };
        let keys: Vec<Option<Key>> = match ways.into_iter().min_by_key(cost) {
            Some(way) => way.into_iter().map(Some).collect(),
            None => vec![None],
        };
        keys.into_iter().map(move |key| (key, rule))
    })
}

fn resources<'m>(does: impl Iterator<Item = &'m Does>) -> Option<Vec<Key>> {
    let mut keys = Vec::new();
    for does in does {
        if does.resources.is_empty() {
            return None;
        }
        for glob in &does.resources {
            keys.push(match glob {
                Glob::Literal(name) => Key::Resource(name.clone()),
                glob => Key::Glob(glob.fragment()?, glob.clone()),
            });
        }
    }
    Some(keys)
}

fn targets(on: &[On], protocol: &Protocol) -> Option<Vec<Key>> {
    let mut keys = Vec::new();
    for on in on.iter().filter(|on| on.protocol == *protocol) {
        if on.names.is_empty() {
            return None;
        }
        for name in &on.names {
            let Glob::Literal(name) = name else { return None };
            keys.push(Key::Target(name.clone()));
        }
    }
    (!keys.is_empty()).then_some(keys)
}

/// The keys without one of which `by` is false. A conjunction offers each part's; a disjunction only
/// one list, and only if every part has one.
fn principals(by: &Condition, ways: &mut Vec<Vec<Key>>) {
    match by {
        Condition::Group(group) => ways.push(vec![Key::Group(group.clone())]),
        Condition::User(Glob::Literal(id)) => ways.push(vec![Key::User(id.clone())]),
        Condition::All(parts) => parts.iter().for_each(|part| principals(part, ways)),
        Condition::Any(parts) => {
            let mut union = Vec::new();
            for part in parts {
                let mut offered = Vec::new();
                principals(part, &mut offered);
                match offered.into_iter().next() {
                    Some(way) => union.extend(way),
                    None => return,
                }
            }
            ways.push(union);
        }
        Condition::Not(_)
        | Condition::Kind(_)
        | Condition::OnBehalfOf(_)
        | Condition::User(_)
        | Condition::Fact(..) => {}
    }
}
