//! Approvals that are bound to the principal: a client need not wait for them, and comes back with the identical command.
//!
//! ```text
//! request ── held 7 ── answered after a while: "come back" ┐
//!                         approval 7 waits on, votes come in │ the store has it: connections and gateways come and go
//! request ── held 7 ── votes counted ── consumed ── permit  ┘
//! ```
//! Nobody counts votes while no client waits; whoever comes back does, by the policy and the groups of that moment.

use portcullis_evidence::Record;
use portcullis_evidence::record::Deferred;

use super::end::withdrawn;
use super::unclaimed::Unclaimed;
use super::{Held, State, store_lost, timestamp};
use crate::enforce::refusal::{Refusal, RefusalKind};
use crate::store::{BoundTo, Joined, NewApproval, Number, Room};

impl Held {
    /// Opens the approval, or waits for the one that is there for the identical command.
    pub(super) async fn join(&mut self, new: NewApproval) -> Result<Number, Refusal> {
        let gateway = &self.live.gateway;
        let limits = gateway.config.load().limits.clone();
        let room = Room { all: limits.held_commands, of_principal: limits.held_per_principal };
        let (keeper, instance) = (gateway.store.clone(), gateway.instance);
        let joined = gateway.store.ask(move |store| {
            let joined = store.join(&new, room)?;
            let number = match &joined {
                Joined::Opened(number) => Some(*number),
                Joined::Waiting(approval) => Some(approval.number),
                Joined::Refused(_) | Joined::Full | Joined::FullOfPrincipal => None,
            };
            let place = number
                .map(|number| Unclaimed::new(keeper, number, BoundTo::Principal, instance, new.created));
            Ok((joined, place))
        });
        let (joined, place) = joined.await.map_err(store_lost)?;
        place.map(Unclaimed::claim);
        match joined {
            Joined::Opened(number) => Ok(number),
            Joined::Waiting(approval) => {
                (self.holds, self.deadline) = (approval.asked.holds, approval.asked.deadline);
                Ok(approval.number)
            }
            Joined::Refused(approval) => {
                self.live.write_later(&withdrawn(approval.number, self.command, "refused"));
                self.live.record_approval(&approval.number.to_string(), self.command, "refused");
                Err(self.disapproved(&approval.decided_by, &approval.reason, &approval))
            }
            Joined::Full => Err(Refusal::unavailable(format!(
                "{} commands are waiting for approval already, and more are not held",
                room.all
            ))),
            Joined::FullOfPrincipal => Err(Refusal {
                kind: RefusalKind::LimitReached,
                rule: None,
                message: format!(
                    "{} of your requests are waiting for approval already, and more are not held",
                    room.of_principal
                )
                .into(),
                hint: "wait until reviewers have decided about them".into(),
            }),
        }
    }

    /// The client's time is over, the approval's is not.
    pub(super) async fn come_back(&mut self) -> Refusal {
        let State::Open(number) = self.state else {
            return Refusal::unavailable("the approval was never opened, or is over");
        };
        self.leave("told to come back").await;
        let until = timestamp(self.deadline);
        Refusal {
            kind: RefusalKind::Pending { approval: number },
            rule: self.holds.first().map(|hold| hold.rule.as_str().into()),
            message: format!("held for approval {number}, which waits for reviewers until {until}").into(),
            hint: format!(
                "repeat the identical request once it is approved; a reviewer answers with `portcullis approve {number}` or \
                 `portcullis refuse {number}`"
            )
            .into(),
        }
    }

    /// This command waits no longer; its approval does.
    pub(super) async fn leave(&mut self, reason: &str) {
        let State::Open(number) = std::mem::replace(&mut self.state, State::Done) else { return };
        self.deferred(number, reason);
        let instance = self.live.gateway.instance;
        if let Err(error) = self.live.gateway.store.ask(move |store| store.leave(number, instance)).await {
            // It is shown as waited for until this instance ends, which changes nothing else.
            tracing::warn!(%error, number, "that a client left could not be stored");
        }
        self.live.gateway.changes.send_modify(|count| *count += 1);
    }

    /// The same for a command that is dropped where it waits.
    pub(super) fn left(&mut self, number: Number) {
        let stopped = self.live.entry.stop.reached().is_some();
        self.deferred(number, if stopped { "session stopped" } else { "client gone" });
        let instance = self.live.gateway.instance;
        self.live.gateway.store.tell("note that a client left", move |store| store.leave(number, instance));
        self.live.gateway.changes.send_modify(|count| *count += 1);
    }

    fn deferred(&self, number: Number, reason: &str) {
        let approval = number.to_string();
        let command = self.command;
        let record = Deferred { approval: approval.as_str().into(), command, reason: reason.into() };
        self.live.write_later(&Record::Deferred(record));
        self.live.record_approval(&approval, command, "deferred");
        self.live.flush();
    }
}
