use proptest::prelude::*;

use super::super::json::tests::{documents, fields};
use super::super::tests::key;
use super::super::tests::splits::detectors;
use super::*;
use crate::mask::{Detector, Transform};

fn run(
    masks: Option<&Arc<FieldMasks>>,
    detectors: &Detectors,
    text: &[u8],
    sizes: &[usize],
) -> (Vec<u8>, Result<(), JsonError>) {
    let (mut masker, mut out) = (SseMasker::new(masks.cloned()), Vec::new());
    let (mut rest, mut sizes) = (text, sizes.iter().cycle());
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((*sizes.next().unwrap()).clamp(1, rest.len()));
        if let Err(error) = masker.push(detectors, &key(), piece, &mut out) {
            return (out, Err(error));
        }
        rest = behind;
    }
    let end = masker.finish(detectors, &key(), &mut out).map(drop);
    (out, end)
}

fn emails() -> Detectors {
    Detectors::new(&[(Detector::Email, Transform::Redact), (Detector::PrivateKey, Transform::Redact)])
        .unwrap()
}

#[test]
fn data_are_masked_and_lines_stay_where_they_are() {
    let masks = fields(&[("a", Transform::Redact), ("n", Transform::Null)]);
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str)] = &[
        ("an event", "event: x\ndata: {\"a\":\"1\"}\nid: 7\n\n", "event: x\ndata: {\"a\":\"[redacted]\"}\nid: 7\n\n"),
        ("no space", "data:{\"a\":\"1\"}\n\n", "data:{\"a\":\"[redacted]\"}\n\n"),
        ("more space", "data:  {\"a\":\"1\"}\n\n", "data:  {\"a\":\"[redacted]\"}\n\n"),
        ("several lines", "data: {\ndata:\"a\"\r\ndata: : \"1\" ,\rdata: \"b\":2}\n\n", "data: {\ndata:\"a\"\r\ndata: : \"[redacted]\" ,\rdata: \"b\":2}\n\n"),
        ("a line between", "data: {\"b\":1,\n: note\r\nid: 3\ndata: \"a\":\"1\"}\n\n", "data: {\"b\":1,\n: note\r\nid: 3\ndata: \"a\":\"[redacted]\"}\n\n"),
        ("lines in what is dropped", "data: {\"n\":[1,\nid: 3\ndata: 2],\"b\":3}\nevent: e\n\n", "data: {\"n\":null,\"b\":3}\nid: 3\nevent: e\n\n"),
        ("carriage returns", "data: {\"a\":1}\r\r\r\ndata: {\"a\":2}\r\n\r\n", "data: {\"a\":null}\r\r\r\ndata: {\"a\":null}\r\n\r\n"),
        ("a byte order mark", "\u{feff}data: {\"a\":1}\n\n", "\u{feff}data: {\"a\":null}\n\n"),
        ("the end of many", "data: {\"a\":1}\n\ndata: [DONE]\n\n", "data: {\"a\":null}\n\ndata: [DONE]\n\n"),
        ("empty data", "data\ndata:\ndata: \n\ndata\n\n", "data\ndata:\ndata: \n\ndata\n\n"),
        ("empty data before JSON", "data\ndata: [{\"a\":1}]\n\n", "data\ndata: [{\"a\":null}]\n\n"),
        ("an address in a comment", ": ana@example.com\nretry: 3\ndatax: y\n\n", ": [redacted]\nretry: 3\ndatax: y\n\n"),
        ("an address in JSON", "data: [\"ana@example.com\"]\n\n", "data: [\"[redacted]\"]\n\n"),
        ("no empty line at the end", "data: {\"a\":1}\n", "data: {\"a\":null}\n"),
        ("no end of the line", "data: {\"a\":1}", "data: {\"a\":null}"),
        ("lines in what is dropped, and no end", "data: {\"n\":[1,\nid: 3\ndata: 2]}", "data: {\"n\":null}\nid: 3\n"),
        ("a line cut off", "data: {\"a\":1}\n\nda", "data: {\"a\":null}\n\nda"),
    ];
    for (name, text, expected) in cases {
        for sizes in [&[usize::MAX][..], &[1], &[2, 3]] {
            let (out, end) = run(Some(&masks), &emails(), text.as_bytes(), sizes);
            assert_eq!(
                (String::from_utf8(out).unwrap(), end),
                (expected.to_string(), Ok(())),
                "{name} in {sizes:?}"
            );
        }
    }
}

#[test]
fn what_is_no_json_goes_through_the_detectors() {
    let with_key = "data: -----BEGIN PRIVATE KEY-----\ndata: MC4C\ndata: -----END PRIVATE KEY-----\ndata: ana@example.com!\n\n";
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str)] = &[
        ("a text", "data: mail ana@example.com\ndata:  now\nid: 1\n\n", "data: mail [redacted]\ndata:  now\nid: 1\n\n"),
        // The line breaks of what was found stay.
        ("a key over lines", with_key, "data: [redacted]\ndata: \ndata: \ndata: [redacted]!\n\n"),
        ("the end of a line ends a word", "data: ana@\ndata: example.com\n\n", "data: ana@\ndata: example.com\n\n"),
        ("a number", "data: 5\n\n", "data: 5\n\n"),
    ];
    for (name, text, expected) in cases {
        for sizes in [&[usize::MAX][..], &[1], &[2, 3]] {
            let (out, end) = run(None, &emails(), text.as_bytes(), sizes);
            assert_eq!(
                (String::from_utf8(out).unwrap(), end),
                (expected.to_string(), Ok(())),
                "{name} in {sizes:?}"
            );
        }
    }
}

#[test]
fn what_cannot_be_masked_ends_the_stream() {
    let masks = fields(&[("a", Transform::Redact)]);
    let long = format!(": {}\n", "x".repeat(SseMasker::MAX_LINE));
    let lines = format!("data: 1\n{}", ": xxxxxxxxxxxxxxx\n".repeat(SseMasker::MAX_LINE / 16));
    let with: Option<&Arc<FieldMasks>> = Some(&masks);
    #[rustfmt::skip]
    let cases: &[(&str, Option<&Arc<FieldMasks>>, JsonError)] = &[
        ("data: text\n\n", with, JsonError::NoFields),
        ("data: 5\n\n", with, JsonError::NoFields),
        ("data: {\"a\":\n\n", with, JsonError::CutOff),
        ("data: {\"a\":", with, JsonError::CutOff),
        ("data: [DONE\n\n", with, JsonError::NotJson),
        ("data: [DONE]x\n\n", with, JsonError::NotJson),
        ("data: {\"a\":\"x\ndata: y\"}\n\n", with, JsonError::NotJson),
        ("data: {a}\n\n", None, JsonError::NotJson),
        (&long, None, JsonError::LineTooLong),
        (&lines, None, JsonError::LineTooLong),
    ];
    for (text, masks, expected) in cases {
        for sizes in [&[usize::MAX][..], &[3]] {
            assert_eq!(run(*masks, &emails(), text.as_bytes(), sizes).1, Err(*expected), "{text:.60}");
        }
    }
}

#[test]
fn an_event_has_left_once_its_empty_line_has_come() {
    let (masks, mut out) = (fields(&[("a", Transform::Redact)]), Vec::new());
    let mut masker = SseMasker::new(Some(masks));
    for end in ["\n", "\r\n", "\r"] {
        let event = format!("id: 1{end}data: {{\"b\":1}}{end}event: e{end}{end}");
        out.clear();
        masker.push(&emails(), &key(), event.as_bytes(), &mut out).unwrap();
        assert_eq!((String::from_utf8(out.clone()).unwrap(), masker.held()), (event, 0));
    }
}

fn streams() -> impl Strategy<Value = String> {
    let end = || prop::sample::select(&["\n", "\r\n", "\r"][..]);
    let other = prop::sample::select(
        &[
            "",
            "",
            "event: x",
            ": ana@example.com",
            "id",
            "data",
            "data: ",
            "data:[DONE]",
            "data: text 4111111111111111",
            "dat",
            "data : x",
            "data: -----BEGIN PRIVATE KEY-----",
            "data: MC4C",
            "data:  {\"a\":",
            "data:\"x\"",
            "data: }",
        ][..],
    );
    let line = prop_oneof![
        3 => other.prop_map(String::from),
        1 => documents().prop_map(|document| format!("data: {}", document.replace(['\r', '\n'], " "))),
    ];
    prop::collection::vec((line, end()), 0..12)
        .prop_map(|lines| lines.iter().map(|(line, end)| format!("{line}{end}")).collect())
}

proptest! {
    #[test]
    fn how_the_stream_is_split_changes_nothing(
        text in streams(),
        masked in any::<bool>(),
        sizes in prop::collection::vec(1..20_usize, 1..6),
    ) {
        let masks = fields(&[("a", Transform::Last(3)), ("b", Transform::Null)]);
        let masks = masked.then_some(&masks);
        let (whole, end) = run(masks, detectors(), text.as_bytes(), &[usize::MAX]);
        let split = run(masks, detectors(), text.as_bytes(), &sizes);
        prop_assert_eq!(end, split.1, "{}", text);
        if end.is_ok() {
            prop_assert_eq!(String::from_utf8(whole).unwrap(), String::from_utf8(split.0).unwrap(), "{}", text);
        }
    }

    #[test]
    fn without_finds_a_stream_leaves_as_it_came(text in "(data: ?|id: |: |[a-z \\[\\]{}\"0-9,:]|\n|\r){0,30}") {
        let nothing = Detectors::new(&[]).unwrap();
        let (out, end) = run(None, &nothing, text.as_bytes(), &[2]);
        if end.is_ok() {
            prop_assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
