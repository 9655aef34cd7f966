//! How many generated positives are recognised, and how many generated look-alikes are.

use super::all;
use crate::mask::*;

/// A small generator of numbers, so that figures are the same everywhere (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// `#` is a digit, `%` one of 2 to 9, `a` a letter; everything else is itself.
    fn fill(&mut self, form: &str) -> String {
        let mut fill = |c| match c {
            '#' => char::from(b'0' + self.below(10) as u8),
            '%' => char::from(b'2' + self.below(8) as u8),
            'a' => char::from(b'a' + self.below(26) as u8),
            c => c,
        };
        form.chars().map(&mut fill).collect()
    }
}

/// The share of `count` values that are found from end to end, by the detector alone and among other text.
fn recall(detector: Detector, count: usize, mut value: impl FnMut(&mut Random) -> String) -> f64 {
    let alone = Detectors::new(&[(detector, Transform::Redact)]).unwrap();
    let (mut random, mut scratch, mut found) = (Random(7), Scratch::default(), 0);
    for _ in 0..count {
        let value = value(&mut random);
        let (before, after) = *random.pick(&[
            &("", ""),
            &("it is ", " now"),
            &("7,", ",x"),
            &("{\"v\":\"", "\"}"),
            &("(", ")"),
            &("x\t", "\n"),
        ]);
        let text = format!("{before}{value}{after}");
        let wanted = before.len()..before.len() + value.len();
        found += usize::from(
            alone
                .find(text.as_bytes(), &mut scratch)
                .iter()
                .any(|find| find.range.start <= wanted.start && find.range.end >= wanted.end),
        );
    }
    let share = found as f64 / count as f64;
    println!("{detector:?}: {:.2} % of {count}", share * 100.0);
    share
}

fn card(random: &mut Random) -> String {
    const ISSUERS: &[(&str, usize)] = &[
        ("4", 16),
        ("51", 16),
        ("55", 16),
        ("2221", 16),
        ("2720", 16),
        ("34", 15),
        ("37", 15),
        ("6011", 16),
        ("65", 16),
        ("36", 14),
        ("3528", 16),
        ("62", 16),
        ("4", 13),
        ("62", 19),
    ];
    let (prefix, length) = ISSUERS[random.below(ISSUERS.len())];
    let mut digits: Vec<u8> = prefix.bytes().map(|b| b - b'0').collect();
    while digits.len() < length - 1 {
        digits.push(random.below(10) as u8);
    }
    let doubled = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, d)| u32::from(if at % 2 == 0 { doubled(*d) } else { *d }))
        .sum();
    digits.push(((10 - sum % 10) % 10) as u8);
    let groups: &[usize] = match length {
        15 => &[4, 6, 5],
        14 => &[4, 6, 4],
        _ => &[4, 4, 4, 4, 3],
    };
    let separator = random.pick(&["", " ", "-"]);
    let (mut text, mut rest) = (String::new(), digits.as_slice());
    for group in groups {
        let (head, tail) = rest.split_at(rest.len().min(*group));
        if !head.is_empty() && !text.is_empty() {
            text.push_str(separator);
        }
        text.extend(head.iter().map(|digit| char::from(b'0' + digit)));
        rest = tail;
    }
    text
}

fn iban(random: &mut Random) -> String {
    const FORMS: &[(&str, &str)] = &[
        ("DE", "##################"),
        ("GB", "NWBK##############"),
        ("FR", "#######################"),
        ("NL", "ABNA##########"),
        ("ES", "####################"),
        ("NO", "###########"),
        ("CH", "#################"),
        ("PL", "########################"),
    ];
    let (country, form) = FORMS[random.below(FORMS.len())];
    let account = random.fill(form);
    let remainder = format!("{account}{country}00").bytes().fold(0u32, |r, b| match b {
        b'0'..=b'9' => (r * 10 + u32::from(b - b'0')) % 97,
        _ => (r * 100 + u32::from(b - b'A') + 10) % 97,
    });
    let plain = format!("{country}{:02}{account}", 98 - remainder);
    let groups: Vec<_> =
        plain.as_bytes().chunks(4).map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(random.pick(&["", " "]))
}

/// What people and their programs write; the last one can't be told from an integer and is missed.
const PHONES: &[&str] = &[
    "+1-%##-###-####",
    "+1 (%##) ###-####",
    "+1%########%",
    "(%##) %##-####",
    "(%##)%##-####",
    "%##-%##-####",
    "%##.%##.####",
    "%## %## ####",
    "1-%##-%##-####",
    "001-%##-%##-####",
    "%##-%##-####x###",
    "+1-%##-%##-####x####",
    "+44 20 #### ####",
    "+44 7### ######",
    "+44#### ######",
    "07### ######",
    "07#########",
    "(0161) 4## ####",
    "020 #### ####",
    "+49 30 ########",
    "+49 (0)30 ########",
    "+49##########",
    "030 ########",
    "0171 #######",
    "0171/#######",
    "(0%###) ######",
    "+33 # ## ## ## ##",
    "0% ## ## ## ##",
    "0%.##.##.##.##",
    "+33 (0)1 ## ## ## ##",
    "+34 %## ### ###",
    "+39 3## ### ####",
    "+31 6 ########",
    "+41 44 ### ## ##",
    "+81 3-####-####",
    "03-####-####",
    "090-####-####",
    "+86 138 #### ####",
    "138-####-####",
    "+91 98### #####",
    "98###-#####",
    "+55 11 9####-####",
    "(11) 9####-####",
    "+7 912 ###-##-##",
    "8 (912) ###-##-##",
    "+61 4## ### ###",
    "(02) 9### ####",
    "0049 30 #######",
    "tel: %#########",
    "%##%######",
];

#[test]
fn positives_are_recognised() {
    let letters = |random: &mut Random, length: usize| random.fill(&"a".repeat(length));
    assert!(recall(Detector::CreditCard, 5000, card) >= 0.99);
    assert!(recall(Detector::Iban, 5000, iban) >= 0.999);
    assert!(
        recall(Detector::Phone, 10_000, |random| {
            let form = random.pick(PHONES);
            random.fill(form)
        }) >= 0.93
    );
    assert!(
        recall(Detector::Ssn, 5000, |random| {
            let separator = random.pick(&["-", " ", "."]);
            format!(
                "{:03}{separator}{:02}{separator}{:04}",
                1 + random.below(665),
                1 + random.below(99),
                1 + random.below(9999)
            )
        }) >= 0.999
    );
    assert!(
        recall(Detector::Email, 5000, |random| {
            let between = random.pick(&[".", "_", "+", "-", ""]);
            let (a, b) = (1 + random.below(8), 1 + random.below(8));
            let (local, host) =
                (format!("{}{between}{}", letters(random, a), letters(random, b)), letters(random, 9));
            format!("{local}@{host}.{}", random.pick(&["com", "co.uk", "de", "example.org"]))
        }) >= 0.999
    );
    assert!(
        recall(Detector::AwsKey, 5000, |random| {
            let id: String =
                (0..16).map(|_| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[random.below(32)])).collect();
            format!("{}{id}", random.pick(&["AKIA", "ASIA"]))
        }) >= 0.999
    );
}

#[test]
fn generated_lookalikes_are_left_alone() {
    #[rustfmt::skip]
    let forms: &[(&str, &str, f64)] = &[
        ("date", "2024-0%-1#", 0.0),
        ("date and time", "2024-0%-1# 1#:%#:%#.######", 0.0),
        ("european date and time", "1#.0%.2024 1#:%#", 0.0),
        ("american date and time", "0%/1#/2024 1#:%#:%#", 0.0),
        ("ip address", "1##.%#.%#.1##", 0.0),
        ("ten digits", "%#########", 0.0),
        ("eight digits", "########", 0.0),
        ("decimal", "%####.##########", 0.0),
        ("milliseconds", "17###########", 0.0),
        ("uuid", "########-####-4###-a###-############", 0.0),
        ("isbn", "978-3-16-######-#", 0.0),
        ("version", "1.%#.%##", 0.0),
        // One in ten has a good check digit, and the issuers own two fifths of the space.
        ("sixteen digits", "%###############", 0.06),
    ];
    let (detectors, mut random, mut scratch) = (all(Transform::Redact), Random(11), Scratch::default());
    for (name, form, most) in forms {
        let found = (0..2000).filter(|_| {
            let text = format!("7,{},x", random.fill(form));
            !detectors.find(text.as_bytes(), &mut scratch).is_empty()
        });
        let share = found.count() as f64 / 2000.0;
        println!("{name}: {:.2} %", share * 100.0);
        assert!(share <= *most, "{name}: {share}");
    }
}
