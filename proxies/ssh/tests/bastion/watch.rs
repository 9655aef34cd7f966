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
