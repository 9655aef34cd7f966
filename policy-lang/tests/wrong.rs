//! Wrong policies and what their author is told: one pair of files each in `tests/wrong`.
//!
//! `BLESS=1 cargo test -p policy-lang --test wrong` writes the `.txt` files anew; read each change as the
//! author of that policy would.

#![allow(clippy::unwrap_used, reason = "a test states what it expects by failing")]

use std::fs;
use std::path::{Path, PathBuf};

use policy_lang::{Environment, Source, Style, load};

fn environment() -> Environment {
    let known = |names: &[&str]| Some(names.iter().map(|name| Box::from(*name)).collect());
    Environment {
        groups: known(&["eng", "sre", "dba", "fraud", "sre-leads"]),
        targets: known(&["shop", "crm"]),
        labels: known(&["env", "tier"]),
        ..Environment::default()
    }
}

/// What a user sees: warnings of a policy that loads, errors and warnings of one that does not.
fn told(path: &Path) -> String {
    let name = path.file_name().unwrap().to_str().unwrap();
    let source = Source::new(name, fs::read_to_string(path).unwrap());
    match load(&[source], &environment()) {
        Ok(loaded) => loaded.warnings.render(Style::Plain),
        Err(diagnostics) => diagnostics.render(Style::Plain),
    }
}

fn cases() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong");
    let mut cases: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "policy"))
        .collect();
    cases.sort();
    cases
}

#[test]
fn every_wrong_policy_is_told_what_is_wrong() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut different = Vec::new();
    for case in cases() {
        let golden = case.with_extension("txt");
        let told = told(&case);
        assert!(!told.is_empty(), "{} is not wrong", case.display());
        if bless {
            fs::write(&golden, &told).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != told {
            different.push(format!("{}:\n{told}", case.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(cases().len() >= 40);
}

#[test]
fn diagnostics_are_plain_data_too() {
    let source = Source::new("a.policy", "deny \"x\" {\n  on postgres\n  do  dropp\n}\n");
    let diagnostics = load(&[source], &environment()).unwrap_err();
    let json = serde_json::to_value(diagnostics.reports()).unwrap();
    assert_eq!(json[0]["severity"], "error");
    assert_eq!(json[0]["place"]["file"], "a.policy");
    assert_eq!(json[0]["place"]["line"], 3);
    assert_eq!(json[0]["place"]["column"], 7);
    assert_eq!(json[0]["label"], "did you mean `drop`?");
}

#[test]
fn colour_is_the_callers_choice() {
    let diagnostics = load(&[Source::new("a", "deny")], &environment()).unwrap_err();
    assert!(!diagnostics.render(Style::Plain).contains('\u{1b}'));
    assert!(diagnostics.render(Style::Coloured).contains('\u{1b}'));
}

#[test]
fn large_and_hostile_files_are_bounded() {
    let hostile = [
        "deny\n".repeat(10_000),
        "deny \"x\" {\n".repeat(10_000),
        "set a = b or b\n".repeat(10_000),
        format!("deny \"x\" {{ on postgres do delete when {} filtered }}", "not ".repeat(50_000)),
        format!("deny \"x\" {{ on postgres do delete when {} filtered }}", "filtered and ".repeat(20_000)),
        (0..40).map(|set| format!("set s{} = s{set} or s{set}\n", set + 1)).collect::<String>()
            + "set s0 = group \"eng\"\nallow \"x\" { by s40 on postgres }",
        (0..3_000)
            .map(|rule| format!("deny \"{rule}\" {{ on postgres do drop on \"public.t{rule}\" }}\n"))
            .collect(),
        "(".repeat(1 << 19),
        "\"".repeat(1 << 19),
        "x".repeat((1 << 20) + 1),
        "[ ".repeat(300_000),
    ];
    for text in hostile {
        let start: String = text.chars().take(30).collect();
        match load(&[Source::new("hostile", text)], &environment()) {
            Ok(loaded) => assert!(loaded.warnings.iter().count() <= 100, "{start}"),
            Err(diagnostics) => {
                assert!(diagnostics.iter().count() <= 100 && diagnostics.errors() > 0, "{start}");
                assert!(diagnostics.reports().len() <= 100, "{start}");
            }
        }
    }
}
