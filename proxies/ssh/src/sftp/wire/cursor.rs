//! Reading one packet's body, to its last byte, and writing one.

use crate::sftp::path;

/// A packet that does not keep the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A length that leaves no room for a type, or beyond the cap.
    #[error("packet length {0} is out of bounds")]
    Length(u32),
    /// A type that the peer may not send.
    #[error("unknown packet type {0}")]
    Type(u8),
    /// The body ends before what it announces.
    #[error("packet ends early")]
    Short,
    /// The body goes on after its last field.
    #[error("packet has {0} bytes after its last field")]
    LeftOver(usize),
    /// A path that is no text, or that no file can have.
    #[error(transparent)]
    Path(#[from] path::Unusable),
    /// Text that is not UTF-8.
    #[error("text is not valid UTF-8")]
    Encoding,
    /// A field with a value that it can't have.
    #[error("field `{0}` has an impossible value")]
    Field(&'static str),
    /// An extended request that nobody here knows.
    #[error("unknown extended request")]
    Extension,
}

/// A packet's body, read from the front. [`Cursor::end`] refuses what is left over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    /// Bytes behind their length.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let count = usize::try_from(self.u32()?).map_err(|_| Malformed::Short)?;
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::Encoding)
    }

    /// A path, as the client wrote it.
    pub(super) fn path(&mut self) -> Result<&'a str, Malformed> {
        Ok(path::readable(self.bytes()?)?)
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

/// A packet being written: its length is filled in at the end.
#[derive(Debug)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new(kind: u8) -> Self {
        Self(vec![0, 0, 0, 0, kind])
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn bytes(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut this = self.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        this.0.extend_from_slice(bytes);
        this
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len().saturating_sub(4)).unwrap_or(u32::MAX);
        if let Some(head) = self.0.first_chunk_mut::<4>() {
            *head = length.to_be_bytes();
        }
        self.0
    }
}
