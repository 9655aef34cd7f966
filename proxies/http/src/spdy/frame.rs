//! What a frame begins with (SPDY/3.1, section 2.2).

/// A control frame's kind, of those that are understood here (section 2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stream is opened; has fields.
    SynStream,
    /// The other side agrees to it; has fields.
    SynReply,
    /// A stream is broken off.
    RstStream,
    /// Is anybody there?
    Ping,
    /// No more streams are taken.
    GoAway,
    /// More fields of a stream.
    Headers,
    /// How much more may be sent.
    WindowUpdate,
}

/// A frame's first eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Data of a stream.
    Data {
        /// The stream, from 1.
        stream: u32,
        /// Whether its sender says no more on it.
        is_last: bool,
        /// In bytes, of 24 bits.
        length: u32,
    },
    /// A control frame.
    Control {
        /// What it is.
        kind: Kind,
        /// As they came.
        flags: u8,
        /// In bytes, of 24 bits.
        length: u32,
    },
}

/// What is no frame, or none that is understood here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// Another version than 3.
    #[error("a frame is of another version of SPDY")]
    Version,
    /// A kind that these programs do not send.
    #[error("a control frame is of a kind that is not understood")]
    Kind,
    /// Flags that are not defined, or that nobody sets.
    #[error("a frame has flags that are not understood")]
    Flags,
    /// A length that its kind does not have, or more than is held.
    #[error("a control frame has another length than it may have")]
    Length,
    /// A stream of number 0, or one that is not its sender's to open.
    #[error("a frame is of a stream that there can't be")]
    Stream,
    /// Fields that are not compressed as they should be.
    #[error("the fields of a stream can't be unpacked")]
    Packed,
    /// Fields that are cut off, too many, or twice there.
    #[error("the fields of a stream can't be read")]
    Fields,
}

/// The last frame of a stream.
const FIN: u8 = 1;

/// The longest control frame that is read, in bytes behind its head.
const LONGEST: u32 = 16 << 10;

impl Head {
    /// Reads one.
    ///
    /// # Errors
    /// Where it is none that is understood here.
    pub fn read([a, b, c, d, flags, x, y, z]: [u8; 8]) -> Result<Self, Bad> {
        let length = u32::from_be_bytes([0, x, y, z]);
        if a & 0x80 == 0 {
            let stream = u32::from_be_bytes([a, b, c, d]);
            return match (stream, flags) {
                (0, _) => Err(Bad::Stream),
                (_, 0 | FIN) => Ok(Self::Data { stream, is_last: flags == FIN, length }),
                _ => Err(Bad::Flags),
            };
        }
        if (a, b) != (0x80, 3) {
            return Err(Bad::Version);
        }
        let kind = match u16::from_be_bytes([c, d]) {
            1 => Kind::SynStream,
            2 => Kind::SynReply,
            3 => Kind::RstStream,
            6 => Kind::Ping,
            7 => Kind::GoAway,
            8 => Kind::Headers,
            9 => Kind::WindowUpdate,
            _ => return Err(Bad::Kind),
        };
        let (fits, has_fin) = match kind {
            Kind::SynStream => (length >= 10, true),
            Kind::SynReply | Kind::Headers => (length >= 4, true),
            Kind::Ping => (length == 4, false),
            Kind::RstStream | Kind::GoAway | Kind::WindowUpdate => (length == 8, false),
        };
        if !fits || length > LONGEST {
            return Err(Bad::Length);
        }
        if flags > u8::from(has_fin) {
            return Err(Bad::Flags);
        }
        Ok(Self::Control { kind, flags, length })
    }

    /// Appends data as frames of a stream; a frame at least where it is the last.
    pub fn write_data(stream: u32, is_last: bool, data: &[u8], out: &mut Vec<u8>) {
        // A length has 24 bits.
        const MOST: usize = (1 << 24) - 1;
        let mut frame = |data: &[u8], flags: u8| {
            let [_, x, y, z] = u32::try_from(data.len()).unwrap_or_default().to_be_bytes();
            out.extend(stream.to_be_bytes());
            out.extend([flags, x, y, z]);
            out.extend_from_slice(data);
        };
        let mut chunks = data.chunks(MOST).peekable();
        if chunks.peek().is_none() && is_last {
            frame(&[], FIN);
        }
        while let Some(chunk) = chunks.next() {
            frame(chunk, u8::from(is_last && chunks.peek().is_none()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_of_a_few() {
        let data = |stream, is_last, length| Ok(Head::Data { stream, is_last, length });
        let control = |kind, flags, length| Ok(Head::Control { kind, flags, length });
        #[rustfmt::skip]
        let cases: &[(&str, [u8; 8], Result<Head, Bad>)] = &[
            ("data", [0, 0, 0, 5, 0, 1, 0, 2], data(5, false, 0x1_0002)),
            ("the last data", [0, 0, 0, 5, 1, 0, 0, 0], data(5, true, 0)),
            ("data of no stream", [0, 0, 0, 0, 0, 0, 0, 2], Err(Bad::Stream)),
            ("compressed data", [0, 0, 0, 5, 2, 0, 0, 2], Err(Bad::Flags)),
            ("a new stream", [0x80, 3, 0, 1, 1, 0, 0, 10], control(Kind::SynStream, 1, 10)),
            ("a new stream that is cut off", [0x80, 3, 0, 1, 0, 0, 0, 9], Err(Bad::Length)),
            ("a stream of one direction", [0x80, 3, 0, 1, 2, 0, 0, 10], Err(Bad::Flags)),
            ("an answer", [0x80, 3, 0, 2, 0, 0, 0, 4], control(Kind::SynReply, 0, 4)),
            ("a ping", [0x80, 3, 0, 6, 0, 0, 0, 4], control(Kind::Ping, 0, 4)),
            ("a ping with more in it", [0x80, 3, 0, 6, 0, 0, 0, 20], Err(Bad::Length)),
            ("an end with more in it", [0x80, 3, 0, 7, 0, 0, 0, 20], Err(Bad::Length)),
            ("an end with flags", [0x80, 3, 0, 3, 1, 0, 0, 8], Err(Bad::Flags)),
            ("fields without end", [0x80, 3, 0, 8, 0, 0xff, 0, 0], Err(Bad::Length)),
            ("settings, which hold anything", [0x80, 3, 0, 4, 0, 0, 0, 12], Err(Bad::Kind)),
            ("a credential", [0x80, 3, 0, 10, 0, 0, 0, 12], Err(Bad::Kind)),
            ("another version", [0x80, 2, 0, 6, 0, 0, 0, 4], Err(Bad::Version)),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(Head::read(*bytes), *expected, "{name}");
        }
    }
}
