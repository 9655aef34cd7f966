//! Fields of streams, which are compressed from the beginning of a connection to its end, with a dictionary that both sides know
//! (SPDY/3.1, section 2.6.10).

use flate2::{Decompress, FlushDecompress, Status};

use super::frame::Bad;

/// The most that the fields of one frame come to, in bytes, and how many of them there may be.
const MOST: usize = 32 << 10;
const MOST_FIELDS: u32 = 64;

/// Fields of one frame, names and values in the order in which they came.
pub type Block = Vec<(Vec<u8>, Vec<u8>)>;

/// What unpacks the fields of one direction: each of its frames, in their order.
#[derive(Debug)]
pub struct Blocks {
    inflate: Decompress,
    has_begun: bool,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { inflate: Decompress::new(false), has_begun: false }
    }
}

impl Blocks {
    /// Unpacks the fields of the next frame.
    ///
    /// # Errors
    /// Where they are not compressed as they should be, or are more than is read.
    pub fn next(&mut self, packed: &[u8]) -> Result<Block, Bad> {
        let plain = match (self.has_begun, packed.split_first_chunk()) {
            (true, _) => self.inflate(packed)?,
            (false, Some((head, packed))) => {
                self.begin(*head)?;
                self.inflate(packed)?
            }
            (false, None) => return Err(Bad::Packed),
        };
        fields(&plain).ok_or(Bad::Fields)
    }

    /// What zlib puts first (RFC 1950, section 2.2): deflate, and the sum of the dictionary.
    fn begin(&mut self, [method, flags, sum @ ..]: [u8; 6]) -> Result<(), Bad> {
        let is_zlib = method & 0x0f == 8 && u16::from_be_bytes([method, flags]) % 31 == 0;
        if !is_zlib || flags & 0x20 == 0 || u32::from_be_bytes(sum) != DICTIONARY_SUM {
            return Err(Bad::Packed);
        }
        // A dictionary is what might have gone before: it does, as a block that is stored as it is (RFC 1951, section 3.2.4).
        let dictionary = dictionary();
        let length = u16::try_from(dictionary.len()).map_err(|_| Bad::Packed)?;
        let stored = [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &dictionary].concat();
        let before = self.inflate(&stored)?;
        self.has_begun = before == dictionary;
        if self.has_begun { Ok(()) } else { Err(Bad::Packed) }
    }

    fn inflate(&mut self, mut packed: &[u8]) -> Result<Vec<u8>, Bad> {
        let mut plain = vec![0; MOST];
        let mut length = 0;
        loop {
            let out = plain.get_mut(length..).filter(|out| !out.is_empty()).ok_or(Bad::Fields)?;
            let before = (self.inflate.total_in(), self.inflate.total_out());
            let status =
                self.inflate.decompress(packed, out, FlushDecompress::Sync).map_err(|_| Bad::Packed)?;
            let read = usize::try_from(self.inflate.total_in() - before.0).map_err(|_| Bad::Packed)?;
            let written = usize::try_from(self.inflate.total_out() - before.1).map_err(|_| Bad::Packed)?;
            packed = packed.get(read..).ok_or(Bad::Packed)?;
            length += written;
            match status {
                // It goes on from frame to frame.
                Status::StreamEnd => return Err(Bad::Packed),
                _ if read == 0 && written == 0 => break,
                _ => {}
            }
        }
        if !packed.is_empty() {
            return Err(Bad::Packed);
        }
        plain.truncate(length);
        Ok(plain)
    }
}

/// How many there are, then each as two texts with their lengths; no name is there twice.
fn fields(plain: &[u8]) -> Option<Block> {
    let (count, mut rest) = number(plain)?;
    if count > MOST_FIELDS {
        return None;
    }
    let mut all = Block::new();
    for _ in 0..count {
        let (name, behind) = text(rest)?;
        let (value, behind) = text(behind)?;
        rest = behind;
        if name.is_empty() || all.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return None;
        }
        all.push((name.to_vec(), value.to_vec()));
    }
    rest.is_empty().then_some(all)
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk().map(|(number, rest)| (u32::from_be_bytes(*number), rest))
}

fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// Its Adler-32 sum.
const DICTIONARY_SUM: u32 = 0xe3c6_a7c2;

/// Words with their lengths before them, and then text (section 2.6.10.1).
fn dictionary() -> Vec<u8> {
    const WORDS: &[&str] = &[
        "options",
        "head",
        "post",
        "put",
        "delete",
        "trace",
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "accept-ranges",
        "age",
        "allow",
        "authorization",
        "cache-control",
        "connection",
        "content-base",
        "content-encoding",
        "content-language",
        "content-length",
        "content-location",
        "content-md5",
        "content-range",
        "content-type",
        "date",
        "etag",
        "expect",
        "expires",
        "from",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "last-modified",
        "location",
        "max-forwards",
        "pragma",
        "proxy-authenticate",
        "proxy-authorization",
        "range",
        "referer",
        "retry-after",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "vary",
        "via",
        "warning",
        "www-authenticate",
        "method",
        "get",
        "status",
        "200 OK",
        "version",
        "HTTP/1.1",
        "url",
        "public",
        "set-cookie",
        "keep-alive",
        "origin",
    ];
    const TEXT: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505\
        203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized\
        403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable\
        Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT\
        chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,\
        text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
    let lengthy = |word: &&str| [&(word.len() as u32).to_be_bytes(), word.as_bytes()].concat();
    let mut all: Vec<u8> = WORDS.iter().flat_map(lengthy).collect();
    all.extend_from_slice(TEXT.as_bytes());
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test states what it expects by failing")]
mod tests {
    use super::*;

    /// The head and stored blocks, which need no compressing.
    fn stored(first: bool, plain: &[u8]) -> Vec<u8> {
        let length = u16::try_from(plain.len()).unwrap();
        let head: &[u8] = if first { &[0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2] } else { &[] };
        [head, &[0], &length.to_le_bytes(), &(!length).to_le_bytes(), plain].concat()
    }

    fn written(pairs: &[(&str, &str)]) -> Vec<u8> {
        let text = |text: &str| [&u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat();
        let mut all = u32::try_from(pairs.len()).unwrap().to_be_bytes().to_vec();
        pairs.iter().for_each(|(name, value)| all.extend([text(name), text(value)].concat()));
        all
    }

    #[test]
    fn the_dictionary_is_the_one_that_everybody_has() {
        let (mut low, mut high) = (1_u32, 0_u32);
        for byte in dictionary() {
            low = (low + u32::from(byte)) % 65_521;
            high = (high + low) % 65_521;
        }
        assert_eq!(high << 16 | low, DICTIONARY_SUM);
    }

    /// What zlib makes of two frames, of which the second can be read only behind the first.
    #[test]
    fn what_others_compress_is_read() {
        #[rustfmt::skip]
        let (one, two) = (
            [0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2, 0x02, 0xa6, 0x23, 0x46, 0x70, 0x3a, 0x2b, 0x29, 0x4a, 0x4d, 0xcc, 0x85, 0x16, 0x25, 0xc0, 0x14, 0x9b, 0x92, 0x5f, 0x5a, 0x02, 0x00, 0x00, 0x00, 0xff, 0xff],
            [0xc2, 0x29, 0x97, 0x5a, 0x54, 0x04, 0x00, 0x00, 0x00, 0xff, 0xff],
        );
        let mut blocks = Blocks::default();
        assert_eq!(blocks.next(&one).unwrap(), [(b"streamtype".to_vec(), b"stdout".to_vec())]);
        assert_eq!(blocks.next(&two).unwrap(), [(b"streamtype".to_vec(), b"stderr".to_vec())]);
        assert_eq!(blocks.next(&stored(false, &written(&[]))).unwrap(), []);
        assert_eq!(Blocks::default().next(&two), Err(Bad::Packed), "it goes on with nothing");
        assert_eq!(Blocks::default().next(&[0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2]), Err(Bad::Fields));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let no_dictionary = [&[0x78, 0x9c, 0, 0, 0, 0][..], &stored(false, &written(&[]))].concat();
        let other_dictionary = [&[0x78, 0xbb, 1, 2, 3, 4][..], &stored(false, &written(&[]))].concat();
        let mut ended = stored(true, &written(&[]));
        ended[6] = 1;
        let long = "x".repeat(MOST);
        let many: Vec<String> = (0..65).map(|number| format!("n{number}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
        #[rustfmt::skip]
        let cases: &[(&str, Vec<u8>, Bad)] = &[
            ("no dictionary", no_dictionary, Bad::Packed),
            ("another dictionary", other_dictionary, Bad::Packed),
            ("an end of the compression", ended, Bad::Packed),
            ("a name twice", stored(true, &written(&[("a", "1"), ("A", "2")])), Bad::Fields),
            ("more than it says", stored(true, &[&written(&[])[..], b"more"].concat()), Bad::Fields),
            ("less than it says", stored(true, &[0, 0, 0, 1, 0, 0, 0, 9, b'x']), Bad::Fields),
            ("too many", stored(true, &written(&many)), Bad::Fields),
            ("too long", stored(true, &written(&[("a", &long)])), Bad::Fields),
        ];
        for (name, packed, expected) in cases {
            assert_eq!(Blocks::default().next(packed), Err(*expected), "{name}");
        }
    }
}
