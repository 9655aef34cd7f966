//! Why a decision came out as it did, in plain words. Computed only when asked for.

use std::fmt;

use serde::Serialize;

use crate::action::{Action, Verb};
use crate::decision::{Breach, Denial, RuleIndex, Verdict};
use crate::policy::condition::Facts;
use crate::policy::{Clause, Entry, Policy};
use crate::request::Request;
use crate::rule::{Effect, Mode};
use crate::truth::Truth;
use crate::words::Words;

/// A decision and its reasons. "Forbidden by a rule" and "not permitted by anything" are different answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Explanation {
    /// The command may go through.
    Allow {
        /// For each action, in the command's order, what permits it.
        permitted: Vec<Permitted>,
    },
    /// A deny rule matches.
    Forbidden {
        /// The rule, the action and the clauses that matched.
        by: Matched,
    },
    /// Where the command's data flows would break a mask.
    Masked {
        /// The mask's name.
        rule: String,
        /// Where it stands, as `file:line:column`.
        place: Option<String>,
        /// What would break it.
        breach: Breach,
        /// The author's words.
        say: Option<String>,
    },
    /// Nothing allows an action.
    NotPermitted {
        /// The action, in words.
        action: String,
        /// The allow or hold that came nearest, where any names the verb.
        nearest: Option<Missed>,
    },
    /// The command waits for approval.
    Hold {
        /// The holds that are open.
        by: Vec<Matched>,
    },
}

/// An action that is covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Permitted {
    /// The action, in words.
    pub action: String,
    /// The allow, or the satisfied hold; `None` where it is the default.
    pub by: Option<String>,
}

/// A rule that applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matched {
    /// The rule's name.
    pub rule: String,
    /// Where it stands, as `file:line:column`.
    pub place: Option<String>,
    /// The first action that it matches, in words.
    pub action: String,
    /// Its clauses for that action; those that could not be determined restrict.
    pub clauses: Vec<Finding>,
    /// The author's words.
    pub say: Option<String>,
}

/// A rule that would have covered an action but for one clause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// The rule's name.
    pub rule: String,
    /// Where it stands, as `file:line:column`.
    pub place: Option<String>,
    /// The first clause that does not hold.
    pub failed: Finding,
}

/// What became of one clause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which clause.
    pub clause: Clause,
    /// As the policy says it.
    pub text: String,
    /// Whether it holds; of an `unless`, whether the exception does *not* apply.
    pub holds: Truth,
}

impl Policy {
    /// The decision on a request, and why. Looks at every rule: for people, not for the data path.
    pub fn explain(&self, request: &Request<'_>) -> Explanation {
        match self.evaluate(request).verdict {
            Verdict::Deny(Denial::Forbidden { by, action }) => {
                let action = request.actions.as_slice().get(action.0);
                match (self.entry(by), action) {
                    (Some(entry), Some(action)) => {
                        Explanation::Forbidden { by: self.matched(entry, action, request) }
                    }
                    // An index that this very policy just gave always names a rule and an action.
                    _ => Explanation::NotPermitted { action: "nothing".into(), nearest: None },
                }
            }
            Verdict::Deny(Denial::NotPermitted { action }) => {
                match request.actions.as_slice().get(action.0) {
                    Some(action) => Explanation::NotPermitted {
                        action: self.words(action, request),
                        nearest: self.nearest(action, request),
                    },
                    None => Explanation::NotPermitted { action: "nothing".into(), nearest: None },
                }
            }
            Verdict::Deny(Denial::Masked { by, breach }) => {
                let rule = self.rule(by);
                Explanation::Masked {
                    rule: rule.map(|rule| rule.id.to_string()).unwrap_or_default(),
                    place: rule.and_then(|rule| rule.place.as_ref()).map(ToString::to_string),
                    breach,
                    say: rule.and_then(|rule| rule.say.as_ref()).map(ToString::to_string),
                }
            }
            Verdict::Hold(holds) => {
                Explanation::Hold { by: holds.iter().filter_map(|hold| self.held(*hold, request)).collect() }
            }
            Verdict::Allow => Explanation::Allow {
                permitted: request.actions.iter().map(|action| self.permitted(action, request)).collect(),
            },
        }
    }

    fn words(&self, action: &Action, request: &Request<'_>) -> String {
        Words(action, self.spelling(&request.target.protocol)).to_string()
    }

    fn matched(&self, entry: &Entry, action: &Action, request: &Request<'_>) -> Matched {
        Matched {
            rule: entry.rule.id.to_string(),
            place: entry.rule.place.as_ref().map(ToString::to_string),
            action: self.words(action, request),
            clauses: self.findings(entry, action, request, Asking::Applies),
            say: entry.rule.say.as_ref().map(ToString::to_string),
        }
    }

    fn held(&self, hold: RuleIndex, request: &Request<'_>) -> Option<Matched> {
        let entry = self.entry(hold)?;
        let matches = |action: &&Action| {
            self.findings(entry, action, request, Asking::Applies)
                .iter()
                .all(|finding| finding.holds != Truth::False)
        };
        let action = request.actions.iter().find(matches)?;
        Some(self.matched(entry, action, request))
    }

    fn permitted(&self, action: &Action, request: &Request<'_>) -> Permitted {
        // With parameters pending, a cover may rest on what is not known yet.
        let covers = |least: Truth| {
            self.entries().filter(|(_, entry)| permits(entry)).find(|(_, entry)| {
                self.findings(entry, action, request, Asking::Covers)
                    .iter()
                    .all(|finding| finding.holds >= least)
            })
        };
        let by = covers(Truth::True)
            .or_else(|| covers(Truth::Undetermined))
            .map(|(_, entry)| entry.rule.id.to_string());
        Permitted { action: self.words(action, request), by }
    }

    /// The rule whose target and verb fit, and of whose other clauses most hold.
    fn nearest(&self, action: &Action, request: &Request<'_>) -> Option<Missed> {
        let verb = self.index.propose(&request.target.protocol, &action.verb).verb;
        // Rules for other targets come last, then those of which more does not hold.
        let mut best: Option<((bool, usize), Missed)> = None;
        for (_, entry) in self.entries() {
            if !permits(entry) || !(entry.matcher.does.is_none() || entry.matcher.names(verb)) {
                continue;
            }
            let mut open = self.findings(entry, action, request, Asking::Covers);
            open.retain(|finding| finding.holds != Truth::True);
            let elsewhere =
                open.iter().any(|finding| finding.clause == Clause::On && finding.holds == Truth::False);
            let distance = (elsewhere, open.len());
            let Some(failed) = open.into_iter().next() else { continue };
            if best.as_ref().is_none_or(|(least, _)| distance < *least) {
                let missed = Missed {
                    rule: entry.rule.id.to_string(),
                    place: entry.rule.place.as_ref().map(ToString::to_string),
                    failed,
                };
                best = Some((distance, missed));
            }
        }
        best.map(|(_, missed)| missed)
    }

    /// Every clause that the rule has and that matters for this action, in the order of reading.
    fn findings(
        &self,
        entry: &Entry,
        action: &Action,
        request: &Request<'_>,
        asking: Asking,
    ) -> Vec<Finding> {
        let spelling = self.spelling(&request.target.protocol);
        let verb = self.index.propose(&request.target.protocol, &action.verb).verb;
        let facts = &mut Facts::of(request);
        facts.action = Some(action);
        let (rule, matcher) = (&entry.rule.scope, &entry.matcher);
        let mut findings = Vec::new();
        let mut found = |clause, text: String, holds| findings.push(Finding { clause, text, holds });
        if !rule.on.is_empty() {
            let holds = matcher.on(request.target, facts).truth();
            found(Clause::On, Words(&*rule.on, spelling).to_string(), holds);
        }
        // Whoever may do anything at all may open a session.
        let covers = asking == Asking::Covers;
        let admits = covers && verb == Verb::CONNECT_NAME && !matcher.names(verb);
        match &rule.does {
            Some(does) if !admits => {
                let holds = matcher.does(verb, action, facts).truth();
                found(Clause::Do, Words(&**does, spelling).to_string(), holds);
            }
            None if covers && verb == Verb::UNKNOWN_NAME => {
                found(Clause::Do, "no `do`, so `unknown` is not named".into(), Truth::False);
            }
            _ => {}
        }
        if let Some(by) = &rule.by {
            found(Clause::By, format!("by {}", Words(by, spelling)), matcher.by(facts).truth());
        }
        if let (Some(when), false) = (&rule.when, admits) {
            found(Clause::When, format!("when {}", Words(when, spelling)), matcher.when(facts).truth());
        }
        if let (Some(unless), false) = (&rule.unless, admits) {
            let holds = matcher.not_excepted(facts).truth();
            found(Clause::Unless, format!("unless {}", Words(unless, spelling)), holds);
        }
        findings
    }
}

/// Opening a session and unknown effects are covered by other rules than they are restricted by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asking {
    Applies,
    Covers,
}

fn permits(entry: &Entry) -> bool {
    entry.rule.mode == Mode::Enforce && matches!(entry.rule.effect, Effect::Allow | Effect::Hold(_))
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow { permitted } => {
                f.write_str("allowed: ")?;
                separated(f, permitted, "; ", |f, permitted| match &permitted.by {
                    Some(rule) => write!(f, "{} by rule `{rule}`", permitted.action),
                    None => write!(f, "{} by default", permitted.action),
                })
            }
            Self::Forbidden { by } => write!(f, "forbidden by {by}"),
            Self::Masked { rule, place, breach, .. } => {
                write!(f, "forbidden by mask `{rule}`")?;
                if let Some(place) = place {
                    write!(f, " ({place})")?;
                }
                write!(f, ": {breach}")
            }
            Self::NotPermitted { action, nearest: Some(nearest) } => {
                write!(f, "not permitted: no rule allows {action}; the nearest, {nearest}")
            }
            Self::NotPermitted { action, nearest: None } => {
                write!(f, "not permitted: no rule allows {action}")
            }
            Self::Hold { by } => {
                f.write_str("held by ")?;
                separated(f, by, "; and by ", |f, matched| matched.fmt(f))
            }
        }
    }
}

impl fmt::Display for Matched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule `{}`", self.rule)?;
        if let Some(place) = &self.place {
            write!(f, " ({place})")?;
        }
        write!(f, ", which matches {}", self.action)?;
        if !self.clauses.is_empty() {
            f.write_str(": ")?;
            separated(f, &self.clauses, ", ", |f, finding| finding.fmt(f))?;
        }
        Ok(())
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule `{}`", self.rule)?;
        if let Some(place) = &self.place {
            write!(f, " ({place})")?;
        }
        match self.failed.holds {
            Truth::Undetermined => write!(f, ", can't be told to apply: {}", self.failed),
            _ => write!(f, ", does not apply because of `{}`", self.failed.text),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.text)?;
        if self.holds == Truth::Undetermined {
            f.write_str(" (which could not be determined, and so restricts)")?;
        }
        Ok(())
    }
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    between: &str,
    show: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        show(f, item)?;
    }
    Ok(())
}
