//! What a client types or sends: forwarded as it is, recorded with what nobody saw left out.

use portcullis_evidence::recording::{Event, Utf8Stream};
use portcullis_gateway::enforce::Tape;

/// The stream, on its way from the client to the target.
#[derive(Default)]
pub(super) struct Input {
    text: Utf8Stream,
}

impl Input {
    /// Records what was sent.
    pub(super) fn record(&mut self, tape: &Tape, command: u64, sent: &[u8]) {
        let mut text = String::with_capacity(sent.len());
        self.text.push(sent, &mut text);
        if !text.is_empty() {
            tape.push(&Event::Input { command, text: text.into() });
        }
    }
}
