//! Where a message ends: a type byte and a length that counts itself but not the type.

use super::Malformed;

/// The bytes of a header.
pub const HEADER: usize = 5;

/// A message's type and the length of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The type byte.
    pub tag: u8,
    /// Bytes of body that follow the header.
    pub body: usize,
}

impl Header {
    /// Bytes of the whole message.
    #[must_use]
    pub fn total(self) -> usize {
        self.body.saturating_add(HEADER)
    }
}

/// Reads the header at the front of `bytes`: `None` while fewer than five are there.
///
/// # Errors
/// [`Malformed::Length`] for a length below 4. Caps are the types' own: see `frontend` and `backend`.
pub fn header(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some([tag, length @ ..]) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length);
    let body = length.checked_sub(4).ok_or(Malformed::Length(length))?;
    let body = usize::try_from(body).map_err(|_| Malformed::Length(length))?;
    Ok(Some(Header { tag: *tag, body }))
}

/// The most that PostgreSQL itself reads or writes as one message (`MaxAllocSize`).
pub const LARGEST: usize = 0x3fff_ffff;

/// Checks `header` against the most its type may have, in bytes of body.
///
/// # Errors
/// [`Malformed::TooLong`] beyond `cap`.
pub(crate) fn within(header: Header, cap: usize) -> Result<(), Malformed> {
    if header.body <= cap {
        return Ok(());
    }
    let count = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    Err(Malformed::TooLong { tag: header.tag, length: count(header.body.saturating_add(4)), cap: count(cap) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_once_five_bytes_are_there() {
        let bytes = [b'Q', 0, 0, 0, 9, b'x'];
        for len in 0..HEADER {
            assert_eq!(header(&bytes[..len]), Ok(None));
        }
        assert_eq!(header(&bytes), Ok(Some(Header { tag: b'Q', body: 5 })));
    }

    #[test]
    fn lengths_that_do_not_count_themselves_are_refused() {
        for length in 0..4_u32 {
            let [a, b, c, d] = length.to_be_bytes();
            assert_eq!(header(&[b'S', a, b, c, d]), Err(Malformed::Length(length)));
        }
        assert_eq!(header(&[b'S', 0, 0, 0, 4]), Ok(Some(Header { tag: b'S', body: 0 })));
    }

    #[test]
    fn the_largest_lengths_are_over_every_cap() {
        for length in [0x7fff_ffff_u32, u32::MAX] {
            let [a, b, c, d] = length.to_be_bytes();
            let header = header(&[b'd', a, b, c, d]).unwrap().unwrap();
            assert!(matches!(within(header, LARGEST), Err(Malformed::TooLong { .. })));
        }
    }
}
