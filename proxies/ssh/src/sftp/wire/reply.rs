//! What targets answer, as far as it matters to who may do what.

use super::cursor::{Cursor, Malformed, Writer};
use super::extension::Extension;
use super::{extension, frame, request};

const VERSION: u8 = 2;
const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const DATA: u8 = 103;
const NAME: u8 = 104;
const ATTRS: u8 = 105;
const EXTENDED_REPLY: u8 = 201;

/// The most bytes that a handle may have (draft-02, section 6.2).
pub const MAX_HANDLE: usize = 256;

/// How a request ended (draft-02, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u32);

impl Code {
    /// It did what was asked.
    pub const OK: Self = Self(0);
    /// There is no more to read.
    pub const EOF: Self = Self(1);
    /// It may not be done.
    pub const PERMISSION_DENIED: Self = Self(3);
    /// It went wrong.
    pub const FAILURE: Self = Self(4);
    /// The request keeps no form.
    pub const BAD_MESSAGE: Self = Self(5);
    /// There is no such request.
    pub const OP_UNSUPPORTED: Self = Self(8);
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = match self.0 {
            0 => "ok",
            1 => "end of file",
            2 => "no such file",
            3 => "permission denied",
            4 => "failure",
            5 => "bad message",
            6 => "no connection",
            7 => "connection lost",
            8 => "operation unsupported",
            other => return write!(f, "code {other}"),
        };
        f.write_str(words)
    }
}

/// An answer, without its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// How it ended.
    Status(Code),
    /// A handle to what was opened.
    Handle(&'a [u8]),
    /// What was read.
    Data(&'a [u8]),
    /// Names, undecoded: a count, and for each a name, a line for people and attributes.
    Names(&'a [u8]),
    /// Attributes, undecoded.
    Attributes(&'a [u8]),
    /// The answer to an extended request, undecoded.
    Extended(&'a [u8]),
}

impl<'a> Answer<'a> {
    /// Decodes a whole packet: an id and the answer.
    ///
    /// # Errors
    /// A type that is no answer (VERSION included), fields that end early, bytes left over, a handle that is too long.
    pub fn decode(packet: &'a [u8]) -> Result<(u32, Self), Malformed> {
        let (kind, body) = frame::open(packet)?;
        let mut c = Cursor::new(body);
        let id = c.u32()?;
        let rest = body.get(4..).unwrap_or_default();
        Ok((
            id,
            match kind {
                STATUS => {
                    let code = Code(c.u32()?);
                    // Message and language are missing where a target keeps to versions before 3.
                    if !c.is_empty() {
                        c.bytes()?;
                        c.bytes()?;
                    }
                    c.end()?;
                    Self::Status(code)
                }
                HANDLE => {
                    let handle = c.bytes()?;
                    c.end()?;
                    if handle.len() > MAX_HANDLE {
                        return Err(Malformed::Field("handle"));
                    }
                    Self::Handle(handle)
                }
                DATA => {
                    let data = c.bytes()?;
                    c.end()?;
                    Self::Data(data)
                }
                NAME => Self::Names(rest),
                ATTRS => Self::Attributes(rest),
                EXTENDED_REPLY => Self::Extended(rest),
                other => return Err(Malformed::Type(other)),
            },
        ))
    }
}

/// The first name of a NAME's body: the path that REALPATH answers with.
///
/// # Errors
/// When there is none, or it is no path.
pub fn first_name(names: &[u8]) -> Result<&str, Malformed> {
    let mut c = Cursor::new(names);
    if c.u32()? == 0 {
        return Err(Malformed::Field("count"));
    }
    c.path()
}

/// What a target's VERSION says: its version, and those of its extensions that are known here.
///
/// # Errors
/// Another type, or fields that end early.
pub fn version(packet: &[u8]) -> Result<(u32, Vec<Extension>), Malformed> {
    let (VERSION, body) = frame::open(packet)? else { return Err(Malformed::Type(frame::open(packet)?.0)) };
    let mut c = Cursor::new(body);
    let version = c.u32()?;
    let mut known = Vec::new();
    while !c.is_empty() {
        let (name, data) = (c.bytes()?, c.bytes()?);
        let same = |(n, d): &&(&str, &str)| n.as_bytes() == name && d.as_bytes() == data;
        known.extend(extension::KNOWN.iter().find(same).filter(|one| !known.contains(*one)).copied());
    }
    Ok((version, known))
}

/// VERSION, as the gateway answers a client.
#[must_use]
pub fn write_version(extensions: &[(&str, &str)]) -> Vec<u8> {
    let start = Writer::new(VERSION).u32(request::VERSION);
    extensions.iter().fold(start, |writer, (name, data)| writer.bytes(name).bytes(data)).end()
}

/// STATUS, with words for whoever reads it, of which at most 1 KiB is sent.
#[must_use]
pub fn write_status(id: u32, code: Code, message: &str) -> Vec<u8> {
    let end =
        (0..=message.len().min(1024)).rev().find(|end| message.is_char_boundary(*end)).unwrap_or_default();
    let message = message.get(..end).unwrap_or_default();
    Writer::new(STATUS).u32(id).u32(code.0).bytes(message).bytes("en").end()
}
