//! The documentation names tests: they exist. It links to files: they exist too.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test states what it expects by failing"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names of all functions in the Rust files below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            functions(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for behind in text.split("fn ").skip(1) {
                found.insert(behind.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            }
        }
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_named_exists() {
    let mut known = BTreeSet::new();
    for folder in ["policy-core", "policy-lang", "proxies", "examples"] {
        functions(&root().join(folder), &mut known);
    }
    let mut named = 0;
    for page in ["THREATS.md", "ARCHITECTURE.md"] {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        // The last cell of a row.
        for cell in
            text.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|')?.rsplit('|').next())
        {
            for name in quoted(cell).map(|name| name.rsplit("::").next().unwrap_or(name)) {
                let is_test =
                    name.contains('_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                assert!(
                    !is_test || known.contains(name),
                    "{page} names the test `{name}`, which does not exist"
                );
                named += usize::from(is_test);
            }
        }
    }
    assert!(named > 100, "only {named} tests are named");
}

/// All files and folders below a folder, but for what is built.
fn paths(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            paths(&path, found);
        }
        found.push(path);
    }
}

#[test]
fn every_place_in_the_code_that_is_named_exists() {
    let mut known = Vec::new();
    for folder in ["policy-core", "policy-lang", "proxies", "examples", "benches", "fuzz"] {
        paths(&root().join(folder), &mut known);
    }
    let mut named = 0;
    for page in ["THREATS.md", "ARCHITECTURE.md"] {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        // A crate may be named by the end of its path, as in `gateway/src/watch.rs`; a module without its crate.
        for name in quoted(&text).filter(|name| name.contains('/') && name.split('/').all(is_plain)) {
            assert!(
                known.iter().any(|path| path.ends_with(name)),
                "{page} names `{name}`, which does not exist"
            );
            named += 1;
        }
    }
    assert!(named > 20, "only {named} places are named");
}

/// Whether this could be the name of a file or folder.
fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

#[test]
fn every_link_leads_somewhere() {
    for (page, base) in [
        ("README.md", "."),
        ("SECURITY.md", "."),
        ("docs/ARCHITECTURE.md", "docs"),
        ("docs/THREATS.md", "docs"),
        ("docs/OPERATIONS.md", "docs"),
        ("docs/LANGUAGE.md", "docs"),
    ] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for link in text.split("](").skip(1).filter_map(|behind| behind.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !link.starts_with("http") {
                assert!(root().join(base).join(file).exists(), "{page} links to `{link}`");
            }
        }
    }
}
