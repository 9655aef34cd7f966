//! What is asked: judged, refused in JSON-RPC's words, held, and passed on.

use policy_core::PrincipalKind;
use serde_json::json;

use super::house::{Answer, Client, POLICY, got, house};
use crate::house::{House, Origin};
use crate::tokens::{HOUR, token};

#[tokio::test]
async fn a_call_is_judged_by_its_tool_and_its_arguments() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    ana.passes("read_file", json!({ "path": "/a" })).await;
    ana.passes("pay", json!({ "amount": 1000 })).await;
    for arguments in [json!({ "amount": "5000" }), json!({ "AMOUNT": 5 }), json!({ "amount": [5] })] {
        ana.refused("pay", arguments, -32010).await;
    }
    let error = ana.refused("drop", json!({}), -32010).await;
    assert_eq!(error["data"]["rule"], "nobody drops");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("use pay") && message.contains("lists"), "{message}");
    let error = ana.refused("wipe", json!({}), -32010).await;
    assert!(error["data"]["way_out"].as_str().unwrap().contains("lists"), "{error}");
    // An agent is somebody else than whom it acts for.
    let bot = Client::of(&house, "bot");
    bot.passes("read_file", json!({})).await;
    bot.refused("pay", json!({ "amount": 1 }), -32010).await;
    assert_eq!(got(&house, "pay"), 1);
    assert_eq!(got(&house, "drop") + got(&house, "wipe"), 0);
    house.until_said("amount").await;
}

#[tokio::test]
async fn prompts_and_resources_are_judged_by_their_names() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    for (method, params, passes) in [
        ("prompts/get", json!({ "name": "greet" }), true),
        ("prompts/get", json!({ "name": "spill" }), false),
        ("resources/read", json!({ "uri": "file:///srv/docs/a" }), true),
        ("resources/read", json!({ "uri": "file:///srv/keys/b" }), false),
        ("resources/read", json!({ "uri": "file:///srv/docs/../keys/b" }), false),
        ("resources/subscribe", json!({ "uri": "file:///srv/docs/a" }), false),
        ("admin/reset", json!({}), false),
    ] {
        let answer = ana.ask(method, params.clone()).await;
        assert_eq!(answer.get("result").is_some(), passes, "{method} {params}: {answer}");
    }
}

/// Whatever becomes of a call, evidence has its arguments as a recording of it would.
#[tokio::test]
async fn fields_are_masked_in_evidence_of_what_is_called() {
    let house =
        house(&format!("{POLICY}\nmask \"addresses\" {{ on mcp  fields \"**.email\"  with redact }}")).await;
    let ana = Client::of(&house, "ana");
    for (tool, passes) in [("read_file", true), ("drop", false)] {
        let arguments = json!({ "path": "/a", "to": { "email": "ana@example.com" } });
        let answer = ana.call(tool, arguments).await;
        assert_eq!(answer["result"].is_object(), passes, "{answer}");
    }
    let evidence = house.evidence();
    assert_eq!(evidence.matches("[redacted]").count(), 2, "{evidence}");
    assert!(!evidence.contains("ana@example.com"), "{evidence}");
}

#[tokio::test]
async fn values_are_masked_in_evidence_beside_fields() {
    let masks = "mask \"addresses\" { on mcp  fields \"**.email\"  with redact }\n\
                 mask \"cards\" { on mcp  values credit_card  with redact }";
    let house = house(&format!("{POLICY}\n{masks}")).await;
    let ana = Client::of(&house, "ana");
    ana.passes("read_file", json!({ "path": "4111 1111 1111 1111", "email": "ana@example.com" })).await;
    house.until_said("[redacted]").await;
    let evidence = house.evidence();
    assert!(!evidence.contains("1111 1111") && !evidence.contains("ana@"), "{evidence}");
}

#[tokio::test]
async fn odd_arguments_are_masked_in_evidence_too() {
    let mask = "mask \"addresses\" { on mcp  do call on \"read_file\"  fields \"**.email\"  with redact }";
    let house = house(&format!("{POLICY}\n{mask}")).await;
    let ana = Client::of(&house, "ana");
    let text = |arguments: &str| {
        ana.request("tools/call", &json!({ "name": "read_file", "arguments": {} }))
            .replace("\"arguments\":{}", &format!("\"arguments\":{arguments}"))
    };
    let long = "x".repeat(4000);
    let deep = format!("{}{{\"email\":\"ana@example.com\"}}{}", "[".repeat(300), "]".repeat(300));
    for arguments in [
        r#"{"email":"ana@example.com","email":"ana@example.com"}"#,
        r#"{"e\u006dail":"ana@example.com"}"#,
        r#"{"email":{"a":["ana@example.com"],"b":1}}"#,
        r#"{"email":"ana\u0040example.com"}"#,
        r#"[{"email":"ana@example.com"}]"#,
        r#""ana@example.com""#,
        r#""{\"email\":\"ana@example.com\"}""#,
        r#"{"Email":1,"email":"ana@example.com"}"#,
        r#"{"email":"ana@example.com"},"arguments":{"email":"ana@example.com"}"#,
        &format!(r#"{{"x":"{long}","email":"ana@example.com"}}"#),
        &format!(r#"{{"email":"{long}ana@example.com"}}"#),
        &format!(r#"{{"x":{deep}}}"#),
    ] {
        let body = text(arguments);
        ana.post(&body).await;
        ana.post(&format!("[{body},{body}]")).await;
        let evidence = house.evidence();
        assert!(!evidence.contains("ana@") && !evidence.contains("u0040"), "{arguments}: {evidence}");
    }
}

#[tokio::test]
async fn a_batch_with_one_bad_element_is_refused_as_a_whole() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let call = |id: u8, tool: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool } });
    let answer =
        ana.post(&json!([call(1, "read_file"), call(2, "drop"), call(3, "read_file")]).to_string()).await;
    let answers = answer.json();
    let ids: Vec<_> =
        answers.as_array().unwrap().iter().map(|one| (&one["id"], &one["error"]["code"])).collect();
    assert_eq!(
        format!("{ids:?}"),
        "[(Number(1), Number(-32010)), (Number(2), Number(-32010)), (Number(3), Number(-32010))]"
    );
    assert_eq!(got(&house, "tools/call"), 0);
    let answer = ana.post(&json!([call(1, "read_file"), call(2, "read_file")]).to_string()).await;
    assert_eq!(answer.json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_could_mean_two_things_does_not_arrive() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let before = house.origin.seen().len();
    let call = ana.request("tools/call", &json!({ "name": "read_file" }));
    for body in [
        call.replace("{\"name\"", "{\"name\":\"drop\",\"name\""),
        call.replace("{\"name\"", "{\"Name\":\"drop\",\"name\""),
        call.replace("\"method\"", "\"method\":\"ping\",\"method\""),
        call.replace("\"params\"", "\"Params\""),
        format!("{call}{call}"),
        "[]".into(),
        "null".into(),
        call.replace("2.0", "1.0"),
    ] {
        let answer = ana.post(&body).await;
        assert!(answer.status == 403 || answer.body.contains("-32010"), "{body}: {answer:?}");
    }
    for fields in
        ["mcp-method: tools/list\r\n", "mcp-name: drop\r\n", "mcp-name: read_file\r\nmcp-name: drop\r\n"]
    {
        let answer = ana.with(fields).post(&call).await;
        assert_eq!(answer.json()["error"]["code"], -32010, "{fields}: {answer:?}");
    }
    // Some servers decode a body by what is said of it: `+ACIsIm5hbWUiOiJkcm9w` is `","name":"drop` in UTF-7.
    let seven = call.replace("read_file", "read_file+ACIsIm5hbWUiOiJkcm9w-");
    for (kind, fields) in [
        ("application/json; charset=utf-7", ""),
        ("application/json;Charset=\"UTF-7\"", ""),
        ("application/json; charset=utf-8; charset=utf-7", ""),
        ("application/json; charset=utf-7; x=application/json", ""),
        ("application/json", "content-encoding: br\r\n"),
    ] {
        for body in [&call, &seven] {
            let answer = Client { kind, ..ana.with(fields) }.post(body).await;
            assert!(answer.status == 403, "{kind} {fields}: {answer:?}");
        }
    }
    assert_eq!(house.origin.seen().len(), before);
    let utf_8 =
        Client { kind: "application/json; charset=UTF-8", ..ana.with("content-encoding: identity\r\n") };
    assert!(utf_8.post(&call).await.json()["result"].is_object());
    let right = ana.with("mcp-method: tools/call\r\nmcp-name: read_file\r\n").post(&call).await;
    assert!(right.json()["result"].is_object(), "{right:?}");
}

/// Whoever routes by such a field, or a server that goes by it, does what was judged.
#[tokio::test]
async fn a_field_that_repeats_an_argument_says_what_the_argument_does() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let read = ana
        .request("tools/call", &json!({ "name": "read_file", "arguments": { "path": "a", "other": "b" } }));
    let is_passed = |answer: Answer| answer.json()["result"].is_object();
    for right in ["mcp-param-path: a\r\n", "Mcp-Param-PATH: =?base64?YQ==?=\r\n", ""] {
        assert!(is_passed(ana.with(right).post(&read).await), "{right}");
    }
    let before = got(&house, "tools/call");
    for wrong in [
        "mcp-param-path: b\r\n",
        "mcp-param-path: A\r\n",
        "mcp-param-path: \r\n",
        "mcp-param-path: =?base64?Yg==?=\r\n",
        "mcp-param-path: a\r\nmcp-param-path: a\r\n",
        "mcp-param-path: a\r\nmcp-param-path: b\r\n",
        "mcp-param-other: b\r\n",
        "mcp-param-path: a\r\nmcp-param-other: b\r\n",
    ] {
        let answer = ana.with(wrong).post(&read).await;
        assert_eq!(answer.json()["error"]["code"], -32010, "{wrong}: {answer:?}");
    }
    // Neither of another tool, nor of what is no call, nor of a batch.
    let without = read.replace(r#"{"other":"b","path":"a"}"#, "{}");
    assert_ne!(without, read);
    let batch = format!("[{read}]");
    for body in [&read.replace("read_file", "pay"), &without, &read.replace("tools/call", "ping"), &batch] {
        let answer = ana.with("mcp-param-path: a\r\n").post(body).await;
        assert!(answer.body.contains("-32010"), "{body}: {answer:?}");
    }
    assert_eq!(got(&house, "tools/call"), before);
}

#[tokio::test]
async fn a_server_is_asked_at_its_one_path_and_in_its_three_ways() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let before = house.origin.seen().len();
    let call = ana.request("tools/call", &json!({ "name": "read_file" }));
    for (method, path, body) in [
        ("POST", "/files", call.as_str()),
        ("POST", "/files/", &call),
        ("POST", "/files/mcp/", &call),
        ("POST", "/files/mcp?a=b", &call),
        ("POST", "/files/mcp/../admin", &call),
        ("POST", "/files/__do", "{\"description\":\"x\"}"),
        ("GET", "/files/__seen", ""),
        ("PUT", "/files/mcp", &call),
        ("HEAD", "/files/mcp", ""),
        ("OPTIONS", "/files/mcp", ""),
        ("GET", "/files/mcp", &call),
        ("DELETE", "/files/mcp", &call),
    ] {
        let answer = ana.send(method, path, body).await;
        assert_eq!(answer.status, 403, "{method} {path}: {answer:?}");
    }
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    assert_eq!(ana.with(upgrade).send("GET", "/files/mcp", "").await.status, 403);
    // What has no message repeats nothing of one.
    for said in ["mcp-method: tools/call\r\n", "mcp-name: pay\r\n", "mcp-param-path: a\r\n"] {
        for method in ["GET", "DELETE"] {
            assert_eq!(ana.with(said).send(method, "/files/mcp", "").await.status, 403, "{method} {said}");
        }
    }
    assert_eq!(house.origin.seen().len(), before);
    assert_eq!(ana.send("DELETE", "/files/mcp", "").await.status, 200);
    house.repolice(&POLICY.replace("listen, end, ", "")).await;
    for method in ["GET", "DELETE"] {
        assert_eq!(ana.send(method, "/files/mcp", "").await.status, 403, "{method}");
    }
}

#[tokio::test]
async fn whoever_is_told_to_come_back_passes_with_another_id_once() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let number = ana.held("pay", json!({ "amount": 5000 })).await;
    let error = ana.refused("pay", json!({ "amount": 5000 }), -32011).await;
    assert_eq!(error["data"]["rule"], "large", "{error}");
    assert!(error["data"]["retry"].as_str().unwrap().contains("identical"), "{error}");
    assert!(error["message"].as_str().unwrap().contains(&format!("portcullis approve {number}")), "{error}");
    let seen = house.approval(number).await;
    let asked = house.store(move |store| store.approval(number)).await.unwrap().asked;
    assert!(asked.revealed.unwrap().contains("5000"), "reviewers see arguments where a hold reveals them");
    assert!(!seen.command.contains("5000"), "{}", seen.command);
    house.vote(&seen, true).await;
    assert_ne!(ana.held("pay", json!({ "amount": 5001 })).await, number);
    assert_eq!(got(&house, "pay"), 0);
    let again = Client { id: json!("another"), ..ana.with("x-request-id: 5\r\n") };
    let params = json!({ "name": "pay", "arguments": { "amount": 5000 }, "_meta": { "progressToken": 3 } });
    // What else `_meta` says counts.
    let other = json!({ "name": "pay", "arguments": { "amount": 5000 }, "_meta": { "mode": 3 } });
    assert_eq!(again.ask("tools/call", other).await["error"]["code"], -32011);
    assert_ne!(
        again.ask("tools/call", params).await["error"]["data"]["approval"],
        number,
        "it has a `_meta` now"
    );
    again.passes("pay", json!({ "amount": 5000 })).await;
    assert_ne!(ana.held("pay", json!({ "amount": 5000 })).await, number, "it was for one");
    assert_eq!(got(&house, "pay"), 1);
    house.verify();
}

/// One agent may act for many people: what is one's is not another's.
#[tokio::test]
async fn what_an_agent_does_for_one_it_does_not_go_on_with_for_another() {
    let house = house(&POLICY.replace(
        "by group \"eng\"  on mcp  do call on \"pay\"  when",
        "by (agent on behalf of group \"eng\")  on mcp  do call on \"pay\"  when",
    ))
    .await;
    house.add("helper", PrincipalKind::Agent, "agents", None).await;
    house.add("fay", PrincipalKind::Human, "eng", None).await;
    let for_ana = token(&house, "helper", Some("ana"), HOUR).await;
    let for_fay = token(&house, "helper", Some("fay"), HOUR).await;
    let ana = Client::bearing(&house, &for_ana.text);
    let fay = Client::bearing(&house, &for_fay.text);
    let opened = ana.post(&ana.request("initialize", &json!({}))).await;
    let fields = format!("mcp-session-id: {}\r\n", opened.field("mcp-session-id").unwrap());
    let ping = ana.request("ping", &json!({}));
    assert_eq!(ana.with(&fields).post(&ping).await.status, 200);
    assert_eq!(fay.with(&fields).post(&ping).await.status, 404);
    // What was approved for one is not approved for another.
    let number = ana.held("pay", json!({ "amount": 5000 })).await;
    house.vote(&house.approval(number).await, true).await;
    assert_ne!(fay.held("pay", json!({ "amount": 5000 })).await, number);
    ana.passes("pay", json!({ "amount": 5000 })).await;
}

#[tokio::test]
async fn a_session_is_its_principals_alone() {
    let house = house(POLICY).await;
    let ana = Client::of(&house, "ana");
    let opened = ana.post(&ana.request("initialize", &json!({}))).await;
    let name = opened.field("mcp-session-id").unwrap().to_owned();
    assert!(name.starts_with("s-1~"), "{name}");
    let own = ana.with(&format!("mcp-session-id: {name}\r\n"));
    own.passes("read_file", json!({})).await;
    let last = house.origin.seen().pop().unwrap().to_string();
    assert!(last.contains("\"s-1\"") && !last.contains(&name), "{last}");
    for (user, name) in
        [("eve", &*name), ("ana", "s-1"), ("ana", "s-1~"), ("ana", "s-1~00000000000000000000000000000000")]
    {
        let fields = format!("mcp-session-id: {name}\r\n");
        for method in ["POST", "GET", "DELETE"] {
            let body = if method == "POST" { ana.request("ping", &json!({})) } else { String::new() };
            let answer = Client::of(&house, user).with(&fields).send(method, "/files/mcp", &body).await;
            assert_eq!(answer.status, 404, "{user} {name} {method}: {answer:?}");
        }
    }
    let twice = ana.with(&format!("mcp-session-id: {name}\r\nmcp-session-id: {name}\r\n"));
    assert_eq!(twice.post(&ana.request("ping", &json!({}))).await.status, 404);
    assert_eq!(got(&house, "ping"), 0);
}

/// An agent's client shows its model what JSON-RPC says, and little of what HTTP does.
#[tokio::test]
async fn a_server_that_is_not_there_is_told_in_its_own_words() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let origin = Origin::run("python3", "mcp.py", &[]);
    let target = format!(
        "address = \"127.0.0.1:{}\"\nhosts = [\"api.test\"]\n[[target]]\nname = \"files\"\nprotocol = \"mcp\"\naddress = \"{nobody}\"\n",
        origin.port
    );
    let house = House::before(origin, POLICY, &target).await;
    let answer = Client::of(&house, "ana").ask("tools/list", json!({})).await;
    let error = &answer["error"];
    assert_eq!(error["code"], -32603, "{answer}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("did not answer") && message.contains("`files`"), "{message}");
}
