//! International bank account numbers: ISO 13616 (country, length) and ISO 7064 (mod 97-10).
//!
//! Plain or in groups, separated by single spaces or hyphens, in either case.

use super::super::Detector;
use super::{Sink, Step, View};

/// Country and length, from the SWIFT IBAN registry.
#[rustfmt::skip]
const COUNTRIES: &[(&str, usize)] = &[
    ("AD", 24), ("AE", 23), ("AL", 28), ("AT", 20), ("AZ", 28), ("BA", 20), ("BE", 16), ("BG", 22), ("BH", 22),
    ("BI", 27), ("BR", 29), ("BY", 28), ("CH", 21), ("CR", 22), ("CY", 28), ("CZ", 24), ("DE", 22), ("DJ", 27),
    ("DK", 18), ("DO", 28), ("EE", 20), ("EG", 29), ("ES", 24), ("FI", 18), ("FK", 18), ("FO", 18), ("FR", 27),
    ("GB", 22), ("GE", 22), ("GI", 23), ("GL", 18), ("GR", 27), ("GT", 28), ("HN", 28), ("HR", 21), ("HU", 28),
    ("IE", 22), ("IL", 23), ("IQ", 23), ("IS", 26), ("IT", 27), ("JO", 30), ("KW", 30), ("KZ", 20), ("LB", 28),
    ("LC", 32), ("LI", 21), ("LT", 20), ("LU", 20), ("LV", 21), ("LY", 25), ("MC", 27), ("MD", 24), ("ME", 22),
    ("MK", 19), ("MN", 20), ("MR", 27), ("MT", 31), ("MU", 30), ("NI", 28), ("NL", 18), ("NO", 15), ("OM", 23),
    ("PK", 24), ("PL", 28), ("PS", 29), ("PT", 25), ("QA", 29), ("RO", 24), ("RS", 22), ("RU", 33), ("SA", 24),
    ("SC", 31), ("SD", 18), ("SE", 24), ("SI", 19), ("SK", 24), ("SM", 27), ("SO", 23), ("ST", 25), ("SV", 28),
    ("TL", 23), ("TN", 24), ("TR", 26), ("UA", 29), ("VA", 22), ("VG", 24), ("XK", 20), ("YE", 30),
];

/// Every character of the longest one with a separator behind it.
const MAX_REACH: usize = 2 * 33 + 1;

/// Judges the country and check digits with two more characters behind them, which end at `end`.
pub(in crate::mask) fn detect(view: View<'_>, end: usize, sink: &mut Sink) -> Step {
    let start = start(view, end);
    // Not behind the two characters: they may begin another one.
    let next = Step::Next(start + 4);
    let Some(length) = length(view, start) else { return next };
    if view
        .run(start, MAX_REACH, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-'))
        .unfinished
    {
        return Step::More { limit: 0 };
    }
    let Some(last) = characters(view, start, length) else { return next };
    let whole = view.slice(start..last);
    if !view.at(last).is_some_and(super::is_word) && remainder(whole) == 1 {
        sink.hit(Detector::Iban, start..last);
    }
    next
}

/// Where the account begins whose first characters end at `end`.
pub(in crate::mask) fn start(view: View<'_>, end: usize) -> usize {
    let separated = matches!(view.before(end, 3), Some(b' ' | b'-'));
    end.saturating_sub(6 + usize::from(separated))
}

/// The length of the account that begins at `start`; `None` if no country's can.
pub(in crate::mask) fn length(view: View<'_>, start: usize) -> Option<usize> {
    let country = view.slice(start..start + 2);
    let length = COUNTRIES.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(country));
    length.filter(|_| !view.inside_word(start)).map(|(_, length)| *length)
}

/// Where the first `count` letters and digits end, single separators between them left out.
fn characters(view: View<'_>, start: usize, count: usize) -> Option<usize> {
    let (mut at, mut left) = (start, count);
    loop {
        if !view.at(at)?.is_ascii_alphanumeric() {
            return None;
        }
        at += 1;
        left -= 1;
        if left == 0 {
            return Some(at);
        }
        at += usize::from(matches!(view.at(at), Some(b' ' | b'-')));
    }
}

/// ISO 7064: the first four characters moved to the end, letters as 10 to 35, modulo 97.
fn remainder(whole: &[u8]) -> u32 {
    let (head, rest) = whole.split_at_checked(4).unwrap_or_default();
    rest.iter().chain(head).fold(0, |remainder, &byte| match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        b'A'..=b'Z' => (remainder * 100 + u32::from(byte - b'A') + 10) % 97,
        b'a'..=b'z' => (remainder * 100 + u32::from(byte - b'a') + 10) % 97,
        _ => remainder,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::Detector;
    use super::super::testing::{check, check_clear};

    #[test]
    fn account_numbers_are_recognised() {
        #[rustfmt::skip]
        check(Detector::Iban, &[
            ("germany", "⟦DE89370400440532013000⟧"),
            ("germany in groups", "IBAN ⟦DE89 3704 0044 0532 0130 00⟧ BIC COBADEFF"),
            ("united kingdom", "⟦GB29NWBK60161331926819⟧"),
            ("united kingdom in groups", "⟦GB29 NWBK 6016 1331 9268 19⟧"),
            ("norway, the shortest", "⟦NO9386011117947⟧"),
            ("malta", "⟦MT84MALT011000012345MTLCAST001S⟧"),
            ("saint lucia", "⟦LC55HEMM000100010012001200023015⟧"),
            ("france", "⟦FR1420041010050500013M02606⟧"),
            ("hyphens", "⟦CH93-0076-2011-6238-5295-7⟧"),
            ("lower case", "⟦de89370400440532013000⟧"),
            ("in JSON", r#"{"iban":"⟦DE89370400440532013000⟧"}"#),
            ("end of a sentence", "to ⟦NL91ABNA0417164300⟧."),
            ("words behind groups", "⟦NL91 ABNA 0417 1643 00⟧ please"),
            ("a label like another one", "⟦DE89370400440532013000⟧ or ab12 ⟦NL91ABNA0417164300⟧"),
            ("behind an escape", r"\n⟦DE89370400440532013000⟧"),
        ]);
    }

    #[test]
    fn lookalikes_of_account_numbers_are_left_alone() {
        #[rustfmt::skip]
        check_clear(Detector::Iban, &[
            ("wrong check digits", "DE88370400440532013000"),
            ("no such country", "ZZ89370400440532013000"),
            ("one short", "DE8937040044053201300"),
            ("one more", "DE893704004405320130001"),
            ("part of a word", "XDE89370400440532013000"),
            ("two spaces", "DE89  3704 0044 0532 0130 00"),
            ("serial number", "DE12-3456-7890"),
            ("vat number", "DE136695976"),
            ("digest", "be71096123456769abcdef0123456789abcdef01"),
            ("flight", "SE24 7731 at gate 12"),
        ]);
    }
}
