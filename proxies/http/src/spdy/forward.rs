//! A tunnel to a port of a pod (`portforward.k8s.io`), by itself or within a WebSocket (`SPDY/3.1+portforward.k8s.io`): two
//! streams a connection, whose bytes nobody here understands. The target's credential is watched for in each.

use std::collections::BTreeMap;

use bytes::Bytes;
use portcullis_evidence::recording::Stream;
use portcullis_gateway::stream::{Output, Silence};

use super::block::Blocks;
use super::frame::{Bad, Head, Kind};
use super::program::seen;
use super::reader::{Control, Part, Reader};
use crate::mask::{Sought, Unseen};
use crate::tunnel::{FromTarget, Shown, Stuck};
use crate::websocket;

/// The most streams that are open at a time: two for each connection to a port.
const MOST: usize = 1024;

/// What comes out of a port.
pub(crate) struct Forward {
    /// The messages that it comes in, where it comes in a WebSocket.
    messages: Option<websocket::Reader>,
    inner: Inner,
}

struct Inner {
    reader: Reader,
    watching: Watching,
}

struct Watching {
    blocks: Blocks,
    sought: Sought,
    streams: BTreeMap<u32, Output>,
}

impl Forward {
    pub(crate) fn new(sought: Sought, in_messages: bool) -> Self {
        let messages = in_messages.then(|| websocket::Reader::new(websocket::Sender::Server));
        let (blocks, streams) = Default::default();
        let watching = Watching { blocks, sought, streams };
        Self { messages, inner: Inner { reader: Reader::default(), watching } }
    }
}

impl FromTarget for Forward {
    fn push(&mut self, bytes: &mut [u8], shown: &mut Shown) -> Result<(), Stuck> {
        let Self { messages, inner } = self;
        let Some(messages) = messages else { return inner.push(bytes, &mut shown.out) };
        messages.read(bytes, |part| match part {
            websocket::Part::Control(opcode, payload) => {
                if opcode == websocket::Opcode::Close {
                    let mut out = Vec::new();
                    inner.watching.show(Output::finish, &mut out);
                    message(&out, shown);
                }
                websocket::control(opcode, payload, &inner.watching.sought, shown)
            }
            websocket::Part::Piece { kind: websocket::Opcode::Binary, data, .. } => {
                let mut out = Vec::new();
                inner.push(data, &mut out)?;
                message(&out, shown);
                Ok(())
            }
            websocket::Part::Piece { .. } => Err(Stuck::Text),
        })
    }

    fn hush(&mut self, silence: &mut Silence, shown: &mut Shown) {
        let mut out = Vec::new();
        self.inner.watching.show(silence.answer(), &mut out);
        match self.messages {
            Some(_) => message(&out, shown),
            None => shown.out.extend_from_slice(&out),
        }
    }

    fn holds(&self) -> bool {
        self.inner.watching.streams.values().any(Output::holds)
    }

    fn finish(&mut self, shown: &mut Shown) {
        let mut out = Vec::new();
        self.inner.watching.show(Output::finish, &mut out);
        match self.messages {
            Some(_) => message(&out, shown),
            None => shown.out.extend_from_slice(&out),
        }
    }

    fn masked(&self) -> u64 {
        0
    }
}

fn message(payload: &[u8], shown: &mut Shown) {
    if !payload.is_empty() {
        websocket::Header::write(websocket::Opcode::Binary, true, payload.len(), &mut shown.out);
        shown.out.extend_from_slice(payload);
    }
}

impl Inner {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Stuck> {
        let Self { reader, watching } = self;
        reader.read(bytes, |part| match part {
            Part::Data { stream, is_last, data } => watching.data(stream, is_last, data, out),
            Part::Control(control) => watching.control(control, out),
        })
    }
}

impl Watching {
    fn data(&mut self, stream: u32, is_last: bool, data: &[u8], out: &mut Vec<u8>) -> Result<(), Stuck> {
        if self.streams.len() >= MOST && !self.streams.contains_key(&stream) {
            return Err(Stuck::Many);
        }
        let Sought { detectors, key, .. } = &self.sought;
        let watched = self
            .streams
            .entry(stream)
            .or_insert_with(|| Output::new(Stream::default(), detectors.clone(), key.clone()));
        let text = watched.push(Bytes::copy_from_slice(data));
        let rest = if is_last { watched.finish() } else { Bytes::new() };
        let found = watched.masked() > 0;
        if is_last {
            self.streams.remove(&stream);
        }
        if found {
            return Err(Unseen::Credential.into());
        }
        Head::write_data(stream, false, &text, out);
        Head::write_data(stream, is_last, &rest, out);
        Ok(())
    }

    fn control(&mut self, control: Control<'_>, out: &mut Vec<u8>) -> Result<(), Stuck> {
        match control.kind {
            // Servers open none.
            Kind::SynStream => return Err(Bad::Stream.into()),
            Kind::SynReply | Kind::Headers => {
                seen(&mut self.blocks, control, &self.sought)?;
                if control.is_last {
                    self.end(control.stream(), out)?;
                }
            }
            Kind::RstStream => self.end(control.stream(), out)?,
            Kind::GoAway => self.show(Output::finish, out),
            Kind::Ping | Kind::WindowUpdate => {}
        }
        out.extend_from_slice(control.bytes);
        Ok(())
    }

    /// No more comes on a stream.
    fn end(&mut self, stream: u32, out: &mut Vec<u8>) -> Result<(), Stuck> {
        if let Some(mut watched) = self.streams.remove(&stream) {
            let rest = watched.finish();
            if watched.masked() > 0 {
                return Err(Unseen::Credential.into());
            }
            Head::write_data(stream, false, &rest, out);
        }
        Ok(())
    }

    /// What is held back, where it is no credential: one that is found now ends the tunnel when more comes.
    fn show(&mut self, how: fn(&mut Output) -> Bytes, out: &mut Vec<u8>) {
        for (stream, watched) in &mut self.streams {
            let text = how(watched);
            if watched.masked() == 0 {
                Head::write_data(*stream, false, &text, out);
            }
        }
    }
}
