//! The header of a WebSocket frame (RFC 6455, section 5.2).

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Goes on with a message.
    Continuation,
    /// Begins a text.
    Text,
    /// Begins bytes.
    Binary,
    /// Ends the connection.
    Close,
    /// Is anybody there?
    Ping,
    /// The answer to that.
    Pong,
}

/// Who sent a frame: clients mask theirs, servers must not (section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Who opened the connection.
    Client,
    /// Who accepted it.
    Server,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether a message ends with the frame.
    pub is_final: bool,
    /// What it is.
    pub opcode: Opcode,
    /// What a client's payload is combined with.
    pub mask: Option<[u8; 4]>,
    /// The payload's length in bytes.
    pub length: u64,
}

/// A frame that means nothing, or something that was not agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// Bits of extensions.
    #[error("a frame has bits of an extension that was not agreed on")]
    Reserved,
    /// An opcode that RFC 6455 leaves open.
    #[error("a frame has an opcode that is not defined")]
    Opcode,
    /// A control frame that is no short, whole one.
    #[error("a control frame is longer than 125 bytes, or in pieces")]
    Control,
    /// A length that could be shorter, or is negative.
    #[error("a frame's length is not in its shortest form")]
    Length,
    /// Masked by a server, or not by a client.
    #[error("a client's frame is not masked, or a server's is")]
    Mask,
    /// A message in pieces, where each is one frame.
    #[error("a message is in pieces, which its reader would take for messages")]
    Pieces,
    /// Not in the order of messages.
    #[error("a frame continues no message, or begins one within another")]
    Order,
}

impl Opcode {
    /// Whether it is no part of a message (section 5.5).
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    const fn of(nibble: u8) -> Option<Self> {
        Some(match nibble {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    const fn nibble(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }
}

impl Header {
    /// Reads a header from the beginning of `bytes`: itself and how long it is; `None` where it is not all there.
    ///
    /// # Errors
    /// Where it is none that was agreed on.
    pub fn read(bytes: &[u8], sender: Sender) -> Result<Option<(Self, usize)>, Bad> {
        let Some((&[first, second], rest)) = bytes.split_first_chunk() else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Bad::Reserved);
        }
        let opcode = Opcode::of(first & 0x0f).ok_or(Bad::Opcode)?;
        let is_final = first & 0x80 != 0;
        let (length, rest) = match second & 0x7f {
            126 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        let shortest = match second & 0x7f {
            126 => length > 125,
            127 => length > u64::from(u16::MAX) && length < 1 << 63,
            _ => true,
        };
        if !shortest {
            return Err(Bad::Length);
        }
        if opcode.is_control() && (length > 125 || !is_final) {
            return Err(Bad::Control);
        }
        let is_masked = second & 0x80 != 0;
        if is_masked != (sender == Sender::Client) {
            return Err(Bad::Mask);
        }
        let (mask, rest) = match rest.split_first_chunk() {
            Some((mask, rest)) if is_masked => (Some(*mask), rest),
            None if is_masked => return Ok(None),
            _ => (None, rest),
        };
        Ok(Some((Self { is_final, opcode, mask, length }, bytes.len() - rest.len())))
    }

    /// Appends the header of a frame from a server.
    pub fn write(opcode: Opcode, is_final: bool, length: usize, out: &mut Vec<u8>) {
        out.push(opcode.nibble() | if is_final { 0x80 } else { 0 });
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ ..=125), _) => out.push(short),
            (_, Ok(middle)) => {
                out.push(126);
                out.extend(middle.to_be_bytes());
            }
            _ => {
                out.push(127);
                out.extend((length as u64).to_be_bytes());
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20] {
            for (opcode, is_final) in
                [(Opcode::Text, true), (Opcode::Binary, false), (Opcode::Continuation, true)]
            {
                let mut bytes = Vec::new();
                Header::write(opcode, is_final, length, &mut bytes);
                let (header, read) = Header::read(&bytes, Sender::Server).unwrap().unwrap();
                assert_eq!(
                    (header.opcode, header.is_final, header.length, read),
                    (opcode, is_final, length as u64, bytes.len())
                );
                for cut in 0..bytes.len() {
                    assert_eq!(Header::read(&bytes[..cut], Sender::Server), Ok(None));
                }
            }
        }
    }

    #[test]
    fn what_was_not_agreed_on_is_refused() {
        #[rustfmt::skip]
        let cases: &[(&str, &[u8], Sender, Bad)] = &[
            ("a compressed message", &[0xc1, 0], Sender::Server, Bad::Reserved),
            ("a reserved bit", &[0x91, 0], Sender::Server, Bad::Reserved),
            ("an undefined opcode", &[0x83, 0], Sender::Server, Bad::Opcode),
            ("an undefined control opcode", &[0x8b, 0], Sender::Server, Bad::Opcode),
            ("a ping in pieces", &[0x09, 0], Sender::Server, Bad::Control),
            ("a long close", &[0x88, 126, 0, 126], Sender::Server, Bad::Control),
            ("a length of two bytes that fits one", &[0x81, 126, 0, 125], Sender::Server, Bad::Length),
            ("a length of eight bytes that fits two", &[0x81, 127, 0, 0, 0, 0, 0, 0, 255, 255], Sender::Server, Bad::Length),
            ("a negative length", &[0x81, 127, 128, 0, 0, 0, 0, 0, 0, 0], Sender::Server, Bad::Length),
            ("a server that masks", &[0x81, 0x80, 1, 2, 3, 4], Sender::Server, Bad::Mask),
            ("a client that does not", &[0x81, 0], Sender::Client, Bad::Mask),
        ];
        for (name, bytes, sender, expected) in cases {
            assert_eq!(Header::read(bytes, *sender), Err(*expected), "{name}");
        }
    }
}
