//! How waiting ends without a grant, in the store, in evidence, and in the client's words.

use portcullis_evidence::Record;
use portcullis_evidence::record::{Expired, Withdrawn};

use super::{Held, State, timestamp};
use crate::enforce::refusal::{Refusal, RefusalKind};
use crate::store::{Approval, ApprovalState, BoundTo, Number};

impl Held {
    pub(super) async fn refused_by(&mut self, by: &str, approval: &Approval) -> Refusal {
        let reason = approval.votes.iter().find(|vote| vote.voter == by && !vote.approve);
        let reason = reason.map(|vote| vote.reason.clone()).unwrap_or_default();
        self.end(ApprovalState::Refused, by, &reason, "refused").await;
        self.disapproved(by, &reason, approval)
    }

    pub(super) async fn expired(&mut self, number: Number) -> Refusal {
        let approval = number.to_string();
        self.settle(ApprovalState::Expired, "gateway", "nobody answered in time").await;
        // Each command that waited for it says so.
        self.live.write_later(&Record::Expired(Expired {
            approval: approval.as_str().into(),
            command: self.command,
        }));
        self.live.record_approval(&approval, self.command, "expired");
        self.live.flush();
        expired(&approval)
    }

    /// Somebody else has ended what this waits for.
    pub(super) fn ended_elsewhere(&self, approval: &Approval) -> Refusal {
        if self.live.bound_to == BoundTo::Principal {
            let spent = approval.state == ApprovalState::Consumed;
            let why = if spent { "released another" } else { approval.state.as_str() };
            self.live.write_later(&withdrawn(approval.number, self.command, why));
            self.live.record_approval(&approval.number.to_string(), self.command, "withdrawn");
            self.live.flush();
        }
        match approval.state {
            ApprovalState::Consumed if self.live.bound_to == BoundTo::Principal => Refusal {
                kind: RefusalKind::Spent,
                rule: None,
                message: format!(
                    "approval {} has released an identical request, and is for one only",
                    approval.number
                )
                .into(),
                hint: "send the request again to ask anew".into(),
            },
            ApprovalState::Refused => self.disapproved(&approval.decided_by, &approval.reason, approval),
            ApprovalState::Expired => expired(&approval.number.to_string()),
            ApprovalState::Pending | ApprovalState::Consumed | ApprovalState::Withdrawn => Refusal {
                kind: RefusalKind::Disapproved,
                rule: None,
                message: format!("approval {} is over: {}", approval.number, approval.reason).into(),
                hint: "send the command again to ask anew".into(),
            },
        }
    }

    /// What a refusal means for whoever sends the same again: bound to the principal, it stands for as long as it would have
    /// waited.
    pub(super) fn disapproved(&self, by: &str, reason: &str, approval: &Approval) -> Refusal {
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        let hint = match self.live.bound_to {
            BoundTo::Session => "talk to the reviewer, then send the command again to ask anew".to_owned(),
            BoundTo::Principal => format!(
                "talk to the reviewer: approval {} stays refused until {}, and the identical request with it",
                approval.number,
                timestamp(approval.asked.deadline)
            ),
        };
        Refusal {
            kind: RefusalKind::Disapproved,
            rule: None,
            message: format!("refused by {by}{why}").into(),
            hint: hint.into(),
        }
    }

    /// Ends the approval without a grant, in the store and in evidence.
    pub(super) async fn end(&mut self, state: ApprovalState, by: &str, reason: &str, recorded: &str) {
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
            // Nobody can consume it: the one who could is this, and it has ended. Where others may, they count the same votes, by the
            // same clock.
            tracing::warn!(%error, number, "the end of an approval could not be stored");
        }
        self.live.gateway.changes.send_modify(|count| *count += 1);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let State::Open(number) = self.state else { return };
        if self.live.bound_to == BoundTo::Principal {
            return self.left(number);
        }
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

pub(super) fn withdrawn(number: Number, command: u64, reason: &str) -> Record<'_> {
    Record::Withdrawn(Withdrawn { approval: number.to_string().into(), command, reason: reason.into() })
}

fn expired(number: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Expired,
        rule: None,
        message: format!("approval {number} expired: nobody answered in time").into(),
        hint: "tell a reviewer, then send the command again to ask anew".into(),
    }
}
