//! What a mask covers, and how.

use policy_core::mask::{Detector, Transform};
use policy_core::rule::{FieldMask, Mask, Masked, Pattern, Predicates, Unresolved};
use policy_core::vocabulary::{Capability, Vocabulary, parse_field};

use crate::ast::{Arm, ArmTarget, Clause, Column, Rule, Text, Word};
use crate::check::did_you_mean;
use crate::diagnostic::Diagnostic;
use crate::lower::reach::Reach;
use crate::lower::{Clauses, Lowering};
use crate::span::Span;
use crate::words;

/// A column is `schema.relation.column`.
const COLUMN_SEGMENTS: usize = 3;

impl<'a> Lowering<'a> {
    pub(super) fn mask(&mut self, rule: &Rule, clauses: &Clauses<'a>, reach: &Reach<'a>) -> Option<Mask> {
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
        if self.check_field_path(text) {
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
    pub(in crate::lower) fn column(&mut self, text: &Text, with: &Vocabulary) -> Option<Pattern> {
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
}
