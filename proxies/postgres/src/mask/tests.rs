//! Tables by type, format and transform, and properties of rewritten frames.

use policy_core::mask::{MaskKey, Transform};
use proptest::prelude::*;

use super::value::{take_u16, take_u32};
use super::*;

/// Hides every `SECRET`, and nulls a value that holds `VOID`.
struct Planted;

impl Finder for Planted {
    fn rewrite(&self, text: &[u8], out: &mut Vec<u8>) -> Found {
        if memchr::memmem::find(text, b"VOID").is_some() {
            return Found::Null;
        }
        let mut rest = text;
        while let Some(at) = memchr::memmem::find(rest, b"SECRET") {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(b"[hidden]");
            rest = &rest[at + 6..];
        }
        // A card number, as digits.
        if memchr::memmem::find(rest, b"4111111111111111").is_some() {
            return Found::Null;
        }
        if rest.len() == text.len() {
            return Found::Nothing;
        }
        out.extend_from_slice(rest);
        Found::Text
    }
}

fn masks() -> ValueMasks {
    ValueMasks { key: MaskKey::new(&[7; 32]).unwrap(), finder: Some(std::sync::Arc::new(Planted)) }
}

fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    for value in values {
        match value {
            None => body.extend([0xff; 4]),
            Some(value) => {
                body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
                body.extend_from_slice(value);
            }
        }
    }
    body
}

/// The values of a whole DataRow frame, which must be exactly one.
fn values(frame: &[u8]) -> Vec<Option<Vec<u8>>> {
    assert_eq!(frame[0], b'D');
    let mut rest = &frame[1..];
    assert_eq!(take_u32(&mut rest).unwrap() as usize, frame.len() - 1);
    let count = take_u16(&mut rest).unwrap();
    let values = (0..count)
        .map(|_| match take_u32(&mut rest).unwrap() {
            u32::MAX => None,
            length => {
                let (value, after) = rest.split_at(length as usize);
                rest = after;
                Some(value.to_vec())
            }
        })
        .collect();
    assert!(rest.is_empty());
    values
}

fn rewrite(cells: &[Cell], given: &[Option<&[u8]>]) -> Vec<Option<Vec<u8>>> {
    let body = row(given);
    let mut out = Vec::new();
    match Masker::new(masks()).data_row(&ResultPlan::new(cells.iter().copied()), &body, &mut out).unwrap() {
        Rewritten::Unchanged => {
            assert!(out.is_empty());
            given.iter().map(|value| value.map(<[u8]>::to_vec)).collect()
        }
        Rewritten::Written => values(&out),
    }
}

fn cell(treatment: Treatment, oid: u32, format: Format, limit: Option<u32>) -> Cell {
    Cell { treatment, ty: BuiltinTypes.of(oid), format, limit }
}

fn one(treatment: Treatment, oid: u32, format: Format, limit: Option<u32>, given: &[u8]) -> Option<Vec<u8>> {
    rewrite(&[cell(treatment, oid, format, limit)], &[Some(given)]).pop().unwrap()
}

fn show(value: Option<&[u8]>) -> String {
    value.map_or("NULL".into(), |value| value.escape_ascii().to_string().replace("\\\"", "\""))
}

const TEXT: u32 = 25;
const VARCHAR: u32 = 1043;
const BPCHAR: u32 = 1042;
const JSON: u32 = 114;
const JSONB: u32 = 3802;
const TEXT_ARRAY: u32 = 1009;
const INT8: u32 = 20;
const NUMERIC: u32 = 1700;

/// A case's name; type, format and declared length of its column.
type Column<'a> = (&'a str, u32, Format, Option<u32>);

#[test]
fn column_masks_keep_the_type() {
    use Format::{Binary, Text};
    use Transform::{First, Hash, Last, Null, Partial, Redact};
    #[rustfmt::skip]
    let cases: &[(Column<'_>, Transform, &[u8], &str)] = &[
        (("text", TEXT, Text, None), Redact, b"ana", "[redacted]"),
        (("text in binary", TEXT, Binary, None), Redact, b"ana", "[redacted]"),
        (("null", TEXT, Text, None), Null, b"ana", "NULL"),
        (("last", TEXT, Text, None), Last(4), b"4000000000000002", "************0002"),
        (("first", TEXT, Text, None), First(2), b"abcdef", "ab****"),
        (("partial", TEXT, Text, None), Partial, b"ana@example.com", "a***@example.com"),
        (("what a form leaves is looked through", TEXT, Text, None), Last(6), b"xxxxxxSECRET", "******[hidden]"),
        (("what a form leaves may be void", TEXT, Text, None), Last(4), b"xxxxxxVOID", "NULL"),
        (("varchar that fits", VARCHAR, Text, Some(10)), Redact, b"ana", "[redacted]"),
        (("varchar that does not", VARCHAR, Text, Some(9)), Redact, b"ana", "NULL"),
        (("varchar and hash", VARCHAR, Text, Some(31)), Hash, b"ana", "NULL"),
        (("char is padded", BPCHAR, Text, Some(12)), Redact, b"ana         ", "[redacted]  "),
        (("char without its padding", BPCHAR, Binary, Some(8)), Last(2), b"abcd    ", "**cd    "),
        (("char too short", BPCHAR, Text, Some(3)), Redact, b"ana", "NULL"),
        (("name", 19, Text, None), Redact, b"ana", "[redacted]"),
        (("unknown", 705, Text, None), Redact, b"ana", "[redacted]"),
        (("xml", 142, Text, None), First(4), b"<a>x&y</a>", "&lt;a&gt;x******"),
        (("json object", JSON, Text, None), Redact, br#"{"a": 1}"#, r#""[redacted]""#),
        (("json string", JSON, Text, None), Last(2), br#""ab\u0063\"""#, r#""**c\\"""#),
        (("json null transform", JSON, Text, None), Null, br#"{"a": 1}"#, "NULL"),
        (("jsonb in binary", JSONB, Binary, None), Redact, b"\x01{\"a\": 1}", r#"\x01"[redacted]""#),
        (("jsonb of another version", JSONB, Binary, None), Redact, b"\x02{\"a\": 1}", "NULL"),
        (("jsonb in text", JSONB, Text, None), Redact, br#"{"a": 1}"#, r#""[redacted]""#),
        (("integer", 23, Text, None), Redact, b"42", "NULL"),
        (("integer in binary", 23, Binary, None), Hash, &[0, 0, 0, 42], "NULL"),
        (("numeric", NUMERIC, Text, None), Last(4), b"4111111111111111", "NULL"),
        (("date", 1082, Text, None), Redact, b"2020-01-01", "NULL"),
        (("bytea", 17, Text, None), Redact, b"\\x414243", "NULL"),
        (("uuid", 2950, Binary, None), Hash, &[7; 16], "NULL"),
        (("bool", 16, Text, None), First(1), b"t", "NULL"),
        (("inet", 869, Text, None), Redact, b"10.0.0.1", "NULL"),
        (("record", 2249, Text, None), Redact, b"(a,b)", "NULL"),
        (("a type of an extension", 99999, Text, None), Redact, b"whatever", "NULL"),
        (("array", TEXT_ARRAY, Text, None), Redact, br#"{a,"b,c",NULL,"NULL"}"#, r#"{"[redacted]","[redacted]",NULL,"[redacted]"}"#),
        (("nested array", TEXT_ARRAY, Text, None), First(1), b"[2:3][1:1]={{ab},{cd}}", r#"[2:3][1:1]={{"a*"},{"c*"}}"#),
        (("empty array", TEXT_ARRAY, Text, None), Redact, b"{}", "{}"),
        (("array whose elements become NULL", TEXT_ARRAY, Text, None), Last(4), b"{abcdVOID}", "{NULL}"),
        (("array of varchar that does not fit", 1015, Text, Some(4)), Redact, b"{abc}", "{NULL}"),
        (("array cut short", TEXT_ARRAY, Text, None), Redact, b"{abc", "NULL"),
        (("array with an open quote", TEXT_ARRAY, Text, None), Redact, b"{\"abc}", "NULL"),
        (("array and more", TEXT_ARRAY, Text, None), Redact, b"{a}b", "NULL"),
        (("array after something else", TEXT_ARRAY, Text, None), Redact, b"abc{d}", "NULL"),
        (("no array at all", TEXT_ARRAY, Text, None), Redact, b"abc", "NULL"),
        (("array of integers", 1007, Text, None), Redact, b"{1,2}", "NULL"),
    ];
    for ((name, oid, format, limit), transform, given, expected) in cases {
        let got = one(Treatment::Mask(*transform), *oid, *format, *limit, given);
        assert_eq!(show(got.as_deref()), *expected, "{name}");
    }
}

#[test]
fn detectors_look_into_every_type_that_has_room() {
    use Format::{Binary, Text};
    let numeric: Vec<u8> =
        [4_u16, 3, 0, 0, 4111, 1111, 1111, 1111].iter().flat_map(|d| d.to_be_bytes()).collect();
    let record = {
        let mut record = 2_u32.to_be_bytes().to_vec();
        record.extend(23_u32.to_be_bytes().iter().chain(&4_u32.to_be_bytes()).chain(&[0, 0, 0, 1]));
        record.extend(20_u32.to_be_bytes().iter().chain(&8_u32.to_be_bytes()));
        record.extend(4_111_111_111_111_111_i64.to_be_bytes());
        record
    };
    #[rustfmt::skip]
    let cases: &[(Column<'_>, &[u8], &str)] = &[
        (("text", TEXT, Text, None), b"a SECRET b", "a [hidden] b"),
        (("clean text", TEXT, Text, None), b"a b", "a b"),
        (("void", TEXT, Text, None), b"a VOID b", "NULL"),
        (("varchar that no longer fits", VARCHAR, Text, Some(10)), b"a SECRET b", "NULL"),
        (("char keeps its length", BPCHAR, Text, Some(12)), b"SECRET      ", "NULL"),
        (("integers are not decoded", 23, Text, None), b"SECRET", "SECRET"),
        (("int8 in text", INT8, Text, None), b"4111111111111111", "NULL"),
        (("int8 in binary", INT8, Binary, None), &4_111_111_111_111_111_i64.to_be_bytes(), "NULL"),
        (("float8 in binary", 701, Binary, None), &4_111_111_111_111_111_f64.to_be_bytes(), "NULL"),
        (("numeric in binary", NUMERIC, Binary, None), &numeric, "NULL"),
        (("numeric that lies", NUMERIC, Binary, None), &numeric[..10], "NULL"),
        (("bytea in hex", 17, Text, None), b"\\x20534543524554", "NULL"),
        (("bytea in escapes", 17, Text, None), br"\123ECRET", "NULL"),
        (("bytea in binary", 17, Binary, None), b"SECRET", "NULL"),
        (("record in text", 2249, Text, None), b"(1,SECRET)", "NULL"),
        (("record in binary", 2249, Binary, None), &record, "NULL"),
        (("record that lies", 2249, Binary, None), &record[..20], "NULL"),
        (("range of an unknown type", 99999, Text, None), b"[SECRET,)", "NULL"),
        (("json string", JSON, Text, None), br#"{"a": ["SECRET", 12]}"#, r#"{"a": ["[hidden]", 12]}"#),
        (("json escapes", JSON, Text, None), br#"{"a": "\u0053ECRET\n"}"#, "{\"a\": \"[hidden]\\\\u000a\"}"),
        (("json key", JSON, Text, None), br#"{"VOID" : 1, "b": "VOID"}"#, r#"{"[redacted]" : 1, "b": null}"#),
        (("json number", JSON, Text, None), br#"{"a": 4111111111111111}"#, r#"{"a": null}"#),
        (("jsonb in binary", JSONB, Binary, None), b"\x01{\"a\": \"SECRET\"}", r#"\x01{"a": "[hidden]"}"#),
        (("array", TEXT_ARRAY, Text, None), br#"{a,"x SECRET"}"#, r#"{a,"x [hidden]"}"#),
        (("array of numbers", 1016, Text, None), b"{1,4111111111111111}", "{1,NULL}"),
        (("clean array", TEXT_ARRAY, Text, None), b"{a,b}", "{a,b}"),
    ];
    for ((name, oid, format, limit), given, expected) in cases {
        let got = one(Treatment::Detect, *oid, *format, *limit, given);
        assert_eq!(show(got.as_deref()), *expected, "{name}");
    }
}

/// `array_send` of one dimension.
fn binary_array(elements: &[Option<&[u8]>]) -> Vec<u8> {
    let null = elements.iter().any(Option::is_none);
    let mut array = Vec::new();
    for word in [1, u32::from(null), TEXT, u32::try_from(elements.len()).unwrap(), 1] {
        array.extend(word.to_be_bytes());
    }
    array.extend_from_slice(&row(elements)[2..]);
    array
}

#[test]
fn binary_arrays_are_rewritten_element_by_element() {
    let given = binary_array(&[Some(b"ana"), None, Some(b"bob VOID")]);
    let mask = |transform| one(Treatment::Mask(transform), TEXT_ARRAY, Format::Binary, None, &given);
    assert_eq!(
        mask(Transform::Redact).unwrap(),
        binary_array(&[Some(b"[redacted]"), None, Some(b"[redacted]")])
    );
    assert_eq!(mask(Transform::Last(4)).unwrap(), binary_array(&[Some(b"**a"), None, None]));
    let given = binary_array(&[Some(b"ana"), Some(b"bob VOID")]);
    let detected = one(Treatment::Detect, TEXT_ARRAY, Format::Binary, None, &given).unwrap();
    assert_eq!(detected, binary_array(&[Some(b"ana"), None]), "the flag for NULLs is set");
    for cut in 0..given.len() {
        let got = one(Treatment::Mask(Transform::Redact), TEXT_ARRAY, Format::Binary, None, &given[..cut]);
        assert_eq!(got, None, "cut at {cut}");
    }
}

#[test]
fn rows_that_lie_end_the_session() {
    let plan = ResultPlan::new([
        cell(Treatment::Mask(Transform::Redact), TEXT, Format::Text, None),
        cell(Treatment::Pass, TEXT, Format::Text, None),
    ]);
    let good = row(&[Some(b"ana"), Some(b"b")]);
    let mut masker = Masker::new(masks());
    let mut out = b"before".to_vec();
    for cut in 0..good.len() {
        assert!(masker.data_row(&plan, &good[..cut], &mut out).is_err(), "cut at {cut}");
    }
    let mut long = good.clone();
    long.push(0);
    assert_eq!(masker.data_row(&plan, &long, &mut out), Err(MaskError::Long("DataRow")));
    let one = row(&[Some(b"ana")]);
    assert_eq!(masker.data_row(&plan, &one, &mut out), Err(MaskError::Columns { expected: 2, got: 1 }));
    let huge = row(&[Some(&vec![b'a'; MAX_MASKED_ROW]), None]);
    assert_eq!(masker.data_row(&plan, &huge, &mut out), Err(MaskError::TooLarge));
    assert_eq!(out, b"before", "nothing of a refused row is written");
}

#[test]
fn nulls_and_clean_rows_are_left_alone() {
    let plan = ResultPlan::new([
        cell(Treatment::Mask(Transform::Redact), TEXT, Format::Text, None),
        cell(Treatment::Detect, TEXT, Format::Text, None),
    ]);
    let mut out = Vec::new();
    let body = row(&[None, Some(b"clean")]);
    assert_eq!(Masker::new(masks()).data_row(&plan, &body, &mut out), Ok(Rewritten::Unchanged));
    assert!(out.is_empty());
}

#[test]
fn columns_that_nobody_decided_about_show_nothing() {
    let field =
        Field { name: (*b"a").into(), table: 0, attnum: 0, ty: TEXT, typmod: -1, format: Format::Text };
    let plan = ResultPlan::compile(&[field.clone(), field], &[None], false, &BuiltinTypes);
    assert_eq!(plan.cells()[0].treatment, Treatment::Pass);
    assert_eq!(plan.cells()[1].treatment, Treatment::Mask(Transform::Null));
}

#[test]
fn a_plan_without_columns_lets_no_value_through() {
    let (mut masker, mut out) = (Masker::new(masks()), Vec::new());
    let nothing = ResultPlan::new([]);
    assert!(!nothing.passes_all());
    let shown = masker.data_row(&nothing, &row(&[Some(b"SECRET")]), &mut out);
    assert_eq!(shown, Err(MaskError::Columns { expected: 0, got: 1 }));
    assert_eq!(masker.data_row(&nothing, &row(&[]), &mut out), Ok(Rewritten::Unchanged));
    assert!(ResultPlan::everything().passes_all());
    let hidden = ResultPlan::nothing().with_formats(&[Format::Binary; 9]).unwrap();
    assert!(!hidden.passes_all());
    out.clear();
    let shown = masker.data_row(&hidden, &row(&[Some(b"SECRET"), None, Some(b"x")]), &mut out);
    assert_eq!((shown, values(&out)), (Ok(Rewritten::Written), vec![None, None, None]));
}

#[test]
fn formats_of_a_binding_are_none_one_or_all() {
    let plan = || ResultPlan::new([25, 25].map(|oid| cell(Treatment::Pass, oid, Format::Text, None)));
    let formats = |given: &[Format]| {
        plan().with_formats(given).map(|plan| plan.cells().iter().map(|c| c.format).collect::<Vec<_>>())
    };
    assert_eq!(formats(&[]), Some(vec![Format::Text; 2]));
    assert_eq!(formats(&[Format::Binary]), Some(vec![Format::Binary; 2]));
    assert_eq!(formats(&[Format::Text, Format::Binary]), Some(vec![Format::Text, Format::Binary]));
    assert_eq!(formats(&[Format::Text; 3]), None);
}

#[test]
fn row_descriptions_hold_exactly_what_they_announce() {
    let mut body = 1_u16.to_be_bytes().to_vec();
    body.extend(b"pan\0\0\0\x40\0\0\x02\0\0\x04\x13\xff\xff\0\0\0\x14\0\x01");
    let fields = parse_row_description(&body).unwrap();
    assert_eq!(
        fields,
        [Field {
            name: (*b"pan").into(),
            table: 0x4000,
            attnum: 2,
            ty: 1043,
            typmod: 20,
            format: Format::Binary
        }]
    );
    assert_eq!(fields[0].limit(), Some(16));
    for cut in 0..body.len() {
        assert!(parse_row_description(&body[..cut]).is_err(), "cut at {cut}");
    }
    body.push(0);
    assert!(parse_row_description(&body).is_err());
    body.pop();
    body[1] = 9;
    assert!(parse_row_description(&body).is_err(), "a count that lies");
}

#[test]
fn rows_are_rewritten_without_allocating() {
    let plan = ResultPlan::new([
        cell(Treatment::Pass, 23, Format::Text, None),
        cell(Treatment::Mask(Transform::Last(4)), VARCHAR, Format::Text, Some(20)),
        cell(Treatment::Mask(Transform::Redact), JSONB, Format::Text, None),
        cell(Treatment::Mask(Transform::Redact), TEXT_ARRAY, Format::Text, None),
        cell(Treatment::Detect, TEXT, Format::Text, None),
        cell(Treatment::Detect, NUMERIC, Format::Text, None),
    ]);
    let body = row(&[
        Some(b"1"),
        Some(b"4000000000000002"),
        Some(br#"{"a": "b"}"#),
        Some(b"{a,\"b c\"}"),
        Some(b"a SECRET b"),
        Some(b"12.5"),
    ]);
    let (mut masker, mut out) = (Masker::new(masks()), Vec::new());
    let mut run = || {
        out.clear();
        assert_eq!(masker.data_row(&plan, &body, &mut out), Ok(Rewritten::Written));
    };
    run();
    let counted = allocation_counter::measure(|| (0..100).for_each(|_| run()));
    assert_eq!(counted.count_total, 0);
}

fn cells() -> impl Strategy<Value = Cell> {
    let treatment = prop_oneof![
        Just(Treatment::Detect),
        Just(Treatment::Mask(Transform::Redact)),
        Just(Treatment::Mask(Transform::Null)),
        Just(Treatment::Mask(Transform::Hash)),
        Just(Treatment::Mask(Transform::Partial)),
        (0u16..20).prop_map(|n| Treatment::Mask(Transform::First(n))),
        (0u16..20).prop_map(|n| Treatment::Mask(Transform::Last(n))),
    ];
    let oid = prop::sample::select(vec![
        25, 1043, 1042, 19, 142, 114, 3802, 1009, 3807, 199, 1015, 20, 1700, 17, 2249, 99_999,
    ]);
    let format = prop_oneof![Just(Format::Text), Just(Format::Binary)];
    (treatment, oid, format, prop::option::of(0u32..40))
        .prop_map(|(treatment, oid, format, limit)| cell(treatment, oid, format, limit))
}

/// Values as a type might have them, and arbitrary bytes, with a secret somewhere.
fn planted() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        ("[a-z \\\\\"{},:]{0,12}", "[a-z \\\\\"{},:]{0,12}")
            .prop_map(|(a, b)| format!("{a}SECRET{b}").into_bytes()),
        "[a-z]{0,5}"
            .prop_map(|a| format!(r#"{{"{a}": ["SECRET", "SE\u0043RET"], "SECRET": 1}}"#).into_bytes()),
        "[a-z]{0,5}".prop_map(|a| format!(r#"{{{a}x,"SECRET",S\ECRET,{{NULL}}}}"#).into_bytes()),
        Just(binary_array(&[Some(b"SECRET"), None, Some(b"x SECRET x")])),
        (prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(a, b)| [a, b"SECRET".to_vec(), b].concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_rewritten_row_parses_keeps_its_columns_and_holds_no_secret(
        columns in prop::collection::vec((cells(), prop::option::of(planted())), 0..6)
    ) {
        let cells: Vec<Cell> = columns.iter().map(|(cell, _)| *cell).collect();
        let given: Vec<Option<&[u8]>> = columns.iter().map(|(_, value)| value.as_deref()).collect();
        let got = rewrite(&cells, &given);
        prop_assert_eq!(got.len(), given.len());
        for ((cell, was), is) in columns.iter().zip(&got) {
            prop_assert!(was.is_some() || is.is_none(), "a NULL stays NULL");
            // The bytes of a number are no text.
            let is_number = matches!(cell.ty.kind, types::Kind::Number(_)) && cell.format == Format::Binary;
            if let Some(is) = is.as_ref().filter(|_| !is_number) {
                prop_assert!(memchr::memmem::find(is, b"SECRET").is_none(), "{:?}: {}", cell, is.escape_ascii());
                let holds_text = matches!(cell.ty.kind, types::Kind::Text | types::Kind::Padded);
                if let (true, false, Some(limit), true, Ok(text)) =
                    (holds_text, cell.ty.array, cell.limit, Some(is) != was.as_ref(), std::str::from_utf8(is))
                {
                    prop_assert!(text.chars().count() <= limit as usize);
                }
            }
        }
    }
}
