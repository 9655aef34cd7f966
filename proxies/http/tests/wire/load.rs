//! Peers that cost more than they pay: each is ended or held within a bound, and others are served meanwhile.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, GOAWAY, HEADERS, PING,
    PREFACE, PROTOCOL_ERROR, Peer, RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE, block, frame, integer, kept,
    literal, setting,
};
use crate::house::{House, proof};
use crate::http1::POLICY;
use crate::messages::Client;
use crate::origin::Origin;

/// How much the process may grow by anything here, in bytes: the peer is part of it.
const MEMORY: usize = 64 << 20;
/// How long somebody else waits for an answer meanwhile. (A password is proven anew.)
const PATIENCE: Duration = Duration::from_secs(2);

struct Place {
    house: House,
    origin: Origin,
    before: usize,
}

impl Place {
    fn new(head: &str) -> Self {
        let origin = Origin::start();
        let house = House::before(origin.port, POLICY, head);
        let place = Self { house, origin, before: 0 };
        place.others_are_served();
        Self { before: resident(), ..place }
    }

    /// A peer that has proven who it is, so that this is not what costs.
    fn peer(&self) -> Peer {
        let mut peer = Peer::begun(self.house.raw());
        peer.send(&frame(HEADERS, WHOLE, 1, &asking("GET", "/first")));
        let (answer, _) = peer.until(|frame| frame.kind == HEADERS);
        assert_eq!(answer.and_then(|frame| frame.status()), Some(200));
        peer
    }

    fn others_are_served(&self) {
        let began = Instant::now();
        let mut other = Client::new(self.house.raw());
        other.send("GET /other HTTP/1.1\r\n{h}\r\n");
        let answer = other.answer(false);
        assert!(answer.as_ref().is_some_and(|answer| answer.status == 200), "{answer:?}");
        assert!(began.elapsed() < PATIENCE, "another waited {:?}", began.elapsed());
    }

    fn is_within_bounds(&self) {
        self.others_are_served();
        let grown = resident().saturating_sub(self.before);
        assert!(grown < MEMORY, "it grew by {} KiB", grown >> 10);
    }

    /// How many whole requests the origin was asked for this path.
    fn asked(&self, path: &str) -> usize {
        self.origin.take().iter().filter(|seen| seen.line.contains(path)).count()
    }
}

/// The memory that this process has, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

fn asking(method: &str, path: &str) -> Vec<u8> {
    let proof = proof();
    block(&[
        (":method", method),
        (":scheme", "http"),
        (":authority", "api.test"),
        (":path", path),
        ("authorization", &proof),
    ])
}

/// Sends these again and again, each for a stream of its own, until the connection ends.
fn flood(peer: &mut Peer, most: u32, of: impl Fn(u32) -> Vec<u8>) -> Option<Frame> {
    for batch in 0..most / 100 {
        let bytes: Vec<u8> = (0..100).flat_map(|n| of((batch * 100 + n) * 2 + 3)).collect();
        if !peer.send(&bytes) {
            break;
        }
    }
    peer.until(|frame| frame.kind == GOAWAY).0
}

fn code(goaway: Option<Frame>) -> Option<u32> {
    goaway.and_then(|frame| frame.code())
}

/// CVE-2023-44487.
#[test]
fn rapid_reset_ends_the_connection() {
    let place = Place::new("1m");
    let mut peer = place.peer();
    let get = asking("GET", "/rapid");
    let end = flood(&mut peer, 20_000, |stream| {
        [frame(HEADERS, WHOLE, stream, &get), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    });
    assert_eq!(code(end), Some(ENHANCE_YOUR_CALM));
    place.is_within_bounds();
    // What was asked before it was noticed is what may run side by side, and a little.
    assert!(place.asked("/rapid") <= 200);
}

/// What it is, how the connection may end for it, and what is sent for a stream.
type Reason<'a> = (&'a str, &'a [u32], &'a dyn Fn(u32) -> Vec<u8>);

/// CVE-2025-8671: the server resets, for a reason that the client gives it. RFC 9113, section 5.4.1 lets the first end the
/// connection; those that end a stream only are counted.
#[test]
fn made_you_reset_ends_the_connection() {
    let place = Place::new("1m");
    let post = asking("POST", "/made");
    let whole = asking("GET", "/made");
    let reasons: [Reason<'_>; 4] = [
        ("a window of nothing", &[PROTOCOL_ERROR], &|stream| {
            [frame(HEADERS, END_HEADERS, stream, &post), frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
        }),
        ("a window too large", &[ENHANCE_YOUR_CALM], &|stream| {
            let most = 0x7fff_ffff_u32.to_be_bytes();
            [frame(HEADERS, END_HEADERS, stream, &post), frame(WINDOW_UPDATE, 0, stream, &most)].concat()
        }),
        // One more than may run is refused, and what comes for it then is for no stream that there is.
        ("fields behind the data", &[ENHANCE_YOUR_CALM, PROTOCOL_ERROR], &|stream| {
            [
                frame(HEADERS, END_HEADERS, stream, &post),
                frame(HEADERS, END_HEADERS, stream, &literal("x", "y")),
            ]
            .concat()
        }),
        ("a malformed request", &[ENHANCE_YOUR_CALM], &|stream| {
            frame(HEADERS, WHOLE, stream, &[&*whole, &literal("connection", "x")].concat())
        }),
    ];
    for (reason, expected, of) in reasons {
        let mut peer = place.peer();
        let end = code(flood(&mut peer, 20_000, of));
        assert!(end.is_some_and(|end| expected.contains(&end)), "{reason}: {end:?}");
        place.is_within_bounds();
        assert_eq!(place.asked("/made"), 0, "{reason}");
    }
}

/// CVE-2024-27316 and its kin.
#[test]
fn a_block_without_an_end_ends_the_connection() {
    let place = Place::new("1m");
    for (what, piece) in
        [("empty", Vec::new()), ("small", literal("x", "y")), ("large", literal("x", &"y".repeat(16_000)))]
    {
        let mut peer = place.peer();
        peer.send(&frame(HEADERS, END_STREAM, 3, &asking("GET", "/endless")));
        let end = flood(&mut peer, 20_000, |_| frame(CONTINUATION, 0, 3, &piece));
        assert_eq!(code(end), Some(ENHANCE_YOUR_CALM), "{what}");
        place.is_within_bounds();
        assert_eq!(place.asked("/endless"), 0, "{what}");
    }
}

/// CVE-2019-9518.
#[test]
fn empty_data_end_the_connection() {
    let place = Place::new("1m");
    let mut peer = place.peer();
    peer.send(&frame(HEADERS, END_HEADERS, 3, &asking("POST", "/empty")));
    let end = flood(&mut peer, 20_000, |_| frame(DATA, 0, 3, &[]));
    assert_eq!(code(end), Some(ENHANCE_YOUR_CALM));
    place.is_within_bounds();
    assert_eq!(place.asked("/empty"), 0);
}

/// CVE-2019-9512 and CVE-2019-9515: who reads no answers is not read any more.
#[test]
fn answers_that_nobody_reads_do_not_pile_up() {
    let place = Place::new("1m");
    for (what, one) in
        [("ping", frame(PING, 0, 0, &[0; 8])), ("settings", frame(SETTINGS, 0, 0, &setting(3, 7)))]
    {
        let mut peer = place.peer();
        peer.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let many = one.repeat(4096);
        let (mut sent, began) = (0, Instant::now());
        while began.elapsed() < Duration::from_millis(1500) && sent < 64 << 20 {
            if peer.stream.write_all(&many).is_err() {
                break;
            }
            sent += many.len();
        }
        place.is_within_bounds();
        assert!(one.len() > 9 && one[4] != ACK, "{what} is to be answered");
    }
}

/// CVE-2016-6581: a large entry of the table, named again and again.
#[test]
fn a_bomb_of_fields_does_not_go_off() {
    let place = Place::new("1m");
    let bomb = kept("x", &"y".repeat(4000));
    let names = integer(62, 7, 0x80).repeat(16_000);
    for pieces in [1, 4] {
        let mut peer = place.peer();
        let mut bytes = frame(
            HEADERS,
            if pieces == 1 { WHOLE } else { END_STREAM },
            3,
            &[asking("GET", "/bomb"), bomb.clone()].concat(),
        );
        if pieces == 1 {
            let second = [asking("GET", "/bomb"), names[..12_000].to_vec()].concat();
            bytes.extend(frame(HEADERS, WHOLE, 5, &second));
        }
        (1..pieces).for_each(|_| bytes.extend(frame(CONTINUATION, 0, 3, &names)));
        peer.send(&bytes);
        let (end, _) = peer.until(|frame| frame.kind == GOAWAY);
        assert_eq!(code(end), Some(ENHANCE_YOUR_CALM), "{pieces}");
        place.is_within_bounds();
    }
}

#[test]
fn more_fields_than_are_taken_are_refused() {
    let place = Place::new("1m");
    let mut peer = place.peer();
    let many: Vec<u8> = (0..40).flat_map(|n| literal(&format!("x-{n}"), &"y".repeat(2000))).collect();
    let block = [asking("GET", "/many"), many].concat();
    let mut pieces = block.chunks(16_000);
    peer.send(&frame(HEADERS, END_STREAM, 3, pieces.next().unwrap()));
    let count = pieces.len();
    for (at, piece) in pieces.enumerate() {
        peer.send(&frame(CONTINUATION, if at + 1 == count { END_HEADERS } else { 0 }, 3, piece));
    }
    let (answer, _) = peer.until(|frame| frame.stream == 3);
    assert_eq!(answer.and_then(|frame| frame.status()), Some(431));
    place.is_within_bounds();
    assert_eq!(place.asked("/many"), 0);
}

/// A head that comes byte by byte.
#[test]
fn a_slow_head_is_not_waited_for() {
    let place = Place::new("1s");
    let began = Instant::now();
    let mut slow: Vec<_> = (0..50).map(|_| place.house.raw()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /slow HTTP/1.1\r\nhost: api.test\r\n").unwrap();
    }
    place.others_are_served();
    // Each more byte buys no more time.
    while began.elapsed() < Duration::from_millis(1500) {
        for stream in &mut slow {
            let _ = stream.write_all(b"x");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    for stream in slow {
        // Told why, or not: it ends.
        while client_answers(&stream) {}
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    place.is_within_bounds();
    assert_eq!(place.asked("/slow"), 0);
}

/// Whether a connection has more to say; it must not stay silent.
fn client_answers(mut stream: &std::net::TcpStream) -> bool {
    use std::io::Read as _;
    match stream.read(&mut [0; 1024]) {
        Ok(count) => count > 0,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
        Err(error) => panic!("it is not closed: {error}"),
    }
}

/// A connection on which nothing more is asked.
#[test]
fn a_connection_without_a_request_is_not_kept() {
    let place = Place::new("1s");
    let mut client = Client::new(place.house.raw());
    client.send("GET /x HTTP/1.1\r\n{h}\r\n");
    assert!(client.answer(false).is_some());
    assert!(client.is_closed());
}

/// Connections that never come to a request that proves somebody: none outlives the time that a head has.
#[test]
fn nobody_stays_without_having_asked() {
    let place = Place::new("1s");
    let begun = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let half = [&*begun, &frame(HEADERS, END_STREAM, 1, &asking("GET", "/half"))].concat();
    let mut stayed = Vec::new();
    for (what, bytes) in [
        ("no byte", &b""[..]),
        ("a byte that is of both versions", b"P"),
        ("half a preface", &PREFACE[..12]),
        ("a preface alone", PREFACE),
        ("settings, and nothing more", &begun),
        ("half a block", &half),
    ] {
        let mut peer = Peer::new(place.house.raw());
        peer.stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        peer.send(bytes);
        let began = Instant::now();
        while peer.next().is_some() {}
        // A connection that ends does so before nothing more is waited for.
        if began.elapsed() >= Duration::from_millis(2900) {
            stayed.push(what);
        }
    }
    assert!(stayed.is_empty(), "they stay: {stayed:?}");
    place.is_within_bounds();
}

/// A body of which nothing more comes is not waited for longer than a connection may be idle.
#[test]
fn a_slow_body_is_not_waited_for() {
    let place = Place::new("1s");
    let mut stayed = Vec::new();
    for (what, lines) in [
        ("a length", "content-length: 10\r\n\r\nhello"),
        ("chunks", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        ("half a chunk", "transfer-encoding: chunked\r\n\r\n5\r\nhel"),
    ] {
        let mut client = Client::new(place.house.raw());
        client.stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        let began = Instant::now();
        client.send(&format!("POST /slow HTTP/1.1\r\n{{h}}{lines}"));
        while client.answer(false).is_some() {}
        if began.elapsed() >= Duration::from_millis(2900) {
            stayed.push(what);
        }
    }
    let mut peer = place.peer();
    peer.stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    peer.send(
        &[frame(HEADERS, END_HEADERS, 3, &asking("POST", "/slow")), frame(DATA, 0, 3, b"hello")].concat(),
    );
    if peer.until(|frame| frame.kind == GOAWAY || frame.stream == 3).0.is_none() {
        stayed.push("a stream of HTTP/2");
    }
    assert!(stayed.is_empty(), "they are waited for: {stayed:?}");
    place.is_within_bounds();
    assert_eq!(place.asked("/slow"), 0);
}
