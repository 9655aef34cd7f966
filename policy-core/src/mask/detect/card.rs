//! Payment card numbers: ISO/IEC 7812 (issuer ranges, 13 to 19 digits, Luhn), plain or in groups.

use std::ops::Range;

use super::View;
use super::number::{Number, continues_after, continues_before};

/// The longest card number that begins with the number.
pub(super) fn find(view: View<'_>, number: &Number) -> Option<Range<usize>> {
    let start = number.start();
    // A letter and a hyphen may stand before it (`card-4111…`): the check digit tells.
    let labelled = view.before(start, 1) == Some(b'-')
        && view.before(start, 2).is_some_and(|byte| !byte.is_ascii_digit());
    if !labelled && continues_before(view, start) {
        return None;
    }
    let separator = number.gap(view, 0);
    let groups = number.groups();
    let uniform = 1
        + (0..groups.len())
            .take_while(|&at| {
                let gap = number.gap(view, at);
                matches!(gap, b" " | b"-") && gap == separator
            })
            .count();
    let candidates = groups.iter().enumerate().take(uniform).rev();
    candidates
        .filter(|(at, _)| {
            grouped_like_a_card(groups.get(..=*at).unwrap_or_default().iter().map(|group| group.length))
        })
        .find(|(_, last)| {
            let digits = number.digits(last.total());
            known_issuer(digits) && luhn(digits) && !followed(view, last.end())
        })
        .map(|(_, last)| start..last.end())
}

/// As printed: plain, or four digits and more groups, the middle ones of four to six.
fn grouped_like_a_card(mut lengths: impl DoubleEndedIterator<Item = usize>) -> bool {
    let Some(first) = lengths.next() else { return false };
    let Some(last) = lengths.next_back() else { return true };
    (first == 4 && (1..=6).contains(&last) && lengths.all(|middle| (4..=6).contains(&middle)))
        || (first == 6 && (7..=13).contains(&last) && lengths.next().is_none())
}

/// A hyphen and more digits may follow (a security code), a decimal point and digits may not.
fn followed(view: View<'_>, end: usize) -> bool {
    view.at(end) != Some(b'-') && continues_after(view, end)
}

/// Appends the number with all but its last four digits hidden; false if the value is no card number.
pub(in crate::mask) fn write_partial(value: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(count) = whole(value) else { return false };
    let mut seen = 0;
    out.extend(value.iter().map(|&byte| {
        seen += usize::from(byte.is_ascii_digit());
        if byte.is_ascii_digit() && seen + 4 <= count { b'*' } else { byte }
    }));
    true
}

/// The number of digits, if the value is a card number from end to end.
fn whole(value: &[u8]) -> Option<usize> {
    let mut digits = [0u8; 19];
    let mut count = 0;
    for &byte in value {
        match byte {
            b'0'..=b'9' => {
                *digits.get_mut(count)? = byte - b'0';
                count += 1;
            }
            b' ' | b'-' => {}
            _ => return None,
        }
    }
    let digits = digits.get(..count)?;
    (known_issuer(digits) && luhn(digits)).then_some(count)
}

/// ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, &digit)| match (at % 2, u32::from(digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether a network issues numbers that begin so, at that length.
fn known_issuer(digits: &[u8]) -> bool {
    let prefix = digits.iter().take(4).fold(0u32, |all, &digit| all * 10 + u32::from(digit));
    let length = digits.len();
    match prefix {
        // Visa
        4000..=4999 => matches!(length, 13 | 16 | 18 | 19),
        // Mastercard
        5100..=5599 | 2221..=2720 => length == 16,
        // American Express
        3400..=3499 | 3700..=3799 => length == 15,
        // Diners Club
        3000..=3059 | 3095..=3099 | 3600..=3699 | 3800..=3999 => (14..=19).contains(&length),
        // JCB
        3528..=3589 => (16..=19).contains(&length),
        // Mir
        2200..=2204 => (16..=19).contains(&length),
        // Discover, UnionPay, RuPay, Maestro, Verve
        6000..=6999 => (13..=19).contains(&length),
        5000..=5099 | 5600..=5899 => (13..=19).contains(&length),
        // RuPay, UnionPay
        8100..=8299 => (16..=19).contains(&length),
        // Troy
        9792 => length == 16,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Detector;
    use super::super::testing::{check, check_clear};

    #[test]
    fn card_numbers_are_recognised() {
        #[rustfmt::skip]
        check(Detector::CreditCard, &[
            ("visa", "⟦4111111111111111⟧"),
            ("visa, 13 digits", "⟦4222222222222⟧"),
            ("mastercard", "⟦5555555555554444⟧"),
            ("mastercard, 2-series", "⟦2223003122003222⟧"),
            ("american express", "⟦378282246310005⟧"),
            ("diners club", "⟦30569309025904⟧"),
            ("discover", "⟦6011111111111117⟧"),
            ("jcb", "⟦3530111333300000⟧"),
            ("unionpay, 19 digits", "⟦6205500000000000004⟧"),
            ("mir", "⟦2200000000000053⟧"),
            ("spaces", "pan ⟦4111 1111 1111 1111⟧ exp 12/25"),
            ("hyphens", "⟦4111-1111-1111-1111⟧"),
            ("groups of american express", "⟦3782 822463 10005⟧"),
            ("groups of diners club", "⟦3056-930902-5904⟧"),
            ("in JSON", r#"{"pan":"⟦4111111111111111⟧","n":1}"#),
            ("as a number in JSON", r#"{"pan":⟦4111111111111111⟧}"#),
            ("in CSV", "7,⟦4111111111111111⟧,ana"),
            ("in COPY text", "7\t⟦4111111111111111⟧\tana\n"),
            ("behind an escape", r#""a\n⟦4111111111111111⟧\n""#),
            ("in a URL", "?pan=⟦4111111111111111⟧&x=%20⟦5555555555554444⟧"),
            ("a security code behind it", "⟦4111 1111 1111 1111⟧ 123"),
            ("a date behind it", "⟦4111111111111111⟧ 12/25"),
            ("a number before it", "no 12 ⟦4111 1111 1111 1111⟧"),
            ("a label before it", "card-⟦4111111111111111⟧"),
            ("two of them", "⟦4111111111111111⟧ ⟦5555555555554444⟧"),
            ("the end of a sentence", "It is ⟦4111111111111111⟧."),
        ]);
    }

    #[test]
    fn lookalikes_of_cards_are_left_alone() {
        #[rustfmt::skip]
        check_clear(Detector::CreditCard, &[
            ("wrong check digit", "4111111111111112"),
            ("wrong check digit in groups", "4111 1111 1111 1112"),
            ("no such issuer", "1234567812345670"),
            ("length of another issuer", "41111111111116"),
            ("twelve digits", "411111111112"),
            ("part of a longer number", "41111111111111110000000000"),
            ("part of a word", "a4111111111111111"),
            ("part of a digest", "4111111111111111ab"),
            ("decimal", "4111111111111111.25"),
            ("fraction", "0.4111111111111111"),
            ("uuid", "550e8400-e29b-41d4-a716-446655440000"),
            ("milliseconds", "1700000000000"),
            ("timestamp", "20240115103000"),
            ("date and time", "2024-01-15 10:30:00.123456"),
            ("zeros", "0000000000000000"),
            ("grouped by threes", "411 111 111 111 111 1"),
            ("mixed separators", "4111-1111 1111-1111"),
            ("phone", "+44 20 7946 0958"),
            ("ip addresses", "192.168.100.100 192.168.100.101"),
        ]);
    }
}
