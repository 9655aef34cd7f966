//! What masking costs a row: `cargo run --release -p portcullis-postgres --example mask_rows`.
//!
//! The row is an id, a name, an e-mail address, a card number and a note of 60 bytes; 150 bytes as a message.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a program that measures")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use policy_core::mask::{Detector, Detectors, MaskKey, Scratch, Transform};
use portcullis_postgres::mask::{
    BuiltinTypes, Cell, Finder, Format, Found, Masker, ResultPlan, Treatment, Types, ValueMasks,
};

const ROWS: u32 = 1_000_000;

fn main() {
    let values: [&[u8]; 5] = [
        b"123456",
        b"Ana Maria Silva",
        b"ana.maria@example.com",
        b"4111111111111111",
        b"a note of sixty bytes in which no detector finds anything...",
    ];
    let mut body = 5_u16.to_be_bytes().to_vec();
    for value in values {
        body.extend(u32::try_from(value.len()).expect("a short value").to_be_bytes());
        body.extend_from_slice(value);
    }
    let mask = |transform| Treatment::Mask(transform);
    let (pass, detect) = (Treatment::Pass, Treatment::Detect);
    measure(
        "two columns masked",
        &body,
        [pass, pass, mask(Transform::Partial), mask(Transform::Last(4)), pass],
    );
    measure(
        "two columns redacted",
        &body,
        [pass, pass, mask(Transform::Redact), mask(Transform::Redact), pass],
    );
    measure("one column hashed", &body, [pass, pass, mask(Transform::Hash), pass, pass]);
    measure("a clean text looked through", &body, [pass, pass, pass, pass, detect]);
    measure("all columns looked through, two finds", &body, [detect; 5]);
}

fn measure(name: &str, body: &[u8], treatments: [Treatment; 5]) {
    let key = MaskKey::new(&[7; 32]).expect("a key");
    let rules = [(Detector::CreditCard, Transform::Last(4)), (Detector::Email, Transform::Partial)];
    let detectors = Detectors::new(&rules).expect("detectors");
    let finder: Arc<dyn Finder> = Arc::new(Look { detectors, key: key.clone(), scratch: Default::default() });
    let detects = treatments.contains(&Treatment::Detect);
    let mut masker = Masker::new(ValueMasks { key, finder: detects.then_some(finder) });
    let types = [23, 25, 25, 25, 25].map(|oid| BuiltinTypes.of(oid));
    let plan = ResultPlan::new(treatments.into_iter().zip(types).map(|(treatment, ty)| Cell {
        treatment,
        ty,
        format: Format::Text,
        limit: None,
    }));
    let mut out = Vec::new();
    let began = Instant::now();
    for _ in 0..ROWS {
        out.clear();
        let _written = black_box(masker.data_row(&plan, black_box(body), &mut out).expect("a row"));
    }
    println!("{name:40} {:6} ns a row", (began.elapsed() / ROWS).as_nanos());
}

struct Look {
    detectors: Detectors,
    key: MaskKey,
    scratch: std::sync::Mutex<Scratch>,
}

impl Finder for Look {
    fn rewrite(&self, text: &[u8], out: &mut Vec<u8>) -> Found {
        let Ok(mut scratch) = self.scratch.lock() else { return Found::Null };
        match self.detectors.mask_into(text, &self.key, &mut scratch, out) {
            0 => Found::Nothing,
            _ => Found::Text,
        }
    }
}
