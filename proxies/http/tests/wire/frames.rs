//! Frames of HTTP/2 (RFC 9113, section 4) as bytes, and field blocks of literals only (RFC 7541, section 6.2.2).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Also what acknowledges.
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const WITH_PRIORITY: u8 = 0x20;
/// A block and a request in one frame.
pub const WHOLE: u8 = END_STREAM | END_HEADERS;

pub const PROTOCOL_ERROR: u32 = 1;
pub const FLOW_CONTROL_ERROR: u32 = 3;
pub const FRAME_SIZE_ERROR: u32 = 6;
pub const REFUSED_STREAM: u32 = 7;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame with this payload.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    sized(u32::try_from(payload.len()).unwrap(), kind, flags, stream, payload)
}

/// A frame that says this of its length.
pub fn sized(length: u32, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A setting of a SETTINGS frame.
pub fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// A string without Huffman's code.
fn string(text: &[u8]) -> Vec<u8> {
    [integer(text.len(), 7, 0), text.to_vec()].concat()
}

/// An integer (RFC 7541, section 5.1) behind these bits.
pub fn integer(value: usize, bits: u32, first: u8) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![first | u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![first | u8::try_from(most).unwrap()];
    let mut rest = value - most;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// A field that is not indexed, its name neither.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    // Each character a byte.
    let bytes = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    [vec![0], string(&bytes(name)), string(&bytes(value))].concat()
}

/// A field that the decoder keeps in its table.
pub fn kept(name: &str, value: &str) -> Vec<u8> {
    [vec![0x40], string(name.as_bytes()), string(value.as_bytes())].concat()
}

pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// What came from the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of an RST_STREAM or a GOAWAY.
    pub fn code(&self) -> Option<u32> {
        let at = match self.kind {
            RST_STREAM => 0,
            GOAWAY => 4,
            _ => return None,
        };
        Some(u32::from_be_bytes(self.payload.get(at..at + 4)?.try_into().ok()?))
    }

    /// The status at the beginning of a block, whose encoder has no table.
    pub fn status(&self) -> Option<u16> {
        let mut block = &*self.payload;
        while let [first, rest @ ..] = block
            && first & 0xe0 == 0x20
        {
            block = rest;
        }
        const KNOWN: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        match block {
            [indexed, ..] if indexed & 0x80 != 0 => KNOWN.get(usize::from(indexed & 0x7f) - 8).copied(),
            [_, length, text @ ..] => digits(text, length & 0x80 != 0).parse().ok(),
            _ => None,
        }
    }
}

/// Three digits, in Huffman's code (RFC 7541, appendix B) or without.
fn digits(text: &[u8], is_coded: bool) -> String {
    if !is_coded {
        return text.iter().take(3).map(|&byte| char::from(byte)).collect();
    }
    let bits: Vec<u8> =
        text.iter().take(3).flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let number = |bits: &[u8]| bits.iter().fold(0, |number, bit| number * 2 + bit);
    let (mut found, mut at) = (String::new(), 0);
    while found.len() < 3 && at + 5 <= bits.len() {
        let five = number(&bits[at..at + 5]);
        if five < 3 {
            found.push(char::from(b'0' + five));
            at += 5;
            continue;
        }
        let six = bits.get(at..at + 6).map_or(0, number);
        found.push(char::from(b'3' + six.saturating_sub(25)));
        at += 6;
    }
    found
}

/// A client that reads frames.
pub struct Peer {
    pub stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    /// One that has not said anything.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// One that has begun, and wants fields without a table.
    pub fn begun(stream: TcpStream) -> Self {
        let mut peer = Self::new(stream);
        peer.send(&[PREFACE, &frame(SETTINGS, 0, 0, &setting(1, 0))].concat());
        peer
    }

    /// Whether all could be sent: the other side may have ended.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The next frame; none at the end, or when none comes in time.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            if let [a, b, c, kind, flags, s0, s1, s2, s3, rest @ ..] = &*self.read {
                let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
                if rest.len() >= length {
                    let payload = rest[..length].to_vec();
                    let stream = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
                    let found = Frame { kind: *kind, flags: *flags, stream, payload };
                    self.read.drain(..9 + length);
                    return Some(found);
                }
            }
            let mut piece = [0; 16 << 10];
            match self.stream.read(&mut piece) {
                Ok(count @ 1..) => self.read.extend_from_slice(&piece[..count]),
                _ => return None,
            }
        }
    }

    /// The first frame that is so, and those before it; none where the connection ends before.
    pub fn until(&mut self, is_it: impl Fn(&Frame) -> bool) -> (Option<Frame>, Vec<Frame>) {
        let mut before = Vec::new();
        while let Some(frame) = self.next() {
            if is_it(&frame) {
                return (Some(frame), before);
            }
            before.push(frame);
        }
        (None, before)
    }
}
