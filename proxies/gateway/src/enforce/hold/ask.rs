//! What reviewers are asked, and how their votes count.

use std::time::Duration;

use policy_core::approval::Status;
use policy_core::decision::RuleIndex;
use policy_core::rule::{HoldKey, Requirement};
use policy_core::{Principal, Protocol, Verdict};
use portcullis_evidence::Record;
use portcullis_evidence::record::Held as HeldRecord;

use super::count::seconds;
use super::{Held, store_lost, timestamp};
use crate::enforce::asked::Asked;
use crate::enforce::judged::{Judged, in_words};
use crate::enforce::refusal::{Refusal, RefusalKind};
use crate::identity::Accounts;
use crate::store::{Approval, BoundTo, HeldRule, NewApproval, Number};

impl Held {
    /// Makes the approval ask for exactly the holds that are open: a new or changed one needs votes of its own. `false` where it
    /// is over meanwhile, or another who waits for it has changed it: look again.
    pub(super) async fn ask_for(
        &mut self,
        number: Number,
        judged: &Judged,
        open: &[(RuleIndex, HoldKey)],
        now: i64,
    ) -> Result<bool, Refusal> {
        let parameters = self.asked.parameters();
        let mut holds = Vec::with_capacity(open.len());
        for (rule, key) in open {
            match self.holds.iter().find(|hold| hold.key().as_ref() == Some(key)) {
                Some(hold) => holds.push(hold.clone()),
                None => {
                    check_askable(
                        judged,
                        *rule,
                        &self.live.entry.target.protocol,
                        &self.asked.asked(&parameters),
                    )?;
                    holds.push(held_rule(judged, *rule, key, now));
                }
            }
        }
        if holds == self.holds {
            return Ok(true);
        }
        let deadline = deadline(judged, &holds);
        let (before, amended) = (self.holds.clone(), holds.clone());
        let store = &self.live.gateway.store;
        let amended = store.ask(move |store| store.amend(number, &before, &amended, deadline)).await;
        if !amended.map_err(store_lost)? {
            return Ok(false);
        }
        (self.holds, self.deadline) = (holds, deadline);
        self.record_held(number)?;
        if self.live.bound_to == BoundTo::Principal {
            // Others may wait for the same.
            self.live.gateway.changes.send_modify(|count| *count += 1);
        }
        Ok(true)
    }

    pub(super) fn request(&self, judged: &Judged) -> NewApproval {
        let entry = &self.live.entry;
        let spelling = judged.policy().spelling(&entry.target.protocol);
        let reveal = open_holds(judged).iter().any(|(rule, _)| {
            judged.policy().requirement(*rule).is_some_and(|requirement| requirement.reveal)
        });
        NewApproval {
            instance: self.live.gateway.instance,
            session: entry.id,
            bound_to: self.live.bound_to,
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
                .map(|action| in_words(action, spelling))
                .collect(),
            holds: self.holds.clone(),
            justification: self.asked.justification.as_deref().map(str::to_owned),
            in_transaction: self.asked.in_transaction,
            created: self.asked_at,
            deadline: self.deadline,
        }
    }

    pub(super) fn record_held(&self, number: Number) -> Result<(), Refusal> {
        let reviewers: Vec<_> = self
            .holds
            .iter()
            .map(|hold| match hold.watchers {
                0 => format!("{} for `{}`", hold.quorum, hold.rule),
                watchers => format!("{} for `{}`, {watchers} watching", hold.quorum, hold.rule),
            })
            .collect();
        let held = HeldRecord {
            approval: number.to_string().into(),
            command: self.command,
            binding: self.binding.into(),
            rules: self.holds.iter().map(|hold| hold.rule.as_str().into()).collect(),
            reviewers: reviewers.join(", ").into(),
            expires: timestamp(self.deadline),
        };
        self.live.record_approval(&number.to_string(), self.command, "held");
        self.live.write(&Record::Held(held)).map(drop)
    }

    /// The accounts of voters, and of an agent's owner, as they are now.
    pub(super) async fn people(&self, approval: &Approval) -> Result<Accounts, Refusal> {
        let owner = self.live.entry.principal.owner.as_deref();
        let mut people = Accounts::default();
        for name in approval.votes.iter().map(|vote| &*vote.voter).chain(owner) {
            let found = people.look_up(&*self.live.gateway.identity, name).await;
            found.map_err(|error| Refusal::unavailable(error.to_string()))?;
        }
        Ok(people)
    }

    /// Where one hold stands, by the votes that were cast for exactly this command and this requirement.
    pub(super) fn status(
        &self,
        judged: &Judged,
        rule: RuleIndex,
        key: &HoldKey,
        approval: &Approval,
        present: &Present<'_>,
        now: i64,
    ) -> Option<Status> {
        let hold = self.holds.iter().find(|hold| hold.key().as_ref() == Some(key))?;
        let votes = hold.votes(approval, self.binding, present.people);
        let requester = &self.live.entry.principal;
        let petition = hold.petition(requester, present.people, self.asked.justification.as_deref());
        judged.policy().approval_status(rule, &petition, &votes, present.watchers, seconds(now))
    }
}

/// The accounts that count at one moment.
pub(super) struct Present<'a> {
    /// Of voters, and of an agent's owner.
    pub(super) people: &'a Accounts,
    /// Of those who watch the session.
    pub(super) watchers: &'a [&'a Principal],
}

pub(super) fn open_holds(judged: &Judged) -> Vec<(RuleIndex, HoldKey)> {
    let Verdict::Hold(open) = &judged.decision().verdict else { return Vec::new() };
    open.iter().filter_map(|rule| Some((*rule, judged.policy().hold_key(*rule)?.clone()))).collect()
}

pub(super) fn held_rule(judged: &Judged, rule: RuleIndex, key: &HoldKey, now: i64) -> HeldRule {
    HeldRule::new(key, judged.policy().requirement(rule), now)
}

/// When the first of the holds expires.
pub(super) fn deadline(judged: &Judged, holds: &[HeldRule]) -> i64 {
    let expiry = |hold: &HeldRule| {
        let policy = judged.policy();
        let requirement = policy.requirement(policy.hold(&hold.key()?)?)?;
        let within = i64::try_from(requirement.within.as_millis()).unwrap_or(i64::MAX);
        Some(hold.since.saturating_add(within))
    };
    holds.iter().filter_map(expiry).min().unwrap_or(0)
}

/// How long the client is kept waiting, where it may come back: the shortest of what the holds say.
pub(super) fn answer_after(judged: &Judged, open: &[(RuleIndex, HoldKey)]) -> Duration {
    let requirements = open.iter().filter_map(|(rule, _)| judged.policy().requirement(*rule));
    requirements.map(Requirement::answer_after).min().unwrap_or(Requirement::ANSWER_AFTER)
}

/// Whether reviewers can be asked at all.
pub(super) fn check_askable(
    judged: &Judged,
    rule: RuleIndex,
    protocol: &Protocol,
    asked: &Asked<'_>,
) -> Result<(), Refusal> {
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
            match protocol.as_str() {
                "postgres" => "say why, then send the command again: SET portcullis.justification = '…'",
                "ssh" => "say why when you send it again: ssh -o SetEnv=PORTCULLIS_JUSTIFICATION='…'",
                _ => "the protocol has no place to say why: ask whoever keeps the policy",
            },
        );
    }
    Ok(())
}
