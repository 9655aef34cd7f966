//! The answer: a verdict, the obligations that go with it, and what both depended on.

use std::fmt;

use smallvec::SmallVec;

/// A rule of one [`crate::Policy`], to be looked up there. Small enough to keep in every decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleIndex(pub u32);

/// An action of the request, by its place in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionIndex(pub usize);

/// Rules, each once, in the policy's own order. Few enough to need no allocation as a rule.
pub type Rules = SmallVec<[RuleIndex; 4]>;

/// What a policy says to a request. [`crate::Policy::explain`] says why in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the command may go through.
    pub verdict: Verdict,
    /// What must happen along with it. Complete for refused and held commands too: evidence of them is
    /// masked and recorded by the same rules.
    pub obligations: Obligations,
    /// The holds that a grant satisfied: the grants that forwarding the command consumes.
    pub granted: Rules,
    /// What the decision would be with the rules in `mode observe`; `None` where none of them applies.
    pub observed: Option<Box<Observed>>,
    /// Denials in `mode warn` that match: the person concerned is told, and nothing else follows.
    pub warned: Rules,
    /// What else than principal, target and actions the decision depended on.
    pub depends_on: Dependence,
}

/// Whether a command may go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allow,
    /// It may not.
    Deny(Denial),
    /// It may once each of these holds is satisfied; never empty.
    Hold(Rules),
}

/// Why a command is refused. These are different answers to the person who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// A deny rule matches an action.
    Forbidden {
        /// The rule; the first in the policy's own order if several match.
        by: RuleIndex,
        /// The first action that it matches.
        action: ActionIndex,
    },
    /// No allow and no hold covers an action.
    NotPermitted {
        /// The first such action.
        action: ActionIndex,
    },
    /// A mask can't be kept: see [`crate::lineage`].
    Masked {
        /// The mask; the first in the policy's own order if several can't be kept.
        by: RuleIndex,
        /// What would break it.
        breach: Breach,
    },
}

/// How a command would break a column mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Breach {
    /// Masked data, or data that can't be traced, would be written or defined somewhere.
    Written,
    /// What is shown can't be traced to its columns, and the mask says `unresolved deny`.
    Untraced,
    /// A masked column decides about rows, and the mask says `predicates deny`.
    Predicate,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Written => {
                "masked data, or data that can't be traced, would be written where its mask is lost"
            }
            Self::Untraced => "what is shown can't be traced to its columns",
            Self::Predicate => "a masked column decides about rows",
        })
    }
}

/// The mask, limit and record rules that apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obligations {
    /// Masks; see [`crate::Policy::column_mask`], [`crate::Policy::value_masks`] and [`crate::Policy::field_masks`].
    pub masks: Rules,
    /// Limits, all of which apply; see [`crate::Policy::limits`].
    pub limits: Rules,
    /// Demands on evidence; see [`crate::Policy::record`].
    pub records: Rules,
}

/// The decision as it would be with the rules in `mode observe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The verdict.
    pub verdict: Verdict,
    /// The obligations: the enforced ones and those of the observed rules.
    pub obligations: Obligations,
}

/// What a decision depended on besides principal, target, actions and policy. A caller may reuse a
/// decision for as long as what it depended on stays the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dependence {
    /// The time of asking.
    pub clock: bool,
    /// Parameters that are not bound yet: execution must be judged anew.
    pub parameters: bool,
    /// Grants: a hold matched, whether or not it was satisfied.
    pub grants: bool,
    /// The address that the client connects from.
    pub source: bool,
}

impl Decision {
    /// Whether the command may go through now.
    pub fn is_allow(&self) -> bool {
        self.verdict == Verdict::Allow
    }

    /// What evidence is masked and recorded by: the obligations of both decisions.
    pub fn evidence_obligations(&self) -> &Obligations {
        self.observed.as_ref().map_or(&self.obligations, |observed| &observed.obligations)
    }
}

impl Dependence {
    /// Whether nothing but principal, target, actions and policy mattered.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}
