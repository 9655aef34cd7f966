//! Streams of events: at once, looked through, and for as long as their principal may.

use std::io::Read as _;
use std::net::TcpStream;

use serde_json::json;

use super::house::{Client, POLICY, got, house, tell};

/// Reads until this has come; what has come by then.
async fn until(mut stream: TcpStream, text: &'static str) -> (TcpStream, String) {
    let reading = tokio::task::spawn_blocking(move || {
        let (mut all, mut piece) = (String::new(), [0; 4096]);
        while !all.contains(text) {
            let read = stream.read(&mut piece).unwrap_or_else(|error| panic!("{error}: {all}"));
            assert!(read > 0, "the stream has ended: {all}");
            all.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
        (stream, all)
    });
    reading.await.unwrap()
}

/// Reads to the end, or to where it breaks off: not until nothing more is heard.
async fn rest(mut stream: TcpStream) -> String {
    let reading = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        let end = stream.read_to_end(&mut all).map_err(|error| error.kind());
        assert_ne!(end, Err(std::io::ErrorKind::WouldBlock), "it goes on");
        String::from_utf8(all).unwrap()
    });
    reading.await.unwrap()
}

#[tokio::test]
async fn an_event_arrives_before_the_next_is_there() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let stream = ana.begin("POST", "/files/mcp", &ana.request("tools/call", &json!({ "name": "slow" })));
    let (stream, _) = until(stream, "notifications/progress").await;
    tell(&house, &json!({ "go": true }));
    assert!(rest(stream).await.contains("did tools/call"));
}

#[tokio::test]
async fn a_stream_of_the_server_is_looked_through_and_ends_with_its_user() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let (stream, _) = until(ana.begin("GET", "/files/mcp", ""), "hello").await;
    // The answer to a list whose stream had broken off may come here.
    let list =
        json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": [{ "name": "drop" }, { "name": "key" }] } });
    tell(&house, &json!({ "say": [list] }));
    let (stream, all) = until(stream, "\"tools\"").await;
    let (stream, all) = if all.contains("key") { (stream, all) } else { until(stream, "key").await };
    assert!(!all.contains("drop"), "{all}");
    house.revoke("ana").await;
    // It says nothing, and ends all the same.
    rest(stream).await;
}

/// Whoever knew where somebody else's stream stood could have the server tell all of it again.
#[tokio::test]
async fn a_place_in_a_stream_is_its_principals_alone() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let (_stream, all) = until(ana.begin("GET", "/files/mcp", ""), "hello").await;
    let id = all.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    assert!(id.starts_with("e-1~"), "{all}");
    let goes_on = ana.with(&format!("last-event-id: {id}\r\n"));
    let (_again, _) = until(goes_on.begin("GET", "/files/mcp", ""), "hello").await;
    let last = house.origin.seen().pop().unwrap().to_string();
    assert!(last.contains("\"e-1\"") && !last.contains(&id), "{last}");
    let before = house.origin.seen().len();
    for (user, id) in
        [("eve", &*id), ("eve", "e-1"), ("ana", "e-1"), ("ana", "e-1~00000000000000000000000000000000")]
    {
        let fields = format!("last-event-id: {id}\r\n");
        let answer = Client::of(&house, user).with(&fields).send("GET", "/files/mcp", "").await;
        assert_eq!(answer.status, 404, "{user} {id}: {answer:?}");
    }
    assert_eq!(house.origin.seen().len(), before);
}

/// What is not asked by an id may be understood all the same, by clients that do not look for one.
#[tokio::test]
async fn a_question_without_an_id_is_one() {
    let house = house(POLICY).await;
    let (stream, _) = until(Client::of(&house, "ana").begin("GET", "/files/mcp", ""), "hello").await;
    let asks = json!({ "jsonrpc": "2.0", "method": "sampling/createMessage", "params": {} });
    let asks_null = json!({ "jsonrpc": "2.0", "id": null, "method": "sampling/createMessage", "params": {} });
    let tells =
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "data": "behind it" } });
    tell(&house, &json!({ "say": [asks, asks_null, tells] }));
    let (_stream, all) = until(stream, "behind it").await;
    assert!(!all.contains("sampling"), "{all}");
}

/// Since revision 2026-07-28 a server asks in its answer, and is answered by asking it again.
#[tokio::test]
async fn what_is_asked_for_in_an_answer_is_judged_too() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let asks = |method: &str| {
        let inputs = json!({ "k": { "method": method, "params": {} } });
        json!({ "jsonrpc": "2.0", "id": 7, "result": { "tools": [], "inputRequests": inputs } }).to_string()
    };
    let answers = json!({ "name": "read_file", "inputResponses": { "k": { "roots": [] } } });
    tell(&house, &json!({ "lists": asks("sampling/createMessage") }));
    let refused = ana.ask("tools/list", json!({})).await;
    assert!(refused["error"].is_object() && !refused.to_string().contains("sampling"), "{refused}");
    assert_eq!(ana.ask("tools/call", answers.clone()).await["error"]["code"], -32010);
    tell(&house, &json!({ "lists": asks("roots/list") }));
    assert!(ana.ask("tools/list", json!({})).await["result"]["inputRequests"]["k"].is_object());
    assert!(ana.ask("tools/call", answers).await["result"].is_object());
}

#[tokio::test]
async fn an_answer_without_an_end_is_not_kept() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let list = |bytes: usize| {
        json!({ "jsonrpc": "2.0", "id": 7, "result": { "tools": [], "more": "x".repeat(bytes) } }).to_string()
    };
    tell(&house, &json!({ "lists": list(1 << 20) }));
    assert!(ana.ask("tools/list", json!({})).await["result"]["more"].is_string());
    tell(&house, &json!({ "lists": list(16 << 20) }));
    let cut = ana.post(&ana.request("tools/list", &json!({}))).await;
    assert!(cut.body.is_empty(), "{} bytes", cut.body.len());
    // The target did all that it was asked.
    house.until_said("\"error\":\"it can't be shown\"").await;
}

/// A server that asks two things by one id has the answer to one pass for an answer to the other.
#[tokio::test]
async fn an_answer_to_two_questions_is_an_answer_to_neither() {
    let house = house(&POLICY.replace("end, roots", "end, roots, elicit")).await;
    let ana = Client::of(&house, "ana");
    let (stream, _) = until(ana.begin("GET", "/files/mcp", ""), "hello").await;
    let asks = |id: &str, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": {} });
    tell(
        &house,
        &json!({ "say": [asks("1", "elicitation/create"), asks("1", "roots/list"), asks("2", "roots/list")] }),
    );
    let (_stream, all) = until(stream, "\"2\"").await;
    assert!(all.contains("elicitation"), "{all}");
    let answer = |id: &str| {
        json!({ "jsonrpc": "2.0", "id": id, "result": { "action": "accept", "content": {} } }).to_string()
    };
    let refused = ana.post(&answer("1")).await;
    assert!(refused.body.contains("denied by policy"), "{refused:?}");
    assert_eq!(ana.post(&answer("2")).await.status, 202);
}

#[tokio::test]
async fn a_server_asks_its_client_for_what_rules_permit_and_is_answered() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let stream = ana.post(&ana.request("tools/call", &json!({ "name": "ask" }))).await;
    assert!(stream.body.contains("roots/list") && stream.body.contains("did tools/call"), "{stream:?}");
    assert!(!stream.body.contains("sampling"), "{stream:?}");
    let answer = |id: &str| json!({ "jsonrpc": "2.0", "id": id, "result": { "roots": [] } }).to_string();
    assert_eq!(ana.post(&answer("r")).await.status, 202);
    // It was not asked, or somebody else was.
    for (user, id) in [("ana", "m"), ("ana", "x"), ("eve", "r")] {
        let refused = Client::of(&house, user).post(&answer(id)).await;
        assert!(refused.body.contains("denied by policy"), "{user} {id}: {refused:?}");
    }
    assert_eq!(got(&house, "roots"), 1);
    house.repolice(&POLICY.replace("end, roots", "end, sample")).await;
    let stream = ana.post(&ana.request("tools/call", &json!({ "name": "ask" }))).await;
    assert!(stream.body.contains("sampling") && !stream.body.contains("roots/list"), "{stream:?}");
}
