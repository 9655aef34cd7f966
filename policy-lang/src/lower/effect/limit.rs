//! What a limit counts.

use std::time::Duration;

use policy_core::rule::{Limit, LimitUnit};
use policy_core::vocabulary::Capability;

use crate::ast::{Clause, Period, Rule};
use crate::lower::reach::Reach;
use crate::lower::{Clauses, Lowering};
use crate::words;

/// The longest window of a limit.
const LONGEST_WINDOW: Duration = Duration::from_secs(31 * 86_400);

impl<'a> Lowering<'a> {
    pub(super) fn limit(&mut self, rule: &Rule, clauses: &Clauses<'a>, reach: &Reach<'a>) -> Option<Limit> {
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
}
