//! The result of masking a stream does not depend on how the stream is split.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{all, key};
use crate::mask::*;

const SECRET: &[u8] = b"the password of a target";

/// Compiled once: without optimisation that takes longer than the tests.
pub(in crate::mask) fn detectors() -> &'static Detectors {
    static DETECTORS: LazyLock<Detectors> = LazyLock::new(compile);
    &DETECTORS
}

fn compile() -> Detectors {
    // Forms that show where a find began and ended, so that no difference hides.
    let rules = Detector::ALL.map(|detector| match detector {
        Detector::Email | Detector::Jwt => (detector, Transform::Hash),
        Detector::Phone | Detector::CreditCard | Detector::Ssn => (detector, Transform::Last(4)),
        Detector::Authorization | Detector::PrivateKey => (detector, Transform::First(6)),
        _ => (detector, Transform::Redact),
    });
    Detectors::new(&rules).unwrap().with_literals(Literals::new([SECRET, &SECRET[..20]]).unwrap())
}

pub(in crate::mask) fn whole(detectors: &Detectors, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match detectors.mask_into(text, &key(), &mut Scratch::default(), &mut out) {
        0 => text.to_vec(),
        _ => out,
    }
}

fn split<'t>(detectors: &Detectors, pieces: impl IntoIterator<Item = &'t [u8]>) -> Vec<u8> {
    let (mut masker, mut out) = (StreamMasker::default(), Vec::new());
    for piece in pieces {
        masker.push(detectors, &key(), piece, &mut out);
        assert!(masker.held() <= StreamMasker::MAX_HELD, "{} bytes held", masker.held());
    }
    masker.flush(detectors, &key(), &mut out);
    assert_eq!(masker.held(), 0);
    out
}

#[track_caller]
fn assert_same(expected: &[u8], got: &[u8], how: &str) {
    assert_eq!(String::from_utf8_lossy(expected), String::from_utf8_lossy(got), "{how}");
}

/// What streams are made of: finds, their beginnings, their look-alikes, and what stands between.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "4111111111111111", "4111 1111 1111 1111", "3782-822463-10005", "41111", "ana@example.com", "ana@", "@", "o'b",
    "536-90-4399", "ssn: 536904399", "DE89 3704 0044 0532 0130 00", "NO9386011117947", "DE89", "+1 (202) 555-0143",
    "+44 20 7946 0958", "202-555-0143 ext. 12", "x12", "0049 30 1234567", "06.12.34.56.78", "phone 2025550143", "tel:",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcd", "eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJkaXIifQ..aXY.Y3Q.dGFn", ".e30", "..",
    "AKIAIOSFODNN7EXAMPLE", ",wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "secret_access_key = ", "AKIA",
    "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "MC4CAQAwBQYDK2Vw\n", "-----END PRIVATE KEY-----", "-----END ", "-----",
    "Proc-Type: 4,ENCRYPTED\n", "\\n", "\n", "\r\n", "Authorization: ", "Bearer ", "Basic dXNlcjpwYXNz", "Digest username=\"a\", x=\"y\"",
    "\"authorization\":\"", "a1b2c3d4e5f6", "%20", "%2520", "the password of a target", "the password of a ", "the pass",
    " ", "  ", ",", ".", "-", "/", "(", ")", "+", "\"", "'", "\\", ":", "=", "&", "0", "12", "2024-01-15 10:30:00", "żółw", "«", "\0",
    "a", "word", "550e8400-e29b-41d4-a716-446655440000", "192.168.1.1", "MIIEvQIBADANBgkqhkiG9w0BAQ",
];

pub(in crate::mask) fn texts(pieces: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => proptest::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 1..4),
        1 => "[0-9 ()./-]{1,30}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..pieces).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_splits(text in texts(60), cuts in proptest::collection::vec(1usize..40, 1..40)) {
        let detectors = detectors();
        let mut pieces = Vec::new();
        let mut rest = text.as_slice();
        for length in cuts.iter().cycle() {
            let (piece, others) = rest.split_at(rest.len().min(*length));
            pieces.push(piece);
            rest = others;
            if rest.is_empty() {
                break;
            }
        }
        assert_same(&whole(detectors, &text), &split(detectors, pieces), "random pieces");
        assert_same(&whole(detectors, &text), &split(detectors, text.chunks(1)), "one byte at a time");
    }

    #[test]
    fn what_leaves_early_is_what_the_whole_begins_with(text in texts(30)) {
        let detectors = detectors();
        let expected = whole(detectors, &text);
        let (mut masker, mut out) = (StreamMasker::default(), Vec::new());
        for byte in text.chunks(1) {
            masker.push(detectors, &key(), byte, &mut out);
            prop_assert!(expected.starts_with(&out));
        }
    }
}

#[test]
fn every_single_split() {
    let detectors = detectors();
    let text = PIECES.concat();
    let spaced = PIECES.join(" ");
    let lines = PIECES.join("\n");
    for text in [text.as_bytes(), spaced.as_bytes(), lines.as_bytes()] {
        let expected = whole(detectors, text);
        assert_ne!(expected, text);
        for at in 0..=text.len() {
            let (left, right) = text.split_at(at);
            assert_same(&expected, &split(detectors, [left, right]), &format!("split at {at}"));
        }
    }
}

#[test]
fn finds_of_any_length_are_swallowed_as_they_come() {
    let jwt = |length| format!("eyJhbGciOiJIUzI1NiJ9.{}.x", "QUJD".repeat(length / 4));
    let header = |length| format!("eyJhbGciOiJIUzI1NiJ9{}.e30.x", "QUJD".repeat(length / 4));
    let pem = |length| {
        format!("-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----", "MC4C\n".repeat(length / 5))
    };
    let digest = |length| format!("Authorization: Digest {}\n", "a=\"b\", ".repeat(length / 7));
    let detectors = detectors();
    for length in [100, 3000, 4000, 4096, 5000, 8000, 8192, 9000, 16_000, MAX_FIND, 17_000, 40_000, 100_000] {
        for find in [jwt(length), header(length), pem(length), digest(length)] {
            let text = format!("before {find} ana@example.com {find}, 4111111111111111");
            let expected = whole(detectors, text.as_bytes());
            assert!(!String::from_utf8_lossy(&expected).contains("4111111111111111"));
            for size in [7, 1000, 4096, 16 * 1024, 1 << 20] {
                let got = split(detectors, text.as_bytes().chunks(size));
                assert_same(&expected, &got, &format!("{length} bytes in pieces of {size}"));
            }
        }
    }
}

#[test]
fn ordinary_text_leaves_at_once() {
    let (detectors, mut masker, mut out) = (&all(Transform::Redact), StreamMasker::default(), Vec::new());
    masker.push(detectors, &key(), b"total 8\nana@example.com\n", &mut out);
    assert_eq!((&out[..], masker.held()), (&b"total 8\n[redacted]\n"[..], 0));
    out.clear();
    masker.push(detectors, &key(), b"ana@host:~$ ", &mut out);
    assert_eq!((&out[..], masker.held()), (&b"ana@host:~$"[..], 1));
}

#[test]
fn where_secrets_alone_are_known_their_beginnings_alone_are_held() {
    let secret = b"a secret of forty bytes, give or take 9!";
    let literals = Literals::new([&secret[..]]).expect("built");
    let detectors = &Detectors::new(&[]).expect("compiled").with_literals(literals);
    for (text, held, held_in_silence) in
        [(&b"a word at the end"[..], 0, 0), (b"the answer is a", 1, 0), (b"the answer is a secret", 8, 8)]
    {
        let (mut masker, mut out) = (StreamMasker::default(), Vec::new());
        masker.push(detectors, &key(), text, &mut out);
        assert_eq!((masker.held(), out.len()), (held, text.len() - held), "{text:?}");
        masker.settle(detectors, &key(), &mut out);
        assert_eq!((masker.held(), out.len()), (held_in_silence, text.len() - held_in_silence), "{text:?}");
    }
}

#[test]
fn a_flush_ends_the_stream() {
    let (detectors, mut masker, mut out) = (&all(Transform::Redact), StreamMasker::default(), Vec::new());
    masker.push(detectors, &key(), b"ana@exam", &mut out);
    masker.flush(detectors, &key(), &mut out);
    masker.push(detectors, &key(), b"ple.com bob@example.com", &mut out);
    assert_eq!(masker.flush(detectors, &key(), &mut out), 1);
    assert_eq!(String::from_utf8_lossy(&out), "ana@example.com [redacted]");
}

/// Texts made to be slow: many beginnings, none of which comes to an end.
#[test]
fn hostile_streams_are_masked_in_linear_time() {
    let detectors = detectors();
    let unit = |text: &str, size: usize| text.repeat(size / text.len());
    for text in [
        "1 ",
        "12-",
        "eyJ.",
        "eyJhbGciOiJIUzI1NiJ9.",
        "a@",
        "Bearer a1",
        "authorization:digest ",
        "-----BEGIN PRIVATE KEY-----",
        "DE89",
        "AKIA",
        "1",
        " ",
        "\\",
        "secret key",
    ] {
        let time = |size| {
            let text = unit(text, size);
            let start = processor_time();
            whole(detectors, text.as_bytes());
            split(detectors, text.as_bytes().chunks(1500));
            processor_time() - start
        };
        let (small, large) = (time(4000).max(Duration::from_millis(4)), time(32_000));
        // Eight times as much; quadratic work would take 64 times as long.
        assert!(large < small * 40, "{text:?}: {small:?} and then {large:?}");
    }
}

/// What this thread has used of a processor; the clock on the wall would also count everyone else.
fn processor_time() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = schedule.split(' ').next().and_then(|first| first.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}
