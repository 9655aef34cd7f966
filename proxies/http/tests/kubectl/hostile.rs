//! What no server of Kubernetes sends: it ends the streams, and reaches nobody.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use portcullis_testkit::kubernetes::Access;

use crate::house::{House, OPEN};

pub const MASKED: &str = r#"
policy "cluster"
default allow
allow "what nobody knows" { by group "eng"  on kubernetes  do unknown }
mask "cards" { on kubernetes  values credit_card  with redact }
"#;

pub const WEBSOCKET: &str = "upgrade: websocket\r\nsec-websocket-protocol: v4.channel.k8s.io\r\n";
pub const SPDY: &str = "upgrade: SPDY/3.1\r\nx-stream-protocol-version: v4.channel.k8s.io\r\n";

/// A server that agrees with these fields, in words of its own, and then says this, whoever asks for what.
pub fn server(agrees: &str, says: &[u8]) -> Access {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 101 hidden words\r\nconnection: upgrade\r\n{agrees}\r\n");
    let says = says.to_vec();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        until_blank(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        // What the client opens is there before anything is said on it.
        let mut opened = [0; 1 << 12];
        let _ = stream.read(&mut opened);
        let _ = stream.write_all(&says);
        // Behind a close, or a frame by which a server goes away, there is nothing to wait for.
        if !says.ends_with(b"\x88\x00") && !says.ends_with(&gone()) {
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    Access { url, authority: None, token: Some("of-the-cluster-itself".to_owned()) }
}

fn until_blank(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// What ana hears who asks with these fields and then says this: the head of the answer, and all behind it.
async fn heard(agrees: &str, asks: &str, first: &[u8], says: &[u8]) -> (String, String) {
    let house = House::before(&server(agrees, says), MASKED).await;
    heard_at(&house, "exec?command=true&stdout=true", asks, first)
}

/// The same of this use of a pod.
pub fn heard_at(house: &House, what: &str, asks: &str, first: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(house.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!(
        "GET /prod/api/v1/namespaces/default/pods/web/{what} HTTP/1.1\r\nhost: x\r\n\
         authorization: Bearer {}\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{asks}\r\n",
        house.access.token.as_deref().unwrap()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let head = until_blank(&mut stream);
    let _ = stream.write_all(first);
    let mut heard = Vec::new();
    // An end of it is what is expected; a time without one fails below, by what is missing.
    let ended = stream.read_to_end(&mut heard).is_ok();
    let heard = String::from_utf8_lossy(&heard).into_owned();
    (head, if ended { heard } else { format!("{heard} AND GOES ON") })
}

/// A message of a client, which is masked with nothing.
const STDIN: &[u8] = &[0x82, 0x81, 0, 0, 0, 0, 0];

#[tokio::test]
async fn what_no_channel_is_reaches_nobody() {
    let (head, said) = heard(WEBSOCKET, WEBSOCKET, STDIN, b"\x82\x06\x01shown\x88\x00").await;
    assert!(head.starts_with("HTTP/1.1 101 Switching") && said.contains("shown"), "{head}{said}");
    let endless = [&b"\x82\x7f\0\0\0\0\0\x02\0\0\x03hidden"[..], &[b'x'; (128 << 10) - 7]].concat();
    for (name, says) in [
        ("a channel that there is not", &b"\x82\x07\x07hidden"[..]),
        ("the channel of the input", b"\x82\x07\x00hidden"),
        ("the channel of sizes", b"\x82\x07\x04hidden"),
        ("more than a close", b"\x82\x08\xff\x01hidden"),
        ("a close that was not agreed on", b"\x82\x02\xff\x01\x82\x07\x01hidden"),
        ("a text", b"\x81\x07\x01hidden"),
        ("a compressed message", b"\xc2\x07\x01hidden"),
        ("a masked frame", b"\x82\x87\0\0\0\0\x01hidden"),
        ("a `Status` without end", &endless),
    ] {
        let (_, said) = heard(WEBSOCKET, WEBSOCKET, STDIN, says).await;
        assert!(!said.contains("hidden") && !said.contains("GOES ON"), "{name}: {said}");
        assert!(said.contains("it can't be shown"), "{name}: {said}");
    }
}

#[tokio::test]
async fn a_close_names_a_channel_and_says_no_more() {
    let fifth = "upgrade: websocket\r\nsec-websocket-protocol: v5.channel.k8s.io\r\n";
    let (_, said) = heard(fifth, fifth, STDIN, b"\x82\x02\xff\x01\x82\x06\x02shown\x88\x00").await;
    assert!(said.contains("shown"), "{said}");
    for says in [&b"\x82\x08\xff\x01hidden"[..], b"\x82\x01\xff\x82\x07\x02hidden"] {
        let (_, said) = heard(fifth, fifth, STDIN, says).await;
        assert!(!said.contains("hidden") && said.contains("it can't be shown"), "{said}");
    }
}

/// Servers take every frame for a message, whatever it says of itself: its first byte is a channel to them.
#[tokio::test]
async fn a_message_to_a_program_is_one_frame() {
    let frame = |first: u8, payload: &[u8]| {
        [&[first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0], payload].concat()
    };
    let answer = b"\x82\x06\x01shown\x88\x00";
    let (_, said) = heard(WEBSOCKET, WEBSOCKET, &frame(0x82, b"\0typed\n"), answer).await;
    assert!(said.contains("shown"), "{said}");
    for (name, first) in [
        ("input behind a size", [frame(0x02, b"\x04"), frame(0x80, b"\0typed\n")].concat()),
        ("input behind a close", [frame(0x02, b"\xff"), frame(0x80, b"\0typed\n")].concat()),
        ("a message that goes on", frame(0x02, b"\0typed\n")),
        ("a text", frame(0x81, b"\0typed\n")),
        ("what the program says", frame(0x82, b"\x01typed\n")),
        ("a channel that there is not", frame(0x82, b"\x07typed\n")),
    ] {
        let (_, said) = heard(WEBSOCKET, WEBSOCKET, &first, answer).await;
        assert!(!said.contains("shown") && !said.contains("GOES ON"), "{name}: {said}");
    }
}

/// A terminal is recorded wherever its session is, and it is one to the server unless the query says `0` or `false`.
#[tokio::test]
async fn a_terminal_is_recorded_however_it_is_asked_for() {
    let policy = format!("{OPEN}\nrecord decisions {{ on kubernetes }}");
    for (tty, expected) in
        [("tty=1", true), ("tty=yes", true), ("tty", true), ("tty=FALSE", false), ("a=b", false)]
    {
        let house =
            House::before(&server(WEBSOCKET, b"\x82\x06\x01typed\x82\x06\x01shown\x88\x00"), &policy).await;
        let what = format!("exec?command=sh&stdin=true&stdout=true&{tty}");
        let (_, said) = heard_at(&house, &what, WEBSOCKET, b"\x82\x86\0\0\0\0\0typed");
        assert!(said.contains("shown"), "{tty}: {said}");
        // The end of a program is the last that is recorded of it.
        let recorded = house.until_recorded("\"event\":\"exit\"").await;
        assert_eq!(recorded.contains("shown"), expected, "{tty}: {recorded}");
        // What was typed was echoed, so it is no password.
        let input = recorded.lines().any(|line| line.contains("\"input\"") && line.contains("typed"));
        assert_eq!(input, expected, "{tty}: {recorded}");
    }
}

#[tokio::test]
async fn an_agreement_on_something_else_is_none() {
    for agrees in [
        &format!("{WEBSOCKET}sec-websocket-extensions: permessage-deflate\r\n"),
        "upgrade: websocket\r\n",
        "upgrade: websocket\r\nsec-websocket-protocol: base64.channel.k8s.io\r\n",
        SPDY,
        "upgrade: SPDY/3.1\r\nsec-websocket-protocol: v4.channel.k8s.io\r\n",
    ] {
        let (head, said) = heard(agrees, WEBSOCKET, STDIN, b"\x82\x07\x01hidden").await;
        assert!(head.starts_with("HTTP/1.1 502") && !said.contains("hidden"), "{agrees}: {head}{said}");
    }
}

#[tokio::test]
async fn what_a_server_agrees_with_and_parts_with_is_masked() {
    const CARD: &str = "4111 1111 1111 1111";
    let agrees = format!("{WEBSOCKET}x-note: {CARD}\r\n");
    let parts = [&b"\x88\x15\x03\xe8"[..], CARD.as_bytes()].concat();
    let (head, said) =
        heard(&agrees, WEBSOCKET, STDIN, &[b"\x82\x06\x01shown", &*parts, b"\x88\x00"].concat()).await;
    assert!(head.contains("x-note: [redacted]") && !head.contains(CARD), "{head}");
    assert!(said.contains("shown") && said.contains("[redacted]") && !said.contains(CARD), "{said}");
}

#[tokio::test]
async fn channels_that_are_not_understood_are_not_asked_for() {
    for asks in
        ["upgrade: websocket\r\nsec-websocket-protocol: base64.channel.k8s.io\r\n", "upgrade: websocket\r\n"]
    {
        let (head, _) = heard("upgrade: websocket\r\n", asks, STDIN, b"\x82\x07\x01hidden").await;
        assert!(head.starts_with("HTTP/1.1 400"), "{asks}: {head}");
    }
}

/// Fields of a stream, stored as they are behind the dictionary's sum.
pub fn fields(name: &str, value: &str) -> Vec<u8> {
    [&[0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2][..], &more_fields(name, value)].concat()
}

/// The same of a later frame.
pub fn more_fields(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat();
    let plain = [&1_u32.to_be_bytes()[..], &text(name), &text(value)].concat();
    let length = u16::try_from(plain.len()).unwrap();
    [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &plain].concat()
}

pub fn control(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[0x80, 3, 0, kind, 0, 0, 0, u8::try_from(payload.len()).unwrap()], payload].concat()
}

/// The frame by which a server goes away.
pub fn gone() -> Vec<u8> {
    control(7, &[0; 8])
}

#[tokio::test]
async fn what_no_stream_is_reaches_nobody() {
    let opened = control(1, &[&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &fields("streamtype", "stdout")].concat());
    let on = |stream: u8, text: &[u8]| {
        [&[0, 0, 0, stream, 0, 0, 0, u8::try_from(text.len()).unwrap()], text].concat()
    };
    let reply = |value: &str| control(2, &[&[0, 0, 0, 1][..], &fields("hidden", value)].concat());
    let fine = [reply("plain"), on(1, b"shown"), gone()].concat();
    let (head, said) = heard(SPDY, SPDY, &opened, &fine).await;
    assert!(head.starts_with("HTTP/1.1 101") && said.contains("shown"), "{head}{said}");
    let failed = control(1, &[&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &fields("streamtype", "error")].concat());
    let endless = [&[0, 0, 0, 1, 0, 2, 0, 6][..], &[b'x'; 128 << 10], b"hidden"].concat();
    let (_, said) = heard(SPDY, SPDY, &failed, &endless).await;
    assert!(!said.contains("hidden") && !said.contains("GOES ON"), "a `Status` without end");
    for (name, says) in [
        ("a stream that nobody opened", on(3, b"hidden")),
        ("a card in the fields of an answer", reply("4111 1111 1111 1111")),
        ("an answer about no stream", control(2, &[&[0, 0, 0, 9][..], &fields("hidden", "x")].concat())),
        (
            "a stream of the server's",
            control(1, &[&[0, 0, 0, 2, 0, 0, 0, 0, 0, 0][..], &fields("hidden", "x")].concat()),
        ),
        ("settings", control(4, b"\0\0\0\x01hiddenxx")),
        ("another version", [&[0x80, 2, 0, 6, 0, 0, 0, 6], &b"hidden"[..]].concat()),
    ] {
        let (_, said) = heard(SPDY, SPDY, &opened, &says).await;
        assert!(!said.contains("hidden") && !said.contains("GOES ON"), "{name}: {said}");
    }
}

#[tokio::test]
async fn what_no_client_sends_over_spdy_reaches_no_program() {
    let stream =
        |number: u8, fields: &[u8]| control(1, &[&[0, 0, 0, number, 0, 0, 0, 0, 0, 0][..], fields].concat());
    let opened = |role: &str| stream(1, &fields("streamtype", role));
    let on = |number: u8, text: &[u8]| {
        [&[0, 0, 0, number, 0, 0, 0, u8::try_from(text.len()).unwrap()], text].concat()
    };
    let reply = control(2, &[&[0, 0, 0, 1][..], &fields("a", "b")].concat());
    let answer = [&*reply, &on(1, b"shown"), &gone()].concat();
    let (_, said) = heard(SPDY, SPDY, &opened("stdout"), &answer).await;
    assert!(said.contains("shown"), "{said}");
    let (_, said) = heard(SPDY, SPDY, &opened("stdin"), &on(1, b"hidden")).await;
    assert!(!said.contains("hidden") && !said.contains("GOES ON"), "the stream of the input: {said}");
    for (name, behind) in [
        ("what the program says", on(1, b"typed")),
        ("a stream that nobody opened", on(3, b"typed")),
        ("an answer", control(2, &[&[0, 0, 0, 1][..], &more_fields("a", "b")].concat())),
        ("a stream of the server's", stream(2, &more_fields("streamtype", "stdin"))),
        ("a stream that is open", stream(1, &more_fields("streamtype", "stdin"))),
        ("a second of one kind", stream(3, &more_fields("streamtype", "stdout"))),
        ("a kind that there is not", stream(3, &more_fields("streamtype", "other"))),
    ] {
        let (_, said) = heard(SPDY, SPDY, &[opened("stdout"), behind].concat(), &answer).await;
        assert!(!said.contains("shown") && !said.contains("GOES ON"), "{name}: {said}");
    }
}

#[tokio::test]
async fn what_no_port_says_reaches_nobody() {
    const INSIDE: &str = "upgrade: websocket\r\nsec-websocket-protocol: SPDY/3.1+portforward.k8s.io\r\n";
    const BARE: &str = "upgrade: SPDY/3.1\r\nx-stream-protocol-version: portforward.k8s.io\r\n";
    let opened = control(1, &[&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &fields("streamtype", "data")].concat());
    let reply = |value: &str| control(2, &[&[0, 0, 0, 1][..], &fields("hidden", value)].concat());
    let on = |text: &[u8]| [&[0, 0, 0, 1, 0, 0, 0, u8::try_from(text.len()).unwrap()], text].concat();
    let message = |first: u8, text: &[u8]| [&[first, u8::try_from(text.len()).unwrap()], text].concat();
    let ends = gone();
    for (name, agrees, says, shown) in [
        ("data", BARE, [on(b"hidden"), ends.clone()].concat(), true),
        ("data in a message", INSIDE, message(0x82, &on(b"hidden")), true),
        ("data in a text", INSIDE, message(0x81, &on(b"hidden")), false),
        (
            "a stream of the server's",
            BARE,
            control(1, &[&[0, 0, 0, 2, 0, 0, 0, 0, 0, 0][..], &fields("hidden", "x")].concat()),
            false,
        ),
        ("the credential in fields", BARE, reply("of-the-cluster-itself"), false),
        ("the credential", BARE, [on(b"hidden of-the-cluster-itself"), ends].concat(), false),
    ] {
        let house = House::before(&server(agrees, &[&*says, b"\x88\x00"].concat()), OPEN).await;
        let in_message = [&[0x82, 0x80 | u8::try_from(opened.len()).unwrap(), 0, 0, 0, 0], &*opened].concat();
        let first = if agrees == INSIDE { &in_message } else { &opened };
        let (head, said) = heard_at(&house, "portforward?ports=7", agrees, first);
        assert!(head.starts_with("HTTP/1.1 101"), "{name}: {head}");
        assert_eq!(said.contains("hidden"), shown, "{name}: {said}");
        assert!(!said.contains("of-the-cluster-itself"), "{name}: {said}");
    }
}
