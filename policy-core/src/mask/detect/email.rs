//! E-mail addresses: RFC 5321 lengths, the dot-atom of RFC 5322 as people use it, RFC 6531 letters.

use super::super::Detector;
use super::{Sink, Step, View};

/// RFC 5321, 4.5.3.1.1.
const MAX_LOCAL: usize = 64;
/// RFC 5321, 4.5.3.1.2.
const MAX_DOMAIN: usize = 255;
/// RFC 1035, 2.3.4.
const MAX_LABEL: usize = 63;

/// Judges what stands around the `@` that ends at `end`.
pub(in crate::mask) fn detect(view: View<'_>, end: usize, sink: &mut Sink) -> Step {
    let sign = end.saturating_sub(1);
    let Some(start) = local_start(view, sign) else { return Step::Next(end) };
    let run = view.run(end, MAX_DOMAIN, |byte| is_ascii_domain(byte) || byte >= 0x80);
    if run.unfinished {
        return Step::More { limit: 0 };
    }
    let domain = view.slice(end..run.end);
    if let Some(length) = domain_length(domain)
        && !is_scaled_image(domain.get(..length).unwrap_or_default())
    {
        sink.hit(Detector::Email, start..end + length);
    }
    Step::Next(end)
}

/// Where the local part before `sign` begins; `None` if there is none.
pub(in crate::mask) fn local_start(view: View<'_>, sign: usize) -> Option<usize> {
    let mut start = sign;
    while let Some(length) = local_character_before(view, start)
        && sign - (start - length) <= MAX_LOCAL
    {
        start -= length;
    }
    // The escape of JSON is no letter: `\nana@example.com`.
    if view.before(start, 1) == Some(b'\\') && matches!(view.at(start), Some(b'n' | b'r' | b't')) {
        start += 1;
    }
    // An address does not begin with punctuation: `'ana@example.com'`, `...ana@example.com`.
    while start < sign && matches!(view.at(start), Some(b'.' | b'-' | b'\'' | b'%')) {
        start += 1;
    }
    (start < sign).then_some(start)
}

/// The length in bytes of the character before `at`, if it may stand in a local part.
fn local_character_before(view: View<'_>, at: usize) -> Option<usize> {
    let byte = view.before(at, 1)?;
    if byte < 0x80 {
        return is_ascii_local(byte).then_some(1);
    }
    let length = (1..=4).find(|&length| view.before(at, length).is_some_and(|byte| byte & 0xc0 != 0x80))?;
    is_letter(view.slice(at.checked_sub(length)?..at)).then_some(length)
}

/// `icon@2x.png`: the name of an image at twice its size.
fn is_scaled_image(domain: &[u8]) -> bool {
    matches!(domain, [b'1'..=b'9', b'x', b'.', b'p' | b'j' | b'g' | b'w' | b's' | b'a', ..])
}

/// Appends `a***@example.com`; false if the value is no address.
pub(in crate::mask) fn write_partial(value: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let view = View { text: value, ended: true };
    if local_start(view, local.len()) != Some(0) || domain_length(domain.as_bytes()) != Some(domain.len()) {
        return false;
    }
    // One letter of one would be the whole name.
    let shown = local.chars().next().filter(|first| first.len_utf8() < local.len());
    if let Some(first) = shown {
        out.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
    }
    out.extend_from_slice(b"***@");
    out.extend_from_slice(domain.as_bytes());
    true
}

fn is_ascii_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'')
}

fn is_ascii_domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
}

/// Whether the bytes are one letter or digit.
fn is_letter(character: &[u8]) -> bool {
    std::str::from_utf8(character).is_ok_and(|text| text.chars().all(char::is_alphanumeric))
}

/// The length of the domain that begins the text: two labels or more, the last one no number.
fn domain_length(text: &[u8]) -> Option<usize> {
    let text = text.get(..text.len().min(MAX_DOMAIN)).unwrap_or_default();
    let (mut at, mut labels) = (0, 0);
    let mut length = None;
    while let Some(label) = label_at(text, at) {
        labels += 1;
        at += label.len();
        let is_top = label.starts_with(b"xn--")
            || label.len() >= 2 && label.iter().all(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80);
        if labels > 1 && is_top {
            length = Some(at);
        }
        if text.get(at) != Some(&b'.') {
            break;
        }
        at += 1;
    }
    length
}

/// The letters, digits and inner hyphens from `at` on; `None` if there are none, or too many.
fn label_at(text: &[u8], at: usize) -> Option<&[u8]> {
    let rest = text.get(at..)?;
    let mut length = 0;
    for chunk in rest.utf8_chunks() {
        for character in chunk.valid().chars() {
            if !(character.is_alphanumeric() || character == '-') {
                return trimmed(rest, length);
            }
            length += character.len_utf8();
        }
        if !chunk.invalid().is_empty() {
            break;
        }
    }
    trimmed(rest, length)
}

fn trimmed(rest: &[u8], length: usize) -> Option<&[u8]> {
    let mut label = rest.get(..length)?;
    while let Some(shorter) = label.strip_suffix(b"-") {
        label = shorter;
    }
    (!label.is_empty() && label.len() <= MAX_LABEL && !label.starts_with(b"-")).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::super::super::Detector;
    use super::super::testing::{check, check_clear};

    #[test]
    fn addresses_are_recognised() {
        #[rustfmt::skip]
        check(Detector::Email, &[
            ("plain", "⟦ana@example.com⟧"),
            ("dots, plus, hyphens", "⟦ana.maria+news@mail-1.example.co.uk⟧"),
            ("short", "⟦a@b.co⟧"),
            ("in brackets", "Ana <⟦ana@example.com⟧>"),
            ("in quotes", "'⟦ana@example.com⟧'"),
            ("an apostrophe", "⟦o'brien@example.com⟧"),
            ("end of a sentence", "Write to ⟦ana@example.com⟧."),
            ("mailto", "mailto:⟦ana@example.com⟧?subject=x"),
            ("two", "⟦a1@example.com⟧,⟦b2@example.org⟧"),
            ("behind an escape", r"x\n⟦ana@example.com⟧\n"),
            ("letters of other scripts", "⟦żaneta@przykład.pl⟧"),
            ("punctuation of other scripts", "«⟦ana@example.com⟧»"),
            ("punycode", "⟦ana@xn--przykad-rjb.pl⟧"),
            ("password in a URL", "postgres://u:⟦pw@db.example.com⟧/x"),
            ("hyphen behind it", "⟦ana@example.com⟧-"),
            ("key and value", "email=⟦ana@example.com⟧&x=1"),
        ]);
    }

    #[test]
    fn lookalikes_of_addresses_are_left_alone() {
        #[rustfmt::skip]
        check_clear(Detector::Email, &[
            ("handle", "@ana.com"),
            ("no domain", "ana@"),
            ("one label", "root@localhost"),
            ("version", "react@18.2.0"),
            ("package", "@types/node@20.1.0"),
            ("address", "ana@10.0.0.1"),
            ("image", "logo@2x.png"),
            ("prompt", "ana@host:~$ ls"),
            ("at a price", "3 @ 4.50"),
            ("decorator", "@app.route('/')"),
            ("operator", "a @> b.c"),
            ("two dots", "ana@example..com"),
            ("one letter", "ana@example.c"),
            ("hyphen first", "ana@-example.com"),
        ]);
    }

    #[test]
    fn lengths_are_bounded() {
        let local = "l".repeat(64);
        let label = "d".repeat(63);
        check(
            Detector::Email,
            &[
                ("longest local part", &format!("⟦{local}@example.com⟧")),
                ("a longer one is masked where it may begin", &format!("l⟦{local}@example.com⟧")),
                ("longest label", &format!("⟦ana@{label}.com⟧")),
            ],
        );
        check_clear(Detector::Email, &[("a longer label", &format!("ana@d{label}.com"))]);
    }
}
