//! What all files define together: names, sets, tags, the default.
//!
//! Names are shared by every file that was given; a shipped file (`use "postgres/basics"`) sees its own only.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use policy_core::rule::Fallback;
use policy_core::vocabulary::{self, Vocabulary};

use crate::ast::{File, Item, Rule, Set, Tag, Word};
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::words;

/// What a policy is checked against.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The protocols that policies may name.
    pub vocabularies: Vec<Vocabulary>,
    /// The groups that the configured identity sources can produce; `None` where that is not known.
    pub groups: Option<BTreeSet<Box<str>>>,
    /// The names of the configured targets; `None` where they are not known.
    pub targets: Option<BTreeSet<Box<str>>>,
    /// The labels that configured targets carry; `None` where they are not known.
    pub labels: Option<BTreeSet<Box<str>>>,
}

impl Default for Environment {
    /// All shipped protocols, and no knowledge of groups, targets or labels.
    fn default() -> Self {
        Self { vocabularies: vocabulary::shipped(), groups: None, targets: None, labels: None }
    }
}

impl Environment {
    pub(crate) fn vocabulary(&self, protocol: &str) -> Option<&Vocabulary> {
        self.vocabularies.iter().find(|vocabulary| vocabulary.protocol.as_str() == protocol)
    }

    pub(crate) fn unknown_protocol(&self, word: &Word) -> Diagnostic {
        let protocols = || self.vocabularies.iter().map(|vocabulary| vocabulary.protocol.as_str());
        Diagnostic::error(
            word.span,
            format!("unknown protocol `{}`", word.value),
            did_you_mean(&word.value, protocols(), "unknown protocol"),
        )
        .help(format!("protocols are {}", words::listed(protocols())))
    }
}

/// A label that offers the closest word, or says what else is true.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    otherwise: &str,
) -> String {
    words::closest(word, candidates)
        .map_or_else(|| otherwise.to_owned(), |closest| format!("did you mean `{closest}`?"))
}

/// A file's tree, and whether it ships with this crate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit<'a> {
    pub(crate) file: &'a File,
    pub(crate) shipped: bool,
}

/// What a group of files defines.
#[derive(Debug, Default)]
pub(crate) struct Definitions<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) fallback: Fallback,
    pub(crate) sets: BTreeMap<&'a str, &'a Set>,
    pub(crate) tags: BTreeMap<&'a str, &'a Tag>,
    /// Names that stand in items which could not be parsed: what uses them is not to blame.
    pub(crate) broken: BTreeSet<Box<str>>,
    pub(crate) used: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Definitions<'a> {
    /// Gathers definitions and reports those that contradict each other.
    pub(crate) fn collect(
        files: impl Iterator<Item = &'a File>,
        environment: &Environment,
        broken: BTreeSet<Box<str>>,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut all = Self { broken, ..Self::default() };
        let mut default: Option<&Word> = None;
        for file in files {
            let mut named: Option<Span> = None;
            for item in &file.items {
                match &item.value {
                    Item::Policy(name) => {
                        if let Some(first) = named.replace(name.span) {
                            found.push(twice(name.span, "a file names its policy once", first));
                        }
                        all.name.get_or_insert(&name.value);
                    }
                    Item::Default(word) => {
                        match &*word.value {
                            "deny" => {}
                            "allow" => all.fallback = Fallback::Allow,
                            other => found.push(
                                Diagnostic::error(
                                    word.span,
                                    format!("`{other}` is no default"),
                                    "expected `deny` or `allow`",
                                )
                                .help("`default deny` refuses what no rule permits; leave the line out for the same"),
                            ),
                        }
                        match default {
                            Some(first) if first.value != word.value => found.push(
                                Diagnostic::error(
                                    word.span,
                                    "the policy has two defaults",
                                    format!("`{}` here", word.value),
                                )
                                .context(first.span, format!("`{}` here", first.value)),
                            ),
                            _ => default = Some(word),
                        }
                    }
                    Item::Set(set) => all.define_set(set, environment, found),
                    Item::Tag(tag) => {
                        if let Some(first) = all.tags.insert(&tag.name.value, tag) {
                            let message = format!("the tag `{}` is defined twice", tag.name.value);
                            found.push(twice(tag.name.span, &message, first.name.span));
                        }
                    }
                    Item::Use(_) | Item::Rule(_) | Item::Test(_) => {}
                }
            }
        }
        all
    }

    fn define_set(&mut self, set: &'a Set, environment: &Environment, found: &mut Vec<Diagnostic>) {
        let name = &set.name;
        if let Some(first) = self.sets.insert(&name.value, set) {
            found.push(twice(
                name.span,
                &format!("the set `{}` is defined twice", name.value),
                first.name.span,
            ));
        }
        let attribute_of = environment.vocabularies.iter().find(|vocabulary| {
            vocabulary.verbs.values().any(|verb| verb.attributes.contains_key(&*name.value))
        });
        let taken = if words::find(words::KINDS, &name.value).is_some() {
            Some("a kind of principal".to_owned())
        } else if words::REQUEST_FACTS.contains(&&*name.value) {
            Some("a fact about every request".to_owned())
        } else {
            attribute_of.map(|vocabulary| format!("an attribute of {}", vocabulary.protocol))
        };
        if let Some(taken) = taken {
            found.push(
                Diagnostic::error(
                    name.span,
                    format!("a set can't be called `{}`", name.value),
                    format!("this is {taken}"),
                )
                .help("give the set another name, so that a condition has one meaning"),
            );
        }
    }

    /// Notes that a set or tag is used.
    pub(crate) fn note_use(&self, name: &'a str) {
        self.used.borrow_mut().insert(name);
    }

    /// Warnings about what nothing uses.
    pub(crate) fn unused(&self, found: &mut Vec<Diagnostic>) {
        let used = self.used.borrow();
        let sets = self.sets.values().map(|set| ("set", &set.name));
        let tags = self.tags.values().map(|tag| ("tag", &tag.name));
        for (what, name) in sets.chain(tags).filter(|(_, name)| !used.contains(&*name.value)) {
            let message = format!("the {what} `{}` is never used", name.value);
            found.push(Diagnostic::warning(name.span, message, "no rule mentions it"));
        }
    }
}

/// Every rule's name must be its own, in all files together.
pub(crate) fn check_rule_names<'a>(rules: impl Iterator<Item = &'a Rule>, found: &mut Vec<Diagnostic>) {
    let mut first: BTreeMap<&str, Span> = BTreeMap::new();
    for name in rules.filter_map(|rule| rule.name.as_ref()) {
        match first.get(&*name.value) {
            Some(&earlier) => found.push(
                twice(name.span, &format!("two rules are called `{}`", name.value), earlier)
                    .help("denials, records and tests name rules, so each needs a name of its own"),
            ),
            None => {
                first.insert(&name.value, name.span);
            }
        }
    }
}

fn twice(again: Span, message: &str, first: Span) -> Diagnostic {
    Diagnostic::error(again, message, "again here").context(first, "first here")
}
