//! The verdict: a pure function of policy and request.
//!
//! - A **deny** refuses the command if it matches **any** action. An action that neither an allow nor a
//!   hold covers refuses it too. This is decided before anyone is asked.
//! - A **hold** delays the command until it is satisfied, and covers only the actions that it matched.
//! - A column **mask** refuses a command whose [`lineage`](crate::lineage) would break it.
//! - Otherwise the command is allowed. Masks, limits and records accumulate, whatever the verdict.
//!
//! Conditions are three-valued, and what is undetermined restricts: deny, hold, mask, limit and record
//! apply; allow, a hold's cover and `unless` do not. Conditions on values that are pending (a prepared
//! statement's parameters) are deferred: a deny or hold applies only if it applies whatever is bound, an
//! allow covers if it may; the decision says that it depends on parameters.
//!
//! Four verbs are special. `unknown` (and any verb that the vocabulary lacks) is matched by a deny or hold
//! without `do`, but *covered* only by a rule that names it, and never by `default allow`. `connect` is
//! covered by any allow or hold whose `by` and `on` match; a hold delays it only if it names it. `pty` beside an
//! `exec` or a `shell` is covered by what covers that. `typed` needs no cover, and a deny, hold or limit matches it only if it
//! names it: a line that was typed is noticed, not permitted.

use crate::action::{Action, Verb};
use crate::decision::{
    ActionIndex, Breach, Decision, Denial, Obligations, Observed, RuleIndex, Rules, Verdict,
};
use crate::policy::condition::Facts;
use crate::policy::{Entry, Policy};
use crate::request::Request;
use crate::rule::{Effect, Fallback, HoldKey, Mode};
use crate::truth::Prospect;

impl Policy {
    /// Judges a request. Allocates nothing unless more rules match than a decision holds inline, or
    /// rules in `mode observe` make a difference.
    pub fn evaluate(&self, request: &Request<'_>) -> Decision {
        let mut facts = Facts::of(request);
        let enforced = self.judge(request, &mut facts, Mode::Enforce);
        let verdict = enforced.verdict();
        let observed = self
            .observes
            .then(|| self.judge(request, &mut facts, Mode::Observe))
            .map(|watched| Observed { verdict: watched.verdict(), obligations: watched.obligations })
            .filter(|observed| observed.verdict != verdict || observed.obligations != enforced.obligations)
            .map(Box::new);
        Decision {
            verdict,
            obligations: enforced.obligations,
            granted: enforced.granted,
            observed,
            warned: enforced.warned,
            depends_on: facts.read,
        }
    }

    /// With [`Mode::Observe`], the rules in another mode than `enforce` take part as if they were enforced.
    fn judge<'r>(&self, request: &'r Request<'r>, facts: &mut Facts<'r>, mode: Mode) -> Tally {
        let mut tally = Tally::default();
        for (number, action) in request.actions.iter().enumerate() {
            facts.action = Some(action);
            let proposals = self.index.propose(&request.target.protocol, &action.verb);
            let verb = proposals.verb;
            let mut covered = self.fallback == Fallback::Allow && verb != Verb::UNKNOWN_NAME
                || request.actions.needs_no_cover(verb);
            proposals.each(request.principal, request.target, &action.resource, |rule, does_holds| {
                let Some(entry) = self.entry(rule) else { return };
                if mode == Mode::Enforce {
                    match entry.rule.mode {
                        Mode::Enforce => {}
                        Mode::Observe => return,
                        Mode::Warn => {
                            if entry.bearing(request, verb, action, does_holds, facts).applies {
                                tally.warn(rule);
                            }
                            return;
                        }
                    }
                }
                if covered && entry.rule.effect == Effect::Allow {
                    return;
                }
                let bearing = entry.bearing(request, verb, action, does_holds, facts);
                covered |= bearing.covers;
                if bearing.applies {
                    tally.apply(rule, entry, ActionIndex(number), request.grants);
                }
                facts.read.grants |= bearing.applies && entry.hold.is_some();
            });
            if !covered && tally.uncovered.is_none() {
                tally.uncovered = Some(ActionIndex(number));
            }
        }
        tally.settle();
        if let Some(lineage) = request.actions.lineage() {
            tally.breach = self.breach(&tally.obligations, lineage);
        }
        tally
    }
}

/// What one rule does to one action.
#[derive(Clone, Copy)]
pub(crate) struct Bearing {
    /// The action is covered, for a hold once it is satisfied.
    pub(crate) covers: bool,
    /// The effect restricts or obliges.
    pub(crate) applies: bool,
}

impl Entry {
    fn bearing(
        &self,
        request: &Request<'_>,
        verb: &str,
        action: &Action,
        does_holds: bool,
        facts: &mut Facts<'_>,
    ) -> Bearing {
        let permits = matches!(self.rule.effect, Effect::Allow | Effect::Hold(_));
        if permits && verb == Verb::CONNECT_NAME && !self.matcher.names(verb) {
            let covers = self.matcher.admits(request.target, facts).covers();
            return Bearing { covers, applies: false };
        }
        if verb == Verb::TYPED_NAME && self.rule.effect.restricts() && !self.matcher.names(verb) {
            return Bearing { covers: false, applies: false };
        }
        let matched = self.matcher.matches(request.target, verb, action, does_holds, facts);
        let may_cover = verb != Verb::UNKNOWN_NAME || self.matcher.names(verb);
        Bearing::of(&self.rule.effect, matched, may_cover)
    }
}

impl Bearing {
    fn of(effect: &Effect, matched: Prospect, may_cover: bool) -> Self {
        match effect {
            Effect::Allow => Self { covers: may_cover && matched.covers(), applies: false },
            Effect::Deny => Self { covers: false, applies: matched.restricts() },
            Effect::Hold(_) => Self { covers: may_cover && matched.covers(), applies: matched.restricts() },
            Effect::Mask(_) | Effect::Limit(_) | Effect::Record(_) => {
                Self { covers: false, applies: matched.obliges() }
            }
        }
    }
}

/// What was found so far.
#[derive(Default)]
struct Tally {
    forbidden: Option<(RuleIndex, ActionIndex)>,
    uncovered: Option<ActionIndex>,
    open: Rules,
    granted: Rules,
    warned: Rules,
    obligations: Obligations,
    breach: Option<(RuleIndex, Breach)>,
}

impl Tally {
    fn apply(&mut self, rule: RuleIndex, entry: &Entry, action: ActionIndex, grants: &[HoldKey]) {
        let list = match &entry.rule.effect {
            Effect::Allow => return,
            Effect::Deny => {
                let found = (rule, action);
                self.forbidden = Some(self.forbidden.map_or(found, |first| first.min(found)));
                return;
            }
            Effect::Hold(_) => match &entry.hold {
                Some(key) if grants.contains(key) => &mut self.granted,
                _ => &mut self.open,
            },
            Effect::Mask(_) => &mut self.obligations.masks,
            Effect::Limit(_) => &mut self.obligations.limits,
            Effect::Record(_) => &mut self.obligations.records,
        };
        if !list.contains(&rule) {
            list.push(rule);
        }
    }

    fn warn(&mut self, rule: RuleIndex) {
        if !self.warned.contains(&rule) {
            self.warned.push(rule);
        }
    }

    /// Rules are found in the order of the index; decisions name them in the order of the policy.
    fn settle(&mut self) {
        let Obligations { masks, limits, records } = &mut self.obligations;
        for list in [&mut self.open, &mut self.granted, &mut self.warned, masks, limits, records] {
            list.sort_unstable();
        }
    }

    fn verdict(&self) -> Verdict {
        match (self.forbidden, self.uncovered, self.breach) {
            (Some((by, action)), _, _) => Verdict::Deny(Denial::Forbidden { by, action }),
            (None, Some(action), _) => Verdict::Deny(Denial::NotPermitted { action }),
            (None, None, Some((by, breach))) => Verdict::Deny(Denial::Masked { by, breach }),
            (None, None, None) if !self.open.is_empty() => Verdict::Hold(self.open.clone()),
            (None, None, None) => Verdict::Allow,
        }
    }
}
