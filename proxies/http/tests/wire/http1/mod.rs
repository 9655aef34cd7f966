//! RFC 9112, and RFC 9110 where it bears on where a message ends: one row a rule.

mod bodies;
mod connections;
mod heads;

use crate::house::House;
use crate::messages::Client;
use crate::origin::Origin;

pub const POLICY: &str = r#"
policy "any"
default deny
allow "all"    { by group "eng"  on http  do get, head, options, post, put, delete, patch on "/**" }
deny  "denied" { on http  do get, post on "/denied/**" }
"#;

/// A rule and what keeps to it.
pub struct Row {
    /// The document and section.
    pub rfc: &'static str,
    pub says: &'static str,
    /// See [`Client::send`].
    pub send: String,
    /// The statuses that come back, each one of these.
    pub answers: Vec<Vec<u16>>,
    /// Whole requests that the origin sees.
    pub seen: Vec<String>,
    /// Whether the connection takes another request.
    pub open: bool,
}

impl Row {
    fn new(rfc: &'static str, says: &'static str, send: impl Into<String>) -> Self {
        Self { rfc, says, send: send.into(), answers: Vec::new(), seen: Vec::new(), open: false }
    }

    fn seen(mut self, seen: &[&str]) -> Self {
        self.seen = seen.iter().map(|&line| line.to_owned()).collect();
        self
    }
}

/// Answered with this, the connection closed, the origin asked nothing.
fn refused(rfc: &'static str, says: &'static str, status: u16, send: impl Into<String>) -> Row {
    Row { answers: vec![vec![status]], ..Row::new(rfc, says, send) }
}

/// Answered with this, the origin asked nothing; the connection goes on.
fn turned(rfc: &'static str, says: &'static str, status: u16, send: impl Into<String>) -> Row {
    Row { open: true, ..refused(rfc, says, status, send) }
}

/// Sent on, and the connection goes on.
fn served(rfc: &'static str, says: &'static str, send: impl Into<String>, seen: &[&str]) -> Row {
    Row { answers: vec![vec![200]; seen.len()], open: true, ..Row::new(rfc, says, send) }.seen(seen)
}

/// Sent on, and the connection closed behind it.
fn last(rfc: &'static str, says: &'static str, send: impl Into<String>, seen: &[&str]) -> Row {
    Row { open: false, ..served(rfc, says, send, seen) }
}

/// A body that is broken behind a head that was sent on already: the origin gets no whole request, the client an error.
fn broken(rfc: &'static str, says: &'static str, send: impl Into<String>) -> Row {
    Row { answers: vec![vec![400, 502]], ..Row::new(rfc, says, send) }
}

/// A request without a body, with these further lines.
fn get(lines: &str) -> String {
    format!("GET /x HTTP/1.1\r\n{{h}}{lines}\r\n")
}

/// A request with these lines and this body.
fn post(lines: &str, body: &str) -> String {
    format!("POST /x HTTP/1.1\r\n{{h}}{lines}\r\n{body}")
}

/// What is wrong with how a row is kept to.
fn check(house: &House, origin: &Origin, row: &Row) -> Result<(), String> {
    let mut client = Client::new(house.raw());
    client.send(&row.send);
    let is_head = row.send.starts_with("HEAD ");
    for expected in &row.answers {
        match client.answer(is_head) {
            // Only now does the client send what it announced.
            Some(answer) if answer.status == 100 && *expected == [100] => client.send("hello"),
            Some(answer) if expected.contains(&answer.status) => {}
            Some(answer) => return Err(format!("{expected:?} expected: {} {}", answer.head, answer.body)),
            None => return Err(format!("{expected:?} expected, the connection ended")),
        }
    }
    if row.open {
        client.send("GET /probe HTTP/1.1\r\n{h}\r\n");
        match client.answer(false) {
            Some(answer) if answer.status == 200 => {}
            other => return Err(format!("it does not go on: {other:?}")),
        }
    } else if !client.is_closed() {
        return Err("it is not closed".to_owned());
    }
    let mut seen: Vec<String> = origin.take().into_iter().map(|seen| seen.line).collect();
    if row.open && seen.pop().as_deref() != Some("GET /probe []") {
        return Err("the origin did not see the request behind it".to_owned());
    }
    if seen != row.seen {
        return Err(format!("the origin saw {seen:?}"));
    }
    Ok(())
}

fn check_all(rows: &[Row]) {
    let origin = Origin::start();
    let house = House::before(origin.port, POLICY, "1m");
    let mut wrong = Vec::new();
    for row in rows {
        if let Err(error) = check(&house, &origin, row) {
            let send: String = row.send.chars().take(300).collect();
            wrong.push(format!("RFC {}: {}\n  sent: {send:?}\n  {error}", row.rfc, row.says));
        }
        // What an earlier row leaves is not what the next one did.
        origin.take();
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn heads_are_read_in_one_way() {
    check_all(&heads::rows());
}

#[test]
fn bodies_end_where_one_rule_says() {
    check_all(&bodies::rows());
}

#[test]
fn connections_go_on_or_end_as_both_ends_know() {
    check_all(&connections::rows());
}

#[test]
fn what_is_sent_on_is_of_this_proxy_alone() {
    let origin = Origin::start();
    let house = House::before(origin.port, POLICY, "1m");
    for (rfc, says, send, there, gone) in connections::forwarded() {
        let mut client = Client::new(house.raw());
        client.send(&send);
        let answers = std::iter::from_fn(|| client.answer(false));
        let answer = answers.into_iter().find(|answer| answer.status != 100);
        assert!(answer.as_ref().is_some_and(|answer| answer.status == 200), "RFC {rfc}: {says}: {answer:?}");
        let seen = origin.take();
        let head = seen.first().map(|seen| seen.head.to_lowercase()).unwrap_or_default();
        for part in there {
            assert!(head.contains(part), "RFC {rfc}: {says}: {part} is not in {head}");
        }
        for part in gone {
            assert!(!head.contains(part), "RFC {rfc}: {says}: {part} is in {head}");
        }
    }
}

/// RFC 9112, section 7.1: what can't be read is 400. It is not the origin's fault, as 502 says.
#[test]
fn a_body_that_is_broken_is_the_fault_of_who_sent_it() {
    check_all(&bodies::faults());
}

/// RFC 9110, section 7.4: a request for `https` MUST be refused unless it came over a connection that was secured for it.
#[test]
fn what_is_to_be_secured_is_not_served_in_the_clear() {
    let send = "GET https://api.test/x HTTP/1.1\r\n{h}\r\n";
    check_all(&[turned("9110 7.4", "a target of `https` in the clear", 421, send)]);
}
