//! Proof that one command may be forwarded, and the duty to say what became of it.

use std::sync::Arc;
use std::time::Instant;

use policy_core::rule::LimitUnit;
use portcullis_evidence::Record;
use portcullis_evidence::record::{LimitHit, Outcome as Outcomes, Result as Ending};

use super::judged::Judged;
use super::live::Live;
use super::refusal::{Refusal, RefusalKind};

/// Proof that one command may be forwarded now. Minted only by this module, after the intent was recorded;
/// consumed by forwarding. Dropped unused, its outcome is recorded as `unknown`.
#[derive(Debug)]
#[must_use = "a permit is consumed by forwarding the command"]
pub struct Permit {
    receipt: Receipt,
}

impl Permit {
    pub(super) fn mint(live: Arc<Live>, judged: Arc<Judged>, command: u64) -> Self {
        let receipt =
            Receipt { live, judged, command, began: Instant::now(), told: false, rows: 0, bytes: 0 };
        Self { receipt }
    }

    /// Consumes the permit at the moment that the command's bytes are written to the target.
    pub fn forward(self) -> Receipt {
        self.receipt
    }

    /// What was decided: masks, limits and the policy they belong to.
    pub fn judged(&self) -> &Arc<Judged> {
        &self.receipt.judged
    }

    /// The command's number within its session, from 1.
    pub fn command(&self) -> u64 {
        self.receipt.command
    }
}

/// A forwarded command whose outcome is still to be told. Dropped without, the outcome is recorded as `unknown`.
#[derive(Debug)]
pub struct Receipt {
    live: Arc<Live>,
    judged: Arc<Judged>,
    command: u64,
    began: Instant,
    told: bool,
    /// Taken so far, for limits per command.
    rows: u64,
    bytes: u64,
}

impl Receipt {
    /// The command's number within its session, from 1.
    pub fn command(&self) -> u64 {
        self.command
    }

    /// What was decided: masks, limits and the policy they belong to.
    pub fn judged(&self) -> &Arc<Judged> {
        &self.judged
    }

    /// Takes rows or bytes off the limits before they are forwarded to the client. Call it only where
    /// [`Judged::counts`] says so; a batch at a time is cheap.
    ///
    /// # Errors
    /// Where a limit is reached or can't be counted: the command's remaining output must not be forwarded.
    pub async fn take(&mut self, unit: LimitUnit, units: u64) -> Result<(), Refusal> {
        let before = match unit {
            LimitUnit::Rows => self.rows,
            LimitUnit::Bytes => self.bytes,
            LimitUnit::Commands => 0,
        };
        for (_, bucket) in self.judged.limits.iter().filter(|(counted, _)| *counted == unit) {
            match bucket.take(units, before).await {
                Ok(true) => {}
                Ok(false) => {
                    let refusal = Refusal::limit(&bucket.rule, unit, bucket.bound);
                    let hit = LimitHit {
                        command: self.command,
                        rule: (&*bucket.rule).into(),
                        unit: unit_name(unit).into(),
                        allowed: bucket.bound,
                        counted: before,
                    };
                    self.live.write_later(&Record::Limit(hit));
                    return Err(refusal);
                }
                Err(error) => return Err(Refusal::unavailable(error.to_string())),
            }
        }
        match unit {
            LimitUnit::Rows => self.rows = before.saturating_add(units),
            LimitUnit::Bytes => self.bytes = before.saturating_add(units),
            LimitUnit::Commands => {}
        }
        Ok(())
    }

    /// Records what became of the command.
    pub fn outcome(mut self, outcome: Outcome<'_>) {
        self.tell(&outcome, if outcome.error.is_some() { Ending::Failed } else { Ending::Done });
    }

    fn tell(&mut self, outcome: &Outcome<'_>, result: Ending) {
        self.told = true;
        self.live.write_later(&Record::Outcome(Outcomes {
            command: self.command,
            result,
            rows: outcome.rows,
            bytes: outcome.bytes,
            masked: outcome.masked,
            error: outcome.error.map(Into::into),
            micros: u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX),
        }));
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.told {
            self.tell(&Outcome::default(), Ending::Unknown);
        }
    }
}

/// What became of a forwarded command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome<'a> {
    /// Rows returned or affected, where the target said.
    pub rows: Option<u64>,
    /// Bytes that went to the client.
    pub bytes: u64,
    /// Values that were masked.
    pub masked: u64,
    /// The target's error code, where it answered with an error.
    pub error: Option<&'a str>,
}

pub(super) const fn unit_name(unit: LimitUnit) -> &'static str {
    match unit {
        LimitUnit::Rows => "rows",
        LimitUnit::Commands => "commands",
        LimitUnit::Bytes => "bytes",
    }
}

impl Refusal {
    pub(super) fn limit(rule: &str, unit: LimitUnit, bound: u64) -> Self {
        Self {
            kind: RefusalKind::LimitReached,
            rule: Some(rule.into()),
            message: format!("the limit `{rule}` of {bound} {} is reached", unit_name(unit)).into(),
            hint: format!("limited by the rule `{rule}`; wait for its next window, or ask for less").into(),
        }
    }
}
