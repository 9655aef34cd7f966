//! What a decision's obligations come to, for those who enforce them.
//!
//! Obligations belong to the policy that decided. A number that names no rule of the right kind can only come from
//! another policy; where masks are concerned it then counts as the strongest mask there is.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::{Duty, Entry, Policy};
use crate::action::{ActionSet, Resource};
use crate::decision::{Breach, Obligations, RuleIndex};
use crate::lineage::{Lineage, Sources};
use crate::mask::{Detector, FieldMasks, Joined, Transform};
use crate::name::Name;
use crate::rule::{Effect, FieldMask, Limit, Mask, Masked, Predicates, Record, Rule, Unresolved};

/// What becomes of output that can't be traced to its source columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untraced {
    /// The command is denied, by this rule.
    Deny(RuleIndex),
    /// Every column that can't be traced is masked so.
    Mask(Transform),
}

/// What becomes of an answer that has no fields to be looked at, such as HTML, where fields are masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opaque {
    /// It is not shown, because of this rule: the client gets an error.
    Deny(RuleIndex),
    /// It is withheld: nothing is shown in its place.
    Withhold,
}

impl Policy {
    /// How the values of a column are masked, or `None` if they are not. All matching masks combine to
    /// the strongest; their order never matters.
    pub fn column_mask(&self, obligations: &Obligations, column: &Name) -> Option<Transform> {
        let mut joined = Joined::default();
        for (_, mask) in self.column_masks(obligations) {
            match mask {
                Some(mask) => mask.demand(column.as_joined(), &mut joined),
                None => joined.add(Transform::Null),
            }
        }
        joined.transform()
    }

    /// Whether any column is masked, so that output must be traced to its columns.
    pub fn masks_columns(&self, obligations: &Obligations) -> bool {
        self.column_masks(obligations).next().is_some()
    }

    /// What becomes of output that can't be traced, or `None` if no column is masked.
    pub fn untraced(&self, obligations: &Obligations) -> Option<Untraced> {
        let mut joined = Joined::default();
        for (rule, mask) in self.column_masks(obligations) {
            match mask {
                Some(mask) if mask.mask.unresolved == Unresolved::Mask => mask.demand_all(&mut joined),
                _ => return Some(Untraced::Deny(rule)),
            }
        }
        joined.transform().map(Untraced::Mask)
    }

    /// Whether any rule of this policy masks a column of what these actions touch, whoever asks.
    pub fn tags(&self, actions: &ActionSet) -> bool {
        let lineage = actions.lineage();
        self.entries().any(|(_, entry)| {
            let (Effect::Mask(mask), Duty::Columns { columns, with }) = (&entry.rule.effect, &entry.duty)
            else {
                return false;
            };
            let mask = ColumnMask { mask, columns, with };
            let touched = actions.iter().any(|action| match &action.resource {
                Resource::Named(name) => columns.iter().any(|glob| glob.may_match_in(name.as_joined())),
                Resource::None => false,
                Resource::Tree(_) | Resource::Pending | Resource::Undetermined => true,
            });
            touched
                || lineage.is_some_and(|lineage| {
                    [&lineage.shown, &lineage.written, &lineage.predicates]
                        .into_iter()
                        .any(|sources| mask.reaches(sources))
                })
        })
    }

    /// The columns that masks of this policy name without wildcards.
    pub fn masked_columns(&self) -> impl Iterator<Item = Name> {
        self.entries().flat_map(|(_, entry)| match &entry.rule.effect {
            Effect::Mask(Mask { what: Masked::Columns { columns, .. }, .. }) => columns
                .iter()
                .filter(|pattern| pattern.segments.iter().all(|segment| !segment.contains('*')))
                .filter_map(|pattern| Name::new(pattern.segments.iter()))
                .collect(),
            _ => Vec::new(),
        })
    }

    /// The rule that forbids using this column in a predicate, if one does.
    pub fn predicate_denied(&self, obligations: &Obligations, column: &Name) -> Option<RuleIndex> {
        self.column_masks(obligations).find_map(|(rule, mask)| match mask {
            Some(mask) => {
                (mask.mask.predicates == Predicates::Deny && mask.covers(column.as_joined())).then_some(rule)
            }
            None => Some(rule),
        })
    }

    /// How these flows would break a column mask, if they do: the first mask in the policy's own order.
    pub(crate) fn breach(&self, obligations: &Obligations, lineage: &Lineage) -> Option<(RuleIndex, Breach)> {
        self.column_masks(obligations).find_map(|(rule, mask)| {
            let breach = match mask {
                Some(mask) => mask.breach(lineage)?,
                None => Breach::Untraced,
            };
            Some((rule, breach))
        })
    }

    /// Which fields of answers are masked, and how, or `None` if none are. All matching masks combine to the strongest; their
    /// order never matters. Equal masks are equal, and have equal [`FieldMasks::digest`]s.
    ///
    /// Where one mask applies, it was compiled with the policy; several are put together here.
    pub fn field_masks(&self, obligations: &Obligations) -> Option<Arc<FieldMasks>> {
        let mut masks: SmallVec<[Option<&Arc<FieldMasks>>; 4]> =
            self.masks_of_fields(obligations).map(|(_, masks)| masks).collect();
        if let [Some(only)] = masks.as_slice() {
            return Some(Arc::clone(only));
        }
        if masks.is_empty() {
            return None;
        }
        // What this policy does not know counts as the strongest mask there is.
        let everything = Arc::new(FieldMasks::everything());
        let masks = masks.drain(..).map(|masks| masks.unwrap_or(&everything));
        let rules: Vec<&FieldMask> = masks.flat_map(|masks| masks.rules()).collect();
        Some(Arc::new(FieldMasks::new(rules)))
    }

    /// Whether a rule of this policy masks fields, of whomever and for whatever.
    pub fn masks_fields(&self) -> bool {
        self.entries().any(|(_, entry)| matches!(entry.duty, Duty::Fields(_)))
    }

    /// What becomes of an answer that has no fields to be looked at, or `None` if no fields are masked.
    pub fn opaque(&self, obligations: &Obligations) -> Option<Opaque> {
        let mut found = None;
        for (rule, masks) in self.masks_of_fields(obligations) {
            match (masks, self.rule(rule).map(|rule| &rule.effect)) {
                (Some(_), Some(Effect::Mask(Mask { unresolved: Unresolved::Mask, .. }))) => {
                    found = Some(Opaque::Withhold);
                }
                _ => return Some(Opaque::Deny(rule)),
            }
        }
        found
    }

    /// Which kinds of values are masked wherever they appear, and how.
    pub fn value_masks(&self, obligations: &Obligations) -> Vec<(Detector, Transform)> {
        let mut demands: BTreeMap<Detector, Joined> = BTreeMap::new();
        for rule in &obligations.masks {
            if let Some(Effect::Mask(Mask { what: Masked::Values { detectors, with }, .. })) =
                self.rule(*rule).map(|rule| &rule.effect)
            {
                for detector in detectors {
                    demands.entry(*detector).or_default().add(*with);
                }
            }
        }
        demands.into_iter().filter_map(|(detector, joined)| Some((detector, joined.transform()?))).collect()
    }

    /// All limits that apply, by rule.
    pub fn limits<'p>(
        &'p self,
        obligations: &'p Obligations,
    ) -> impl Iterator<Item = (RuleIndex, &'p Limit)> {
        obligations.limits.iter().filter_map(|rule| match &self.rule(*rule)?.effect {
            Effect::Limit(limit) => Some((*rule, limit)),
            _ => None,
        })
    }

    /// What evidence must be kept beyond the decision itself: whatever any matching rule asks for.
    pub fn record(&self, obligations: &Obligations) -> Option<Record> {
        obligations
            .records
            .iter()
            .filter_map(|rule| match &self.rule(*rule)?.effect {
                Effect::Record(record) => Some(*record),
                _ => None,
            })
            .reduce(|a, b| Record { results: a.results || b.results, strict: a.strict || b.strict })
    }

    fn masks_of_fields(
        &self,
        obligations: &Obligations,
    ) -> impl Iterator<Item = (RuleIndex, Option<&Arc<FieldMasks>>)> {
        obligations.masks.iter().filter_map(|index| match self.entry(*index) {
            Some(Entry { duty: Duty::Fields(masks), .. }) => Some((*index, Some(masks))),
            Some(Entry { rule: Rule { effect: Effect::Mask(_), .. }, .. }) => None,
            _ => Some((*index, None)),
        })
    }

    fn column_masks(
        &self,
        obligations: &Obligations,
    ) -> impl Iterator<Item = (RuleIndex, Option<ColumnMask<'_>>)> {
        obligations.masks.iter().filter_map(|index| {
            let Some(entry) = self.entry(*index) else { return Some((*index, None)) };
            match (&entry.rule.effect, &entry.duty) {
                (Effect::Mask(Mask { what: Masked::Values { .. } | Masked::Fields(_), .. }), _) => None,
                (Effect::Mask(mask), Duty::Columns { columns, with }) => {
                    Some((*index, Some(ColumnMask { mask, columns, with })))
                }
                _ => Some((*index, None)),
            }
        })
    }
}

/// A column mask as written, and its patterns as compiled.
struct ColumnMask<'p> {
    mask: &'p Mask,
    columns: &'p [super::glob::Glob],
    with: &'p [super::glob::Glob],
}

impl ColumnMask<'_> {
    /// What can't be traced may be anything, so it counts as covered.
    fn breach(&self, lineage: &Lineage) -> Option<Breach> {
        if self.reaches(&lineage.written) {
            return Some(Breach::Written);
        }
        if lineage.shown.unknown && self.mask.unresolved == Unresolved::Deny {
            return Some(Breach::Untraced);
        }
        if self.mask.predicates == Predicates::Deny && self.reaches(&lineage.predicates) {
            return Some(Breach::Predicate);
        }
        None
    }

    fn reaches(&self, sources: &Sources) -> bool {
        sources.unknown
            || sources.columns.iter().any(|column| self.covers(column.as_joined()))
            || sources
                .relations
                .iter()
                .any(|relation| self.columns.iter().any(|glob| glob.may_match_in(relation.as_joined())))
    }

    fn covers(&self, column: &str) -> bool {
        self.columns.iter().any(|glob| glob.matches(column))
    }

    /// Adds what the rule demands for this column.
    fn demand(&self, column: &str, joined: &mut Joined) {
        let Masked::Columns { with, otherwise, .. } = &self.mask.what else { return };
        if !self.covers(column) {
            return;
        }
        let mut named = false;
        for (glob, (_, transform)) in self.with.iter().zip(with) {
            if glob.matches(column) {
                joined.add(*transform);
                named = true;
            }
        }
        if !named {
            joined.add(*otherwise);
        }
    }

    /// Adds the strongest that the rule can demand.
    fn demand_all(&self, joined: &mut Joined) {
        let Masked::Columns { with, otherwise, .. } = &self.mask.what else { return };
        joined.add(*otherwise);
        with.iter().for_each(|(_, transform)| joined.add(*transform));
    }
}
