//! Approvals that are bound to the principal: they outlive the wait, the session and the gateway.

use std::time::Duration;

use super::*;
use crate::session::StopReason;
use crate::store::{Approval, ApprovalState, BoundTo, Revocation, RevocationSubject};

const POLICY: &str = r#"
hold "large" { by group "eng"  on http  do post on "/orders"  until 1 of group "sre" approve within 15m  answer after 30s }
"#;
const MINUTES: i64 = 60_000;

impl House {
    async fn staffed(text: &str) -> Self {
        let house = Self::new(text);
        for (name, groups) in
            [("ana", &["eng"][..]), ("ben", &["eng"]), ("bob", &["sre"]), ("cat", &["sre", "dba"])]
        {
            house.user(name, groups).await;
        }
        house
    }

    async fn visit(&self, name: &str, target: &str) -> Session {
        self.has(name, &["eng"]).await;
        let target = self.gateway.config().target(&Protocol::HTTP, target).expect("a target").clone();
        let opening = Opening {
            principal: Principal::human(name, ["eng"]),
            target: &target,
            source: None,
            client: "",
            proven_by: "basic".into(),
            tls: true,
        };
        self.gateway.open_session(opening, &mut |_| {}).await.expect("admitted")
    }

    fn order(&self, body: &[u8]) -> Arc<Statement> {
        let parts = StatementParts {
            protocol: &Protocol::HTTP,
            raw: "POST api.test/orders",
            shown: "POST api.test/orders",
            actions: &Arc::new(ActionSet::new([Action::new(Verb::new("post"), Resource::named(["orders"]))])),
            definitions: body,
        };
        self.gateway.statement(parts).expect("a statement")
    }

    /// ana sends it over a connection of its own, and waits for as long as `held` is kept.
    async fn asks(&self) -> (Session, Box<Held>) {
        let mut session = self.visit("ana", "api").await;
        let held = held(run(&mut session, &self.order(b"5000")).await);
        (session, held)
    }

    /// ana sends it over a connection of its own, is told to come back, and leaves.
    async fn is_told_to_come_back(&self) -> u64 {
        let (_session, mut held) = self.asks().await;
        let number = held.open().await.expect("opened").number;
        self.pass(30_000);
        let refusal = ends(&mut held).await.expect_err("not yet");
        assert_eq!(refusal.kind, RefusalKind::Pending { approval: number }, "{refusal}");
        assert!(refusal.hint.contains(&format!("portcullis approve {number}")), "{}", refusal.hint);
        number
    }

    /// ana comes back with it: what it comes to.
    async fn comes_back(&self) -> Result<Released, Refusal> {
        let (_session, mut held) = self.asks().await;
        held.open().await?;
        ends(&mut held).await
    }

    fn pass(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::SeqCst);
    }

    async fn approval(&self, number: u64) -> Approval {
        let found = self.gateway.store().ask(move |store| store.approval(number)).await;
        found.expect("read").expect("there")
    }

    async fn votes(&self, number: u64, voter: &str, approve: bool) -> bool {
        let Approval { asked, .. } = self.approval(number).await;
        let vote = Vote {
            voter: voter.into(),
            approve,
            at: self.now.load(Ordering::SeqCst),
            reason: if approve { "" } else { "not on a Friday" }.into(),
            binding: asked.binding,
            holds: asked.holds,
        };
        self.gateway.store().ask(move |store| store.vote(number, &vote)).await.expect("stored")
    }

    async fn until_state(&self, number: u64, state: ApprovalState) {
        let limit = std::time::Instant::now() + Duration::from_secs(5);
        while self.approval(number).await.state != state {
            assert!(std::time::Instant::now() < limit, "it is {:?}", self.approval(number).await.state);
            // Threads of the gateway's own look after it.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn is_about(line: &serde_json::Value, number: u64) -> bool {
    line["approval"].as_str() == Some(&*number.to_string())
}

/// What a wait comes to that comes to something at once.
async fn ends(held: &mut Held) -> Result<Released, Refusal> {
    tokio::time::timeout(Duration::from_secs(2), held.wait()).await.expect("it ends")
}

fn pending(result: Result<Released, Refusal>) -> u64 {
    match result {
        Err(Refusal { kind: RefusalKind::Pending { approval }, .. }) => approval,
        other => panic!("not told to come back: {other:?}"),
    }
}

#[tokio::test]
async fn whoever_is_told_to_come_back_passes_once_when_it_is_approved() {
    let house = House::staffed(POLICY).await;
    let number = house.is_told_to_come_back().await;
    let waits = house.approval(number).await;
    assert_eq!((waits.state, waits.waiting), (ApprovalState::Pending, 0), "nobody waits");
    assert_eq!(waits.asked.bound_to, BoundTo::Principal);
    assert!(house.votes(number, "bob", true).await, "a vote counts while nobody waits");
    let released = house.comes_back().await.expect("it passes");
    assert_eq!(released.approved_by, ["bob"]);
    released.permit.forward().outcome(Outcome::default());
    assert_eq!(house.approval(number).await.state, ApprovalState::Consumed);
    let (_session, mut again) = house.asks().await;
    assert_ne!(again.open().await.expect("opened").number, number, "it was for one");
    let kinds = house.kinds();
    let (left, came_back) = kinds[..10].split_at(5);
    assert_eq!(left, ["session_opened", "intent", "held", "deferred", "session_closed"]);
    assert_eq!(came_back, ["session_opened", "intent", "held", "released", "intent"]);
    let records = house.records();
    let of: Vec<_> = records.iter().filter(|(_, line)| is_about(line, number)).collect();
    let sessions: std::collections::BTreeSet<_> =
        of.iter().filter_map(|(_, line)| line["session"].as_str()).collect();
    assert_eq!((of.len(), sessions.len()), (5, 2), "two connections, one story: {of:?}");
}

#[tokio::test]
async fn a_client_that_keeps_waiting_passes_without_coming_back() {
    let house = House::staffed(POLICY).await;
    let (_session, mut held) = house.asks().await;
    let number = held.open().await.expect("opened").number;
    assert_eq!(house.approval(number).await.waiting, 1);
    assert!(house.votes(number, "bob", true).await);
    assert_eq!(ends(&mut held).await.expect("it passes").approved_by, ["bob"]);
}

#[tokio::test]
async fn the_client_is_answered_after_the_shortest_time_of_its_holds() {
    for (more, expected) in [
        ("", 30_000),
        (
            r#"hold "sooner" { on http  do post  until 1 of group "dba" approve within 15m  answer after 10s }"#,
            10_000,
        ),
        (r#"hold "by itself" { on http  do post  until 1 of group "dba" approve within 15m }"#, 30_000),
        (r#"hold "shorter" { on http  do post  until 1 of group "dba" approve within 20s }"#, 20_000),
    ] {
        let house = House::staffed(&format!("{POLICY}{more}")).await;
        let (_session, mut held) = house.asks().await;
        held.open().await.expect("opened");
        house.pass(expected - 1);
        let waits = tokio::time::timeout(Duration::from_millis(100), held.wait()).await;
        assert!(waits.is_err(), "{more}: too early: {waits:?}");
        house.pass(1);
        assert!(ends(&mut held).await.is_err(), "{more}");
    }
}

#[tokio::test]
async fn coming_back_early_waits_on_the_same_and_asks_nobody_again() {
    let house = House::staffed(POLICY).await;
    let number = house.is_told_to_come_back().await;
    let (_session, mut held) = house.asks().await;
    assert_eq!(held.open().await.expect("opened").number, number);
    assert_eq!(house.approval(number).await.waiting, 1);
    house.pass(30_000);
    assert_eq!(pending(ends(&mut held).await), number);
    let all = house.gateway.store().ask(|store| store.approvals(false)).await.expect("read");
    assert_eq!(all.len(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_and_a_session_that_is_stopped_leave_it_waiting() {
    let house = House::staffed(POLICY).await;
    let (session, mut held) = house.asks().await;
    let number = held.open().await.expect("opened").number;
    drop((held, session));
    let left = house.approval(number).await;
    assert_eq!((left.state, left.waiting), (ApprovalState::Pending, 0));
    let (session, mut held) = house.asks().await;
    held.open().await.expect("opened");
    session.stop().throw(StopReason::Draining);
    assert_eq!(ends(&mut held).await.expect_err("stopped").kind, RefusalKind::Stopped);
    let left = house.approval(number).await;
    assert_eq!((left.state, left.waiting), (ApprovalState::Pending, 0));
    let reasons: Vec<_> = house.records().into_iter().filter(|(kind, _)| kind == "deferred").collect();
    assert_eq!(reasons[0].1["reason"], "client gone");
    assert_eq!(reasons[1].1["reason"], "session stopped");
    assert_eq!(house.gateway.shared.held.load(Ordering::SeqCst), 1, "the first one's place is free again");
}

#[tokio::test]
async fn a_client_that_leaves_while_its_approval_is_opened_is_not_waited_for() {
    let house = House::staffed(POLICY).await;
    let (_session, mut held) = house.asks().await;
    {
        // Polled once: the store opens it, and nobody is there to be told.
        let mut opening = std::pin::pin!(held.open());
        let once =
            std::future::poll_fn(|cx| std::task::Poll::Ready(opening.as_mut().poll(cx).is_pending())).await;
        assert!(once, "the store answers at once, and this tests nothing");
    }
    drop(held);
    let all = house.gateway.store().ask(|store| store.approvals(false)).await.expect("read");
    // It is given up on the store's thread, behind what was asked here.
    let number = all[0].number;
    house.gateway.store().ask(|_| Ok(())).await.expect("asked");
    let left = house.approval(number).await;
    assert_eq!((left.state, left.waiting), (ApprovalState::Pending, 0));
}

#[tokio::test]
async fn an_approval_is_for_the_identical_request_of_the_same_principal_and_target() {
    let house = House::staffed(POLICY).await;
    let number = house.is_told_to_come_back().await;
    assert!(house.votes(number, "bob", true).await);
    let path = house
        .gateway
        .statement(StatementParts {
            protocol: &Protocol::HTTP,
            raw: "POST api.test/orders?force",
            shown: "POST api.test/orders",
            actions: house.order(b"").actions(),
            definitions: b"5000",
        })
        .expect("a statement");
    let field = [("x-mode".into(), "wet".into())];
    for (name, target, statement, fields) in [
        ("ana", "api", house.order(b"5001"), &[][..]),
        ("ana", "api", path, &[]),
        ("ana", "api", house.order(b"5000"), &field),
        ("ana", "other", house.order(b"5000"), &[]),
        ("ben", "api", house.order(b"5000"), &[]),
    ] {
        let mut session = house.visit(name, target).await;
        let mut held = held(run(&mut session, &statement).await);
        held.bind(fields.iter().cloned());
        let other = held.open().await.expect("opened").number;
        assert_ne!(other, number, "{name} {target} {fields:?}");
        // It leaves room for the next.
        let over = ApprovalState::Withdrawn;
        let settled = house.gateway.store().ask(move |store| store.settle(other, over, "", "", START)).await;
        assert!(settled.expect("stored"));
    }
    house.comes_back().await.expect("the identical one passes");
}

#[tokio::test]
async fn it_is_judged_by_the_policy_of_the_moment_that_it_comes_back() {
    let house = House::staffed(POLICY).await;
    let number = house.is_told_to_come_back().await;
    assert!(house.votes(number, "bob", true).await);
    let policies = house.gateway.policies();
    policies.replace(policy(&format!("{POLICY}\ndeny \"freeze\" {{ on http  do post }}")));
    let mut session = house.visit("ana", "api").await;
    assert_eq!(refused(run(&mut session, &house.order(b"5000")).await).rule.as_deref(), Some("freeze"));
    drop(session);
    // Another requirement asks for votes of its own, of the same approval.
    policies.replace(policy(&POLICY.replace("group \"sre\"", "group \"dba\"")));
    let (_session, mut held) = house.asks().await;
    assert_eq!(held.open().await.expect("opened").number, number);
    house.pass(30_000);
    pending(ends(&mut held).await);
    assert!(house.votes(number, "cat", true).await);
    assert_eq!(house.comes_back().await.expect("it passes").approved_by, ["cat"]);
}

#[tokio::test]
async fn votes_are_counted_by_the_groups_of_the_moment_that_it_comes_back() {
    let house = House::staffed(POLICY).await;
    let number = house.is_told_to_come_back().await;
    assert!(house.votes(number, "bob", true).await);
    house.user("bob", &["sales"]).await;
    let (_session, mut held) = house.asks().await;
    held.open().await.expect("opened");
    house.pass(30_000);
    assert_eq!(pending(ends(&mut held).await), number);
    house.user("bob", &["sre"]).await;
    house.comes_back().await.expect("it passes");
}

#[tokio::test]
async fn a_refusal_answers_the_same_request_for_as_long_as_it_would_have_waited() {
    let house = House::staffed(POLICY).await;
    let number = house.is_told_to_come_back().await;
    assert!(house.votes(number, "bob", false).await);
    for _ in 0..3 {
        let refusal = house.comes_back().await.expect_err("refused");
        assert_eq!(refusal.kind, RefusalKind::Disapproved);
        assert!(refusal.message.contains("refused by bob: not on a Friday"), "{refusal}");
        let stands = format!("approval {number} stays refused until");
        assert!(refusal.hint.contains(&stands) && !refusal.hint.contains("anew"), "{refusal:?}");
    }
    assert_eq!(house.approval(number).await.state, ApprovalState::Refused);
    // Whom other reviewers are to be asked about is another question.
    let policies = house.gateway.policies();
    policies.replace(policy(&POLICY.replace("group \"sre\"", "group \"dba\"")));
    let (_session, mut held) = house.asks().await;
    assert_ne!(held.open().await.expect("opened").number, number);
    drop(held);
    policies.replace(policy(POLICY));
    house.pass(15 * MINUTES);
    let (_session, mut held) = house.asks().await;
    assert_ne!(held.open().await.expect("asked anew").number, number);
}

#[tokio::test]
async fn it_ends_at_its_deadline_whether_or_not_somebody_comes_back() {
    let house = House::staffed(POLICY).await;
    let number = house.is_told_to_come_back().await;
    assert!(house.votes(number, "bob", true).await);
    house.pass(15 * MINUTES);
    let (_session, mut held) = house.asks().await;
    assert_ne!(held.open().await.expect("asked anew").number, number, "the vote came to nothing");
    house.until_state(number, ApprovalState::Expired).await;
    let told = |(kind, line): &(String, serde_json::Value)| kind == "expired" && is_about(line, number);
    let limit = std::time::Instant::now() + Duration::from_secs(5);
    while !house.records().iter().any(told) {
        assert!(std::time::Instant::now() < limit, "evidence is not told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn whoever_is_revoked_disabled_or_removed_takes_what_waits_with_them() {
    let revocation = || Revocation {
        subject: RevocationSubject::User("ana".into()),
        by: "root".into(),
        reason: "left the company".into(),
        at: START + 60_000,
    };
    type Change = Box<dyn FnOnce(&mut dyn crate::store::Store) + Send>;
    let changes: [Change; 3] = [
        Box::new(move |store| {
            store.revoke(&revocation()).expect("stored");
        }),
        Box::new(|store| {
            let mut user = store.user("ana").expect("read").expect("there");
            user.disabled = true;
            store.put_user(&user).expect("stored");
        }),
        Box::new(|store| assert!(store.remove_user("ana").expect("stored"))),
    ];
    for change in changes {
        let house = House::staffed(POLICY).await;
        let number = house.is_told_to_come_back().await;
        assert!(house.votes(number, "bob", true).await);
        house
            .gateway
            .store()
            .ask(move |store| {
                change(store);
                Ok(())
            })
            .await
            .expect("done");
        assert_eq!(house.approval(number).await.state, ApprovalState::Withdrawn, "at once");
        // Whoever is let in again.
        house.user("ana", &["eng"]).await;
        let (_session, mut held) = house.asks().await;
        assert_ne!(held.open().await.expect("asked anew").number, number, "what was granted is gone");
        house.until_state(number, ApprovalState::Withdrawn).await;
        let told = |(kind, line): &(String, serde_json::Value)| kind == "withdrawn" && is_about(line, number);
        let limit = std::time::Instant::now() + Duration::from_secs(5);
        while !house.records().iter().any(told) {
            assert!(std::time::Instant::now() < limit, "evidence is not told");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn the_end_of_a_gateway_leaves_it_waiting() {
    // In order, and by a crash.
    for in_order in [true, false] {
        let house = House::staffed(POLICY).await;
        let number = house.is_told_to_come_back().await;
        let (session, mut waits) = house.asks().await;
        waits.open().await.expect("opened");
        assert!(house.votes(number, "bob", true).await);
        let House { gateway, now, directory } = house;
        if in_order {
            drop((waits, session));
            gateway.close("test").expect("closed");
            drop(gateway);
        } else {
            std::mem::forget((waits, session, gateway));
        }
        now.fetch_add(MINUTES, Ordering::SeqCst);
        let told = Arc::clone(&now);
        let clock = Clock::new(move || told.load(Ordering::SeqCst));
        let gateway = House::gateway(directory.path(), POLICY, clock, "evidence-of-another");
        let next = House { gateway, now, directory };
        // Its first beat has cleaned up behind the other.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let found = next.approval(number).await;
        assert_eq!((found.state, found.waiting), (ApprovalState::Pending, 0), "in order: {in_order}");
        assert_eq!(next.comes_back().await.expect("it passes").approved_by, ["bob"]);
    }
}

#[tokio::test]
async fn of_two_identical_ones_at_once_one_passes() {
    let house = House::staffed(POLICY).await;
    let ((_one, mut first), (_two, mut second)) = (house.asks().await, house.asks().await);
    let number = first.open().await.expect("opened").number;
    assert_eq!(second.open().await.expect("opened").number, number, "both wait for one");
    assert_eq!(house.approval(number).await.waiting, 2);
    let (first, second) = {
        let votes = async {
            tokio::task::yield_now().await;
            assert!(house.votes(number, "bob", true).await);
        };
        let (first, second, ()) = tokio::join!(ends(&mut first), ends(&mut second), votes);
        (first, second)
    };
    assert_ne!(first.is_ok(), second.is_ok(), "{first:?} {second:?}");
    let refusal = first.err().or(second.err()).expect("one");
    assert_eq!(refusal.kind, RefusalKind::Spent);
    assert!(refusal.message.contains("identical"), "{refusal}");
}

#[tokio::test]
async fn a_changed_hold_is_asked_for_once_however_many_wait() {
    let house = House::staffed(POLICY).await;
    let ((_one, mut first), (_two, mut second)) = (house.asks().await, house.asks().await);
    let number = first.open().await.expect("opened").number;
    second.open().await.expect("opened");
    house.gateway.policies().replace(policy(&POLICY.replace("group \"sre\"", "group \"dba\"")));
    let soon = Duration::from_millis(500);
    let waits =
        tokio::join!(tokio::time::timeout(soon, first.wait()), tokio::time::timeout(soon, second.wait()));
    assert!(waits.0.is_err() && waits.1.is_err(), "{waits:?}");
    assert!(house.votes(number, "cat", true).await);
    let (first, second) = tokio::join!(ends(&mut first), ends(&mut second));
    assert_ne!(first.is_ok(), second.is_ok(), "{first:?} {second:?}");
}

#[tokio::test]
async fn a_crash_after_it_was_consumed_loses_it() {
    let house = House::staffed(POLICY).await;
    let number = house.is_told_to_come_back().await;
    assert!(house.votes(number, "bob", true).await);
    // Consumed, and nothing was forwarded: as after a crash between the two.
    let now = house.now.load(Ordering::SeqCst);
    assert!(house.gateway.store().ask(move |store| store.consume(number, 1, now)).await.expect("stored"));
    let (_session, mut held) = house.asks().await;
    assert_ne!(held.open().await.expect("asked anew").number, number);
    house.pass(30_000);
    pending(ends(&mut held).await);
}

#[tokio::test]
async fn what_waits_for_reviewers_is_bounded() {
    let house = House::staffed(POLICY).await;
    // Two of one principal, and three in all: see the configuration.
    for (name, body, expected) in [
        ("ana", "1", None),
        ("ana", "2", None),
        ("ana", "3", Some(RefusalKind::LimitReached)),
        ("ana", "1", None),
        ("ben", "1", None),
        ("ben", "2", Some(RefusalKind::Unavailable)),
        ("ben", "1", None),
    ] {
        let mut session = house.visit(name, "api").await;
        let mut held = held(run(&mut session, &house.order(body.as_bytes())).await);
        let opened = held.open().await;
        assert_eq!(opened.err().map(|refusal| refusal.kind), expected, "{name} {body}");
    }
    // Nor do more of one principal wait for the same at a time.
    house.pass(15 * MINUTES);
    let ((_a, mut one), (_b, mut two)) = (house.asks().await, house.asks().await);
    one.open().await.expect("opened");
    two.open().await.expect("opened");
    let (_c, mut three) = house.asks().await;
    assert_eq!(three.open().await.expect_err("a third").kind, RefusalKind::LimitReached);
}
