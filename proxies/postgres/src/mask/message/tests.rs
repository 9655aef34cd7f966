//! Reports, notifications and settings, open and guarded.

use policy_core::mask::MaskKey;

use super::*;
use crate::mask::{Finder, ValueMasks};

struct Planted;

impl Finder for Planted {
    fn rewrite(&self, text: &[u8], out: &mut Vec<u8>) -> Found {
        let Some(at) = memchr::memmem::find(text, b"4111") else { return Found::Nothing };
        out.extend_from_slice(&text[..at]);
        out.extend_from_slice(b"####");
        out.extend_from_slice(&text[at + 4..]);
        Found::Text
    }
}

fn masker() -> Masker {
    Masker::new(ValueMasks {
        key: MaskKey::new(&[7; 32]).unwrap(),
        finder: Some(std::sync::Arc::new(Planted)),
    })
}

fn body(fields: &str) -> Vec<u8> {
    let mut body: Vec<u8> = fields.split('|').flat_map(|field| [field.as_bytes(), b"\0"].concat()).collect();
    body.push(0);
    body
}

fn report(exposure: Exposure, fields: &str) -> String {
    let given = body(fields);
    let mut out = Vec::new();
    match masker().report(exposure, b'E', &given, &mut out).unwrap() {
        Rewritten::Unchanged => fields.to_owned(),
        Rewritten::Written => {
            assert_eq!(u32::from_be_bytes(out[1..5].try_into().unwrap()) as usize, out.len() - 1);
            assert!(Report::parse(&out[5..]).is_ok());
            let text = String::from_utf8(out[5..out.len() - 2].to_vec()).unwrap();
            text.replace('\0', "|").replace(HIDDEN, "#")
        }
    }
}

#[test]
fn reports_that_may_hold_masked_values_keep_what_comes_from_definitions() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str)] = &[
        ("a unique violation", "SERROR|C23505|Mduplicate key value violates unique constraint \"users_email_key\"|DKey (email)=(ana@x) already exists.|spublic|tusers|nusers_email_key|Fnbtinsert.c|L664|R_bt_check_unique",
            "SERROR|C23505|Mduplicate key value violates unique constraint \"users_email_key\"|D#|spublic|tusers|nusers_email_key|Fnbtinsert.c|L664|R_bt_check_unique"),
        ("a cast at run time", "SERROR|C22P02|Minvalid input syntax for type integer: \"ana@x\"|Fnumutils.c|L320|Rpg_strtoint32",
            "SERROR|C22P02|Mthe value is no valid text form of the type; the rest is #|Fnumutils.c|L320|Rpg_strtoint32"),
        ("a cast of what the client typed", "SERROR|C22P02|Minvalid input syntax for type integer: \"abc\"|P8|Fnumutils.c|L320|Rpg_strtoint32",
            "SERROR|C22P02|Minvalid input syntax for type integer: \"abc\"|P8|Fnumutils.c|L320|Rpg_strtoint32"),
        ("a relation made of a value", "SERROR|C42P01|Mrelation \"ana@x\" does not exist|Fnamespace.c|L433|RRangeVarGetRelidExtended",
            "SERROR|C42P01|Mthe relation does not exist; the rest is #|Fnamespace.c|L433|RRangeVarGetRelidExtended"),
        ("a relation that the client named", "SERROR|C42P01|Mrelation \"userz\" does not exist|P15|Fparse_relation.c|L1392|RparserOpenTable",
            "SERROR|C42P01|Mrelation \"userz\" does not exist|P15|Fparse_relation.c|L1392|RparserOpenTable"),
        ("an exception of a function", "SERROR|CP0001|Mana@x is bad|Hana@x|Wfunction f(ana@x)|tana@x|Fpl_exec.c|L3876|Rexec_stmt_raise",
            "SERROR|CP0001|Ma function raised an exception; the rest is #|H#|W#|Fpl_exec.c|L3876|Rexec_stmt_raise"),
        ("an error inside a function's text", "SERROR|C42703|Mcolumn \"ana@x\" does not exist|P3|p8|qSELECT ana@x|WPL|Fparse.c|L1|RerrorMissingColumn",
            "SERROR|C42703|Mthe column does not exist; the rest is #|P3|p8|q#|W#|Fparse.c|L1|RerrorMissingColumn"),
        ("a failing row", "SERROR|C23514|Mnew row for relation \"users\" violates check constraint \"c\"|DFailing row contains (1, ana@x).|tusers|nc|RExecConstraints",
            "SERROR|C23514|Mnew row for relation \"users\" violates check constraint \"c\"|D#|tusers|nc|RExecConstraints"),
        ("division", "SERROR|C22012|Mdivision by zero|Fint.c|L841|Rint4div", "SERROR|C22012|Mdivision by zero|Fint.c|L841|Rint4div"),
        ("a field nobody knows", "SERROR|C22012|Mdivision by zero|zana@x", "SERROR|C22012|Mdivision by zero"),
        ("no code", "SERROR|Mana@x", "SERROR|Merror; the rest is #|CXX000"),
        ("a code nobody knows", "SERROR|CQQ123|Mana@x", "SERROR|CQQ123|Merror; the rest is #"),
    ];
    for (name, given, expected) in cases {
        assert_eq!(report(Exposure::Guarded, given), *expected, "{name}");
    }
}

#[test]
fn open_reports_are_only_looked_through() {
    let given =
        "SERROR|C22P02|Minvalid input syntax for type integer: \"4111x\"|DKey 4111|Wline 4111|z4111|Rx";
    assert_eq!(report(Exposure::Open, given), given.replace("4111", "####"));
    let clean = "SERROR|C22P02|Minvalid input syntax for type integer: \"x\"|Rx";
    assert_eq!(report(Exposure::Open, clean), clean);
    assert_eq!(report(Exposure::Open, "Mclean"), "Mclean|SERROR|CXX000");
}

#[test]
fn reports_that_do_not_end_are_refused() {
    for bad in [&b""[..], b"SERROR", b"SERROR\0", b"SERROR\0\0x", b"\0\0"] {
        let mut out = Vec::new();
        assert!(masker().report(Exposure::Open, b'E', bad, &mut out).is_err(), "{}", bad.escape_ascii());
        assert!(out.is_empty());
    }
}

#[test]
fn notifications() {
    let given = b"\0\0\0\x01ch4111\0pay4111\0";
    let mut out = Vec::new();
    assert_eq!(masker().notification(Exposure::Open, given, &mut out), Ok(Rewritten::Written));
    assert_eq!(&out[5..], b"\0\0\0\x01ch####\0pay####\0");
    out.clear();
    assert_eq!(masker().notification(Exposure::Guarded, given, &mut out), Ok(Rewritten::Written));
    assert_eq!(&out[5..], [b"\0\0\0\x01ch####\0", HIDDEN.as_bytes(), b"\0"].concat());
    out.clear();
    let empty = b"\0\0\0\x01ch\0\0";
    assert_eq!(masker().notification(Exposure::Guarded, empty, &mut out), Ok(Rewritten::Unchanged));
    for cut in 0..given.len() {
        assert!(masker().notification(Exposure::Open, &given[..cut], &mut out).is_err());
    }
    assert!(masker().notification(Exposure::Open, &[given, &b"x"[..]].concat(), &mut out).is_err());
    assert!(out.is_empty());
}

#[test]
fn settings() {
    let status = |exposure, given: &[u8]| {
        let mut out = Vec::new();
        match masker().parameter_status(exposure, given, &mut out).unwrap() {
            Rewritten::Unchanged => given.escape_ascii().to_string(),
            Rewritten::Written => out[5..].escape_ascii().to_string().replace(HIDDEN, "#"),
        }
    };
    assert_eq!(status(Exposure::Open, b"application_name\0x\0"), "application_name\\x00x\\x00");
    assert_eq!(status(Exposure::Open, b"application_name\x004111\0"), "application_name\\x00####\\x00");
    assert_eq!(status(Exposure::Guarded, b"application_name\0ana\0"), "application_name\\x00#\\x00");
    assert_eq!(status(Exposure::Guarded, b"client_encoding\0UTF8\0"), "client_encoding\\x00UTF8\\x00");
    // Zones are told, what else the server takes for one is not: `<abc12>3` is valid.
    for zone in ["UTC", "Europe/Berlin", "America/Port-au-Prince", "Etc/GMT+12"] {
        let given = format!("TimeZone\0{zone}\0");
        assert_eq!(status(Exposure::Guarded, given.as_bytes()), given.as_bytes().escape_ascii().to_string());
    }
    for other in ["<ana>5", "Ada0", "Etc/GMT+123", "Etc/GMT<x>1", "<+a1>-3"] {
        let given = format!("TimeZone\0{other}\0");
        assert_eq!(status(Exposure::Guarded, given.as_bytes()), "TimeZone\\x00#\\x00", "{other}");
    }
    let mut out = Vec::new();
    assert!(masker().parameter_status(Exposure::Open, b"a\0b", &mut out).is_err());
}

#[test]
fn names_of_columns() {
    let mut given = 2_u16.to_be_bytes().to_vec();
    given.extend_from_slice(b"id\0aaaabbccccddeeeeff");
    given.extend_from_slice(b"c4111\0aaaabbccccddeeeeff");
    let mut out = Vec::new();
    assert_eq!(masker().row_description(&given, &mut out), Ok(Rewritten::Written));
    let text = out[5..].escape_ascii().to_string();
    assert_eq!(text, given.escape_ascii().to_string().replace("c4111", "c####"));
    out.clear();
    for cut in 0..given.len() {
        assert!(masker().row_description(&given[..cut], &mut out).is_err(), "{cut}");
    }
    assert!(out.is_empty());
}
