//! What a target says over a WebSocket, looked through: each message is a text of its own, and leaves in frames of the gateway's
//! own.

use bytes::Bytes;

use super::{Bad, Header, Opcode, Part, Reader, Sender};
use crate::mask::{Masker, Sought, Unseen};

/// Why a WebSocket can't go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stuck {
    #[error(transparent)]
    Bad(#[from] Bad),
    #[error(transparent)]
    Unseen(#[from] Unseen),
}

/// Messages on their way to the client.
pub(crate) struct Messages {
    reader: Reader,
    sought: Sought,
    /// Of the message that is being read.
    masker: Masker,
    /// Whether a frame of that message has left.
    has_begun: bool,
    pub(crate) masked: u64,
}

impl Messages {
    pub(crate) const fn new(sought: Sought) -> Self {
        let reader = Reader::new(Sender::Server);
        Self { reader, sought, masker: Masker::Nothing, has_begun: false, masked: 0 }
    }

    /// What becomes of these bytes of the target: `out` gets frames for the client, `text` what they say.
    pub(crate) fn push(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        text: &mut Vec<u8>,
    ) -> Result<(), Stuck> {
        let Self { reader, sought, masker, has_begun, masked } = self;
        reader.read(bytes, |part| {
            let (kind, is_first, is_last, data) = match part {
                Part::Control(opcode, payload) => {
                    // Why it is closed is a text, too.
                    let payload = reason(opcode, payload, sought)?;
                    Header::write(opcode, true, payload.len(), out);
                    out.extend_from_slice(&payload);
                    return Ok(());
                }
                Part::Piece { kind, is_first, is_last, data } => (kind, is_first, is_last, data),
            };
            if is_first {
                *masker =
                    sought.masker(if kind == Opcode::Text { "" } else { "application/octet-stream" })?;
                *has_begun = false;
            }
            let (shown, found) = masker.push(Bytes::copy_from_slice(data))?;
            let (rest, more) = if is_last { masker.finish()? } else { Default::default() };
            *masked += (found + more) as u64;
            let length = shown.len() + rest.len();
            if length > 0 || is_last {
                let opcode = if *has_begun { Opcode::Continuation } else { kind };
                Header::write(opcode, is_last, length, out);
                for part in [&shown, &rest] {
                    out.extend_from_slice(part);
                    text.extend_from_slice(part);
                }
                *has_begun = true;
            }
            Ok(())
        })
    }
}

/// A control frame's payload as it may be shown; what was masked may be longer than a control frame is.
fn reason(opcode: Opcode, payload: &[u8], sought: &Sought) -> Result<Vec<u8>, Unseen> {
    let code = if opcode == Opcode::Close { payload.len().min(2) } else { 0 };
    let (code, words) = payload.split_at(code);
    let mut masker = sought.masker("")?;
    let (shown, _) = masker.push(Bytes::copy_from_slice(words))?;
    let (rest, _) = masker.finish()?;
    let shown = [code, &shown, &rest].concat();
    Ok(if shown.len() > 125 { code.to_vec() } else { shown })
}
