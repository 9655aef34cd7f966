//! What a client types or sends, as recordings may have it: forwarded as it is, recorded without what nobody saw, and
//! masked like what is shown.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use policy_core::mask::{Detectors, Echo, MaskKey, TerminalMasker};
use portcullis_evidence::recording::{Event, Utf8Stream};

use crate::enforce::Tape;

/// The recorded side of a client's input. Cheap to clone: both directions know it, since what is shown tells what was
/// echoed.
#[derive(Clone)]
pub struct Input(Arc<Mutex<Inner>>);

struct Inner {
    command: u64,
    key: MaskKey,
    detectors: Option<Arc<Detectors>>,
    masker: TerminalMasker,
    /// On a terminal: what was typed while nothing was echoed is left out.
    echo: Option<Echo>,
    text: Utf8Stream,
}

impl Input {
    /// The input of a command.
    pub fn new(command: u64, detectors: Option<Arc<Detectors>>, key: MaskKey, has_pty: bool) -> Self {
        let echo = has_pty.then(Echo::default);
        let (masker, text) = Default::default();
        Self(Arc::new(Mutex::new(Inner { command, key, detectors, masker, echo, text })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // At worst a panic elsewhere leaves some of the input unrecorded.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records what was sent.
    pub fn sent(&self, tape: &Tape, bytes: &[u8]) {
        self.inner().with_echo(tape, bytes, Echo::input);
    }

    /// Records what of the input this output, as the target sent it, has echoed.
    pub fn answered(&self, tape: &Tape, bytes: &[u8]) {
        let mut inner = self.inner();
        if inner.echo.is_some() {
            inner.with_echo(tape, bytes, Echo::output);
        }
    }

    /// Whether something of it waits to be told from the beginning of a find.
    pub fn holds(&self) -> bool {
        self.inner().masker.held() > 0
    }

    /// Records what waits once nothing has come for a moment, but for the beginnings of finds.
    pub fn settle(&self, tape: &Tape) {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let Some(detectors) = &inner.detectors else { return };
        let mut masked = Vec::new();
        inner.masker.settle(detectors, &inner.key, &mut masked);
        inner.tell(tape, &masked);
    }

    /// Another policy's masks from here on.
    pub fn renew(&self, detectors: Option<Arc<Detectors>>) {
        self.inner().detectors = detectors;
    }

    /// Records what is left.
    pub fn finish(&self, tape: &Tape) {
        let mut inner = self.inner();
        let mut decided = Vec::new();
        if let Some(echo) = &mut inner.echo {
            echo.finish(&mut decided);
        }
        inner.record(tape, &decided, true);
    }
}

impl Inner {
    fn with_echo(&mut self, tape: &Tape, bytes: &[u8], decide: fn(&mut Echo, &[u8], &mut Vec<u8>)) {
        match &mut self.echo {
            None => self.record(tape, bytes, false),
            Some(echo) => {
                let mut decided = Vec::new();
                decide(echo, bytes, &mut decided);
                self.record(tape, &decided, false);
            }
        }
    }

    fn record(&mut self, tape: &Tape, bytes: &[u8], is_last: bool) {
        let Some(detectors) = &self.detectors else { return self.tell(tape, bytes) };
        let mut masked = Vec::with_capacity(bytes.len());
        self.masker.push(detectors, &self.key, bytes, &mut masked);
        if is_last {
            self.masker.finish(detectors, &self.key, &mut masked);
        }
        self.tell(tape, &masked);
    }

    fn tell(&mut self, tape: &Tape, bytes: &[u8]) {
        let mut text = String::new();
        self.text.push(bytes, &mut text);
        if !text.is_empty() {
            tape.push(&Event::Input { command: self.command, text: text.into() });
        }
    }
}
