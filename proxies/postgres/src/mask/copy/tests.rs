//! COPY streams in every format, cut at every byte.

use policy_core::mask::{MaskKey, Transform};
use proptest::prelude::*;

use super::*;
use crate::mask::{BuiltinTypes, Finder, Format, Found, Treatment, Types as _, ValueMasks};

struct Planted;

impl Finder for Planted {
    fn rewrite(&self, text: &[u8], out: &mut Vec<u8>) -> Found {
        let Some(at) = memchr::memmem::find(text, b"SECRET") else { return Found::Nothing };
        out.extend_from_slice(&text[..at]);
        out.extend_from_slice(b"a,\"\t\n\\b");
        out.extend_from_slice(&text[at + 6..]);
        Found::Text
    }
}

fn cell(treatment: Treatment, oid: u32, format: Format) -> Cell {
    Cell { treatment, ty: BuiltinTypes.of(oid), format, limit: None }
}

/// A number that passes, a text that is redacted, a text that is looked through, a number that is masked.
fn plan(format: Format) -> ResultPlan {
    ResultPlan::new([
        cell(Treatment::Pass, 23, format),
        cell(Treatment::Mask(Transform::Redact), 25, format),
        cell(Treatment::Detect, 25, format),
        cell(Treatment::Mask(Transform::Redact), 23, format),
    ])
}

fn options(format: CopyKind) -> CopyFormat {
    CopyFormat {
        format,
        delimiter: None,
        null: None,
        quote: None,
        escape: None,
        header: false,
        unfamiliar: Vec::new(),
    }
}

/// Sends the stream in these pieces, and joins what the frames that come out hold.
fn run(format: &CopyFormat, pieces: &[&[u8]]) -> Result<Vec<u8>, MaskError> {
    let wire = if format.format == CopyKind::Binary { Format::Binary } else { Format::Text };
    let mut copy = CopyMasker::new(plan(wire), format).unwrap();
    let finder: Option<std::sync::Arc<dyn Finder>> = Some(std::sync::Arc::new(Planted));
    let mut masker = Masker::new(ValueMasks { key: MaskKey::new(&[7; 32]).unwrap(), finder });
    let mut joined = Vec::new();
    for piece in pieces {
        let mut out = Vec::new();
        match copy.data(&mut masker, piece, &mut out)? {
            Rewritten::Unchanged => joined.extend_from_slice(piece),
            Rewritten::Written if out.is_empty() => {}
            Rewritten::Written => {
                assert_eq!(out[0], b'd');
                assert_eq!(u32::from_be_bytes(out[1..5].try_into().unwrap()) as usize, out.len() - 1);
                joined.extend_from_slice(&out[5..]);
            }
        }
    }
    copy.done()?;
    Ok(joined)
}

#[track_caller]
fn check(format: &CopyFormat, given: &[u8], expected: &[u8]) {
    let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
    assert_eq!(shown(&run(format, &[given]).unwrap()), shown(expected));
    for cut in 0..given.len() {
        let (a, b) = given.split_at(cut);
        assert_eq!(shown(&run(format, &[a, b]).unwrap()), shown(expected), "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = given.chunks(1).collect();
    assert_eq!(shown(&run(format, &bytes).unwrap()), shown(expected), "byte by byte");
}

#[test]
fn text() {
    check(
        &options(CopyKind::Text),
        b"1\tana\ta SECRET b\t5\n2\t\\N\tclean\\tx\t\\N\n3\ta\\\\\\tb\t\\\\SECRET\t\\N\n",
        b"1\t[redacted]\ta a,\"\\t\\n\\\\b b\t\\N\n2\t\\N\tclean\\tx\t\\N\n3\t[redacted]\t\\\\a,\"\\t\\n\\\\b\t\\N\n",
    );
}

#[test]
fn text_with_options() {
    let format = CopyFormat {
        delimiter: Some("|".into()),
        null: Some("NIL".into()),
        header: true,
        ..options(CopyKind::Text)
    };
    check(
        &format,
        b"id|SECRET|c|d\r\n1|ana|SECRET\\||5\r\n2|NIL|clean|NIL\r\n",
        b"id|SECRET|c|d\r\n1|[redacted]|a,\"\\t\\n\\\\b\\||NIL\r\n2|NIL|clean|NIL\r\n",
    );
}

#[test]
fn csv() {
    check(
        &options(CopyKind::Csv),
        b"1,\"a,\n\"\"b\",x SECRET,5\n2,,\"\",\n3,\"\",clean,\n",
        b"1,[redacted],\"x a,\"\"\t\n\\b\",\n2,,\"\",\n3,[redacted],clean,\n",
    );
}

#[test]
fn csv_with_options() {
    let format = CopyFormat {
        delimiter: Some(";".into()),
        null: Some("[redacted]".into()),
        quote: Some("'".into()),
        escape: Some("\\".into()),
        header: true,
        ..options(CopyKind::Csv)
    };
    check(
        &format,
        b"id;'b\n';c;d\n1;'a\\';\\\\';'SECRET''s';5\n2;x;'\\'';[redacted]\n",
        b"id;'b\n';c;d\n1;'[redacted]';'a,\"\t\n\\\\bs';[redacted]\n2;'[redacted]';'\\'';[redacted]\n",
    );
}

fn binary(rows: &[&[Option<&[u8]>]]) -> Vec<u8> {
    let mut stream = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\x02zz".to_vec();
    for row in rows {
        stream.extend(u16::try_from(row.len()).unwrap().to_be_bytes());
        for value in *row {
            match value {
                None => stream.extend([0xff; 4]),
                Some(value) => {
                    stream.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
                    stream.extend_from_slice(value);
                }
            }
        }
    }
    stream.extend([0xff; 2]);
    stream
}

#[test]
fn binary_streams() {
    let format = options(CopyKind::Binary);
    check(
        &format,
        &binary(&[
            &[Some(&[0, 0, 0, 1]), Some(b"ana"), Some(b"SECRET"), Some(&[0, 0, 0, 5])],
            &[None, None, Some(b"clean"), None],
        ]),
        &binary(&[
            &[Some(&[0, 0, 0, 1]), Some(b"[redacted]"), Some(b"a,\"\t\n\\b"), None],
            &[None, None, Some(b"clean"), None],
        ]),
    );
    assert_eq!(run(&format, &[&binary(&[&[None, None]])]), Err(MaskError::Columns { expected: 4, got: 2 }));
    let mut after = binary(&[]);
    after.push(0);
    assert!(matches!(run(&format, &[&after]), Err(MaskError::Copy(_))));
    let mut flags = binary(&[]);
    flags[12] = 1;
    assert!(matches!(run(&format, &[&flags]), Err(MaskError::Copy(_))));
    assert!(matches!(run(&format, &[b"1\tana\tb\t5\n"]), Err(MaskError::Copy(_))));
}

#[test]
fn streams_that_lie_end_the_session() {
    for (format, given) in [
        (CopyKind::Text, &b"1\tana\n"[..]),
        (CopyKind::Text, b"1\tana\tb\tc\td\n"),
        (CopyKind::Text, b"1\tana\tb\tc"),
        (CopyKind::Csv, b"1,ana\n"),
        (CopyKind::Csv, b"1,ana,b,c,d\n"),
        (CopyKind::Csv, b"1,\"ana,b,c,d\n"),
    ] {
        assert!(
            matches!(run(&options(format), &[given]), Err(MaskError::Copy(_))),
            "{}",
            given.escape_ascii()
        );
    }
    let endless = vec![b'a'; MAX_MASKED_ROW / 2 + 1];
    assert_eq!(run(&options(CopyKind::Text), &[&endless, &endless]), Err(MaskError::TooLarge));
}

#[test]
fn what_is_opened_is_what_was_asked_for() {
    let copy = CopyMasker::new(plan(Format::Text), &options(CopyKind::Text)).unwrap();
    assert_eq!(copy.opened(&[0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0]), Ok(()));
    for wrong in [&[0, 0, 4, 0, 0][..], &[0, 0, 2, 0, 0, 0, 0], &[1, 0, 4, 0, 1, 0, 1, 0, 1, 0, 1], &[0, 0]] {
        assert!(copy.opened(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn tables_are_told_from_queries() {
    for (statement, expected) in [
        ("COPY users TO STDOUT", true),
        (" copy/* ( */-- (\n\"Odd\" (a) TO STDOUT", true),
        ("/* a /* b */ c */ COPY public.users TO STDOUT", true),
        ("COPY (SELECT 1) TO STDOUT", false),
        ("COPY(SELECT 1) TO STDOUT", false),
        ("COPY /* x */ (SELECT 1) TO STDOUT", false),
        ("COPY -- x\n(SELECT 1) TO STDOUT", false),
        ("COPY -- x\r(SELECT 1) TO STDOUT", false),
        ("COPY /* x", false),
        ("SELECT 1", false),
        ("", false),
    ] {
        assert_eq!(copies_table(statement), expected, "{statement}");
    }
}

#[test]
fn options_that_are_not_followed_are_refused() {
    let odd = CopyFormat { unfamiliar: vec!["compress".into()], ..options(CopyKind::Text) };
    assert_eq!(
        CopyMasker::new(plan(Format::Text), &odd).unwrap_err(),
        CopyRefused::Option("compress".into())
    );
    let wide = CopyFormat { delimiter: Some("ab".into()), ..options(CopyKind::Csv) };
    assert_eq!(CopyMasker::new(plan(Format::Text), &wide).unwrap_err(), CopyRefused::Format);
    let free = ResultPlan::new([cell(Treatment::Pass, 25, Format::Text)]);
    assert!(CopyMasker::new(free, &odd).unwrap().passes_all());
}

proptest! {
    /// What a server would write for these rows holds no secret once it is masked, however it is cut.
    #[test]
    fn no_secret_comes_through(
        rows in prop::collection::vec(("[a-z\\\\,\"\t]{0,6}", "[a-z\\\\,\"\t]{0,6}"), 1..5),
        cuts in prop::collection::vec(1usize..9, 0..40),
        kind in prop::sample::select(vec![CopyKind::Text, CopyKind::Csv]),
    ) {
        let escape = |value: &str| match kind {
            CopyKind::Csv => format!("\"{}\"", value.replace('"', "\"\"")),
            _ => value.replace('\\', "\\\\").replace('\t', "\\t"),
        };
        let delimiter = if kind == CopyKind::Csv { "," } else { "\t" };
        let stream: String = rows
            .iter()
            .map(|(a, b)| {
                let secret = escape(&format!("{a}SECRET{b}"));
                [escape(b), secret.clone(), secret, "7".into()].join(delimiter) + "\n"
            })
            .collect();
        let mut pieces = Vec::new();
        let mut rest = stream.as_bytes();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        let got = run(&options(kind), &pieces).unwrap();
        prop_assert!(memchr::memmem::find(&got, b"SECRET").is_none(), "{}", got.escape_ascii());
        prop_assert_eq!(&got, &run(&options(kind), &[stream.as_bytes()]).unwrap());
    }
}
