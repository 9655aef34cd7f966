//! US social security numbers: the ranges that the Social Security Administration never issues are excluded.
//!
//! `AAA-GG-SSSS` with hyphens, spaces or dots; nine plain digits only after words that name one.
//! Source: SSA, "Social Security Number Randomization", and POMS RM 10201.035.

use std::ops::Range;

use super::number::{Group, Number, continues_after, continues_before, in_a_row_of_numbers};
use super::{View, has_word};

pub(super) fn find(view: View<'_>, number: &Number) -> Option<Range<usize>> {
    let (start, end) = match number.groups() {
        [area, group, serial, ..] if (area.length, group.length, serial.length) == (3, 2, 4) => {
            let gaps = (number.gap(view, 0), number.gap(view, 1));
            if !matches!(gaps, (b"-", b"-") | (b" ", b" ") | (b".", b".")) {
                return None;
            }
            if gaps.0 == b" " && in_a_row_of_numbers(view, area.start, serial.end()) {
                return None;
            }
            (area.start, serial.end())
        }
        [whole @ Group { length: 9, .. }, ..] if is_named(view, whole.start) => (whole.start, whole.end()),
        _ => return None,
    };
    let issued = is_issued(number.digits(9));
    (issued && !continues_before(view, start) && !continues_after(view, end)).then_some(start..end)
}

/// No area 000, 666 or 900 and above, no group 00, no serial 0000.
fn is_issued(digits: &[u8]) -> bool {
    let &[a, b, c, d, e, f, g, h, i] = digits else { return false };
    let area = (a, b, c);
    area != (0, 0, 0) && area != (6, 6, 6) && a != 9 && (d, e) != (0, 0) && (f, g, h, i) != (0, 0, 0, 0)
}

fn is_named(view: View<'_>, start: usize) -> bool {
    has_word(view.caption(start), &["ssn", "ssns", "social", "ss"])
}

#[cfg(test)]
mod tests {
    use super::super::super::Detector;
    use super::super::testing::{check, check_clear};

    #[test]
    fn social_security_numbers_are_recognised() {
        #[rustfmt::skip]
        check(Detector::Ssn, &[
            ("hyphens", "⟦536-90-4399⟧"),
            ("spaces", "his ⟦536 90 4399⟧, hers"),
            ("dots", "⟦536.90.4399⟧"),
            ("the one on every form", "⟦123-45-6789⟧"),
            ("last area", "⟦899-01-0001⟧"),
            ("in CSV", "1,⟦536-90-4399⟧,x"),
            ("in JSON", r#"{"ssn":"⟦536-90-4399⟧"}"#),
            ("plain, named", "SSN: ⟦536904399⟧"),
            ("plain, named in JSON", r#"{"ssn":"⟦536904399⟧"}"#),
            ("plain, named in words", "social security number ⟦536904399⟧"),
        ]);
    }

    #[test]
    fn lookalikes_of_social_security_numbers_are_left_alone() {
        #[rustfmt::skip]
        check_clear(Detector::Ssn, &[
            ("area 000", "000-12-3456"),
            ("area 666", "666-12-3456"),
            ("area 900", "900-12-3456"),
            ("taxpayer number", "987-65-4329"),
            ("group 00", "536-00-4399"),
            ("serial 0000", "536-90-0000"),
            ("plain", "536904399"),
            ("plain, named, never issued", "ssn 000904399"),
            ("mixed separators", "536-90 4399"),
            ("phone", "536-904-3990"),
            ("zip", "94103-1234"),
            ("part of a longer one", "536-90-4399-12"),
            ("behind a longer one", "12-536-90-4399"),
            ("date", "2024-01-15"),
            ("five digits last", "536-90-43991"),
            ("a row of numbers", "12 536 90 4399 7"),
            ("part of a word", "x536-90-4399"),
            ("version", "1.536.90.4399"),
        ]);
    }
}
