//! The official server of examples, and the official SDK's client at work with it. `scripts/test-agents` installs both.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use policy_core::PrincipalKind;
use serde_json::{Value, json};

use crate::house::{House, Origin, authorization};

const POLICY: &str = r#"
policy "agents"
default deny
allow "open" { on mcp  do initialize, ping, notify, list, listen, end, sample, roots }
allow "work" { by agent on behalf of group "eng"  on mcp  do call on "echo", "trigger-long-*", "trigger-sampling-request" }
allow "sums" { by agent on behalf of group "eng"  on mcp  do call on "get-sum"  unless arguments.a > 1000 }
hold "large sums" { by agent  on mcp  do call on "get-sum"  when arguments.a > 1000  until 1 of group "sre" approve within 1m  answer after 1s }
allow "answers" { on mcp  do answer on "sampling/createMessage", "roots/list" }
deny "no environment" { on mcp  do call on "get-env"  say "the server's environment is none of an agent's business" }
allow "else" { on mcp  do call on "get-env" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_client_works_with_the_official_server() {
    // They come from npm, which `make test` does without.
    let Some(modules) = std::env::var_os("PORTCULLIS_AGENTS").map(PathBuf::from) else { return };
    let origin = Origin::run("node", "mcp/everything.mjs", &[&modules]);
    let target = format!(
        "address = \"127.0.0.1:{port}\"\nhosts = [\"api.test\"]\n[[target]]\nname = \"everything\"\nprotocol = \"mcp\"\n\
         address = \"127.0.0.1:{port}\"\n",
        port = origin.port
    );
    let house = House::before(origin, POLICY, &target).await;
    house.add("bot", PrincipalKind::Agent, "agents", Some("ana")).await;
    let shown = authorization("bot");
    let mut agent = Command::new("node")
        .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/proxy/mcp/agent.mjs"))
        .arg(&modules)
        .arg(format!("http://{}/everything/mcp", house.address))
        .arg(shown.strip_prefix("authorization: ").unwrap().trim())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(agent.stdout.take().unwrap()).lines();
    let mut said = |what: &str| -> Value {
        let line = lines.next().unwrap_or_else(|| panic!("the agent ended before `{what}`")).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(said["what"], what, "{said}");
        said
    };
    let names = said("tools")["names"].to_string();
    assert_eq!(names, r#"["echo","get-sum","trigger-long-running-operation","trigger-sampling-request"]"#);
    assert_eq!(said("prompts")["names"], json!([]));
    assert_eq!(said("echo")["text"], "Echo: hello");
    let held = said("held");
    assert_eq!((&held["code"], &held["data"]["rule"]), (&json!(-32011), &json!("large sums")), "{held}");
    let number = held["data"]["approval"].as_u64().unwrap();
    let seen = house.approval(number).await;
    house.vote(&seen, true).await;
    agent.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    let sum = said("sum");
    assert!(sum["text"].as_str().unwrap().contains("5001"), "{sum}");
    assert_eq!(house.approval(number).await.state, "consumed");
    let denied = said("denied");
    assert_eq!((&denied["code"], &denied["data"]["rule"]), (&json!(-32010), &json!("no environment")));
    let message = denied["message"].as_str().unwrap();
    assert!(message.contains("none of an agent's business") && message.contains("lists"), "{message}");
    let progress = said("progress");
    assert!(progress["steps"].as_u64().unwrap() >= 3 && progress["early"] == true, "{progress}");
    let sampled = said("sampled");
    assert!(sampled["text"].as_str().unwrap().contains("said by the client's model"), "{sampled}");
    said("end");
    assert!(agent.wait().unwrap().success());
    house.verify();
}
