//! A decision made ready to be used many times: its evidence serialised, its words chosen, its limits found.

use std::sync::Arc;

use policy_core::decision::{ActionIndex, Breach, Denial, RuleIndex};
use policy_core::mask::{Detectors, DetectorsError};
use policy_core::rule::{LimitUnit, Record as Keep};
use policy_core::vocabulary::Spelling;
use policy_core::{
    Action, ActionSet, Decision, Obligations, Policy, Request, Resource, Slot, Value, Verdict,
};
use portcullis_evidence::record::{DecisionKind, Verdict as Words};
use portcullis_evidence::{Serialized, Text};

use super::asked::Stage;
use super::live::Live;
use super::refusal::{Refusal, RefusalKind};
use crate::limits::Bucket;
use crate::policies::Active;
use crate::session::SessionId;

/// A decision about one statement in one session, and all that follows from it.
#[derive(Debug)]
pub struct Judged {
    active: Arc<Active>,
    decision: Decision,
    pub(super) words: Serialized<Words<'static>>,
    pub(super) observed: Option<Serialized<Words<'static>>>,
    pub(super) answer: Answer,
    pub(super) limits: Box<[(LimitUnit, Arc<Bucket>)]>,
    /// Finds in evidence what the policy masks by content.
    pub(super) detectors: Option<Arc<Detectors>>,
    /// The session that asked.
    pub(super) session: SessionId,
    pub(super) stage: Stage,
    /// How it is kept; `None` where no rule says that it is to be recorded.
    pub(super) keep: Option<Keep>,
}

/// Why a decision can't be used. The command is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("the decision can't be recorded: {0}")]
    Unrecordable(#[from] serde_json::Error),
    #[error(transparent)]
    Undetectable(#[from] DetectorsError),
}

/// What the policy says, ready to be acted on.
#[derive(Debug)]
pub(super) enum Answer {
    Allow,
    Deny(Refusal),
    Hold,
}

impl Judged {
    /// Asks the policy. The one place in the data path that does.
    pub(super) fn evaluate(live: &Live, request: &Request<'_>, stage: Stage) -> Result<Self, Unusable> {
        let active = live.gateway.policies.current().clone();
        let decision = active.policy.evaluate(request);
        let policy = &active.policy;
        let answer = match &decision.verdict {
            Verdict::Allow => Answer::Allow,
            Verdict::Deny(denial) => Answer::Deny(denied(policy, denial, request)),
            Verdict::Hold(_) => Answer::Hold,
        };
        let mut words = words(policy, request, &decision.verdict, &decision.obligations);
        if matches!(decision.verdict, Verdict::Deny(_)) {
            words.because = Some(policy.explain(request).to_string().into());
        }
        let words = Serialized::new(&words)?;
        let observed = decision
            .observed
            .as_deref()
            .map(|seen| Serialized::new(&self::words(policy, request, &seen.verdict, &seen.obligations)))
            .transpose()?;
        let limits = policy
            .limits(&decision.obligations)
            .filter_map(|(rule, limit)| {
                let rule = policy.rule_id(rule)?;
                Some((limit.unit, live.gateway.limiter.bucket(&rule.0, &request.principal.id, limit)))
            })
            .collect();
        let keep = policy.record(decision.evidence_obligations());
        let detectors = live.gateway.detectors.get(&policy.value_masks(decision.evidence_obligations()))?;
        let session = live.entry.id;
        Ok(Self { words, observed, answer, limits, detectors, session, stage, keep, decision, active })
    }

    /// The policy that decided. Obligations mean something only together with it.
    pub fn policy(&self) -> &Policy {
        &self.active.policy
    }

    /// The policy that decided, kept.
    pub(super) fn active(&self) -> Arc<Active> {
        Arc::clone(&self.active)
    }

    /// Which policy it was: see [`Active::generation`].
    pub fn generation(&self) -> u64 {
        self.active.generation
    }

    /// The decision.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// What must be done to what comes back.
    pub fn obligations(&self) -> &Obligations {
        &self.decision.obligations
    }

    /// The rules that decided, by name.
    pub(super) fn decided_by(&self) -> Vec<Text<'_>> {
        let rules: &[RuleIndex] = match &self.decision.verdict {
            Verdict::Allow | Verdict::Deny(Denial::NotPermitted { .. }) => &[],
            Verdict::Deny(Denial::Forbidden { by, .. } | Denial::Masked { by, .. }) => {
                std::slice::from_ref(by)
            }
            Verdict::Hold(holds) => holds,
        };
        let policy = &self.active.policy;
        rules.iter().filter_map(|rule| policy.rule_id(*rule)).map(|id| (&*id.0).into()).collect()
    }

    /// What the person concerned is told by rules in `mode warn`.
    pub fn warnings(&self) -> Vec<String> {
        let said = |rule: &RuleIndex| {
            let rule = self.active.policy.rule(*rule)?;
            Some(match &rule.say {
                Some(words) => words.to_string(),
                None => format!("the rule `{}` is about what you typed", rule.id),
            })
        };
        self.decision.warned.iter().filter_map(said).collect()
    }

    /// Whether (masked) results are recorded.
    pub fn records_results(&self) -> bool {
        self.keep.is_some_and(|keep| keep.results)
    }

    /// Whether the intent must be on disk, not only in the kernel.
    pub(super) fn strict(&self) -> bool {
        self.keep.is_some_and(|keep| keep.strict)
    }

    /// Whether the same question in the same session gets the same answer, whenever it is asked. The source is the
    /// session's own; parameters are part of the statement that was asked about.
    pub(super) fn lasts(&self) -> bool {
        let depends_on = self.decision.depends_on;
        !depends_on.clock && !depends_on.grants
    }

    /// Asks the store for more of what limits count, after [`Receipt::take`](super::Receipt::take) found too few here.
    ///
    /// # Errors
    /// Where the store can't answer: nothing more of the command may be forwarded.
    pub async fn fetch(self: Arc<Self>, unit: LimitUnit, units: u64) -> Result<(), Refusal> {
        for (_, bucket) in self.limits.iter().filter(|(counted, _)| *counted == unit) {
            bucket.fetch(units).await.map_err(|error| Refusal::unavailable(error.to_string()))?;
        }
        Ok(())
    }

    /// Whether what was admitted may go on, as far as the policy alone is concerned: the time of day did not matter.
    pub(super) fn stands(&self) -> bool {
        matches!(self.answer, Answer::Allow)
            && self.stage == Stage::Execute
            && !self.decision.depends_on.clock
    }

    /// Whether rows, commands or bytes are counted.
    pub fn counts(&self, unit: LimitUnit) -> bool {
        self.limits.iter().any(|(counted, _)| *counted == unit)
    }
}

/// An action in words, such as `delete public.orders`.
pub(super) fn in_words(action: &Action, spelling: &Spelling) -> String {
    match (&action.resource, spelling.resource(action)) {
        (_, Some(resource)) => format!("{} {resource}", action.verb),
        (Resource::Pending, _) => format!("{} (not bound yet)", action.verb),
        (Resource::Undetermined, _) => format!("{} (undetermined)", action.verb),
        _ => action.verb.to_string(),
    }
}

fn words(
    policy: &Policy,
    request: &Request<'_>,
    verdict: &Verdict,
    obligations: &Obligations,
) -> Words<'static> {
    let name = |rule: &RuleIndex| policy.rule_id(*rule).map(|id| id.0.to_string());
    let (decision, rules, because) = match verdict {
        Verdict::Allow => (DecisionKind::Allow, Vec::new(), None),
        Verdict::Deny(Denial::Forbidden { by, action }) => {
            (DecisionKind::Deny, name(by).into_iter().collect(), Some(action_words(policy, request, *action)))
        }
        Verdict::Deny(Denial::NotPermitted { action }) => {
            let because = format!("nothing permits {}", action_words(policy, request, *action));
            (DecisionKind::Deny, Vec::new(), Some(because))
        }
        Verdict::Deny(Denial::Masked { by, breach }) => {
            (DecisionKind::Deny, name(by).into_iter().collect(), Some(breach_words(*breach).to_owned()))
        }
        Verdict::Hold(holds) => (DecisionKind::Hold, holds.iter().filter_map(name).collect(), None),
    };
    let Obligations { masks, limits, records } = obligations;
    let obligations = [("mask", masks), ("limit", limits), ("record", records)]
        .iter()
        .flat_map(|(kind, rules)| rules.iter().filter_map(move |rule| Some((kind, name(rule)?))))
        .map(|(kind, rule)| format!("{kind} {rule}").into())
        .collect();
    Words {
        decision,
        rules: rules.into_iter().map(Into::into).collect(),
        because: because.map(Into::into),
        obligations,
        policy: policy.digest().to_string().into(),
    }
}

/// The same for the person who asked, who may see which of their words are meant: `exec grep w`.
fn asked_words(policy: &Policy, request: &Request<'_>, index: ActionIndex) -> String {
    let words = action_words(policy, request, index);
    // What is typed into a shell is noticed, and what is said of that goes into evidence too.
    let action = request.actions.as_slice().get(index.0).filter(|action| action.verb.as_str() == "exec");
    let argv = action.and_then(|action| action.attribute("argv"));
    let list: Vec<&str> = match argv {
        Some(Value::List(list)) => list.iter().map(|word| &**word).collect(),
        Some(Value::Open(slots)) => slots
            .iter()
            .map(|slot| match slot {
                Slot::Text(word) => &**word,
                Slot::One => "?",
                Slot::Many => "…",
            })
            .collect(),
        _ => return words,
    };
    let mut line = format!("{words} {}", list.join(" "));
    if let Some((cut, _)) = line.char_indices().nth(SHOWN_WORDS) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

/// The most of a command line that a refusal repeats, in characters.
const SHOWN_WORDS: usize = 100;

fn action_words(policy: &Policy, request: &Request<'_>, index: ActionIndex) -> String {
    let action = request.actions.as_slice().get(index.0);
    action.map_or_else(String::new, |action| in_words(action, policy.spelling(&request.target.protocol)))
}

fn denied(policy: &Policy, denial: &Denial, request: &Request<'_>) -> Refusal {
    match denial {
        Denial::Forbidden { by, action } => {
            let rule = policy.rule(*by);
            let id = rule.map(|rule| rule.id.to_string()).unwrap_or_default();
            let what = asked_words(policy, request, *action);
            let said = rule.and_then(|rule| rule.say.as_deref());
            // What a rule has to say is about what it names; whether this is that is just what is not known.
            let message = match request.actions.as_slice().get(action.0).map(|action| &action.resource) {
                Some(Resource::Undetermined) => {
                    format!(
                        "what `{what}` reaches is not known to the gateway, and may be what a rule forbids"
                    )
                }
                Some(Resource::Tree(_)) => {
                    let because = said.map_or_else(String::new, |said| format!(": {said}"));
                    format!("something in `{what}` may be what the rule `{id}` forbids{because}")
                }
                _ => said.map_or_else(|| format!("`{what}` is forbidden by the rule `{id}`"), Into::into),
            };
            Refusal {
                kind: RefusalKind::Forbidden,
                message: message.into(),
                hint: format!("denied by the rule `{id}`; whoever keeps the policy can change it").into(),
                rule: Some(id.into()),
            }
        }
        Denial::Masked { by, breach } => {
            let rule = policy.rule(*by);
            let id = rule.map(|rule| rule.id.to_string()).unwrap_or_default();
            let said = rule.and_then(|rule| rule.say.as_deref());
            let because = breach_words(*breach);
            Refusal {
                kind: RefusalKind::Forbidden,
                message: said.unwrap_or(because).into(),
                hint: format!("denied by the mask `{id}`: {because}").into(),
                rule: Some(id.into()),
            }
        }
        Denial::NotPermitted { action } => {
            let what = asked_words(policy, request, *action);
            Refusal {
                kind: RefusalKind::NotPermitted,
                rule: None,
                message: format!("no rule permits `{what}`").into(),
                hint: "ask whoever keeps the policy for an allow rule; `portcullis explain` shows what is missing".into(),
            }
        }
    }
}

const fn breach_words(breach: Breach) -> &'static str {
    match breach {
        Breach::Written => {
            "masked data, or data that can't be traced, would be written where no mask reaches"
        }
        Breach::Untraced => "the result can't be traced to the columns it comes from, and some may be masked",
        Breach::Predicate => {
            "a masked column decides about rows, which would answer questions about its values"
        }
    }
}

/// The set as it is judged at execution: whatever is still pending then can't be determined.
pub(super) fn bound(actions: &Arc<ActionSet>) -> Arc<ActionSet> {
    let pending = |action: &Action| {
        action.resource == Resource::Pending
            || action.attributes().iter().any(|attribute| attribute.value == Value::Pending)
    };
    if !actions.iter().any(pending) {
        return Arc::clone(actions);
    }
    let set = ActionSet::new(actions.iter().map(|action| {
        let resource = match &action.resource {
            Resource::Pending => Resource::Undetermined,
            other => other.clone(),
        };
        action.attributes().iter().fold(Action::new(action.verb.clone(), resource), |action, attribute| {
            let value = match &attribute.value {
                Value::Pending => Value::Undetermined,
                other => other.clone(),
            };
            action.with(attribute.name.clone(), value)
        })
    }));
    Arc::new(match actions.lineage() {
        Some(lineage) => set.with_lineage(lineage.clone()),
        None => set,
    })
}
