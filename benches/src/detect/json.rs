//! An answer as an API gives it: a list of customers, 1 to 2 KB each.

use std::sync::Arc;

use policy_core::mask::{Detector, Detectors, FieldMasks, JsonMasker, MaskKey, Transform};
use policy_core::rule::FieldMask;
use policy_core::vocabulary::parse_field;
use portcullis_benches::timing::median_ns;

use crate::corpus::{NAMES, Random, WORDS, check_digit};

/// How fast an answer of about so many bytes is masked, in MB/s: by field, by content, and by both.
///
/// # Errors
///
/// None that the input could cause.
pub fn speeds(bytes: usize) -> Result<Vec<(&'static str, f64)>, Box<dyn std::error::Error + Send + Sync>> {
    let answer = answer(bytes);
    let key = MaskKey::new(&[7; 32])?;
    let fields = FieldMask {
        fields: vec![
            parse_field("customers.email")?,
            parse_field("**.ssn")?,
            parse_field("customers.payment.card.pan")?,
        ],
        with: vec![(parse_field("**.pan")?, Transform::Last(4))],
        otherwise: Transform::Redact,
    };
    let fields = Arc::new(FieldMasks::new([&fields]));
    let rules =
        [Detector::CreditCard, Detector::Email, Detector::Jwt].map(|detector| (detector, Transform::Redact));
    let (none, three) = (Detectors::new(&[])?, Detectors::new(&rules)?);
    let mut out = Vec::with_capacity(2 * answer.len());
    let mut speed = |fields: Option<&Arc<FieldMasks>>, detectors: &Detectors| {
        let time = median_ns(|| {
            out.clear();
            let mut masker = JsonMasker::new(fields.cloned());
            for piece in answer.chunks(16 * 1024) {
                masker.push(detectors, &key, piece, &mut out).expect("it is JSON");
            }
            masker.finish(detectors, &key, &mut out).expect("it is whole")
        });
        answer.len() as f64 / time * 1e3
    };
    Ok(vec![
        ("fields", speed(Some(&fields), &none)),
        ("detectors", speed(None, &three)),
        ("both", speed(Some(&fields), &three)),
    ])
}

/// The customers, always the same ones.
fn answer(bytes: usize) -> Vec<u8> {
    let (mut random, mut text) = (Random(7), String::from("{\"customers\":["));
    while text.len() < bytes {
        if !text.ends_with('[') {
            text.push(',');
        }
        text += &customer(&mut random);
    }
    (text + "],\"next\":null}").into_bytes()
}

fn customer(random: &mut Random) -> String {
    let (first, last) = (random.pick(NAMES), random.pick(NAMES));
    let words = |random: &mut Random, count: usize| -> String {
        (0..count).map(|_| random.pick(WORDS)).collect::<Vec<_>>().join(" ")
    };
    let mut pan = random.fill("4##############");
    pan.push(check_digit(&pan));
    let mut orders = Vec::new();
    for _ in 0..1 + random.below(5) {
        orders.push(format!(
            "{{\"id\":\"{}\",\"created_at\":\"{}\",\"status\":\"{}\",\"total\":{},\"currency\":\"EUR\",\"items\":{},\"note\":\"{}\"}}",
            random.fill("ord_########"),
            random.fill("2024-0%-1#T1#:%#:%#.###Z"),
            random.pick(&["open", "paid", "shipped", "returned"]),
            random.fill("%#.##"),
            random.below(9),
            words(random, 6),
        ));
    }
    format!(
        "{{\"id\":{},\"uuid\":\"{}\",\"first_name\":\"{first}\",\"last_name\":\"{last}\",\"email\":\"{}\",\"phone\":\"{}\",\"ssn\":\"{}\",\"active\":{},\"created_at\":\"{}\",\"updated_at\":\"{}\",\"url\":\"https://api.example.com/v1/customers/{}\",\"address\":{{\"street\":\"{} {last} street\",\"city\":\"Springfield\",\"zip\":\"{}\",\"country\":\"US\"}},\"payment\":{{\"method\":\"card\",\"card\":{{\"brand\":\"visa\",\"pan\":\"{pan}\",\"exp\":\"0%/2#\"}}}},\"tags\":[\"{}\",\"{}\"],\"notes\":\"{}\",\"orders\":[{}],\"parent\":null}}",
        random.fill("%######"),
        random.fill("%#a#####-#b##-4c##-9###-d####e######"),
        random.fill("ana##@example.com"),
        random.fill("+1 202 555 ####"),
        random.fill("536-90-4%%%"),
        random.below(2) == 0,
        random.fill("2023-0%-1#T1#:%#:%#.###Z"),
        random.fill("2024-0%-1#T1#:%#:%#.###Z"),
        random.fill("%######"),
        random.fill("%##"),
        random.fill("%####"),
        random.pick(WORDS),
        random.pick(WORDS),
        words(random, 30),
        orders.join(","),
    )
}
