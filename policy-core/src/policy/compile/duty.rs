//! Effects to what they need at evaluation.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Checker;
use crate::mask::FieldMasks;
use crate::policy::condition::Condition;
use crate::policy::error::{Clause, Problem};
use crate::policy::glob::Glob;
use crate::rule::{Effect, LimitUnit, Masked, Predicates, Quorum};
use crate::subject::Protocol;
use crate::vocabulary::{Capability, Vocabulary};

/// What an effect needs at evaluation, made ready.
#[derive(Clone, Debug)]
pub(in crate::policy) enum Duty {
    /// Nothing beyond the rule itself.
    None,
    /// Who may approve, and who may watch.
    Review { approve: Option<Condition>, watch: Option<Condition> },
    /// Which columns are masked, and how.
    Columns { columns: Box<[Glob]>, with: Box<[Glob]> },
    /// Which fields are masked, and how.
    Fields(Arc<FieldMasks>),
}

impl Checker<'_> {
    pub(super) fn duty(&mut self, protocols: &[&Vocabulary]) -> Duty {
        self.clause = Clause::Effect;
        let rule = self.rule;
        match &rule.effect {
            Effect::Allow | Effect::Deny => Duty::None,
            Effect::Hold(requirement) => {
                self.clause = Clause::Until;
                if requirement.within.is_zero() {
                    self.report(Problem::Missing {
                        what: "`within`",
                        reason: "the hold would expire at once",
                    });
                }
                if requirement.in_transaction {
                    self.needs(protocols, Capability::Transactions);
                }
                if let Some(answer) = requirement.answer_after {
                    self.needs(protocols, Capability::ComeBack);
                    if answer.is_zero() {
                        self.report(Problem::Missing {
                            what: "`answer after`",
                            reason: "the client would be answered before anybody is asked",
                        });
                    }
                }
                if requirement.approve.is_none() && requirement.watch.is_none() {
                    self.report(Problem::Missing {
                        what: "who approves or watches",
                        reason: "nothing would ever release the command",
                    });
                }
                if requirement.watch.is_some() {
                    self.needs(protocols, Capability::Watch);
                }
                let of = |checker: &mut Self, quorum: &Option<Quorum>| {
                    quorum.as_ref().map(|quorum| checker.condition(&quorum.of, 0))
                };
                let approve = of(self, &requirement.approve);
                self.clause = Clause::While;
                Duty::Review { approve, watch: of(self, &requirement.watch) }
            }
            Effect::Mask(mask) => match &mask.what {
                Masked::Columns { columns, with, .. } => {
                    self.needs(protocols, Capability::MaskColumns);
                    if columns.is_empty() {
                        self.report(Problem::Missing {
                            what: "a column",
                            reason: "the mask would cover nothing",
                        });
                    }
                    if columns
                        .iter()
                        .chain(with.iter().map(|(pattern, _)| pattern))
                        .any(|pattern| pattern.segments.is_empty())
                    {
                        self.report(Problem::Segments { subject: "a column", segments: 0 });
                    }
                    Duty::Columns {
                        columns: columns.iter().map(Glob::new).collect(),
                        with: with.iter().map(|(pattern, _)| Glob::new(pattern)).collect(),
                    }
                }
                Masked::Values { detectors, .. } => {
                    self.needs(protocols, Capability::MaskValues);
                    if detectors.is_empty() {
                        self.report(Problem::Missing {
                            what: "a detector",
                            reason: "the mask would cover nothing",
                        });
                    }
                    Duty::None
                }
                Masked::Fields(fields) => {
                    self.needs(protocols, Capability::MaskFields);
                    if fields.fields.is_empty() {
                        self.report(Problem::Missing {
                            what: "a field",
                            reason: "the mask would cover nothing",
                        });
                    }
                    let named = fields.with.iter().map(|(pattern, _)| pattern);
                    if fields.fields.iter().chain(named).any(|pattern| pattern.segments.is_empty()) {
                        self.report(Problem::Segments { subject: "a field", segments: 0 });
                    }
                    if mask.predicates == Predicates::Deny {
                        self.report(Problem::NoPredicates);
                    }
                    Duty::Fields(Arc::new(FieldMasks::new([fields])))
                }
            },
            Effect::Limit(limit) => {
                self.needs(
                    protocols,
                    match limit.unit {
                        LimitUnit::Rows => Capability::LimitRows,
                        LimitUnit::Commands => Capability::LimitCommands,
                        LimitUnit::Bytes => Capability::LimitBytes,
                    },
                );
                if limit.window.is_some_and(|window| window.is_zero()) {
                    self.report(Problem::Missing {
                        what: "the limit's time",
                        reason: "nothing can be counted in no time",
                    });
                }
                Duty::None
            }
            Effect::Record(record) => {
                if record.results {
                    self.needs(protocols, Capability::RecordResults);
                }
                Duty::None
            }
        }
    }

    /// Every protocol on which the rule can match must be able to do this.
    fn needs(&mut self, protocols: &[&Vocabulary], capability: Capability) {
        let reached: BTreeSet<&Protocol> =
            self.reach.iter().map(|(protocol, _)| &protocol.protocol).collect();
        for vocabulary in protocols {
            if reached.contains(&vocabulary.protocol) && !vocabulary.can(capability) {
                self.report(Problem::Incapable { protocol: vocabulary.protocol.clone(), capability });
            }
        }
    }
}
