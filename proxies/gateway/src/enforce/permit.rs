//! Proof that one command may be forwarded, and the duty to say what became of it.

use std::sync::Arc;
use std::time::Instant;

use policy_core::rule::LimitUnit;
use portcullis_evidence::record::{GatewayBytes, LimitHit, Made, Outcome as Outcomes, Result as Ending};
use portcullis_evidence::recording::Event;
use portcullis_evidence::{Record, Timestamp};

use super::judged::Judged;
use super::live::Live;
use super::refusal::{Refusal, RefusalKind};
use super::vigil::Vigil;
use crate::limits::Bucket;

/// Proof that one command may be forwarded now. Minted only by this module, after the intent was recorded;
/// consumed by forwarding. Dropped unused, its outcome is recorded as `unknown`.
#[derive(Debug)]
#[must_use = "a permit is consumed by forwarding the command"]
pub struct Permit {
    receipt: Receipt,
}

impl Permit {
    pub(super) fn mint(live: Arc<Live>, judged: Arc<Judged>, command: u64) -> Self {
        let receipt = Receipt {
            live,
            judged,
            command,
            began: Instant::now(),
            told: false,
            rows: 0,
            bytes: 0,
            vigil: None,
        };
        Self { receipt }
    }

    /// The same permit, good for as long as somebody watches.
    pub(super) fn watched(mut self, vigil: Option<Vigil>) -> Self {
        self.receipt.vigil = vigil;
        self
    }

    /// Consumes the permit at the moment that the command's bytes are written to the target.
    pub fn forward(self) -> Receipt {
        self.receipt
    }

    /// Gives the permit back: nothing was forwarded, and why.
    pub fn unused(self, why: &str) {
        self.receipt.outcome(Outcome { error: Some(why), ..Outcome::default() });
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

/// Proof that something that was admitted before may go on: the same policy is in force, and the session lives.
#[derive(Debug)]
#[must_use = "it is consumed by forwarding what goes on"]
pub struct Continuation(pub(super) ());

impl Continuation {
    /// Consumes it at the moment that the bytes are written to the target.
    pub fn forward(self) {
        let Self(()) = self;
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
    /// Where the policy demands watchers.
    vigil: Option<Vigil>,
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

    /// Takes rows or bytes off the limits before they are forwarded to the client, without waiting: `None` where the
    /// store has to be asked first, by [`Judged::fetch`]. Call it only where [`Judged::counts`] says so.
    ///
    /// # Errors
    /// Where a limit is reached: the command's remaining output must not be forwarded.
    pub fn take(&mut self, unit: LimitUnit, units: u64) -> Option<Result<(), Refusal>> {
        let before = match unit {
            LimitUnit::Rows => self.rows,
            LimitUnit::Bytes => self.bytes,
            LimitUnit::Commands => 0,
        };
        for (_, bucket) in self.judged.limits.iter().filter(|(counted, _)| *counted == unit) {
            if !bucket.take_now(units, before)? {
                return Some(Err(self.reached(bucket, unit, before)));
            }
        }
        match unit {
            LimitUnit::Rows => self.rows = before.saturating_add(units),
            LimitUnit::Bytes => self.bytes = before.saturating_add(units),
            LimitUnit::Commands => {}
        }
        Some(Ok(()))
    }

    /// The same after [`Judged::fetch`] has come back: what is missing now is used up.
    ///
    /// # Errors
    /// Where a limit is reached.
    pub fn take_fetched(&mut self, unit: LimitUnit, units: u64) -> Result<(), Refusal> {
        if let Some(taken) = self.take(unit, units) {
            return taken;
        }
        let first = self.judged.limits.iter().find(|(counted, _)| *counted == unit);
        first.map_or(Ok(()), |(_, bucket)| Err(self.reached(bucket, unit, bucket.bound)))
    }

    /// Takes rows or bytes off the limits before they are forwarded to the client, and waits for the store where it has to.
    ///
    /// # Errors
    /// Where a limit is reached or the store can't answer: the command's remaining output must not be forwarded.
    pub async fn count(&mut self, unit: LimitUnit, units: u64) -> Result<(), Refusal> {
        if !self.judged.counts(unit) {
            return Ok(());
        }
        if let Some(taken) = self.take(unit, units) {
            return taken;
        }
        Arc::clone(&self.judged).fetch(unit, units).await?;
        self.take_fetched(unit, units)
    }

    fn reached(&self, bucket: &Bucket, unit: LimitUnit, counted: u64) -> Refusal {
        self.live.write_later(&Record::Limit(LimitHit {
            command: self.command,
            rule: (&*bucket.rule).into(),
            unit: unit_name(unit).into(),
            allowed: bucket.bound,
            counted,
        }));
        Refusal::limit(bucket, unit)
    }

    /// Records bytes of the gateway's own making that this command gives cause for. Call it before they are sent.
    ///
    /// # Errors
    /// Where evidence can't be written: they must not be sent.
    pub fn made(&self, made: Made, reason: &str) -> Result<(), Refusal> {
        let record = GatewayBytes { made, command: Some(self.command), reason: Some(reason.into()) };
        self.live.write(&Record::GatewayBytes(record)).map(drop)
    }

    /// Nothing that the command started runs any more: where somebody had to watch it, they may leave. Without this they must
    /// stay to the session's end.
    pub fn unwatched(&mut self) {
        self.vigil = None;
    }

    /// Records what became of the command.
    pub fn outcome(mut self, outcome: Outcome<'_>) {
        self.tell(&outcome, if outcome.error.is_some() { Ending::Failed } else { Ending::Done });
    }

    fn tell(&mut self, outcome: &Outcome<'_>, result: Ending) {
        self.told = true;
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.live.record(&Event::Outcome {
            command: self.command,
            result,
            rows: outcome.rows,
            error: outcome.error.map(Into::into),
            micros,
        });
        self.live.write_later(&Record::Outcome(Outcomes {
            command: self.command,
            result,
            rows: outcome.rows,
            bytes: outcome.bytes,
            masked: outcome.masked,
            error: outcome.error.map(Into::into),
            micros,
        }));
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.told {
            self.tell(&Outcome::default(), Ending::Unknown);
        }
        if let Some(vigil) = self.vigil.take() {
            self.live.vigils.keep(vigil);
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
    pub(super) fn limit(bucket: &Bucket, unit: LimitUnit) -> Self {
        let Bucket { rule, bound, .. } = bucket;
        let way_out = match bucket.full_again() {
            Some(at) => {
                let micros = u64::try_from(at).unwrap_or_default().saturating_mul(1000);
                format!("free again at {}; ask for less until then", Timestamp::from_micros(micros))
            }
            None => "it is the bound of one command: ask for less at a time".to_owned(),
        };
        Self {
            kind: RefusalKind::LimitReached,
            rule: Some(rule.clone()),
            message: format!("the limit `{rule}` of {bound} {} is reached", unit_name(unit)).into(),
            hint: format!("limited by the rule `{rule}`; {way_out}").into(),
        }
    }
}
