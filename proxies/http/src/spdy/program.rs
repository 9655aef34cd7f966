//! The streams of a program in a pod, as Kubernetes carries them over SPDY: each is a stream of its own, whose fields say which
//! (`v4.channel.k8s.io`; k8s.io/client-go, `tools/remotecommand`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use portcullis_evidence::recording::Stream;
use portcullis_gateway::stream::{Output, Silence};

use super::block::Blocks;
use super::frame::{Bad, Head, Kind};
use super::reader::{Control, Part, Reader};
use crate::mask::{Sought, Unseen};
use crate::streams::{Exited, Program, Size, broken_off};
use crate::tunnel::{FromClient, FromTarget, Shown, Stuck};

/// The longest `Status`, and the longest text in which a size is looked for, in bytes.
const WHOLE: usize = 64 << 10;

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Stdin,
    Stdout,
    Stderr,
    /// How the program ended, as a `Status`.
    Error,
    Resize,
}

/// What a program speaks on.
const SAID: [Role; 3] = [Role::Stdout, Role::Stderr, Role::Error];

impl Role {
    fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"stdin" => Self::Stdin,
            b"stdout" => Self::Stdout,
            b"stderr" => Self::Stderr,
            b"error" => Self::Error,
            b"resize" => Self::Resize,
            _ => return None,
        })
    }
}

/// Which streams there are: the client opens them, the target speaks on them. Each is there once.
#[derive(Clone, Default)]
pub(crate) struct Roles(Arc<Mutex<Vec<(u32, Role)>>>);

impl Roles {
    fn known(&self) -> MutexGuard<'_, Vec<(u32, Role)>> {
        // Every change is one call, so a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, stream: u32) -> Option<Role> {
        self.known().iter().find(|(number, _)| *number == stream).map(|(_, role)| *role)
    }

    fn stream(&self, role: Role) -> Option<u32> {
        self.known().iter().find(|(_, known)| *known == role).map(|(number, _)| *number)
    }

    fn open(&self, stream: u32, role: Role) -> Result<(), Stuck> {
        let mut known = self.known();
        if stream.is_multiple_of(2) || known.iter().any(|(number, is)| *number == stream || *is == role) {
            return Err(Bad::Stream.into());
        }
        known.push((stream, role));
        Ok(())
    }
}

/// What the program says.
pub(crate) struct FromProgram {
    reader: Reader,
    saying: Saying,
}

struct Saying {
    blocks: Blocks,
    sought: Sought,
    program: Program,
    roles: Roles,
    stdout: Output,
    stderr: Output,
    error: Output,
    /// What came of the `Status`, as it came.
    status: Vec<u8>,
}

impl FromProgram {
    pub(crate) fn new(sought: Sought, program: Program, roles: Roles) -> Self {
        let output = |stream| Output::new(stream, sought.detectors.clone(), sought.key.clone());
        let (stdout, stderr, error) =
            (output(Stream::Stdout), output(Stream::Stderr), output(Stream::Stderr));
        let (blocks, status) = Default::default();
        let saying = Saying { blocks, sought, program, roles, stdout, stderr, error, status };
        Self { reader: Reader::default(), saying }
    }
}

impl FromTarget for FromProgram {
    fn push(&mut self, bytes: &mut [u8], shown: &mut Shown) -> Result<(), Stuck> {
        let Self { reader, saying } = self;
        reader.read(bytes, |part| match part {
            Part::Data { stream, is_last, data } => saying.data(stream, is_last, data, shown),
            Part::Control(control) => saying.control(control, shown),
        })
    }

    fn hush(&mut self, silence: &mut Silence, shown: &mut Shown) {
        let show = silence.answer();
        for role in SAID {
            let text = self.saying.output(role).map(show).unwrap_or_default();
            self.saying.tell(role, false, text, shown);
        }
    }

    fn holds(&self) -> bool {
        let Saying { stdout, stderr, error, .. } = &self.saying;
        [stdout, stderr, error].into_iter().any(Output::holds)
    }

    fn finish(&mut self, shown: &mut Shown) {
        for role in SAID {
            self.saying.flush(role, shown);
        }
    }

    fn broken_off(&mut self, why: &str, shown: &mut Shown) {
        let status = Bytes::from(broken_off(why));
        self.saying.tell(Role::Error, true, status, shown);
    }

    fn masked(&self) -> u64 {
        let Saying { stdout, stderr, error, .. } = &self.saying;
        [stdout, stderr, error].into_iter().map(Output::masked).sum()
    }

    fn exited(&self) -> Option<Exited> {
        Exited::of(&self.saying.status)
    }
}

impl Saying {
    fn output(&mut self, role: Role) -> Option<&mut Output> {
        match role {
            Role::Stdout => Some(&mut self.stdout),
            Role::Stderr => Some(&mut self.stderr),
            Role::Error => Some(&mut self.error),
            Role::Stdin | Role::Resize => None,
        }
    }

    fn data(&mut self, stream: u32, is_last: bool, data: &[u8], shown: &mut Shown) -> Result<(), Stuck> {
        let role = self.roles.of(stream).ok_or(Bad::Stream)?;
        match role {
            Role::Stdout | Role::Stderr => self.program.answered(data),
            Role::Error => {
                // What it had to say was said before.
                self.flush(Role::Stdout, shown);
                self.flush(Role::Stderr, shown);
                self.status.extend_from_slice(data);
                if self.status.len() > WHOLE {
                    return Err(Stuck::Long);
                }
            }
            Role::Stdin | Role::Resize if data.is_empty() => {}
            Role::Stdin | Role::Resize => return Err(Stuck::Stream(stream)),
        }
        let text = self.output(role).map(|output| output.push(Bytes::copy_from_slice(data)));
        self.tell(role, false, text.unwrap_or_default(), shown);
        if is_last {
            self.flush(role, shown);
            self.tell(role, true, Bytes::new(), shown);
        }
        Ok(())
    }

    /// What says something of a stream says it behind all that was said on it.
    fn control(&mut self, control: Control<'_>, shown: &mut Shown) -> Result<(), Stuck> {
        match control.kind {
            // Servers open none.
            Kind::SynStream => return Err(Bad::Stream.into()),
            Kind::SynReply | Kind::Headers => {
                seen(&mut self.blocks, control, &self.sought)?;
                let role = self.roles.of(control.stream()).ok_or(Bad::Stream)?;
                if control.is_last {
                    self.flush(role, shown);
                }
            }
            Kind::RstStream => {
                if let Some(role) = self.roles.of(control.stream()) {
                    self.flush(role, shown);
                }
            }
            Kind::GoAway => SAID.iter().for_each(|role| self.flush(*role, shown)),
            Kind::Ping | Kind::WindowUpdate => {}
        }
        shown.out.extend_from_slice(control.bytes);
        Ok(())
    }

    fn flush(&mut self, role: Role, shown: &mut Shown) {
        let text = self.output(role).map(Output::finish).unwrap_or_default();
        self.tell(role, false, text, shown);
    }

    fn tell(&self, role: Role, is_last: bool, text: Bytes, shown: &mut Shown) {
        let Some(stream) = self.roles.stream(role) else { return };
        Head::write_data(stream, is_last, &text, &mut shown.out);
        match role {
            Role::Stdout => shown.say(Stream::Stdout, text),
            Role::Stderr => shown.say(Stream::Stderr, text),
            Role::Stdin | Role::Error | Role::Resize => {}
        }
    }
}

/// Unpacks fields of a target, which go on as they came, or not at all.
pub(super) fn seen(blocks: &mut Blocks, control: Control<'_>, sought: &Sought) -> Result<(), Stuck> {
    for (name, value) in blocks.next(control.block())? {
        if sought.text(&name) != name || sought.text(&value) != value {
            return Err(Unseen::Field.into());
        }
    }
    Ok(())
}

/// What the client says: its input is recorded, and goes on as it is.
pub(crate) struct ToProgram {
    reader: Reader,
    hearing: Hearing,
}

struct Hearing {
    blocks: Blocks,
    program: Program,
    roles: Roles,
    /// Sizes of its terminal, as far as one is not all there yet.
    sizes: Vec<u8>,
}

impl ToProgram {
    pub(crate) fn new(program: Program, roles: Roles) -> Self {
        let (blocks, sizes) = Default::default();
        Self { reader: Reader::default(), hearing: Hearing { blocks, program, roles, sizes } }
    }
}

impl FromClient for ToProgram {
    fn push(&mut self, bytes: &mut [u8]) -> Result<(), Stuck> {
        let Self { reader, hearing } = self;
        reader.read(bytes, |part| match part {
            Part::Data { stream, data, .. } => hearing.data(stream, data),
            Part::Control(control) => hearing.control(control),
        })
    }
}

impl Hearing {
    fn data(&mut self, stream: u32, data: &[u8]) -> Result<(), Stuck> {
        match self.roles.of(stream).ok_or(Bad::Stream)? {
            Role::Stdin => self.program.sent(data),
            Role::Resize => self.resize(data)?,
            Role::Stdout | Role::Stderr | Role::Error if data.is_empty() => {}
            Role::Stdout | Role::Stderr | Role::Error => return Err(Stuck::Stream(stream)),
        }
        Ok(())
    }

    fn resize(&mut self, data: &[u8]) -> Result<(), Stuck> {
        self.sizes.extend_from_slice(data);
        let mut read = 0;
        let mut all = serde_json::Deserializer::from_slice(&self.sizes).into_iter::<Size>();
        while let Some(size) = all.next() {
            match size {
                Ok(size) => self.program.resize(size),
                Err(error) if error.is_eof() => break,
                Err(_) => return Err(Stuck::Size),
            }
            read = all.byte_offset();
        }
        self.sizes.drain(..read.min(self.sizes.len()));
        if self.sizes.len() > WHOLE { Err(Stuck::Long) } else { Ok(()) }
    }

    fn control(&mut self, control: Control<'_>) -> Result<(), Stuck> {
        match control.kind {
            Kind::SynStream => {
                let fields = self.blocks.next(control.block())?;
                let mut named = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"streamtype"));
                let role = named.next().and_then(|(_, value)| Role::of(value)).ok_or(Bad::Stream)?;
                self.roles.open(control.stream(), role)
            }
            // Only who opened nothing agrees to it.
            Kind::SynReply => Err(Bad::Stream.into()),
            Kind::Headers => Ok(self.blocks.next(control.block()).map(drop)?),
            Kind::RstStream | Kind::Ping | Kind::GoAway | Kind::WindowUpdate => Ok(()),
        }
    }
}
