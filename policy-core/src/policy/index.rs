//! Which rules can concern an action at all, found without looking at the others.
//!
//! Every rule stands under each protocol and verb that it can match, in the one table of that
//! [`Bucket`] that tells it apart best: by the resource's name, a glob's text, the target's name, or
//! the user or group that `by` demands. A rule is left out of a look-up only where one of its clauses
//! is certainly false; where groups or the resource are not known, all rules that they could concern
//! are proposed.

use std::collections::{BTreeMap, HashMap};

use aho_corasick::AhoCorasick;
use aho_corasick::automaton::OverlappingState;

use super::glob::Glob;
use super::matcher::Matcher;
use crate::action::{Resource, Verb};
use crate::decision::RuleIndex;
use crate::rule::Effect;
use crate::subject::{Principal, Protocol, Target};
use crate::vocabulary::Vocabulary;

mod choice;

use choice::{Entry, Key};

/// Rules by protocol and verb.
#[derive(Debug)]
pub(crate) struct Index {
    protocols: Box<[(Protocol, ProtocolIndex)]>,
}

#[derive(Debug)]
struct ProtocolIndex {
    /// Rules that concern every verb.
    every_verb: Bucket,
    /// One bucket for each verb of the vocabulary, empty or not.
    verbs: HashMap<Box<str>, Bucket>,
}

/// What the index proposes for one action.
pub(crate) struct Proposals<'i> {
    buckets: [Option<&'i Bucket>; 2],
    /// The verb as it is judged: one that the vocabulary lacks counts as `unknown`.
    pub(crate) verb: &'i str,
}

/// The rules of one verb.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// Rules that no table tells apart.
    rest: Box<[RuleIndex]>,
    literals: HashMap<Box<str>, Box<[RuleIndex]>>,
    globs: Option<Globs>,
    /// All rules of `literals` and `globs`.
    by_resource: Box<[RuleIndex]>,
    targets: HashMap<Box<str>, Box<[RuleIndex]>>,
    users: HashMap<Box<str>, Box<[RuleIndex]>>,
    groups: HashMap<Box<str>, Box<[RuleIndex]>>,
    /// All rules of `groups`.
    by_group: Box<[RuleIndex]>,
}

/// Globs by a text that each match must contain, all looked for in one pass over the name.
#[derive(Debug)]
struct Globs {
    search: AhoCorasick,
    /// By number of the text: the globs that contain it, and their rules.
    by_text: Box<[Box<[Globbed]>]>,
}

/// A glob and its rules.
type Globbed = (Glob, Box<[RuleIndex]>);

impl Index {
    pub(crate) fn new(rules: &[(&Effect, &Matcher)], vocabularies: &[Vocabulary]) -> Self {
        let protocols = vocabularies
            .iter()
            .map(|vocabulary| (vocabulary.protocol.clone(), ProtocolIndex::new(rules, vocabulary)));
        Self { protocols: protocols.collect() }
    }

    pub(crate) fn propose(&self, protocol: &Protocol, verb: &Verb) -> Proposals<'_> {
        let unknown = Proposals { buckets: [None, None], verb: Verb::UNKNOWN_NAME };
        let Some((_, index)) = self.protocols.iter().find(|(name, _)| name == protocol) else {
            return unknown;
        };
        let found = index
            .verbs
            .get_key_value(verb.as_str())
            .or_else(|| index.verbs.get_key_value(Verb::UNKNOWN_NAME));
        match found {
            Some((verb, bucket)) => Proposals { buckets: [Some(bucket), Some(&index.every_verb)], verb },
            None => Proposals { buckets: [None, Some(&index.every_verb)], verb: Verb::UNKNOWN_NAME },
        }
    }
}

impl ProtocolIndex {
    fn new(rules: &[(&Effect, &Matcher)], vocabulary: &Vocabulary) -> Self {
        let here = |matcher: &Matcher| {
            matcher.on.is_empty() || matcher.on.iter().any(|on| on.protocol == vocabulary.protocol)
        };
        let numbered = || (0u32..).map(RuleIndex).zip(rules).filter(|(_, (_, matcher))| here(matcher));
        let every_verb = numbered()
            .filter(|(_, (_, matcher))| matcher.does.is_none())
            .map(|(index, (_, matcher))| Entry::every_verb(index, matcher, &vocabulary.protocol));
        let verbs = vocabulary.verbs.keys().map(|verb| {
            let named = numbered().filter_map(|(index, (effect, matcher))| {
                if matcher.names(verb) {
                    return Some(Entry::of_verb(index, matcher, &vocabulary.protocol, verb));
                }
                // Whoever may do anything at all may open a session.
                let admits =
                    **verb == *Verb::CONNECT_NAME && matches!(effect, Effect::Allow | Effect::Hold(_));
                (admits && matcher.does.is_some())
                    .then(|| Entry::every_verb(index, matcher, &vocabulary.protocol))
            });
            (Box::from(&**verb), Bucket::new(named.collect()))
        });
        Self { every_verb: Bucket::new(every_verb.collect()), verbs: verbs.collect() }
    }
}

impl Proposals<'_> {
    /// Calls `judge` with each rule that can concern the action, and whether `do` is known to hold.
    /// A rule may be proposed more than once.
    pub(crate) fn each(
        &self,
        principal: &Principal,
        target: &Target,
        resource: &Resource,
        mut judge: impl FnMut(RuleIndex, bool),
    ) {
        for bucket in self.buckets.iter().flatten() {
            bucket.each(principal, target, resource, &mut judge);
        }
    }
}

impl Bucket {
    fn new(entries: Vec<Entry>) -> Self {
        let mut lists: BTreeMap<Option<Key>, Vec<RuleIndex>> = BTreeMap::new();
        for (key, rule) in choice::choose(entries) {
            let list = lists.entry(key).or_default();
            // Entries come in the order of their rules.
            if list.last() != Some(&rule) {
                list.push(rule);
            }
        }
        let mut bucket = Self::default();
        let mut globs: BTreeMap<Box<str>, Vec<Globbed>> = BTreeMap::new();
        let mut by_resource = Vec::new();
        let mut by_group = Vec::new();
        for (key, rules) in lists {
            match key {
                None => bucket.rest = rules.into(),
                Some(Key::Resource(name)) => {
                    by_resource.extend_from_slice(&rules);
                    bucket.literals.insert(name, rules.into());
                }
                Some(Key::Glob(text, glob)) => {
                    by_resource.extend_from_slice(&rules);
                    globs.entry(text).or_default().push((glob, rules.into()));
                }
                Some(Key::Target(name)) => drop(bucket.targets.insert(name, rules.into())),
                Some(Key::User(id)) => drop(bucket.users.insert(id, rules.into())),
                Some(Key::Group(group)) => {
                    by_group.extend_from_slice(&rules);
                    bucket.groups.insert(group, rules.into());
                }
            }
        }
        if !globs.is_empty() {
            match Globs::new(globs) {
                Ok(globs) => bucket.globs = Some(globs),
                Err(rules) => bucket.rest = bucket.rest.iter().copied().chain(rules).collect(),
            }
        }
        for list in [&mut by_resource, &mut by_group] {
            list.sort_unstable();
            list.dedup();
        }
        bucket.by_resource = by_resource.into();
        bucket.by_group = by_group.into();
        bucket
    }

    fn each(
        &self,
        principal: &Principal,
        target: &Target,
        resource: &Resource,
        judge: &mut impl FnMut(RuleIndex, bool),
    ) {
        let mut all = |rules: &[RuleIndex], does_holds: bool| {
            for rule in rules {
                judge(*rule, does_holds);
            }
        };
        all(&self.rest, false);
        match resource {
            Resource::None => {}
            Resource::Named(name) => {
                let name = name.as_joined();
                if let Some(rules) = lookup(&self.literals, name) {
                    all(rules, true);
                }
                if let Some(globs) = &self.globs {
                    globs.each(name, |rules| all(rules, true));
                }
            }
            Resource::Tree(_) | Resource::Pending | Resource::Undetermined => all(&self.by_resource, false),
        }
        if let Some(rules) = lookup(&self.targets, &target.name) {
            all(rules, false);
        }
        if let Some(rules) = lookup(&self.users, &principal.id) {
            all(rules, false);
        }
        match &principal.groups {
            None => all(&self.by_group, false),
            Some(_) if self.groups.is_empty() => {}
            Some(groups) => {
                for group in groups {
                    if let Some(rules) = lookup(&self.groups, group) {
                        all(rules, false);
                    }
                }
            }
        }
    }
}

/// An empty table is not worth a hash.
fn lookup<'t>(table: &'t HashMap<Box<str>, Box<[RuleIndex]>>, key: &str) -> Option<&'t [RuleIndex]> {
    if table.is_empty() { None } else { table.get(key).map(|rules| &**rules) }
}

impl Globs {
    /// Fails only for texts of gigabytes; their rules are then proposed always.
    fn new(by_text: BTreeMap<Box<str>, Vec<Globbed>>) -> Result<Self, Vec<RuleIndex>> {
        match AhoCorasick::new(by_text.keys().map(|text| text.as_bytes())) {
            Ok(search) => Ok(Self { search, by_text: by_text.into_values().map(Into::into).collect() }),
            Err(_) => Err(by_text.into_values().flatten().flat_map(|(_, rules)| rules).collect()),
        }
    }

    fn each(&self, name: &str, mut found: impl FnMut(&[RuleIndex])) {
        let mut state = OverlappingState::start();
        loop {
            self.search.find_overlapping(name, &mut state);
            let Some(text) = state.get_match() else { return };
            for (glob, rules) in self.by_text.get(text.pattern().as_usize()).into_iter().flatten() {
                if glob.matches(name) {
                    found(rules);
                }
            }
        }
    }
}
