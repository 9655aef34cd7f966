//! The answer for people.

use policy_core::Explanation;
use policy_core::explain::{Finding, Matched};
use policy_core::truth::Truth;
use portcullis_evidence::inert;

use super::report::{Judged, Report, StatementReport};
use crate::failure::Failure;
use crate::output::{Output, Tone};

pub(super) fn show(output: Output, report: &Report) -> Result<(), Failure> {
    let page = Page(output);
    let mut who = format!("{} ({})", inert::line(&report.user), groups(report.groups.as_deref()));
    if let Some(owner) = &report.on_behalf_of {
        let groups = groups(report.on_behalf_of_groups.as_deref());
        who.push_str(&format!(", on behalf of {} ({groups}),", inert::line(owner)));
    }
    let labels: Vec<String> = report.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!(" ({})", labels.join(", ")) };
    output.line(&format!("{who} at {}{labels}", report.target))?;
    if report.connect.decision != "allow" {
        output.line("")?;
        page.field("connect", &page.verdict(report.connect.decision))?;
        page.reasons(&report.connect)?;
    }
    if let Some(rejected) = &report.rejected {
        output.line("")?;
        page.field("verdict", &page.verdict("deny"))?;
        page.field("because", &format!("it is refused before any rule is asked: {}", inert::line(rejected)))?;
    }
    for statement in &report.statements {
        page.statement(statement)?;
    }
    if report.statements.len() > 1 {
        output.line("")?;
        let all = "sent as one message they stand or fall together";
        page.field("together", &format!("{}: {all}", page.verdict(report.verdict)))?;
    }
    output.line("")?;
    for note in &report.notes {
        output.line(&output.tone(Tone::Faint, &format!("note: {note}")))?;
    }
    Ok(())
}

fn groups(groups: Option<&[String]>) -> String {
    match groups {
        Some([]) => "no groups".to_owned(),
        Some(groups) => groups.join(", "),
        None => "groups unknown".to_owned(),
    }
}

struct Page(Output);

impl Page {
    fn field(&self, name: &str, text: &str) -> Result<(), Failure> {
        self.0.line(&format!("  {} {text}", self.0.tone(Tone::Faint, &format!("{name:<9}"))))
    }

    fn verdict(&self, decision: &str) -> String {
        match decision {
            "allow" => self.0.tone(Tone::Good, "allowed"),
            "hold" => self.0.tone(Tone::Caution, "held until it is approved"),
            _ => self.0.tone(Tone::Bad, "denied"),
        }
    }

    fn statement(&self, statement: &StatementReport) -> Result<(), Failure> {
        self.0.line("")?;
        let text = inert::lines(&statement.text).to_string();
        for line in text.lines() {
            self.0.line(&self.0.tone(Tone::Strong, line))?;
        }
        for (index, action) in statement.actions.iter().enumerate() {
            self.field(if index == 0 { "does" } else { "" }, &inert::line(action).to_string())?;
        }
        let judged = &statement.judged;
        self.field("verdict", &self.verdict(judged.decision))?;
        self.reasons(judged)?;
        if let Some(observed) = judged.observed {
            self.field("observed", &format!("with the rules in `mode observe`: {}", self.verdict(observed)))?;
        }
        if judged.pending {
            self.field("pending", "it depends on parameters, and is judged again once they are bound")?;
        }
        if judged.decision != "deny" {
            self.obligations(judged)?;
        }
        for note in &statement.notes {
            self.field("note", &inert::line(note).to_string())?;
        }
        Ok(())
    }

    fn reasons(&self, judged: &Judged) -> Result<(), Failure> {
        match &judged.explanation {
            Explanation::Allow { permitted } => {
                let mut because: Vec<String> = Vec::new();
                for permitted in permitted {
                    let line = match &permitted.by {
                        Some(rule) => format!("rule `{rule}` permits {}", inert::line(&permitted.action)),
                        None => format!("the default permits {}", inert::line(&permitted.action)),
                    };
                    if !because.contains(&line) {
                        because.push(line);
                    }
                }
                self.list("because", &because)
            }
            Explanation::Forbidden { by } => self.matched("because", by),
            Explanation::Hold { by } => by.iter().try_for_each(|hold| self.matched("because", hold)),
            Explanation::Masked { rule, place, breach, say } => {
                self.field(
                    "because",
                    &format!("mask {} can't be kept: {breach}", named(rule, place.as_ref())),
                )?;
                say.iter().try_for_each(|say| self.field("says", say))
            }
            Explanation::NotPermitted { action, nearest } => {
                self.field("because", &format!("nothing permits {}", inert::line(action)))?;
                let Some(nearest) = nearest else { return Ok(()) };
                let failed = match nearest.failed.holds {
                    Truth::Undetermined => "can't be told to hold",
                    _ => "does not hold",
                };
                let rule = named(&nearest.rule, nearest.place.as_ref());
                self.field("nearest", &format!("{rule}, of which `{}` {failed}", nearest.failed.text))
            }
        }
    }

    fn matched(&self, name: &str, matched: &Matched) -> Result<(), Failure> {
        let rule = named(&matched.rule, matched.place.as_ref());
        self.field(name, &format!("{rule} matches {}", inert::line(&matched.action)))?;
        for Finding { text, holds, .. } in &matched.clauses {
            let unsure = if *holds == Truth::Undetermined { "  (undetermined, so it restricts)" } else { "" };
            self.field("", &format!("  {text}{unsure}"))?;
        }
        matched.say.iter().try_for_each(|say| self.field("says", say))
    }

    fn obligations(&self, judged: &Judged) -> Result<(), Failure> {
        let columns = judged.masked_columns.iter().map(|masked| {
            let from = masked.from.join(", ");
            let rules = masked.rules.iter().map(|rule| format!("`{rule}`")).collect::<Vec<_>>().join(", ");
            format!(
                "{} (from {}): {}, by {rules}",
                inert::line(&masked.column),
                inert::line(&from),
                masked.mask
            )
        });
        let fields = judged.masked_fields.iter().flat_map(|masked| {
            let named = masked.with.iter().map(|with| format!("{} for {}", with.mask, with.field));
            let mask = if masked.with.is_empty() {
                masked.otherwise.clone()
            } else {
                named.chain([format!("{} otherwise", masked.otherwise)]).collect::<Vec<_>>().join(", ")
            };
            let without = match masked.unresolved {
                "mask" => "of an answer that has no fields nothing is shown",
                _ => "an answer that has no fields is not shown",
            };
            let what = format!("fields {}: {mask}, by `{}`", masked.fields.join(", "), masked.rule);
            [inert::line(&what).to_string(), format!("  {without}")]
        });
        self.list("masks", &columns.chain(fields).collect::<Vec<_>>())?;
        if !judged.masked_values.is_empty() {
            let values: Vec<String> = judged
                .masked_values
                .iter()
                .map(|value| format!("{} {}", value.detector, value.mask))
                .collect();
            self.field("values", &format!("masked wherever they appear: {}", values.join(", ")))?;
        }
        let limits = judged.limits.iter().map(|limit| {
            let window = limit.seconds.map_or("command".to_owned(), |seconds| format!("{seconds} s"));
            format!("{} {} per {window}, by `{}`", limit.count, limit.unit, limit.rule)
        });
        self.list("limits", &limits.collect::<Vec<_>>())?;
        if let Some(record) = &judged.record {
            let results = if record.results { "decision and masked results" } else { "decision" };
            let strict = if record.strict { ", on disk before it is forwarded" } else { "" };
            self.field("records", &format!("{results}{strict}"))?;
        }
        Ok(())
    }

    fn list(&self, name: &str, lines: &[String]) -> Result<(), Failure> {
        let names = std::iter::once(name).chain(std::iter::repeat(""));
        names.zip(lines).try_for_each(|(name, line)| self.field(name, line))
    }
}

fn named(rule: &str, place: Option<&String>) -> String {
    match place {
        Some(place) => format!("rule `{rule}` ({place})"),
        None => format!("rule `{rule}`"),
    }
}
