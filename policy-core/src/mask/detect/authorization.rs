//! Credentials of HTTP authentication: RFC 9110, section 11 (and RFC 6750, 7617, 7616 for Bearer, Basic, Digest).
//!
//! What follows the header's name, in a header, JSON, a URL or a command line; or what follows `Bearer`
//! or `Basic` and looks like a credential. The scheme stays readable.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::Detector;
use super::{Hit, Sink, Step, Tail, View};

/// Schemes whose credentials are one token.
#[rustfmt::skip]
const TOKEN_SCHEMES: &[&str] = &[
    "basic", "bearer", "negotiate", "ntlm", "token", "apikey", "api-key", "dpop", "gnap", "jwt", "sso-key",
    "privatetoken", "scram-sha-1", "scram-sha-256", "kerberos", "key", "concealed", "privacy-pass",
];
/// Schemes whose credentials are a list of parameters, to the end of the line.
#[rustfmt::skip]
const LIST_SCHEMES: &[&str] = &[
    "digest", "aws4-hmac-sha256", "aws", "oauth", "hawk", "hmac", "mutual", "hoba", "vapid", "signature", "mac",
    "hmac-sha256", "sharedkey", "googlelogin",
];
/// Quotes, colons and spaces between a name and its value, in bytes.
const MAX_GAP: usize = 16;
const MAX_SCHEME: usize = 24;
/// Spaces inside a list of parameters, or dots inside a token, in bytes.
const MAX_BLANK: usize = 256;
/// How much of a token is looked at to tell whether it is one, in bytes.
const MAX_LOOK: usize = 64;
/// The same for `Basic`, in characters of base64.
const MAX_BASIC: usize = 512;

/// Judges what follows a header's name, which ends at `end`.
pub(in crate::mask) fn detect_header(view: View<'_>, end: usize, sink: &mut Sink) -> Step {
    let gap = view.run(end, MAX_GAP, is_gap);
    let scheme = view.run(gap.end, MAX_SCHEME, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if gap.unfinished || scheme.unfinished {
        return Step::More { limit: 0 };
    }
    let between = view.slice(end..gap.end);
    if !between.iter().any(|byte| matches!(byte, b':' | b'=' | b',')) {
        return Step::Next(end);
    }
    let Some(start) = after_space(view, scheme.end) else { return Step::More { limit: 0 } };
    let name = view.slice(gap.end..scheme.end);
    let is_one_of = |schemes: &[&str]| schemes.iter().any(|s| s.as_bytes().eq_ignore_ascii_case(name));
    if start > scheme.end && is_one_of(LIST_SCHEMES) {
        let quote = between.iter().rposition(|&byte| is_quote(byte));
        let escaped = quote.and_then(|at| between.get(at.checked_sub(1)?)) == Some(&b'\\');
        let quote = quote.and_then(|at| between.get(at)).copied();
        sink.open(Detector::Authorization, start..start, Tail::Authorization(Value::Line { quote, escaped }));
    } else if start > scheme.end && is_one_of(TOKEN_SCHEMES) {
        match view.at(start) {
            None if !view.ended => return Step::More { limit: 0 },
            Some(byte) if begins_token(byte) => open_token(start, sink),
            _ => {}
        }
    } else {
        // A scheme that nobody registered, or none: what looks like a credential is one.
        for candidate in [start, gap.end] {
            let token = view.run(candidate, MAX_LOOK, in_token);
            if token.unfinished {
                return Step::More { limit: 0 };
            }
            if looks_random(view.slice(candidate..token.end)) {
                open_token(candidate, sink);
                break;
            }
        }
    }
    Step::Next(end)
}

/// Judges what follows the word `Bearer`, which ends at `end`.
pub(in crate::mask) fn detect_bearer(view: View<'_>, end: usize, sink: &mut Sink) -> Step {
    credential(view, end, end.saturating_sub(b"bearer".len()), sink, |start| {
        let token = view.run(start, MAX_LOOK, in_token);
        (!token.unfinished).then(|| looks_random(view.slice(start..token.end)))
    })
}

/// Judges what follows the word `Basic`, which ends at `end`.
pub(in crate::mask) fn detect_basic(view: View<'_>, end: usize, sink: &mut Sink) -> Step {
    credential(view, end, end.saturating_sub(b"basic".len()), sink, |start| {
        let token = view.run(start, MAX_BASIC, is_base64);
        (!token.unfinished).then(|| is_user_and_password(view.slice(start..token.end)))
    })
}

fn credential(
    view: View<'_>,
    end: usize,
    word: usize,
    sink: &mut Sink,
    judge: impl Fn(usize) -> Option<bool>,
) -> Step {
    if view.inside_word(word) {
        return Step::Next(end);
    }
    let Some(start) = after_space(view, end) else { return Step::More { limit: 0 } };
    if start == end {
        return Step::Next(end);
    }
    match judge(start) {
        None => return Step::More { limit: 0 },
        Some(true) => open_token(start, sink),
        Some(false) => {}
    }
    Step::Next(end)
}

fn open_token(start: usize, sink: &mut Sink) {
    sink.open(Detector::Authorization, start..start, Tail::Authorization(Value::Token));
}

/// How a credential ends.
#[derive(Clone, Copy, Debug)]
pub(in crate::mask) enum Value {
    /// With the token.
    Token,
    /// With the line, or with the quote that opened it; `escaped` if that was `\"`.
    Line { quote: Option<u8>, escaped: bool },
}

impl Value {
    pub(super) fn extend(&mut self, hit: &mut Hit, at: &mut usize, view: View<'_>) -> bool {
        while let Some(byte) = view.at(*at) {
            let after_backslash = view.before(*at, 1) == Some(b'\\') && *at > hit.start;
            let (ends, solid) = match *self {
                Self::Token => (!in_token(byte), byte != b'.'),
                Self::Line { quote, escaped } => {
                    let closes = Some(byte) == quote && (escaped || !after_backslash);
                    let breaks =
                        matches!(byte, b'\r' | b'\n' | 0) || after_backslash && matches!(byte, b'n' | b'r');
                    (closes || breaks, !matches!(byte, b' ' | b'\t' | b'\\'))
                }
            };
            if ends || !solid && *at - hit.end >= MAX_BLANK {
                return true;
            }
            *at += 1;
            if solid {
                hit.end = *at;
            }
        }
        false
    }
}

/// Where the value begins: behind some spaces, or `%20`. `None` if the text ends too early to tell.
fn after_space(view: View<'_>, end: usize) -> Option<usize> {
    let spaces = view.run(end, 4, |byte| matches!(byte, b' ' | b'\t'));
    let escape = view.slice(end..view.text.len().min(end + 3));
    if spaces.unfinished || !view.ended && escape.len() < 3 && b"%20".starts_with(escape) {
        return None;
    }
    Some(if escape == b"%20" { end + 3 } else { spaces.end })
}

/// At least eight characters with letters and digits among them, or many without a space.
fn looks_random(token: &[u8]) -> bool {
    let begins = token.first().is_some_and(|&byte| begins_token(byte));
    let digits = token.iter().any(u8::is_ascii_digit);
    let letters = token.iter().any(u8::is_ascii_alphabetic);
    begins && letters && (token.len() >= 8 && digits || token.len() >= 32)
}

/// Whether the text is base64 of printable characters with a colon among them.
fn is_user_and_password(token: &[u8]) -> bool {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let mut decoded = [0; MAX_BASIC / 4 * 3 + 3];
    let Ok(length) = BASE64.decode_slice(token, &mut decoded) else { return false };
    let decoded = decoded.get(..length).unwrap_or_default();
    decoded.contains(&b':') && decoded.iter().all(|&byte| byte >= b' ' && byte != 0x7f)
}

fn is_gap(byte: u8) -> bool {
    is_quote(byte) || matches!(byte, b' ' | b'\t' | b':' | b'=' | b'>' | b',' | b'\\')
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

fn begins_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'+' | b'/' | b'-')
}

fn in_token(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !is_quote(byte)
        && !matches!(byte, b',' | b';' | b'&' | b'<' | b'>' | b'\\' | b'{' | b'}' | b'(' | b')' | b'[' | b']')
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+' | b'=')
}

#[cfg(test)]
mod tests {
    use super::super::super::Detector;
    use super::super::testing::{check, check_clear};

    #[test]
    fn credentials_are_recognised() {
        #[rustfmt::skip]
        check(Detector::Authorization, &[
            ("bearer", "Authorization: Bearer ⟦mF_9.B5f-4.1JqM⟧\r\nHost: x"),
            ("basic", "Authorization: Basic ⟦dXNlcjpwYXNz⟧\r\n"),
            ("lower case", "authorization: bearer ⟦abc⟧"),
            ("proxy", "Proxy-Authorization: Basic ⟦dXNlcjpwYXNz⟧"),
            ("digest", "Authorization: Digest ⟦username=\"ana\", realm=\"x\", response=\"6629\"⟧\r\nHost: x"),
            ("amazon", "Authorization: AWS4-HMAC-SHA256 ⟦Credential=AKID/2024, Signature=ab12⟧\n"),
            ("scheme of one site", "Authorization: token ⟦ghp_abc⟧"),
            ("unregistered scheme", "Authorization: Custom ⟦a1b2c3d4e5⟧"),
            ("no scheme", "Authorization: ⟦a1b2c3d4e5⟧"),
            ("JSON", r#"{"Authorization":"Bearer ⟦abc123⟧","x":1}"#),
            ("JSON in JSON", r#"{\"authorization\":\"Bearer ⟦abc123⟧\"}"#),
            ("digest in JSON", r#"{"Authorization": "Digest ⟦username=\"ana\", response=\"6629\"⟧", "x": 1}"#),
            ("command line", "curl -H 'Authorization: Bearer ⟦abc123⟧' https://x"),
            ("python", "headers['Authorization'] = 'Bearer abc'; {'Authorization': 'Bearer ⟦abc⟧'}"),
            ("URL", "?authorization=Bearer%20⟦abc123xyz⟧&x"),
            ("scheme alone", "using Bearer ⟦a1b2c3d4e5f6⟧, then"),
            ("basic alone", "Basic ⟦dXNlcjpwYXNz⟧"),
            ("end of a sentence", "send Bearer ⟦a1b2c3d4e5f6⟧."),
        ]);
    }

    #[test]
    fn lookalikes_of_credentials_are_left_alone() {
        #[rustfmt::skip]
        check_clear(Detector::Authorization, &[
            ("prose", "authorization is required for this"),
            ("a word for a value", "Authorization: required"),
            ("a date for a value", "last authorization: 2024-01-15"),
            ("placeholder", "Authorization: Bearer <token>"),
            ("variable", "Authorization: Bearer $TOKEN"),
            ("empty", "Authorization:\r\nHost: x"),
            ("empty scheme", "Authorization: Bearer \r\nHost: x"),
            ("bearer of news", "the bearer of this letter"),
            ("bearer bonds", "Bearer bonds 2024"),
            ("basic plan", "the Basic plan costs 12"),
            ("basic training", "Basic training"),
            ("another word", "AuthorizationPolicy: a1b2c3d4e5"),
            ("scheme offered", "WWW-Authenticate: Basic realm=\"x\""),
            ("part of a word", "forbearer a1b2c3d4e5f6"),
        ]);
    }
}
