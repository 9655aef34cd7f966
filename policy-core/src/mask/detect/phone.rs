//! Telephone numbers: ITU-T E.164 (country codes, at most 15 digits) and E.123 (how people write them).
//!
//! A number has to look like one: an international prefix, a trunk prefix, a bracketed area code or a
//! national grouping. Ten plain digits are a number like any other unless words before them say otherwise.

use std::ops::Range;

use super::number::{self, Group, Number, continues_before, in_a_row_of_numbers};
use super::{View, has_word};

/// The number that begins with the groups, with its prefix and extension.
pub(super) fn find(view: View<'_>, number: &Number) -> Option<Range<usize>> {
    let prefix = Prefix::read(view, number.start());
    if continues_before(view, prefix.start) || is_address(view, number) {
        return None;
    }
    let end = if prefix.plus {
        international(view, number, 0)
    } else {
        let exit_code = number.digits(2) == [0, 0] && !in_a_row_of_numbers(view, prefix.start, prefix.start);
        exit_code
            .then(|| international(view, number, 2))
            .flatten()
            .or_else(|| north_american(view, number, &prefix))
            .or_else(|| trunk(view, number, &prefix))
            .or_else(|| bracketed(view, number, &prefix))
            .or_else(|| national(view, number, &prefix))
            .or_else(|| announced(view, number, &prefix))
    }?;
    Some(prefix.start..extension(view, end))
}

/// What stands before the first digit.
struct Prefix {
    start: usize,
    plus: bool,
    bracket: bool,
}

impl Prefix {
    fn read(view: View<'_>, digits: usize) -> Self {
        let (start, plus, bracket) = match (view.before(digits, 2), view.before(digits, 1)) {
            (Some(b'('), Some(b'+')) => (digits - 2, true, true),
            (_, Some(b'+')) => (digits - 1, true, false),
            (_, Some(b'(')) => (digits - 1, false, true),
            _ => (digits, false, false),
        };
        Self { start, plus, bracket }
    }
}

/// `+44 20 7946 0958`, `0049 (0)30 123456`: a country code after `skipped` digits, 8 to 15 digits in all.
fn international(view: View<'_>, number: &Number, skipped: usize) -> Option<usize> {
    let digits = number.digits(skipped + 2).get(skipped..)?;
    // Two digits tell: the families of three begin with ones that no shorter code uses.
    if matches!(digits, [0, _] | [2, 8] | [8, 3] | [8, 9]) {
        return None;
    }
    let groups = number.groups();
    // A decimal (`+40.71278371`), or an integer padded with zeros.
    if groups.len() == 1 && skipped > 0 || groups.len() == 2 && number.gap(view, 0) == b"." {
        return None;
    }
    let most = if digits.first() == Some(&1) { 11 } else { 15 };
    let fits = |total: usize| (8..=most).contains(&(total - skipped));
    let last = groups.iter().take_while(|group| group.total() >= skipped).filter(|group| fits(group.total()));
    let ends =
        last.filter(|group| !continues_after(view, group.end()) && !is_date_at(view, number, group.end()));
    ends.map(Group::end).max()
}

/// `(202) 555-0143`, `202-555-0143`, `1.202.555.0143`, `202 555 0143`: the North American plan.
fn north_american(view: View<'_>, number: &Number, prefix: &Prefix) -> Option<usize> {
    let groups = number.groups();
    let lengths: [usize; 4] = std::array::from_fn(|at| groups.get(at).map_or(0, |group| group.length));
    let country = number.digits(1) == [1];
    let (area, last) = match lengths {
        [1, 3, 3, 4] if country => (1, 3),
        [3, 3, 4, _] => (0, 2),
        [1, 3, 7, _] if country => (1, 2),
        [3, 7, ..] if prefix.bracket => (0, 1),
        _ => return None,
    };
    let gaps = || (0..last).map(|at| number.gap(view, at));
    let spaced = !prefix.bracket && gaps().all(|gap| gap == b" ");
    let area_code = number.digits(area + 4).get(area..)?;
    let last = groups.get(last)?;
    // Three groups with spaces are any three numbers, unless area and exchange may be dialled.
    let weak = spaced
        && (!matches!(area_code, [2..=9, _, _, 2..=9])
            || in_a_row_of_numbers(view, prefix.start, last.end()));
    let plausible = !weak && !area_code.starts_with(&[0, 0, 0]) && gaps().all(is_tight);
    (plausible && !continues_after(view, last.end())).then_some(last.end())
}

/// `030 1234567`, `(0161) 496 0000`, `06.12.34.56.78`, `07911123456`: a trunk prefix, 9 to 12 digits.
fn trunk(view: View<'_>, number: &Number, prefix: &Prefix) -> Option<usize> {
    let [first, rest @ ..] = number.groups() else { return None };
    if !matches!(number.digits(2), [0, 1..=9]) || number.is_date(view) {
        return None;
    }
    if rest.is_empty() {
        let plain = (10..=11).contains(&first.length) && !continues_after(view, first.end());
        return plain.then_some(first.end());
    }
    let grouped = (2..=6).contains(&first.length) && rest.iter().all(|group| (2..=8).contains(&group.length));
    let tight = (0..rest.len()).all(|at| is_tight(number.gap(view, at)));
    let last = rest.last()?;
    let fits = (9..=12).contains(&last.total()) && grouped && tight;
    let alone = !in_a_row_of_numbers(view, prefix.start, last.end()) && !continues_after(view, last.end());
    (fits && alone).then_some(last.end())
}

/// `(11) 91234-5678`, `(02) 9876 5432`: an area code in brackets, 9 to 12 digits.
fn bracketed(view: View<'_>, number: &Number, prefix: &Prefix) -> Option<usize> {
    let [area, rest @ ..] = number.groups() else { return None };
    if !prefix.bracket || !(2..=5).contains(&area.length) || !number.gap(view, 0).starts_with(b")") {
        return None;
    }
    let fits = |total: usize| (9..=12).contains(&total);
    let ends = rest.iter().take_while(|group| group.length >= 2).filter(|group| fits(group.total()));
    ends.map(Group::end).filter(|end| !continues_after(view, *end)).max()
}

/// Groupings that one country uses and little else does.
fn national(view: View<'_>, number: &Number, prefix: &Prefix) -> Option<usize> {
    let groups = number.groups();
    let lengths: [usize; 5] = std::array::from_fn(|at| groups.get(at).map_or(0, |group| group.length));
    let gap = |at| number.gap(view, at);
    let (alike, hyphens) = (gap(0) == gap(1), gap(1) == b"-");
    let last = match (number.digits(2), lengths) {
        // China: `138-1234-5678`
        ([1, 3..=9], [3, 4, 4, ..]) if alike => 2,
        // India: `98765-43210`
        ([6..=9, _], [5, 5, ..]) if groups.len() == 2 => 1,
        // Russia: `8 (912) 345-67-89`
        ([8, _], [1, 3, 3, 2, 2]) => 4,
        // Brazil: `11 91234-5678`; Mexico: `55-1234-5678`
        ([1..=9, 1..=9], [2, 4 | 5, 4, ..]) if hyphens => 2,
        _ => return None,
    };
    let last = groups.get(last)?;
    let tight = (1..groups.len()).all(|at| is_tight(gap(at - 1)));
    let alone = !in_a_row_of_numbers(view, prefix.start, last.end()) && !continues_after(view, last.end());
    (tight && alone).then_some(last.end())
}

/// Any 9 to 15 digits after words such as `phone:`.
fn announced(view: View<'_>, number: &Number, prefix: &Prefix) -> Option<usize> {
    let is_decimal = number.groups().len() == 2 && number.gap(view, 0) == b".";
    if is_decimal || number.is_date(view) || !has_word(view.caption(prefix.start), WORDS) {
        return None;
    }
    let fits = |total: usize| (9..=15).contains(&total);
    let ends = number.groups().iter().filter(|group| fits(group.total()));
    ends.map(Group::end).filter(|end| !continues_after(view, *end)).max()
}

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "phone", "phones", "telephone", "tel", "mobile", "mob", "cell", "cellphone", "fax", "call", "dial", "sms",
    "whatsapp", "telefon", "telefono", "telefone", "handy", "msisdn", "landline",
];

/// Whether more of the same follows, an extension apart.
fn continues_after(view: View<'_>, end: usize) -> bool {
    number::continues_after(view, end) && extension(view, end) == end
}

/// ` ext. 12`, `x1234` and the like belong to the number.
fn extension(view: View<'_>, end: usize) -> usize {
    let mut at = view.run(end, 2, |byte| matches!(byte, b' ' | b',')).end;
    let word = view.run(at, 3, |byte| byte.is_ascii_alphabetic() || byte == b'#').end;
    let is_word = [&b"x"[..], b"ext", b"#"].iter().any(|w| view.slice(at..word).eq_ignore_ascii_case(w));
    if !is_word {
        return end;
    }
    at = view.run(word, 2, |byte| matches!(byte, b'.' | b' ' | b':')).end;
    let digits = view.run(at, 7, |byte| byte.is_ascii_digit()).end;
    if (1..=6).contains(&(digits - at)) { digits } else { end }
}

/// Four groups of up to three digits with dots: an IPv4 address, or an object identifier.
fn is_address(view: View<'_>, number: &Number) -> bool {
    let dotted =
        number.groups().iter().enumerate().take_while(|(at, _)| number.gap(view, *at) == b".").count();
    dotted == 3 && number.groups().iter().take(4).all(|group| group.length <= 3)
}

/// Whether the group that ends there begins a date: `+45 12345678 2024-01-15`.
fn is_date_at(view: View<'_>, number: &Number, end: usize) -> bool {
    let Some(at) = number.groups().iter().position(|group| group.end() == end) else { return false };
    let is_year = number.groups().get(at).is_some_and(|group| group.length == 4);
    is_year && number.gap(view, at) == b"-"
}

/// One separator, or one beside a bracket: what stands between two groups of one number.
fn is_tight(gap: &[u8]) -> bool {
    matches!(gap, [_] | [b')', _] | [_, b'('] | b" - " | b") -")
}

#[cfg(test)]
mod tests {
    use super::super::super::Detector;
    use super::super::testing::{check, check_clear};

    #[test]
    fn phone_numbers_are_recognised() {
        #[rustfmt::skip]
        check(Detector::Phone, &[
            ("E.164", "⟦+12025550143⟧"),
            ("E.164, germany", "⟦+4930123456⟧"),
            ("E.123", "call ⟦+44 20 7946 0958⟧ now"),
            ("hyphens", "⟦+1-202-555-0143⟧"),
            ("dots", "⟦+33.1.23.45.67.89⟧"),
            ("brackets", "⟦+1 (202) 555-0143⟧"),
            ("trunk prefix in brackets", "⟦+49 (0)30 1234567⟧"),
            ("country in brackets", "⟦(+44) 20 7946 0958⟧"),
            ("tel", "tel:⟦+1-202-555-0143⟧"),
            ("exit code", "⟦0049 30 1234567⟧"),
            ("exit code with hyphens", "⟦001-202-555-0143⟧"),
            ("united states", "⟦202-555-0143⟧"),
            ("united states, brackets", "⟦(202) 555-0143⟧"),
            ("united states, brackets, tight", "⟦(202)555-0143⟧"),
            ("united states, dots", "⟦202.555.0143⟧"),
            ("united states, spaces", "⟦202 555 0143⟧"),
            ("united states, trunk prefix", "⟦1-202-555-0143⟧"),
            ("extension", "⟦202-555-0143x1234⟧"),
            ("extension in words", "⟦(202) 555-0143 ext. 12⟧"),
            ("united kingdom", "⟦0161 496 0000⟧"),
            ("united kingdom, mobile", "⟦07911 123456⟧"),
            ("united kingdom, plain", "⟦07911123456⟧"),
            ("united kingdom, brackets", "⟦(0161) 496 0000⟧"),
            ("france", "⟦01 23 45 67 89⟧"),
            ("france, dots", "⟦06.12.34.56.78⟧"),
            ("germany", "⟦030 1234567⟧"),
            ("germany, slash", "⟦0171/1234567⟧"),
            ("japan", "⟦03-1234-5678⟧"),
            ("china", "⟦138-1234-5678⟧"),
            ("india", "⟦98765-43210⟧"),
            ("brazil", "⟦(11) 91234-5678⟧"),
            ("russia", "⟦8 (912) 345-67-89⟧"),
            ("australia", "⟦(02) 9876 5432⟧"),
            ("plain, announced", "phone: ⟦2025550143⟧"),
            ("plain, announced in JSON", r#"{"phone_number":"⟦2025550143⟧"}"#),
            ("in CSV", "7,⟦202-555-0143⟧,ana"),
            ("a date behind it", "⟦+45 12 34 56 78⟧ 2024-01-15"),
        ]);
    }

    #[test]
    fn lookalikes_of_phone_numbers_are_left_alone() {
        #[rustfmt::skip]
        check_clear(Detector::Phone, &[
            ("date", "2024-01-15"),
            ("date and time", "2024-01-15 10:30:00.123456"),
            ("date and time, ISO 8601", "2024-01-15T10:30:00+01:00"),
            ("date and time, european", "15.01.2024 10:30"),
            ("date and hour", "01-02-2024 10"),
            ("date and time, american", "01/02/2024 10:30:00"),
            ("dates", "2024-01-15 2024-02-16"),
            ("ip address", "192.168.100.200"),
            ("ip address, padded", "010.020.030.040"),
            ("ip address and port", "192.168.100.200:5432"),
            ("uuid", "550e8400-e29b-41d4-a716-446655440000"),
            ("uuid of digits", "12345678-1234-1234-1234-123456789012"),
            ("integer", "2025550143"),
            ("longer integer", "12345678901234"),
            ("seconds", "1700000000"),
            ("decimal", "1234567.123456789"),
            ("decimal below one", "0.123456789"),
            ("signed decimal", "+40.7127837123"),
            ("money", "$1,234,567,890.00"),
            ("card", "4111 1111 1111 1111"),
            ("account", "DE89 3704 0044 0532 0130 00"),
            ("social security number", "536-90-4399"),
            ("isbn", "978-3-16-148410-0"),
            ("isbn, ten digits", "0-306-40615-2"),
            ("version", "1.22.333.4444"),
            ("padded integer", "0000123456789"),
            ("thousands", "100 200 3000"),
            ("a row of numbers", "12 34 56 78 90 12"),
            ("years", "2019-2020-2021-2022"),
            ("zip codes", "94103-1234 94104-1234"),
            ("part of a word", "ab202-555-0143"),
            ("hexadecimal", "0x2025550143"),
            ("coordinates", "52.520008, 13.404954"),
            ("hotel", "hotel 2025550143"),
            ("order", "ORD-202-555-0143"),
        ]);
    }
}
