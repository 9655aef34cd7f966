//! Answers: masked across their pieces, counted, ended when somebody is out.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::house::{House, TOKEN, authorization};
use crate::legs::curl;

const MASKED: &str = r#"
policy "masks"
default deny
allow "reads" { by group "eng"  on http  do get on "/**" }
mask  "cards" { on http  values credit_card  with redact }
"#;

#[tokio::test]
async fn what_the_target_says_is_masked_in_its_fields_and_across_its_pieces() {
    let house = House::policed(MASKED).await;
    let answer = house.ask("GET", "/card", "accept-encoding: gzip\r\nrange: bytes=5-\r\n", "");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("a card [redacted] and more"), "{answer}");
    assert!(!answer.contains("1111"), "{answer}");
    let seen = house.origin.seen()[0].to_string().to_lowercase();
    assert!(seen.contains("identity") && !seen.contains("gzip") && !seen.contains("bytes=5-"), "{seen}");
}

#[tokio::test]
async fn the_credential_of_the_target_is_shown_to_nobody() {
    let house = House::policed(MASKED).await;
    let answer = house.ask("GET", "/key", "", "");
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains(TOKEN), "{answer}");
}

/// What it ends with may be the beginning of the credential, or of a card's number: whoever waits for the question sees it all.
#[tokio::test]
async fn a_text_that_waits_for_an_answer_is_shown_to_its_end() {
    let house = House::policed(MASKED).await;
    let mut stream = house.raw();
    let request = format!(
        "GET /prompt HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n{}\r\n",
        authorization("ana")
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (mut shown, mut byte) = (Vec::new(), [0]);
    while !shown.ends_with(b" or a") {
        stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error}: {shown:?}"));
        shown.push(byte[0]);
    }
    assert!(house.ask("GET", "/more", "", "").starts_with("HTTP/1.1 200"));
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("?\n"), "{rest}");
}

#[tokio::test]
async fn limits_count_what_goes_to_the_client() {
    let limit = "limit \"few\" { on http  bytes 20_000 per principal per hour }\n";
    let house = House::policed(&format!("{MASKED}{limit}")).await;
    let long = format!("/x?{}", "a".repeat(15_000));
    assert!(house.ask("GET", &long, "", "").contains("aaaaaa"));
    let cut = house.ask("GET", &long, "", "");
    assert!(cut.len() < 6_000, "{} bytes", cut.len());
}

#[tokio::test]
async fn a_revoked_user_gets_nothing_more_within_a_second() {
    let house = House::policed(MASKED).await;
    for path in ["/endless", "/silent"] {
        let mut stream = house.raw();
        let request = format!("GET {path} HTTP/1.1\r\nhost: api.test\r\n{}\r\n", authorization("ana"));
        stream.write_all(request.as_bytes()).unwrap();
        let mut piece = [0; 1024];
        while !String::from_utf8_lossy(&piece).contains("tick") {
            assert!(stream.read(&mut piece).unwrap() > 0);
        }
        house.revoke("ana").await;
        let began = Instant::now();
        while stream.read(&mut piece).is_ok_and(|read| read > 0) {}
        assert!(began.elapsed() < Duration::from_secs(1), "{path}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn what_is_between_a_target_and_the_gateway_stays_there() {
    let house = House::policed(MASKED).await;
    let answer = house.ask("GET", "/named", "", "");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-outer: 1"), "{answer}");
    for gone in ["x-inner", "keep-alive", "proxy-authenticate"] {
        assert!(!answer.contains(gone), "{gone}: {answer}");
    }
    let answer = house.ask("GET", "/switches", "", "");
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("another protocol"), "{answer}");
    assert!(!answer.contains("a card"), "{answer}");
}

/// In trailers as in any fields. Clients of HTTP/2 get them as they are, those of HTTP/1.1 none.
#[tokio::test]
async fn what_trailers_say_of_the_targets_connection_stays_there() {
    let house = House::policed(MASKED).await;
    let url = format!("http://api.test:{}/trailers", house.address.port());
    let answer = curl(&house, &["--http2-prior-knowledge", "-v"], &url);
    assert!(answer.contains("body") && answer.contains("< x-outer: 1"), "{answer}");
    for gone in ["x-inner", "< keep-alive", "< connection"] {
        assert!(!answer.contains(gone), "{gone}: {answer}");
    }
}

/// Waits until the origin has seen this of its last request.
async fn until_seen(house: &House, name: &str, value: serde_json::Value) {
    let limit = Instant::now() + Duration::from_secs(10);
    while house.origin.seen().last().is_none_or(|seen| seen[name] != value) {
        assert!(Instant::now() < limit, "{name} is never {value}: {:?}", house.origin.seen().last());
        // An origin tells nobody what it sees.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_revoked_user_waits_for_no_answer() {
    let house = House::policed(MASKED).await;
    let mut stream = house.raw();
    let request = format!("GET /never HTTP/1.1\r\nhost: api.test\r\n{}\r\n", authorization("ana"));
    stream.write_all(request.as_bytes()).unwrap();
    until_seen(&house, "path", "/never".into()).await;
    house.revoke("ana").await;
    let began = Instant::now();
    let mut line = [0; 12];
    stream.read_exact(&mut line).unwrap();
    assert_eq!(String::from_utf8_lossy(&line), "HTTP/1.1 403");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

/// Whoever does not read what they get is sent away as fast as whoever does.
#[tokio::test]
async fn a_revoked_user_who_reads_nothing_is_out_as_well() {
    let house = House::policed(MASKED).await;
    let mut stream = house.raw();
    let request = format!("GET /flood HTTP/1.1\r\nhost: api.test\r\n{}\r\n", authorization("ana"));
    stream.write_all(request.as_bytes()).unwrap();
    let sent = || house.origin.seen().last().and_then(|seen| seen["sent"].as_u64()).unwrap_or(0);
    let mut before = 0;
    while before == 0 || sent() > before {
        before = sent();
        // Nobody tells when a connection is full.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    house.revoke("ana").await;
    let began = Instant::now();
    house.until_said("\"error\":\"stopped\"").await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{ended:?} after {} bytes", rest.len());
}

/// Where the target has answered already, what is still sent ends with the session all the same.
#[tokio::test]
async fn a_revoked_user_sends_nothing_more() {
    let house = House::policed(&MASKED.replace("do get", "do put")).await;
    let mut stream = house.raw();
    let head = format!(
        "PUT /early HTTP/1.1\r\nhost: api.test\r\n{}content-length: 1000000\r\n\r\n0123456789",
        authorization("ana")
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut line = [0; 12];
    stream.read_exact(&mut line).unwrap();
    assert_eq!(String::from_utf8_lossy(&line), "HTTP/1.1 200");
    until_seen(&house, "read", 10.into()).await;
    stream.write_all(b"0123456789").unwrap();
    until_seen(&house, "read", 20.into()).await;
    house.revoke("ana").await;
    until_seen(&house, "ended", true.into()).await;
    let _may_be_closed = stream.write_all(b"0123456789");
    until_seen(&house, "read", 20.into()).await;
}

#[tokio::test]
async fn who_was_sent_away_does_not_come_back_on_the_same_connection() {
    let house = House::policed(MASKED).await;
    let mut stream = house.raw();
    let request = format!("GET /x HTTP/1.1\r\nhost: api.test\r\n{}\r\n", authorization("ana"));
    let ask = |stream: &mut std::net::TcpStream| {
        if stream.write_all(request.as_bytes()).is_err() {
            return String::new();
        }
        let mut answer = String::new();
        let mut piece = [0; 4096];
        // The end of what the origin says, and of a problem.
        while !answer.ends_with("0\r\n\r\n") && !answer.ends_with("}\n") {
            match stream.read(&mut piece) {
                Ok(read @ 1..) => answer.push_str(&String::from_utf8_lossy(&piece[..read])),
                Ok(0) | Err(_) => break,
            }
        }
        answer
    };
    assert!(ask(&mut stream).starts_with("HTTP/1.1 200"));
    house.disable("ana").await;
    house.revoke("ana").await;
    house.until_stopped().await;
    for _ in 0..5 {
        let answer = ask(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 40"), "{answer}");
    }
}
