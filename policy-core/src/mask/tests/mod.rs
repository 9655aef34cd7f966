//! What holds across detectors: unions, recall, and streams that are split anywhere.

mod recall;
pub(super) mod splits;

use super::*;

pub(in crate::mask) fn key() -> MaskKey {
    MaskKey::new(b"a test key of 32 bytes, not more").unwrap()
}

pub(in crate::mask) fn all(transform: Transform) -> Detectors {
    Detectors::new(&Detector::ALL.map(|detector| (detector, transform))).unwrap()
}

/// `None` if nothing was found, in which case nothing may be written.
fn mask(detectors: &Detectors, text: &str) -> Option<String> {
    let mut out = Vec::new();
    let count = detectors.mask_into(text.as_bytes(), &key(), &mut Scratch::default(), &mut out);
    assert_eq!(count == 0, out.is_empty(), "{text}");
    (count > 0).then(|| String::from_utf8(out).unwrap())
}

#[test]
fn finds_that_overlap_become_one_with_their_transforms_joined() {
    use Detector::{Authorization, CreditCard, Email, Jwt, Phone};
    use Transform::{First, Hash, Last, Null, Partial, Redact};
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcd";
    type Case<'a> = (&'a str, &'a [(Detector, Transform)], &'a str, &'a str);
    #[rustfmt::skip]
    let cases: &[Case<'_>] = &[
        ("a card in an address", &[(CreditCard, Last(4)), (Email, Redact)], "x 4111111111111111@example.com y", "x [redacted] y"),
        ("only the card", &[(CreditCard, Last(4))], "x 4111111111111111@example.com y", "x ************1111@example.com y"),
        ("only the address", &[(Email, Partial)], "x 4111111111111111@example.com y", "x 4***@example.com y"),
        ("a token in a header", &[(Authorization, Last(4)), (Jwt, Redact)], &format!("Authorization: Bearer {jwt}\n"), "Authorization: Bearer [redacted]\n"),
        ("first and last", &[(Authorization, First(4)), (Jwt, Last(4))], &format!("Authorization: Bearer {jwt}\n"), "Authorization: Bearer [redacted]\n"),
        ("null is nothing in a text", &[(Phone, Null)], "call 202-555-0143 now", "call  now"),
        ("rules on one detector", &[(Email, Partial), (Email, Null)], "ana@example.com!", "!"),
        ("a hash", &[(Email, Hash)], "a@b.co b@b.co a@b.co", "f4c9 0f9e f4c9"),
    ];
    for (name, rules, text, expected) in cases {
        let masked = mask(&Detectors::new(rules).unwrap(), text).unwrap();
        if rules.iter().any(|(_, transform)| *transform == Hash) {
            let words: Vec<_> = masked.split(' ').collect();
            assert!(words.len() == 3 && words[0] == words[2] && words[0] != words[1], "{name}: {masked}");
            assert!(words.iter().all(|word| word.len() == 32), "{name}: {masked}");
        } else {
            assert_eq!(masked, *expected, "{name}");
        }
    }
}

#[test]
fn a_find_says_who_recognised_it() {
    let detectors =
        all(Transform::Redact).with_literals(Literals::new([&b"a secret of a target"[..]]).unwrap());
    let mut scratch = Scratch::default();
    let finds = detectors.find(b"ana@example.com, a secret of a target", &mut scratch);
    assert_eq!(finds.len(), 2);
    assert_eq!(finds[0].detectors.iter().collect::<Vec<_>>(), [Detector::Email]);
    assert_eq!((finds[0].range.clone(), finds[0].transform), (0..15, Transform::Redact));
    assert!(finds[1].detectors.is_empty());
    assert_eq!(finds[1].range, 17..37);
}

#[test]
fn what_is_found_nowhere_is_not_copied() {
    let detectors = all(Transform::Redact);
    for text in ["", "x", "ana", "an ordinary sentence, 12 words or so, of 2024-01-15 10:30:00.", "żółw"] {
        assert_eq!(mask(&detectors, text), None, "{text}");
    }
}

#[test]
fn no_detectors_find_nothing() {
    let none = Detectors::new(&[]).unwrap();
    assert!(none.is_empty());
    assert_eq!(mask(&none, "ana@example.com"), None);
}

#[test]
fn a_find_that_is_too_long_is_redacted_whatever_its_transform() {
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}", "MC4C\n".repeat(MAX_FIND / 5));
    for transform in [Transform::Null, Transform::Hash, Transform::First(100)] {
        let detectors = Detectors::new(&[(Detector::PrivateKey, transform)]).unwrap();
        assert_eq!(mask(&detectors, &format!("a {key}.")).as_deref(), Some("a [redacted]\n."));
    }
}

#[test]
fn bytes_that_are_not_utf8_are_masked_too() {
    let text = b"\xff\xfe ana@example.com \x80 4111 1111 1111 1111\xc3";
    let mut out = Vec::new();
    let count = all(Transform::Redact).mask_into(text, &key(), &mut Scratch::default(), &mut out);
    assert_eq!((count, &out[..]), (2, &b"\xff\xfe [redacted] \x80 [redacted]\xc3"[..]));
}

#[test]
fn detectors_are_shared_between_threads_and_show_no_secrets() {
    fn shared<T: Send + Sync>(value: &T) -> &T {
        value
    }
    let detectors = Detectors::new(&[(Detector::Email, Transform::Redact)]).unwrap();
    let detectors = detectors.with_literals(Literals::new([&b"a secret of a target"[..]]).unwrap());
    let debug = format!("{:?}", shared(&detectors));
    assert!(debug.contains("Email") && !debug.contains("secret"), "{debug}");
}
