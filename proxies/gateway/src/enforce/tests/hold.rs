use std::time::Duration;

use super::*;
use crate::store::{Approval, ApprovalState};

const ALLOW: &str = r#"allow "engineers work" { by group "eng"  on postgres  do select on "public.*" }"#;
const POLICY: &str = r#"
allow "engineers work" { by group "eng"  on postgres  do select on "public.*" }
hold "schema change" { by group "eng"  on postgres  do alter on "public.*"  until 1 of group "sre" approve within 15m }
"#;

struct Wait {
    house: House,
    _session: Session,
    held: Box<Held>,
    number: u64,
}

impl Wait {
    async fn new(policy: &str) -> Self {
        let house = House::new(policy);
        for (name, groups) in
            [("bob", &["sre"][..]), ("cat", &["sre", "dba"]), ("eve", &["sales"]), ("ana", &["sre"])]
        {
            house.user(name, groups).await;
        }
        let mut session = house.open("ana").await;
        let mut held = held(run(&mut session, &house.alter()).await);
        let notice = held.open().await.expect("opened");
        Self { house, _session: session, held, number: notice.number }
    }

    async fn approval(&self) -> Approval {
        let number = self.number;
        let found = self.house.gateway.store().ask(move |store| store.approval(number)).await;
        found.expect("read").expect("there")
    }

    async fn vote(&self, voter: &str, approve: bool) -> bool {
        let approval = self.approval().await;
        let vote = Vote {
            voter: voter.into(),
            approve,
            at: self.house.now.load(Ordering::SeqCst),
            reason: if approve { "" } else { "not on a Friday" }.into(),
            binding: approval.asked.binding,
            holds: approval.asked.holds,
        };
        let number = self.number;
        self.house.gateway.store().ask(move |store| store.vote(number, &vote)).await.expect("stored")
    }

    /// What the wait comes to, if it comes to anything soon.
    async fn soon(&mut self) -> Option<Result<Released, Refusal>> {
        tokio::time::timeout(Duration::from_millis(700), self.held.wait()).await.ok()
    }

    async fn released(&mut self) -> Released {
        self.soon().await.expect("it ends").expect("it is released")
    }

    async fn refused(&mut self) -> Refusal {
        self.soon().await.expect("it ends").expect_err("it is refused")
    }

    async fn waits(&mut self) {
        assert!(self.soon().await.is_none(), "it should wait on");
    }
}

#[tokio::test]
async fn an_approval_releases_once() {
    let mut wait = Wait::new(POLICY).await;
    wait.waits().await;
    assert!(wait.vote("bob", true).await);
    let released = wait.released().await;
    assert_eq!(released.approved_by, ["bob"]);
    assert_eq!(wait.approval().await.state, ApprovalState::Consumed);
    released.permit.forward().outcome(Outcome::default());
    assert_eq!(wait.refused().await.kind, RefusalKind::Unavailable, "released twice");
    let kinds = wait.house.kinds();
    assert_eq!(kinds[..5], ["session_opened", "intent", "held", "released", "intent"]);
    let records = wait.house.records();
    let intents: Vec<_> = records.iter().filter(|(kind, _)| kind == "intent").map(|(_, line)| line).collect();
    assert_eq!(intents[0]["verdict"]["decision"], "hold");
    assert_eq!(intents[1]["verdict"]["decision"], "allow");
    assert_eq!(intents[1]["approval"], wait.number.to_string());
}

#[tokio::test]
async fn without_the_stores_word_nothing_is_released() {
    let mut wait = Wait::new(POLICY).await;
    assert!(wait.vote("bob", true).await);
    // The votes are enough, but the store no longer gives the grant.
    let (number, holds) = (wait.number, wait.approval().await.asked.holds);
    let amended =
        wait.house.gateway.store().ask(move |store| store.amend(number, &holds, &holds, START - 1)).await;
    assert!(amended.expect("stored"));
    wait.waits().await;
    assert_eq!(wait.approval().await.state, ApprovalState::Pending);
}

#[tokio::test]
async fn votes_that_do_not_count_release_nothing() {
    let mut wait = Wait::new(POLICY).await;
    for voter in ["eve", "ana", "nobody"] {
        assert!(wait.vote(voter, true).await, "the store takes it, the count does not");
    }
    wait.waits().await;
    let number = wait.number;
    let mut other = Vote {
        voter: "bob".into(),
        approve: true,
        at: START,
        reason: String::new(),
        binding: wait.approval().await.asked.binding,
        holds: wait.approval().await.asked.holds,
    };
    other.holds[0].requirement = "00".repeat(32);
    assert!(wait.house.gateway.store().ask(move |store| store.vote(number, &other)).await.expect("stored"));
    wait.waits().await;
}

#[tokio::test]
async fn a_reviewer_who_left_the_group_does_not_count() {
    let mut wait = Wait::new(&POLICY.replace("1 of", "2 of")).await;
    assert!(wait.vote("bob", true).await);
    wait.waits().await;
    wait.house.user("bob", &["sales"]).await;
    assert!(wait.vote("cat", true).await);
    wait.waits().await;
    wait.house.user("bob", &["sre"]).await;
    assert_eq!(wait.released().await.approved_by, ["bob", "cat"]);
}

#[tokio::test]
async fn a_refusal_ends_it() {
    let mut wait = Wait::new(&POLICY.replace("1 of", "2 of")).await;
    assert!(wait.vote("bob", false).await);
    let refusal = wait.refused().await;
    assert_eq!(refusal.kind, RefusalKind::Disapproved);
    assert!(refusal.message.contains("bob") && refusal.message.contains("not on a Friday"), "{refusal}");
    assert_eq!(wait.approval().await.state, ApprovalState::Refused);
    assert!(!wait.vote("cat", true).await, "it is over");
}

#[tokio::test]
async fn it_expires() {
    let mut wait = Wait::new(POLICY).await;
    wait.house.now.fetch_add(15 * 60 * 1000, Ordering::SeqCst);
    assert!(wait.vote("bob", true).await);
    assert_eq!(wait.refused().await.kind, RefusalKind::Expired);
    assert_eq!(wait.approval().await.state, ApprovalState::Expired);
}

#[tokio::test]
async fn a_tightened_policy_refuses_what_waits() {
    let mut wait = Wait::new(POLICY).await;
    wait.house
        .gateway
        .policies()
        .replace(policy(&format!("{POLICY}\ndeny \"freeze\" {{ on postgres  do alter }}")));
    let refusal = wait.refused().await;
    assert_eq!(refusal.rule.as_deref(), Some("freeze"));
    assert_eq!(wait.approval().await.state, ApprovalState::Refused);
}

#[tokio::test]
async fn a_changed_requirement_needs_its_own_votes() {
    let mut wait = Wait::new(&POLICY.replace("1 of", "2 of")).await;
    assert!(wait.vote("bob", true).await);
    wait.waits().await;
    wait.house
        .gateway
        .policies()
        .replace(policy(&POLICY.replace("group \"sre\" approve", "group \"dba\" approve")));
    wait.waits().await;
    assert!(wait.vote("cat", true).await);
    assert_eq!(wait.released().await.approved_by, ["cat"]);
}

#[tokio::test]
async fn a_new_hold_needs_its_own_votes() {
    let mut wait = Wait::new(&POLICY.replace("1 of", "2 of")).await;
    assert!(wait.vote("cat", true).await);
    wait.waits().await;
    let more = r#"hold "data owners" { on postgres  do alter  until 1 of group "dba" approve within 5m }"#;
    wait.house.gateway.policies().replace(policy(&format!("{POLICY}\n{more}").replace("2 of", "1 of")));
    wait.waits().await;
    assert!(wait.vote("bob", true).await);
    wait.waits().await;
    assert!(wait.vote("cat", true).await, "cat votes again, for what is asked now");
    assert_eq!(wait.released().await.approved_by, ["bob", "cat"]);
}

#[tokio::test]
async fn a_revoked_session_stops_waiting() {
    let mut wait = Wait::new(POLICY).await;
    let stop = wait._session.stop().clone();
    stop.throw(crate::session::StopReason::Draining);
    assert_eq!(wait.refused().await.kind, RefusalKind::Stopped);
    assert_eq!(wait.approval().await.state, ApprovalState::Withdrawn);
}

#[tokio::test]
async fn a_client_that_goes_away_withdraws() {
    let wait = Wait::new(POLICY).await;
    let Wait { house, _session, held, number } = wait;
    drop(held);
    let found =
        house.gateway.store().ask(move |store| store.approval(number)).await.expect("read").expect("there");
    assert_eq!(found.state, ApprovalState::Withdrawn);
    assert!(house.gateway.shared.held.load(Ordering::SeqCst) == 0, "its place is free again");
}

#[tokio::test]
async fn what_a_gone_gateway_held_is_never_released() {
    let wait = Wait::new(POLICY).await;
    let number = wait.number;
    wait.vote("bob", true).await;
    // The process dies: nothing is dropped in order. Another instance starts on the same store, later.
    let directory = wait.house.directory.path().to_owned();
    std::mem::forget(wait);
    let later = Clock::new(|| START + 60_000);
    let next = House::gateway(&directory, POLICY, later, "evidence-of-another");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let found = next.store().ask(move |store| store.approval(number)).await.expect("read").expect("there");
    assert_eq!(found.state, ApprovalState::Withdrawn);
}

#[tokio::test]
async fn not_inside_a_transaction_unless_the_rule_says_so() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    let alter = house.alter();
    let inside = Asked { in_transaction: true, ..asked(&alter, Stage::Execute) };
    let refusal = refused(session.judge(&inside).await);
    assert_eq!(refusal.rule.as_deref(), Some("schema change"));
    house.gateway.policies().replace(policy(&POLICY.replace("within 15m", "within 15m in transaction")));
    let mut waiting = held(session.judge(&inside).await);
    assert!(waiting.open().await.expect("opened").text.contains("locks"));
}

#[tokio::test]
async fn a_justification_is_asked_for() {
    let house = House::new(&POLICY.replace("within 15m", "within 15m justify"));
    let mut session = house.open("ana").await;
    let alter = house.alter();
    assert!(refused(run(&mut session, &alter).await).message.contains("justification"));
    let justified = Asked { justification: Some("ticket 7"), ..asked(&alter, Stage::Execute) };
    let mut waiting = held(session.judge(&justified).await);
    let number = waiting.open().await.expect("opened").number;
    let found =
        house.gateway.store().ask(move |store| store.approval(number)).await.expect("read").expect("there");
    assert_eq!(found.asked.justification.as_deref(), Some("ticket 7"));
}

#[tokio::test]
async fn literals_are_kept_from_reviewers_unless_a_hold_reveals() {
    let reveals = POLICY.replace("within 15m", "within 15m reveal");
    let one_of_two =
        format!("{reveals} hold \"too\" {{ do alter  until 1 of group \"sre\" approve within 15m }}");
    for (text, revealed) in [(POLICY.to_owned(), false), (reveals, true), (one_of_two, true)] {
        let wait = Wait::new(&text).await;
        assert_eq!(wait.approval().await.asked.revealed.is_some(), revealed);
        wait.held.withdraw("cancelled").await;
    }
}

#[tokio::test]
async fn held_commands_are_bounded() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    let alter = house.alter();
    let one = held(run(&mut session, &alter).await);
    let two = (held(run(&mut session, &alter).await), held(run(&mut session, &alter).await));
    assert_eq!(refused(run(&mut session, &alter).await).kind, RefusalKind::Unavailable);
    drop(one);
    drop((held(run(&mut session, &alter).await), two));
}

#[tokio::test]
async fn every_part_of_the_command_changes_the_binding() {
    let house = House::new(POLICY);
    let (mut session, mut other) = (house.open("ana").await, house.open("ana").await);
    let alter = house.alter();
    let elsewhere = house.statement("alter table orders add x int", [action("alter", "other")]);
    let same_name = house
        .gateway
        .statement(StatementParts {
            protocol: &Protocol::POSTGRES,
            raw: "alter table orders add x int",
            shown: "",
            actions: alter.actions(),
            definitions: b"another definition",
        })
        .expect("a statement");
    let value = |value, binary| [Parameter { value, binary, sensitive: false }];
    let settings = [("search_path".into(), "evil".into())];
    let base = asked(&alter, Stage::Execute);
    let (null, empty, binary) = (value(None, false), value(Some(b""), false), value(Some(b""), true));
    let variants = [
        base,
        asked(&elsewhere, Stage::Execute),
        asked(&same_name, Stage::Execute),
        Asked { parameters: &null, ..base },
        Asked { parameters: &empty, ..base },
        Asked { parameters: &binary, ..base },
        Asked { settings: &settings, ..base },
    ];
    let mut bindings = Vec::new();
    for (index, variant) in variants.iter().enumerate() {
        let mut waiting = held(session.judge(variant).await);
        let number = waiting.open().await.unwrap_or_else(|refusal| panic!("{index}: {refusal}")).number;
        let found = house
            .gateway
            .store()
            .ask(move |store| store.approval(number))
            .await
            .expect("read")
            .expect("there");
        bindings.push(found.asked.binding);
        waiting.withdraw("cancelled").await;
    }
    let mut waiting = held(other.judge(&base).await);
    let number = waiting.open().await.expect("opened").number;
    let found =
        house.gateway.store().ask(move |store| store.approval(number)).await.expect("read").expect("there");
    bindings.push(found.asked.binding);
    waiting.withdraw("cancelled").await;
    let count = bindings.len();
    bindings.sort();
    bindings.dedup();
    assert_eq!(bindings.len(), count, "two different commands have one binding");
}

#[tokio::test]
async fn connecting_can_be_held() {
    let house = House::new(&format!(
        "{ALLOW}\nhold \"prod\" {{ on postgres  do connect  until 1 of group \"sre\" approve within 1m }}"
    ));
    house.user("ana", &["eng"]).await;
    house.user("bob", &["sre"]).await;
    let target = house.gateway.config().target(&Protocol::POSTGRES, "shop").expect("a target").clone();
    let opening = Opening {
        principal: Principal::human("ana", ["eng"]),
        target: &target,
        source: None,
        client: "psql",
        proven_by: "scram-sha-256".into(),
        tls: true,
    };
    let store = house.gateway.store().clone();
    let mut vote = move |notice: &HoldNotice| {
        let number = notice.number;
        store.tell("vote", move |store| {
            let asked = store.approval(number)?.expect("there").asked;
            let vote = Vote {
                voter: "bob".into(),
                approve: true,
                at: START,
                reason: String::new(),
                binding: asked.binding,
                holds: asked.holds,
            };
            store.vote(number, &vote).map(drop)
        });
    };
    let opened =
        tokio::time::timeout(Duration::from_secs(5), house.gateway.open_session(opening, &mut vote)).await;
    opened.expect("in time").expect("admitted");
}
