//! The answer as plain data: what `--json` prints, and what people are shown.

use std::collections::BTreeMap;

use policy_core::decision::Obligations;
use policy_core::mask::Transform;
use policy_core::policy::Untraced;
use policy_core::rule::{Effect, FieldMask, LimitUnit, Mask, Masked, Pattern, RuleId, Unresolved};
use policy_core::vocabulary::Spelling;
use policy_core::{ActionSet, Explanation, Policy, Request, Verdict};
use policy_normalize::sql::{ColumnRef, Kind, Output, Statement};
use serde::Serialize;

use super::subject::Subject;
use crate::texts;

/// The whole answer.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) command: String,
    pub(super) user: String,
    /// `None` where they are not known.
    pub(super) groups: Option<Vec<String>>,
    /// Whom an agent acts for.
    pub(super) on_behalf_of: Option<String>,
    /// The groups of theirs; `None` where they are not known.
    pub(super) on_behalf_of_groups: Option<Vec<String>>,
    pub(super) target: String,
    pub(super) labels: BTreeMap<String, String>,
    /// What becomes of the command as a whole.
    pub(super) verdict: &'static str,
    /// Whether a session may be opened at all.
    pub(super) connect: Judged,
    /// Where the text is over the gateway's limits, which: it is refused before any rule is asked.
    pub(super) rejected: Option<String>,
    pub(super) statements: Vec<StatementReport>,
    /// What was assumed.
    pub(super) notes: Vec<String>,
}

/// One statement.
#[derive(Serialize)]
pub(super) struct StatementReport {
    pub(super) text: String,
    pub(super) actions: Vec<String>,
    #[serde(flatten)]
    pub(super) judged: Judged,
    pub(super) notes: Vec<String>,
}

/// What a policy says.
#[derive(Serialize)]
pub(super) struct Judged {
    pub(super) decision: &'static str,
    pub(super) explanation: Explanation,
    /// What it would be with the rules in `mode observe`, where that differs.
    pub(super) observed: Option<&'static str>,
    /// Whether it is judged again once parameters are bound.
    pub(super) pending: bool,
    pub(super) masked_columns: Vec<MaskedColumn>,
    pub(super) masked_fields: Vec<MaskedFields>,
    pub(super) masked_values: Vec<MaskedValue>,
    pub(super) limits: Vec<LimitReport>,
    pub(super) record: Option<RecordReport>,
}

/// A returned column that is masked.
#[derive(Serialize)]
pub(super) struct MaskedColumn {
    /// Its name in the result, or its place.
    pub(super) column: String,
    /// The masked columns that flow into it.
    pub(super) from: Vec<String>,
    /// What becomes of it.
    pub(super) mask: String,
    pub(super) rules: Vec<String>,
}

/// Fields of the answer that a rule masks.
#[derive(Serialize)]
pub(super) struct MaskedFields {
    pub(super) rule: String,
    /// The fields, as policies spell them.
    pub(super) fields: Vec<String>,
    /// What becomes of those that one of these names.
    pub(super) with: Vec<MaskedField>,
    /// What becomes of the others.
    pub(super) otherwise: String,
    /// What becomes of an answer that has no fields: `deny` refuses to show it, `mask` shows nothing in its place.
    pub(super) unresolved: &'static str,
}

/// Fields that are masked in a way of their own.
#[derive(Serialize)]
pub(super) struct MaskedField {
    pub(super) field: String,
    pub(super) mask: String,
}

/// A kind of value that is masked wherever it appears.
#[derive(Serialize)]
pub(super) struct MaskedValue {
    pub(super) detector: String,
    pub(super) mask: String,
}

/// A limit that applies.
#[derive(Serialize)]
pub(super) struct LimitReport {
    pub(super) rule: String,
    pub(super) count: u64,
    pub(super) unit: &'static str,
    /// In how many seconds; `None` is per command.
    pub(super) seconds: Option<u64>,
}

/// What evidence is kept.
#[derive(Serialize)]
pub(super) struct RecordReport {
    pub(super) results: bool,
    pub(super) strict: bool,
}

impl Report {
    pub(super) fn new(
        text: &str,
        subject: &Subject,
        connect: Judged,
        whole: Option<Judged>,
        statements: Vec<StatementReport>,
        rejected: Option<String>,
        notes: Vec<String>,
    ) -> Self {
        let listed = |groups: &Option<Box<[Box<str>]>>| {
            groups.as_ref().map(|groups| groups.iter().map(ToString::to_string).collect())
        };
        let who = &subject.principal;
        let verdict = match &whole {
            Some(whole) if connect.decision != "deny" => whole.decision,
            _ => "deny",
        };
        Self {
            command: text.to_owned(),
            user: who.id.to_string(),
            groups: listed(&who.groups),
            on_behalf_of: who.owner.as_ref().map(ToString::to_string),
            on_behalf_of_groups: listed(&who.owner_groups),
            target: subject.target.name.to_string(),
            labels: subject
                .target
                .labels
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
            verdict,
            connect,
            rejected,
            statements,
            notes,
        }
    }

    pub(super) fn is_allowed(&self) -> bool {
        self.verdict == "allow" && self.connect.decision == "allow"
    }
}

impl StatementReport {
    pub(super) fn new(text: &str, statement: &Statement, spelling: &Spelling, judged: Judged) -> Self {
        Self {
            text: text.get(statement.span.clone()).unwrap_or(text).trim().to_owned(),
            actions: statement.actions.iter().map(|action| texts::words(action, spelling)).collect(),
            judged,
            notes: notes(statement),
        }
    }

    /// What is judged as a whole.
    pub(super) fn of_actions(text: &str, actions: &ActionSet, spelling: &Spelling, judged: Judged) -> Self {
        Self {
            text: text.to_owned(),
            actions: actions.iter().map(|action| texts::words(action, spelling)).collect(),
            judged,
            notes: Vec::new(),
        }
    }
}

/// What could not be determined, and why.
fn notes(statement: &Statement) -> Vec<String> {
    let unparsed = match &statement.kind {
        Kind::Unparsed { message } => Some(format!("PostgreSQL's grammar says: {message}")),
        _ => None,
    };
    unparsed.into_iter().chain(statement.notes.iter().map(ToString::to_string)).collect()
}

impl Judged {
    pub(super) fn new(policy: &Policy, request: &Request<'_>, statement: Option<&Statement>) -> Self {
        let decision = policy.evaluate(request);
        let obligations = &decision.obligations;
        let outputs = statement.map_or(&[][..], |statement| &statement.outputs.0);
        Self {
            decision: word(&decision.verdict),
            explanation: policy.explain(request),
            observed: decision
                .observed
                .as_ref()
                .filter(|observed| observed.verdict != decision.verdict)
                .map(|observed| word(&observed.verdict)),
            pending: decision.depends_on.parameters,
            masked_columns: outputs
                .iter()
                .enumerate()
                .filter_map(|(index, output)| masked(policy, obligations, index, output))
                .collect(),
            masked_fields: obligations
                .masks
                .iter()
                .filter_map(|rule| policy.rule(*rule))
                .filter_map(|rule| match &rule.effect {
                    Effect::Mask(Mask { what: Masked::Fields(fields), unresolved, .. }) => {
                        Some(MaskedFields::new(&rule.id, fields, *unresolved))
                    }
                    _ => None,
                })
                .collect(),
            masked_values: policy
                .value_masks(obligations)
                .into_iter()
                .map(|(detector, transform)| MaskedValue {
                    detector: spelt(&detector),
                    mask: words(transform),
                })
                .collect(),
            limits: policy
                .limits(obligations)
                .map(|(rule, limit)| LimitReport {
                    rule: policy.rule_id(rule).map(RuleId::to_string).unwrap_or_default(),
                    count: limit.count,
                    unit: match limit.unit {
                        LimitUnit::Rows => "rows",
                        LimitUnit::Commands => "commands",
                        LimitUnit::Bytes => "bytes",
                    },
                    seconds: limit.window.map(|window| window.as_secs()),
                })
                .collect(),
            record: policy
                .record(obligations)
                .map(|record| RecordReport { results: record.results, strict: record.strict }),
        }
    }
}

const fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny(_) => "deny",
        Verdict::Hold(_) => "hold",
    }
}

/// How a returned column is masked, as far as that can be said without the database's definitions.
fn masked(policy: &Policy, obligations: &Obligations, index: usize, output: &Output) -> Option<MaskedColumn> {
    let named = output.name.as_ref().map_or_else(|| format!("column {}", index + 1), ToString::to_string);
    let mut masks = Vec::new();
    let mut from = Vec::new();
    let mut whole = Vec::new();
    for source in &output.sources {
        let mask = match (source.column_name(), source) {
            (Some(name), _) => policy.column_mask(obligations, &name),
            (None, ColumnRef::Whole(relation)) => {
                // Which columns there are is not known here; a mask on any of them will apply to it.
                if policy.masks_columns(obligations) {
                    whole.push(format!("{}.*", relation.name.display('.')));
                }
                None
            }
            (None, _) => match policy.untraced(obligations) {
                Some(Untraced::Mask(mask)) => Some(mask),
                Some(Untraced::Deny(_)) | None => None,
            },
        };
        if let Some(mask) = mask {
            masks.push(mask);
            from.push(source.to_string());
        }
    }
    let mask = match Transform::join_all(masks) {
        Some(mask) => words(mask),
        None if !whole.is_empty() => "those of its columns that a mask names".to_owned(),
        None => return None,
    };
    from.extend(whole);
    let rules = obligations.masks.iter().filter_map(|rule| policy.rule(*rule)).filter(
        |rule| matches!(&rule.effect, Effect::Mask(mask) if matches!(mask.what, Masked::Columns { .. })),
    );
    Some(MaskedColumn {
        column: if output.spread { "*".to_owned() } else { named },
        from,
        mask,
        rules: rules.map(|rule| rule.id.to_string()).collect(),
    })
}

impl MaskedFields {
    fn new(rule: &RuleId, mask: &FieldMask, unresolved: Unresolved) -> Self {
        Self {
            rule: rule.to_string(),
            fields: mask.fields.iter().map(field).collect(),
            with: mask
                .with
                .iter()
                .map(|(pattern, transform)| MaskedField { field: field(pattern), mask: words(*transform) })
                .collect(),
            otherwise: words(mask.otherwise),
            unresolved: match unresolved {
                Unresolved::Deny => "deny",
                Unresolved::Mask => "mask",
            },
        }
    }
}

/// A pattern of keys, as policies spell it: `items.*.'a.b'`.
fn field(pattern: &Pattern) -> String {
    let segments = pattern.segments.iter().map(|segment| {
        let is_plain = !segment.contains('.') && !segment.starts_with('\'') && !segment.is_empty();
        if is_plain { segment.to_string() } else { format!("'{}'", segment.replace('\'', "''")) }
    });
    segments.collect::<Vec<_>>().join(".")
}

/// As policies spell it.
fn words(transform: Transform) -> String {
    match transform {
        Transform::First(count) => format!("first({count})"),
        Transform::Last(count) => format!("last({count})"),
        other => spelt(&other),
    }
}

fn spelt(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        // None of them is anything but a word.
        other => format!("{other:?}"),
    }
}
