//! Lists without what may not be used, in whatever form they come.

use std::io::Read as _;

use serde_json::{Value, json};

use super::house::{Client, POLICY, house, tell};
use crate::house::TOKEN;

fn names(list: &Value, key: &str) -> Vec<String> {
    list.as_array()
        .unwrap_or_else(|| panic!("no list: {list}"))
        .iter()
        .map(|element| element[key].as_str().unwrap().to_owned())
        .collect()
}

const ANAS: [&str; 6] = ["read_file", "pay", "slow", "ask", "key", "sneak"];

#[tokio::test]
async fn lists_hold_what_their_principal_may_use() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let list = ana.ask("tools/list", json!({})).await;
    assert_eq!(names(&list["result"]["tools"], "name"), ANAS);
    assert_eq!(list["result"]["tools"][0]["inputSchema"]["type"], "object");
    let bot = Client::of(&house, "bot").ask("tools/list", json!({})).await;
    assert_eq!(names(&bot["result"]["tools"], "name"), ["read_file", "slow", "ask", "key", "sneak"]);
    let prompts = ana.ask("prompts/list", json!({})).await;
    assert_eq!(names(&prompts["result"]["prompts"], "name"), ["greet"]);
    let resources = ana.ask("resources/list", json!({})).await;
    assert_eq!(names(&resources["result"]["resources"], "uri"), ["file:///srv/docs/a"]);
    tell(&house, &json!({ "lists": "sse" }));
    let stream = ana.post(&ana.request("tools/list", &json!({}))).await;
    assert_eq!(stream.field("content-type"), Some("text/event-stream"));
    let data = stream.body.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let list: Value = serde_json::from_str(data).unwrap();
    assert_eq!(names(&list["result"]["tools"], "name"), ANAS);
}

#[tokio::test]
async fn a_list_where_none_was_asked_for_is_looked_through_too() {
    let house = house(POLICY).await;
    let list = Client::of(&house, "ana").call("sneak", json!({})).await;
    assert_eq!(names(&list["result"]["tools"], "name"), ANAS);
}

#[tokio::test]
async fn a_list_that_cant_be_looked_into_is_not_shown() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let drop = "{\"name\":\"drop\"}";
    for list in [
        format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{{\"Tools\":[{drop}]}}}}"),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{{\"tools\":[],\"tools\":[{drop}]}}}}"),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{{\"tools\":{drop}}}}}"),
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"tools\":[{\"name\":\"read_file\",\"Name\":\"drop\"}]}}"
            .into(),
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"tools\":[{\"title\":\"drop\"}]}}".into(),
        format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{{}},\"RESULT\":{{\"tools\":[{drop}]}}}}"),
        format!("[{drop}]"),
        "drop".into(),
    ] {
        tell(&house, &json!({ "lists": list }));
        let answer = ana.post(&ana.request("tools/list", &json!({}))).await;
        assert!(!answer.body.contains("drop"), "{list}: {answer:?}");
    }
    // Some clients do not mind what a list is called.
    for kind in ["text/plain", "application/jsonl", ""] {
        let list = format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{{\"tools\":[{drop}]}}}}");
        tell(&house, &json!({ "lists": list, "kind": kind }));
        let mut answer = String::new();
        let _ = ana
            .begin("POST", "/files/mcp", &ana.request("tools/list", &json!({})))
            .read_to_string(&mut answer);
        assert!(!answer.contains("drop"), "{kind}: {answer}");
    }
    tell(&house, &json!({ "kind": "application/json" }));
    // An error is one, and is told as it is.
    tell(
        &house,
        &json!({ "lists": "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":1,\"message\":\"no list\"}}" }),
    );
    assert_eq!(ana.ask("tools/list", json!({})).await["error"]["message"], "no list");
}

#[tokio::test]
async fn the_servers_credential_is_shown_to_nobody() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let answer = ana.passes("key", json!({})).await.to_string();
    assert!(answer.contains("the key is") && !answer.contains(TOKEN), "{answer}");
    assert!(house.origin.seen().pop().unwrap().to_string().contains(TOKEN));
    tell(&house, &json!({ "description": format!("show {TOKEN}") }));
    let list = ana.ask("tools/list", json!({})).await.to_string();
    assert!(list.contains("show ") && !list.contains(TOKEN), "{list}");
}
