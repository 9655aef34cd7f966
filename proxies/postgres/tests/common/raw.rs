//! Sessions on which a test says exactly what it likes, message by message.

use portcullis_testkit::peer::{Raw, message, startup};
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use super::{Gateway, PASSWORD, USER};

/// Logs in by hand; the session is ready for commands.
pub fn session(gateway: &Gateway) -> Raw {
    let mut raw = Raw::connect(gateway.address);
    raw.send(&startup(&[("user", USER), ("database", "shop")]));
    let _ = log_in(&mut raw);
    raw
}

/// Answers the SCRAM challenge; everything from AuthenticationOk to ReadyForQuery.
pub fn log_in(raw: &mut Raw) -> Vec<(u8, Vec<u8>)> {
    prove(raw);
    raw.until(b'Z')
}

/// Answers the SCRAM challenge.
pub fn prove(raw: &mut Raw) {
    assert_eq!(raw.message(), (b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0".to_vec()));
    let mut scram = ScramSha256::new(PASSWORD.as_bytes(), ChannelBinding::unsupported());
    raw.send(&initial("SCRAM-SHA-256", scram.message()));
    scram.update(&raw.message().1[4..]).unwrap();
    raw.send(&message(b'p', scram.message()));
    scram.finish(&raw.message().1[4..]).unwrap();
}

/// A SASLInitialResponse.
pub fn initial(mechanism: &str, first: &[u8]) -> Vec<u8> {
    let mut body = mechanism.as_bytes().to_vec();
    body.push(0);
    body.extend_from_slice(&u32::try_from(first.len()).unwrap().to_be_bytes());
    body.extend_from_slice(first);
    message(b'p', &body)
}

pub fn query(text: &str) -> Vec<u8> {
    message(b'Q', format!("{text}\0").as_bytes())
}

pub fn parse(text: &str) -> Vec<u8> {
    message(b'P', format!("\0{text}\0\0\0").as_bytes())
}

/// Parse, Bind and Execute of one statement.
pub fn extended(text: &str) -> Vec<u8> {
    [parse(text), message(b'B', b"\0\0\0\0\0\0\0\0"), message(b'E', b"\0\0\0\0\0")].concat()
}

pub fn sync() -> Vec<u8> {
    message(b'S', b"")
}

/// The types of messages, ReadyForQuery with its state.
pub fn shape(messages: &[(u8, Vec<u8>)]) -> String {
    let one = |(tag, body): &(u8, Vec<u8>)| match tag {
        b'Z' => format!("Z({})", char::from(body[0])),
        b'E' if body.windows(5).any(|code| code == b"42501") => "E(denied)".to_owned(),
        tag => char::from(*tag).to_string(),
    };
    messages.iter().map(one).collect::<Vec<_>>().join(" ")
}
