//! WebSockets: judged at their opening, looked through as they go on, ended when somebody is out.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::house::{House, Origin, TOKEN, authorization};

const OPEN: &str = r#"
policy "sockets"
default deny
allow "sockets" { by group "eng"  on http  do upgrade on "/ws/**" }
record all { on http }
"#;

const MASKED: &str = r#"
policy "sockets"
default deny
allow "sockets" { by group "eng"  on http  do upgrade on "/ws/**" }
mask  "cards" { on http  values credit_card  with redact }
"#;

const HELD: &str = r#"
policy "sockets"
default deny
hold "sockets" { by group "eng"  on http  do upgrade on "/ws/**"  until 1 of group "sre" approve within 1m  answer after 1s }
"#;

async fn house(policy: &str) -> House {
    let origin = Origin::run("python3", "websocket.py", &[]);
    let target = format!("address = \"127.0.0.1:{}\"\nhosts = [\"api.test\"]\n", origin.port);
    House::before(origin, policy, &target).await
}

/// A client's end of a WebSocket.
struct Client(TcpStream);

impl Client {
    fn open(house: &House, path: &str, more: &str) -> Result<Self, String> {
        let mut stream = house.raw();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: api.test\r\n{}connection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n",
            authorization("ana")
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        // The reason in the words of the protocol; the key's answer, as RFC 6455 has it in section 1.3.
        let opened = head.starts_with("HTTP/1.1 101 Switching Protocols\r\n")
            && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        if opened { Ok(Self(stream)) } else { Err(head) }
    }

    fn say(&mut self, text: &str) {
        self.send(0x81, text);
    }

    /// Sends a frame that begins with this byte: whether a message ends by it, and what it is.
    fn send(&mut self, first: u8, text: &str) {
        let mut frame = vec![first, 0x80 | u8::try_from(text.len()).unwrap(), 1, 2, 3, 4];
        frame.extend(text.bytes().zip([1, 2, 3, 4].into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.0.write_all(&frame).unwrap();
    }

    /// The next message, put together, and the control frames before its end; `None` at the end.
    fn hear(&mut self) -> Option<(String, Vec<u8>)> {
        let (mut message, mut controls) = (Vec::new(), Vec::new());
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head).ok()?;
            let mut length = usize::from(head[1]);
            if length == 126 {
                let mut long = [0; 2];
                self.0.read_exact(&mut long).ok()?;
                length = usize::from(u16::from_be_bytes(long));
            }
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).ok()?;
            if head[0] & 8 != 0 {
                controls.push(head[0] & 15);
                if head[0] & 15 == 8 {
                    return Some((String::from_utf8_lossy(&payload).into_owned(), controls));
                }
                continue;
            }
            message.extend(payload);
            if head[0] & 0x80 != 0 {
                return Some((String::from_utf8_lossy(&message).into_owned(), controls));
            }
        }
    }
}

#[tokio::test]
async fn a_websocket_is_judged_and_carried() {
    let house = house(OPEN).await;
    let mut client =
        Client::open(&house, "/ws/chat", "sec-websocket-extensions: permessage-deflate\r\n").unwrap();
    client.say("hello");
    assert_eq!(client.hear().unwrap().0, "you said hello");
    let seen = house.origin.seen();
    let asked = &seen[0]["headers"];
    assert_eq!(asked["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(asked["connection"], "upgrade");
    assert!(asked.get("sec-websocket-extensions").is_none(), "{asked}");
    drop(client);
    house.until_said("\"outcome\"").await;
    let denied = Client::open(&house, "/other", "").err().unwrap();
    assert!(denied.starts_with("HTTP/1.1 403"), "{denied}");
}

#[tokio::test]
async fn what_a_target_says_over_a_websocket_is_masked() {
    let house = house(MASKED).await;
    let mut client = Client::open(&house, "/ws/chat", "").unwrap();
    client.say("split");
    let (message, controls) = client.hear().unwrap();
    assert_eq!((message.as_str(), controls.as_slice()), ("a card [redacted] and more", &[9][..]));
    // What a message is, its first frame need not tell.
    client.say("late");
    assert_eq!(client.hear().unwrap().0, r#"{"card":"[redacted]"}"#);
    client.say("bye");
    let (reason, _) = client.hear().unwrap();
    assert!(!reason.contains("1111"), "{reason}");
    for secret in ["binary", "compressed"] {
        let mut client = Client::open(&house, "/ws/chat", "").unwrap();
        client.say(secret);
        assert_eq!(client.hear(), None, "{secret} can't be looked into");
    }
    let deflate = Client::open(&house, "/ws/deflate", "").err().unwrap();
    assert!(deflate.starts_with("HTTP/1.1 502"), "{deflate}");
}

/// A mask may be longer than what it is for, and a control frame may not have more than 125 bytes.
#[tokio::test]
async fn a_reason_that_is_too_long_when_masked_is_left_out() {
    let house = house(&MASKED.replace("credit_card", "email")).await;
    let mut client = Client::open(&house, "/ws/chat", "").unwrap();
    client.say("letters");
    let mut heard = Vec::new();
    client.0.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, [0x88, 2, 0x03, 0xe8]);
}

#[tokio::test]
async fn what_a_client_says_is_recorded_as_masked_as_what_it_hears() {
    let house = house(&format!("{MASKED}record all {{ on http }}\n")).await;
    let mut client = Client::open(&house, "/ws/chat", "").unwrap();
    client.say("a card 4111 1111 1111 1111 and more");
    assert_eq!(client.hear().unwrap().0, "you said a card [redacted] and more");
    client.say("my card");
    client.hear().unwrap();
    let events = house.until_recorded("my card").await;
    let inputs: Vec<_> = events.iter().filter(|event| event.contains("\"event\":\"input\"")).collect();
    assert!(inputs[0].contains("a card [redacted]"), "{inputs:?}");
    assert!(!events.iter().any(|event| event.contains("1111")), "{events:?}");
}

/// What a rule masks by the names of fields in what a client hears, no recording has of what it says.
#[tokio::test]
async fn fields_are_masked_in_recordings_of_what_a_client_says() {
    let masks = "mask \"emails\" { on http  fields \"**.email\"  with redact }\nrecord all { on http }\n";
    let house =
        house(&MASKED.replace("mask  \"cards\" { on http  values credit_card  with redact }\n", masks)).await;
    let mut client = Client::open(&house, "/ws/chat", "").unwrap();
    client.say(r#"{"email":"ana@example.com","n":1}"#);
    assert_eq!(client.hear().unwrap().0, r#"{"email":"[redacted]","n":1}"#);
    // In pieces, as a text, as bytes, and never to the end.
    client.send(0x01, "");
    client.send(0x00, r#"{"quiet":1,"email":"#);
    client.send(0x80, r#""ana@example.com","quiet":2}"#);
    client.say("quiet: ana@example.com");
    client.send(0x82, r#"{"email":"ana@example.com"}"#);
    assert_eq!(client.hear().unwrap().0, r#"{"email":"[redacted]"}"#);
    client.say(r#"{"over":true}"#);
    client.hear().unwrap();
    client.send(0x01, r#"{"quiet":3,"email":"ana@example.com""#);
    drop(client);
    let events = house.until_recordings_end(1).await;
    let inputs: Vec<_> = events.iter().filter(|event| event.contains("\"event\":\"input\"")).collect();
    assert!(inputs[0].contains("[redacted]"), "{inputs:?}");
    assert!(!events.iter().any(|event| event.contains("ana@")), "{events:?}");
}

#[tokio::test]
async fn what_was_said_before_a_target_left_is_shown() {
    let house = house(&format!("{MASKED}record all {{ on http }}\n")).await;
    let mut client = Client::open(&house, "/ws/chat", "").unwrap();
    client.say("leave");
    let mut heard = Vec::new();
    client.0.read_to_end(&mut heard).unwrap();
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.contains("held back") && heard.contains("4111 11"), "{heard}");
    house.until_recorded("4111 11").await;
}

/// Behind a close a client listens no longer (RFC 6455, section 5.5.1).
#[tokio::test]
async fn what_was_said_before_a_target_parted_is_shown_before_it_parts() {
    let house = house(MASKED).await;
    let mut client = Client::open(&house, "/ws/chat", "").unwrap();
    client.say("part");
    let mut heard = Vec::new();
    client.0.read_to_end(&mut heard).unwrap();
    let words = String::from_utf8_lossy(&heard);
    assert!(words.contains("held back") && words.contains("4111 11"), "{words}");
    assert!(heard.ends_with(&[0x88, 2, 0x03, 0xe8]), "{heard:?}");
}

#[tokio::test]
async fn the_credential_never_comes_back_over_a_websocket() {
    let house = house(OPEN).await;
    let mut client = Client::open(&house, "/ws/chat", "").unwrap();
    client.say("binary");
    assert_eq!(client.hear().unwrap().0, "\0\u{1}");
    client.say("key");
    assert_eq!(client.hear(), None);
}

#[tokio::test]
async fn a_websocket_ends_with_its_users_access() {
    let house = house(OPEN).await;
    let mut client = Client::open(&house, "/ws/chat", "").unwrap();
    client.say("hello");
    client.hear().unwrap();
    let began = std::time::Instant::now();
    house.revoke("ana").await;
    assert_eq!(client.hear(), None);
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn frames_that_are_none_reach_nobody() {
    let house = house(OPEN).await;
    let mut client = Client::open(&house, "/ws/chat", "").unwrap();
    // The origin does not mind, and would answer.
    client.0.write_all(&[&[0x81, 5, 0, 0, 0, 0], &b"hello"[..]].concat()).unwrap();
    assert_eq!(client.hear(), None, "a client masks its frames");
}

#[tokio::test]
async fn what_is_no_wish_for_a_websocket_is_refused() {
    let house = house(OPEN).await;
    let (upgrade, connection) = ("upgrade: websocket\r\n", "connection: Upgrade\r\n");
    let (key, version) = ("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "sec-websocket-version: 13\r\n");
    let get = "GET /ws/chat HTTP/1.1";
    for (name, line, fields, status) in [
        ("another protocol", get, ["upgrade: h2c\r\n", connection, key, version].concat(), "501"),
        ("two wishes", get, [upgrade, upgrade, connection, key, version].concat(), "501"),
        ("two in one", get, ["upgrade: websocket, h2c\r\n", connection, key, version].concat(), "501"),
        (
            "an older version of HTTP",
            "GET /ws/chat HTTP/1.0",
            [upgrade, connection, key, version].concat(),
            "501",
        ),
        ("another method", "POST /ws/chat HTTP/1.1", [upgrade, connection, key, version].concat(), "400"),
        ("no key", get, [upgrade, connection, version].concat(), "400"),
        ("two keys", get, [upgrade, connection, key, key, version].concat(), "400"),
        ("no version", get, [upgrade, connection, key].concat(), "400"),
        ("two versions", get, [upgrade, connection, key, version, version].concat(), "400"),
        ("an older version", get, [upgrade, connection, key, "sec-websocket-version: 8\r\n"].concat(), "400"),
        ("no mention of it", get, [upgrade, "connection: keep-alive\r\n", key, version].concat(), "400"),
    ] {
        let answer = house.send(&format!("{line}\r\nhost: api.test\r\n{}{fields}\r\n", authorization("ana")));
        assert_eq!(answer.split(' ').nth(1), Some(status), "{name}: {answer}");
    }
    assert_eq!(house.origin.seen().len(), 1, "the question alone");
}

#[tokio::test]
async fn both_ends_agree_on_what_was_asked_for() {
    let house = house(MASKED).await;
    let more = "sec-websocket-protocol: chat, base64url.bearer.authorization.k8s.io.dG9rZW4\r\n";
    drop(Client::open(&house, "/ws/chat", more).unwrap());
    assert_eq!(house.origin.seen()[0]["headers"]["sec-websocket-protocol"], "chat");
    let other = Client::open(&house, "/ws/h2c", "").err().unwrap();
    assert!(other.starts_with("HTTP/1.1 502"), "{other}");
    // Its fields are masked as those of any answer.
    let mut stream = house.raw();
    let request = format!(
        "GET /ws/chat HTTP/1.1\r\nhost: api.test\r\n{}connection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        authorization("ana")
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    assert!(head.contains("x-echo: [redacted]") && !head.contains("1111"), "{head}");
}

/// What is sent as a body, a target reads as frames: nobody has looked at them.
#[tokio::test]
async fn a_websocket_is_opened_without_a_body() {
    let house = house(OPEN).await;
    for (length, body) in
        [("content-length: 11", "\u{1}\u{5}hello"), ("transfer-encoding: chunked", "0\r\n\r\n")]
    {
        let mut stream = house.raw();
        let request = format!(
            "GET /ws/chat HTTP/1.1\r\nhost: api.test\r\n{}connection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{length}\r\n\r\n{body}",
            authorization("ana")
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).unwrap();
        assert_eq!(String::from_utf8_lossy(&line), "HTTP/1.1 400", "{length}");
    }
    assert_eq!(house.origin.seen().len(), 1, "the question alone");
}

/// A target need not heed the wish for another protocol; what it answers then is what a `get` is answered, and nobody may.
#[tokio::test]
async fn whoever_may_open_a_websocket_may_not_read_instead() {
    let house = House::policed(OPEN).await;
    let answer = Client::open(&house, "/ws/secret", "").err().unwrap();
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    house.until_said("\"error\":\"it goes on with HTTP").await;
}

#[tokio::test]
async fn whoever_is_told_to_come_back_opens_its_websocket() {
    let house = house(HELD).await;
    let status = |key: &str| {
        let mut stream = house.raw();
        let request = format!(
            "GET /ws/chat HTTP/1.1\r\nhost: api.test\r\n{}connection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n",
            authorization("ana")
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).unwrap();
        String::from_utf8_lossy(&line).into_owned()
    };
    // A key for each attempt, as RFC 6455 asks for in section 4.1.
    assert_eq!(status("dGhlIHNhbXBsZSBub25jZQ=="), "HTTP/1.1 403");
    let seen = house.waiting().await;
    house.vote(&seen, true).await;
    assert_eq!(status("YW5vdGhlciBub25jZSAhIQ=="), "HTTP/1.1 101");
}
