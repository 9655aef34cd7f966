//! PEM private keys: RFC 7468, RFC 1421 (headers) and RFC 9580 (OpenPGP's armour).
//!
//! From `-----BEGIN … PRIVATE KEY…-----` to the matching `END`, over lines, `\n` escapes, quotes and
//! comment signs, or to the first byte that can't be in a key: a key that was cut off is one still.

use super::super::Detector;
use super::{Hit, Sink, Step, Tail, View};

/// `RSA PRIVATE KEY`, `PGP PRIVATE KEY BLOCK`, …, in bytes.
const MAX_LABEL: usize = 40;
const DASHES: &[u8] = b"-----";
const END: &[u8] = b"-----END ";
/// White space and quoting between two pieces of a key, in bytes.
const MAX_GAP: usize = 256;

/// Judges the `-----BEGIN ` that ends at `end`.
pub(in crate::mask) fn detect(view: View<'_>, end: usize, sink: &mut Sink) -> Step {
    match label(view, end) {
        Label::Unfinished => Step::More { limit: 0 },
        Label::None => Step::Next(end),
        Label::Ends(after) => {
            if is_private(view.slice(end..after)) {
                let start = end.saturating_sub(b"-----BEGIN ".len());
                sink.open(Detector::PrivateKey, start..after, Tail::PrivateKey(Body::default()));
            }
            Step::Next(end)
        }
    }
}

/// What comes after the `BEGIN` line.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::mask) struct Body {
    line: Line,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Only letters and hyphens so far: base64, or the name of a header.
    #[default]
    Open,
    /// A header (`Proc-Type: 4,ENCRYPTED`): anything goes until the line ends.
    Header,
    /// Base64.
    Key,
}

impl Body {
    pub(super) fn extend(&mut self, hit: &mut Hit, at: &mut usize, view: View<'_>) -> bool {
        while let Some(byte) = view.at(*at) {
            if byte == b'-' && self.line != Line::Header {
                match end_line(view, *at) {
                    Label::Unfinished => return false,
                    Label::Ends(after) => {
                        hit.end = after;
                        *at = after;
                        return true;
                    }
                    // A hyphen in the name of a header, or one that quotes a line.
                    Label::None => {}
                }
            }
            if !self.takes(byte, view.before(*at, 1)) || *at - hit.end > MAX_GAP && !is_base64(byte) {
                return true;
            }
            *at += 1;
            if is_base64(byte) || self.line == Line::Header {
                hit.end = *at;
            }
        }
        false
    }

    /// Whether the byte may be part of a key here.
    fn takes(&mut self, byte: u8, before: Option<u8>) -> bool {
        let line_ends = byte == b'\n' || byte == b'n' && before == Some(b'\\');
        match (self.line, byte) {
            _ if line_ends => self.line = Line::Open,
            (Line::Header, 0) => return false,
            (Line::Header, _) => {}
            (Line::Open, b':') if before.is_some_and(|byte| byte.is_ascii_alphabetic()) => {
                self.line = Line::Header
            }
            (_, b' ' | b'\t' | b'\r' | b'\\' | b'"' | b'\'' | b'`' | b'>' | b'|' | b'#' | b'*') => {}
            (Line::Open, b'-') => {}
            (_, b'/' | b'+' | b'=' | b'0'..=b'9') => self.line = Line::Key,
            (_, byte) if byte.is_ascii_alphabetic() => {}
            _ => return false,
        }
        true
    }
}

enum Label {
    /// Its dashes end there.
    Ends(usize),
    None,
    Unfinished,
}

/// The label that begins at `start`, and the dashes behind it.
fn label(view: View<'_>, start: usize) -> Label {
    let label =
        view.run(start, MAX_LABEL, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
    let dashes = view.run(label.end, DASHES.len(), |byte| byte == b'-');
    if dashes.end - label.end == DASHES.len() {
        Label::Ends(dashes.end)
    } else if label.unfinished || dashes.unfinished {
        Label::Unfinished
    } else {
        Label::None
    }
}

fn end_line(view: View<'_>, at: usize) -> Label {
    let there = view.slice(at..view.text.len().min(at + END.len()));
    if there == END {
        label(view, at + END.len())
    } else if END.starts_with(there) && !view.ended {
        Label::Unfinished
    } else {
        Label::None
    }
}

fn is_private(label: &[u8]) -> bool {
    label.windows(b"PRIVATE KEY".len()).any(|window| window == b"PRIVATE KEY")
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+' | b'=')
}

#[cfg(test)]
mod tests {
    use super::super::super::Detector;
    use super::super::testing::{check, check_clear};

    #[test]
    fn private_keys_are_recognised() {
        #[rustfmt::skip]
        check(Detector::PrivateKey, &[
            ("PKCS #8", "x ⟦-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIK\nab+/==\n-----END PRIVATE KEY-----⟧\ny"),
            ("PKCS #1", "⟦-----BEGIN RSA PRIVATE KEY-----\r\nMIIE\r\n-----END RSA PRIVATE KEY-----⟧"),
            ("SEC 1", "⟦-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----⟧"),
            ("OpenSSH", "⟦-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----⟧"),
            ("encrypted, with headers", "⟦-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\nMIIE\n-----END RSA PRIVATE KEY-----⟧"),
            ("OpenPGP", "⟦-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2 (x.y)\n\nlQ/Y\n=aB1c\n-----END PGP PRIVATE KEY BLOCK-----⟧"),
            ("in JSON", r#"{"key":"⟦-----BEGIN PRIVATE KEY-----\nMC4C\nAbcd\n-----END PRIVATE KEY-----⟧\n","n":1}"#),
            ("in one line", "⟦-----BEGIN PRIVATE KEY----- MC4C Abcd -----END PRIVATE KEY-----⟧ x"),
            ("indented", "  ⟦-----BEGIN PRIVATE KEY-----\n    MC4C\n    -----END PRIVATE KEY-----⟧"),
            ("quoted by a mail", "> ⟦-----BEGIN PRIVATE KEY-----\n> MC4C\n> -----END PRIVATE KEY-----⟧"),
            ("in a diff", "-⟦-----BEGIN PRIVATE KEY-----\n-MC4C\n------END PRIVATE KEY-----⟧"),
            ("joined strings", "'⟦-----BEGIN PRIVATE KEY-----\\n' +\n 'MC4C\\n' +\n '-----END PRIVATE KEY-----⟧'"),
            ("cut off", "⟦-----BEGIN PRIVATE KEY-----\nMC4CAQAw⟧"),
            ("cut off in JSON", r#"{"key":"⟦-----BEGIN PRIVATE KEY-----\nMC4C⟧","other":"text"}"#),
            ("two", "⟦-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----⟧\n⟦-----BEGIN PRIVATE KEY-----\nMC4D\n-----END PRIVATE KEY-----⟧"),
        ]);
    }

    #[test]
    fn lookalikes_of_private_keys_are_left_alone() {
        #[rustfmt::skip]
        check_clear(Detector::PrivateKey, &[
            ("certificate", "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----"),
            ("public key", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"),
            ("OpenPGP message", "-----BEGIN PGP MESSAGE-----\n\nhQEM\n-----END PGP MESSAGE-----"),
            ("rule", "-----------------------------"),
            ("words", "BEGIN PRIVATE KEY"),
            ("no dashes behind it", "-----BEGIN PRIVATE KEY is how it begins"),
            ("lower case", "-----begin private key-----"),
            ("only the end", "-----END PRIVATE KEY-----"),
        ]);
    }
}
