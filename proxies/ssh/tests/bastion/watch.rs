//! A second person at a live session: what they see, what they end, what demands them.

use std::time::Duration;

use portcullis_evidence::recording::Event;
use portcullis_gateway::control::{ClientError, Told, Watching};

use crate::house::House;

const UNRECORDED: &str = r#"
    policy "unrecorded"
    default deny
    allow "engineers" { by group "eng"  on ssh  do exec, shell }
    hold  "restarts"  { on ssh  do exec  when argv is ["restart"]  until 1 of group "sre" approve within 10m }
    mask  "secrets"   { on ssh  do exec, shell  values credit_card  with redact }
"#;

/// What is shown until it says `text`.
async fn shown_until(watching: &mut Watching, text: &str) -> String {
    let mut shown = String::new();
    let limit = Duration::from_secs(20);
    while !shown.contains(text) {
        let told = tokio::time::timeout(limit, watching.next()).await;
        match told.unwrap_or_else(|_| panic!("not shown: {text}; but {shown}")).unwrap() {
            Some(Told::Event { event: Event::Output { text, .. }, .. }) => shown.push_str(&text),
            Some(Told::Over { reason }) => shown.push_str(&format!("<over: {reason}>")),
            Some(_) => {}
            None => panic!("not shown: {text}; but {shown}"),
        }
    }
    shown
}

fn refused<T>(result: Result<T, ClientError>) -> String {
    match result {
        Err(ClientError::Refused { message, .. }) => message,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn a_reviewer_watches_masked_output_and_ends_the_session() {
    // Nothing is recorded here: a session that is watched is told of all the same.
    let house = House::policed(UNRECORDED).await;
    let running = house.client("ana").start("ssh", &["-tt", "box"]);
    running.send(b"echo rea''dy\n");
    running.until("ready").await;
    let mut watching = house.control_as("ben").watch(&house.session()).await.unwrap();
    running.send(b"echo 4111 1111 1111 1111; echo se''en\n");
    let shown = shown_until(&mut watching, "seen").await;
    assert!(!shown.contains("1111 1111"), "{shown}");
    house.control_as("ben").end(&house.session(), "the card of a customer").await.unwrap();
    let output = running.wait().await;
    let said = output.text() + &output.errors();
    assert!(said.contains("session revoked by ben: the card of a customer"), "{said}");
    shown_until(&mut watching, "<over: ").await;
    let evidence = house.until_evidence_says("watch_ended").await;
    let began = evidence.find("watch_began").expect("recorded");
    assert!(evidence[began..].contains("\"watcher\":\"ben\""), "{evidence}");
}

#[tokio::test]
async fn nobody_watches_their_own_session() {
    let house = House::new().await;
    let running = house.client("ana").start("ssh", &["box", "echo begun; sleep 60"]);
    running.until("begun").await;
    let id = house.session();
    assert!(refused(house.control_as("ana").watch(&id).await).contains("their own session"));
    assert!(refused(house.control_as("ana").end(&id, "").await).contains("their own session"));
    running.kill();
}

const DEMANDED: &str = r#"
    policy "four eyes"
    default deny
    allow "commands" { by group "eng"  on ssh  do exec }
    hold  "shells"   { by group "eng"  on ssh  do shell  while 1 of group "sec" watches }
    hold  "both"     { by group "eng"  on ssh  do exec  when argv is ["cat"]  until 1 of group "sre" approve within 5m  while 1 of group "sec" watches }
"#;

#[tokio::test]
async fn a_shell_that_must_be_watched_waits_for_a_watcher_and_ends_without_one() {
    let house = House::policed(DEMANDED).await;
    house.add_user("cat", "sec", &[]).await;
    let running = house.client("ana").start("ssh", &["-tt", "box"]);
    running.send(b"echo rea''dy\n");
    let id = house.session_once_live().await;
    running.until(&format!("while somebody else watches it with `portcullis watch {id}`")).await;
    // ben reviews commands, and may look; his watching is not what the rule demands.
    let ben = house.control_as("ben").watch(&id).await.unwrap();
    assert!(!running.so_far().contains("ready"));
    let mut watching = house.control_as("cat").watch(&id).await.unwrap();
    running.until("watched by cat").await;
    running.until("ready").await;
    shown_until(&mut watching, "ready").await;
    drop(watching);
    running.until("too few watch this session for the rule `shells`: it ends in 5 s").await;
    let output = running.wait().await;
    let said = output.text() + &output.errors();
    assert!(said.contains("session ended by the rule `shells`: nobody watches it any more"), "{said}");
    drop(ben);
}

#[tokio::test]
async fn a_watcher_who_comes_back_in_time_keeps_the_session() {
    let house = House::policed(DEMANDED).await;
    house.add_user("cat", "sec", &[]).await;
    let running = house.client("ana").start("ssh", &["-tt", "box"]);
    let id = house.session_once_live().await;
    running.until("held for approval").await;
    let watching = house.control_as("cat").watch(&id).await.unwrap();
    running.until("watched by cat").await;
    drop(watching);
    running.until("too few watch").await;
    let _watching = house.control_as("cat").watch(&id).await.unwrap();
    running.until("the session is watched again").await;
    running.send(b"exit 3\n");
    assert_eq!(running.wait().await.code, Some(3));
}

#[tokio::test]
async fn votes_and_watchers_are_both_waited_for() {
    let house = House::policed(DEMANDED).await;
    house.add_user("cat", "sec", &[]).await;
    let running = house.client("ana").start("ssh", &["box", "cat"]);
    let id = house.session_once_live().await;
    running.until("it runs only while").await;
    let seen = house.waiting().await;
    assert_eq!((seen.holds[0].quorum, seen.holds[0].watchers), (1, 1));
    house.vote(&seen, true).await;
    assert_eq!(house.state(seen.number).await, "pending", "nobody watches yet");
    let _watching = house.control_as("cat").watch(&id).await.unwrap();
    running.until("approved by ben; watched by cat").await;
    running.send(b"through\n");
    running.until("through").await;
    running.kill();
    assert!(
        house.until_evidence_says("\"watched_by\":[\"cat\"]").await.contains("\"approved_by\":[\"ben\"]")
    );
}
