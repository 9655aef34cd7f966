use std::sync::Arc;

use policy_core::rule::LimitUnit;
use portcullis_evidence::recording::{self, Event};

use super::*;
use crate::session::StopReason;
use crate::store::{Revocation, RevocationSubject};

const POLICY: &str = r#"
allow "engineers work" { by group "eng"  on postgres  do select, insert on "public.*" }
deny "unfiltered writes" { on postgres  do delete  say "add a WHERE" }
allow "deletes" { by group "eng"  on postgres  do delete on "public.*" }
"#;

#[tokio::test]
async fn connecting_needs_a_rule_that_admits() {
    let house = House::new(POLICY);
    let refusal = house.try_open("eve", &["sales"]).await.expect_err("nobody admits eve");
    assert_eq!(refusal.kind, RefusalKind::NotPermitted);
    assert_eq!(house.gateway.sessions().len(), 0);
    let session = house.open("ana").await;
    assert_eq!(house.gateway.sessions().list()[0].id, session.id());
    drop(session);
    assert_eq!(house.gateway.sessions().len(), 0);
    assert_eq!(house.kinds(), ["refused", "session_opened", "session_closed"]);
}

#[tokio::test]
async fn the_intent_is_written_before_the_permit_exists() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    let permit = admitted(run(&mut session, &house.select()).await);
    assert_eq!(house.kinds(), ["session_opened", "intent"]);
    permit.forward().outcome(Outcome { rows: Some(3), ..Outcome::default() });
    // Nobody flushes: outcomes go out with the next record, or by themselves soon.
    let written = async {
        while house.kinds().len() < 3 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), written).await.expect("written by itself");
    assert_eq!(house.kinds(), ["session_opened", "intent", "outcome"]);
}

#[tokio::test]
async fn a_permit_that_is_lost_reads_unknown() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    drop(admitted(run(&mut session, &house.select()).await));
    session.live.flush();
    let (_, outcome) = house.records().into_iter().find(|(kind, _)| kind == "outcome").expect("an outcome");
    assert_eq!(outcome["result"], "unknown");
}

#[tokio::test]
async fn a_denial_says_the_rules_words_and_is_recorded() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    let delete = house.statement("delete from orders", [action("delete", "orders")]);
    for _ in 0..2 {
        let refusal = refused(run(&mut session, &delete).await);
        assert_eq!((refusal.kind, &*refusal.message), (RefusalKind::Forbidden, "add a WHERE"));
        assert_eq!(refusal.rule.as_deref(), Some("unfiltered writes"));
        assert!(refusal.hint.contains("unfiltered writes"), "{}", refusal.hint);
    }
    let unknown = house.statement("do $$ $$", [Action::unknown()]);
    assert_eq!(refused(run(&mut session, &unknown).await).kind, RefusalKind::NotPermitted);
    let elsewhere = Action::new(Verb::new("select"), Resource::named(["secret", "t"]));
    let elsewhere = house.statement("select * from secret.t", [elsewhere]);
    assert_eq!(refused(run(&mut session, &elsewhere).await).kind, RefusalKind::NotPermitted);
    assert_eq!(house.kinds(), ["session_opened", "intent", "intent", "intent", "intent"]);
    let (_, last) = house.records().into_iter().rfind(|(kind, _)| kind == "intent").expect("an intent");
    let because = last["verdict"]["because"].as_str().expect("a reason");
    assert!(
        because.contains("engineers work") && because.contains("public.*"),
        "the nearest allow: {because}"
    );
}

#[tokio::test]
async fn a_text_is_given_once() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    let select = house.select();
    for _ in 0..3 {
        admitted(run(&mut session, &select).await).forward().outcome(Outcome::default());
    }
    let intents: Vec<_> = house.records().into_iter().filter(|(kind, _)| kind == "intent").collect();
    let texts: Vec<_> = intents.iter().map(|(_, line)| line.get("text").is_some()).collect();
    assert_eq!(texts, [true, false, false]);
    assert_eq!(intents[2].1["statement"], intents[0].1["statement"]);
    assert_eq!(intents[2].1["command"], 3);
}

#[tokio::test]
async fn a_verdict_is_forgotten_when_the_policy_changes() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    let select = house.select();
    drop(admitted(run(&mut session, &select).await));
    house
        .gateway
        .policies()
        .replace(policy(r#"allow "inserts" { by group "eng"  on postgres  do insert on "public.*" }"#));
    assert_eq!(refused(run(&mut session, &select).await).kind, RefusalKind::NotPermitted);
}

#[tokio::test]
async fn a_policy_that_does_not_admit_the_session_any_more_ends_it() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    let select = house.select();
    drop(admitted(run(&mut session, &select).await));
    house.gateway.policies().replace(policy(r#"allow "dba" { by group "dba"  on postgres }"#));
    assert_eq!(refused(run(&mut session, &select).await).kind, RefusalKind::Stopped);
    assert!(session.stop().reached().is_some());
}

#[tokio::test]
async fn what_is_pending_at_execution_is_undetermined() {
    let house = House::new(
        r#"allow "connects" { by group "eng"  on postgres  do insert }
           allow "few rows" { by group "eng"  on postgres  do select  when limit < 10 }"#,
    );
    let mut session = house.open("ana").await;
    let pending =
        Action::new(Verb::new("select"), Resource::named(["small", "t"])).with("limit", Value::Pending);
    let statement = house.statement("select from small.t limit $1", [pending]);
    drop(admitted(session.judge(&asked(&statement, Stage::Prepare)).await));
    let refusal = refused(session.judge(&asked(&statement, Stage::Execute)).await);
    assert_eq!(refusal.kind, RefusalKind::NotPermitted);
    let unnamed = house.statement("insert into …", [Action::new(Verb::new("insert"), Resource::Pending)]);
    house
        .gateway
        .policies()
        .replace(policy(r#"allow "some" { by group "eng"  on postgres  do insert on "public.*" }"#));
    drop(admitted(session.judge(&asked(&unnamed, Stage::Prepare)).await));
    assert_eq!(
        refused(session.judge(&asked(&unnamed, Stage::Execute)).await).kind,
        RefusalKind::NotPermitted
    );
}

#[tokio::test]
async fn nothing_is_admitted_when_evidence_cannot_be_written() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    let other = house.open("bob").await;
    house.gateway.log().close().expect("closed");
    let refusal = refused(run(&mut session, &house.select()).await);
    assert_eq!(refusal.kind, RefusalKind::Stopped);
    for session in [&session, &other] {
        assert_eq!(session.stop().reached(), Some(&StopReason::EvidenceLost));
    }
}

#[tokio::test]
async fn what_is_refused_unread_is_recorded_or_the_session_ends() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    session.refused("Query", "too long", None).expect("recorded");
    assert_eq!(house.kinds(), ["session_opened", "refusal"]);
    house.gateway.log().close().expect("closed");
    let refusal = session.refused("Query", "too long", Some(b"select")).expect_err("not recorded");
    assert_eq!(refusal.kind, RefusalKind::Stopped);
    assert_eq!(session.stop().reached(), Some(&StopReason::EvidenceLost));
}

#[tokio::test]
async fn a_session_that_cannot_be_recorded_ends_alone() {
    let house = House::new(&format!("{POLICY}\nrecord decisions {{ do select on \"public.orders\" }}"));
    let (mut session, mut other) = (house.open("ana").await, house.open("bob").await);
    std::fs::remove_dir(house.gateway.log().directory().join("recordings")).expect("empty until now");
    let refusal = refused(run(&mut session, &house.select()).await);
    assert_eq!(refusal.kind, RefusalKind::Stopped);
    assert_eq!(session.stop().reached(), Some(&StopReason::EvidenceLost));
    let unrecorded = house.statement("select 1 from people", [action("select", "people")]);
    drop(admitted(run(&mut other, &unrecorded).await));
    assert_eq!(
        house.kinds(),
        ["session_opened", "session_opened", "intent"],
        "no intent of what was refused"
    );
}

#[tokio::test]
async fn a_recording_is_sealed_when_its_session_ends() {
    let house = House::new(&format!("{POLICY}\nrecord decisions {{ do select on \"public.orders\" }}"));
    let mut session = house.open("ana").await;
    let id = session.id().to_string();
    let receipt = admitted(run(&mut session, &house.select()).await).forward();
    drop(refused(
        run(&mut session, &house.statement("delete from orders", [action("delete", "orders")])).await,
    ));
    drop(session);
    receipt.outcome(Outcome { rows: Some(3), ..Outcome::default() });
    // Returns once what was recorded is sealed, and the file has its last name.
    house.gateway.shared.recorder.close();
    assert!(house.kinds().contains(&"recording".to_owned()));
    let file = recording::find(house.gateway.log().directory(), &id).expect("a recording");
    let events: Vec<_> =
        recording::Reader::open(&file).expect("readable").map(|played| played.event).collect();
    let rules = |event: &Event<'_>| match event {
        Event::Command { decision, .. } => Some(decision.rules.join(", ")),
        _ => None,
    };
    assert_eq!(events.iter().filter_map(rules).collect::<Vec<_>>(), ["", "unfiltered writes"]);
    assert!(matches!(events.get(3), Some(Event::Outcome { command: 1, rows: Some(3), .. })), "{events:?}");
    assert!(matches!(events.last(), Some(Event::Closed { reason }) if reason == "dropped"), "{events:?}");
}

#[tokio::test]
async fn a_revoked_session_forwards_nothing_more() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    let other = house.open("bob").await;
    let stop = Arc::clone(session.stop());
    let waiting = tokio::spawn(async move { stop.wait().await.clone() });
    // As another instance would: through the store alone.
    let revocation = Revocation {
        subject: RevocationSubject::User("ana".into()),
        by: "root".into(),
        reason: "lost laptop".into(),
        at: START,
    };
    let acknowledged = std::time::Instant::now();
    house.gateway.store().ask(move |store| store.revoke(&revocation)).await.expect("stored");
    let reason = waiting.await.expect("woken");
    assert!(acknowledged.elapsed() < std::time::Duration::from_secs(1));
    assert_eq!(reason.to_string(), "session revoked by root: lost laptop");
    assert_eq!(refused(run(&mut session, &house.select()).await).kind, RefusalKind::Stopped);
    assert_eq!(other.stop().reached(), None);
    // It is recorded right after it took effect.
    let recorded = async {
        while !house.kinds().contains(&"revocation".to_owned()) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), recorded).await.expect("recorded");
}

#[tokio::test]
async fn commands_are_limited_across_sessions() {
    let house = House::new(&format!(
        "{POLICY}\nlimit \"busy\" {{ on postgres  do select  commands 3 per principal per hour }}"
    ));
    let (mut one, mut two) = (house.open("ana").await, house.open("ana").await);
    let mut bob = house.open("bob").await;
    let select = house.select();
    drop(admitted(run(&mut one, &select).await));
    drop(admitted(run(&mut two, &select).await));
    drop(admitted(run(&mut one, &select).await));
    let refusal = refused(run(&mut two, &select).await);
    assert_eq!((refusal.kind, refusal.rule.as_deref()), (RefusalKind::LimitReached, Some("busy")));
    drop(admitted(run(&mut bob, &select).await));
    house.now.fetch_add(3_600_000, Ordering::SeqCst);
    drop(admitted(run(&mut two, &select).await));
    assert!(house.kinds().contains(&"limit".to_owned()));
}

#[tokio::test]
async fn rows_are_limited_as_they_flow() {
    let house =
        House::new(&format!("{POLICY}\nlimit \"bulk\" {{ on postgres  rows 100 per principal per hour }}"));
    let mut session = house.open("ana").await;
    let mut receipt = admitted(run(&mut session, &house.select()).await).forward();
    assert!(receipt.judged().counts(LimitUnit::Rows));
    assert!(!receipt.judged().counts(LimitUnit::Bytes));
    take(&mut receipt, 60).await.expect("there are 100");
    let refusal = take(&mut receipt, 60).await.expect_err("120 of 100");
    assert_eq!(refusal.kind, RefusalKind::LimitReached);
    take(&mut receipt, 40).await.expect("40 are left");
}

#[tokio::test]
async fn strict_evidence_is_on_disk_before_the_permit() {
    let house = House::new(&format!("{POLICY}\nrecord \"all\" strict {{ on postgres  do select }}"));
    let mut session = house.open("ana").await;
    let permit = admitted(run(&mut session, &house.select()).await);
    assert_eq!(house.gateway.log().synced_seq(), house.gateway.log().last_seq());
    drop(permit);
}

/// Takes rows as a relay does: without waiting where it can.
async fn take(receipt: &mut Receipt, rows: u64) -> Result<(), Refusal> {
    if let Some(taken) = receipt.take(LimitUnit::Rows, rows) {
        return taken;
    }
    Arc::clone(receipt.judged()).fetch(LimitUnit::Rows, rows).await?;
    receipt.take_fetched(LimitUnit::Rows, rows)
}

#[tokio::test]
async fn what_is_masked_by_content_is_masked_in_evidence_too() {
    let mask = "mask \"cards\" { on postgres  values credit_card  with redact }";
    for (policy, clear) in [(POLICY.to_owned(), true), (format!("{POLICY}\n{mask}"), false)] {
        let house = House::new(&policy);
        let mut session = house.open("ana").await;
        let text = "select * from orders where card = '4111 1111 1111 1111'";
        let statement = house.statement(text, [action("select", "orders")]);
        let value =
            |value: &'static [u8], sensitive| Parameter { value: Some(value), binary: false, sensitive };
        let parameters =
            [value(b"5555555555554444", false), value(b"harmless", false), value(b"tagged", true)];
        let asked = Asked { parameters: &parameters, ..asked(&statement, Stage::Execute) };
        drop(admitted(session.judge(&asked).await));
        let (_, intent) = house.records().into_iter().find(|(kind, _)| kind == "intent").expect("an intent");
        let written = intent.to_string();
        assert_eq!(written.contains("4111 1111"), clear, "{written}");
        assert_eq!(written.contains("5555555555554444"), clear, "{written}");
        assert!(written.contains("harmless") && !written.contains("tagged"), "{written}");
    }
}

#[tokio::test]
async fn leave_to_go_on_ends_with_what_it_rests_on() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    let other = house.open("bob").await;
    let select = house.select();
    let receipt = admitted(run(&mut session, &select).await).forward();
    let judged = Arc::clone(receipt.judged());
    let prepared = admitted(session.judge(&asked(&select, Stage::Prepare)).await).forward();
    assert!(session.resume(&judged).expect("alive").is_some());
    assert!(session.resume(prepared.judged()).expect("alive").is_none(), "preparing is no leave to run");
    assert!(other.resume(&judged).expect("alive").is_none(), "another session's");
    house.gateway.policies().replace(policy(POLICY));
    assert!(session.resume(&judged).expect("alive").is_some(), "the same policy changes nothing");
    house
        .gateway
        .policies()
        .replace(policy(&format!("{POLICY}\ndeny \"more\" {{ on postgres  do listen }}\n")));
    assert!(session.resume(&judged).expect("alive").is_none(), "another policy's");
    session.stop().throw(StopReason::Draining);
    assert!(session.resume(&judged).is_err());
}

#[tokio::test]
async fn leave_to_go_on_does_not_outlast_the_hour() {
    let house = House::new(
        r#"allow "connects" { by group "eng"  on postgres  do insert }
           allow "by day" { by group "eng"  on postgres  do select  when hour < 23 }"#,
    );
    let mut session = house.open("ana").await;
    let receipt = admitted(run(&mut session, &house.select()).await).forward();
    assert!(session.resume(receipt.judged()).expect("alive").is_none());
}

#[tokio::test]
async fn a_strict_record_is_on_disk_before_the_permit_exists() {
    let house = House::new(&format!("{POLICY}\nrecord all strict {{ do select }}"));
    let mut session = house.open("ana").await;
    let permit = admitted(run(&mut session, &house.select()).await);
    let log = session.live.ink.log();
    // Nothing else asks for the disk so soon: checkpoints come every ten seconds.
    assert_eq!(log.synced_seq(), log.last_seq());
    drop(permit);
}

#[tokio::test]
async fn a_session_that_is_stopped_while_its_intent_is_written_gets_no_permit() {
    let house = House::new(POLICY);
    let mut session = house.open("ana").await;
    // Somebody else is at work, so that the intent waits to be written with theirs.
    let _other = house.open("bob").await;
    let stop = Arc::clone(session.stop());
    let select = house.select();
    let judging = run(&mut session, &select);
    let mut judging = std::pin::pin!(judging);
    let waits = std::future::poll_fn(|cx| std::task::Poll::Ready(judging.as_mut().poll(cx).is_pending()));
    assert!(waits.await, "it waits for the others");
    stop.throw(StopReason::Draining);
    assert_eq!(refused(judging.await).kind, RefusalKind::Stopped);
}
