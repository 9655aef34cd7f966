//! The streams of a program in a pod, as Kubernetes carries them over a WebSocket: a message begins with the channel it is for
//! (`v4.channel.k8s.io`, `v5.channel.k8s.io`; k8s.io/client-go, `tools/remotecommand`).

use bytes::Bytes;
use portcullis_evidence::recording::Stream;
use portcullis_gateway::stream::{Output, Silence};

use super::messages::control;
use super::{Header, Opcode, Part, Reader, Sender};
use crate::mask::Sought;
use crate::streams::{Exited, Program, Size, broken_off};
use crate::tunnel::{FromClient, FromTarget, Shown, Stuck};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
/// How the program ended, as a `Status`.
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// Closes another channel; of the fifth version.
const CLOSE: u8 = 255;

/// The longest message of the channels that are read as a whole, in bytes.
const WHOLE: usize = 64 << 10;

/// What the program says.
pub(crate) struct FromProgram {
    reader: Reader,
    saying: Saying,
}

struct Saying {
    sought: Sought,
    program: Program,
    stdout: Output,
    stderr: Output,
    /// Of the message that is being read: its channel, once that is there.
    channel: Option<u8>,
    /// The same of a channel that is read as a whole.
    whole: Vec<u8>,
    exited: Option<Exited>,
    /// Whether the version that was agreed on can close a channel.
    closes: bool,
}

impl FromProgram {
    pub(crate) fn new(sought: Sought, program: Program, closes: bool) -> Self {
        let output = |stream| Output::new(stream, sought.detectors.clone(), sought.key.clone());
        let (stdout, stderr) = (output(Stream::Stdout), output(Stream::Stderr));
        let saying = Saying {
            sought,
            program,
            stdout,
            stderr,
            channel: None,
            whole: Vec::new(),
            exited: None,
            closes,
        };
        Self { reader: Reader::new(Sender::Server), saying }
    }
}

impl FromTarget for FromProgram {
    fn push(&mut self, bytes: &mut [u8], shown: &mut Shown) -> Result<(), Stuck> {
        let Self { reader, saying } = self;
        reader.read(bytes, |part| saying.say(part, shown))
    }

    fn hush(&mut self, silence: &mut Silence, shown: &mut Shown) {
        let show = silence.answer();
        let (out, err) = (show(&mut self.saying.stdout), show(&mut self.saying.stderr));
        tell(STDOUT, out, shown);
        tell(STDERR, err, shown);
    }

    fn holds(&self) -> bool {
        self.saying.stdout.holds() || self.saying.stderr.holds()
    }

    fn finish(&mut self, shown: &mut Shown) {
        self.saying.flush(shown);
    }

    fn broken_off(&mut self, why: &str, shown: &mut Shown) {
        write(ERROR, &broken_off(why), shown);
        // A client believes a `Status` once nothing can follow it: closed as it should be (RFC 6455, section 7.4.1).
        Header::write(Opcode::Close, true, 2, &mut shown.out);
        shown.out.extend(1000_u16.to_be_bytes());
    }

    fn masked(&self) -> u64 {
        self.saying.stdout.masked() + self.saying.stderr.masked()
    }

    fn exited(&self) -> Option<Exited> {
        self.saying.exited
    }
}

impl Saying {
    fn say(&mut self, part: Part<'_>, shown: &mut Shown) -> Result<(), Stuck> {
        let (is_first, is_last, mut data) = match part {
            Part::Control(opcode, payload) => {
                if opcode == Opcode::Close {
                    self.flush(shown);
                }
                return control(opcode, payload, &self.sought, shown);
            }
            Part::Piece { kind: Opcode::Binary, is_first, is_last, data } => (is_first, is_last, data),
            Part::Piece { .. } => return Err(Stuck::Text),
        };
        if is_first {
            (self.channel, self.whole) = (None, Vec::new());
        }
        if self.channel.is_none()
            && let Some((channel, rest)) = data.split_first()
        {
            (self.channel, data) = (Some(*channel), rest);
        }
        match self.channel {
            Some(STDOUT) => {
                self.program.answered(data);
                tell(STDOUT, self.stdout.push(Bytes::copy_from_slice(data)), shown);
            }
            Some(STDERR) => {
                self.program.answered(data);
                tell(STDERR, self.stderr.push(Bytes::copy_from_slice(data)), shown);
            }
            Some(channel @ (ERROR | CLOSE)) => {
                self.whole.extend_from_slice(data);
                if self.whole.len() > WHOLE {
                    return Err(Stuck::Long);
                }
                if is_last {
                    self.whole(channel, shown)?;
                }
            }
            Some(channel) => return Err(Stuck::Channel(channel)),
            // An empty message, as servers send at the beginning to see whether the connection carries any.
            None => {}
        }
        Ok(())
    }

    fn whole(&mut self, channel: u8, shown: &mut Shown) -> Result<(), Stuck> {
        let message = std::mem::take(&mut self.whole);
        if channel == CLOSE {
            // It names one channel. More than that would be a text that nothing has looked through.
            match *message {
                [STDOUT] if self.closes => tell(STDOUT, self.stdout.finish(), shown),
                [STDERR] if self.closes => tell(STDERR, self.stderr.finish(), shown),
                [_] if self.closes => {}
                _ => return Err(Stuck::Close),
            }
            write(CLOSE, &message, shown);
            return Ok(());
        }
        self.flush(shown);
        self.exited = Exited::of(&message).or(self.exited);
        write(ERROR, &self.sought.text(&message), shown);
        Ok(())
    }

    fn flush(&mut self, shown: &mut Shown) {
        tell(STDOUT, self.stdout.finish(), shown);
        tell(STDERR, self.stderr.finish(), shown);
    }
}

fn tell(channel: u8, data: Bytes, shown: &mut Shown) {
    if !data.is_empty() {
        write(channel, &data, shown);
        shown.say(if channel == STDOUT { Stream::Stdout } else { Stream::Stderr }, data);
    }
}

fn write(channel: u8, data: &[u8], shown: &mut Shown) {
    Header::write(Opcode::Binary, true, data.len() + 1, &mut shown.out);
    shown.out.push(channel);
    shown.out.extend_from_slice(data);
}

/// What the client says: its input is recorded, and goes on as it is. The server (golang.org/x/net/websocket) takes each frame for a
/// message with a channel of its own.
pub(crate) struct ToProgram {
    reader: Reader,
    program: Program,
    channel: Option<u8>,
    whole: Vec<u8>,
}

impl ToProgram {
    pub(crate) const fn new(program: Program) -> Self {
        let reader = Reader::of_whole_messages(Sender::Client);
        Self { reader, program, channel: None, whole: Vec::new() }
    }
}

impl FromClient for ToProgram {
    fn push(&mut self, bytes: &mut [u8]) -> Result<(), Stuck> {
        let Self { reader, program, channel, whole } = self;
        reader.read(bytes, |part| {
            let (is_first, is_last, mut data) = match part {
                Part::Control(..) => return Ok(()),
                Part::Piece { kind: Opcode::Binary, is_first, is_last, data } => (is_first, is_last, data),
                Part::Piece { .. } => return Err(Stuck::Text),
            };
            if is_first {
                (*channel, *whole) = (None, Vec::new());
            }
            if channel.is_none()
                && let Some((first, rest)) = data.split_first()
            {
                (*channel, data) = (Some(*first), rest);
            }
            match channel {
                Some(STDIN) => program.sent(data),
                Some(RESIZE) => {
                    whole.extend_from_slice(data);
                    if whole.len() > WHOLE {
                        return Err(Stuck::Long);
                    }
                    if is_last && let Some(size) = Size::of(whole) {
                        program.resize(size);
                    }
                }
                Some(CLOSE) | None => {}
                Some(other) => return Err(Stuck::Channel(*other)),
            }
            Ok(())
        })
    }
}
