//! RFC 9113 on the server's side: one row a rule.

mod connection;
mod differences;
mod fields;
mod streams;

use crate::frames::{
    DATA, END_STREAM, GOAWAY, HEADERS, Peer, REFUSED_STREAM, RST_STREAM, WHOLE, block, frame,
};
use crate::house::{House, proof};
use crate::http1::POLICY;
use crate::origin::Origin;

/// What a rule makes of what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// The connection ends with one of these codes.
    Connection(Vec<u32>),
    /// A stream ends with one of these codes; the connection goes on.
    Stream(u32, Vec<u32>),
    /// A stream is answered with this; the connection goes on.
    Answer(u32, u16),
    /// Nothing; the connection goes on.
    Ignored,
}

pub struct Row {
    /// The section of RFC 9113, or of another that is named.
    pub rfc: &'static str,
    pub says: &'static str,
    pub send: Vec<u8>,
    pub then: Then,
    /// Whole requests that the origin sees.
    pub seen: &'static [&'static str],
    /// Whether it may see none of them, because the connection ended too soon.
    pub may: bool,
    /// Whether the preface stands before it.
    pub begun: bool,
}

const fn row(rfc: &'static str, says: &'static str, send: Vec<u8>, then: Then) -> Row {
    Row { rfc, says, send, then, seen: &[], may: false, begun: true }
}

fn connection(rfc: &'static str, says: &'static str, code: u32, send: Vec<u8>) -> Row {
    row(rfc, says, send, Then::Connection(vec![code]))
}

fn stream(rfc: &'static str, says: &'static str, code: u32, send: Vec<u8>) -> Row {
    row(rfc, says, send, Then::Stream(1, vec![code]))
}

fn answered(rfc: &'static str, says: &'static str, status: u16, send: Vec<u8>) -> Row {
    row(rfc, says, send, Then::Answer(1, status))
}

fn ignored(rfc: &'static str, says: &'static str, send: Vec<u8>) -> Row {
    row(rfc, says, send, Then::Ignored)
}

impl Row {
    fn then(self, then: Then) -> Self {
        Self { then, ..self }
    }

    fn seen(self, seen: &'static [&'static str]) -> Self {
        Self { seen, ..self }
    }

    /// The origin may have seen it before the connection ended.
    fn may_see(self, seen: &'static [&'static str]) -> Self {
        Self { may: true, seen, ..self }
    }

    /// Said first of all.
    fn first(self) -> Self {
        Self { begun: false, ..self }
    }
}

/// The fields of a request, but for what comes behind them.
fn request<'a>(method: &'a str, path: &'a str, proof: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        (":method", method),
        (":scheme", "http"),
        (":authority", "api.test"),
        (":path", path),
        ("authorization", proof),
    ]
}

/// A block of a request with further fields.
fn asking(method: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let proof = proof();
    let mut fields = request(method, "/x", &proof);
    fields.extend(more);
    block(&fields)
}

/// A GET with this further field.
fn with(name: &str, value: &str) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &asking("GET", &[(name, value)]))
}

/// A GET on a stream.
fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, &asking("GET", &[]))
}

/// A POST on a stream, whose body comes behind.
fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, crate::frames::END_HEADERS, stream, &asking("POST", &[]))
}

/// A body's last piece.
fn data(stream: u32, text: &str) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, text.as_bytes())
}

/// The stream of the request behind each row.
const PROBE: u32 = 0x1001;

fn check(house: &House, origin: &Origin, row: &Row) -> Result<(), String> {
    let mut peer = if row.begun { Peer::begun(house.raw()) } else { Peer::new(house.raw()) };
    peer.send(&row.send);
    let goes_on = !matches!(row.then, Then::Connection(_));
    let (found, before) = match &row.then {
        // A connection that ends in peace says so first.
        Then::Connection(codes) => {
            peer.until(|frame| frame.kind == GOAWAY && (frame.code() != Some(0) || codes.contains(&0)))
        }
        Then::Stream(id, _) => {
            peer.until(|frame| frame.kind == GOAWAY || (frame.kind == RST_STREAM && frame.stream == *id))
        }
        Then::Answer(id, _) => peer.until(|frame| {
            frame.kind == GOAWAY || (frame.kind == HEADERS && frame.stream == *id) || frame.kind == RST_STREAM
        }),
        Then::Ignored => (None, Vec::new()),
    };
    let told = |what: &str| Err(format!("{what}: {found:?} behind {before:?}"));
    match (&row.then, &found) {
        (Then::Connection(codes), Some(frame)) | (Then::Stream(_, codes), Some(frame)) => {
            let kind = if matches!(row.then, Then::Connection(_)) { GOAWAY } else { RST_STREAM };
            if frame.kind != kind || !frame.code().is_some_and(|code| codes.contains(&code)) {
                return told("another error");
            }
        }
        (Then::Answer(_, status), Some(frame))
            if frame.kind != HEADERS || frame.status() != Some(*status) =>
        {
            return told(&format!("another answer, {:?}", frame.status()));
        }
        (Then::Connection(_) | Then::Stream(..) | Then::Answer(..), None) => {
            return told("the connection ended");
        }
        _ => {}
    }
    if goes_on {
        let proof = proof();
        peer.send(&frame(HEADERS, WHOLE, PROBE, &block(&request("GET", "/probe", &proof))));
        let (probe, passed) =
            peer.until(|frame| frame.stream == PROBE && frame.kind == HEADERS || frame.kind == GOAWAY);
        if probe.as_ref().and_then(|frame| (frame.kind == HEADERS).then(|| frame.status())?) != Some(200) {
            return Err(format!("it does not go on: {probe:?} behind {passed:?}"));
        }
        if row.then == Then::Ignored && passed.iter().any(|frame| frame.kind == RST_STREAM) {
            return Err(format!("it is not ignored: {passed:?}"));
        }
    } else if let (Some(more), _) = peer.until(|frame| {
        frame.kind != GOAWAY && frame.kind != RST_STREAM && frame.kind != HEADERS && frame.kind != DATA
    }) {
        return Err(format!("it goes on: {more:?}"));
    }
    let mut seen: Vec<String> = origin.take().into_iter().map(|seen| seen.line).collect();
    if goes_on {
        seen.retain(|line| line != "GET /probe []");
    }
    // Requests side by side have no order.
    seen.sort();
    if seen != row.seen && !(row.may && seen.is_empty()) {
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
            let sent: String = row.send.iter().take(100).map(|byte| format!("{byte:02x}")).collect();
            wrong.push(format!(
                "RFC {}: {}\n  sent: {sent}\n  {:?} expected\n  {error}",
                row.rfc, row.says, row.then
            ));
        }
        origin.take();
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn a_connection_keeps_to_its_rules() {
    check_all(&connection::rows());
}

#[test]
fn streams_keep_to_theirs() {
    check_all(&streams::rows());
}

#[test]
fn fields_of_a_request_are_well_formed() {
    check_all(&fields::rows());
}

/// RFC 9113, section 5.1.2.
#[test]
fn more_streams_than_were_announced_are_refused() {
    let origin = Origin::start();
    let house = House::before(origin.port, POLICY, "1m");
    let mut peer = Peer::begun(house.raw());
    // Who asks is proven once, not with all of them at once.
    peer.send(&get(1));
    peer.until(|frame| frame.kind == HEADERS);
    peer.send(&(1..=129).flat_map(|n| post(n * 2 + 1)).collect::<Vec<u8>>());
    let (refused, _) = peer.until(|frame| frame.kind == RST_STREAM || frame.kind == GOAWAY);
    let refused = refused.expect("a stream is refused");
    assert_eq!((refused.kind, refused.stream, refused.code()), (RST_STREAM, 259, Some(REFUSED_STREAM)));
    peer.send(&data(3, "hello"));
    let (answer, _) = peer.until(|frame| frame.kind == HEADERS);
    assert_eq!(answer.map(|frame| (frame.stream, frame.status())), Some((3, Some(200))));
}

/// What HTTP/2 says once, or twice alike, HTTP/1.1 says once.
#[test]
fn what_is_sent_on_has_one_host_and_one_length() {
    let origin = Origin::start();
    let house = House::before(origin.port, POLICY, "1m");
    let mut peer = Peer::begun(house.raw());
    let twice = asking("POST", &[("content-length", "5"), ("content-length", "5")]);
    peer.send(&[frame(HEADERS, crate::frames::END_HEADERS, 1, &twice), data(1, "hello")].concat());
    let (answer, _) = peer.until(|frame| frame.stream == 1);
    assert_eq!(answer.and_then(|frame| frame.status()), Some(200));
    let seen = origin.take();
    assert_eq!(seen[0].line, "POST /x [hello]");
    let head = seen[0].head.to_lowercase();
    let of = |name: &str| -> Vec<&str> { head.lines().filter_map(|line| line.strip_prefix(name)).collect() };
    assert_eq!(of("host: "), ["api.test"], "{head}");
    assert_eq!(of("content-length: ").len() + of("transfer-encoding: ").len(), 1, "{head}");
}

/// Where a MUST is not kept: noticed when it is.
#[test]
fn known_differences_are_as_they_are_known() {
    check_all(&differences::rows());
}

/// RFC 9110, section 7.4.
#[test]
fn what_is_to_be_secured_is_not_served_in_the_clear() {
    check_all(&[fields::secured()]);
}
