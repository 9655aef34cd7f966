//! The one check that every detector's tables go through.

use super::super::{Detector, Detectors, Scratch, Transform};

/// Each text holds its finds between `⟦` and `⟧`, and nothing else that the detector takes.
pub(in crate::mask) fn check(detector: Detector, cases: &[(&str, &str)]) {
    let detectors = Detectors::new(&[(detector, Transform::Redact)]).unwrap();
    for (name, marked) in cases {
        let text = marked.replace(['⟦', '⟧'], "");
        let mut found = text.clone();
        for find in detectors.find(text.as_bytes(), &mut Scratch::default()).iter().rev() {
            found.insert(find.range.end, '⟧');
            found.insert(find.range.start, '⟦');
        }
        assert_eq!(found, *marked, "{name}");
    }
}

/// No text holds anything that the detector takes.
pub(in crate::mask) fn check_clear(detector: Detector, cases: &[(&str, &str)]) {
    assert!(cases.iter().all(|(_, text)| !text.contains('⟦')));
    check(detector, cases);
}
