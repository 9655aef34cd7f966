//! What became of a request, as evidence has it: whatever way its answer ended.

use std::io::{Read as _, Write as _};

use serde_json::Value;

use crate::house::{House, Origin, authorization};

const OPEN: &str =
    "policy \"open\"\ndefault deny\nallow \"all\" { on http  do get, head, post, put on \"/**\" }\n";
const MASKED: &str = "policy \"masked\"\ndefault deny\nallow \"all\" { on http  do get, head, post on \"/**\" }\n\
    mask \"cards\" { on http  values credit_card  with redact }\n";

/// How a record begins that says it.
const OUTCOME: &str = "\"kind\":\"outcome\"";

/// A gateway whose target is shown no credential: without a mask nothing is looked for.
async fn house(policy: &str, credential: bool) -> House {
    let origin = Origin::run("python3", "origin.py", &[]);
    let hosts = if credential { "api.test" } else { "elsewhere.test" };
    let target = format!("address = \"127.0.0.1:{}\"\nhosts = [\"{hosts}\"]\n", origin.port);
    House::before(origin, policy, &target).await
}

/// The one outcome that evidence holds.
async fn outcome(house: &House) -> Value {
    house.until_said(OUTCOME).await;
    let records = house.evidence();
    let mut outcomes = records.lines().filter(|line| line.contains(OUTCOME));
    serde_json::from_str(outcomes.next().unwrap()).unwrap()
}

fn check(name: &str, outcome: &Value, (bytes, masked): (u64, u64)) {
    // What is zero is left out.
    let is = |field: &str| outcome[field].as_u64().unwrap_or(0);
    assert_eq!((is("bytes"), is("masked")), (bytes, masked), "{name}: {outcome}");
    assert_eq!((&outcome["result"], &outcome["error"]), (&"done".into(), &Value::Null), "{name}: {outcome}");
}

/// What ana asks of the target that is shown no credential.
fn request(method: &str, path: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: other.test\r\nconnection: close\r\n{}\r\n",
        authorization("ana")
    )
}

#[tokio::test]
async fn evidence_says_what_became_of_every_answer() {
    for (name, method, path, bytes) in [
        ("of a known length", "GET", "/length", 100),
        ("without a body", "HEAD", "/length", 0),
        ("of no length at all", "GET", "/empty", 0),
        ("with nothing in it", "GET", "/nothing", 0),
        ("in chunks", "GET", "/card", 36),
    ] {
        let house = house(OPEN, false).await;
        let answer = house.send(&request(method, path));
        assert!(answer.starts_with("HTTP/1.1 20"), "{name}: {answer}");
        check(name, &outcome(&house).await, (bytes, 0));
    }
    let house = house(MASKED, true).await;
    house.ask("GET", "/card", "", "");
    // The card, and the one in a field, which is not counted.
    check("masked", &outcome(&house).await, (27, 1));
}

#[tokio::test]
async fn evidence_says_how_far_an_answer_came() {
    let house = house(MASKED, true).await;
    let mut stream = house.raw();
    let request = format!("GET /endless HTTP/1.1\r\nhost: api.test\r\n{}\r\n", authorization("ana"));
    stream.write_all(request.as_bytes()).unwrap();
    let mut piece = [0; 1024];
    while !String::from_utf8_lossy(&piece).contains("tick") {
        assert!(stream.read(&mut piece).unwrap() > 0);
    }
    drop(stream);
    let told = outcome(&house).await;
    assert_eq!((&told["result"], &told["error"]), (&"failed".into(), &"the client left".into()), "{told}");
    assert!(told["bytes"].as_u64().unwrap() > 4, "{told}");
}

#[tokio::test]
async fn what_is_sent_is_recorded_as_masked_as_what_is_shown() {
    let house = house(&format!("{MASKED}record all {{ on http }}\n"), true).await;
    house.ask("POST", "/x", "", "a card 4111 1111 1111 1111 and more");
    let events = house.until_recorded("\"event\":\"input\"").await;
    let mut inputs = events.iter().filter(|event| event.contains("\"event\":\"input\""));
    assert!(inputs.any(|input| input.contains("a card [redacted]")), "{events:?}");
    assert!(!events.iter().any(|event| event.contains("1111")), "{events:?}");
}

#[tokio::test]
async fn a_body_that_was_read_goes_on_whole() {
    let house = house(OPEN, true).await;
    let body = "0123456789abcdef".repeat(3000);
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let asked = request("GET", "/x").replace("connection", "transfer-encoding: chunked\r\nconnection");
    let answer = house.send(&format!("{asked}{chunked}"));
    assert!(answer.starts_with("HTTP/1.1 200") && house.origin.seen()[0]["body"] == body, "{answer}");
}

#[tokio::test]
async fn a_targets_own_words_for_a_status_are_not_shown() {
    let house = house(OPEN, false).await;
    let answer = house.send(&request("GET", "/reason"));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn what_describes_unmasked_bytes_is_not_shown() {
    let house = house(MASKED, true).await;
    for method in ["GET", "HEAD"] {
        let answer = house.ask(method, "/digests", "", "");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        for field in ["content-length: 100", "etag", "repr-digest"] {
            assert!(!answer.contains(field), "{method}: {answer}");
        }
    }
}
