//! Bytes that come in pieces, as text.

/// Makes valid text of a stream of bytes, however it is split.
///
/// A character whose bytes come in two pieces comes out whole, with the second; up to three bytes wait. What is no UTF-8
/// becomes U+FFFD, as [`String::from_utf8_lossy`] makes it of the whole.
#[derive(Clone, Debug, Default)]
pub struct Utf8Stream {
    /// The beginning of a character, and how long it is.
    begun: [u8; 3],
    length: usize,
}

impl Utf8Stream {
    /// Takes some bytes and appends their text to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut String) {
        let mut rest = bytes;
        while self.length > 0 {
            let Some((first, behind)) = rest.split_first() else { return };
            let mut joined = [0; 4];
            let begun = self.begun.get(..self.length).unwrap_or_default();
            let whole = begun.iter().chain(Some(first));
            joined.iter_mut().zip(whole).for_each(|(to, from)| *to = *from);
            let joined = joined.get(..=self.length).unwrap_or_default();
            match std::str::from_utf8(joined) {
                Ok(character) => {
                    out.push_str(character);
                    (self.length, rest) = (0, behind);
                }
                Err(error) if error.error_len().is_none() && error.valid_up_to() == 0 => {
                    self.keep(joined);
                    rest = behind;
                }
                // The byte belongs to something else: what had begun ends here.
                Err(_) => self.finish(out),
            }
        }
        // Nearly always all of it is text, which this tells several times as fast as what follows.
        if let Ok(text) = std::str::from_utf8(rest) {
            out.push_str(text);
            return;
        }
        let mut chunks = rest.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            out.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if chunks.peek().is_none()
                && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none())
            {
                self.keep(invalid);
            } else if !invalid.is_empty() {
                out.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    /// Ends the stream: a character that was begun becomes U+FFFD.
    pub fn finish(&mut self, out: &mut String) {
        if std::mem::take(&mut self.length) > 0 {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }

    /// How many bytes wait for the rest of their character: at most three.
    pub const fn held(&self) -> usize {
        self.length
    }

    fn keep(&mut self, begun: &[u8]) {
        self.begun.iter_mut().zip(begun).for_each(|(to, from)| *to = *from);
        self.length = begun.len().min(self.begun.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined<'t>(pieces: impl IntoIterator<Item = &'t [u8]>) -> String {
        let (mut stream, mut out) = (Utf8Stream::default(), String::new());
        for piece in pieces {
            stream.push(piece, &mut out);
            assert!(stream.held() <= 3);
        }
        stream.finish(&mut out);
        out
    }

    #[test]
    fn characters_survive_every_split() {
        let text = "żółw 💶 ok".as_bytes();
        for at in 0..=text.len() {
            let (left, right) = text.split_at(at);
            assert_eq!(joined([left, right]), "żółw 💶 ok", "split at {at}");
        }
        let (mut stream, mut out) = (Utf8Stream::default(), String::new());
        stream.push(b"a\xf0\x9f\x92", &mut out);
        assert_eq!((out.as_str(), stream.held()), ("a", 3));
    }

    proptest! {
        #[test]
        fn pieces_are_what_the_whole_is(
            pieces in proptest::collection::vec(
                proptest::collection::vec(
                    prop_oneof![any::<u8>(), Just(0xe2), Just(0x82), Just(0xac), Just(0xf0), Just(0x9f)], 0..6),
                0..12,
            )
        ) {
            let whole = pieces.concat();
            let expected = String::from_utf8_lossy(&whole);
            prop_assert_eq!(joined(pieces.iter().map(Vec::as_slice)), expected.as_ref());
            prop_assert_eq!(joined(whole.chunks(1)), expected.as_ref());
        }
    }
}
