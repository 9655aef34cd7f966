//! What follows from a rule: requirements, masks, limits, records.

mod hold;
mod limit;
mod mask;

use std::time::Duration;

use policy_core::rule::{Effect, Record};
use policy_core::vocabulary::Capability;

use super::condition::Context;
use super::reach::Reach;
use super::{Clauses, Lowering};
use crate::ast::{Kind, Rule};
use crate::diagnostic::Diagnostic;
use crate::span::{Span, Spanned};
use crate::words;

impl<'a> Lowering<'a> {
    pub(super) fn effect(
        &mut self,
        rule: &'a Rule,
        clauses: &Clauses<'a>,
        reach: &Reach<'a>,
    ) -> Option<Effect> {
        if rule.kind.value != Kind::Record
            && let Some(word) = rule.modifiers.first()
        {
            let message = format!("`{}` means nothing before the brace", word.value);
            self.error(
                word.span,
                message,
                format!("expected `{{` after the name of the `{}` rule", rule.kind.value.as_str()),
            );
        }
        match rule.kind.value {
            Kind::Allow => Some(Effect::Allow),
            Kind::Deny => Some(Effect::Deny),
            Kind::Hold => self.hold(rule, clauses, reach).map(Effect::Hold),
            Kind::Mask => self.mask(rule, clauses, reach).map(Effect::Mask),
            Kind::Limit => self.limit(rule, clauses, reach).map(Effect::Limit),
            Kind::Record => self.record(rule, reach).map(Effect::Record),
        }
    }

    fn record(&mut self, rule: &Rule, reach: &Reach<'a>) -> Option<Record> {
        let mut record = Record { results: false, strict: false };
        for word in &rule.modifiers {
            match &*word.value {
                "all" => {
                    self.require(Capability::RecordResults, word.span, reach);
                    record.results = true;
                }
                "decisions" => record.results = false,
                "strict" => record.strict = true,
                other => {
                    let message = format!("`{other}` says nothing about recording");
                    self.unknown_word(word, &message, &["all", "decisions", "strict"]);
                }
            }
        }
        if rule.modifiers.is_empty() {
            let found = Diagnostic::error(rule.head(), "this rule does not say what to record", "expected `all` or `decisions` here")
                .help("`record all { … }` keeps results too; add `strict` to have records on disk before a command runs");
            self.found.push(found);
        }
        Some(record)
    }

    /// Every protocol that the rule reaches must be able to enforce its obligation.
    fn require(&mut self, capability: Capability, span: Span, reach: &Reach<'a>) {
        let unable: Vec<&str> = reach
            .protocols()
            .into_iter()
            .filter(|vocabulary| !vocabulary.can(capability))
            .map(|vocabulary| vocabulary.protocol.as_str())
            .collect();
        if unable.is_empty() {
            return;
        }
        let able: Vec<&str> = self
            .environment
            .vocabularies
            .iter()
            .filter(|vocabulary| vocabulary.can(capability))
            .map(|vocabulary| vocabulary.protocol.as_str())
            .collect();
        let message = format!("{} can't {capability}", words::listed(unable.iter().copied()));
        self.found.push(
            Diagnostic::error(span, message, "could not be enforced")
                .context(reach.head, "in this rule")
                .help(format!("{} can: narrow the rule with `on`", words::listed(able))),
        );
    }

    fn bounded(
        &mut self,
        duration: Spanned<Duration>,
        least: Duration,
        most: Duration,
        what: &str,
    ) -> Option<Duration> {
        if (least..=most).contains(&duration.value) {
            return Some(duration.value);
        }
        let hours = most.as_secs() / 3_600;
        let most = if hours > 48 { format!("{} days", hours / 24) } else { format!("{hours} hours") };
        self.error(duration.span, format!("{what} {} second to {most}", least.as_secs()), "out of range");
        None
    }

    fn missing(&mut self, rule: &Rule, clause: &str, example: &str) {
        let kind = rule.kind.value.as_str();
        self.found.push(
            Diagnostic::error(rule.head(), format!("this `{kind}` rule lacks `{clause}`"), "in this rule")
                .help(format!("add, for example, `{example}`")),
        );
    }

    /// A tag is checked where it is defined, whether or not a rule uses it.
    pub(crate) fn check_tag(&mut self, tag: &'a crate::ast::Tag) {
        match self.environment.vocabulary(&tag.protocol.value) {
            None => self.found.push(self.environment.unknown_protocol(&tag.protocol)),
            Some(with) if !with.can(Capability::MaskColumns) => {
                let message = format!("`{}` has no columns", tag.protocol.value);
                self.error(tag.protocol.span, message, "nothing here can be masked by column");
            }
            Some(with) if !self.definitions.used.borrow().contains(&*tag.name.value) => {
                for text in &tag.columns {
                    self.column(text, with);
                }
            }
            Some(_) => {}
        }
    }

    /// A set is checked where it is defined, unless a rule that uses it has done so.
    pub(crate) fn check_set(&mut self, set: &'a crate::ast::Set) {
        if !self.definitions.used.borrow().contains(&*set.name.value) {
            self.condition(&set.members, &Context::Principal("a set"));
        }
    }
}

/// Whether policy-core will take the regular expression.
pub(super) fn check_regex(pattern: &str) -> Result<(), String> {
    const MAX_PATTERN_BYTES: usize = 4_096;
    if pattern.len() > MAX_PATTERN_BYTES {
        return Err(format!("longer than {MAX_PATTERN_BYTES} bytes"));
    }
    let config = regex_automata::meta::Config::new().nfa_size_limit(Some(1 << 20));
    match regex_automata::meta::Builder::new().configure(config).build(pattern) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.syntax_error().map_or_else(|| error.to_string(), last_line)),
    }
}

/// The regex parser draws its own caret over several lines; its last line says what is wrong.
fn last_line(error: impl std::fmt::Display) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
