//! Tree to rules: names are resolved, types checked, and what can't be enforced is refused.
//!
//! Checking and lowering are one step, so that a rule that exists has been checked.

mod condition;
mod effect;
mod never;
mod reach;
pub(crate) mod test;

use std::collections::BTreeMap;
use std::sync::Arc;

use policy_core::Verb;
use policy_core::rule::{self, Mode, RuleId, Scope};

use crate::ast::{Clause, Kind, Rule, Text, Word};
use crate::check::{Definitions, Environment, did_you_mean};
use crate::diagnostic::Diagnostic;
use crate::span::{Source, Span, Spanned};
use condition::Context;

/// Lowers the rules of one group of files (those that share their names).
pub(crate) struct Lowering<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) definitions: &'a Definitions<'a>,
    pub(crate) sources: &'a [Source],
    pub(crate) found: Vec<Diagnostic>,
    /// How many rules without a name went by, by the words of their head.
    unnamed: BTreeMap<String, u32>,
    /// Where each line of each source begins.
    lines: Vec<Vec<usize>>,
}

/// The longest name of a rule, in bytes: it travels in every denial and record.
const MAX_NAME_BYTES: usize = 200;
/// The longest `say`, in bytes: it travels in protocol errors.
const MAX_SAY_BYTES: usize = 2_000;

impl<'a> Lowering<'a> {
    pub(crate) fn new(
        environment: &'a Environment,
        definitions: &'a Definitions<'a>,
        sources: &'a [Source],
    ) -> Self {
        let lines = |source: &Source| {
            let breaks = source.text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(breaks).collect()
        };
        let lines = sources.iter().map(lines).collect();
        Self { environment, definitions, sources, found: Vec::new(), unnamed: BTreeMap::new(), lines }
    }

    /// A rule, or nothing if it has errors; those are in `found`.
    pub(crate) fn rule(&mut self, rule: &'a Rule) -> Option<rule::Rule> {
        let errors = self.found.len();
        let id = self.id(rule);
        let clauses = self.sort(rule);
        let reach = self.reach(&clauses, rule);
        let does = self.does(&clauses, &reach);
        let scope = Scope {
            by: clauses.condition("by").map(|by| self.condition(by, &Context::Principal("by"))),
            on: self.selectors(&clauses),
            when: clauses.condition("when").map(|when| self.condition(when, &Context::Any(&reach, "when"))),
            unless: clauses
                .condition("unless")
                .map(|unless| self.condition(unless, &Context::Any(&reach, "unless"))),
            does,
        };
        let effect = self.effect(rule, &clauses, &reach);
        let mode = self.mode(&clauses);
        self.notices(rule.kind.value, mode, &clauses);
        let say = clauses.find(|clause| match clause {
            Clause::Say(text) => Some(text),
            _ => None,
        });
        if let Some(text) = say {
            self.check_text(text, "the words of `say`", MAX_SAY_BYTES);
        }
        let place = self.place(rule.kind.span);
        let only_warnings =
            self.found.iter().skip(errors).all(|found| found.severity == crate::Severity::Warning);
        let effect = effect?;
        only_warnings.then(|| rule::Rule {
            id,
            mode,
            scope,
            effect,
            say: say.map(|text| text.value.clone()),
            place: Some(place),
        })
    }

    fn id(&mut self, rule: &Rule) -> RuleId {
        if let Some(name) = &rule.name {
            if name.value.trim().is_empty() {
                self.error(name.span, "a rule's name can't be empty", "denials and records quote it");
            }
            self.check_text(name, "a rule's name", MAX_NAME_BYTES);
            return RuleId(name.value.as_ref().into());
        }
        if rule.kind.value != Kind::Record {
            let kind = rule.kind.value.as_str();
            self.found.push(
                Diagnostic::error(
                    rule.kind.span,
                    format!("this `{kind}` rule has no name"),
                    "expected a name after this word",
                )
                .help(format!(
                    "write `{kind} \"what it does\" {{ … }}`: denials, records and tests quote the name"
                )),
            );
        }
        let words = rule.modifiers.iter().map(|word| &*word.value);
        let name: Vec<&str> = std::iter::once(rule.kind.value.as_str()).chain(words).collect();
        let name = name.join(" ");
        let count = self.unnamed.entry(name.clone()).or_default();
        *count += 1;
        RuleId(if *count == 1 { name.into() } else { format!("{name} #{count}").into() })
    }

    /// Refuses clauses that this kind of rule does not have, and a second one of those that stand once.
    fn sort(&mut self, rule: &'a Rule) -> Clauses<'a> {
        let kind = rule.kind.value;
        let mut list: Vec<&'a Spanned<Clause>> = Vec::new();
        for clause in &rule.clauses {
            let keyword = clause.value.keyword();
            let owners = owners(&clause.value);
            if !owners.contains(&kind) {
                let names = owners.iter().map(|kind| kind.as_str());
                self.found.push(
                    Diagnostic::error(
                        clause.span,
                        format!("`{keyword}` has no meaning in `{}` rules", kind.as_str()),
                        format!("belongs to {}", words_and_kinds(names)),
                    )
                    .context(rule.head(), "in this rule"),
                );
                continue;
            }
            let first = list.iter().find(|other| other.value.keyword() == keyword);
            if let (Some(first), false) = (first, matches!(clause.value, Clause::Do(_))) {
                let way_out = match clause.value {
                    Clause::By(_) => "join the two with `or`, or write two rules",
                    Clause::When(_) => "join the two with `and`",
                    Clause::Unless(_) => "join the two with `or`",
                    Clause::On(_) => "separate the targets with commas: `on postgres \"shop\", ssh`",
                    _ => "write two rules",
                };
                self.found.push(
                    Diagnostic::error(
                        clause.span,
                        format!("`{keyword}` stands twice in this rule"),
                        "again here",
                    )
                    .context(first.span, "first here")
                    .help(way_out),
                );
                continue;
            }
            list.push(clause);
        }
        Clauses { list }
    }

    fn mode(&mut self, clauses: &Clauses<'a>) -> Mode {
        let word = clauses.find(|clause| match clause {
            Clause::Mode(word) => Some(word),
            _ => None,
        });
        match word.map(|word| &*word.value) {
            None | Some("enforce") => Mode::Enforce,
            Some("observe") => Mode::Observe,
            Some("warn") => Mode::Warn,
            Some(other) => {
                if let Some(word) = word {
                    self.unknown_word(
                        word,
                        &format!("`{other}` is no mode"),
                        &["enforce", "observe", "warn"],
                    );
                }
                Mode::Enforce
            }
        }
    }

    /// What is only noticed can't be permitted, held or counted, and nothing else is only warned of.
    fn notices(&mut self, kind: Kind, mode: Mode, clauses: &Clauses<'a>) {
        let does = clauses.all(|clause| match clause {
            Clause::Do(does) => Some(&does.verbs),
            _ => None,
        });
        let verbs: Vec<&Word> = does.flatten().collect();
        let is_typed = |word: &&Word| *word.value == *Verb::TYPED.as_str();
        let typed = verbs.iter().copied().find(is_typed);
        if let (Some(typed), Kind::Allow | Kind::Hold | Kind::Limit) = (typed, kind) {
            let message = format!("what is typed can't be the matter of {} rules", kind.as_str());
            self.found.push(
                Diagnostic::error(
                    typed.span,
                    message,
                    "it is noticed after the fact, and nothing has to allow it",
                )
                .help("`deny` rules can name `typed`: they end the session, or warn with `mode warn`"),
            );
        }
        let only_typed = !verbs.is_empty() && verbs.iter().all(is_typed);
        if let (Mode::Warn, Some(span), false) =
            (mode, clauses.span("mode"), only_typed && kind == Kind::Deny)
        {
            self.found.push(
                Diagnostic::error(
                    span,
                    "`mode warn` is for deny rules whose `do` names `typed` alone",
                    "what this rule is about can be prevented",
                )
                .help("leave the clause out to prevent it, or write `mode observe` to record it only"),
            );
        }
    }

    pub(crate) fn place(&self, span: Span) -> rule::Place {
        let (index, start) = (span.source as usize, span.start as usize);
        let file = self.sources.get(index).map_or_else(|| Arc::from(""), |source| Arc::clone(&source.name));
        let before = self.lines.get(index).map_or(0, |lines| lines.partition_point(|line| *line <= start));
        let begin =
            self.lines.get(index).and_then(|lines| lines.get(before.checked_sub(1)?)).copied().unwrap_or(0);
        let text =
            self.sources.get(index).and_then(|source| source.text.get(begin..start)).unwrap_or_default();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        rule::Place { file, line: number(before), column: number(text.chars().count() + 1) }
    }

    /// Texts that end up in protocol errors, logs and on terminals carry no control characters.
    fn check_text(&mut self, text: &Text, what: &str, most: usize) {
        if text.value.len() > most {
            self.error(text.span, format!("{what} can have {most} bytes at most"), "too long");
        }
        if text.value.chars().any(char::is_control) {
            let message = format!("{what} can't contain control characters");
            self.error(text.span, message, "a line break, a tab or another control character is in here");
        }
    }

    fn error(&mut self, span: Span, message: impl Into<String>, label: impl Into<String>) {
        self.found.push(Diagnostic::error(span, message, label));
    }

    fn unknown_word(&mut self, word: &Word, message: &str, candidates: &[&str]) {
        let label = did_you_mean(&word.value, candidates.iter().copied(), "not one of these");
        self.found.push(
            Diagnostic::error(word.span, message, label)
                .help(format!("expected one of {}", crate::words::listed(candidates.iter().copied()))),
        );
    }
}

/// The clauses of one rule that belong to it.
pub(crate) struct Clauses<'a> {
    list: Vec<&'a Spanned<Clause>>,
}

impl<'a> Clauses<'a> {
    fn find<T>(&self, pick: impl Fn(&'a Clause) -> Option<T>) -> Option<T> {
        self.list.iter().find_map(|clause| pick(&clause.value))
    }

    fn all<T>(&self, pick: impl Fn(&'a Clause) -> Option<T>) -> impl Iterator<Item = T> {
        self.list.iter().filter_map(move |clause| pick(&clause.value))
    }

    fn span(&self, keyword: &str) -> Option<Span> {
        self.list.iter().find(|clause| clause.value.keyword() == keyword).map(|clause| clause.span)
    }

    fn condition(&self, keyword: &str) -> Option<&'a crate::ast::Condition> {
        self.find(|clause| match clause {
            Clause::By(condition) | Clause::When(condition) | Clause::Unless(condition)
                if clause.keyword() == keyword =>
            {
                Some(condition)
            }
            _ => None,
        })
    }
}

/// The kinds of rule that a clause belongs to.
fn owners(clause: &Clause) -> &'static [Kind] {
    use Kind::{Allow, Deny, Hold, Limit, Mask, Record};
    match clause {
        Clause::By(_)
        | Clause::On(_)
        | Clause::Do(_)
        | Clause::When(_)
        | Clause::Unless(_)
        | Clause::Mode(_) => &[Allow, Deny, Hold, Mask, Limit, Record],
        Clause::Say(_) => &[Deny, Hold, Limit],
        Clause::Until(_)
        | Clause::While(_)
        | Clause::AnswerAfter(_)
        | Clause::InTransaction
        | Clause::Justify
        | Clause::Reveal => &[Hold],
        Clause::Columns(_)
        | Clause::Values(_)
        | Clause::Fields(_)
        | Clause::With(_)
        | Clause::Unresolved(_)
        | Clause::Predicates(_) => &[Mask],
        Clause::Quota(_) => &[Limit],
    }
}

fn words_and_kinds<'w>(kinds: impl Iterator<Item = &'w str>) -> String {
    format!("{} rules", crate::words::listed(kinds))
}
