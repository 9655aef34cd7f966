//! Reading one message's body, to its last byte.

/// A message that does not keep the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A length below the four bytes that it counts itself.
    #[error("message length {0} is below 4")]
    Length(u32),
    /// A length beyond what its type may have.
    #[error("message `{}` of {length} bytes is longer than the {cap} allowed", char::from(*tag))]
    TooLong {
        /// The message's type.
        tag: u8,
        /// Its length, without the type byte.
        length: u32,
        /// The most it may be.
        cap: u32,
    },
    /// A type that the peer may not send at this point.
    #[error("unknown message type 0x{0:02x}")]
    Type(u8),
    /// The body ends before what it announces.
    #[error("message ends early")]
    Short,
    /// The body goes on after its last field.
    #[error("message has {0} bytes after its last field")]
    LeftOver(usize),
    /// A string without its terminating zero byte.
    #[error("string without its terminating zero byte")]
    Unterminated,
    /// Text that is not UTF-8.
    #[error("text is not valid UTF-8")]
    Encoding,
    /// A field with a value that it can't have.
    #[error("field `{0}` has an impossible value")]
    Field(&'static str),
}

/// A message's body, read from the front. [`Cursor::end`] refuses what is left over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// The bytes not read yet.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// A zero-terminated string in UTF-8, the encoding that both legs are pinned to.
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        let end = memchr::memchr(0, self.0).ok_or(Malformed::Unterminated)?;
        let text = self.take(end)?;
        self.take(1)?;
        std::str::from_utf8(text).map_err(|_| Malformed::Encoding)
    }

    pub(super) fn end(self) -> Result<(), Malformed> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(Malformed::LeftOver(left)),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*array)
    }
}
