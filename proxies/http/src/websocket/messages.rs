//! What a target says over a WebSocket, looked through: each message is a text of its own, and leaves in frames of the gateway's
//! own.

use bytes::Bytes;
use portcullis_evidence::recording::{Event, Stream, Utf8Stream};
use portcullis_gateway::enforce::Tape;

use super::{Header, Opcode, Part, Reader, Sender};
use crate::mask::{Masker, Sought};
use crate::tunnel::{FromClient, FromTarget, Shown, Stuck};

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
}

impl FromTarget for Messages {
    fn push(&mut self, bytes: &mut [u8], shown: &mut Shown) -> Result<(), Stuck> {
        let Self { reader, saying } = self;
        reader.read(bytes, |part| saying.say(part, shown))
    }

    fn masked(&self) -> u64 {
        self.saying.masked
    }
}

impl Saying {
    fn say(&mut self, part: Part<'_>, shown: &mut Shown) -> Result<(), Stuck> {
        let (kind, is_first, is_last, data) = match part {
            Part::Control(opcode, payload) => {
                return control(opcode, payload, &self.sought, shown);
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

/// Shows a control frame. Why a connection is closed is a text, too; what was masked may be longer than a control frame is.
pub(crate) fn control(
    opcode: Opcode,
    payload: &[u8],
    sought: &Sought,
    shown: &mut Shown,
) -> Result<(), Stuck> {
    let code = if opcode == Opcode::Close { payload.len().min(2) } else { 0 };
    let (code, words) = payload.split_at(code);
    let payload = [code, &sought.text(words)].concat();
    let payload = if payload.len() > 125 { code } else { &payload };
    Header::write(opcode, true, payload.len(), &mut shown.out);
    shown.out.extend_from_slice(payload);
    Ok(())
}

/// What a client says in messages.
pub(crate) struct Said {
    reader: Reader,
    tape: Tape,
    command: u64,
    /// Where it is recorded.
    recorded: Option<Utf8Stream>,
}

impl Said {
    pub(crate) fn new(tape: Tape, command: u64, is_recorded: bool) -> Self {
        let recorded = is_recorded.then(Utf8Stream::default);
        Self { reader: Reader::new(Sender::Client), tape, command, recorded }
    }
}

impl FromClient for Said {
    fn push(&mut self, bytes: &mut [u8]) -> Result<(), Stuck> {
        let Self { reader, tape, command, recorded } = self;
        let mut text = String::new();
        reader.read(bytes, |part| {
            if let (Part::Piece { data, .. }, Some(recorded)) = (part, &mut *recorded) {
                recorded.push(data, &mut text);
            }
            Ok::<_, Stuck>(())
        })?;
        if !text.is_empty() && tape.is_on() {
            tape.push(&Event::Input { command: *command, text: text.into() });
        }
        Ok(())
    }
}
