//! Frames read as they come: pieces of data, and control frames.

use super::frame::{Bad, Head, Kind};

/// How long a head is, in bytes.
const HEAD: usize = 8;

/// Reads one direction of a connection. It holds no more than a control frame.
#[derive(Debug, Default)]
pub struct Reader {
    /// The data that is being read, and how much of it is to come.
    data: Option<(u32, bool, u32)>,
    /// A head, or a control frame, that is not all there yet.
    partial: Vec<u8>,
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A piece of a stream's data.
    Data {
        /// The stream.
        stream: u32,
        /// Whether the stream ends with it.
        is_last: bool,
        /// The bytes.
        data: &'a [u8],
    },
    /// A control frame, whole.
    Control(Control<'a>),
}

/// A control frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control<'a> {
    /// What it is.
    pub kind: Kind,
    /// Whether its sender says no more on the stream.
    pub is_last: bool,
    /// All of it, its head included.
    pub bytes: &'a [u8],
}

impl<'a> Control<'a> {
    /// The stream that it is about; 0 where it is about none.
    pub fn stream(&self) -> u32 {
        match self.kind {
            Kind::Ping | Kind::GoAway => 0,
            _ => self
                .behind(HEAD)
                .first_chunk()
                .map_or(0, |bytes| u32::from_be_bytes(*bytes) & (u32::MAX >> 1)),
        }
    }

    /// Its fields, compressed; empty where its kind has none.
    pub fn block(&self) -> &'a [u8] {
        match self.kind {
            Kind::SynStream => self.behind(HEAD + 10),
            Kind::SynReply | Kind::Headers => self.behind(HEAD + 4),
            _ => &[],
        }
    }

    fn behind(&self, at: usize) -> &'a [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }
}

impl Reader {
    /// Reads all of these bytes; `see` gets what is in them, in order.
    ///
    /// # Errors
    /// Where they are no frames that are understood, and whatever `see` does not want.
    pub fn read<E: From<Bad>>(
        &mut self,
        mut bytes: &[u8],
        mut see: impl FnMut(Part<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            bytes = match self.data.take() {
                Some((stream, ends, left)) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let (data, rest) = bytes.split_at(here);
                    let left = left.saturating_sub(u32::try_from(here).unwrap_or(u32::MAX));
                    self.data = (left > 0).then_some((stream, ends, left));
                    see(Part::Data { stream, is_last: ends && left == 0, data })?;
                    rest
                }
                None => self.head(bytes, &mut see)?,
            };
        }
        Ok(())
    }

    /// Reads as much of a head as there is, and of the control frame behind it.
    fn head<'a, E: From<Bad>>(
        &mut self,
        bytes: &'a [u8],
        see: &mut impl FnMut(Part<'_>) -> Result<(), E>,
    ) -> Result<&'a [u8], E> {
        let rest = self.fill(bytes, HEAD);
        let Some(head) = self.partial.first_chunk::<HEAD>() else { return Ok(rest) };
        match Head::read(*head)? {
            Head::Data { stream, is_last, length } => {
                self.partial.clear();
                self.data = (length > 0).then_some((stream, is_last, length));
                if length == 0 {
                    see(Part::Data { stream, is_last, data: &[] })?;
                }
                Ok(rest)
            }
            Head::Control { kind, flags, length } => {
                let whole = HEAD + usize::try_from(length).unwrap_or(usize::MAX - HEAD);
                let rest = self.fill(rest, whole);
                if self.partial.len() == whole {
                    let bytes = std::mem::take(&mut self.partial);
                    see(Part::Control(Control { kind, is_last: flags != 0, bytes: &bytes }))?;
                }
                Ok(rest)
            }
        }
    }

    /// Holds as many of these bytes as are wanted; returns the rest.
    fn fill<'a>(&mut self, bytes: &'a [u8], whole: usize) -> &'a [u8] {
        let (here, rest) = bytes.split_at(whole.saturating_sub(self.partial.len()).min(bytes.len()));
        self.partial.extend_from_slice(here);
        rest
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects by failing")]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_however_they_come() {
        let mut bytes = Vec::new();
        Head::write_data(3, false, b"hello ", &mut bytes);
        bytes.extend([0x80, 3, 0, 6, 0, 0, 0, 4, 1, 2, 3, 4]);
        Head::write_data(5, false, b"other", &mut bytes);
        Head::write_data(3, true, b"world", &mut bytes);
        Head::write_data(5, true, b"", &mut bytes);
        for step in 1..=bytes.len() {
            let (mut three, mut five, mut pings, mut ends) = (Vec::new(), Vec::new(), 0, Vec::new());
            let mut reader = Reader::default();
            for chunk in bytes.chunks(step) {
                reader
                    .read::<Bad>(chunk, |part| {
                        match part {
                            Part::Data { stream, is_last, data } => {
                                if stream == 3 { &mut three } else { &mut five }.extend_from_slice(data);
                                ends.extend(is_last.then_some(stream));
                            }
                            Part::Control(control) => {
                                assert_eq!(
                                    (control.kind, control.stream(), control.bytes.len()),
                                    (Kind::Ping, 0, 12)
                                );
                                pings += 1;
                            }
                        }
                        Ok(())
                    })
                    .unwrap();
            }
            assert_eq!((&*three, &*five, pings), (&b"hello world"[..], &b"other"[..], 1), "{step} at a time");
            assert_eq!(ends, [3, 5], "{step} at a time");
        }
    }
}
