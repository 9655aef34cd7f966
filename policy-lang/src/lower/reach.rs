//! What a rule can meet: its protocols, verbs and resources.

use policy_core::action::Verb;
use policy_core::rule::{Do, Pattern, Selector};
use policy_core::vocabulary::{VerbSpec, Vocabulary};

use super::condition::Context;
use super::{Clauses, Lowering};
use crate::ast::{self, Clause, Rule, Text, Word};
use crate::check::did_you_mean;
use crate::diagnostic::Diagnostic;
use crate::span::Span;
use crate::words;

/// The protocols and verbs that a rule speaks of.
pub(crate) struct Reach<'a> {
    /// The protocols that `on` names, or all.
    pub(crate) vocabularies: Vec<&'a Vocabulary>,
    /// The verbs that `do` names, each with its protocol; `None` where the rule has no `do`.
    pub(crate) verbs: Option<Vec<(&'a Vocabulary, &'a VerbSpec)>>,
    /// The rule's first line, for conditions that need a `do`.
    pub(crate) head: Span,
    /// Whether a protocol is unknown, so that nothing more can be said about verbs.
    pub(crate) unknown_protocol: bool,
    /// Whether a protocol or verb is unknown, so that nothing more can be said about attributes.
    pub(crate) broken: bool,
}

impl Reach<'_> {
    /// The protocols that the rule's verbs leave: all of `on`, where it has no `do`.
    pub(crate) fn protocols(&self) -> Vec<&Vocabulary> {
        let has_verb = |vocabulary: &Vocabulary| match &self.verbs {
            None => true,
            Some(verbs) => verbs.iter().any(|(with, _)| with.protocol == vocabulary.protocol),
        };
        self.vocabularies.iter().copied().filter(|vocabulary| has_verb(vocabulary)).collect()
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn reach(&mut self, clauses: &Clauses<'a>, rule: &Rule) -> Reach<'a> {
        let on = clauses.find(|clause| match clause {
            Clause::On(selectors) => Some(selectors),
            _ => None,
        });
        let environment = self.environment;
        let mut reach = Reach {
            vocabularies: Vec::new(),
            verbs: None,
            head: rule.head(),
            unknown_protocol: false,
            broken: false,
        };
        match on {
            None => reach.vocabularies.extend(&environment.vocabularies),
            Some(selectors) => {
                for selector in selectors {
                    match environment.vocabulary(&selector.protocol.value) {
                        Some(vocabulary) => reach.vocabularies.push(vocabulary),
                        None => {
                            self.found.push(environment.unknown_protocol(&selector.protocol));
                            reach.unknown_protocol = true;
                            reach.broken = true;
                        }
                    }
                }
                reach.vocabularies.dedup_by(|a, b| a.protocol == b.protocol);
            }
        }
        for does in clauses.all(as_do) {
            let verbs = reach.verbs.get_or_insert_default();
            for verb in &does.verbs {
                let known = reach.vocabularies.iter();
                let mut known = known.filter_map(|&with| Some((with, with.verb(&verb.value)?))).peekable();
                if known.peek().is_none() {
                    // After an unknown protocol, every verb would be unknown too.
                    if !reach.unknown_protocol {
                        let error = self.unknown_verb(verb, &reach.vocabularies);
                        self.found.push(error);
                    }
                    reach.broken = true;
                }
                verbs.extend(known);
            }
        }
        reach
    }

    fn unknown_verb(&self, verb: &Word, vocabularies: &[&Vocabulary]) -> Diagnostic {
        let all = || vocabularies.iter().flat_map(|with| with.verbs.keys().map(|name| &**name));
        let protocols = words::listed(vocabularies.iter().map(|with| with.protocol.as_str()));
        let message = match vocabularies.len() {
            1 => format!("{protocols} has no verb `{}`", verb.value),
            _ => format!("no protocol has the verb `{}`", verb.value),
        };
        let mut label = did_you_mean(&verb.value, all(), "");
        if label.is_empty()
            && let Some(meant) = ALIASES.iter().find(|(alias, _)| verb.value.eq_ignore_ascii_case(alias))
            && all().any(|name| name == meant.1)
        {
            label = format!("did you mean `{}`?", meant.1);
        }
        let elsewhere: Vec<&str> = self
            .environment
            .vocabularies
            .iter()
            .filter(|with| with.verb(&verb.value).is_some())
            .map(|with| with.protocol.as_str())
            .collect();
        let help = match vocabularies {
            _ if !elsewhere.is_empty() => {
                Some(format!("`{}` is a verb of {}", verb.value, words::listed(elsewhere)))
            }
            _ if !label.is_empty() => None,
            [only] => {
                let verbs: Vec<&str> = only.verbs.keys().map(|name| &**name).collect();
                Some(format!("verbs of {protocols}: {}", verbs.join(", ")))
            }
            _ => Some("add `on` and a protocol, so that its verbs are known".to_owned()),
        };
        if label.is_empty() {
            label = "unknown verb".to_owned();
        }
        let mut diagnostic = Diagnostic::error(verb.span, message, label);
        diagnostic.help.extend(help);
        diagnostic
    }

    pub(super) fn does(&mut self, clauses: &Clauses<'a>, reach: &Reach<'a>) -> Option<Vec<Do>> {
        let list: Vec<Do> = clauses.all(as_do).map(|does| self.one_do(does, reach)).collect();
        (!list.is_empty()).then_some(list)
    }

    fn one_do(&mut self, does: &'a ast::Do, reach: &Reach<'a>) -> Do {
        let mut resources = Vec::new();
        for text in &does.resources {
            // The protocols whose verbs stand beside it must read the pattern alike.
            let mut readings: Vec<(&Vocabulary, Pattern)> = Vec::new();
            for verb in &does.verbs {
                for &with in &reach.vocabularies {
                    let Some(spec) = with.verb(&verb.value) else { continue };
                    if let Some(pattern) = self.resource(text, verb, with, spec)
                        && !readings.iter().any(|(_, other)| *other == pattern)
                    {
                        readings.push((with, pattern));
                    }
                }
            }
            if let [(first, _), (second, _), ..] = readings.as_slice() {
                let (first, second) = (&first.protocol, &second.protocol);
                self.found.push(
                    Diagnostic::error(
                        text.span,
                        format!("`{}` means different things to `{first}` and `{second}`", text.value),
                        "read differently by the protocols of this rule",
                    )
                    .help(format!("write one rule for each protocol: `on {first}`, `on {second}`")),
                );
            }
            if let ([with], [verb, ..]) = (&*reach.vocabularies, &*does.verbs) {
                let specs: Vec<&VerbSpec> =
                    does.verbs.iter().filter_map(|verb| with.verb(&verb.value)).collect();
                self.check_kubernetes_resource(text, verb, with, &specs);
            }
            resources.extend(readings.into_iter().next().map(|(_, pattern)| pattern));
        }
        Do { verbs: does.verbs.iter().map(|verb| Verb::from(verb.value.to_string())).collect(), resources }
    }

    fn resource(&mut self, text: &Text, verb: &Word, with: &Vocabulary, spec: &VerbSpec) -> Option<Pattern> {
        if !spec.resource {
            self.found.push(
                Diagnostic::error(
                    text.span,
                    format!("`{}` has no resource, so `on` can't narrow it", verb.value),
                    "can never match",
                )
                .context(verb.span, spec.meaning.to_string())
                .help("leave `on …` out, or write the verbs that have a resource in a `do` of their own"),
            );
            return None;
        }
        let pattern = self.pattern(text, with)?;
        if let Some(length) = spec.segments
            && !can_have(&pattern, length)
        {
            let (message, help) = wrong_length(text, verb, with, length, pattern.segments.len());
            self.found.push(Diagnostic::error(text.span, message, "can never match").help(help));
            return None;
        }
        Some(pattern)
    }

    pub(super) fn pattern(&mut self, text: &Text, with: &Vocabulary) -> Option<Pattern> {
        match with.parse_pattern(&text.value) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let mut found = Diagnostic::error(text.span, error.to_string(), "not a pattern");
                found.help.extend(slash_help(&text.value, with));
                self.found.push(found);
                None
            }
        }
    }

    pub(super) fn selectors(&mut self, clauses: &Clauses<'a>) -> Vec<Selector> {
        let on = clauses.find(|clause| match clause {
            Clause::On(selectors) => Some(selectors),
            _ => None,
        });
        let mut list = Vec::new();
        for selector in on.into_iter().flatten() {
            let Some(with) = self.environment.vocabulary(&selector.protocol.value) else { continue };
            let names = selector.names.iter().map(|name| self.target_name(name)).collect();
            let labels = selector.labels.as_ref().map(|labels| self.condition(labels, &Context::Labels));
            list.push(Selector { protocol: with.protocol.clone(), names, labels });
        }
        list
    }

    /// A target's name is one segment, whatever its protocol's separator.
    fn target_name(&mut self, name: &Text) -> Pattern {
        if let Some(targets) = &self.environment.targets
            && !name.value.contains('*')
            && !targets.contains(&name.value)
        {
            let known = || targets.iter().map(|target| &**target);
            let message = format!("no target is called `{}`", name.value);
            self.found.push(
                Diagnostic::error(name.span, message, did_you_mean(&name.value, known(), "unknown target"))
                    .help(format!("the configuration has {}", words::listed(known()))),
            );
        }
        Pattern { segments: Box::new([name.value.clone()]) }
    }
}

/// What people call verbs elsewhere.
const ALIASES: &[(&str, &str)] = &[
    ("read", "select"),
    ("write", "update"),
    ("execute", "call"),
    ("run", "exec"),
    ("remove", "delete"),
    ("connect_to", "connect"),
    ("ddl", "alter"),
    ("copy", "select"),
    ("tunnel", "forward"),
];

fn as_do(clause: &Clause) -> Option<&ast::Do> {
    match clause {
        Clause::Do(does) => Some(does),
        _ => None,
    }
}

/// Whether a name of so many segments can match.
fn can_have(pattern: &Pattern, length: usize) -> bool {
    let many = pattern.segments.iter().filter(|segment| &***segment == "**").count();
    let single = pattern.segments.len() - many;
    if many > 0 { single <= length } else { single == length }
}

/// The way out for a path that is the root, or ends in a slash: no judged path does.
fn slash_help(written: &str, with: &Vocabulary) -> Option<String> {
    let path = written.strip_suffix('/').filter(|_| with.separator == '/')?;
    Some(if path.is_empty() {
        "the root itself is `\"/.\"`; `\"/**\"` is every path, the root too".to_owned()
    } else {
        format!(
            "paths are judged without a slash at the end: `{path}`, `{path}/*` for what is in it, `{path}/**` for all below it"
        )
    })
}

fn wrong_length(
    text: &Text,
    verb: &Word,
    with: &Vocabulary,
    expected: usize,
    written: usize,
) -> (String, String) {
    let separator = with.separator;
    let form = vec!["*"; expected].join(&separator.to_string());
    let parts = if expected == 1 { "one part".to_owned() } else { format!("{expected} parts") };
    let message = format!("`{}` never matches: `{}` is done to names of {parts}", text.value, verb.value);
    let help = if written < expected {
        let missing = vec!["*"; expected - written].join(&separator.to_string());
        format!(
            "write `{missing}{separator}{}`, or name the first part: in PostgreSQL it is the schema",
            text.value
        )
    } else {
        format!("write it as `{form}`")
    };
    (message, help)
}
