//! Where a packet ends: four bytes of length, which count the type and the body but not themselves.

use super::Malformed;

/// The bytes before a packet's type.
pub const HEADER: usize = 4;

/// The most a packet's length may be: 256 KiB, which is what OpenSSH reads, and room for a header within.
pub const MAX: u32 = 256 * 1024 + 1024;

/// The bytes of the packet at the front of `bytes`, header included: `None` while its length is not there yet.
///
/// # Errors
/// [`Malformed::Length`] for no room for a type, or more than [`MAX`].
pub fn total(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(length) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length);
    if !(1..=MAX).contains(&length) {
        return Err(Malformed::Length(length));
    }
    let body = usize::try_from(length).map_err(|_| Malformed::Length(length))?;
    Ok(Some(body.saturating_add(HEADER)))
}

/// The type and the body of a whole packet.
///
/// # Errors
/// When it is not exactly one packet.
pub fn open(packet: &[u8]) -> Result<(u8, &[u8]), Malformed> {
    match (total(packet)?, packet.get(HEADER..).and_then(<[u8]>::split_first)) {
        (Some(total), Some((kind, body))) if total == packet.len() => Ok((*kind, body)),
        (Some(total), _) if total < packet.len() => Err(Malformed::LeftOver(packet.len() - total)),
        _ => Err(Malformed::Short),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_read_once_it_is_there() {
        let packet = [0, 0, 0, 2, 9, 7, 1];
        for len in 0..HEADER {
            assert_eq!(total(&packet[..len]), Ok(None));
        }
        assert_eq!(total(&packet), Ok(Some(6)));
        assert_eq!(open(&packet[..6]), Ok((9, &[7][..])));
        assert_eq!(open(&packet[..5]), Err(Malformed::Short));
        assert_eq!(open(&packet), Err(Malformed::LeftOver(1)));
    }

    #[test]
    fn monsters_are_refused_by_their_length_alone() {
        for length in [0, MAX + 1, 0x7fff_ffff, u32::MAX] {
            assert_eq!(total(&length.to_be_bytes()), Err(Malformed::Length(length)));
        }
        assert!(total(&MAX.to_be_bytes()).is_ok());
    }
}
