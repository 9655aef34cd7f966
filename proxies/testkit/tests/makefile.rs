//! The Makefile installs what it needs: on a machine that has everything, nobody would notice a step
//! that never runs.

#![allow(clippy::expect_used, reason = "a test states what it expects by failing")]

use std::path::Path;
use std::process::Command;

/// What `make TARGET` would run, without running it.
fn plan(target: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = Command::new("make")
        .args(["--dry-run", "--no-print-directory", target])
        .current_dir(root)
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .output()
        .expect("make runs");
    assert!(out.status.success(), "make {target}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("a plan is text")
}

#[test]
fn each_target_looks_for_its_packages_first() {
    for (target, level) in [
        ("build", "build"),
        ("lint", "build"),
        ("fuzz", "test"),
        ("test", "test"),
        ("test-kills", "test"),
        ("demo", "test"),
        ("test-postgres-18", "python"),
        ("test-clients", "clients"),
        ("test-ssh-clients", "python"),
        ("test-http-origins", "origins"),
        ("test-browser", "browser"),
        ("test-agents", "agents"),
        ("conformance-postgres", "conformance"),
        ("conformance-kubernetes", "python"),
        ("bench", "bench"),
        ("bench-postgres", "bench"),
    ] {
        let plan = plan(target);
        let first = plan.lines().next().unwrap_or_default();
        assert_eq!(first, format!("scripts/packages {level}"), "make {target} runs:\n{plan}");
    }
}
