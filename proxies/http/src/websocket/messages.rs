//! What a target says over a WebSocket, looked through: each message is a text of its own, and leaves in frames of the gateway's
//! own.

use bytes::Bytes;
use portcullis_evidence::recording::Stream;

use super::{Header, Opcode, Part, Reader, Sender};
use crate::mask::{Masker, Sought, Unseen};
use crate::tunnel::{Shown, Stuck};

/// Messages on their way to the client.
pub(crate) struct Messages {
    reader: Reader,
    saying: Saying,
}

/// All but the reading.
struct Saying {
    sought: Sought,
    /// Of the message that is being read.
    masker: Masker,
    /// Whether a frame of that message has left.
    has_begun: bool,
    masked: u64,
}

impl Messages {
    pub(crate) const fn new(sought: Sought) -> Self {
        let saying = Saying { sought, masker: Masker::Nothing, has_begun: false, masked: 0 };
        Self { reader: Reader::new(Sender::Server), saying }
    }

    /// What becomes of these bytes of the target.
    pub(crate) fn push(&mut self, bytes: &mut [u8], shown: &mut Shown) -> Result<(), Stuck> {
        let Self { reader, saying } = self;
        reader.read(bytes, |part| saying.say(part, shown))
    }

    /// Values that were masked so far.
    pub(crate) const fn masked(&self) -> u64 {
        self.saying.masked
    }
}

impl Saying {
    fn say(&mut self, part: Part<'_>, shown: &mut Shown) -> Result<(), Stuck> {
        let (kind, is_first, is_last, data) = match part {
            Part::Control(opcode, payload) => {
                // Why it is closed is a text, too.
                let payload = reason(opcode, payload, &self.sought)?;
                Header::write(opcode, true, payload.len(), &mut shown.out);
                shown.out.extend_from_slice(&payload);
                return Ok(());
            }
            Part::Piece { kind, is_first, is_last, data } => (kind, is_first, is_last, data),
        };
        if is_first {
            let media_type = match (kind, data.first()) {
                (Opcode::Text, Some(b'{')) => "application/json",
                (Opcode::Text, _) => "",
                _ => "application/octet-stream",
            };
            self.masker = self.sought.masker(media_type)?;
            self.has_begun = false;
        }
        let (text, found) = self.masker.push(Bytes::copy_from_slice(data))?;
        let (rest, more) = if is_last { self.masker.finish()? } else { Default::default() };
        self.masked += (found + more) as u64;
        let length = text.len() + rest.len();
        if length > 0 || is_last {
            let opcode = if self.has_begun { Opcode::Continuation } else { kind };
            Header::write(opcode, is_last, length, &mut shown.out);
            for part in [text, rest] {
                shown.out.extend_from_slice(&part);
                shown.say(Stream::default(), part);
            }
            self.has_begun = true;
        }
        Ok(())
    }
}

/// A control frame's payload as it may be shown; what was masked may be longer than a control frame is.
pub(super) fn reason(opcode: Opcode, payload: &[u8], sought: &Sought) -> Result<Vec<u8>, Unseen> {
    let code = if opcode == Opcode::Close { payload.len().min(2) } else { 0 };
    let (code, words) = payload.split_at(code);
    let shown = sought.text(words);
    let shown = [code, &shown].concat();
    Ok(if shown.len() > 125 { code.to_vec() } else { shown })
}
