//! JSON Web Tokens: RFC 7515, the compact serialisation (and RFC 7516, which has five parts).
//!
//! Base64url parts with dots between them, the first of which decodes to a JSON object with `alg`.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::Detector;
use super::{Hit, Sink, Step, Tail, View, is_token};

/// A longer header is judged by its beginning, in characters.
const MAX_HEADER: usize = 4096;
/// A longer second part is taken for one, in characters.
const MAX_PAYLOAD: usize = 4096;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Judges the token whose first characters end at `end`, `length` of them.
pub(in crate::mask) fn detect(view: View<'_>, end: usize, length: usize, sink: &mut Sink) -> Step {
    let start = end.saturating_sub(length);
    if view.before(start, 1).is_some_and(is_token) && !view.after_escape(start) {
        return Step::Next(end);
    }
    let header = view.run(start, MAX_HEADER, is_token);
    if header.unfinished {
        return Step::More { limit: start + MAX_HEADER };
    }
    let overlong = header.end == start + MAX_HEADER;
    if !overlong && view.at(header.end) != Some(b'.') || !names_an_algorithm(view.slice(start..header.end)) {
        return Step::Next(end);
    }
    if overlong {
        sink.open(Detector::Jwt, start..header.end, Tail::Jwt);
        return Step::Next(end);
    }
    let payload = view.run(header.end + 1, MAX_PAYLOAD, is_token);
    if payload.unfinished {
        return Step::More { limit: header.end + 1 + MAX_PAYLOAD };
    }
    if view.at(payload.end) == Some(b'.') {
        sink.open(Detector::Jwt, start..payload.end + 1, Tail::Jwt);
    } else if payload.end == header.end + 1 + MAX_PAYLOAD {
        sink.open(Detector::Jwt, start..payload.end, Tail::Jwt);
    }
    Step::Next(end)
}

/// Goes on over base64url and dots; a dot that ends a sentence stays outside.
pub(super) fn extend(hit: &mut Hit, at: &mut usize, view: View<'_>) -> bool {
    while let Some(byte) = view.at(*at) {
        if is_token(byte) {
            hit.end = *at + 1;
        } else if byte != b'.' || view.before(*at, 1) == Some(b'.') && hit.end < *at {
            return true;
        }
        *at += 1;
    }
    false
}

/// Whether the header decodes to the text of a JSON object with a member `alg`.
fn names_an_algorithm(header: &[u8]) -> bool {
    const KEY: &[u8] = b"\"alg\"";
    let mut decoded = [0; MAX_HEADER / 4 * 3 + 3];
    let Ok(length) = BASE64.decode_slice(header, &mut decoded) else { return false };
    let json = decoded.get(..length).unwrap_or_default().trim_ascii();
    let is_object = json.starts_with(b"{") && (header.len() == MAX_HEADER || json.ends_with(b"}"));
    is_object
        && json.windows(KEY.len()).enumerate().any(|(at, window)| {
            window == KEY
                && json.get(at + KEY.len()..).unwrap_or_default().trim_ascii_start().starts_with(b":")
        })
}

#[cfg(test)]
mod tests {
    use super::super::super::Detector;
    use super::super::testing::{check, check_clear};

    const JWT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";

    #[test]
    fn tokens_are_recognised() {
        #[rustfmt::skip]
        check(Detector::Jwt, &[
            ("plain", &format!("⟦{JWT}⟧")),
            ("in JSON", &format!(r#"{{"t":"⟦{JWT}⟧","n":1}}"#)),
            ("in a cookie", &format!("session=⟦{JWT}⟧; Path=/")),
            ("in a URL", &format!("?t=⟦{JWT}⟧&x")),
            ("behind an escape", &format!("Bearer%20⟦{JWT}⟧")),
            ("end of a sentence", &format!("It is ⟦{JWT}⟧.")),
            ("unsecured", "⟦eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEifQ.⟧ x"),
            ("white space in the header", "⟦eyAiYWxnIiA6ICJIUzI1NiIgfQ.e30.abc⟧"),
            ("encrypted, five parts", "⟦eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..aXY.Y3Q.dGFn⟧"),
            ("a payload of any length", &format!("⟦eyJhbGciOiJub25lIn0.{}⟧", "A".repeat(9000))),
        ]);
    }

    #[test]
    fn lookalikes_of_tokens_are_left_alone() {
        #[rustfmt::skip]
        check_clear(Detector::Jwt, &[
            ("base64 of JSON", "eyJzdWIiOiIxMjM0NTY3ODkwIn0"),
            ("no algorithm", "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiIxIn0.abc"),
            ("two parts", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0 x"),
            ("not JSON", "eyJhbGciOiJIUzI1Ni.eyJzdWIiOiIxIn0.abc"),
            ("domain", "www.eyJ.example.com"),
            ("part of a token", "xeyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"),
            ("an algorithm in a value", "eyJ4IjoiXCJhbGdcIiJ9.e30.abc"),
            ("version", "1.2.3"),
        ]);
    }
}
