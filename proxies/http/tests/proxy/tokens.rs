//! Tokens: whom they let in, as what, and until when.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use policy_core::PrincipalKind;
use portcullis_gateway::identity::TokenText;
use portcullis_gateway::store::NewToken;

use crate::house::{House, PASSWORD, authorization};

const POLICY: &str = r#"
policy "api"
default deny
allow "reads"  { by group "eng"  on http  do get on "/**" }
allow "agents" { by agent on behalf of group "eng"  on http  do get on "/items/**" }
"#;

pub struct Made {
    pub text: String,
    number: u64,
}

pub async fn token(house: &House, user: &str, owner: Option<&str>, lasts: Duration) -> Made {
    let text = TokenText::generate().unwrap();
    let created = now();
    let new = NewToken {
        hash: text.hash(),
        user: user.into(),
        name: "ci".into(),
        owner: owner.map(Into::into),
        created,
        expires: created + lasts.as_millis() as i64,
    };
    let number = house.store(move |store| store.add_token(&new)).await;
    Made { text: text.expose().to_owned(), number }
}

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64
}

pub const HOUR: Duration = Duration::from_secs(3600);

pub fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

pub fn basic(user: &str, password: &str) -> String {
    format!("authorization: Basic {}\r\n", BASE64.encode(format!("{user}:{password}")))
}

/// The status of a request with these fields.
fn status(house: &House, path: &str, fields: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n{fields}\r\n");
    let mut stream = house.raw();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_token_is_shown_as_bearer_or_as_its_users_password() {
    let house = House::policed(POLICY).await;
    let Made { text, number } = token(&house, "ana", None, HOUR).await;
    let slip = format!("{}0", &text[..text.len() - 1]);
    let slip = if slip == text { format!("{}1", &text[..text.len() - 1]) } else { slip };
    let stranger = TokenText::generate().unwrap();
    for (fields, expected) in [
        (bearer(&text), "200"),
        (format!("authorization: bearer  {text}\r\n"), "200"),
        (basic("ana", &text), "200"),
        (basic("ana", PASSWORD), "200"),
        // Of that very user.
        (basic("ben", &text), "401"),
        (basic("", &text), "401"),
        (basic(&text, ""), "401"),
        // A password is no token, and what was never one is none.
        (bearer(PASSWORD), "401"),
        (bearer(&BASE64.encode(format!("ana:{PASSWORD}"))), "401"),
        (bearer(stranger.expose()), "401"),
        (bearer(&slip), "401"),
        (bearer(""), "401"),
        (format!("{}{}", bearer(&text), authorization("ana")), "401"),
        (String::new(), "401"),
    ] {
        assert_eq!(status(&house, "/items/1", &fields), expected, "{fields}");
    }
    let evidence = house.evidence();
    for opened in [r#""proven_by":"token""#, r#""proven_by":"basic""#, &format!(r#""token":{number}"#)] {
        assert!(evidence.contains(opened), "{opened}: {evidence}");
    }
    assert!(!evidence.contains(&text), "the token is in evidence");
    assert!(
        !house.origin.seen().iter().any(|seen| seen.to_string().contains(&text)),
        "the target has seen it"
    );
}

#[tokio::test]
async fn a_client_is_told_both_ways_to_prove_itself() {
    let house = House::policed(POLICY).await;
    let answer = house.send("GET /items/1 HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n\r\n");
    let answer = answer.to_ascii_lowercase();
    assert!(answer.contains("www-authenticate: bearer realm=\"portcullis\"\r\n"), "{answer}");
    assert!(
        answer.contains("www-authenticate: basic realm=\"portcullis\", charset=\"utf-8\"\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn curl_shows_a_token_either_way() {
    let house = House::policed(POLICY).await;
    let Made { text, .. } = token(&house, "ana", None, HOUR).await;
    let resolve = format!("api.test:{}:127.0.0.1", house.address.port());
    let url = format!("http://api.test:{}/items/1", house.address.port());
    let (field, user) = (format!("Authorization: Bearer {text}"), format!("ana:{text}"));
    for shown in [["-H", &field], ["-u", &user]] {
        let output = Command::new("curl")
            .args([
                "-sS",
                "--noproxy",
                "*",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "--resolve",
                &resolve,
                &url,
            ])
            .args(shown)
            .output()
            .expect("curl");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "200", "{shown:?}");
    }
}

/// A connection that stays open, and what requests on it come to.
pub struct Kept<'a> {
    house: &'a House,
    stream: TcpStream,
}

impl<'a> Kept<'a> {
    pub fn to(house: &'a House) -> Self {
        Self { house, stream: house.raw() }
    }

    /// To an address of a target's own.
    pub fn to_port(house: &'a House, port: u16) -> Self {
        Self { house, stream: TcpStream::connect(("127.0.0.1", port)).unwrap() }
    }

    /// The status; `cut` where the answer was under way when its session ended, and the connection with it.
    pub fn ask(&mut self, fields: &str) -> String {
        self.ask_at("api.test", fields)
    }

    pub fn ask_at(&mut self, host: &str, fields: &str) -> String {
        self.try_ask(host, fields).unwrap_or_else(|_| {
            self.stream = self.house.raw();
            "cut".to_owned()
        })
    }

    fn try_ask(&mut self, host: &str, fields: &str) -> std::io::Result<String> {
        self.write(host, fields)?;
        self.status()
    }

    pub fn write(&mut self, host: &str, fields: &str) -> std::io::Result<()> {
        let request = format!("GET /items/1 HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n");
        self.stream.write_all(request.as_bytes())
    }

    /// The status of a request that is sent as it is.
    pub fn send(&mut self, request: &[u8]) -> std::io::Result<String> {
        self.stream.write_all(request)?;
        self.status()
    }

    /// That of the next answer, which is read whole.
    pub fn status(&mut self) -> std::io::Result<String> {
        let head = self.read_to(b"\r\n\r\n")?.to_ascii_lowercase();
        match head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()) {
            Some(length) => self.stream.read_exact(&mut vec![0; length.parse().unwrap()])?,
            None => drop(self.read_to(b"\r\n0\r\n\r\n")?),
        }
        Ok(head.split(' ').nth(1).unwrap().to_owned())
    }

    fn read_to(&mut self, end: &[u8]) -> std::io::Result<String> {
        let mut read = Vec::new();
        let mut byte = [0];
        while !read.ends_with(end) {
            self.stream.read_exact(&mut byte)?;
            read.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&read).into_owned())
    }

    /// Asks until the answer is no longer 200: what it is then, and how long that took.
    fn until_refused(&mut self, fields: &str) -> (String, Duration) {
        let since = Instant::now();
        loop {
            let status = self.ask(fields);
            if status != "200" {
                return (status, since.elapsed());
            }
            assert!(since.elapsed() < Duration::from_secs(5), "it goes on");
            // Nobody is told when a revocation has been carried out.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[tokio::test]
async fn a_revoked_token_ends_within_a_second_and_no_other_with_it() {
    let house = House::policed(POLICY).await;
    let one = token(&house, "ana", None, HOUR).await;
    let two = token(&house, "ana", None, HOUR).await;
    let mut kept = Kept::to(&house);
    for fields in [bearer(&one.text), bearer(&two.text), authorization("ana")] {
        assert_eq!(kept.ask(&fields), "200");
    }
    let number = one.number;
    assert!(house.store(move |store| store.revoke_token(number, "root", "leaked", now())).await);
    let (refused, took) = kept.until_refused(&bearer(&one.text));
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(["401", "403", "cut"].contains(&&*refused), "{refused}");
    for _ in 0..3 {
        assert_ne!(kept.ask(&bearer(&one.text)), "200");
    }
    assert_eq!(kept.ask(&bearer(&two.text)), "200", "another token");
    assert_eq!(kept.ask(&authorization("ana")), "200", "the password");
    assert_eq!(status(&house, "/items/1", &bearer(&one.text)), "401");
}

#[tokio::test]
async fn an_expired_token_ends_within_a_second() {
    let house = House::policed(POLICY).await;
    let lasts = Duration::from_secs(2);
    let made = Instant::now();
    let short = token(&house, "ana", None, lasts).await;
    let mut kept = Kept::to(&house);
    assert_eq!(kept.ask(&bearer(&short.text)), "200");
    kept.until_refused(&bearer(&short.text));
    let ended = made.elapsed();
    assert!(ended >= lasts && ended < lasts + Duration::from_secs(1), "{ended:?}");
    assert_eq!(status(&house, "/items/1", &bearer(&short.text)), "401");
}

#[tokio::test]
async fn an_agent_acts_for_whom_its_token_says_and_no_longer_than_they_may() {
    let house = House::policed(POLICY).await;
    house.add("bot", PrincipalKind::Agent, "bots", None).await;
    let for_ana = token(&house, "bot", Some("ana"), HOUR).await;
    let for_ben = token(&house, "bot", Some("ben"), HOUR).await;
    let for_nobody = token(&house, "bot", None, HOUR).await;
    let mut kept = Kept::to(&house);
    assert_eq!(kept.ask(&bearer(&for_ana.text)), "200", "ana is in the group");
    assert_eq!(kept.ask(&bearer(&for_ben.text)), "403", "ben is not, and the connection is the same");
    assert_eq!(kept.ask(&bearer(&for_ana.text)), "200");
    assert_eq!(status(&house, "/orders", &bearer(&for_ana.text)), "403", "ana may, her agent not");
    assert_eq!(status(&house, "/items/1", &bearer(&for_nobody.text)), "401");
    assert_eq!(status(&house, "/items/1", &basic("bot", PASSWORD)), "401", "for whom?");
    assert!(house.evidence().contains(r#""owner":"ana""#));

    house.disable("ana").await;
    house.revoke("ana").await;
    let (_, took) = kept.until_refused(&bearer(&for_ana.text));
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(status(&house, "/items/1", &bearer(&for_ana.text)), "401");
}

#[tokio::test]
async fn an_answer_under_way_ends_with_the_token_that_asked() {
    let house = House::policed(POLICY).await;
    for revoked in [true, false] {
        let lasts = if revoked { HOUR } else { Duration::from_secs(2) };
        let before = Instant::now();
        let asked = token(&house, "ana", None, lasts).await;
        // It was made at some time between the two.
        let (soonest, ends) = (before + lasts, Instant::now() + lasts);
        let mut stream = house.raw();
        let request = format!("GET /endless HTTP/1.1\r\nhost: api.test\r\n{}\r\n", bearer(&asked.text));
        stream.write_all(request.as_bytes()).unwrap();
        let mut piece = [0; 1024];
        while !String::from_utf8_lossy(&piece).contains("tick") {
            assert!(stream.read(&mut piece).unwrap() > 0);
        }
        let ends = if revoked {
            let number = asked.number;
            house.store(move |store| store.revoke_token(number, "root", "leaked", now())).await;
            Instant::now()
        } else {
            ends
        };
        while stream.read(&mut piece).is_ok_and(|read| read > 0) {}
        let late = Instant::now().saturating_duration_since(ends);
        assert!(late < Duration::from_secs(1), "{late:?} late, revoked: {revoked}");
        assert!(revoked || Instant::now() >= soonest, "not before its end");
    }
}
