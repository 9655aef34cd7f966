//! What a client says first, before any message has a type byte.

use super::Malformed;
use super::cursor::Cursor;

/// The most bytes of a first packet, as in PostgreSQL (`MAX_STARTUP_PACKET_LENGTH`).
pub const LARGEST_PACKET: usize = 10_000;

/// The most bytes of a cancel key's secret part (protocol 3.2).
pub const LARGEST_KEY: usize = 256;

const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;

/// A client's first packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum First<'a> {
    /// The client would like TLS.
    Tls,
    /// The client would like encryption by GSSAPI.
    Gss,
    /// The client wants a command of another session cancelled.
    Cancel {
        /// The session's number.
        process: u32,
        /// Its secret, 4 to 256 bytes.
        secret: &'a [u8],
    },
    /// The client wants a session.
    Startup(Startup<'a>),
}

/// The wish for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup<'a> {
    /// The protocol's minor version; the major one is 3.
    pub minor: u16,
    /// Keys with their values, in order, as sent.
    pub parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> First<'a> {
    /// Decodes exactly `body`: the packet without its length.
    ///
    /// # Errors
    /// Another major version ([`Malformed::Field`] `protocol version`), fields that end early, bytes left
    /// over, text that is not UTF-8, or a cancel key that is too short or too long.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let first = match cursor.u32()? {
            SSL_REQUEST => Self::Tls,
            GSSENC_REQUEST => Self::Gss,
            CANCEL_REQUEST => {
                let process = cursor.u32()?;
                let secret = cursor.take(cursor.rest().len())?;
                if !(4..=LARGEST_KEY).contains(&secret.len()) {
                    return Err(Malformed::Field("cancel key"));
                }
                Self::Cancel { process, secret }
            }
            version => {
                let [_, major, minor @ ..] = version.to_be_bytes();
                if version >> 16 != 3 || major != 3 {
                    return Err(Malformed::Field("protocol version"));
                }
                let parameters = parameters(&mut cursor)?;
                Self::Startup(Startup { minor: u16::from_be_bytes(minor), parameters })
            }
        };
        cursor.end()?;
        Ok(first)
    }
}

/// Pairs of strings up to an empty key.
fn parameters<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<(&'a str, &'a str)>, Malformed> {
    let mut parameters = Vec::new();
    loop {
        let key = cursor.text()?;
        if key.is_empty() {
            return Ok(parameters);
        }
        parameters.push((key, cursor.text()?));
    }
}

/// The request for TLS that the gateway sends to a target.
#[must_use]
pub fn tls_request() -> [u8; 8] {
    let [a, b, c, d] = SSL_REQUEST.to_be_bytes();
    [0, 0, 0, 8, a, b, c, d]
}

/// Appends a cancel request for a target's session.
pub fn cancel_request(out: &mut Vec<u8>, process: u32, secret: &[u8]) {
    super::make::untagged(out, |out| {
        out.extend_from_slice(&CANCEL_REQUEST.to_be_bytes());
        out.extend_from_slice(&process.to_be_bytes());
        out.extend_from_slice(secret);
    });
}

/// Appends a version 3.0 startup packet.
pub fn startup<'a>(out: &mut Vec<u8>, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) {
    super::make::untagged(out, |out| {
        out.extend_from_slice(&(3_u32 << 16).to_be_bytes());
        for (key, value) in parameters {
            super::make::text(out, key);
            super::make::text(out, value);
        }
        out.push(0);
    });
}
