//! What a target says over a WebSocket, looked through: each message is a text of its own, and leaves in frames of the gateway's
//! own.

use bytes::Bytes;
use portcullis_evidence::recording::Stream;
use portcullis_gateway::enforce::Tape;
use portcullis_gateway::stream::Input;

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
    /// Of the message that is being read; `None` until something of it has come.
    masker: Option<Masker>,
    /// What that message is.
    kind: Opcode,
    /// Whether a frame of that message has left.
    has_begun: bool,
    masked: u64,
}

impl Messages {
    pub(crate) const fn new(sought: Sought) -> Self {
        let kind = Opcode::Text;
        let saying = Saying { sought, masker: None, kind, has_begun: false, masked: 0 };
        Self { reader: Reader::new(Sender::Server), saying }
    }
}

impl FromTarget for Messages {
    fn push(&mut self, bytes: &mut [u8], shown: &mut Shown) -> Result<(), Stuck> {
        let Self { reader, saying } = self;
        reader.read(bytes, |part| saying.say(part, shown))
    }

    fn finish(&mut self, shown: &mut Shown) {
        self.saying.finish(shown);
    }

    fn masked(&self) -> u64 {
        self.saying.masked
    }
}

impl Saying {
    fn say(&mut self, part: Part<'_>, shown: &mut Shown) -> Result<(), Stuck> {
        let (kind, is_first, is_last, data) = match part {
            Part::Control(opcode, payload) => {
                if opcode == Opcode::Close {
                    self.finish(shown);
                }
                return control(opcode, payload, &self.sought, shown);
            }
            Part::Piece { kind, is_first, is_last, data } => (kind, is_first, is_last, data),
        };
        if is_first {
            (self.masker, self.has_begun) = (None, false);
        }
        // A frame may be empty, and says nothing then of what follows.
        if data.is_empty() && !is_last {
            return Ok(());
        }
        let masker = match &mut self.masker {
            Some(masker) => masker,
            none => none.insert(self.sought.masker(media_type(kind, data))?),
        };
        let (text, found) = masker.push(Bytes::copy_from_slice(data))?;
        let (rest, more) = if is_last { masker.finish()? } else { Default::default() };
        self.masked += (found + more) as u64;
        self.kind = kind;
        self.show([text, rest], is_last, shown);
        if is_last {
            self.masker = None;
        }
        Ok(())
    }

    /// What is left of a message whose end never comes; what would need it stays unseen.
    fn finish(&mut self, shown: &mut Shown) {
        let Some(Ok((rest, masked))) = self.masker.take().map(|mut masker| masker.finish()) else { return };
        self.masked += masked as u64;
        self.show([rest, Bytes::new()], false, shown);
    }

    /// Shows these as one frame, which is empty only where a message ends by it.
    fn show(&mut self, parts: [Bytes; 2], is_last: bool, shown: &mut Shown) {
        let length = parts.iter().map(Bytes::len).sum();
        if length == 0 && !is_last {
            return;
        }
        let opcode = if self.has_begun { Opcode::Continuation } else { self.kind };
        Header::write(opcode, is_last, length, &mut shown.out);
        for part in parts {
            shown.out.extend_from_slice(&part);
            shown.say(Stream::default(), part);
        }
        self.has_begun = true;
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

/// What a message that begins so is read as.
fn media_type(kind: Opcode, beginning: &[u8]) -> &'static str {
    match (kind, beginning.first()) {
        (Opcode::Text, Some(b'{')) => "application/json",
        (Opcode::Text, _) => "",
        _ => "application/octet-stream",
    }
}

/// What a client says in messages.
pub(crate) struct Said {
    reader: Reader,
    tape: Tape,
    /// Where it is recorded.
    recorded: Option<Recorded>,
}

/// What a recording has of messages: what is masked in those of the target is masked in these.
struct Recorded {
    input: Input,
    sought: Sought,
    /// Of the message that is being read; `None` until something of it has come.
    masker: Option<Masker>,
}

impl Said {
    /// Recorded as this command's, and masked by this, where it is.
    pub(crate) fn new(tape: Tape, recorded: Option<(u64, Sought)>) -> Self {
        let recorded = recorded.map(|(command, sought)| Recorded {
            input: sought.input(command, false),
            sought,
            masker: None,
        });
        Self { reader: Reader::new(Sender::Client), tape, recorded }
    }
}

impl FromClient for Said {
    fn push(&mut self, bytes: &mut [u8]) -> Result<(), Stuck> {
        let Self { reader, tape, recorded } = self;
        let mut said = Vec::new();
        let mut is_between = false;
        reader.read(bytes, |part| {
            if let (Part::Piece { kind, is_last, data, .. }, Some(recorded)) = (part, &mut *recorded) {
                recorded.hear(kind, is_last, data, &mut said);
                is_between = is_last;
            }
            Ok::<_, Stuck>(())
        })?;
        if let Some(Recorded { input, .. }) = recorded.as_ref().filter(|_| tape.is_on()) {
            input.sent(tape, &said);
            // The client waits for an answer, and nothing in the next message belongs to this one.
            if is_between {
                input.finish(tape);
            }
        }
        Ok(())
    }

    fn finish(&mut self) {
        let Self { tape, recorded, .. } = self;
        if let Some(recorded) = recorded.as_mut().filter(|_| tape.is_on()) {
            let mut said = Vec::new();
            recorded.end(&mut said);
            recorded.input.sent(tape, &said);
            recorded.input.finish(tape);
        }
    }
}

impl Recorded {
    /// Adds what may be recorded of a piece.
    fn hear(&mut self, kind: Opcode, is_last: bool, data: &[u8], said: &mut Vec<u8>) {
        // A frame may be empty, and says nothing then of what follows.
        if !data.is_empty() {
            let masker = self.masker.get_or_insert_with(|| self.sought.said(media_type(kind, data)));
            said.extend_from_slice(&masker.record(Bytes::copy_from_slice(data)));
        }
        if is_last {
            self.end(said);
        }
    }

    /// Adds what is left of a message.
    fn end(&mut self, said: &mut Vec<u8>) {
        if let Some(mut masker) = self.masker.take() {
            said.extend_from_slice(&masker.record_rest());
        }
    }
}
