//! Requests that wait for approval: while their client waits, and when it comes back.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use serde_json::Value;

use crate::house::{House, authorization};

const POLICY: &str = r#"
policy "api"
default deny
allow "orders" { by group "eng"  on http  do post on "/orders"  unless body.amount > 1000 }
hold  "large"  { by group "eng"  on http  do post on "/orders", "/other"  when body.amount > 1000  unless header.x-looked-at == "never"  until 1 of group "sre" approve within 1m  answer after 1s }
"#;
const BODY: &str = r#"{"amount": 5000}"#;

/// One request, as it is sent.
#[derive(Clone, Copy)]
struct Order {
    user: &'static str,
    host: &'static str,
    path: &'static str,
    fields: &'static str,
    body: &'static str,
}

const ORDER: Order = Order { user: "ana", host: "api.test", path: "/orders", fields: "", body: BODY };

impl Order {
    /// Sends it over a connection of its own: what it comes to.
    async fn sent(self, house: &House) -> (u16, Value) {
        let Self { user, host, path, fields, body } = self;
        let mut stream = house.raw();
        let text = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{}content-type: application/json\r\n{fields}\
             content-length: {}\r\n\r\n{body}",
            authorization(user),
            body.len()
        );
        let answer = tokio::task::spawn_blocking(move || {
            stream.write_all(text.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = answer.await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// Sends it, and is told to come back.
    async fn held(self, house: &House) -> u64 {
        let (status, problem) = self.sent(house).await;
        assert_eq!((status, &problem["title"]), (403, &Value::from("held for approval")), "{problem}");
        problem["approval"].as_u64().unwrap()
    }

    async fn passes(self, house: &House) {
        let (status, answer) = self.sent(house).await;
        assert_eq!(status, 200, "{answer}");
    }
}

async fn vote(house: &House, number: u64, approve: bool) {
    let seen = house.approval(number).await;
    house.vote(&seen, approve).await;
}

#[tokio::test]
async fn a_request_passes_while_its_client_waits() {
    let house = Arc::new(House::policed(&POLICY.replace("after 1s", "after 30s")).await);
    let asking = Arc::clone(&house);
    let asked = tokio::spawn(async move { ORDER.sent(&asking).await });
    let seen = house.waiting().await;
    assert!(seen.waiting);
    house.vote(&seen, true).await;
    assert_eq!(asked.await.unwrap().0, 200);
    assert_eq!(house.origin.seen().len(), 1);
}

/// The body is read because it is held, and not judged a second time for that.
#[tokio::test]
async fn a_request_with_a_body_is_held_once() {
    let rule = "hold \"all\" { by group \"eng\"  on http  do post on \"/orders\"  until 1 of group \"sre\" approve within 1m  answer after 1s }";
    let house = House::policed(&format!("policy \"api\"\ndefault deny\n{rule}\n")).await;
    let number = ORDER.held(&house).await;
    vote(&house, number, true).await;
    ORDER.passes(&house).await;
    let evidence = house.evidence();
    assert_eq!(evidence.matches("\"decision\":\"hold\"").count(), 2, "one a request: {evidence}");
    house.until_said(&format!("\"bytes_in\":{}", BODY.len())).await;
}

/// What is approved is what was seen. Without `reveal` a body is hidden from reviewers as literals are.
#[tokio::test]
async fn a_hold_that_reveals_shows_the_body() {
    let pods = "do create on \"pods\"";
    for (protocol, of, path, body) in [
        ("http", "do post on \"/orders\"", "/orders", BODY),
        ("kubernetes", pods, "/api/v1/namespaces/shop/pods", r#"{"spec":{"hostNetwork":true}}"#),
    ] {
        for reveal in ["reveal", ""] {
            let hold = format!(
                "hold \"all\" {{ by group \"eng\"  on {protocol}  {of}  until 1 of group \"sre\" approve within 1m  {reveal}  answer after 1s }}"
            );
            let open =
                format!("policy \"api\"\ndefault deny\nallow \"in\" {{ on {protocol}  do connect }}\n");
            let house = House::policed(&format!("{open}{hold}\n")).await;
            let target = format!("protocol = \"{protocol}\"");
            house.reconfigure(|text| text.replacen("protocol = \"http\"", &target, 1)).await;
            assert_eq!(Order { path, body, ..ORDER }.sent(&house).await.0, 403);
            let asked = house.store(|store| store.approval(1)).await.unwrap().asked;
            assert!(!asked.shown.contains(body), "{}", asked.shown);
            let revealed = asked.revealed.is_some_and(|text| text.ends_with(&format!("{path}\n{body}")));
            assert_eq!(revealed, reveal == "reveal", "{protocol}: {reveal}");
        }
    }
}

#[tokio::test]
async fn whoever_is_told_to_come_back_passes_exactly_once() {
    let house = House::policed(POLICY).await;
    let (status, problem) = ORDER.sent(&house).await;
    assert_eq!(status, 403);
    let number = problem["approval"].as_u64().unwrap();
    assert_eq!(problem["rule"], "large");
    let way_out = problem["way_out"].as_str().unwrap();
    assert!(
        way_out.contains(&format!("portcullis approve {number}")) && way_out.contains("identical"),
        "{way_out}"
    );
    assert!(!house.approval(number).await.waiting);
    assert_eq!(ORDER.held(&house).await, number, "too early");
    vote(&house, number, true).await;
    let again = Order {
        fields: "x-request-id: 8\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
        ..ORDER
    };
    again.passes(&house).await;
    assert_ne!(ORDER.held(&house).await, number, "it was for one");
    assert_eq!(house.origin.seen().len(), 1);
    house.verify();
    let evidence = house.evidence();
    let story: Vec<&str> =
        evidence.lines().filter(|line| line.contains(&format!("\"approval\":\"{number}\""))).collect();
    let kinds: Vec<String> = story
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        kinds,
        ["held", "deferred", "held", "deferred", "vote", "held", "released", "intent"],
        "{evidence}"
    );
}

#[tokio::test]
async fn only_the_identical_request_passes() {
    let house = House::policed(POLICY).await;
    let number = ORDER.held(&house).await;
    vote(&house, number, true).await;
    for other in [
        Order { body: r#"{"amount": 5001}"#, ..ORDER },
        Order { body: r#"{"amount":  5000}"#, ..ORDER },
        Order { path: "/orders?force=1", ..ORDER },
        Order { path: "/other", ..ORDER },
        Order { fields: "x-looked-at: now\r\n", ..ORDER },
        Order { fields: "x-mode: wet\r\n", ..ORDER },
        Order { user: "eve", ..ORDER },
        Order { host: "other.test", ..ORDER },
    ] {
        let Order { user, host, path, fields, body } = other;
        assert_ne!(other.held(&house).await, number, "{user} {host} {path} {fields} {body}");
    }
    assert!(house.origin.seen().is_empty());
    ORDER.passes(&house).await;
}

/// What people are asked about is known to its last byte, whether a rule looks into it or not.
#[tokio::test]
async fn a_body_that_no_rule_looks_into_is_approved_with_the_rest() {
    let hold = r#"hold "all" { by group "eng"  on http  do post  do unknown  until 1 of group "sre" approve within 1m  answer after 1s }"#;
    let house = House::policed(&format!("policy \"api\"\ndefault deny\n{hold}")).await;
    let number = ORDER.held(&house).await;
    vote(&house, number, true).await;
    for body in [r#"{"amount": 5001}"#, ""] {
        assert_ne!(Order { body, ..ORDER }.held(&house).await, number, "{body:?}");
    }
    assert!(house.origin.seen().is_empty());
    ORDER.passes(&house).await;
    assert_eq!(house.origin.seen()[0]["body"], BODY);
    let long = Box::leak("x".repeat(70_000).into_boxed_str());
    let (status, problem) = Order { body: long, ..ORDER }.sent(&house).await;
    assert_eq!((status, &problem["title"]), (413, &Value::from("the request can't be held")), "{problem}");
    assert_eq!(house.origin.seen().len(), 1);
}

#[tokio::test]
async fn a_policy_that_denies_meanwhile_is_obeyed() {
    let house = House::policed(POLICY).await;
    let number = ORDER.held(&house).await;
    vote(&house, number, true).await;
    house.repolice(&format!("{POLICY}\ndeny \"freeze\" {{ on http  do post }}")).await;
    let (status, problem) = ORDER.sent(&house).await;
    assert_eq!((status, &problem["rule"]), (403, &Value::from("freeze")), "{problem}");
    house.repolice(&POLICY.replace("group \"sre\"", "group \"dba\"")).await;
    assert_eq!(ORDER.held(&house).await, number, "other reviewers are asked");
    assert!(house.origin.seen().is_empty());
}

#[tokio::test]
async fn a_reviewer_who_left_the_group_counts_no_more() {
    let house = House::policed(POLICY).await;
    let number = ORDER.held(&house).await;
    vote(&house, number, true).await;
    house.add("ben", policy_core::PrincipalKind::Human, "sales", None).await;
    assert_eq!(ORDER.held(&house).await, number);
    assert!(house.origin.seen().is_empty());
}

#[tokio::test]
async fn a_refusal_answers_whoever_asks_again() {
    let house = House::policed(POLICY).await;
    let number = ORDER.held(&house).await;
    vote(&house, number, false).await;
    for _ in 0..2 {
        let (status, problem) = ORDER.sent(&house).await;
        assert_eq!((status, &problem["title"]), (403, &Value::from("refused by a reviewer")), "{problem}");
        assert_eq!(problem["detail"], "refused by ben: a reason");
    }
    house.until_state(number, "refused").await;
    assert!(house.origin.seen().is_empty());
}

#[tokio::test]
async fn what_is_granted_lapses() {
    let house = House::policed(&POLICY.replace("within 1m", "within 2s")).await;
    let number = ORDER.held(&house).await;
    vote(&house, number, true).await;
    // The gateway ends it by itself: nobody comes back.
    house.until_state(number, "expired").await;
    assert_ne!(ORDER.held(&house).await, number);
    assert!(house.origin.seen().is_empty());
    let told = format!("\"kind\":\"expired\",\"approval\":\"{number}\"");
    while !house.evidence().contains(&told) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_waits_outlives_the_gateway() {
    let house = House::policed(POLICY).await;
    let number = ORDER.held(&house).await;
    let house = house.restarted().await;
    vote(&house, number, true).await;
    let house = house.restarted().await;
    ORDER.passes(&house).await;
    assert_eq!(house.approval(number).await.state, "consumed");
    house.verify();
}

#[tokio::test]
async fn what_waits_ends_with_its_user() {
    let house = House::policed(POLICY).await;
    let number = ORDER.held(&house).await;
    vote(&house, number, true).await;
    house.revoke("ana").await;
    assert_eq!(house.approval(number).await.state, "withdrawn");
    // Whoever comes back before it was carried out has a session that it ends.
    house.until_said("\"of_principal\":\"ana\"").await;
    let next = ORDER.held(&house).await;
    assert_ne!(next, number);
    vote(&house, next, true).await;
    house.disable("ana").await;
    assert_eq!(ORDER.sent(&house).await.0, 401);
    assert_eq!(house.approval(next).await.state, "withdrawn");
    assert!(house.origin.seen().is_empty());
}

#[tokio::test]
async fn of_two_identical_requests_at_once_one_passes() {
    let house = Arc::new(House::policed(&POLICY.replace("after 1s", "after 30s")).await);
    let ask = || {
        let house = Arc::clone(&house);
        tokio::spawn(async move { ORDER.sent(&house).await })
    };
    let (one, two) = (ask(), ask());
    house.until_held(2).await;
    let seen = house.waiting().await;
    house.vote(&seen, true).await;
    let mut answers = [one.await.unwrap(), two.await.unwrap()];
    answers.sort_by_key(|(status, _)| *status);
    assert_eq!((answers[0].0, answers[1].0), (200, 403), "{answers:?}");
    assert_eq!(answers[1].1["title"], "its approval was used");
    assert_eq!(house.origin.seen().len(), 1);
}
