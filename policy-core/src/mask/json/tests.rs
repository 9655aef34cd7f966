use proptest::prelude::*;

use super::super::tests::key;
use super::super::tests::splits::detectors;
use super::*;
use crate::mask::{Detector, Literals, MAX_FIND};
use crate::rule::FieldMask;
use crate::vocabulary::parse_field;

pub(in crate::mask) fn fields(rules: &[(&str, Transform)]) -> Arc<FieldMasks> {
    let masks: Vec<FieldMask> = rules
        .iter()
        .map(|(field, transform)| FieldMask {
            fields: vec![parse_field(field).unwrap()],
            with: vec![],
            otherwise: *transform,
        })
        .collect();
    Arc::new(FieldMasks::new(&masks))
}

fn none() -> Detectors {
    Detectors::new(&[]).unwrap()
}

/// What leaves, in pieces of these sizes over and over; and the error.
fn run(
    masks: Option<&Arc<FieldMasks>>,
    detectors: &Detectors,
    text: &[u8],
    sizes: &[usize],
) -> (Vec<u8>, Result<usize, JsonError>) {
    let (mut masker, mut out, mut masked) = (JsonMasker::new(masks.cloned()), Vec::new(), 0);
    // In small pieces every string is one whose end is not waited for.
    masker.patience.0 = sizes.iter().copied().min().unwrap_or(WAIT).min(WAIT);
    let (mut rest, mut sizes) = (text, sizes.iter().cycle());
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
        match masker.push(detectors, &key(), piece, &mut out) {
            Ok(count) => masked += count,
            Err(error) => return (out, Err(error)),
        }
        assert!(masker.held() <= JsonMasker::MAX_HELD, "{} bytes are held", masker.held());
        rest = behind;
    }
    let end = masker.finish(detectors, &key(), &mut out);
    (out, end.map(|count| masked + count))
}

#[track_caller]
fn check(name: &str, masks: Option<&Arc<FieldMasks>>, detectors: &Detectors, text: &str, expected: &str) {
    for sizes in [&[usize::MAX][..], &[1], &[2, 3], &[7]] {
        let (out, end) = run(masks, detectors, text.as_bytes(), sizes);
        let out = String::from_utf8(out).unwrap();
        assert!(end.is_ok(), "{name} in {sizes:?}: {end:?} behind {out}");
        assert_eq!(out, expected, "{name} in {sizes:?}");
        assert_eq!(end.unwrap() == 0, text == expected, "{name} in {sizes:?}: counted");
    }
}

#[test]
fn fields_are_masked_and_all_else_stays_as_it_is() {
    use Transform::{Hash, Last, Null, Partial, Redact};
    type Case<'a> = (&'a str, &'a [(&'a str, Transform)], &'a str, &'a str);
    #[rustfmt::skip]
    let cases: &[Case<'_>] = &[
        ("nothing named", &[("x", Redact)], "{ \"a\" : [1.50e+3 ,\t-0,true,\r\n null,\"\\u0041\\/\"] }", "{ \"a\" : [1.50e+3 ,\t-0,true,\r\n null,\"\\u0041\\/\"] }"),
        ("a text", &[("email", Partial)], r#"{"email":"ana@example.com","e":"x"}"#, r#"{"email":"a***@example.com","e":"x"}"#),
        ("through lists", &[("a.b", Redact)], r#"[{"a":[[{"b":"x"}],{"c":"y"}]}]"#, r#"[{"a":[[{"b":"[redacted]"}],{"c":"y"}]}]"#),
        ("a list of texts", &[("a", Last(2))], r#"{"a":["abcd",["efgh"],7]}"#, r#"{"a":["**cd",["**gh"],null]}"#),
        ("an escaped key", &[("email", Redact)], r#"{"\u0065mail":"x"}"#, r#"{"\u0065mail":"[redacted]"}"#),
        ("a key that is there twice", &[("a", Redact)], r#"{"a":"x","a":"y"}"#, r#"{"a":"[redacted]","a":"[redacted]"}"#),
        ("numbers, words, null", &[("a", Redact)], r#"{"a":[1,-2.5e3,true,false,null,""]}"#, r#"{"a":[null,null,null,null,null,"[redacted]"]}"#),
        ("all below", &[("a", Redact)], r#"{"a":{"b":{"c":"x"},"d":1}}"#, r#"{"a":{"b":{"c":"[redacted]"},"d":null}}"#),
        ("all of it null", &[("a", Null)], r#"{"a":{"b":[{"c":"}"}]},"d":{"a":1}}"#, r#"{"a":null,"d":{"a":1}}"#),
        ("a list that is null", &[("a.b", Null)], r#"{"a":{"b":[1,[2]] , "c":3}}"#, r#"{"a":{"b":null , "c":3}}"#),
        ("a key with dots", &[("m.'a.b/c'", Redact)], r#"{"m":{"a.b/c":"x","a":{"b/c":"y"}}}"#, r#"{"m":{"a.b/c":"[redacted]","a":{"b/c":"y"}}}"#),
        ("anywhere", &[("**.ssn", Redact)], r#"{"ssn":"1","a":{"ssn":"2","b":[{"ssn":"3"}]}}"#, r#"{"ssn":"[redacted]","a":{"ssn":"[redacted]","b":[{"ssn":"[redacted]"}]}}"#),
        ("one key between", &[("i.*.pan", Redact)], r#"{"i":{"x":{"pan":"1"},"pan":"2"}}"#, r#"{"i":{"x":{"pan":"[redacted]"},"pan":"2"}}"#),
        ("a transform of what is meant", &[("a", Last(4))], r#"{"a":"\u0061\n\"\ud83d\ude00\\z"}"#, r#"{"a":"***😀\\z"}"#),
        ("a result that has to be escaped", &[("a", Transform::First(2))], r#"{"a":"\"\u0001xxx"}"#, r#"{"a":"\"\u0001***"}"#),
        ("half of a pair", &[("a", Last(1))], r#"{"a":"xx\ud83d"}"#, "{\"a\":\"**\u{fffd}\"}"),
        ("the whole", &[("**", Redact)], r#""x" 1 [2] {"a":"b"}"#, r#""[redacted]" null [null] {"a":"[redacted]"}"#),
        ("lines", &[("a", Redact)], "{\"a\":\"1\"}\n{\"a\":\"2\"}\r\n\n{\"b\":3}", "{\"a\":\"[redacted]\"}\n{\"a\":\"[redacted]\"}\r\n\n{\"b\":3}"),
        ("one behind the other", &[("a", Redact)], r#"{"a":"1"}{"a":"2"}[{"a":"3"}]"x""#, r#"{"a":"[redacted]"}{"a":"[redacted]"}[{"a":"[redacted]"}]"x""#),
        ("the stronger of two", &[("a.b", Last(4)), ("a", Hash), ("**.b", Redact)], r#"{"a":{"b":"x"}}"#, r#"{"a":{"b":"[redacted]"}}"#),
        ("empty", &[("a", Redact)], " \n", " \n"),
        ("empty ones", &[("a", Redact)], r#"{"a":{},"b":[],"a":[ ]}"#, r#"{"a":{},"b":[],"a":[ ]}"#),
    ];
    for (name, rules, text, expected) in cases {
        check(name, Some(&fields(rules)), &none(), text, expected);
    }
}

#[test]
fn a_transform_may_be_by_field() {
    let read = |text: &str| parse_field(text).unwrap();
    let mask = FieldMask {
        fields: vec![read("customers")],
        with: vec![(read("**.pan"), Transform::Last(4))],
        otherwise: Transform::Null,
    };
    let masks = Arc::new(FieldMasks::new([&mask]));
    let (text, expected) = (
        r#"{"customers":{"name":"Ana","card":{"pan":"41111111"}},"pan":"x"}"#,
        r#"{"customers":{"name":null,"card":{"pan":"****1111"}},"pan":"x"}"#,
    );
    check("customers", Some(&masks), &none(), text, expected);
}

#[test]
fn finds_are_masked_whatever_they_are_written_like() {
    let rules = [
        (Detector::CreditCard, Transform::Last(4)),
        (Detector::Email, Transform::Redact),
        (Detector::PrivateKey, Transform::Redact),
        (Detector::Ssn, Transform::Redact),
        (Detector::Authorization, Transform::Redact),
        (Detector::AwsKey, Transform::Redact),
    ];
    let secret = Literals::new([&b"a secret \"of\" a target"[..]]).unwrap();
    let detectors = Detectors::new(&rules).unwrap().with_literals(secret);
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str)] = &[
        ("nothing", r#"{"a\n":"\u00e9\t","b":[1,2.5]}"#, r#"{"a\n":"\u00e9\t","b":[1,2.5]}"#),
        ("a card", r#"{"n":"paid\t\u0034111 1111 1111 1111\n!"}"#, r#"{"n":"paid\t***************1111\n!"}"#),
        ("a card, escaped", r#"["\u0034\u0031\u0031\u0031111111111111"]"#, r#"["************1111"]"#),
        ("a card as a number", r#"{"pan":4111111111111111,"n":1}"#, r#"{"pan":null,"n":1}"#),
        ("a key", r#"{"k":"x\n-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n\u0079"}"#, r#"{"k":"x\n[redacted]\n\u0079"}"#),
        ("an address in a key", r#"{"ana@example.com":1,"bo\u0040example.com":"x"}"#, r#"{"[redacted]":1,"[redacted]":"x"}"#),
        ("a number by its key", r#"{"ssn":"536904399","x":"536904399","ssn":536904399,"ssn":["536904399"]}"#, r#"{"ssn":"[redacted]","x":"536904399","ssn":null,"ssn":["[redacted]"]}"#),
        ("a header", r#"{"Authorization": "Digest username=\"ana\", response=\"6629\"", "x": "y"}"#, r#"{"Authorization": "Digest [redacted]", "x": "y"}"#),
        ("a secret key", r#"{"SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}"#, r#"{"SecretAccessKey":"[redacted]"}"#),
        ("a secret", r#"["it is a secret \"of\" a target.", "é"]"#, r#"["it is [redacted].", "é"]"#),
        ("between escapes", r#"["\u00e9ana@example.com\u0020\u00e9\ud83d\ude00"]"#, r#"["[redacted]\u0020\u00e9\ud83d\ude00"]"#),
    ];
    for (name, text, expected) in cases {
        check(name, None, &detectors, text, expected);
    }
}

#[test]
fn a_find_hides_the_whole_of_a_character_that_it_cuts() {
    let secret = Literals::new([&b"\xa9 a secret of a target\xc3"[..]]).unwrap();
    let detectors = Detectors::new(&[]).unwrap().with_literals(secret);
    for text in [
        "[\"x\u{e9} a secret of a target\u{e9} y\"]",
        "[\"x\\u00e9 a secret of a target\\u00e9 y\"]",
        "[\"x\\u00e9 a secret of a target\u{e9} y\"]",
    ] {
        check("a character", None, &detectors, text, "[\"x[redacted] y\"]");
    }
}

#[test]
fn what_is_not_json_ends_the_stream() {
    let deep = "[".repeat(JsonMasker::MAX_DEPTH) + &"]".repeat(JsonMasker::MAX_DEPTH);
    check("as deep as can be", None, &none(), &deep, &deep);
    let (deep, key) = (format!("[{deep}]"), "k".repeat(JsonMasker::MAX_KEY + 1));
    let number = "1".repeat(JsonMasker::MAX_NUMBER + 1);
    #[rustfmt::skip]
    let cases: &[(&str, JsonError)] = &[
        ("<html>", JsonError::NotJson), ("{a:1}", JsonError::NotJson), ("{\"a\" 1}", JsonError::NotJson),
        ("[1,]", JsonError::NotJson), ("{\"a\":1,}", JsonError::NotJson), ("[1 2]", JsonError::NotJson),
        ("[,1]", JsonError::NotJson), ("[1}", JsonError::NotJson), ("]", JsonError::NotJson), ("1,2", JsonError::NotJson),
        ("truefalse", JsonError::NotJson), ("1true", JsonError::NotJson), ("nul", JsonError::NotJson), ("True", JsonError::NotJson),
        ("01", JsonError::NotJson), ("-", JsonError::NotJson), ("1.", JsonError::NotJson), (".5", JsonError::NotJson),
        ("1e", JsonError::NotJson), ("+1", JsonError::NotJson), ("1-2", JsonError::NotJson), ("NaN", JsonError::NotJson),
        ("\"a\nb\"", JsonError::NotJson), ("\"\\x\"", JsonError::NotJson), ("\"\\u12g4\"", JsonError::NotJson), ("'a'", JsonError::NotJson),
        ("\u{feff}{}", JsonError::NotJson), ("{\"a\":\"\u{1}\"}", JsonError::NotJson), ("{} x", JsonError::NotJson),
        ("{\"a\":1", JsonError::CutOff), ("\"a", JsonError::CutOff), ("[", JsonError::CutOff), ("\"\\u12", JsonError::CutOff), ("{\"a\"", JsonError::CutOff),
        (&deep, JsonError::TooDeep), (&format!("{{\"{key}\":1}}"), JsonError::TooLong), (&format!("[{number}]"), JsonError::TooLong),
    ];
    for (text, expected) in cases {
        for sizes in [&[usize::MAX][..], &[1], &[2, 3]] {
            let (_, end) = run(None, &none(), text.as_bytes(), sizes);
            assert_eq!(end, Err(*expected), "{text:.80} in {sizes:?}");
        }
    }
    for bytes in [&b"\"\xff\""[..], b"\"\xe2\x82\"", b"\"\xed\xa0\x80\"", b"{\"\xc3\":1}"] {
        for sizes in [&[usize::MAX][..], &[1]] {
            assert_eq!(run(None, &none(), bytes, sizes).1, Err(JsonError::NotJson), "{bytes:?}");
        }
    }
}

#[test]
fn nothing_leaves_behind_an_error() {
    let (mut masker, mut out) = (JsonMasker::default(), Vec::new());
    masker.push(&none(), &key(), b"{\"a\":", &mut out).unwrap();
    assert_eq!(masker.push(&none(), &key(), b"x", &mut out), Err(JsonError::NotJson));
    let left = out.clone();
    assert_eq!(masker.push(&none(), &key(), b"1}", &mut out), Err(JsonError::NotJson));
    assert_eq!(masker.finish(&none(), &key(), &mut out), Err(JsonError::NotJson));
    assert_eq!(out, left);
}

#[test]
fn a_value_has_left_once_its_end_has_come() {
    let masks = fields(&[("a", Transform::Redact)]);
    for line in ["{\"a\":\"x\",\"b\":\"ana@exam\"}\n", "[1,2]", "\"ana\"", "{\"b\":4111}"] {
        let (mut masker, mut out) = (JsonMasker::new(Some(masks.clone())), Vec::new());
        for _ in 0..3 {
            masker.push(detectors(), &key(), line.as_bytes(), &mut out).unwrap();
            assert_eq!(masker.held(), 0, "{line}");
        }
    }
}

#[test]
fn long_strings_leave_before_their_end_and_are_bounded_under_a_mask() {
    let masks = fields(&[("a", Transform::Last(4)), ("n", Transform::Null)]);
    for length in [WAIT, WAIT + 1, MAX_FIND, MAX_FIND + 1, 5 * PIECE] {
        let long = "é".repeat(length / 2) + &"x".repeat(length % 2);
        let text =
            format!("{{\"b\":\"{long} ana@example.com\\n\",\"a\":\"{long}\",\"n\":\"{long}\",\"c\":1}}");
        let masked = if long.len() > MAX_FIND {
            "[redacted]".to_owned()
        } else {
            let count = long.chars().count();
            "*".repeat(count - 4) + &long.chars().skip(count - 4).collect::<String>()
        };
        let rules = [(Detector::Email, Transform::Redact)];
        let emails = Detectors::new(&rules).unwrap();
        let expected = format!("{{\"b\":\"{long} [redacted]\\n\",\"a\":\"{masked}\",\"n\":null,\"c\":1}}");
        for sizes in [&[usize::MAX][..], &[1000], &[7, 4096]] {
            let (out, end) = run(Some(&masks), &emails, text.as_bytes(), sizes);
            assert_eq!(end, Ok(3), "{length} in {sizes:?}");
            assert!(String::from_utf8(out).unwrap() == expected, "{length} in {sizes:?}");
        }
    }
    let (mut masker, mut out) = (JsonMasker::default(), Vec::new());
    masker.push(detectors(), &key(), b"\"", &mut out).unwrap();
    masker.push(detectors(), &key(), &b"word ".repeat(2000), &mut out).unwrap();
    assert!(out.len() > 9_000, "only {} bytes have left", out.len());
}

/// Text with what detectors look for in it.
fn texts() -> impl Strategy<Value = String> {
    let pieces: &[&str] = &[
        "a",
        "é",
        "😀",
        "\"",
        "\\",
        "\n",
        "\u{1}",
        " ",
        ".",
        "@",
        "ana@example.com",
        "4111111111111111",
        "4111 1111 ",
        "536-90-4399",
        "Bearer ",
        "the password of ",
        "the password of a target",
        "-----BEGIN PRIVATE KEY-----\nMC4C",
        "\n-----END PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcd",
        "authorization",
        "+1 202-555-0143",
        "DE89370400440532013000",
        ": ",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..6).prop_map(|pieces| pieces.concat())
}

/// A string as it may be written: each character plain or escaped.
fn strings() -> impl Strategy<Value = String> {
    (texts(), any::<u64>()).prop_map(|(text, how)| {
        let mut written = String::from("\"");
        for (at, character) in text.chars().enumerate() {
            let escape = matches!(character, '"' | '\\' | '\0'..=' ') || how >> (at % 64) & 3 == 3;
            if escape {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    written += &format!("\\u{unit:04x}");
                }
            } else {
                written.push(character);
            }
        }
        written + "\""
    })
}

fn keys() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(&["\"a\"", "\"b\"", "\"\\u0061\"", "\"ssn\"", "\"authorization\"", "\"\""][..]).prop_map(String::from),
        1 => strings(),
    ]
}

pub(in crate::mask) fn documents() -> impl Strategy<Value = String> {
    let blank = || prop::sample::select(&["", "", " ", "\n", "\r\n\t"][..]);
    let scalar = prop_oneof![
        2 => strings(),
        1 => prop::sample::select(&["0", "-1.5E+3", "4111111111111111", "536904399", "true", "false", "null"][..]).prop_map(String::from),
    ];
    scalar.prop_recursive(4, 32, 5, move |value| {
        let member = (keys(), blank(), value.clone())
            .prop_map(|(key, blank, value)| format!("{key}{blank}:{blank}{value}"));
        let listed = |open: &'static str, items: Vec<String>, blank: &str, close: &'static str| {
            format!("{open}{blank}{}{close}", items.join(&format!("{blank},")))
        };
        prop_oneof![
            (prop::collection::vec(value, 0..4), blank())
                .prop_map(move |(items, blank)| listed("[", items, blank, "]")),
            (prop::collection::vec(member, 0..4), blank())
                .prop_map(move |(items, blank)| listed("{", items, blank, "}")),
        ]
    })
}

fn some_fields() -> impl Strategy<Value = Option<Arc<FieldMasks>>> {
    let rule = (
        prop::sample::select(&["a", "**.b", "a.*", "**", "ssn.a", "*.a"][..]),
        prop::sample::select(&[Transform::Null, Transform::Redact, Transform::Last(3), Transform::Hash][..]),
    );
    prop::option::of(prop::collection::vec(rule, 1..4).prop_map(|rules| fields(&rules)))
}

proptest! {
    #[test]
    fn how_the_stream_is_split_changes_nothing_and_json_stays_json(
        documents in prop::collection::vec(documents(), 1..4),
        masks in some_fields(),
        sizes in prop::collection::vec(1..40_usize, 1..8),
    ) {
        let text = documents.join("\n");
        let (whole, end) = run(masks.as_ref(), detectors(), text.as_bytes(), &[usize::MAX]);
        prop_assert!(end.is_ok(), "{text}: {end:?}");
        let split = run(masks.as_ref(), detectors(), text.as_bytes(), &sizes);
        prop_assert_eq!((String::from_utf8(whole.clone()).unwrap(), end), (String::from_utf8(split.0).unwrap(), split.1));
        // What leaves is JSON again, to a reader that is not this one's writer.
        let (again, end) = run(None, &none(), &whole, &[usize::MAX]);
        prop_assert_eq!((again, end), (whole, Ok(0)));
    }

    #[test]
    fn without_masks_json_leaves_as_it_came(text in documents()) {
        let (out, end) = run(None, &none(), text.as_bytes(), &[3]);
        prop_assert_eq!(String::from_utf8(out).unwrap(), text);
        prop_assert_eq!(end, Ok(0));
    }

    #[test]
    fn no_bytes_panic_and_their_split_changes_no_answer(
        text in "[\\[\\]{},:\" \\\\u0a1.e-]{0,40}",
        sizes in prop::collection::vec(1..9_usize, 1..8),
    ) {
        let masks = fields(&[("a", Transform::Redact)]);
        let whole = run(Some(&masks), detectors(), text.as_bytes(), &[usize::MAX]);
        let split = run(Some(&masks), detectors(), text.as_bytes(), &sizes);
        prop_assert_eq!(whole.1, split.1);
        if whole.1.is_ok() {
            prop_assert_eq!(whole.0, split.0);
        }
    }
}
