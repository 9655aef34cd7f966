//! A command that waits for approval.
//!
//! ```text
//! New ── open() ──→ Open ── step(): policy anew, votes anew ──→ Done: released | refused | expired | withdrawn | told to come back
//!                    ↑         │ a new or changed hold: ask for it too
//!                    └─────────┘
//! ```
//! An approval is bound to the session that the command waits in, and ends with the wait; or, where the protocol's clients can come
//! back, to the principal. Then it outlives the wait, the session and the gateway: `come_back` is what that takes.
//!
//! Nothing is remembered of a vote: whenever something changes, the current policy is asked anew, the votes are counted
//! anew against the voters' current accounts, and only then is the grant consumed, before the intent is written.
//!
//! `ask` is what reviewers are asked and where that stands, `count` which of their votes count, `kept` the command and what a vote on
//! it is bound to, `end` every end but release.

mod ask;
mod come_back;
mod count;
mod end;
mod kept;
mod unclaimed;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use policy_core::approval::Status;
use policy_core::rule::HoldKey;
use policy_core::{Digest, Principal};
use portcullis_evidence::record::Released as ReleasedRecord;
use portcullis_evidence::{Record, Timestamp};

use self::ask::{Present, answer_after, check_askable, deadline, held_rule, open_holds};
use self::kept::Kept;
use self::unclaimed::Unclaimed;
use super::asked::{Asked, Stage};
use super::judged::{Answer, Judged};
use super::live::Live;
use super::permit::Permit;
use super::refusal::{Refusal, RefusalKind};
use super::session::{admit, evaluate};
use super::vigil::{Vigil, watchers};
use crate::store::{Approval, ApprovalState, BoundTo, HeldRule, Number, StoreError};

/// A command that waits. Dropping it withdraws the approval, if that is bound to the session.
#[derive(Debug)]
#[must_use = "a held command waits for its approval"]
pub struct Held {
    live: Arc<Live>,
    asked: Kept,
    command: u64,
    binding: Digest,
    holds: Vec<HeldRule>,
    /// When it was asked, and when it expires, in milliseconds since the Unix epoch.
    asked_at: i64,
    deadline: i64,
    /// When the client is told to come back, where it can: likewise.
    answer_at: i64,
    state: State,
    _slot: Slot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Open(Number),
    Done,
}

/// What the client is told while it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldNotice {
    /// The approval's number.
    pub number: u64,
    /// What happens and how it is answered, in words.
    pub text: Box<str>,
    /// How long it waits at most. Where the client can come back, [`Held::wait`] may be over before.
    pub within: Duration,
}

/// A command whose approval was granted, judged anew, and consumed.
#[derive(Debug)]
pub struct Released {
    /// Its permit.
    pub permit: Permit,
    /// Those whose votes counted.
    pub approved_by: Vec<String>,
    /// Those whose watching counted.
    pub watched_by: Vec<String>,
}

impl Released {
    /// Who released it, in words for the client.
    pub fn in_words(&self) -> String {
        let (approved, watched) = (self.approved_by.join(", "), self.watched_by.join(", "));
        match (approved.is_empty(), watched.is_empty()) {
            (false, true) => format!("approved by {approved}"),
            (true, false) => format!("watched by {watched}, for as long as it runs"),
            (false, false) => format!("approved by {approved}; watched by {watched}, for as long as it runs"),
            (true, true) => "the policy holds it no longer".to_owned(),
        }
    }
}

impl Held {
    pub(super) fn new(
        live: Arc<Live>,
        judged: Arc<Judged>,
        asked: &Asked<'_>,
        command: u64,
    ) -> Result<Self, Refusal> {
        let now = live.gateway.clock.millis();
        let open = open_holds(&judged);
        for (rule, _) in &open {
            check_askable(&judged, *rule, &live.entry.target.protocol, asked)?;
        }
        let slot = Slot::take(&live.gateway.held, live.gateway.config.load().limits.held_commands)?;
        let kept = Kept::of(asked);
        let binding = kept.binding(&live);
        let holds: Vec<_> = open.iter().map(|(rule, key)| held_rule(&judged, *rule, key, now)).collect();
        let deadline = deadline(&judged, &holds);
        let answer_after = i64::try_from(answer_after(&judged, &open).as_millis()).unwrap_or(i64::MAX);
        Ok(Self {
            live,
            asked: kept,
            command,
            binding,
            holds,
            asked_at: now,
            deadline,
            answer_at: now.saturating_add(answer_after),
            state: State::New,
            _slot: slot,
        })
    }

    /// In place of waiting, where that can't be done.
    pub fn refused(&self) -> Refusal {
        Refusal {
            kind: RefusalKind::Disapproved,
            rule: self.holds.first().map(|hold| hold.rule.as_str().into()),
            message: "this would wait for approval, which can't be done here".into(),
            hint: "ask whoever keeps the policy".into(),
        }
    }

    /// Binds the approval to more of what was asked than the statement says, by name. Called before [`Held::open`].
    pub fn bind(&mut self, more: impl IntoIterator<Item = (Box<str>, Box<str>)>) {
        self.asked.settings.extend(more);
        self.binding = self.asked.binding(&self.live);
    }

    /// Opens the approval, so that reviewers see it, or joins the one that waits for the identical command where it is bound to
    /// the principal. Called once, before [`Held::wait`].
    ///
    /// # Errors
    /// Where the store or evidence can't take it; where a reviewer has refused the identical command, or as many wait as may.
    pub async fn open(&mut self) -> Result<HoldNotice, Refusal> {
        let gateway = &self.live.gateway;
        let judged = evaluate(&self.live, &self.asked.statement.bound, Stage::Execute, &[])?;
        let new = self.request(&judged);
        let number = match self.live.bound_to {
            BoundTo::Session => {
                let (keeper, instance) = (gateway.store.clone(), gateway.instance);
                let opened = gateway.store.ask(move |store| {
                    let number = store.request(&new)?;
                    Ok(Unclaimed::new(keeper, number, BoundTo::Session, instance, new.created))
                });
                opened.await.map_err(store_lost)?.claim()
            }
            BoundTo::Principal => self.join(new).await?,
        };
        self.state = State::Open(number);
        self.record_held(number)?;
        self.live.gateway.changes.send_modify(|count| *count += 1);
        let within = Duration::from_millis((self.deadline - self.asked_at).max(0).unsigned_abs());
        let rules: Vec<_> = self.holds.iter().map(|hold| format!("`{}`", hold.rule)).collect();
        let locks =
            if self.asked.in_transaction { "; the open transaction keeps its locks meanwhile" } else { "" };
        let text = format!(
            "held for approval {number} by {}: waiting up to {}{locks}; {}",
            rules.join(", "),
            in_minutes(within),
            self.awaited(number),
        );
        Ok(HoldNotice { number, text: text.into(), within })
    }

    /// What must happen, and by which commands.
    fn awaited(&self, number: Number) -> String {
        let asks = self.holds.iter().any(|hold| hold.quorum > 0);
        let watchers = self.holds.iter().map(|hold| hold.watchers).max().unwrap_or(0);
        let answer =
            format!("a reviewer answers with `portcullis approve {number}` or `portcullis refuse {number}`");
        let session = self.live.entry.id;
        let watch = match watchers {
            1 => format!("it runs only while somebody else watches it with `portcullis watch {session}`"),
            _ => format!("it runs only while {watchers} others watch it with `portcullis watch {session}`"),
        };
        match (asks, watchers > 0) {
            (_, false) => answer,
            (false, true) => watch,
            (true, true) => format!("{answer}; {watch}"),
        }
    }

    /// Waits for the end: released, refused, expired, or the session stopped. Safe to drop and call again, as
    /// `select!` does; the relay races it against the client going away and cancelling.
    ///
    /// Where the approval is bound to the principal, it waits no longer than the rules have the client wait, and no longer than
    /// a minute where they don't say: see [`RefusalKind::Pending`].
    ///
    /// # Errors
    /// The refusal, to be told to the client.
    pub async fn wait(&mut self) -> Result<Released, Refusal> {
        let mut votes = self.live.gateway.changes.subscribe();
        let mut policies = self.live.gateway.policies.changes();
        let mut audience = self.live.entry.audience.changes();
        loop {
            audience.mark_unchanged();
            votes.mark_unchanged();
            policies.mark_unchanged();
            if let Some(released) = self.step().await? {
                return Ok(released);
            }
            let now = self.live.gateway.clock.millis();
            let until = match self.live.bound_to {
                BoundTo::Session => self.deadline,
                BoundTo::Principal if now >= self.answer_at => return Err(self.come_back().await),
                BoundTo::Principal => self.deadline.min(self.answer_at),
            };
            let left = (until - now).max(1).unsigned_abs();
            let live = Arc::clone(&self.live);
            tokio::select! {
                reason = live.entry.stop.wait() => {
                    match self.live.bound_to {
                        BoundTo::Session => {
                            self.end(ApprovalState::Withdrawn, "gateway", &reason.to_string(), "revoked").await;
                        }
                        BoundTo::Principal => self.leave("session stopped").await,
                    }
                    return Err(Refusal::stopped(reason));
                }
                // The sender lives in the gateway that this holds, so neither ever closes.
                _ = votes.changed() => {}
                _ = audience.changed() => {}
                _ = policies.changed() => {}
                () = tokio::time::sleep(Duration::from_millis(left)) => {}
            }
        }
    }

    /// Withdraws the approval, and says why in evidence: `cancelled`, `client gone`. Dropping does the same with
    /// `dropped`. An approval that is bound to the principal waits on.
    pub async fn withdraw(mut self, reason: &str) {
        if self.live.bound_to == BoundTo::Principal {
            return self.leave(reason).await;
        }
        self.end(ApprovalState::Withdrawn, &self.live.entry.principal.id.clone(), reason, reason).await;
    }

    /// Looks at everything anew. `None` while it must wait on.
    async fn step(&mut self) -> Result<Option<Released>, Refusal> {
        let State::Open(number) = self.state else {
            return Err(Refusal::unavailable("the approval was never opened, or is over"));
        };
        let approval = self.read(number).await?;
        if approval.state != ApprovalState::Pending {
            self.state = State::Done;
            return Err(self.ended_elsewhere(&approval));
        }
        if self.live.bound_to == BoundTo::Principal {
            // Whoever waits for the same may have changed what it asks.
            (self.holds, self.deadline) = (approval.asked.holds.clone(), approval.asked.deadline);
        }
        let people = self.people(&approval).await?;
        let watchers = watchers(&self.live.gateway, &self.live.entry).await;
        let watchers: Vec<&Principal> = watchers.iter().collect();
        let present = Present { people: &people, watchers: &watchers };
        let statement = Arc::clone(&self.asked.statement);
        let judged = evaluate(&self.live, &statement.bound, Stage::Execute, &[])?;
        let now = self.live.gateway.clock.millis();
        let mut grants = Vec::new();
        let (mut approved_by, mut watched_by) = (Vec::new(), Vec::new());
        match &judged.answer {
            Answer::Deny(refusal) => {
                let refusal = refusal.clone();
                self.end(ApprovalState::Refused, "policy", &refusal.message, "policy changed").await;
                return Err(refusal);
            }
            // The policy holds it no longer: what is left of the wait is consumed like a grant.
            Answer::Allow => {}
            Answer::Hold => {
                let open = open_holds(&judged);
                if !self.ask_for(number, &judged, &open, now).await? {
                    return Ok(None);
                }
                let mut waits = false;
                // All are looked at: a refusal of one counts though another is not decided on.
                for (rule, key) in open {
                    match self.status(&judged, rule, &key, &approval, &present, now) {
                        Some(Status::Approved { by, watched_by: watching }) => {
                            grants.push(key);
                            approved_by.extend(by.iter().map(ToString::to_string));
                            watched_by.extend(watching.iter().map(ToString::to_string));
                        }
                        Some(Status::Pending { .. }) => waits = true,
                        Some(Status::Refused { by }) => return Err(self.refused_by(&by, &approval).await),
                        Some(Status::Expired) => return Err(self.expired(number).await),
                        None => return Err(Refusal::unavailable("the policy has no such hold")),
                    }
                }
                if waits {
                    return Ok(None);
                }
            }
        }
        self.release(number, approval.votes.len(), &grants, approved_by, watched_by).await
    }

    /// Consumes the grant, then admits under the policy in force.
    async fn release(
        &mut self,
        number: Number,
        votes: usize,
        grants: &[HoldKey],
        mut approved_by: Vec<String>,
        mut watched_by: Vec<String>,
    ) -> Result<Option<Released>, Refusal> {
        let live = Arc::clone(&self.live);
        let now = live.gateway.clock.millis();
        let consumed = live
            .gateway
            .store
            .ask(move |store| store.consume(number, votes, now))
            .await
            .map_err(store_lost)?;
        if !consumed {
            // Another vote came in, or its time ran out, while this was counting.
            if now >= self.deadline {
                return Err(self.expired(number).await);
            }
            return Ok(None);
        }
        self.state = State::Done;
        if live.bound_to == BoundTo::Principal {
            // Whoever waits for the same learns that it is gone.
            live.gateway.changes.send_modify(|count| *count += 1);
        }
        let statement = Arc::clone(&self.asked.statement);
        // Asked last of all, so that nothing lies between this answer and the permit.
        let judged = evaluate(&live, &statement.bound, Stage::Execute, grants)?;
        match &judged.answer {
            Answer::Allow => {}
            Answer::Deny(refusal) => return Err(refusal.clone()),
            Answer::Hold => {
                return Err(Refusal {
                    kind: RefusalKind::Disapproved,
                    rule: None,
                    message: "the policy changed in the moment of release, and asks for another approval"
                        .into(),
                    hint: "send the command again".into(),
                });
            }
        }
        for names in [&mut approved_by, &mut watched_by] {
            names.sort();
            names.dedup();
        }
        let waited = live.gateway.clock.millis().saturating_sub(self.asked_at);
        let approval = number.to_string();
        live.write(&Record::Released(ReleasedRecord {
            approval: approval.as_str().into(),
            command: self.command,
            approved_by: approved_by.iter().map(|name| name.as_str().into()).collect(),
            watched_by: watched_by.iter().map(|name| name.as_str().into()).collect(),
            micros: u64::try_from(waited).unwrap_or(0).saturating_mul(1000),
        }))?;
        let parameters = self.asked.parameters();
        // Before the permit, so that nothing runs that nobody keeps watch over.
        let vigil = Vigil::begin(&live, &judged, grants);
        let permit =
            admit(&live, &self.asked.asked(&parameters), judged, self.command, Some(&approval)).await?;
        live.gateway.metrics.released.inc();
        Ok(Some(Released { permit: permit.watched(vigil), approved_by, watched_by }))
    }

    async fn read(&self, number: Number) -> Result<Approval, Refusal> {
        let found =
            self.live.gateway.store.ask(move |store| store.approval(number)).await.map_err(store_lost)?;
        found.ok_or_else(|| Refusal::unavailable(format!("approval {number} is gone from the store")))
    }
}

fn store_lost(error: StoreError) -> Refusal {
    Refusal::unavailable(error.to_string())
}

/// As evidence and people have it: from milliseconds since the Unix epoch.
fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_micros(millis.max(0).unsigned_abs().saturating_mul(1000))
}

fn in_minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// One of the commands that may be held at a time.
#[derive(Debug)]
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(held: &Arc<AtomicUsize>, most: usize) -> Result<Self, Refusal> {
        let slot = Self(Arc::clone(held));
        if held.fetch_add(1, Ordering::AcqRel) < most {
            return Ok(slot);
        }
        Err(Refusal::unavailable(format!(
            "{most} commands are waiting for approval already, and more are not held"
        )))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
