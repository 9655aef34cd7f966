//! A gateway before a scripted MCP server, and a client that speaks JSON-RPC.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use policy_core::PrincipalKind;
use serde_json::{Value, json};

use crate::house::{House, Origin, authorization};

/// What an agent of a desk may do with a server of files.
pub const POLICY: &str = r#"
policy "agents"
default deny
allow "open" { on mcp  do initialize, ping, notify, list, listen, end, roots }
allow "read" { by (agent on behalf of group "eng") or group "eng"  on mcp  do call on "read_*", "slow", "ask", "key", "sneak" }
allow "docs" { on mcp  do read on "file:///srv/docs/*" }
allow "greetings" { on mcp  do prompt on "greet" }
allow "roots" { on mcp  do answer on "roots/list" }
allow "small" { by group "eng"  on mcp  do call on "pay"  unless arguments.amount > 1000 }
hold "large" { by group "eng"  on mcp  do call on "pay"  when arguments.amount > 1000  until 1 of group "sre" approve within 1m  reveal  answer after 1s }
hold "changed tools" { on mcp  do call  when not pinned  until 1 of group "sre" approve within 1m  answer after 1s }
deny "nobody drops" { on mcp  do call on "drop"  say "use pay" }
"#;

/// A house with the target `files`, in front of a server that does what it is told.
pub async fn house(policy: &str) -> House {
    let origin = Origin::run("python3", "mcp.py", &[]);
    let target = format!(
        "address = \"127.0.0.1:{port}\"\nhosts = [\"api.test\"]\n[[target]]\nname = \"files\"\nprotocol = \"mcp\"\n\
         address = \"127.0.0.1:{port}\"\ncredential = {{ file = \"token\" }}\n",
        port = origin.port
    );
    let house = House::before(origin, policy, &target).await;
    house.add("bot", PrincipalKind::Agent, "agents", Some("ana")).await;
    Client::of(&house, "ana").ask("tools/list", json!({})).await;
    house
}

/// Tells the server something.
pub fn tell(house: &House, what: &Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", house.origin.port)).unwrap();
    let body = what.to_string();
    let text = format!("POST /__do HTTP/1.0\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).unwrap();
    stream.read_to_string(&mut String::new()).unwrap();
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    fn read(mut stream: TcpStream) -> Self {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let head = head.to_ascii_lowercase();
        let body =
            if head.contains("transfer-encoding: chunked") { dechunked(body) } else { body.to_owned() };
        Self { status, head, body }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

fn dechunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").unwrap_or_default();
    }
    whole
}

/// Somebody who asks `files`, each time over a connection of its own.
#[derive(Clone)]
pub struct Client<'h> {
    pub house: &'h House,
    /// Lines with their ends.
    pub fields: String,
    /// What it shows for who it is, and says of its bodies.
    pub shows: String,
    pub kind: &'static str,
    /// The id of each request.
    pub id: Value,
}

impl<'h> Client<'h> {
    pub fn of(house: &'h House, user: &'static str) -> Self {
        let (shows, kind) = (authorization(user), "application/json");
        Self { house, fields: String::new(), shows, kind, id: json!(7) }
    }

    /// The bearer of a token.
    pub fn bearing(house: &'h House, token: &str) -> Self {
        Self { shows: format!("authorization: Bearer {token}\r\n"), ..Self::of(house, "") }
    }

    pub fn with(&self, fields: &str) -> Self {
        Self { fields: fields.to_owned(), ..self.clone() }
    }

    /// Begins a request; what comes back is to be read.
    pub fn begin(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let mut stream = self.house.raw();
        let Self { fields, shows, kind, .. } = self;
        let of_body = match body {
            "" => String::new(),
            _ => format!("content-type: {kind}\r\ncontent-length: {}\r\n", body.len()),
        };
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway.test\r\nconnection: close\r\n{shows}\
             accept: application/json, text/event-stream\r\n{fields}{of_body}\r\n{body}"
        );
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    pub async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let stream = self.begin(method, path, body);
        tokio::task::spawn_blocking(move || Answer::read(stream)).await.unwrap()
    }

    pub async fn post(&self, body: &str) -> Answer {
        self.send("POST", "/files/mcp", body).await
    }

    pub fn request(&self, method: &str, params: &Value) -> String {
        json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params }).to_string()
    }

    /// What a request comes to.
    pub async fn ask(&self, method: &str, params: Value) -> Value {
        let answer = self.post(&self.request(method, &params)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        assert_eq!(json["id"], self.id, "{json}");
        json
    }

    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// It is passed on and answered.
    pub async fn passes(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.call(tool, arguments).await;
        assert!(answer["result"]["content"].is_array(), "{answer}");
        answer
    }

    /// It is refused with this code: the error.
    pub async fn refused(&self, tool: &str, arguments: Value, code: i64) -> Value {
        let answer = self.call(tool, arguments).await;
        assert_eq!(answer["error"]["code"], code, "{answer}");
        answer["error"].clone()
    }

    /// It is held: the number of the approval.
    pub async fn held(&self, tool: &str, arguments: Value) -> u64 {
        let error = self.refused(tool, arguments, -32011).await;
        error["data"]["approval"].as_u64().unwrap_or_else(|| panic!("{error}"))
    }
}

/// How many messages of this method the server has got.
pub fn got(house: &House, method: &str) -> usize {
    let method = format!("\"{method}\"");
    house.origin.seen().iter().filter(|seen| seen["body"].as_str().unwrap().contains(&method)).count()
}
