//! Frames read as they come: pieces of messages, and control frames.

use super::frame::{Bad, Header, Opcode, Sender};

/// Reads one direction of a WebSocket. It holds no more than a header or a control frame.
#[derive(Debug)]
pub struct Reader {
    sender: Sender,
    /// Whether every message is to be one frame.
    is_whole: bool,
    /// The frame whose payload is being read, and how much of it was.
    frame: Option<(Header, u64)>,
    /// The kind of the message that is being read.
    message: Option<Opcode>,
    /// A header, or a control frame's payload, that is not all there yet.
    partial: Vec<u8>,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A piece of a message.
    Piece {
        /// Text or binary.
        kind: Opcode,
        /// Whether a message begins with it.
        is_first: bool,
        /// Whether the message ends with it.
        is_last: bool,
        /// The bytes, without the client's masking.
        data: &'a [u8],
    },
    /// A control frame, whole.
    Control(Opcode, &'a [u8]),
}

impl Reader {
    /// Reads what this side sends.
    pub const fn new(sender: Sender) -> Self {
        Self { sender, is_whole: false, frame: None, message: None, partial: Vec::new() }
    }

    /// The same, where whom it is sent to takes each frame for a message, even one that goes on with another.
    pub const fn of_whole_messages(sender: Sender) -> Self {
        Self { sender, is_whole: true, frame: None, message: None, partial: Vec::new() }
    }

    /// Reads all of these bytes; `see` gets what is in them, in order. The masking of a client's payload is taken off in place.
    ///
    /// # Errors
    /// Where they are no frames that were agreed on, and whatever `see` does not want.
    pub fn read<E: From<Bad>>(
        &mut self,
        mut bytes: &mut [u8],
        mut see: impl FnMut(Part<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let Some((header, done)) = self.frame else {
                bytes = self.header(bytes, &mut see)?;
                continue;
            };
            let left = usize::try_from(header.length - done).unwrap_or(usize::MAX).min(bytes.len());
            let (data, rest) = bytes.split_at_mut(left);
            unmask(header.mask, done, data);
            bytes = rest;
            self.payload(header, done, data, &mut see)?;
        }
        Ok(())
    }

    /// Reads as much of a header as there is.
    fn header<'a, E: From<Bad>>(
        &mut self,
        bytes: &'a mut [u8],
        see: &mut impl FnMut(Part<'_>) -> Result<(), E>,
    ) -> Result<&'a mut [u8], E> {
        let before = self.partial.len();
        // No header is longer.
        self.partial.extend(bytes.iter().take(14 - before.min(14)));
        let Some((header, length)) = Header::read(&self.partial, self.sender)? else {
            return Ok(&mut []);
        };
        self.partial.clear();
        match (header.opcode, self.message) {
            (Opcode::Continuation, None) | (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(Bad::Order.into());
            }
            (opcode, _) if self.is_whole && !opcode.is_control() && !header.is_final => {
                return Err(Bad::Pieces.into());
            }
            _ => {}
        }
        self.frame = Some((header, 0));
        if header.length == 0 {
            self.payload(header, 0, &[], see)?;
        }
        Ok(bytes.get_mut(length.saturating_sub(before)..).unwrap_or_default())
    }

    fn payload<E: From<Bad>>(
        &mut self,
        header: Header,
        done: u64,
        data: &[u8],
        see: &mut impl FnMut(Part<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let now = done + data.len() as u64;
        let frame_ends = now == header.length;
        self.frame = (!frame_ends).then_some((header, now));
        if header.opcode.is_control() {
            self.partial.extend_from_slice(data);
            if frame_ends {
                let payload = std::mem::take(&mut self.partial);
                see(Part::Control(header.opcode, &payload))?;
            }
            return Ok(());
        }
        let is_first = self.message.is_none();
        let kind = self.message.unwrap_or(header.opcode);
        let is_last = frame_ends && header.is_final;
        self.message = (!is_last).then_some(kind);
        see(Part::Piece { kind, is_first, is_last, data })
    }
}

/// Takes a client's masking off, or puts it on: `done` bytes of the payload went before.
fn unmask(mask: Option<[u8; 4]>, done: u64, data: &mut [u8]) {
    let Some(mut mask) = mask else { return };
    mask.rotate_left((done % 4) as usize);
    for (byte, with) in data.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= with;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test states what it expects by failing")]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut bytes = vec![first, 0x80 | u8::try_from(payload.len()).unwrap()];
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, with)| byte ^ with));
        bytes
    }

    /// Messages and control frames, whole, in the order of their ends.
    fn read(bytes: &[u8], step: usize) -> Result<Vec<(Opcode, Vec<u8>)>, Bad> {
        let mut reader = Reader::new(Sender::Client);
        let (mut all, mut message) = (Vec::new(), Vec::new());
        for chunk in bytes.to_vec().chunks_mut(step) {
            reader.read::<Bad>(chunk, |part| {
                match part {
                    Part::Control(opcode, payload) => all.push((opcode, payload.to_vec())),
                    Part::Piece { kind, is_first, is_last, data } => {
                        assert_eq!(is_first, message.is_empty() || data.is_empty());
                        message.extend_from_slice(data);
                        if is_last {
                            all.push((kind, std::mem::take(&mut message)));
                        }
                    }
                }
                Ok(())
            })?;
        }
        Ok(all)
    }

    #[test]
    fn messages_are_read_however_they_come() {
        let bytes = [
            frame(0x01, b"Hel"),
            frame(0x89, b"ping"),
            frame(0x80, b"lo"),
            frame(0x82, b"\x00\x01"),
            frame(0x88, b""),
        ]
        .concat();
        let expected = vec![
            (Opcode::Ping, b"ping".to_vec()),
            (Opcode::Text, b"Hello".to_vec()),
            (Opcode::Binary, vec![0, 1]),
            (Opcode::Close, Vec::new()),
        ];
        for step in 1..=bytes.len() {
            assert_eq!(read(&bytes, step).unwrap(), expected, "{step} at a time");
        }
    }

    #[test]
    fn a_message_within_a_message_is_refused() {
        let within = [frame(0x01, b"a"), frame(0x81, b"b")].concat();
        assert_eq!(read(&within, 3), Err(Bad::Order));
        assert_eq!(read(&frame(0x80, b"a"), 3), Err(Bad::Order));
    }

    #[test]
    fn a_message_in_pieces_is_refused_where_each_is_one_frame() {
        let read = |mut bytes: Vec<u8>| {
            Reader::of_whole_messages(Sender::Client).read::<Bad>(&mut bytes, |_| Ok(()))
        };
        assert_eq!(read([frame(0x82, b"a"), frame(0x89, b""), frame(0x82, b"b")].concat()), Ok(()));
        assert_eq!(read(frame(0x02, b"a")), Err(Bad::Pieces));
        assert_eq!(read(frame(0x80, b"a")), Err(Bad::Order));
    }
}
