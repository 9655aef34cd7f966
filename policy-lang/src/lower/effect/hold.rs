//! What a hold asks for.

use std::num::NonZeroU16;
use std::time::Duration;

use policy_core::rule::{Quorum, Requirement};
use policy_core::vocabulary::Capability;

use crate::ast::{Clause, Condition, Rule};
use crate::lower::condition::Context;
use crate::lower::reach::Reach;
use crate::lower::{Clauses, Lowering};
use crate::span::Spanned;

/// The longest a command may wait for approval.
const LONGEST_HOLD: Duration = Duration::from_secs(24 * 3_600);
/// How long a command waits for those who must watch, where nobody is asked to approve it.
const WAIT_FOR_WATCHERS: Duration = Duration::from_secs(600);

impl<'a> Lowering<'a> {
    pub(super) fn hold(
        &mut self,
        rule: &Rule,
        clauses: &Clauses<'a>,
        reach: &Reach<'a>,
    ) -> Option<Requirement> {
        let until = clauses.find(|clause| match clause {
            Clause::Until(until) => Some(until),
            _ => None,
        });
        if let Some(span) = clauses.span("in transaction") {
            self.require(Capability::Transactions, span, reach);
        }
        let watched = clauses.find(|clause| match clause {
            Clause::While(watched) => Some(watched),
            _ => None,
        });
        if let Some(span) = clauses.span("while") {
            self.require(Capability::Watch, span, reach);
        }
        if until.is_none() && watched.is_none() {
            self.missing(rule, "until", "until 1 of group \"leads\" approve within 15m");
            return None;
        }
        let approve = match until {
            Some(until) => {
                Some(self.quorum(until.quorum, &until.reviewers, "until", "nobody would be asked")?)
            }
            None => None,
        };
        let watch = match watched {
            Some(watched) => {
                Some(self.quorum(watched.count, &watched.watchers, "while", "nobody would have to watch")?)
            }
            None => None,
        };
        let within = match until {
            Some(until) => {
                self.bounded(until.within, Duration::from_secs(1), LONGEST_HOLD, "a command waits")?
            }
            None => WAIT_FOR_WATCHERS,
        };
        let answer_after = clauses.find(|clause| match clause {
            Clause::AnswerAfter(answer) => Some(*answer),
            _ => None,
        });
        if let Some(span) = clauses.span("answer after") {
            self.require(Capability::ComeBack, span, reach);
        }
        let answer_after = match answer_after {
            Some(answer) if answer.value > within => {
                let message = "the client can't be kept waiting for longer than the approval";
                self.error(answer.span, message, format!("the approval waits {} s", within.as_secs()));
                return None;
            }
            Some(answer) => {
                Some(self.bounded(answer, Duration::from_secs(1), LONGEST_HOLD, "a client waits")?)
            }
            None => None,
        };
        Some(Requirement {
            approve,
            watch,
            within,
            answer_after,
            in_transaction: clauses.span("in transaction").is_some(),
            justify: clauses.span("justify").is_some(),
            reveal: clauses.span("reveal").is_some(),
        })
    }

    fn quorum(
        &mut self,
        count: Spanned<i64>,
        of: &'a Condition,
        clause: &'static str,
        otherwise: &'static str,
    ) -> Option<Quorum> {
        let number = u16::try_from(count.value).ok().and_then(NonZeroU16::new);
        if number.is_none() {
            self.error(count.span, "a quorum is a number from 1 to 65535", otherwise);
        }
        let of = self.condition(of, &Context::Principal(clause));
        Some(Quorum { count: number?, of })
    }
}
