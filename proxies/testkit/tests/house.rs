//! The rules of the house, read off `cargo metadata`: who may depend on whom, which licences come
//! in, which crates stay out, and which compiler the manifest promises.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test states what it expects by failing"
)]

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Each crate of the workspace, and the crates of the workspace that it may use outside tests.
const ARROWS: &[(&str, &[&str])] = &[
    ("policy-core", &[]),
    ("policy-normalize", &["policy-core"]),
    ("policy-lang", &["policy-core"]),
    ("portcullis-evidence", &["policy-core"]),
    ("portcullis-gateway", &["policy-core", "policy-lang", "portcullis-evidence"]),
    (
        "portcullis-postgres",
        &["policy-core", "policy-normalize", "portcullis-evidence", "portcullis-gateway"],
    ),
    ("portcullis-ssh", &["policy-core", "policy-normalize", "portcullis-evidence", "portcullis-gateway"]),
    ("portcullis-http", &["policy-core", "policy-normalize", "portcullis-evidence", "portcullis-gateway"]),
    (
        "portcullis-cli",
        &[
            "policy-core",
            "policy-lang",
            "policy-normalize",
            "portcullis-evidence",
            "portcullis-gateway",
            "portcullis-postgres",
            "portcullis-ssh",
            "portcullis-http",
        ],
    ),
    ("portcullis-examples", &["policy-core", "policy-lang", "policy-normalize"]),
    ("portcullis-testkit", &[]),
];

/// Licences that may come in. A package passes when some way through its expression uses only these.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
    "Unlicense",
    "CC0-1.0",
    "0BSD",
    "CDLA-Permissive-2.0",
];

/// Crates that stay out, and why.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "one TLS stack: rustls with ring"),
    ("native-tls", "one TLS stack: rustls with ring"),
    ("aws-lc-rs", "two crypto providers make rustls's implicit default panic"),
    ("yash-syntax", "GPL"),
];

/// Crates of ours that need no async runtime, and must not grow one.
const NO_RUNTIME: &[&str] = &["policy-core", "policy-normalize", "policy-lang", "portcullis-evidence"];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .other_options(vec!["--locked".into()])
        .exec()
        .expect("cargo metadata reads the workspace")
}

fn workspace(metadata: &Metadata) -> BTreeMap<&str, &Package> {
    metadata.workspace_packages().into_iter().map(|package| (package.name.as_str(), package)).collect()
}

#[test]
fn arrows_point_one_way() {
    let metadata = metadata();
    let ours = workspace(&metadata);
    for (name, package) in &ours {
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| known == name) else {
            panic!("`{name}` is new: say in ARROWS what it may depend on");
        };
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            let to = dependency.name.as_str();
            assert!(
                !ours.contains_key(to) || allowed.contains(&to),
                "`{name}` depends on `{to}`, which the architecture does not allow"
            );
        }
    }
}

#[test]
fn pure_crates_have_no_runtime_and_no_sockets() {
    let metadata = metadata();
    for name in NO_RUNTIME {
        let package = workspace(&metadata)[name];
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            assert!(
                !["tokio", "async-std", "smol", "hyper", "socket2"].contains(&dependency.name.as_str()),
                "`{name}` depends on `{}`",
                dependency.name
            );
        }
    }
}

#[test]
fn licences_are_permissive() {
    let refused: Vec<String> = metadata()
        .packages
        .iter()
        .filter(|package| !package.license.as_deref().is_some_and(permits))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    assert!(refused.is_empty(), "licences outside the list:\n{}", refused.join("\n"));
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("MIT AND GPL-3.0", false),
        ("MIT/Apache-2.0", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(MIT OR Apache-2.0) AND GPL-2.0", false),
        ("Apache-2.0 WITH LLVM-exception OR MIT", true),
        ("", false),
    ] {
        assert_eq!(permits(expression), expected, "{expression}");
    }
}

#[test]
fn banned_crates_stay_out() {
    let metadata = metadata();
    for (name, reason) in BANNED {
        assert!(metadata.packages.iter().all(|package| package.name.as_str() != *name), "`{name}`: {reason}");
    }
}

#[test]
fn the_declared_compiler_is_enough_for_every_dependency() {
    let metadata = metadata();
    let ours = workspace(&metadata);
    let promised = ours["policy-core"].rust_version.clone().expect("the workspace declares rust-version");
    for package in &metadata.packages {
        if ours.contains_key(package.name.as_str()) {
            assert_eq!(package.rust_version.as_ref(), Some(&promised), "{}", package.name);
        } else if let Some(needed) = &package.rust_version {
            assert!(*needed <= promised, "`{}` needs Rust {needed}, we promise {promised}", package.name);
        }
    }
}

/// Whether an SPDX expression can be satisfied by [`LICENCES`] alone. `AND` binds tighter than `OR`.
fn permits(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let mut tokens = Vec::new();
    for word in expression.replace('(', " ( ").replace(')', " ) ").split_whitespace() {
        tokens.push(word.to_owned());
    }
    let mut rest = tokens.as_slice();
    let verdict = any(&mut rest);
    verdict && rest.is_empty()
}

fn any(tokens: &mut &[String]) -> bool {
    let mut verdict = all(tokens);
    while tokens.first().is_some_and(|word| word == "OR") {
        *tokens = &tokens[1..];
        verdict |= all(tokens);
    }
    verdict
}

fn all(tokens: &mut &[String]) -> bool {
    let mut verdict = one(tokens);
    while tokens.first().is_some_and(|word| word == "AND") {
        *tokens = &tokens[1..];
        verdict &= one(tokens);
    }
    verdict
}

fn one(tokens: &mut &[String]) -> bool {
    let Some((first, rest)) = tokens.split_first() else { return false };
    *tokens = rest;
    if first == "(" {
        let verdict = any(tokens);
        let closed = tokens.first().is_some_and(|word| word == ")");
        *tokens = tokens.get(1..).unwrap_or_default();
        return verdict && closed;
    }
    let mut licence = first.clone();
    if tokens.first().is_some_and(|word| word == "WITH") {
        licence = format!("{licence} WITH {}", tokens.get(1).map_or("", String::as_str));
        *tokens = tokens.get(2..).unwrap_or_default();
    }
    LICENCES.contains(&licence.as_str())
}
