//! The official SDKs at work: npm's client with the official server of examples, and PyPI's client with a server that PyPI's SDK
//! serves, in both ways to begin. `scripts/test-agents` installs them.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use policy_core::PrincipalKind;
use serde_json::{Value, json};

use crate::house::{House, Origin, authorization};

const EXAMPLES: &str = r#"
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

const DESK: &str = r#"
policy "agents"
default deny
allow "open" { on mcp  do initialize, ping, notify, list, listen, end, elicit }
allow "work" { by agent on behalf of group "eng"  on mcp  do call on "card", "steps", "send" }
allow "sums" { by agent on behalf of group "eng"  on mcp  do call on "add"  unless arguments.a > 1000 }
hold "large sums" { by agent  on mcp  do call on "add"  when arguments.a > 1000  until 1 of group "sre" approve within 1m  answer after 1s }
allow "europe" { by agent on behalf of group "eng"  on mcp  do call on "deploy"  when arguments.region == "eu" }
allow "sure" { on mcp  do answer on "elicitation/create" }
allow "files" { on mcp  do read on "file:///srv/*.txt" }
allow "greetings" { on mcp  do prompt on "greet" }
mask "cards" { on mcp  values credit_card  with redact }
deny "keys" { on mcp  do read on "*.pem"  say "keys stay where they are" }
deny "nobody wipes" { on mcp  do call on "wipe"  say "ask for a card instead" }
"#;

/// Where the SDKs are. They come from npm and PyPI, which `make test` does without.
fn installed(of: &str) -> Option<PathBuf> {
    std::env::var_os("PORTCULLIS_AGENTS").map(|home| PathBuf::from(home).join(of))
}

/// A house with an MCP server as the target `agents`, and a bot that ana has.
async fn house(origin: Origin, policy: &str) -> House {
    let target = format!(
        "address = \"127.0.0.1:{port}\"\nhosts = [\"api.test\"]\n[[target]]\nname = \"agents\"\nprotocol = \"mcp\"\n\
         address = \"127.0.0.1:{port}\"\n",
        port = origin.port
    );
    let house = House::before(origin, policy, &target).await;
    house.add("bot", PrincipalKind::Agent, "agents", Some("ana")).await;
    house
}

/// A program that works for the bot, and says what it saw, a line each.
struct Agent {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Agent {
    /// A script of this directory: it is told where the gateway is and what to show it.
    fn start(program: &Path, script: &str, before: &[&Path], house: &House, after: &[&str]) -> Self {
        let shown = authorization("bot");
        let mut child = Command::new(program)
            .arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/proxy/mcp").join(script))
            .args(before)
            .arg(format!("http://{}/agents/mcp", house.address))
            .arg(shown.strip_prefix("authorization: ").unwrap().trim())
            .args(after)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// What it says next, which is about this.
    fn said(&mut self, what: &str) -> Value {
        let line = self.lines.next().unwrap_or_else(|| panic!("the agent ended before `{what}`")).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(said["what"], what, "{said}");
        said
    }

    /// A call that it says was held is approved, and it goes on.
    async fn approved(&mut self, house: &House, rule: &str) -> u64 {
        let held = self.said("held");
        assert_eq!((&held["code"], &held["data"]["rule"]), (&json!(-32011), &json!(rule)), "{held}");
        let number = held["data"]["approval"].as_u64().unwrap();
        let seen = house.approval(number).await;
        house.vote(&seen, true).await;
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        number
    }

    /// What it says next is that it was denied by this rule: in these words.
    fn denied(&mut self, what: &str, rule: &Value) -> String {
        let denied = self.said(what);
        assert_eq!((&denied["code"], &denied["data"]["rule"]), (&json!(-32010), rule), "{denied}");
        denied["message"].as_str().unwrap().to_owned()
    }

    fn ended_well(mut self) {
        self.said("end");
        assert!(self.child.wait().unwrap().success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdks_client_works_with_the_official_server() {
    let Some(modules) = installed("node/node_modules") else { return };
    let house = house(Origin::run("node", "mcp/everything.mjs", &[&modules]), EXAMPLES).await;
    let mut agent = Agent::start(Path::new("node"), "agent.mjs", &[&modules], &house, &[]);
    let names = agent.said("tools")["names"].to_string();
    assert_eq!(names, r#"["echo","get-sum","trigger-long-running-operation","trigger-sampling-request"]"#);
    assert_eq!(agent.said("prompts")["names"], json!([]));
    assert_eq!(agent.said("echo")["text"], "Echo: hello");
    let number = agent.approved(&house, "large sums").await;
    let sum = agent.said("sum");
    assert!(sum["text"].as_str().unwrap().contains("5001"), "{sum}");
    assert_eq!(house.approval(number).await.state, "consumed");
    let message = agent.denied("denied", &json!("no environment"));
    assert!(message.contains("none of an agent's business") && message.contains("lists"), "{message}");
    let progress = agent.said("progress");
    assert!(progress["steps"].as_u64().unwrap() >= 3 && progress["early"] == true, "{progress}");
    let sampled = agent.said("sampled");
    assert!(sampled["text"].as_str().unwrap().contains("said by the client's model"), "{sampled}");
    agent.ended_well();
    house.verify();
}

/// How PyPI's client begins, and which revision it then speaks: it finds out by `server/discover` whether a server speaks the
/// revision without sessions, or begins by a handshake as before.
const WAYS: [(&str, &str); 2] = [("auto", "2026-07-28"), ("legacy", "2025-11-25")];

#[tokio::test(flavor = "multi_thread")]
async fn pypis_client_works_with_pypis_server() {
    let Some(python) = installed("python/bin/python") else { return };
    let program = python.to_str().unwrap();
    for (way, version) in WAYS {
        let house = house(Origin::run(program, "mcp/desk.py", &[]), DESK).await;
        let mut agent = Agent::start(&python, "agent.py", &[], &house, &[way]);
        let tools = agent.said("tools");
        assert_eq!(tools["version"], version);
        assert_eq!(tools["names"], json!(["add", "card", "steps", "send", "deploy"]));
        assert_eq!(agent.said("sum")["text"], "3");
        let number = agent.approved(&house, "large sums").await;
        assert_eq!(agent.said("approved")["text"], "5001");
        assert_eq!(house.approval(number).await.state, "consumed");
        assert!(agent.denied("denied", &json!("nobody wipes")).contains("ask for a card instead"));
        let card = agent.said("card");
        assert!(card["of"] == "ana" && !card["number"].as_str().unwrap().contains("4111"), "{card}");
        assert_eq!(agent.said("progress")["steps"], json!([1.0, 2.0, 3.0]));
        assert_eq!(agent.said("elicited")["text"], "sent to ben");
        assert_eq!(agent.said("deployed")["text"], "deployed to eu");
        agent.denied("elsewhere", &Value::Null);
        assert_eq!(agent.said("read")["text"], "the text of a.txt");
        assert!(agent.denied("unread", &json!("keys")).contains("keys stay where they are"));
        assert_eq!(agent.said("prompt")["text"], "Greet ana.");
        agent.ended_well();
        house.verify();
    }
}
