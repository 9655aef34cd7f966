//! Rows like those of a shop's database, with values planted in some of them.

use std::ops::Range;

/// Lines, and where the planted values are.
pub struct Corpus {
    /// The rows.
    pub lines: Vec<String>,
    /// Line, kind, and place in the line.
    planted: Vec<(usize, &'static str, Range<usize>)>,
}

/// Words of notes.
#[rustfmt::skip]
pub const WORDS: &[&str] = &[
    "the", "order", "was", "shipped", "to", "customer", "with", "delay", "and", "returned", "on", "account", "of",
    "damaged", "box", "please", "refund", "item", "quickly", "thanks", "ticket", "note", "from", "support", "regarding",
    "invoice", "payment", "method", "pending", "review", "basic", "authorization", "key", "framework",
];
/// Names of people.
pub const NAMES: &[&str] =
    &["Ana", "Maria", "Novak", "Chen", "Smith", "Garcia", "Olsen", "Kowalska", "Tanaka", "Dubois"];

/// What is planted: `#` is a digit, `%` one of 2 to 9. Cards get their check digit.
const PLANTED: &[(&str, &[&str])] = &[
    ("email", &["ana##@example.com", "m.novak@mail.example.co.uk", "x_%@shop.example.org"]),
    ("card", &["4##############", "4### #### #### ###", "51##-####-####-###", "37%#-######-####"]),
    (
        "phone",
        &[
            "(202) 555-####",
            "202-555-####",
            "+1 202 555 ####",
            "+1-202-555-####",
            "202.555.####",
            "001-202-555-####",
            "+44 20 7946 0###",
            "+442079460###",
            "020 7946 0###",
            "07911 12####",
            "+49 30 12345###",
            "+33 1 99 00 ## ##",
            "01 99 00 ## ##",
            "202-555-####x###",
        ],
    ),
    ("ssn", &["536-90-4%%%", "219 09 4%%%"]),
];

impl Corpus {
    /// About so many bytes; always the same ones.
    pub fn new(bytes: usize) -> Self {
        let (mut random, mut corpus, mut size) =
            (Random(5), Self { lines: Vec::new(), planted: Vec::new() }, 0);
        while size < bytes {
            let line = corpus.line(&mut random);
            size += line.len() + 1;
            corpus.lines.push(line);
        }
        corpus
    }

    /// For each kind, the share of planted values in per cent that the finds of the first lines cover.
    pub fn recall(&self, found: &[Vec<(usize, usize)>]) -> Vec<(&'static str, f64)> {
        let share = |kind| {
            let planted = self.planted.iter().filter(|(line, k, _)| *k == kind && *line < found.len());
            let (mut hits, mut all) = (0, 0);
            for (line, _, place) in planted {
                all += 1;
                hits += u32::from(
                    found[*line].iter().any(|(start, end)| *start <= place.start && *end >= place.end),
                );
            }
            f64::from(hits) * 100.0 / f64::from(all.max(1))
        };
        PLANTED.iter().map(|(kind, _)| (*kind, share(*kind))).collect()
    }

    fn line(&mut self, random: &mut Random) -> String {
        let fill = |random: &mut Random, form: &str| random.fill(form);
        let stamp = format!("2024-0{}-1# 1#:%#:%#.######", 1 + random.below(9));
        let mut line = format!(
            "{}\t{} {}\t{}\t{}\t",
            fill(random, "%######"),
            random.pick(NAMES),
            random.pick(NAMES),
            fill(random, &stamp),
            fill(random, "%##.##"),
        );
        for _ in 0..4 + random.below(12) {
            line += random.pick(WORDS);
            line.push(' ');
        }
        if random.below(12) == 0 {
            let (kind, forms) = PLANTED[random.below(PLANTED.len())];
            let form = random.pick(forms);
            let mut value = fill(random, form);
            if kind == "card" {
                value.push(check_digit(&value));
            }
            self.planted.push((self.lines.len(), kind, line.len()..line.len() + value.len()));
            line += &value;
        }
        line + &fill(random, "\tt\t\\N\t192.168.%#.1##")
    }
}

/// What a card number ends with (Luhn).
pub fn check_digit(number: &str) -> char {
    let digits = number.bytes().rev().filter(u8::is_ascii_digit).map(|byte| u32::from(byte - b'0'));
    let sum: u32 =
        digits.enumerate().map(|(at, d)| if at % 2 == 1 { d } else { d * 2 / 10 + d * 2 % 10 }).sum();
    char::from(b'0' + ((10 - sum % 10) % 10) as u8)
}

/// Splitmix64: the same corpus everywhere.
pub struct Random(pub u64);

impl Random {
    /// A number below the bound.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    /// One of these.
    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// The form with its digits.
    pub fn fill(&mut self, form: &str) -> String {
        let mut fill = |c| match c {
            '#' => char::from(b'0' + self.below(10) as u8),
            '%' => char::from(b'2' + self.below(8) as u8),
            c => c,
        };
        form.chars().map(&mut fill).collect()
    }
}
