//! A compiled, immutable set of rules, ready to judge.

mod compile;
pub(crate) mod condition;
pub(crate) mod digest;
mod error;
pub(crate) mod glob;
mod index;
pub(crate) mod matcher;
mod obligations;
mod open;

use std::collections::{BTreeMap, BTreeSet};

pub use error::{Clause, CompileError, MAX_DEPTH, Problem};
pub use obligations::{Opaque, Untraced};

use crate::action::Verb;
use crate::command::Digest;
use crate::decision::RuleIndex;
use crate::rule::{Effect, Fact, Fallback, HoldKey, Mode, Rule, RuleId, RuleSet};
use crate::subject::Protocol;
use crate::vocabulary::{Capability, Spelling, Vocabulary};
use compile::{Compiled, Duty, compile_rule};
use condition::Condition;
use index::Index;
use matcher::Matcher;

/// An immutable, indexed policy. Shared between threads as it is: judging writes nothing to it.
#[derive(Debug)]
pub struct Policy {
    pub(crate) fallback: Fallback,
    /// Sorted by name, so that the order in which rules are written never matters.
    entries: Box<[Entry]>,
    pub(crate) index: Index,
    /// Whether any rule is only watched.
    pub(crate) observes: bool,
    spellings: BTreeMap<Protocol, Spelling>,
    /// What each protocol can enforce.
    capabilities: BTreeMap<Protocol, Box<[Capability]>>,
    /// The attributes of families that conditions name.
    looks_at: BTreeSet<Box<str>>,
    digest: Digest,
}

fn looks_at(entries: &[Entry]) -> BTreeSet<Box<str>> {
    let scopes = entries.iter().map(|entry| &entry.rule.scope);
    let conditions = scopes.flat_map(|scope| [&scope.when, &scope.unless]).flatten();
    let mut names = BTreeSet::new();
    for condition in conditions {
        condition.each_fact(&mut |fact| {
            if let Fact::Attribute(name) = fact
                && name.contains('.')
            {
                names.insert(name.clone());
            }
        });
    }
    names
}

/// A rule, as written and as compiled.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) rule: Rule,
    pub(crate) matcher: Matcher,
    duty: Duty,
    /// For a hold: what a grant must name.
    pub(crate) hold: Option<HoldKey>,
}

impl Policy {
    /// Compiles one or several rule sets into one policy. Their order never matters; the fallback is
    /// [`Fallback::Allow`] only if there is a set and all of them say so.
    ///
    /// # Errors
    ///
    /// Every error of every rule: names that no vocabulary has, types that don't fit, obligations that
    /// a protocol can't enforce, patterns and regular expressions that can't be used, conditions that
    /// nest too deep, and rules of one name.
    pub fn compile<'r>(
        sets: impl IntoIterator<Item = &'r RuleSet>,
        vocabularies: &[Vocabulary],
    ) -> Result<Self, Vec<CompileError>> {
        let mut rules: Vec<&Rule> = Vec::new();
        let mut fallbacks: Vec<Fallback> = Vec::new();
        for set in sets {
            fallbacks.push(set.fallback);
            rules.extend(&set.rules);
        }
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        let allows = !fallbacks.is_empty() && fallbacks.iter().all(|fallback| *fallback == Fallback::Allow);
        let fallback = if allows { Fallback::Allow } else { Fallback::Deny };

        let mut errors = duplicates(&rules);
        let compiled: Vec<Compiled> =
            rules.iter().map(|rule| compile_rule(rule, vocabularies, &mut errors)).collect();
        if !errors.is_empty() {
            return Err(errors);
        }

        let digest = digest::digest("policy", &(fallback, &rules));
        let entries: Box<[Entry]> = rules
            .into_iter()
            .zip(compiled)
            .map(|(rule, Compiled { matcher, duty })| Entry {
                rule: rule.clone(),
                matcher,
                duty,
                hold: hold_key(rule),
            })
            .collect();
        let indexed: Vec<(&Effect, &Matcher)> =
            entries.iter().map(|entry| (&entry.rule.effect, &entry.matcher)).collect();
        let index = Index::new(&indexed, vocabularies);
        Ok(Self {
            fallback,
            index,
            observes: entries.iter().any(|entry| entry.rule.mode != Mode::Enforce),
            spellings: vocabularies
                .iter()
                .map(|vocabulary| (vocabulary.protocol.clone(), Spelling::of(vocabulary)))
                .collect(),
            capabilities: vocabularies
                .iter()
                .map(|vocabulary| (vocabulary.protocol.clone(), vocabulary.capabilities.as_slice().into()))
                .collect(),
            looks_at: looks_at(&entries),
            entries,
            digest,
        })
    }

    /// What identifies this policy: equal rules give equal digests, whatever their order and place.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// All rules, in the order of their names.
    pub fn rules(&self) -> impl Iterator<Item = (RuleIndex, &Rule)> {
        self.entries().map(|(index, entry)| (index, &entry.rule))
    }

    /// The rule that a decision of this policy names; `None` for an index of another policy that is
    /// larger than this one.
    pub fn rule(&self, index: RuleIndex) -> Option<&Rule> {
        self.entry(index).map(|entry| &entry.rule)
    }

    /// The name of a rule; `None` as for [`Policy::rule`].
    pub fn rule_id(&self, index: RuleIndex) -> Option<&RuleId> {
        self.rule(index).map(|rule| &rule.id)
    }

    /// The hold of this key, or `None` where this policy has no such hold, or one with another requirement.
    pub fn hold(&self, key: &HoldKey) -> Option<RuleIndex> {
        let found = self.entries.binary_search_by(|entry| entry.rule.id.cmp(&key.rule)).ok()?;
        let index = RuleIndex(u32::try_from(found).ok()?);
        (self.hold_key(index)? == key).then_some(index)
    }

    /// What a grant for this hold must name; `None` where the rule is no hold.
    pub fn hold_key(&self, index: RuleIndex) -> Option<&HoldKey> {
        self.entry(index)?.hold.as_ref()
    }

    /// How the names of this protocol are written.
    pub fn spelling(&self, protocol: &Protocol) -> &Spelling {
        static PLAIN: Spelling = Spelling::PLAIN;
        self.spellings.get(protocol).unwrap_or(&PLAIN)
    }

    /// Whether a protocol can do this, by the vocabulary that the policy was compiled with.
    pub fn can(&self, protocol: &Protocol, capability: Capability) -> bool {
        self.capabilities.get(protocol).is_some_and(|can| can.contains(&capability))
    }

    /// The attributes of a family that rules of this policy look at, without the family's name and dot: for a proxy that has to
    /// find out what they are, which may be dear.
    pub fn looks_at(&self, family: &str) -> impl Iterator<Item = &str> {
        self.looks_at.iter().filter_map(move |name| name.strip_prefix(family)?.strip_prefix('.'))
    }

    pub(crate) fn entry(&self, index: RuleIndex) -> Option<&Entry> {
        self.entries.get(usize::try_from(index.0).ok()?)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (RuleIndex, &Entry)> {
        (0u32..).map(RuleIndex).zip(&self.entries)
    }

    /// Whether a rule names this verb: without one, what only such rules restrict need not be looked for.
    pub fn names(&self, verb: &Verb) -> bool {
        self.entries.iter().any(|entry| entry.matcher.names(verb.as_str()))
    }

    /// Who may approve a hold, and who may watch what it holds; `None` where the rule is no hold.
    pub(crate) fn reviewers(&self, index: RuleIndex) -> Option<(Option<&Condition>, Option<&Condition>)> {
        match &self.entry(index)?.duty {
            Duty::Review { approve, watch } => Some((approve.as_ref(), watch.as_ref())),
            Duty::None | Duty::Columns { .. } | Duty::Fields(_) => None,
        }
    }
}

fn duplicates(sorted: &[&Rule]) -> Vec<CompileError> {
    let mut first: Option<&Rule> = None;
    let mut errors = Vec::new();
    for &rule in sorted {
        match first {
            Some(first) if first.id == rule.id => errors.push(CompileError {
                rule: rule.id.clone(),
                place: rule.place.clone(),
                clause: Clause::Id,
                problem: Problem::DuplicateRule { first: first.place.clone() },
            }),
            _ => first = Some(rule),
        }
    }
    errors
}

pub(crate) fn hold_key(rule: &Rule) -> Option<HoldKey> {
    match &rule.effect {
        Effect::Hold(requirement) => {
            Some(HoldKey { rule: rule.id.clone(), requirement: digest::digest("requirement", requirement) })
        }
        _ => None,
    }
}

// A change that makes a policy unshareable does not compile.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Policy>();
};
