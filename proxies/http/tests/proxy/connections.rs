//! Connections that are kept: what was in force when they came is not what their requests go by.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use policy_core::PrincipalKind;

use crate::house::{House, Origin, authorization};
use crate::tokens::{HOUR, Kept, basic, bearer, token};

const POLICY: &str =
    "policy \"api\"\ndefault deny\nallow \"reads\" { by group \"eng\"  on http  do get on \"/**\" }\n";

#[tokio::test]
async fn whoever_is_revoked_opens_no_session_by_what_is_remembered() {
    let house = House::policed(POLICY).await;
    let mut kept = Kept::to(&house);
    assert_eq!(kept.ask(&authorization("ana")), "200");
    house.disable("ana").await;
    house.revoke("ana").await;
    house.until_stopped().await;
    // It is carried out: nothing would end a session that is opened from here on.
    assert_ne!(kept.ask_at("other.test", &authorization("ana")), "200");
    assert!(!house.origin.seen().iter().any(|seen| seen.to_string().contains("other.test")));
}

/// What was held is sent to who was asked about, and nobody else: a target may be gone, or be another, by then.
#[tokio::test]
async fn a_target_that_has_changed_gets_nothing_that_was_held() {
    let hold =
        "hold \"posts\" { by group \"eng\"  on http  do post  until 1 of group \"sre\" approve within 1m }\n";
    let moved = |text: String| text.replace("address = \"127.0.0.1:", "address = \"localhost:");
    for (name, change) in [("removed", without_other as fn(String) -> String), ("moved", moved)] {
        let house = House::policed(&format!("{POLICY}{hold}")).await;
        let mut stream = house.raw();
        let request = format!(
            "POST /x HTTP/1.1\r\nhost: other.test\r\nconnection: close\r\n{}content-length: 1\r\n\r\nx",
            authorization("ana")
        );
        let asked = tokio::task::spawn_blocking(move || {
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let seen = house.waiting().await;
        house.reconfigure(change).await;
        let _may_be_over = house.try_vote(&seen, true).await;
        let answer = asked.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 403"), "{name}: {answer}");
        assert!(house.origin.seen().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_credential_that_was_changed_is_shown_from_then_on() {
    let house = House::policed(POLICY).await;
    let mut kept = Kept::to(&house);
    assert_eq!(kept.ask(&authorization("ana")), "200");
    let next = "another-token-of-the-target-43";
    std::fs::write(house.directory.path().join("token"), next).unwrap();
    house.reconfigure(|text| text).await;
    assert_eq!(kept.ask(&authorization("ana")), "200");
    let seen = house.origin.seen().pop().unwrap().to_string();
    assert!(seen.contains(&format!("Bearer {next}")), "{seen}");
}

/// Whoever is in another group is somebody else to rules, with a session from before or without one.
#[tokio::test]
async fn whoever_has_left_a_group_is_not_judged_by_it_on_connections_from_before() {
    let house = House::policed(POLICY).await;
    let mut kept = Kept::to(&house);
    assert_eq!(kept.ask(&authorization("ana")), "200");
    house.add("ana", PrincipalKind::Human, "sales", None).await;
    let limit = Instant::now() + Duration::from_secs(10);
    while kept.ask(&authorization("ana")) != "403" {
        assert!(Instant::now() < limit, "the group is still hers");
        // Accounts are looked up again every two seconds; nobody is told.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Sent away at the same time, she does not come back by what is remembered: not to this target, nor to another.
    for host in ["api.test", "other.test"] {
        house.add("ana", PrincipalKind::Human, "eng", None).await;
        let mut kept = Kept::to(&house);
        assert_eq!(kept.ask(&authorization("ana")), "200");
        house.add("ana", PrincipalKind::Human, "sales", None).await;
        house.revoke("ana").await;
        house.until_stopped().await;
        assert_ne!(kept.ask_at(host, &authorization("ana")), "200", "{host}");
    }
}

/// Whoever is told to connect again may do so on this connection, and at once.
#[tokio::test]
async fn whoever_is_not_who_they_were_is_proven_anew_by_the_next_request() {
    let house = House::policed(&POLICY.replace("group \"eng\"", "group \"eng\" or group \"sales\"")).await;
    let mut kept = Kept::to(&house);
    assert_eq!(kept.ask(&authorization("ana")), "200");
    house.add("ana", PrincipalKind::Human, "sales", None).await;
    // She gets no session as who she was: 403, or 401 where two seconds have passed, and what was remembered with them.
    assert_ne!(kept.ask_at("other.test", &authorization("ana")), "200");
    assert_eq!(kept.ask_at("other.test", &authorization("ana")), "200");
}

#[tokio::test]
async fn a_password_that_was_changed_is_none_on_connections_from_before() {
    let house = House::policed(POLICY).await;
    let mut kept = Kept::to(&house);
    assert_eq!(kept.ask(&authorization("ana")), "200");
    let another = "another horse entirely";
    house.password("ana", another).await;
    house.revoke("ana").await;
    let limit = Instant::now() + Duration::from_secs(10);
    while kept.ask(&authorization("ana")) != "401" {
        assert!(Instant::now() < limit, "the old one is still one");
        // Accounts are looked up again every two seconds; nobody is told.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(kept.ask(&basic("ana", another)), "200");
    assert_eq!(kept.ask(&authorization("ana")), "401");
}

/// The configuration without its last target.
fn without_other(text: String) -> String {
    text.rsplit_once("[[target]]").unwrap().0.to_owned()
}

#[tokio::test]
async fn a_target_that_was_removed_is_not_reached_by_connections_from_before() {
    let house = House::policed(POLICY).await;
    let mut with_session = Kept::to(&house);
    let mut without = Kept::to(&house);
    assert_eq!(with_session.ask_at("other.test", &authorization("ana")), "200");
    assert_eq!(without.ask(&authorization("ana")), "200");
    house.reconfigure(without_other).await;
    for _ in 0..2 {
        assert_eq!(with_session.ask_at("other.test", &authorization("ana")), "404");
        assert_eq!(without.ask_at("other.test", &authorization("ana")), "404");
    }
    assert_eq!(without.ask(&authorization("ana")), "200", "the other target is still there");
}

#[tokio::test]
async fn a_target_that_was_moved_is_reached_where_it_is_now_and_judged_as_what_it_is_now() {
    let labelled = POLICY.replace("on http", "on http where env == \"prod\"");
    let house = House::policed(&labelled).await;
    let next = Origin::run("python3", "origin.py", &[]);
    let mut kept = Kept::to(&house);
    assert_eq!(kept.ask(&authorization("ana")), "200");
    let (old, new) = (format!("127.0.0.1:{}\"\nhosts = [\"api", house.origin.port), next.port);
    let moved = format!("127.0.0.1:{new}\"\nhosts = [\"api");
    house.reconfigure(|text| text.replace(&old, &moved)).await;
    assert_eq!(kept.ask(&authorization("ana")), "200");
    assert_eq!((house.origin.seen().len(), next.seen().len()), (1, 1));
    house.reconfigure(|text| text.replace("env = \"prod\"", "env = \"dev\"")).await;
    assert_eq!(kept.ask(&authorization("ana")), "403");
}

#[tokio::test]
async fn targets_of_one_name_in_two_protocols_have_a_session_each() {
    let house = House::policed(POLICY).await;
    let cluster = format!(
        "[[target]]\nname = \"api\"\nprotocol = \"kubernetes\"\naddress = \"http://127.0.0.1:{}\"\nhosts = [\"cluster.test\"]\n",
        house.origin.port
    );
    house.reconfigure(|text| text + &cluster).await;
    let mut kept = Kept::to(&house);
    for _ in 0..3 {
        assert_eq!(kept.ask(&authorization("ana")), "200");
        assert_eq!(kept.ask_at("cluster.test", &authorization("ana")), "403");
    }
    let evidence = house.evidence();
    // Nothing permits to connect to the cluster, and that ends no session with the other.
    assert_eq!(evidence.matches("\"session_opened\"").count(), 1, "{evidence}");
}

#[tokio::test]
async fn guesses_at_the_same_time_are_no_more_than_those_one_after_another() {
    let house = House::policed(POLICY).await;
    let mut guessing: Vec<Kept> = (0..50).map(|_| Kept::to(&house)).collect();
    for kept in &mut guessing {
        // Each is let in before anybody has guessed.
        assert_eq!(kept.ask(""), "401");
    }
    for (number, kept) in guessing.iter_mut().enumerate() {
        kept.write("api.test", &basic("ana", &format!("guess {number}"))).unwrap();
    }
    let answers: Vec<String> = guessing.iter_mut().map(|kept| kept.status().unwrap()).collect();
    // As many as an address has within a minute.
    assert_eq!(answers.iter().filter(|status| *status == "401").count(), 20, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| *status == "429").count(), 30, "{answers:?}");
    assert_eq!(house.evidence().matches("the credentials prove nobody").count(), 20);
    assert_eq!(house.evidence().matches("\"claimed\":\"ana\"").count(), 20, "{}", house.evidence());

    // Whoever comes now is told so at the door, and what it has sent does not cost it the answer.
    let answer = house.send(&format!(
        "POST / HTTP/1.1\r\nhost: api.test\r\ncontent-length: 9000\r\n{}\r\n{}",
        authorization("ana"),
        "x".repeat(9000)
    ));
    assert!(answer.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nretry-after: 60\r\n") && answer.contains("too many failed logins"),
        "{answer}"
    );
}

#[tokio::test]
async fn many_who_are_right_at_the_same_time_are_all_let_in() {
    let house = House::policed(POLICY).await;
    let mut asking: Vec<TcpStream> = (0..50).map(|_| house.raw()).collect();
    for stream in &mut asking {
        let right = authorization("ana");
        let request = format!("GET / HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n{right}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
    }
    for mut stream in asking {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn of_too_many_sessions_the_one_that_was_idle_longest_ends() {
    let house = House::policed(POLICY).await;
    let mut kept = Kept::to(&house);
    for _ in 0..66 {
        let made = token(&house, "ana", None, HOUR).await;
        assert_eq!(kept.ask(&bearer(&made.text)), "200");
    }
    assert_eq!(house.sessions(), 64);
    let evidence = house.evidence();
    let ends: Vec<&str> = evidence.lines().filter(|line| line.contains("\"session_closed\"")).collect();
    assert_eq!(ends.len(), 2, "{ends:?}");
    assert!(ends.iter().all(|end| end.contains("another took its place")), "{ends:?}");
}

/// One connection: the first token asks for what never comes, the others one after the other for what does.
const ONE_IN_USE: &str = r#"
const [port, ...shown] = process.argv.slice(1);
const client = require("node:http2").connect(`http://127.0.0.1:${port}`);
const ask = (path, authorization) => client.request({ ":path": path, ":authority": "api.test", authorization });
ask("/never", shown.shift()).on("error", () => {});
const next = () => {
  const authorization = shown.shift();
  if (!authorization) return console.log("asked");
  ask("/", authorization).on("end", next).resume();
};
next();
"#;

#[tokio::test]
async fn a_session_in_use_makes_no_place_for_another() {
    let house = House::policed(POLICY).await;
    let mut shown = Vec::new();
    for _ in 0..66 {
        shown.push(format!("Bearer {}", token(&house, "ana", None, HOUR).await.text));
    }
    let mut client = Command::new("node")
        .args(["-e", ONE_IN_USE, &house.address.port().to_string()])
        .args(shown)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node");
    let mut said = String::new();
    BufReader::new(client.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!((said.trim(), house.sessions()), ("asked", 64), "the one in use is one of them");
    client.kill().unwrap();
    client.wait().unwrap();
}

/// The time to log in is not that between requests: pools of connections keep theirs for minutes.
#[tokio::test]
async fn whoever_was_let_in_may_be_silent_for_longer_than_a_stranger() {
    let house = House::policed(POLICY).await;
    house
        .reconfigure(|text| {
            text.replace("[limits]", "[limits]\nauthentication_time = \"2s\"\nidle_time = \"60s\"")
        })
        .await;
    let (mut ana, mut stranger) = (Kept::to(&house), Kept::to(&house));
    assert_eq!((ana.ask(&authorization("ana")), stranger.ask("")), ("200".to_owned(), "401".to_owned()));
    // Not even a head that has begun.
    stranger.write("api.test", "x: ").unwrap();
    assert!(stranger.status().is_err());
    assert_eq!(ana.ask(&authorization("ana")), "200");
}

/// A peer that is gone without a word is noticed by its silence.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn both_legs_are_asked_whether_anybody_is_there() {
    let house = House::policed(POLICY).await;
    let mut kept = Kept::to(&house);
    assert_eq!(kept.ask(&authorization("ana")), "200");
    // Local address, remote address, and which timer runs: 02 is keepalive's (proc_net_tcp in the kernel's documents).
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let timer = |local: Option<u16>, remote: Option<u16>| {
        let is = |address: &str, port: Option<u16>| {
            port.is_none_or(|port| address.ends_with(&format!(":{port:04X}")))
        };
        let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut found = lines.filter(|line| is(line[1], local) && is(line[2], remote) && line[3] == "01");
        found.next().expect("a connection")[5][..2].to_owned()
    };
    assert_eq!(timer(Some(house.address.port()), None), "02", "the client's");
    assert_eq!(timer(None, Some(house.origin.port)), "02", "the target's");
}
