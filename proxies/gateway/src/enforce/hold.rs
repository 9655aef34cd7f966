//! A command that waits for approval.
//!
//! ```text
//! New ── open() ──→ Open ── step(): policy anew, votes anew ──→ Done: released | refused | expired | withdrawn
//!                    ↑         │ a new or changed hold: ask for it too
//!                    └─────────┘
//! ```
//! Nothing is remembered of a vote: whenever something changes, the current policy is asked anew, the votes are counted
//! anew against the voters' current accounts, and only then is the grant consumed, before the intent is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use policy_core::approval::{Ballot, Petition, Status, Vote};
use policy_core::decision::RuleIndex;
use policy_core::rule::HoldKey;
use policy_core::{Digest, Principal, Verdict};
use portcullis_evidence::record::{Expired, Held as HeldRecord, Released as ReleasedRecord, Withdrawn};
use portcullis_evidence::{Record, Timestamp};

use super::asked::{Asked, Parameter, Stage, Statement};
use super::judged::{Answer, Judged, in_words};
use super::live::Live;
use super::permit::Permit;
use super::refusal::{Refusal, RefusalKind};
use super::session::{admit, evaluate};
use crate::store::{Approval, ApprovalState, HeldRule, NewApproval, Number, StoreError};

/// A command that waits. Dropping it withdraws the approval.
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
    /// How long it waits at most.
    pub within: Duration,
}

/// A command whose approval was granted, judged anew, and consumed.
#[derive(Debug)]
pub struct Released {
    /// Its permit.
    pub permit: Permit,
    /// Those whose votes counted.
    pub approved_by: Vec<String>,
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
            check_askable(&judged, *rule, asked)?;
        }
        let slot = Slot::take(&live.gateway.held, live.gateway.config.load().limits.held_commands)?;
        let kept = Kept::of(asked);
        let binding = binding(&live, &kept);
        let holds: Vec<_> = open.iter().map(|(rule, key)| held_rule(&judged, *rule, key, now)).collect();
        let deadline = deadline(&judged, &holds);
        Ok(Self {
            live,
            asked: kept,
            command,
            binding,
            holds,
            asked_at: now,
            deadline,
            state: State::New,
            _slot: slot,
        })
    }

    /// Opens the approval, so that reviewers see it. Called once, before [`Held::wait`].
    ///
    /// # Errors
    /// Where the store or evidence can't take it.
    pub async fn open(&mut self) -> Result<HoldNotice, Refusal> {
        let gateway = &self.live.gateway;
        let judged = evaluate(&self.live, &self.asked.statement.bound, Stage::Execute, &[])?;
        let new = self.request(&judged);
        let number = gateway.store.ask(move |store| store.request(&new)).await.map_err(store_lost)?;
        self.state = State::Open(number);
        self.record_held(number, &judged)?;
        gateway.changes.send_modify(|count| *count += 1);
        let within = Duration::from_millis((self.deadline - self.asked_at).max(0).unsigned_abs());
        let rules: Vec<_> = self.holds.iter().map(|hold| format!("`{}`", hold.rule)).collect();
        let locks =
            if self.asked.in_transaction { "; the open transaction keeps its locks meanwhile" } else { "" };
        let text = format!(
            "held for approval {number} by {}: waiting up to {}{locks}; a reviewer answers with \
             `portcullis approve {number}` or `portcullis refuse {number}`",
            rules.join(", "),
            in_minutes(within),
        );
        Ok(HoldNotice { number, text: text.into(), within })
    }

    /// Waits for the end: released, refused, expired, or the session stopped. Safe to drop and call again, as
    /// `select!` does; the relay races it against the client going away and cancelling.
    ///
    /// # Errors
    /// The refusal, to be told to the client.
    pub async fn wait(&mut self) -> Result<Released, Refusal> {
        let mut votes = self.live.gateway.changes.subscribe();
        let mut policies = self.live.gateway.policies.changes();
        loop {
            votes.mark_unchanged();
            policies.mark_unchanged();
            if let Some(released) = self.step().await? {
                return Ok(released);
            }
            let left = (self.deadline - self.live.gateway.clock.millis()).max(1).unsigned_abs();
            let live = Arc::clone(&self.live);
            tokio::select! {
                reason = live.entry.stop.wait() => {
                    self.end(ApprovalState::Withdrawn, "gateway", &reason.to_string(), "revoked").await;
                    return Err(Refusal::stopped(reason));
                }
                // The sender lives in the gateway that this holds, so neither ever closes.
                _ = votes.changed() => {}
                _ = policies.changed() => {}
                () = tokio::time::sleep(Duration::from_millis(left)) => {}
            }
        }
    }

    /// Withdraws the approval, and says why in evidence: `cancelled`, `client gone`. Dropping does the same with
    /// `dropped`.
    pub async fn withdraw(mut self, reason: &str) {
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
        let people = self.people(&approval).await?;
        let statement = Arc::clone(&self.asked.statement);
        let judged = evaluate(&self.live, &statement.bound, Stage::Execute, &[])?;
        let now = self.live.gateway.clock.millis();
        let mut grants = Vec::new();
        let mut approved_by = Vec::new();
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
                self.ask_for(number, &judged, &open, now).await?;
                for (rule, key) in open {
                    match self.status(&judged, rule, &key, &approval, &people, now) {
                        Some(Status::Approved { by }) => {
                            grants.push(key);
                            approved_by.extend(by.iter().map(ToString::to_string));
                        }
                        Some(Status::Pending { .. }) => return Ok(None),
                        Some(Status::Refused { by }) => return Err(self.refused_by(&by, &approval).await),
                        Some(Status::Expired) => return Err(self.expired(number).await),
                        None => return Err(Refusal::unavailable("the policy has no such hold")),
                    }
                }
            }
        }
        self.release(number, approval.votes.len(), &grants, approved_by).await
    }

    /// Consumes the grant, then admits under the policy in force.
    async fn release(
        &mut self,
        number: Number,
        votes: usize,
        grants: &[HoldKey],
        mut approved_by: Vec<String>,
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
        approved_by.sort();
        approved_by.dedup();
        let waited = live.gateway.clock.millis().saturating_sub(self.asked_at);
        let approval = number.to_string();
        live.write(&Record::Released(ReleasedRecord {
            approval: approval.as_str().into(),
            command: self.command,
            approved_by: approved_by.iter().map(|name| name.as_str().into()).collect(),
            micros: u64::try_from(waited).unwrap_or(0).saturating_mul(1000),
        }))?;
        let parameters = self.asked.parameters();
        let permit =
            admit(&live, &self.asked.asked(&parameters), judged, self.command, Some(&approval)).await?;
        live.gateway.metrics.released.inc();
        Ok(Some(Released { permit, approved_by }))
    }

    async fn read(&self, number: Number) -> Result<Approval, Refusal> {
        let found =
            self.live.gateway.store.ask(move |store| store.approval(number)).await.map_err(store_lost)?;
        found.ok_or_else(|| Refusal::unavailable(format!("approval {number} is gone from the store")))
    }

    /// The accounts of voters, and of an agent's owner, as they are now. Those that are gone are left out.
    async fn people(&self, approval: &Approval) -> Result<BTreeMap<String, Principal>, Refusal> {
        let owner = self.live.entry.principal.owner.as_deref().map(str::to_owned);
        let names = approval.votes.iter().map(|vote| vote.voter.clone()).chain(owner);
        let mut people = BTreeMap::new();
        for name in names {
            if people.contains_key(&name) {
                continue;
            }
            let current = self.live.gateway.identity.current(&name).await;
            match current.map_err(|error| Refusal::unavailable(error.to_string()))? {
                Some(principal) => people.insert(name, principal),
                None => continue,
            };
        }
        Ok(people)
    }

    /// Where one hold stands, by the votes that were cast for exactly this command and this requirement.
    fn status(
        &self,
        judged: &Judged,
        rule: RuleIndex,
        key: &HoldKey,
        approval: &Approval,
        people: &BTreeMap<String, Principal>,
        now: i64,
    ) -> Option<Status> {
        let hold = self.holds.iter().find(|hold| hold.key().as_ref() == Some(key))?;
        let votes: Vec<Vote<'_>> = approval
            .votes
            .iter()
            .filter(|vote| vote.binding == self.binding && vote.holds.contains(hold))
            .filter_map(|vote| {
                let ballot = if vote.approve { Ballot::Approve } else { Ballot::Refuse };
                Some(Vote { voter: people.get(&vote.voter)?, ballot, cast: vote.at.div_euclid(1000) })
            })
            .collect();
        let requester = &self.live.entry.principal;
        let petition = Petition {
            requester,
            owner: requester.owner.as_deref().and_then(|owner| people.get(owner)),
            opened: hold.since.div_euclid(1000),
            justification: self.asked.justification.as_deref(),
        };
        judged.policy().approval_status(rule, &petition, &votes, now.div_euclid(1000))
    }

    /// Makes the approval ask for exactly the holds that are open: a new or changed one needs votes of its own.
    async fn ask_for(
        &mut self,
        number: Number,
        judged: &Judged,
        open: &[(RuleIndex, HoldKey)],
        now: i64,
    ) -> Result<(), Refusal> {
        let parameters = self.asked.parameters();
        let mut holds = Vec::with_capacity(open.len());
        for (rule, key) in open {
            match self.holds.iter().find(|hold| hold.key().as_ref() == Some(key)) {
                Some(hold) => holds.push(hold.clone()),
                None => {
                    check_askable(judged, *rule, &self.asked.asked(&parameters))?;
                    holds.push(held_rule(judged, *rule, key, now));
                }
            }
        }
        if holds == self.holds {
            return Ok(());
        }
        let deadline = deadline(judged, &holds);
        let amended = holds.clone();
        let store = &self.live.gateway.store;
        if store.ask(move |store| store.amend(number, &amended, deadline)).await.map_err(store_lost)? {
            (self.holds, self.deadline) = (holds, deadline);
            self.record_held(number, judged)?;
        }
        Ok(())
    }

    fn request(&self, judged: &Judged) -> NewApproval {
        let entry = &self.live.entry;
        let separator = judged.policy().separator(&entry.target.protocol);
        let reveal = open_holds(judged).iter().all(|(rule, _)| {
            judged.policy().requirement(*rule).is_some_and(|requirement| requirement.reveal)
        });
        NewApproval {
            instance: self.live.gateway.instance,
            session: entry.id,
            principal: entry.principal.id.to_string(),
            kind: entry.principal.kind,
            person: entry.principal.person.as_deref().map(str::to_owned),
            owner: entry.principal.owner.as_deref().map(str::to_owned),
            target: entry.target.name.to_string(),
            binding: self.binding,
            shown: self.live.masked(judged, &self.asked.statement.shown).into_owned(),
            revealed: reveal.then(|| self.asked.revealed()),
            actions: self
                .asked
                .statement
                .bound
                .iter()
                .take(100)
                .map(|action| in_words(action, separator))
                .collect(),
            holds: self.holds.clone(),
            justification: self.asked.justification.as_deref().map(str::to_owned),
            in_transaction: self.asked.in_transaction,
            created: self.asked_at,
            deadline: self.deadline,
        }
    }

    fn record_held(&self, number: Number, judged: &Judged) -> Result<(), Refusal> {
        let reviewers: Vec<_> =
            self.holds.iter().map(|hold| format!("{} for `{}`", hold.quorum, hold.rule)).collect();
        let _ = judged;
        let held = HeldRecord {
            approval: number.to_string().into(),
            command: self.command,
            binding: self.binding.into(),
            rules: self.holds.iter().map(|hold| hold.rule.as_str().into()).collect(),
            reviewers: reviewers.join(", ").into(),
            expires: Timestamp::from_micros(self.deadline.max(0).unsigned_abs().saturating_mul(1000)),
        };
        self.live.record_approval(&number.to_string(), self.command, "held");
        self.live.write(&Record::Held(held)).map(drop)
    }

    async fn refused_by(&mut self, by: &str, approval: &Approval) -> Refusal {
        let reason = approval.votes.iter().find(|vote| vote.voter == by && !vote.approve);
        let reason = reason.map(|vote| vote.reason.clone()).unwrap_or_default();
        self.end(ApprovalState::Refused, by, &reason, "refused").await;
        disapproved(by, &reason)
    }

    async fn expired(&mut self, number: Number) -> Refusal {
        let approval = number.to_string();
        self.settle(ApprovalState::Expired, "gateway", "nobody answered in time").await;
        self.live.write_later(&Record::Expired(Expired {
            approval: approval.as_str().into(),
            command: self.command,
        }));
        self.live.record_approval(&approval, self.command, "expired");
        self.live.flush();
        expired(&approval)
    }

    fn ended_elsewhere(&self, approval: &Approval) -> Refusal {
        match approval.state {
            ApprovalState::Refused => disapproved(&approval.decided_by, &approval.reason),
            ApprovalState::Expired => expired(&approval.number.to_string()),
            ApprovalState::Pending | ApprovalState::Consumed | ApprovalState::Withdrawn => Refusal {
                kind: RefusalKind::Disapproved,
                rule: None,
                message: format!("approval {} is over: {}", approval.number, approval.reason).into(),
                hint: "send the command again to ask anew".into(),
            },
        }
    }

    /// Ends the approval without a grant, in the store and in evidence.
    async fn end(&mut self, state: ApprovalState, by: &str, reason: &str, recorded: &str) {
        if let State::Open(number) = self.state {
            self.settle(state, by, reason).await;
            self.live.write_later(&withdrawn(number, self.command, recorded));
            let word = if state == ApprovalState::Refused { "refused" } else { "withdrawn" };
            self.live.record_approval(&number.to_string(), self.command, word);
            self.live.flush();
        }
    }

    async fn settle(&mut self, state: ApprovalState, by: &str, reason: &str) {
        let State::Open(number) = std::mem::replace(&mut self.state, State::Done) else { return };
        let now = self.live.gateway.clock.millis();
        let (by, reason) = (by.to_owned(), reason.to_owned());
        let settled =
            self.live.gateway.store.ask(move |store| store.settle(number, state, &by, &reason, now)).await;
        if let Err(error) = settled {
            // Nobody can consume it: the one who could is this, and it has ended.
            tracing::warn!(%error, number, "the end of an approval could not be stored");
        }
        self.live.gateway.changes.send_modify(|count| *count += 1);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let State::Open(number) = self.state else { return };
        let now = self.live.gateway.clock.millis();
        let by = self.live.entry.principal.id.to_string();
        // A session that is stopped drops what it waits for, and may do so before the wait itself notices.
        let (by, why, recorded) = match self.live.entry.stop.reached() {
            Some(stopped) => ("gateway".to_owned(), stopped.to_string(), "revoked"),
            None => (by, "the client went away".to_owned(), "dropped"),
        };
        self.live.write_later(&withdrawn(number, self.command, recorded));
        self.live.record_approval(&number.to_string(), self.command, "withdrawn");
        self.live.flush();
        self.live.gateway.store.tell("withdraw an approval", move |store| {
            store.settle(number, ApprovalState::Withdrawn, &by, &why, now).map(drop)
        });
        self.live.gateway.changes.send_modify(|count| *count += 1);
    }
}

fn withdrawn(number: Number, command: u64, reason: &str) -> Record<'_> {
    Record::Withdrawn(Withdrawn { approval: number.to_string().into(), command, reason: reason.into() })
}

fn disapproved(by: &str, reason: &str) -> Refusal {
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    Refusal {
        kind: RefusalKind::Disapproved,
        rule: None,
        message: format!("refused by {by}{why}").into(),
        hint: "talk to the reviewer, then send the command again to ask anew".into(),
    }
}

fn expired(number: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Expired,
        rule: None,
        message: format!("approval {number} expired: nobody answered in time").into(),
        hint: "tell a reviewer, then send the command again to ask anew".into(),
    }
}

fn store_lost(error: StoreError) -> Refusal {
    Refusal::unavailable(error.to_string())
}

fn in_minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

fn open_holds(judged: &Judged) -> Vec<(RuleIndex, HoldKey)> {
    let Verdict::Hold(open) = &judged.decision().verdict else { return Vec::new() };
    open.iter().filter_map(|rule| Some((*rule, judged.policy().hold_key(*rule)?.clone()))).collect()
}

fn held_rule(judged: &Judged, rule: RuleIndex, key: &HoldKey, now: i64) -> HeldRule {
    let quorum = judged.policy().requirement(rule).map_or(u16::MAX, |requirement| requirement.quorum.get());
    HeldRule::new(key, quorum, now)
}

/// When the first of the holds expires.
fn deadline(judged: &Judged, holds: &[HeldRule]) -> i64 {
    let expiry = |hold: &HeldRule| {
        let policy = judged.policy();
        let requirement = policy.requirement(policy.hold(&hold.key()?)?)?;
        let within = i64::try_from(requirement.within.as_millis()).unwrap_or(i64::MAX);
        Some(hold.since.saturating_add(within))
    };
    holds.iter().filter_map(expiry).min().unwrap_or(0)
}

/// Whether reviewers can be asked at all.
fn check_askable(judged: &Judged, rule: RuleIndex, asked: &Asked<'_>) -> Result<(), Refusal> {
    let Some(requirement) = judged.policy().requirement(rule) else { return Ok(()) };
    let id = judged.policy().rule_id(rule).map(ToString::to_string).unwrap_or_default();
    let refuse = |message: String, hint: &str| {
        let rule = Some(id.as_str().into());
        Err(Refusal { kind: RefusalKind::Forbidden, rule, message: message.into(), hint: hint.into() })
    };
    if asked.in_transaction && !requirement.in_transaction {
        return refuse(
            format!(
                "the rule `{id}` holds this for approval, which is not done inside a transaction: it would keep its locks"
            ),
            "roll back, and send the command by itself",
        );
    }
    if requirement.justify && asked.justification.is_none_or(|words| words.trim().is_empty()) {
        return refuse(
            format!("the rule `{id}` asks for a justification"),
            "say why, then send the command again: SET portcullis.justification = '…'",
        );
    }
    Ok(())
}

/// All that a vote is about, besides the holds that it names itself.
fn binding(live: &Live, kept: &Kept) -> Digest {
    let entry = &live.entry;
    let actions = format!("{:?}", kept.statement.bound);
    let session = entry.id.0.to_be_bytes();
    let mut parts: Vec<&[u8]> = vec![
        b"approval",
        &kept.statement.digest.0,
        actions.as_bytes(),
        entry.principal.id.as_bytes(),
        &session,
        entry.target.protocol.as_str().as_bytes(),
        entry.target.name.as_bytes(),
    ];
    for parameter in &kept.parameters {
        parts.push(match (&parameter.value, parameter.binary) {
            (None, _) => b"null",
            (Some(_), true) => b"binary",
            (Some(_), false) => b"text",
        });
        parts.push(parameter.value.as_deref().unwrap_or_default());
    }
    for (name, value) in &kept.settings {
        parts.extend([b"setting".as_slice(), name.as_bytes(), value.as_bytes()]);
    }
    live.gateway.digest(&parts)
}

/// What was asked, kept while it waits.
#[derive(Debug)]
struct Kept {
    statement: Arc<Statement>,
    via: &'static str,
    parameters: Vec<KeptParameter>,
    in_transaction: bool,
    settings: Vec<(Box<str>, Box<str>)>,
    justification: Option<Box<str>>,
}

#[derive(Debug)]
struct KeptParameter {
    value: Option<Box<[u8]>>,
    binary: bool,
    sensitive: bool,
}

impl Kept {
    fn of(asked: &Asked<'_>) -> Self {
        Self {
            statement: Arc::clone(asked.statement),
            via: asked.via,
            parameters: asked
                .parameters
                .iter()
                .map(|parameter| KeptParameter {
                    value: parameter.value.map(Into::into),
                    binary: parameter.binary,
                    sensitive: parameter.sensitive,
                })
                .collect(),
            in_transaction: asked.in_transaction,
            settings: asked.settings.to_vec(),
            justification: asked.justification.map(Into::into),
        }
    }

    fn parameters(&self) -> Vec<Parameter<'_>> {
        let parameters = self.parameters.iter();
        let lent = parameters.map(|KeptParameter { value, binary, sensitive }| Parameter {
            value: value.as_deref(),
            binary: *binary,
            sensitive: *sensitive,
        });
        lent.collect()
    }

    fn asked<'a>(&'a self, parameters: &'a [Parameter<'a>]) -> Asked<'a> {
        Asked {
            statement: &self.statement,
            stage: Stage::Execute,
            via: self.via,
            parameters,
            in_transaction: self.in_transaction,
            settings: &self.settings,
            justification: self.justification.as_deref(),
        }
    }

    /// The command in the clear, its parameters below.
    fn revealed(&self) -> String {
        let mut text = self.statement.raw.to_string();
        for (number, parameter) in self.parameters.iter().enumerate() {
            let value = match &parameter.value {
                None => "NULL".to_owned(),
                Some(value) if parameter.binary => format!("({} bytes)", value.len()),
                Some(value) => format!("{:?}", String::from_utf8_lossy(value)),
            };
            text.push_str(&format!("\n${} = {value}", number + 1));
        }
        text
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
