//! Known secrets: the credentials of a target, wherever its streams repeat them.

use std::fmt;

use aho_corasick::{AhoCorasick, Input, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::DetectorsError;
use super::detect::{Hit, View};

/// Secrets to find as they are, in base64 and URL-encoded, and each of these as it stands in a JSON string.
///
/// A secret inside longer base64 is found whatever its alignment, but for up to two characters at its edges
/// that also encode its neighbours.
#[derive(Clone)]
pub struct Literals {
    search: AhoCorasick,
    patterns: Vec<Box<[u8]>>,
    /// Which bytes begin a pattern.
    begins: Box<[bool; 256]>,
    longest: usize,
}

impl Literals {
    /// Shorter secrets would be found where they are not; they are left out.
    pub const MIN_BYTES: usize = 16;

    /// Prepares the search; `Ok(None)` if no secret is long enough.
    ///
    /// # Errors
    /// When the secrets are too many or too long for one automaton (gigabytes).
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s [u8]>) -> Result<Option<Self>, DetectorsError> {
        let secrets = secrets.into_iter().filter(|secret| secret.len() >= Self::MIN_BYTES);
        let mut patterns: Vec<_> = secrets.flat_map(forms).map(Vec::into_boxed_slice).collect();
        patterns.sort();
        patterns.dedup();
        if patterns.is_empty() {
            return Ok(None);
        }
        // The error's text speaks of sizes, not of patterns.
        let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns);
        let search = search.map_err(|error| DetectorsError(error.to_string()))?;
        let mut begins = Box::new([false; 256]);
        for byte in patterns.iter().filter_map(|pattern| pattern.first()) {
            if let Some(begins) = begins.get_mut(usize::from(*byte)) {
                *begins = true;
            }
        }
        let longest = patterns.iter().map(|pattern| pattern.len()).max().unwrap_or_default();
        Ok(Some(Self { search, patterns, begins, longest }))
    }

    /// The length of the longest pattern in bytes: how much of a stream may have to be held back.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Where the first one begins.
    pub(super) fn first(&self, text: &[u8]) -> Option<usize> {
        self.search.find(text).map(|found| found.start())
    }

    /// Where the first one begins that does not begin before `from`.
    pub(super) fn next(&self, text: &[u8], from: usize) -> Option<usize> {
        self.search.find(Input::new(text).range(from.min(text.len())..)).map(|found| found.start())
    }

    /// Whether this stands in one of them.
    pub(super) fn contain(&self, part: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| memchr::memmem::find(pattern, part).is_some())
    }

    /// Adds what begins at `from` or later, and says where to go on once more text is there.
    pub(super) fn scan(&self, view: View<'_>, from: usize, hits: &mut Vec<Hit>) -> usize {
        let decided = if view.ended { view.text.len() } else { self.first_unfinished(view.text, from) };
        let mut at = from;
        // Every place is tried: of two secrets that overlap, both are masked.
        while let Some(found) = self.search.find(Input::new(view.text).range(at.min(view.text.len())..)) {
            if found.start() >= decided {
                break;
            }
            hits.push(Hit { detector: None, start: found.start(), end: found.end() });
            at = found.start() + 1;
        }
        decided
    }

    /// From where on the text, to its end, is at least half of the shortest secret, and the beginning of one.
    pub(super) fn begun(&self, text: &[u8]) -> Option<usize> {
        let at = self.first_unfinished(text, 0);
        let last = text.len().checked_sub(Self::MIN_BYTES / 2)?;
        (at <= last).then_some(at)
    }

    /// The first place from which the text, to its end, may be the beginning of a pattern.
    fn first_unfinished(&self, text: &[u8], from: usize) -> usize {
        let floor = from.max(text.len().saturating_sub(self.longest - 1));
        let may_begin = |at: &usize| {
            let rest = text.get(*at..).unwrap_or_default();
            let begins = rest.first().is_some_and(|byte| self.begins.get(usize::from(*byte)) == Some(&true));
            begins
                && self.patterns.iter().any(|pattern| pattern.len() > rest.len() && pattern.starts_with(rest))
        };
        (floor..text.len()).find(may_begin).unwrap_or(text.len())
    }
}

impl fmt::Debug for Literals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Literals({} patterns)", self.patterns.len())
    }
}

/// A secret as it is, in both alphabets of base64 at each alignment, and URL-encoded.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![secret.to_vec()];
    for alignment in 0..3 {
        let mut bytes = vec![0; alignment];
        bytes.extend_from_slice(secret);
        // The characters that encode this secret's bits and no others.
        let inner = (alignment * 8).div_ceil(6)..bytes.len() * 8 / 6;
        for encoded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            forms.extend(encoded.as_bytes().get(inner.clone()).map(<[u8]>::to_vec));
        }
    }
    forms.extend([url_encoded(secret, true), url_encoded(secret, false)]);
    let plus = url_encoded(secret, true);
    if secret.contains(&b' ') {
        forms.push(String::from_utf8_lossy(&plus).replace("%20", "+").into_bytes());
    }
    let in_json: Vec<_> = forms.iter().flat_map(|form| in_json(form)).collect();
    forms.extend(in_json);
    forms
}

/// What common writers make of it in a JSON string: beside what JSON asks for, each escapes what it takes for dangerous there. What is
/// no text is in no such string.
fn in_json(form: &[u8]) -> Vec<Vec<u8>> {
    let Ok(text) = std::str::from_utf8(form) else { return Vec::new() };
    const WRITERS: [Writer; 9] = [
        Writer { escapes: "", ascii: false, upper: false },
        // Python.
        Writer { escapes: "", ascii: true, upper: false },
        // PHP, as it is and with `JSON_UNESCAPED_UNICODE`.
        Writer { escapes: "/", ascii: true, upper: false },
        Writer { escapes: "/", ascii: false, upper: false },
        // Go and Rails.
        Writer { escapes: "<>&", ascii: false, upper: false },
        // Gson.
        Writer { escapes: "<>&='", ascii: false, upper: false },
        // What Flask puts into pages, and Django where all else is ASCII.
        Writer { escapes: "<>&'", ascii: true, upper: false },
        Writer { escapes: "<>&", ascii: true, upper: true },
        // .NET.
        Writer { escapes: "<>&'+`\"", ascii: true, upper: true },
    ];
    let written = WRITERS.iter().map(|writer| text.chars().map(|c| writer.write(c)).collect::<String>());
    written.map(String::into_bytes).filter(|written| written != form).collect()
}

/// How a writer of JSON writes strings.
struct Writer {
    /// Characters that it escapes though it need not.
    escapes: &'static str,
    /// Whether it escapes all that is not ASCII.
    ascii: bool,
    /// Whether its digits beyond 9 are capitals.
    upper: bool,
}

impl Writer {
    fn write(&self, c: char) -> String {
        match c {
            '/' if self.escapes.contains('/') => "\\/".to_owned(),
            _ if self.escapes.contains(c) || (self.ascii && !c.is_ascii()) => self.by_number(c),
            '"' | '\\' => format!("\\{c}"),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            '\u{8}' => "\\b".to_owned(),
            '\u{c}' => "\\f".to_owned(),
            '\0'..' ' => self.by_number(c),
            _ => c.to_string(),
        }
    }

    fn by_number(&self, c: char) -> String {
        let units = c.encode_utf16(&mut [0; 2]).to_vec();
        let write = |unit: u16| if self.upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
        units.into_iter().map(write).collect()
    }
}

/// RFC 3986, 2.1 and 2.3.
fn url_encoded(secret: &[u8], upper: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(secret.len() * 3);
    for &byte in secret {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte),
            _ if upper => out.extend(format!("%{byte:02X}").bytes()),
            _ => out.extend(format!("%{byte:02x}").bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"s3cr?t/pass word+of=40 bytes, not fewer!";

    fn found(text: &[u8]) -> Vec<(usize, usize)> {
        let literals = Literals::new([SECRET]).unwrap().unwrap();
        let mut hits = Vec::new();
        literals.scan(View { text, ended: true }, 0, &mut hits);
        hits.iter().map(|hit| (hit.start, hit.end)).collect()
    }

    #[test]
    fn secrets_are_found_in_every_form() {
        let base64 = |text: &[u8]| STANDARD_NO_PAD.encode(text);
        let with = |before: &[u8]| base64(&[before, SECRET, b"\x00!"].concat());
        #[rustfmt::skip]
        let cases: &[(&str, Vec<u8>)] = &[
            ("raw", SECRET.to_vec()),
            ("base64", base64(SECRET).into_bytes()),
            ("base64, url-safe", URL_SAFE_NO_PAD.encode(SECRET).into_bytes()),
            ("base64 behind one byte", with(b"u").into_bytes()),
            ("base64 behind two bytes", with(b"u:").into_bytes()),
            ("base64 behind a user", with(b"user:").into_bytes()),
            ("url", b"s3cr%3Ft%2Fpass%20word%2Bof%3D40%20bytes%2C%20not%20fewer%21".to_vec()),
            ("url in lower case", b"s3cr%3ft%2fpass%20word%2bof%3d40%20bytes%2c%20not%20fewer%21".to_vec()),
            ("JSON by PHP", br"s3cr?t\/pass word+of=40 bytes, not fewer!".to_vec()),
            ("JSON by Gson", br"s3cr?t/pass word+of\u003d40 bytes, not fewer!".to_vec()),
            ("JSON by .NET", br"s3cr?t/pass word\u002Bof=40 bytes, not fewer!".to_vec()),
            ("form", b"s3cr%3Ft%2Fpass+word%2Bof%3D40+bytes%2C+not+fewer%21".to_vec()),
        ];
        for (name, form) in cases {
            let text = [b"<<", &form[..], b">>"].concat();
            let spans = found(&text);
            assert_eq!(spans.len(), 1, "{name}");
            assert!(spans[0].1 - spans[0].0 >= 40, "{name}: {spans:?}");
        }
        assert_eq!(found(b"s3cr?t/pass word+of=40 bytes, not"), []);
    }

    #[test]
    fn base64_is_found_in_json() {
        let secret = [0xfb; 24];
        let literals = Literals::new([&secret[..]]).unwrap().unwrap();
        let text = format!("\"Basic {}\"", STANDARD_NO_PAD.encode(secret).replace('/', "\\/"));
        assert!(text.contains("\\/") && literals.first(text.as_bytes()).is_some(), "{text}");
        let text = text.replace("\\/", "/").replace('+', "\\u002B");
        assert!(text.contains("\\u002B") && literals.first(text.as_bytes()).is_some(), "{text}");
    }

    #[test]
    fn what_json_escapes_is_found() {
        let secret = "pässwörd of 😀\n\"line\" two\u{1}";
        let literals = Literals::new([secret.as_bytes()]).unwrap().unwrap();
        for (writer, written) in [
            ("plain", r#"pässwörd of 😀\n\"line\" two\u0001"#),
            ("Python", r#"p\u00e4ssw\u00f6rd of \ud83d\ude00\n\"line\" two\u0001"#),
            (".NET", r"p\u00E4ssw\u00F6rd of \uD83D\uDE00\n\u0022line\u0022 two\u0001"),
        ] {
            assert_eq!(literals.first(written.as_bytes()), Some(0), "{writer}");
        }
    }

    #[test]
    fn each_writer_escapes_what_it_does_and_no_more() {
        let secret = "p<ss=w&rd>'s/for ä 2026";
        let literals = Literals::new([secret.as_bytes()]).unwrap().unwrap();
        for (writer, written) in [
            ("Go, Rails", r"p\u003css=w\u0026rd\u003e's/for ä 2026"),
            ("Gson", r"p\u003css\u003dw\u0026rd\u003e\u0027s/for ä 2026"),
            ("PHP, JSON_UNESCAPED_UNICODE", r"p<ss=w&rd>'s\/for ä 2026"),
            ("PHP", r"p<ss=w&rd>'s\/for \u00e4 2026"),
            ("Flask", r"p\u003css=w\u0026rd\u003e\u0027s/for \u00e4 2026"),
        ] {
            assert_eq!(literals.first(written.as_bytes()), Some(0), "{writer}");
        }
        let literals = Literals::new([&b"p<ss=w&rd>'s/for 2026"[..]]).unwrap().unwrap();
        assert_eq!(literals.first(br"p\u003Css=w\u0026rd\u003E's/for 2026"), Some(0), "Django");
    }

    #[test]
    fn short_secrets_are_left_out() {
        assert!(Literals::new([&b"fifteen bytes.."[..]]).unwrap().is_none());
        assert!(Literals::new([&b"sixteen bytes..."[..]]).unwrap().is_some());
    }

    #[test]
    fn secrets_are_never_shown() {
        let literals = Literals::new([SECRET]).unwrap().unwrap();
        assert_eq!(format!("{literals:?}"), format!("Literals({} patterns)", literals.patterns.len()));
    }
}
