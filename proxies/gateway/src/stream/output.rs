//! One stream that a program writes: masked across the borders of its packets, counted, recorded.

use std::sync::Arc;

use bytes::Bytes;
use policy_core::mask::{Detectors, MaskKey, TerminalMasker};
use portcullis_evidence::recording::{Event, Stream, Utf8Stream};

use crate::enforce::Tape;

/// The stream, on its way from the target to the client.
pub struct Output {
    stream: Stream,
    key: MaskKey,
    detectors: Option<Arc<Detectors>>,
    masker: TerminalMasker,
    masked: u64,
    text: Utf8Stream,
}

impl Output {
    /// A stream that nothing has come of yet.
    pub fn new(stream: Stream, detectors: Option<Arc<Detectors>>, key: MaskKey) -> Self {
        let (masker, text) = Default::default();
        Self { stream, key, detectors, masker, masked: 0, text }
    }

    /// What may be shown of it now.
    pub fn push(&mut self, data: Bytes) -> Bytes {
        let Some(detectors) = &self.detectors else { return data };
        let mut shown = Vec::with_capacity(data.len());
        self.masked += self.masker.push(detectors, &self.key, &data, &mut shown) as u64;
        shown.into()
    }

    /// What may be shown once nothing has come for a moment.
    pub fn settle(&mut self) -> Bytes {
        self.more(TerminalMasker::settle)
    }

    /// What must be shown once nothing has come for long: the program may wait for an answer to it.
    pub fn release(&mut self) -> Bytes {
        self.more(TerminalMasker::release)
    }

    /// What is left at the end.
    pub fn finish(&mut self) -> Bytes {
        self.more(TerminalMasker::finish)
    }

    fn more(&mut self, how: fn(&mut TerminalMasker, &Detectors, &MaskKey, &mut Vec<u8>) -> usize) -> Bytes {
        let Some(detectors) = &self.detectors else { return Bytes::new() };
        let mut shown = Vec::new();
        self.masked += how(&mut self.masker, detectors, &self.key, &mut shown) as u64;
        shown.into()
    }

    /// Another policy is in force: from here on its masks are applied, with what the old ones held back.
    pub fn renew(&mut self, detectors: Option<Arc<Detectors>>) -> Bytes {
        let rest = self.finish();
        self.detectors = detectors;
        rest
    }

    /// Whether something is held back.
    pub fn holds(&self) -> bool {
        self.masker.held() > 0
    }

    /// Values that were masked so far.
    pub fn masked(&self) -> u64 {
        self.masked
    }

    /// Records what is about to be shown.
    pub fn record(&mut self, tape: &Tape, command: u64, shown: &[u8]) {
        let mut text = String::with_capacity(shown.len());
        self.text.push(shown, &mut text);
        if !text.is_empty() {
            tape.push(&Event::Output { command, stream: self.stream, text: text.into() });
        }
    }
}
