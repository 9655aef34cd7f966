//! What is held back of a text is shown before whatever says that no more of it comes: a client listens no longer then.

use crate::hostile::{MASKED, SPDY, WEBSOCKET, control, fields, gone, heard_at, more_fields, server};
use crate::house::{House, OPEN};

const FIFTH: &str = "upgrade: websocket\r\nsec-websocket-protocol: v5.channel.k8s.io\r\n";
const PORT: &str = "upgrade: SPDY/3.1\r\nx-stream-protocol-version: portforward.k8s.io\r\n";
const PORT_INSIDE: &str = "upgrade: websocket\r\nsec-websocket-protocol: SPDY/3.1+portforward.k8s.io\r\n";

/// May be the beginning of a card, and of the credential: held back however long nothing more comes, within reason.
const HELD: &str = "4111 1111 11";
const HELD_OF_A_PORT: &str = "of-the-clust";

/// A server's frame of a WebSocket.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, u8::try_from(payload.len()).unwrap()], payload].concat()
}

fn in_message(payload: &[u8]) -> Vec<u8> {
    frame(0x82, payload)
}

/// A client's, which is masked with nothing.
fn from_client(payload: &[u8]) -> Vec<u8> {
    [&[0x82, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0], payload].concat()
}

/// A close, and why.
fn close() -> Vec<u8> {
    frame(0x88, b"\x03\xe8parting")
}

/// Data of a stream of SPDY; the last of it where `flags` is 1.
fn data(stream: u8, flags: u8, text: &str) -> Vec<u8> {
    [&[0, 0, 0, stream, flags, 0, 0, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn reset(stream: u8) -> Vec<u8> {
    control(3, &[0, 0, 0, stream, 0, 0, 0, 5])
}

/// Fields that end a stream.
fn last_fields(stream: u8) -> Vec<u8> {
    let mut frame = control(8, &[&[0, 0, 0, stream][..], &fields("a", "b")].concat());
    frame[4] = 1;
    frame
}

/// What is said in a tunnel, and of whom.
struct Tunnel<'t> {
    policy: &'t str,
    what: &'t str,
    agrees: &'t str,
    /// What the client says at first.
    opens: &'t [u8],
}

fn program<'t>(agrees: &'t str, opens: &'t [u8]) -> Tunnel<'t> {
    Tunnel { policy: MASKED, what: "exec?command=true&stdout=true", agrees, opens }
}

fn port<'t>(agrees: &'t str, opens: &'t [u8]) -> Tunnel<'t> {
    Tunnel { policy: OPEN, what: "portforward?ports=7", agrees, opens }
}

impl Tunnel<'_> {
    /// Of a server that says this and then that, ana hears what was held back of the first before this part of the second.
    async fn check(&self, name: &str, [says, end]: [&[u8]; 2], held: &str, part: &[u8]) {
        let Self { policy, what, agrees, opens } = self;
        // Behind its end nothing is waited for.
        let last = if agrees.contains("websocket") { b"\x88\x00".to_vec() } else { gone() };
        let house = House::before(&server(agrees, &[says, end, &*last].concat()), policy).await;
        let (_, heard) = heard_at(&house, what, agrees, opens);
        let (held, part) = (heard.find(held), heard.find(&*String::from_utf8_lossy(part)));
        assert!(held.is_some() && held < part, "{name}: {held:?}, {part:?}: {heard:?}");
    }
}

#[tokio::test]
async fn what_a_program_said_is_shown_before_its_end() {
    const SUCCESS: &str = r#"{"status":"Success"}"#;
    let said = |channel: u8| in_message(&[&[channel], HELD.as_bytes()].concat());
    let status = || in_message(&[b"\x03", SUCCESS.as_bytes()].concat());
    for (name, agrees, says, end) in [
        ("a `Status`", WEBSOCKET, said(1), status()),
        ("a `Status` behind errors", WEBSOCKET, said(2), status()),
        ("a close", WEBSOCKET, said(1), close()),
        ("the close of its channel", FIFTH, said(1), in_message(b"\xff\x01")),
        ("the close of that of errors", FIFTH, said(2), in_message(b"\xff\x02")),
    ] {
        program(agrees, &from_client(b"\0")).check(name, [&says, &end], HELD, &end).await;
    }
    let stream = |number: u8, fields: Vec<u8>| {
        control(1, &[&[0, 0, 0, number, 0, 0, 0, 0, 0, 0][..], &fields].concat())
    };
    let opens = [
        stream(1, fields("streamtype", "stdout")),
        stream(3, more_fields("streamtype", "stderr")),
        stream(5, more_fields("streamtype", "error")),
    ]
    .concat();
    for (name, on, end, part) in [
        ("a `Status`", 1, data(5, 0, SUCCESS), b"Success".to_vec()),
        ("a `Status` behind errors", 3, data(5, 0, SUCCESS), b"Success".to_vec()),
        ("the last data", 1, data(1, 1, ""), data(1, 1, "")),
        ("the last fields", 1, last_fields(1), last_fields(1)),
        ("a reset", 1, reset(1), reset(1)),
        ("a farewell", 1, gone(), gone()),
    ] {
        program(SPDY, &opens).check(name, [&data(on, 0, HELD), &end], HELD, &part).await;
    }
}

#[tokio::test]
async fn what_a_port_said_is_shown_before_its_end() {
    let opens = control(1, &[&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &fields("streamtype", "data")].concat());
    let says = data(1, 0, HELD_OF_A_PORT);
    for (name, end, part) in [
        // The end is in the frame of what was held back.
        ("the last data", data(1, 1, ""), gone()),
        ("the last fields", last_fields(1), last_fields(1)),
        ("a reset", reset(1), reset(1)),
        ("a farewell", gone(), gone()),
    ] {
        port(PORT, &opens).check(name, [&says, &end], HELD_OF_A_PORT, &part).await;
    }
    let (opens, says) = (from_client(&opens), in_message(&says));
    port(PORT_INSIDE, &opens).check("a close", [&says, &close()], HELD_OF_A_PORT, &close()).await;
}
