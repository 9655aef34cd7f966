//! What follows from a rule: requirements, masks, limits, records.

use std::num::NonZeroU16;
use std::time::Duration;

use policy_core::mask::{Detector, Transform};
use policy_core::rule::{
    Effect, FieldMask, Limit, LimitUnit, Mask, Masked, Pattern, Predicates, Quorum, Record, Requirement,
    Unresolved,
};
use policy_core::vocabulary::{Capability, Vocabulary, parse_field};

use super::condition::Context;
use super::reach::Reach;
use super::{Clauses, Lowering};
use crate::ast::{Arm, ArmTarget, Clause, Column, Condition, Kind, Period, Rule, Text, Word};
use crate::check::did_you_mean;
use crate::diagnostic::Diagnostic;
use crate::span::{Span, Spanned};
use crate::words;

/// The longest a command may wait for approval.
const LONGEST_HOLD: Duration = Duration::from_secs(24 * 3_600);
/// How long a command waits for those who must watch, where nobody is asked to approve it.
const WAIT_FOR_WATCHERS: Duration = Duration::from_secs(600);
/// The longest window of a limit.
const LONGEST_WINDOW: Duration = Duration::from_secs(31 * 86_400);
/// A column is `schema.relation.column`.
const COLUMN_SEGMENTS: usize = 3;

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

    fn hold(&mut self, rule: &Rule, clauses: &Clauses<'a>, reach: &Reach<'a>) -> Option<Requirement> {
        let until = clauses.find(|clause| match clause {
            Clause::Until(until) => Some(until),
            _ => None,
        });
        if let Some(span) = clauses.span("in transaction") {
            self.require(Capability::Transactions, span, reach);
        }
        let watched = clauses.find(|clause| match clause {
            Clause::While(watched) => Some(watched),
            _ => None,
        });
        if let Some(span) = clauses.span("while") {
            self.require(Capability::Watch, span, reach);
        }
        if until.is_none() && watched.is_none() {
            self.missing(rule, "until", "until 1 of group \"leads\" approve within 15m");
            return None;
        }
        let approve = match until {
            Some(until) => {
                Some(self.quorum(until.quorum, &until.reviewers, "until", "nobody would be asked")?)
            }
            None => None,
        };
        let watch = match watched {
            Some(watched) => {
                Some(self.quorum(watched.count, &watched.watchers, "while", "nobody would have to watch")?)
            }
            None => None,
        };
        let within = match until {
            Some(until) => {
                self.bounded(until.within, Duration::from_secs(1), LONGEST_HOLD, "a command waits")?
            }
            None => WAIT_FOR_WATCHERS,
        };
        let answer_after = clauses.find(|clause| match clause {
            Clause::AnswerAfter(answer) => Some(*answer),
            _ => None,
        });
        if let Some(span) = clauses.span("answer after") {
            self.require(Capability::ComeBack, span, reach);
        }
        let answer_after = match answer_after {
            Some(answer) if answer.value > within => {
                let message = "the client can't be kept waiting for longer than the approval";
                self.error(answer.span, message, format!("the approval waits {} s", within.as_secs()));
                return None;
            }
            Some(answer) => {
                Some(self.bounded(answer, Duration::from_secs(1), LONGEST_HOLD, "a client waits")?)
            }
            None => None,
        };
        Some(Requirement {
            approve,
            watch,
            within,
            answer_after,
            in_transaction: clauses.span("in transaction").is_some(),
            justify: clauses.span("justify").is_some(),
            reveal: clauses.span("reveal").is_some(),
        })
    }

    fn quorum(
        &mut self,
        count: Spanned<i64>,
        of: &'a Condition,
        clause: &'static str,
        otherwise: &'static str,
    ) -> Option<Quorum> {
        let number = u16::try_from(count.value).ok().and_then(NonZeroU16::new);
        if number.is_none() {
            self.error(count.span, "a quorum is a number from 1 to 65535", otherwise);
        }
        let of = self.condition(of, &Context::Principal(clause));
        Some(Quorum { count: number?, of })
    }

    fn mask(&mut self, rule: &Rule, clauses: &Clauses<'a>, reach: &Reach<'a>) -> Option<Mask> {
        let columns = clauses.find(|clause| match clause {
            Clause::Columns(columns) => Some(columns),
            _ => None,
        });
        let values = clauses.find(|clause| match clause {
            Clause::Values(values) => Some(values),
            _ => None,
        });
        let fields = clauses.find(|clause| match clause {
            Clause::Fields(fields) => Some(fields),
            _ => None,
        });
        let with = clauses.find(|clause| match clause {
            Clause::With(arms) => Some(arms),
            _ => None,
        });
        if with.is_none() {
            self.missing(rule, "with", "with redact");
        }
        let what = match (columns, values, fields) {
            (None, None, None) => {
                self.missing(
                    rule,
                    "columns`, `values` or `fields",
                    "columns tagged pii`, `values credit_card, jwt` or `fields \"**.email\"",
                );
                None
            }
            (Some(columns), None, None) => self.masked_columns(columns, with?, clauses, reach),
            (None, Some(values), None) => self.masked_values(values, with?, clauses, reach),
            (None, None, Some(fields)) => self.masked_fields(fields, with?, clauses, reach),
            _ => {
                let mut spans: Vec<(&str, Span)> = ["columns", "values", "fields"]
                    .into_iter()
                    .filter_map(|keyword| Some((keyword, clauses.span(keyword)?)))
                    .collect();
                spans.sort_by_key(|(_, span)| std::cmp::Reverse(span.start));
                if let [(second, at), .., (first, before)] = &*spans {
                    let message = "a mask covers columns, values or fields, not several of them";
                    self.found.push(
                        Diagnostic::error(*at, message, format!("{second} here"))
                            .context(*before, format!("{first} here"))
                            .help("write two masks"),
                    );
                }
                None
            }
        };
        let unresolved = clauses.find(|clause| match clause {
            Clause::Unresolved(word) => Some(word),
            _ => None,
        });
        let unresolved = match unresolved.map(|word| (&*word.value, word)) {
            None | Some(("deny", _)) => Unresolved::Deny,
            Some(("mask", _)) => Unresolved::Mask,
            Some((other, word)) => {
                let message = format!("`{other}` is nothing that can become of unresolved output");
                self.unknown_word(word, &message, &["deny", "mask"]);
                Unresolved::Deny
            }
        };
        let predicates = clauses.find(|clause| match clause {
            Clause::Predicates(word) => Some(word),
            _ => None,
        });
        let predicates = match predicates.map(|word| (&*word.value, word)) {
            None | Some(("record", _)) => Predicates::Record,
            Some(("deny", _)) => Predicates::Deny,
            Some((other, word)) => {
                let message = format!("`{other}` is nothing that can become of predicates");
                self.unknown_word(word, &message, &["record", "deny"]);
                Predicates::Record
            }
        };
        Some(Mask { what: what?, unresolved, predicates })
    }

    fn masked_columns(
        &mut self,
        columns: &'a [Column],
        arms: &'a [Arm],
        clauses: &Clauses<'a>,
        reach: &Reach<'a>,
    ) -> Option<Masked> {
        let span = clauses.span("columns")?;
        self.require(Capability::MaskColumns, span, reach);
        if clauses.span("on").is_none() {
            let found =
                Diagnostic::error(span, "a mask of columns says whose", "the columns of which protocol?")
                    .context(reach.head, "in this rule")
                    .help("add `on postgres`");
            self.found.push(found);
            return None;
        }
        let &with = reach.vocabularies.first()?;
        let mut patterns = Vec::new();
        for column in columns {
            match column {
                Column::Pattern(text) => patterns.extend(self.column(text, with)),
                Column::Tagged(name) => patterns.extend(self.tagged(name, with)),
            }
        }
        let (with, otherwise) = self.arms(arms, "columns", |lowering, text| lowering.column(text, with));
        Some(Masked::Columns { columns: patterns, with, otherwise })
    }

    fn masked_fields(
        &mut self,
        fields: &'a [Text],
        arms: &'a [Arm],
        clauses: &Clauses<'a>,
        reach: &Reach<'a>,
    ) -> Option<Masked> {
        self.require(Capability::MaskFields, clauses.span("fields")?, reach);
        if let Some(span) = clauses.span("predicates") {
            let message = "`predicates` has no meaning in a mask of fields";
            self.error(span, message, "belongs to masks of columns");
        }
        let fields = fields.iter().filter_map(|text| self.field(text)).collect();
        let (with, otherwise) = self.arms(arms, "fields", |lowering, text| lowering.field(text));
        Some(Masked::Fields(FieldMask { fields, with, otherwise }))
    }

    fn field(&mut self, text: &Text) -> Option<Pattern> {
        if self.field_is_of_another_language(text) {
            return None;
        }
        match parse_field(&text.value) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.error(text.span, error.to_string(), "not a pattern");
                None
            }
        }
    }

    /// The transforms by pattern, and the one of all that no pattern names.
    fn arms(
        &mut self,
        arms: &'a [Arm],
        what: &str,
        read: impl Fn(&mut Self, &Text) -> Option<Pattern>,
    ) -> (Vec<(Pattern, Transform)>, Transform) {
        let mut by_pattern = Vec::new();
        let mut otherwise: Option<(Transform, Span)> = None;
        for arm in arms {
            let transform = self.transform(arm);
            match &arm.target {
                ArmTarget::For(texts) => {
                    for text in texts {
                        let pattern = read(self, text);
                        by_pattern.extend(pattern.zip(transform));
                    }
                }
                ArmTarget::Otherwise | ArmTarget::Everything => {
                    if let Some((_, first)) = otherwise {
                        let message = format!("two transforms are for all other {what}");
                        let example = if what == "fields" { "**.pan" } else { "*.pan" };
                        let help = format!(
                            "say which {what} one of them is for: `with last(4) for \"{example}\", redact otherwise`"
                        );
                        let found = Diagnostic::error(arm.transform.span, message, "again here")
                            .context(first, "first here")
                            .help(help);
                        self.found.push(found);
                    }
                    otherwise = transform.map(|transform| (transform, arm.transform.span)).or(otherwise);
                }
            }
        }
        // What no pattern names is shown least: what was forgotten is not what was meant to be seen.
        (by_pattern, otherwise.map_or(Transform::Redact, |(transform, _)| transform))
    }

    fn masked_values(
        &mut self,
        values: &'a [Word],
        arms: &'a [Arm],
        clauses: &Clauses<'a>,
        reach: &Reach<'a>,
    ) -> Option<Masked> {
        self.require(Capability::MaskValues, clauses.span("values")?, reach);
        for keyword in ["unresolved", "predicates"] {
            if let Some(span) = clauses.span(keyword) {
                let message = format!("`{keyword}` has no meaning in a mask of values");
                let owners = if keyword == "unresolved" { "columns or fields" } else { "columns" };
                self.error(span, message, format!("belongs to masks of {owners}"));
            }
        }
        let mut detectors: Vec<Detector> = Vec::new();
        for word in values {
            match words::find(words::DETECTORS, &word.value) {
                Some(detector) => detectors.push(detector),
                None => {
                    let names: Vec<&str> = words::DETECTORS.iter().map(|(name, _)| *name).collect();
                    self.unknown_word(word, &format!("unknown kind of value `{}`", word.value), &names);
                }
            }
        }
        let [arm] = arms else {
            let second = arms.get(1)?;
            self.error(second.transform.span, "a mask of values has one transform", "write a second mask");
            return None;
        };
        if let ArmTarget::For(texts) = &arm.target
            && let Some(text) = texts.first()
        {
            self.error(
                text.span,
                "values are found by their content, so `for` can't name any",
                "belongs to masks of columns",
            );
        }
        Some(Masked::Values { detectors, with: self.transform(arm)? })
    }

    /// A column pattern. Parts left out on the left match anything, so `*.pan` is `pan` of every relation.
    pub(super) fn column(&mut self, text: &Text, with: &Vocabulary) -> Option<Pattern> {
        let pattern = self.pattern(text, with)?;
        let length = pattern.segments.len();
        let many = pattern.segments.iter().filter(|segment| &***segment == "**").count();
        if length - many > COLUMN_SEGMENTS {
            let message =
                format!("`{}` has too many parts: a column is `schema.relation.column`", text.value);
            self.error(text.span, message, "can never match");
            return None;
        }
        if many > 0 || length == COLUMN_SEGMENTS {
            return Some(pattern);
        }
        let padding = std::iter::repeat_n(Box::from("*"), COLUMN_SEGMENTS - length);
        Some(Pattern { segments: padding.chain(pattern.segments.iter().cloned()).collect() })
    }

    fn tagged(&mut self, name: &Word, with: &Vocabulary) -> Vec<Pattern> {
        let Some((&key, &tag)) = self.definitions.tags.get_key_value(&*name.value) else {
            if !self.definitions.broken.contains(&name.value) {
                let tags = || self.definitions.tags.keys().copied();
                let label = did_you_mean(&name.value, tags(), "no tag of this name");
                let help = format!(
                    "define it: `tag {} = {} columns \"schema.relation.column\"`",
                    name.value, with.protocol
                );
                self.found.push(
                    Diagnostic::error(name.span, format!("unknown tag `{}`", name.value), label).help(help),
                );
            }
            return Vec::new();
        };
        self.definitions.note_use(key);
        if &*tag.protocol.value != with.protocol.as_str() {
            let message = format!(
                "the tag `{key}` names columns of `{}`, and this rule is on `{}`",
                tag.protocol.value, with.protocol
            );
            let found = Diagnostic::error(name.span, message, "of another protocol")
                .context(tag.protocol.span, "defined here");
            self.found.push(found);
            return Vec::new();
        }
        tag.columns.iter().filter_map(|text| self.column(text, with)).collect()
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

    fn transform(&mut self, arm: &Arm) -> Option<Transform> {
        let name = &*arm.transform.value;
        let count = arm
            .argument
            .map(|count| (u16::try_from(count.value).ok().filter(|count| *count > 0), count.span));
        let plain = match name {
            "null" => Transform::Null,
            "redact" => Transform::Redact,
            "hash" => Transform::Hash,
            "partial" => Transform::Partial,
            "first" | "last" => {
                return match count {
                    Some((Some(count), _)) if name == "first" => Some(Transform::First(count)),
                    Some((Some(count), _)) => Some(Transform::Last(count)),
                    Some((None, span)) => {
                        self.error(
                            span,
                            format!("`{name}` keeps from 1 to 65535 characters"),
                            "out of range",
                        );
                        None
                    }
                    None => {
                        let message = format!("`{name}` needs to know how many characters to keep");
                        self.error(arm.transform.span, message, format!("write `{name}(4)`"));
                        None
                    }
                };
            }
            _ => {
                self.unknown_word(&arm.transform, &format!("unknown transform `{name}`"), words::TRANSFORMS);
                return None;
            }
        };
        if let Some((_, span)) = count {
            self.error(span, format!("`{name}` takes no number"), "only `first` and `last` do");
        }
        Some(plain)
    }

    fn limit(&mut self, rule: &Rule, clauses: &Clauses<'a>, reach: &Reach<'a>) -> Option<Limit> {
        let quota = clauses.find(|clause| match clause {
            Clause::Quota(quota) => Some(quota),
            _ => None,
        });
        let Some(quota) = quota else {
            self.missing(rule, "rows`, `commands` or `bytes", "rows 10_000 per principal per hour");
            return None;
        };
        let (unit, capability) = match &*quota.unit.value {
            "rows" => (LimitUnit::Rows, Capability::LimitRows),
            "commands" => (LimitUnit::Commands, Capability::LimitCommands),
            _ => (LimitUnit::Bytes, Capability::LimitBytes),
        };
        self.require(capability, quota.unit.span, reach);
        let Ok(count) = u64::try_from(quota.count.value) else {
            self.error(quota.count.span, "a limit can't be negative", "expected 0 or more");
            return None;
        };
        let window = match (&*quota.scope.value, &quota.period) {
            ("principal", Some(period)) => Some(self.period(period)?),
            ("principal", None) => {
                self.error(
                    quota.scope.span,
                    "a limit per principal needs a period",
                    "add `per hour`, for example",
                );
                return None;
            }
            (_, None) => None,
            (_, Some(_)) => {
                self.error(
                    quota.scope.span,
                    "a limit per command has no period",
                    "write `per principal`, or leave the period out",
                );
                return None;
            }
        };
        if unit == LimitUnit::Commands && window.is_none() {
            self.error(
                quota.scope.span,
                "one command is always one command",
                "write `per principal per hour`, for example",
            );
        }
        Some(Limit { unit, count, window })
    }

    fn period(&mut self, period: &Period) -> Option<Duration> {
        const WORDS: &[(&str, u64)] = &[("second", 1), ("minute", 60), ("hour", 3_600), ("day", 86_400)];
        match period {
            Period::Duration(duration) => {
                self.bounded(*duration, Duration::from_secs(1), LONGEST_WINDOW, "a limit counts over")
            }
            Period::Word(word) => match words::find(WORDS, &word.value) {
                Some(seconds) => Some(Duration::from_secs(seconds)),
                None => {
                    let names: Vec<&str> = WORDS.iter().map(|(name, _)| *name).collect();
                    self.unknown_word(word, &format!("unknown period `{}`", word.value), &names);
                    None
                }
            },
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
