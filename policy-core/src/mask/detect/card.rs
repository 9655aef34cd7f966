//! Payment card numbers: ISO/IEC 7812 (issuer ranges, 13 to 19 digits, Luhn).

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
